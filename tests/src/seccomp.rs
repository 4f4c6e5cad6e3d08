//! Filters of system calls.

use libc::sock_filter;

/// An instruction of a filter.
#[must_use]
pub fn statement(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

/// Lets the kernel treat system call `call` of this thread, and of those it starts, as `then` says and every other one as
/// `otherwise` says. Both are return values of a filter, see seccomp(2); there is no way back.
///
/// # Panics
/// When the kernel does not take the filter.
pub fn filter_calls(call: libc::c_long, then: u32, otherwise: u32) {
    install_filter(&mut [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, then),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, otherwise),
    ]);
}

/// Has the kernel run a filter at each system call of this thread, and of those it starts.
///
/// # Panics
/// When the kernel does not take it.
pub fn install_filter(filter: &mut [sock_filter]) {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: takes integers.
    let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program points to a filter of its length; the kernel copies it during the call.
    let filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!((privileges, filtered), (0, 0), "the kernel takes the filter");
}
