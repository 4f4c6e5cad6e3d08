//! The sweep of a dead handle's record, which any number of processes may run at once and again.

use super::state::{CELLS, Life, State, Sweep, Sweeper};
use super::{Bug, Configuration, Steps, bit};
use crate::encoding::{Cell, Phase, Sequence, Status, record, record_parts};

pub(super) fn steps(configuration: &Configuration, state: &State, number: usize, steps: &mut Steps<'_>) {
    let sweep = Sweeping {
        configuration,
        state,
        number,
    };
    match state.sweepers[number].next {
        Sweep::Idle => sweep.find_the_dead(steps),
        Sweep::ReadCell => steps.push("reads a cell of the dead", sweep.read_cell()),
        Sweep::OwnedFirst => steps.push("reads the first slot of an owned batch", sweep.owned_first()),
        Sweep::OwnedSlot => steps.push("settles an owned slot", sweep.owned_slot()),
        Sweep::Cursor => steps.push("reads the cursor and a tried slot", sweep.cursor()),
        Sweep::OtherState => steps.push("reads another handle's state", sweep.other_state()),
        Sweep::OtherCell => steps.push("reads another handle's cell", sweep.other_cell()),
        Sweep::LateState => steps.push("reads another handle's state, late", sweep.late_state()),
        Sweep::StillDead => steps.push("reads the dead record's state again", sweep.still_dead()),
        Sweep::Settle => steps.push("settles a tried slot", sweep.settle()),
        Sweep::StorePlainly => steps.push("stores plainly", sweep.store_plainly()),
        Sweep::Taken => steps.push("looks for a message the dead had taken", sweep.taken()),
        Sweep::GiveBack => steps.push("gives back a message the dead had taken", sweep.give_back()),
        Sweep::Hint => steps.push("moves the returned hint", sweep.hint()),
        Sweep::ClearCells => steps.push("clears the dead one's cells", sweep.clear_cells()),
        Sweep::Free => steps.push("frees the record", sweep.free()),
    }
}

struct Sweeping<'a> {
    configuration: &'a Configuration,
    state: &'a State,
    number: usize,
}

