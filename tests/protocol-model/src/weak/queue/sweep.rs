//! As `dmxp/src/ring/queue/sweep.rs`, and what `dmxp/src/recovery` does around it.

use super::{DEAD, FREE, HEAD, HINT, LIVE, Local, Queue, Site, TAIL, UNFINISHED, WORDS};
use crate::encoding::{Cell, Phase, Sequence};
use crate::weak::turn::{Step, Turn};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// What the cells of other handles say of a position.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Owned,
    Unknown,
}

impl Queue {
    /// `recovery::sweep_channel`: declares the dead, sweeps them, and frees their records.
    pub(super) fn sweep_channel(&self, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if local.unfinished == UNFINISHED {
            turn.catch_up()?;
        }
        let mut dead = Vec::new();
        for handle in (0..self.handles()).filter(|handle| self.mortal(*handle)) {
            match turn.load(self.record(handle), self.order(Site::RecordLoad, Acquire))? {
                DEAD => dead.push(handle),
                LIVE if self.is_proven_dead(handle, turn)? => {
                    let declared = self.order(Site::Declare, AcqRel);
                    if turn.compare_exchange(self.record(handle), LIVE, DEAD, declared, Relaxed)? {
                        dead.push(handle);
                    }
                }
                _ => {}
            }
        }
        let (mut freed, mut unfinished) = (0, local.unfinished);
        for handle in dead {
            let freeing = self.order(Site::FreeRecord, AcqRel);
            if !self.sweep(handle, turn)? {
                unfinished = UNFINISHED.min(unfinished + 1);
            } else if turn.compare_exchange(self.record(handle), DEAD, FREE, freeing, Relaxed)? {
                freed += 1;
            }
        }
        local.begun += freed;
        local.unfinished = unfinished;
        Ok(())
    }

    /// Whether nobody holds the lock byte of the handle's process.
    fn is_proven_dead(&self, handle: usize, turn: &mut Turn<'_>) -> Step<bool> {
        match self.relaxed == Some(Site::Proof) {
            true => turn.is_dead_unordered(handle),
            false => turn.is_dead(handle),
        }
    }

    fn sweep(&self, dead: usize, turn: &mut Turn<'_>) -> Step<bool> {
        let mut finished = true;
        let word = turn.load(self.cell(dead), self.order(Site::DeadCell, Acquire))?;
        if !self.is_still_dead(dead, turn)? {
            return Ok(false);
        }
        match WORDS.claim(word) {
            Cell::None => {}
            Cell::Owned(phase, first, count) => self.sweep_owned(phase, first, count, turn)?,
            Cell::Trying(phase, first, count) => finished &= self.sweep_trying(dead, phase, first, count, turn)?,
        }
        if self.phase(dead) == Phase::Consume {
            if turn.load(HINT, self.order(Site::HintLoad, Acquire))? != 0 {
                finished &= self.sweep_taken(dead, turn)?;
            }
            self.bump_hint(turn)?;
        }
        Ok(finished)
    }

    fn is_still_dead(&self, dead: usize, turn: &mut Turn<'_>) -> Step<bool> {
        turn.fence(Acquire)?;
        Ok(turn.load(self.record(dead), Acquire)? == DEAD)
    }

    fn cursor(&self, phase: Phase, turn: &mut Turn<'_>) -> Step<u64> {
        let cursor = match phase {
            Phase::Produce => TAIL,
            Phase::Consume => HEAD,
        };
        turn.load(cursor, self.order(Site::CursorLoad, Acquire))
    }

    fn sweep_owned(&self, phase: Phase, first: u64, count: u64, turn: &mut Turn<'_>) -> Step<()> {
        // Only to widen the claim's position.
        self.cursor(phase, turn)?;
        if phase == Phase::Consume {
            for position in (first..first + count).rev() {
                self.let_go(position, turn)?;
            }
            return Ok(());
        }
        if turn.load(self.sequence(first), self.order(Site::OwnedFirst, Acquire))? != first {
            return Ok(());
        }
        for position in (first..first + count).rev() {
            if !self.abort(position, position, turn)? && position != first {
                self.abort(position, position + 1, turn)?;
            }
        }
        Ok(())
    }

