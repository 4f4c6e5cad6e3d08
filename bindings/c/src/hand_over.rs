//! Regions without a name, and handing them to other processes.

use crate::argument;
use crate::region::{attach, dmxp_region, dmxp_region_options};
use crate::status::{Failure, Result, answer};
use dmxp::{PeerCredentials, Region, RegionOptions, Wait};
use std::ffi::c_void;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The process at the other end of a Unix socket, as the kernel noted it when the two were connected: the one that connected or
/// listened, or that made the pair of sockets, even if another process has the socket now.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_peer_credentials {
    /// Its process id; 0 if it lies in a PID namespace that this process cannot see.
    pub pid: u32,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}

/// Whether a peer may have, or give, a region: not 0 accepts it. `context` is what was given with the function. It must not jump
/// or throw out of the call.
pub type dmxp_peer_policy =
    Option<unsafe extern "C" fn(peer: *const dmxp_peer_credentials, context: *mut c_void) -> i32>;

/// # Safety
/// `policy` is NULL or a function that can be called with `context`.
unsafe fn accepts(policy: dmxp_peer_policy, context: *mut c_void, peer: &PeerCredentials, otherwise: bool) -> bool {
    let Some(policy) = policy else {
        return otherwise;
    };
    let peer = dmxp_peer_credentials {
        pid: peer.pid,
        uid: peer.uid,
        gid: peer.gid,
    };
    // SAFETY: the caller's promise; the credentials live through the call.
    unsafe { policy(&raw const peer, context) != 0 }
}

/// A descriptor of the library's own for what `descriptor` is open on.
///
/// # Safety
/// `descriptor` is no open descriptor, or stays open as long as the call runs.
unsafe fn own(descriptor: i32, what: &str) -> Result<OwnedFd> {
    let refuse = |why: String| Failure::invalid(format!("`{what}` is {descriptor}: {why}"));
    if descriptor < 0 {
        return Err(refuse("not a descriptor".into()));
    }
    // SAFETY: not -1; it stays open by the caller's promise, or is none, which the next call answers with an error.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    borrowed.try_clone_to_owned().map_err(|error| refuse(error.to_string()))
}

/// A bound on an exchange.
fn timeout(timeout_ns: i64) -> Duration {
    match argument::wait(timeout_ns) {
        Wait::No => Duration::ZERO,
        Wait::For(time) => time,
        _ => Duration::MAX,
    }
}

/// Creates a region without a name and attaches to it. Others get it by dmxp_region_hand_over, or by a descriptor. Its memory is
/// sealed, so that nobody can shorten it under its users, and it is given back when the last process that has it ends. The name
/// in `options` is only what errors call it, and the directory must be NULL; `options` may be NULL. The result in `out` is given
/// back with dmxp_region_close.
///
/// # Safety
/// `options` is NULL or points to options whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_create_anonymous(
    options: *const dmxp_region_options,
    out: *mut *mut dmxp_region,
) -> i32 {
    // SAFETY: the caller's promise.
    answer(|| unsafe { attach(options, out, |options| Ok(options.create_anonymous()?)) })
}

/// A descriptor of a region without a name, for another process to inherit or to be sent, in `descriptor`; -1 if there is none.
/// Whoever has it can read and write the region. It is the caller's to close, and closed by exec.
///
/// Answers DMXP_INVALID_ARGUMENT for a region with a name.
///
/// # Safety
/// `region` is NULL or an open region; `descriptor` points to a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_get_descriptor(region: *const dmxp_region, descriptor: *mut i32) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { argument::result(descriptor, -1, "descriptor") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        *descriptor = region.descriptor()?.into_raw_fd();
        Ok(())
    })
}

/// Attaches to a region without a name by a descriptor of it, which stays the caller's. `options` may be NULL. The result in `out`
/// is given back with dmxp_region_close.
///
/// Answers DMXP_NOT_A_REGION for anything but memory that is sealed against shrinking, growing and further seals.
///
/// # Safety
/// `options` is NULL or points to options whose texts are NULL or NUL-terminated; `descriptor` stays open as long as the call
/// runs; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_attach(
    options: *const dmxp_region_options,
    descriptor: i32,
    out: *mut *mut dmxp_region,
) -> i32 {
    answer(|| {
        let by = |options: &RegionOptions| {
            // SAFETY: the caller's promise.
            let descriptor = unsafe { own(descriptor, "descriptor") }?;
            Ok(options.attach(descriptor)?)
        };
        // SAFETY: the caller's promise.
        unsafe { attach(options, out, by) }
    })
}