impl Sweeping<'_> {
    fn own(&self) -> &Sweeper {
        &self.state.sweepers[self.number]
    }

    fn dead(&self) -> usize {
        usize::from(self.own().target)
    }

    fn phase(&self) -> Phase {
        self.configuration.phase(self.dead())
    }

    fn bug(&self) -> Bug {
        self.configuration.bug
    }

    /// Whether the record is still the one that was found dead.
    fn record_is_ours(&self) -> bool {
        let (generation, status) = record_parts(self.state.records[self.dead()]);
        let expected = if self.bug() == Bug::FreedBeforeSweep {
            Status::Free
        } else {
            Status::Dead
        };
        generation == self.own().generation && status == expected
    }

    fn changed(&self, change: impl FnOnce(&mut Sweeper)) -> State {
        let mut next = *self.state;
        change(&mut next.sweepers[self.number]);
        next
    }

    fn go(&self, to: Sweep) -> State {
        self.changed(|own| own.next = to)
    }

    fn give_up(&self) -> State {
        self.changed(|own| *own = Sweeper::idle())
    }

    /// Probes lock bytes: a record whose process is gone is marked dead. A record marked dead, by whomever, may be swept.
    fn find_the_dead(&self, steps: &mut Steps<'_>) {
        for target in self.configuration.handles() {
            let (generation, status) = record_parts(self.state.records[target]);
            let swept = |mut next: State| {
                let own = &mut next.sweepers[self.number];
                own.target = target as u8;
                own.generation = generation;
                own.next = if self.bug() == Bug::HintBeforeReturn {
                    Sweep::Hint
                } else {
                    Sweep::ReadCell
                };
                next
            };
            if status == Status::Live && self.state.handles[target].life == Life::Gone {
                let mut next = *self.state;
                if self.bug() == Bug::FreedBeforeSweep {
                    next = swept(next);
                    next.records[target] = record(generation, Status::Free);
                } else {
                    next.records[target] = record(generation, Status::Dead);
                }
                steps.push("marks a record dead", next);
            } else if status == Status::Dead {
                steps.push("begins to sweep a dead record", swept(*self.state));
            }
        }
    }

    fn read_cell(&self) -> State {
        if !self.record_is_ours() && self.bug() != Bug::CellGenerationUnchecked {
            return self.give_up();
        }
        let word = self.state.cells[self.dead()][usize::from(self.own().cell)];
        let (next, count) = match self.configuration.encoding.claim(word) {
            Cell::None => return self.next_cell(),
            Cell::Owned(Phase::Produce, _, count) if self.bug() != Bug::OwnedCheckedFirstToLast => {
                (Sweep::OwnedFirst, count)
            }
            Cell::Owned(_, _, count) => (Sweep::OwnedSlot, count),
            Cell::Trying(_, _, count) => (Sweep::Cursor, count),
        };
        let first_to_last = self.bug() == Bug::OwnedCheckedFirstToLast && next == Sweep::OwnedSlot;
        self.changed(|own| {
            own.word = word;
            own.offset = if first_to_last { 0 } else { count as u8 - 1 };
            own.next = next;
            self.start_others(own);
            if next == Sweep::Cursor && self.bug() == Bug::CellsBeforeCursor {
                own.next = self.first_other(own);
            }
        })
    }

    fn next_cell(&self) -> State {
        let own = self.own();
        let mut after = Sweeper {
            target: own.target,
            generation: own.generation,
            cell: own.cell + 1,
            next: Sweep::ReadCell,
            ..Sweeper::idle()
        };
        if usize::from(after.cell) == self.configuration.cells {
            after.cell = 0;
            after.next = if self.phase() == Phase::Consume {
                Sweep::Taken
            } else {
                self.last()
            };
        }
        self.changed(|own| *own = after)
    }

    /// What comes when nothing of the dead one's is left in the ring.
    fn last(&self) -> Sweep {
        if self.bug() == Bug::CellsClearedBySweeper {
            Sweep::ClearCells
        } else {
            Sweep::Free
        }
    }

    /// The dead one's claim: first position in full, count.
    fn claim(&self) -> (u64, u64) {
        let cursor = self.cursor_value();
        match self.configuration.encoding.claim(self.own().word) {
            Cell::Trying(_, position, count) | Cell::Owned(_, position, count) => {
                (self.configuration.encoding.position_of_claim(position, cursor), count)
            }
            Cell::None => unreachable!("an empty cell is passed over"),
        }
    }

    fn cursor_value(&self) -> u64 {
        match self.phase() {
            Phase::Produce => self.state.tail,
            Phase::Consume => self.state.head,
        }
    }

    fn position(&self) -> u64 {
        self.claim().0 + u64::from(self.own().offset)
    }

    fn sequence(&self, position: u64) -> u64 {
        self.state.sequences[self.configuration.slot(position)]
    }

    /// Writes a settled sequence, after the caller's compare.
    fn write(&self, next: &mut State, position: u64) {
        let slot = self.configuration.slot(position);
        next.sequences[slot] = match self.phase() {
            Phase::Produce => self.configuration.encoding.aborted(position),
            Phase::Consume if self.bug() == Bug::ReleasedInsteadOfReturned => position + self.configuration.capacity,
            Phase::Consume if self.configuration.drops => {
                let message = self.state.payloads[slot];
                next.ledger.dropped |= bit(message);
                position + self.configuration.capacity
            }
            Phase::Consume => self.configuration.encoding.returned(position, 1),
        };
    }

    fn owned_first(&self) -> State {
        let (first, _) = self.claim();
        if self.sequence(first) == first {
            self.go(Sweep::OwnedSlot)
        } else {
            self.next_cell()
        }
    }

    fn owned_slot(&self) -> State {
        let position = self.position();
        let phase = self.phase();
        let now = self.sequence(position);
        // Nothing of this batch was visible, so a slot behind its first may already say "readable".
        let published = phase == Phase::Produce
            && self.own().offset > 0
            && now == position + 1
            && self.bug() != Bug::OwnedCheckedFirstToLast;
        let stuck = now == self.configuration.stuck(phase, position) || published;
        if stuck && self.bug() == Bug::SweepStoresPlainly {
            return self.go(Sweep::StorePlainly);
        }
        let mut next = self.after_owned_slot();
        if stuck {
            self.write(&mut next, position);
        }
        next
    }

    fn after_owned_slot(&self) -> State {
        let (_, count) = self.claim();
        if self.bug() == Bug::OwnedCheckedFirstToLast {
            if u64::from(self.own().offset) + 1 == count {
                return self.next_cell();
            }
            return self.changed(|own| own.offset += 1);
        }
        if self.own().offset == 0 {
            return self.next_cell();
        }
        self.changed(|own| {
            own.offset -= 1;
            own.next = Sweep::OwnedSlot;
        })
    }

    fn cursor(&self) -> State {
        let position = self.position();
        let passed = self.cursor_value() > position;
        if !passed || self.sequence(position) != self.configuration.stuck(self.phase(), position) {
            return self.next_slot();
        }
        if self.bug() == Bug::CellsBeforeCursor {
            return self.go(Sweep::Settle);
        }
        self.changed(|own| own.next = self.first_other(own))
    }

    fn start_others(&self, own: &mut Sweeper) {
        own.other = self.configuration.handles_of(self.phase()).start as u8;
        own.other_cell = 0;
        own.other_live = false;
        if own.other == own.target {
            own.other += 1;
        }
    }

    /// What comes first in looking at the others, or after them where there are none.
    fn first_other(&self, own: &Sweeper) -> Sweep {
        if usize::from(own.other) >= self.configuration.handles_of(self.phase()).end {
            return self.after_others();
        }
        if self.bug() == Bug::OtherStateAfterCells {
            Sweep::OtherCell
        } else {
            Sweep::OtherState
        }
    }

    fn after_others(&self) -> Sweep {
        match self.bug() {
            Bug::CellsBeforeCursor => Sweep::Cursor,
            Bug::TryingGenerationUnchecked => Sweep::Settle,
            _ => Sweep::StillDead,
        }
    }

    /// Before the cells, so that a "trying" read from a dead handle is the last thing it said.
    fn other_state(&self) -> State {
        let (_, status) = record_parts(self.state.records[usize::from(self.own().other)]);
        if status == Status::Free {
            return self.next_other();
        }
        self.changed(|own| {
            own.other_live = status == Status::Live;
            own.next = Sweep::OtherCell;
        })
    }

    fn other_cell(&self) -> State {
        let own = self.own();
        let other = usize::from(own.other);
        let encoding = &self.configuration.encoding;
        // Read in full from the dead one's cell; a cursor is not needed to compare low bits.
        let (first, _) = match encoding.claim(own.word) {
            Cell::Trying(_, position, count) => (position, count),
            cell => unreachable!("others are looked at for a trying cell, not for {cell:?}"),
        };
        let position = first + u64::from(own.offset);
        match encoding.claim(self.state.cells[other][usize::from(own.other_cell)]) {
            Cell::Owned(phase, first, count)
                if phase == self.phase()
                    && encoding.covers(first, count, position)
                    && (own.other_live || self.bug() != Bug::DeadOwnersIgnored) =>
            {
                self.next_slot()
            }
            Cell::Trying(phase, first, count)
                if phase == self.phase()
                    && encoding.covers(first, count, position)
                    && self.bug() == Bug::OtherStateAfterCells =>
            {
                self.go(Sweep::LateState)
            }
            Cell::Trying(phase, first, count)
                if phase == self.phase()
                    && encoding.covers(first, count, position)
                    && own.other_live
                    && self.bug() != Bug::LiveTryingIgnored =>
            {
                if self.bug() == Bug::FreedWithCellLeft {
                    self.next_cell()
                } else {
                    self.give_up()
                }
            }
            _ => self.next_other_cell(),
        }
    }

    fn late_state(&self) -> State {
        let (_, status) = record_parts(self.state.records[usize::from(self.own().other)]);
        if status == Status::Live {
            self.give_up()
        } else {
            self.next_other_cell()
        }
    }

    fn next_other_cell(&self) -> State {
        if usize::from(self.own().other_cell) + 1 == self.configuration.cells {
            return self.next_other();
        }
        self.changed(|own| {
            own.other_cell += 1;
            own.next = Sweep::OtherCell;
        })
    }

    fn next_other(&self) -> State {
        self.changed(|own| {
            own.other += 1;
            if own.other == own.target {
                own.other += 1;
            }
            own.other_cell = 0;
            own.other_live = false;
            own.next = self.first_other(own);
        })
    }

    fn still_dead(&self) -> State {
        if self.record_is_ours() {
            self.go(Sweep::Settle)
        } else {
            self.give_up()
        }
    }

    fn settle(&self) -> State {
        let position = self.position();
        let stuck = self.sequence(position) == self.configuration.stuck(self.phase(), position);
        if stuck && self.bug() == Bug::SweepStoresPlainly {
            return self.go(Sweep::StorePlainly);
        }
        let mut next = self.next_slot();
        if stuck {
            self.write(&mut next, position);
        }
        next
    }

    fn next_slot(&self) -> State {
        if self.own().offset == 0 {
            return self.next_cell();
        }
        self.changed(|own| {
            own.offset -= 1;
            self.start_others(own);
            own.next = if self.bug() == Bug::CellsBeforeCursor {
                self.first_other(own)
            } else {
                Sweep::Cursor
            };
        })
    }

    fn store_plainly(&self) -> State {
        let owned = matches!(self.configuration.encoding.claim(self.own().word), Cell::Owned(..));
        let mut next = if owned {
            self.after_owned_slot()
        } else {
            self.next_slot()
        };
        self.write(&mut next, self.position());
        next
    }

    fn taken(&self) -> State {
        if !self.record_is_ours() && self.bug() != Bug::TakenGenerationUnchecked {
            return self.give_up();
        }
        let word = self.state.sequences[usize::from(self.own().offset)];
        match self.configuration.encoding.sequence(word) {
            Sequence::Taken(_, handle, _) if handle == self.dead() as u64 => self.changed(|own| {
                own.expected = word;
                own.next = Sweep::GiveBack;
            }),
            _ => self.next_taken(),
        }
    }

    fn next_taken(&self) -> State {
        self.changed(|own| {
            own.expected = 0;
            own.offset += 1;
            own.next = Sweep::Taken;
            if u64::from(own.offset) == self.configuration.capacity {
                own.offset = 0;
                own.next = if self.bug() == Bug::HintBeforeReturn {
                    self.last()
                } else {
                    Sweep::Hint
                };
            }
        })
    }

    fn give_back(&self) -> State {
        let configuration = self.configuration;
        let own = self.own();
        let slot = usize::from(own.offset);
        let mut next = self.next_taken();
        if self.state.sequences[slot] != own.expected {
            return next;
        }
        let Sequence::Taken(position, _, times) = configuration.encoding.sequence(own.expected) else {
            unreachable!("only a taken message is given back")
        };
        let position = configuration.encoding.position_of_marked(position, self.state.head);
        next.sequences[slot] = if times >= configuration.redelivery_limit {
            next.ledger.dropped |= bit(self.state.payloads[slot]);
            position + configuration.capacity
        } else {
            configuration.encoding.returned(position, times)
        };
        next
    }

    fn hint(&self) -> State {
        let early = self.bug() == Bug::HintBeforeReturn;
        let mut next = self.go(if early { Sweep::ReadCell } else { self.last() });
        for consumer in self.configuration.handles_of(Phase::Consume) {
            if self.state.handles[consumer].life == Life::Alive {
                next.handles[consumer].hinted = true;
            }
        }
        next
    }

    fn clear_cells(&self) -> State {
        let mut next = self.go(Sweep::Free);
        next.cells[self.dead()] = [0; CELLS];
        next
    }

    /// A compare-and-swap with the generation: a record that another sweeper freed may be somebody's by now.
    fn free(&self) -> State {
        let mut next = self.give_up();
        if self.record_is_ours() || self.bug() == Bug::FreedByPlainStore {
            next.records[self.dead()] = record(self.own().generation, Status::Free);
        }
        next
    }
}
