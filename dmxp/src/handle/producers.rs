//! What a consumer knows of the lives of its channel's producers.

use crate::layout::waiters;
use crate::region::Mapping;
use crate::sync::Ordering;
use crate::sync::planted::{Bug, planted};
use crate::table::lives;
use crate::table::properties::Properties;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// Beside the bits that say that a stream is over, in the answer for a consumer: its producers have gone. In no word of a region.
pub(crate) const GONE: u32 = 1 << 31;
/// The region's file was removed: newcomers do not find the region any more.
pub(crate) const LOST: u32 = 1 << 30;
const _: () = assert!((GONE | LOST) & (waiters::CLOSED | waiters::REMOVED) == 0);

/// What a consumer knows of the lives of its producers. Relaxed, all of it: hints of this process alone, looked at by several threads;
/// what counts is looked up in the region.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    is_asked: AtomicBool,
    /// One that lived at the last look: its place and its state, which no two handles have in common.
    known: AtomicU32,
    known_state: AtomicU64,
    /// The number of arrivals with which all had gone; 0 there was none.
    gone_at: AtomicU32,
}

impl Producers {
    /// The consumer is to be told when they have gone.
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Whether producers have come, and all of them have gone: dropped their handles, or are proven dead. Whoever is told so sees what they
    /// published, and what sweeps did with what the dead had claimed.
    pub(crate) fn have_gone(&self, mapping: &Mapping, properties: &Properties) -> bool {
        let number = &mapping.record(properties.id).arrivals;
        // Acquire: pairs with lives::enter_producer.
        let arrivals = number.load(Ordering::Acquire);
        // Acquire with it: what was seen then, in whatever thread, is seen now. Nothing but an arrival can change it.
        let gone_at = self.gone_at.load(Ordering::Acquire);
        if arrivals == 0 || gone_at == arrivals || gone_at != 0 && planted(Bug::ArrivalUnnoticed) {
            return arrivals != 0;
        }
        let known = (
            self.known.load(Ordering::Relaxed),
            self.known_state.load(Ordering::Relaxed),
        );
        if lives::is_there(mapping, properties, known) {
            return false;
        }
        if let Some((index, state)) = lives::some_producer(mapping, properties) {
            self.known.store(index, Ordering::Relaxed);
            self.known_state.store(state, Ordering::Relaxed);
            return false;
        }
        // One may have come behind the look, before the last that was found to be gone went: it has counted itself before that one
        // went, or it is not there for its program yet. The acquires of the look come before this.
        let is_over = number.load(Ordering::Acquire) == arrivals;
        if is_over {
            self.gone_at.store(arrivals, Ordering::Release);
        }
        is_over
    }
}