/// As dmxp_region_attach, for looking only: nothing is written, channels can be listed but not opened.
///
/// # Safety
/// As for dmxp_region_attach.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_attach_read_only(
    options: *const dmxp_region_options,
    descriptor: i32,
    out: *mut *mut dmxp_region,
) -> i32 {
    answer(|| {
        let by = |options: &RegionOptions| {
            // SAFETY: the caller's promise.
            let descriptor = unsafe { own(descriptor, "descriptor") }?;
            Ok(options.attach_read_only(descriptor)?)
        };
        // SAFETY: the caller's promise.
        unsafe { attach(options, out, by) }
    })
}

/// Hands a region without a name to the process at the other end of `socket`, a connected Unix stream socket, which calls
/// dmxp_region_receive. Returns when it has attached, and after `timeout_ns` at most; the socket's settings are left alone. Before
/// anything is sent, `policy` is asked about the peer, with `context`; if it is NULL, a peer of this process's effective user is
/// accepted, and root.
///
/// Answers, among others, DMXP_PEER_REFUSED, DMXP_TIMEOUT, DMXP_HAND_OVER (the peer refuses, closes, or speaks of something else).
/// The connection is of no further use then, and the peer may have the region all the same.
///
/// # Safety
/// `region` is NULL or an open region; `socket` stays open as long as the call runs; `policy` is NULL or a function that can be
/// called with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_hand_over(
    region: *const dmxp_region,
    socket: i32,
    timeout_ns: i64,
    policy: dmxp_peer_policy,
    context: *mut c_void,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let region: &Region = unsafe { argument::referred(region, "region") }?.region();
        // SAFETY: the caller's promise.
        let stream = UnixStream::from(unsafe { own(socket, "socket") }?);
        Ok(region.hand_over_if(&stream, timeout(timeout_ns), |peer| {
            // SAFETY: the caller's promise.
            unsafe { accepts(policy, context, peer, peer.is_same_user()) }
        })?)
    })
}

/// Attaches to the region that the process at the other end of `socket`, a connected Unix stream socket, hands over with
/// dmxp_region_hand_over. Waits `timeout_ns` at most; the socket's settings are left alone, and nothing is read but the
/// exchange. Before anything is read, `policy` is asked about the peer, with `context`; if it is NULL, a peer of this process's
/// effective user is accepted, and root, and the user that `options` accepts as owner. `options` may be NULL. The result in `out` is
/// given back with dmxp_region_close.
///
/// Answers, among others, DMXP_PEER_REFUSED, DMXP_TIMEOUT, DMXP_HAND_OVER (the peer closes, speaks of something else, or sends none
/// or several descriptors), DMXP_NOT_A_REGION. The connection is of no further use then.
///
/// # Safety
/// `options` is NULL or points to options whose texts are NULL or NUL-terminated; `socket` stays open as long as the call runs;
/// `policy` is NULL or a function that can be called with `context`; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_receive(
    options: *const dmxp_region_options,
    socket: i32,
    timeout_ns: i64,
    policy: dmxp_peer_policy,
    context: *mut c_void,
    out: *mut *mut dmxp_region,
) -> i32 {
    answer(|| {
        let by = |options: &RegionOptions| {
            // SAFETY: the caller's promise.
            let stream = UnixStream::from(unsafe { own(socket, "socket") }?);
            let time = timeout(timeout_ns);
            if policy.is_none() {
                return Ok(options.receive(&stream, time)?);
            }
            Ok(options.receive_if(&stream, time, |peer| {
                // SAFETY: the caller's promise.
                unsafe { accepts(policy, context, peer, false) }
            })?)
        };
        // SAFETY: the caller's promise.
        unsafe { attach(options, out, by) }
    })
}

const _: () = assert!(size_of::<dmxp_peer_credentials>() == 12);