    fn sweep_trying(&self, dead: usize, phase: Phase, first: u64, count: u64, turn: &mut Turn<'_>) -> Step<bool> {
        let mut finished = true;
        self.cursor(phase, turn)?;
        for position in (first..first + count).rev() {
            if self.cursor(phase, turn)? <= position {
                continue;
            }
            let stuck = match phase {
                Phase::Produce => position,
                Phase::Consume => position + 1,
            };
            if turn.load(self.sequence(position), self.order(Site::TriedLoad, Acquire))? != stuck {
                continue;
            }
            let owner = self.owner_of(dead, position, turn)?;
            if !self.is_still_dead(dead, turn)? {
                return Ok(false);
            }
            match (owner, phase) {
                (Owner::Owned, _) => {}
                (Owner::Unknown, _) => finished = false,
                (Owner::Nobody, Phase::Produce) => {
                    self.abort(position, position, turn)?;
                }
                (Owner::Nobody, Phase::Consume) => self.let_go(position, turn)?,
            }
        }
        Ok(finished)
    }

    /// `recovery::Others::owner_of`.
    fn owner_of(&self, dead: usize, position: u64, turn: &mut Turn<'_>) -> Step<Owner> {
        let phase = self.phase(dead);
        let mut answer = Owner::Nobody;
        for other in self.handles_of(phase).filter(|other| *other != dead) {
            let state = self.state_of(other, turn)?;
            if state == FREE {
                continue;
            }
            let word = turn.load(self.cell(other), self.order(Site::OtherCell, Acquire))?;
            let claims = match WORDS.claim(word) {
                Cell::Owned(_, first, count) if (first..first + count).contains(&position) => Owner::Owned,
                Cell::Trying(_, first, count) if state == LIVE && (first..first + count).contains(&position) => {
                    Owner::Unknown
                }
                _ => Owner::Nobody,
            };
            turn.fence(Acquire)?;
            let unchanged = self.state_of(other, turn)? == state;
            match claims {
                Owner::Owned if unchanged => return Ok(Owner::Owned),
                Owner::Nobody if unchanged => {}
                _ => answer = Owner::Unknown,
            }
        }
        Ok(answer)
    }

    /// The state of another handle's record. One that cannot die here lives.
    fn state_of(&self, other: usize, turn: &mut Turn<'_>) -> Step<u64> {
        match self.mortal(other) {
            true => turn.load(self.record(other), self.order(Site::OtherState, Acquire)),
            false => Ok(LIVE),
        }
    }

    fn sweep_taken(&self, dead: usize, turn: &mut Turn<'_>) -> Step<bool> {
        for place in 0..self.capacity {
            let word = turn.load(self.sequence(place), self.order(Site::TakenLoad, Acquire))?;
            if let Sequence::Taken(position, handle, times) = WORDS.sequence(word)
                && handle == dead as u64
            {
                if !self.is_still_dead(dead, turn)? {
                    return Ok(false);
                }
                self.replace(place, word, WORDS.returned(position, times), turn)?;
            }
        }
        Ok(true)
    }

    fn abort(&self, position: u64, from: u64, turn: &mut Turn<'_>) -> Step<bool> {
        self.replace(position, from, WORDS.aborted(position), turn)
    }

    fn let_go(&self, position: u64, turn: &mut Turn<'_>) -> Step<()> {
        self.replace(position, position + 1, WORDS.returned(position, 1), turn)?;
        Ok(())
    }

    fn replace(&self, position: u64, from: u64, to: u64, turn: &mut Turn<'_>) -> Step<bool> {
        turn.compare_exchange(
            self.sequence(position),
            from,
            to,
            self.order(Site::Replace, AcqRel),
            Relaxed,
        )
    }
}
