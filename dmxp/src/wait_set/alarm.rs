//! What ends a set's wait beside its channels: the threads that help it, and interrupts.

use crate::wait::Bell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(super) struct Alarm {
    bell: Bell,
    interrupted: AtomicBool,
}

impl Alarm {
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Has the set look again.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// Whether there was an interrupt since this was asked last.
    pub(super) fn take_interrupt(&self) -> bool {
        // Relaxed: asked again with an order if it says yes; if it says no, the next interrupt rings. Acquire: pairs with the
        // release in `interrupt`; what was done before it is seen.
        self.interrupted.load(Ordering::Relaxed) && self.interrupted.swap(false, Ordering::AcqRel)
    }
}

/// Ends the wait of a [`WaitSet`](crate::WaitSet) from another thread; see [`WaitSet::interrupter`](crate::WaitSet::interrupter).
#[derive(Clone, Debug)]
pub struct Interrupter(pub(super) Arc<Alarm>);

impl Interrupter {
    /// Ends the wait that the set is in, or else the next one it begins. Several interrupts before a wait end one.
    pub fn interrupt(&self) {
        // Release: pairs with take_interrupt. Before the ring, so that it is seen by the set that hears it.
        self.0.interrupted.store(true, Ordering::Release);
        self.0.ring();
    }
}
