//! As `dmxp/src/ring/queue/consume.rs`.

use super::{DELIVERED, HEAD, HINT, Local, Queue, REDELIVERED, Site, Standing, WORDS, standing};
use crate::encoding::{Cell, Phase, Sequence};
use crate::memory::Location;
use crate::weak::turn::{Change, Step, Turn};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

impl Queue {
    /// Receives what comes first: a returned message, or what is at the head.
    pub(super) fn receive(&self, handle: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if let Some(position) = self.take_returned(handle, &mut local.seen, turn)? {
            let message = turn.read(self.slot(position))?;
            turn.note(REDELIVERED | bit(message))?;
            return self.release_one(position, turn);
        }
        let Some((first, count)) = self.claim_readable(handle, turn)? else {
            return Ok(());
        };
        for position in first..first + count {
            let message = turn.read(self.slot(position))?;
            turn.note(DELIVERED | bit(message))?;
        }
        for position in (first..first + count).rev() {
            self.release_one(position, turn)?;
        }
        Ok(())
    }

    /// `consume::claim` of at least one; the first position and how many.
    fn claim_readable(&self, handle: usize, turn: &mut Turn<'_>) -> Step<Option<(u64, u64)>> {
        let cell = self.cell(handle);
        let most = u64::from(self.consumer_batch);
        let mut announced = false;
        loop {
            let first = turn.load(HEAD, self.order(Site::HeadLoad, Acquire))?;
            let word = turn.load(self.sequence(first), self.order(Site::ReadableLoad, Acquire))?;
            match standing(word, first) {
                Standing::Readable => {}
                Standing::Free | Standing::Behind => break,
                Standing::Aborted => {
                    let freed = self.order(Site::AbortedFree, AcqRel);
                    turn.compare_exchange(self.sequence(first), word, first + self.capacity, freed, Relaxed)?;
                    self.step_over(first, turn)?;
                    continue;
                }
                Standing::Ahead => {
                    self.step_over(first, turn)?;
                    continue;
                }
                Standing::Passed => {
                    if turn.load(HEAD, self.order(Site::HeadLoad, Acquire))? == first {
                        break;
                    }
                    continue;
                }
            }
            let mut count = 1;
            while count < most {
                let position = first + count;
                let word = turn.load(self.sequence(position), self.order(Site::ReadableLoad, Acquire))?;
                if standing(word, position) != Standing::Readable {
                    break;
                }
                count += 1;
            }
            let trying = WORDS.cell(Cell::Trying(Phase::Consume, first, count));
            turn.store(cell, trying, self.order(Site::ConsumerTrying, Release))?;
            announced = true;
            if turn.compare_exchange(HEAD, first, first + count, self.order(Site::HeadMove, AcqRel), Relaxed)? {
                let owned = WORDS.cell(Cell::Owned(Phase::Consume, first, count));
                turn.store(cell, owned, self.order(Site::ConsumerOwned, Release))?;
                return Ok(Some((first, count)));
            }
        }
        if announced {
            turn.store(cell, WORDS.cell(Cell::None), self.order(Site::ConsumerClear, Release))?;
        }
        Ok(None)
    }

    fn step_over(&self, position: u64, turn: &mut Turn<'_>) -> Step<bool> {
        turn.compare_exchange(
            HEAD,
            position,
            position + 1,
            self.order(Site::StepOver, AcqRel),
            Relaxed,
        )
    }

    fn release_one(&self, position: u64, turn: &mut Turn<'_>) -> Step<()> {
        turn.store(
            self.sequence(position),
            position + self.capacity,
            self.order(Site::Release, Release),
        )
    }

    /// Takes one returned message; its position.
    fn take_returned(&self, handle: usize, seen: &mut u64, turn: &mut Turn<'_>) -> Step<Option<u64>> {
        let hint = turn.load(HINT, self.order(Site::HintLoad, Acquire))?;
        if hint == *seen {
            return Ok(None);
        }
        let head = turn.load(HEAD, self.order(Site::ReturnedHead, Acquire))?;
        for place in head.saturating_sub(self.capacity)..head {
            let location: Location = self.sequence(place);
            let word = turn.load(location, self.order(Site::ReturnedLoad, Acquire))?;
            if let Sequence::Returned(position, times) = WORDS.sequence(word) {
                if position != place {
                    continue;
                }
                let taken = WORDS.taken(position, handle as u64, times + 1);
                if turn.compare_exchange(location, word, taken, self.order(Site::Take, AcqRel), Relaxed)? {
                    return Ok(Some(position));
                }
            }
        }
        *seen = hint;
        Ok(None)
    }

    pub(super) fn bump_hint(&self, turn: &mut Turn<'_>) -> Step<()> {
        turn.update(HINT, Change::Add(1), self.order(Site::HintMove, AcqRel))
            .map(|_| ())
    }
}

/// The ledger's bit of a message. What is no message is in no ledger.
fn bit(message: u8) -> u64 {
    match message {
        0 => 0,
        message => 1 << (message - 1),
    }
}
