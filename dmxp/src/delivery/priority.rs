//! Queues with priorities: consumers look at the ring for urgent messages first.
//!
//! Producers need no room of their own here: a producer of urgent messages is an ordinary one of the other ring. Consumers of either
//! ring wait on the same event, that of the channel, and its end is that of both.

use crate::delivery::queue;
use crate::error::{Error, Result};
use crate::ring::claim::ReadClaim;
use crate::sync::planted::{Bug, planted};

/// The consuming side of a queue with priorities.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Before the other one: it keeps the registration of that one.
    pub(crate) urgent: queue::Receiver,
    pub(crate) main: queue::Receiver,
}

impl Receiver {
    /// The ring that the claim is of.
    #[inline]
    pub(crate) fn that_claimed(&self, claim: &ReadClaim) -> &queue::Receiver {
        if self.urgent.has_claimed(claim) {
            &self.urgent
        } else {
            &self.main
        }
    }

    /// As [`queue::Receiver::try_claim`] and [`queue::Receiver::rest`] in one. What is there of urgent messages is enough.
    pub(crate) fn attempt(&self, min: u32, max: u32) -> Result<ReadClaim> {
        let holds_all_urgent = match attempt(&self.urgent, 1, max) {
            Err(Error::Empty | Error::Closed | Error::NoProducers | Error::Removed | Error::RegionRemoved { .. }) => {
                false
            }
            Err(Error::WouldDeadlock) => true,
            other => return other,
        };
        match attempt(&self.main, min, max) {
            // An urgent message may come yet.
            Err(Error::WouldDeadlock) if !holds_all_urgent => Err(Error::Empty),
            // The end was marked, and is seen from now on: a producer that claimed an urgent position before has it in the tail. See
            // queue::Sender::may_keep.
            Err(end @ (Error::Closed | Error::NoProducers | Error::Removed | Error::RegionRemoved { .. }))
                if !planted(Bug::UrgentForgottenAtEnd) =>
            {
                match attempt(&self.urgent, 1, max) {
                    // Those that came died before they had a handle on this ring: nothing was sent here.
                    Err(Error::Empty) if matches!(end, Error::NoProducers) && !self.urgent.had_producers() => Err(end),
                    other => other,
                }
            }
            other => other,
        }
    }

    /// Whether another waiting consumer may find a message too.
    ///
    /// Each ring's producers notify the same event: what came before a consumer's look at it is found, and what comes after it finds
    /// the consumer waiting.
    pub(crate) fn has_more(&self) -> bool {
        self.urgent.has_more() || self.main.has_more()
    }

    pub(crate) fn len(&self) -> u64 {
        self.urgent.len() + self.main.len()
    }
}

/// An attempt on one ring, and why it failed.
fn attempt(ring: &queue::Receiver, min: u32, max: u32) -> Result<ReadClaim> {
    match ring.try_claim(min, max) {
        Some(claim) => Ok(claim),
        None => ring.rest(min, max),
    }
}
