//! Which side pays for the ordering between publishing and announcing.
//!
//! A publisher stores a sequence and then loads the waiters word; a waiter stores the waiters word and then loads sequences.
//! One of them must see the other's store, so both need a full barrier between the two. With `membarrier(2)` the waiter, which is
//! about to sleep anyway, makes every registered process run one, and publishers carry none.

use core::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

const UNKNOWN: u8 = 0;
const REGISTERED: u8 = 1;
const UNAVAILABLE: u8 = 2;

/// Whether this process takes part. Asked again in a forked child: registration is not inherited by every kernel. Relaxed: it is
/// written before there is a handle to publish with, and a thread that has that handle got it with all that came before.
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

const CMD_GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const CMD_REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

fn membarrier(command: libc::c_int) -> bool {
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return scheduler.has_membarrier();
    }
    // SAFETY: membarrier takes two integers here and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers the process; called at each attach, which costs a system call and keeps forked children right.
pub(crate) fn register() {
    let state = if membarrier(CMD_REGISTER_GLOBAL_EXPEDITED) {
        REGISTERED
    } else {
        UNAVAILABLE
    };
    STATE.store(state, Ordering::Relaxed);
}

/// The publisher's side: orders earlier stores before later loads, by itself only if waiters cannot do it for us. Pairs with
/// [`heavy`].
#[inline]
pub(crate) fn light() {
    if STATE.load(Ordering::Relaxed) == REGISTERED {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Whether waiters run the barrier for publishers of this process: then [`light`] is nothing but a barrier for the compiler, and stays
/// so as long as the process lives.
pub(crate) fn is_light() -> bool {
    STATE.load(Ordering::Relaxed) == REGISTERED
}

/// The waiter's side. `false`: membarrier is not available here, and publishers must be told to fence.
pub(crate) fn heavy() -> bool {
    // Pairs with the fences of publishers that run their own: in `light`, and in Event::notify.
    fence(Ordering::SeqCst);
    membarrier(CMD_GLOBAL_EXPEDITED)
}
