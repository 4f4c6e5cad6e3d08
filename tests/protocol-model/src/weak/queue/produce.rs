//! As `dmxp/src/ring/queue/produce.rs`.

use super::{Local, Queue, SENT, Site, Standing, TAIL, WORDS, standing};
use crate::encoding::{Cell, Phase};
use crate::weak::turn::{Step, Turn};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

impl Queue {
    /// Sends the next batch, if there is room for it.
    pub(super) fn send(&self, handle: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        let count = self.producer_batch.min(self.producers[handle] - local.begun);
        let Some(first) = self.claim_free(handle, u64::from(count), turn)? else {
            return Ok(());
        };
        let mut messages = 0;
        for offset in 0..count {
            let message = self.message(handle, local.begun + offset);
            turn.write(self.slot(first + u64::from(offset)), message)?;
            messages |= 1 << (message - 1);
        }
        self.publish(first, u64::from(count), turn)?;
        turn.note(SENT | messages)?;
        local.begun += count;
        Ok(())
    }

    /// `produce::claim` of exactly so many; the first position.
    fn claim_free(&self, handle: usize, claimed: u64, turn: &mut Turn<'_>) -> Step<Option<u64>> {
        let cell = self.cell(handle);
        let mut announced = false;
        loop {
            let first = turn.load(TAIL, self.order(Site::TailLoad, Acquire))?;
            let (mut count, mut moved) = (0, false);
            while count < claimed {
                let position = first + count;
                let word = turn.load(self.sequence(position), self.order(Site::FreeLoad, Acquire))?;
                match standing(word, position) {
                    Standing::Free => count += 1,
                    Standing::Behind => break,
                    Standing::Readable | Standing::Aborted | Standing::Passed | Standing::Ahead => {
                        moved = true;
                        break;
                    }
                }
            }
            if count < claimed {
                if moved && turn.load(TAIL, self.order(Site::TailLoad, Acquire))? != first {
                    continue;
                }
                break;
            }
            let trying = WORDS.cell(Cell::Trying(Phase::Produce, first, count));
            turn.store(cell, trying, self.order(Site::ProducerTrying, Release))?;
            announced = true;
            if turn.compare_exchange(TAIL, first, first + count, self.order(Site::TailMove, SeqCst), Relaxed)? {
                let owned = WORDS.cell(Cell::Owned(Phase::Produce, first, count));
                turn.store(cell, owned, self.order(Site::ProducerOwned, Release))?;
                return Ok(Some(first));
            }
        }
        if announced {
            turn.store(cell, WORDS.cell(Cell::None), self.order(Site::ProducerClear, Release))?;
        }
        Ok(None)
    }

    fn publish(&self, first: u64, count: u64, turn: &mut Turn<'_>) -> Step<()> {
        for position in (first..first + count).rev() {
            turn.store(
                self.sequence(position),
                position + 1,
                self.order(Site::Publish, Release),
            )?;
        }
        Ok(())
    }
}
