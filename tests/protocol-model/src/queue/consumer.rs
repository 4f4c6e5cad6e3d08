//! A consumer: returned messages first, then the head.

use super::state::{Life, Next, State};
use super::{Bug, Claim, Configuration, Steps, bit, held_by_another};
use crate::encoding::{Cell, Phase, Sequence, Status, record_parts};
use crate::search::Violation;
use std::cmp::Ordering;

pub(super) fn steps(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    match own.next {
        Next::Idle => {
            for cell in 0..configuration.cells {
                if own.claims[cell].count > 0 {
                    release(configuration, state, handle, cell, steps);
                    if state.put_back > 0 {
                        put_back(configuration, state, handle, cell, steps);
                    }
                }
            }
            if (0..configuration.cells).any(|cell| own.claims[cell].count == 0) {
                if own.hinted {
                    let mut next = *state;
                    next.handles[handle].hinted = false;
                    next.handles[handle].next = Next::Look;
                    steps.push("sees the returned hint moved", next);
                } else {
                    begin(configuration, state, handle, steps);
                }
            }
        }
        Next::Retry => begin(configuration, state, handle, steps),
        Next::CheckMore => {
            let position = own.position + u64::from(own.offset);
            let mut next = *state;
            let after = &mut next.handles[handle];
            if state.sequences[configuration.slot(position)] == position + 1 {
                after.count += 1;
                after.offset += 1;
            } else {
                after.offset = configuration.consumer_batch;
            }
            if after.offset == configuration.consumer_batch {
                after.offset = 0;
                after.next = Next::Try;
            }
            steps.push("checks the next slot of its batch", next);
        }
        Next::Try => {
            let mut next = *state;
            if configuration.bug != Bug::NoTryingCell {
                let claim = Cell::Trying(Phase::Consume, own.position, u64::from(own.count));
                next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(claim);
            }
            next.handles[handle].next = Next::Claim;
            steps.push("stores trying", next);
        }
        Next::Claim => claim(configuration, state, handle, steps),
        Next::Own => {
            let mut next = *state;
            let claim = Cell::Owned(Phase::Consume, own.position, u64::from(own.count));
            next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(claim);
            for position in own.position..own.position + u64::from(own.count) {
                deliver(&mut next, state.payloads[configuration.slot(position)]);
            }
            next.handles[handle].rest();
            steps.push("stores owned, reads", next);
        }
        Next::Release => release(configuration, state, handle, usize::from(own.cell), steps),
        Next::PutBack => put_back(configuration, state, handle, usize::from(own.cell), steps),
        Next::AtTheEnd => at_the_end(configuration, state, handle, steps),
        Next::Clear => {
            let mut next = *state;
            next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(Cell::None);
            next.handles[handle].rest();
            steps.push("clears its trying cell", next);
        }
        Next::StepOver => {
            let mut next = *state;
            let slot = configuration.slot(own.position);
            if state.sequences[slot] == configuration.encoding.aborted(own.position) {
                next.sequences[slot] = own.position + configuration.capacity;
            }
            next.handles[handle].next = Next::Advance;
            steps.push("releases an aborted slot", next);
        }
        Next::Advance => {
            let mut next = *state;
            if state.head == own.position {
                next.head += 1;
            }
            next.handles[handle].rest();
            steps.push("moves the head over it", next);
        }
        Next::Look => look(configuration, state, handle, steps),
        Next::Take => take(configuration, state, handle, steps),
        Next::ReleaseTaken => {
            let mut next = *state;
            let slot = configuration.slot(own.position);
            let mark = configuration
                .encoding
                .taken(own.position, handle as u64, u64::from(own.times));
            if state.sequences[slot] != mark {
                next.break_promise(Violation::StoreOverTakenSlot);
            }
            next.sequences[slot] = own.position + configuration.capacity;
            next.handles[handle].rest();
            steps.push("releases a redelivered slot", next);
            if state.put_back > 0 {
                put_back_taken(configuration, state, handle, steps);
            }
        }
        step => unreachable!("a consumer never comes to {step:?}"),
    }
}

/// Reads the head and the sequence under it.
fn begin(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let head = state.head;
    let retrying = own.next == Next::Retry;
    let mut next = *state;
    let after = &mut next.handles[handle];
    let (seen, then) = match configuration
        .encoding
        .sequence(state.sequences[configuration.slot(head)])
    {
        Sequence::Plain(word) if word == head + 1 => {
            after.cell = match (0..configuration.cells).find(|cell| own.claims[*cell].count == 0) {
                Some(cell) if !retrying => cell as u8,
                _ => own.cell,
            };
            after.position = head;
            after.count = 1;
            (after.next, after.offset) = if configuration.consumer_batch > 1 {
                (Next::CheckMore, 1)
            } else {
                (Next::Try, 0)
            };
            if configuration.bug == Bug::ConsumerBatchUnchecked {
                (after.next, after.offset, after.count) = (Next::Try, 0, configuration.consumer_batch);
            }
            steps.push("finds the slot under the head readable", next);
            return;
        }
        Sequence::Plain(word) if word > head + 1 => ("finds the slot under the head done", Some(Next::Advance)),
        Sequence::Aborted(position) => match configuration.encoding.compare_marked(position, head) {
            Ordering::Equal => ("finds the slot under the head aborted", Some(Next::StepOver)),
            Ordering::Greater => ("finds the slot under the head done", Some(Next::Advance)),
            Ordering::Less => ("finds nothing", None),
        },
        Sequence::Returned(position, _) | Sequence::Taken(position, ..) => {
            match configuration.encoding.compare_marked(position, head) {
                Ordering::Greater => ("finds the slot under the head done", Some(Next::Advance)),
                Ordering::Equal | Ordering::Less => ("finds nothing", None),
            }
        }
        Sequence::Plain(_) => ("finds nothing", None),
    };
    let stale = matches!(
        configuration.encoding.claim(state.cells[handle][usize::from(own.cell)]),
        Cell::Trying(..)
    );
    if retrying && stale && configuration.bug != Bug::StaleTryKept {
        // Anything but an immediate retry: the cell first, then the rest from the start.
        after.proceed(Next::Clear);
        steps.push(seen, next);
    } else if let Some(then) = then {
        after.position = head;
        (after.count, after.offset) = (0, 0);
        after.next = then;
        steps.push(seen, next);
    } else if retrying {
        after.rest();
        steps.push(seen, next);
    } else if configuration.closing && own.holds_nothing() && is_closed_and_drained(configuration, state) {
        after.proceed(Next::AtTheEnd);
        steps.push("finds the queue closed and drained", next);
    } else if configuration.resting && own.holds_nothing() && another_is_awake(configuration, state, handle) {
        after.life = Life::Resting;
        steps.push("finds nothing and goes away", next);
    }
}

/// Whether no producer will send any more, and all that was sent is claimed.
fn is_closed_and_drained(configuration: &Configuration, state: &State) -> bool {
    let done = |producer: usize| {
        let own = &state.handles[producer];
        own.life == Life::Gone
            || (own.next == Next::Idle && own.holds_nothing() && own.begun >= configuration.producers[producer])
    };
    state.head == state.tail && configuration.handles_of(Phase::Produce).all(done)
}

/// Waits until nobody is dead, then looks at the hint. What is modelled as waiting for a sweeper is a sweep of its own in the source.
fn at_the_end(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let mut next = *state;
    let after = &mut next.handles[handle];
    let is_dead = |other: usize| {
        let (_, status) = record_parts(state.records[other]);
        state.handles[other].life == Life::Gone && status != Status::Free
    };
    if own.offset == 0 {
        if configuration.bug == Bug::EndWithoutSweep || !configuration.handles().any(is_dead) {
            after.offset = 1;
            steps.push("finds nobody dead", next);
        }
    } else if own.hinted && configuration.bug != Bug::EndWithoutLook {
        after.hinted = false;
        after.proceed(Next::Look);
        steps.push("sees the returned hint moved at the end", next);
    } else {
        after.rest();
        after.life = Life::Resting;
        steps.push("is told the end", next);
    }
}

fn another_is_awake(configuration: &Configuration, state: &State, handle: usize) -> bool {
    configuration
        .handles_of(Phase::Consume)
        .any(|other| other != handle && state.handles[other].life == Life::Alive)
}

/// Moves the head over the claim.
fn claim(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let mut next = *state;
    if state.head != own.position {
        next.handles[handle].proceed(Next::Retry);
        steps.push("fails to move the head", next);
        return;
    }
    next.head += u64::from(own.count);
    next.handles[handle].next = Next::Own;
    next.handles[handle].claims[usize::from(own.cell)] = Claim {
        position: own.position,
        count: own.count,
    };
    for position in own.position..own.position + u64::from(own.count) {
        if held_by_another(configuration, state, handle, position) {
            next.break_promise(Violation::TwoHolders);
        }
        let message = state.payloads[configuration.slot(position)];
        if message == 0 {
            next.break_promise(Violation::SeenBeforePublished);
            break;
        }
        let producer = configuration.producer_of(message);
        let later = message + 1..=configuration.message(producer, configuration.producers[producer] - 1);
        if later.into_iter().any(|later| state.ledger.passed & bit(later) != 0) {
            next.break_promise(Violation::OutOfOrder);
        }
        next.ledger.passed |= bit(message);
    }
    steps.push("moves the head", next);
}

/// Writes down a first delivery.
fn deliver(next: &mut State, message: u8) {
    if next.ledger.sent & bit(message) == 0 {
        next.break_promise(Violation::SeenBeforePublished);
    }
    if (next.ledger.delivered | next.ledger.redelivered) & bit(message) != 0 {
        next.break_promise(Violation::UnflaggedDuplicate);
    }
    next.ledger.delivered |= bit(message);
}

/// Releases the last slot of what is left of a claim.
fn release(configuration: &Configuration, state: &State, handle: usize, cell: usize, steps: &mut Steps<'_>) {
    let mut next = *state;
    let own = &mut next.handles[handle];
    (own.next, own.cell) = (Next::Release, cell as u8);
    let claim = &mut own.claims[cell];
    claim.count -= 1;
    let position = claim.position + u64::from(claim.count);
    if claim.count == 0 {
        own.rest();
    }
    let slot = configuration.slot(position);
    if state.sequences[slot] != position + 1 {
        next.break_promise(Violation::StoreOverTakenSlot);
    }
    next.sequences[slot] = position + configuration.capacity;
    steps.push("releases a slot", next);
}

/// Puts the first slot of what is left of a claim back, which is no delivery; after the last one, moves the hint.
fn put_back(configuration: &Configuration, state: &State, handle: usize, cell: usize, steps: &mut Steps<'_>) {
    let mut next = *state;
    let own = &mut next.handles[handle];
    if own.claims[cell].count == 0 {
        own.rest();
        move_hint(configuration, &mut next);
        steps.push("moves the returned hint", next);
        return;
    }
    let position = own.claims[cell].position;
    own.proceed(Next::PutBack);
    own.cell = cell as u8;
    own.claims[cell].position += 1;
    own.claims[cell].count -= 1;
    next.put_back = state.put_back.saturating_sub(1);
    let slot = configuration.slot(position);
    if state.sequences[slot] != position + 1 {
        next.break_promise(Violation::StoreOverTakenSlot);
    }
    next.sequences[slot] = configuration.encoding.returned(position, 0);
    next.ledger.delivered &= !bit(state.payloads[slot]);
    steps.push("puts a slot back", next);
}

/// The same with a returned message.
fn put_back_taken(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let mut next = *state;
    let slot = configuration.slot(own.position);
    let taken = u64::from(own.times);
    let mark = configuration.encoding.taken(own.position, handle as u64, taken);
    if state.sequences[slot] != mark {
        next.break_promise(Violation::StoreOverTakenSlot);
    }
    let times = taken.saturating_sub(if configuration.bug == Bug::PutBackBelow { 2 } else { 1 });
    next.sequences[slot] = configuration.encoding.returned(own.position, times);
    let message = bit(state.payloads[slot]);
    if taken == 1 {
        next.ledger.delivered &= !message;
    }
    next.ledger.redelivered &= !message;
    next.put_back -= 1;
    let after = &mut next.handles[handle];
    after.proceed(Next::PutBack);
    after.times = 0;
    // One without a claim, as the message needed none.
    let free = (0..configuration.cells).find(|cell| own.claims[*cell].count == 0);
    after.cell = free.expect("a returned message is taken with a cell free") as u8;
    steps.push("puts a redelivered slot back", next);
}

fn move_hint(configuration: &Configuration, next: &mut State) {
    for consumer in configuration.handles_of(Phase::Consume) {
        if next.handles[consumer].life == Life::Alive {
            next.handles[consumer].hinted = true;
        }
    }
}

/// Looks at one slot for a returned message.
fn look(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let mut next = *state;
    let word = state.sequences[usize::from(own.offset)];
    if let Sequence::Returned(position, times) = configuration.encoding.sequence(word) {
        let after = &mut next.handles[handle];
        after.position = configuration.encoding.position_of_marked(position, state.head);
        after.times = times as u8;
        after.next = Next::Take;
        steps.push("finds a returned message", next);
        return;
    }
    look_further(configuration, state, &mut next, handle);
    steps.push("looks for returned messages", next);
}

fn look_further(configuration: &Configuration, state: &State, next: &mut State, handle: usize) {
    let after = &mut next.handles[handle];
    let offset = state.handles[handle].offset + 1;
    after.rest();
    if u64::from(offset) < configuration.capacity {
        after.next = Next::Look;
        after.offset = offset;
    }
}

/// Takes a returned message with one compare-and-swap, which names the taker: no claim cell is needed.
fn take(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let mut next = *state;
    let slot = configuration.slot(own.position);
    let times = u64::from(own.times);
    let found = configuration.encoding.returned(own.position, times);
    if state.sequences[slot] != found && configuration.bug != Bug::TakenByPlainStore {
        look_further(configuration, state, &mut next, handle);
        steps.push("finds it taken by another", next);
        return;
    }
    let mark = configuration.encoding.taken(own.position, handle as u64, times + 1);
    next.sequences[slot] = mark;
    if held_by_another(configuration, state, handle, own.position) {
        next.break_promise(Violation::TwoHolders);
    }
    let after = &mut next.handles[handle];
    after.times = (times + 1).min(configuration.encoding.times_max) as u8;
    after.offset = 0;
    after.next = Next::ReleaseTaken;
    // The look through the ring ended early: it has to be made again.
    after.hinted = configuration.bug != Bug::LookEndsAtFirstFind || after.hinted;
    let message = state.payloads[slot];
    if configuration.bug == Bug::RedeliveredWithoutFlag || times == 0 {
        deliver(&mut next, message);
    } else {
        if state.ledger.sent & bit(message) == 0 {
            next.break_promise(Violation::SeenBeforePublished);
        }
        next.ledger.redelivered |= bit(message);
    }
    steps.push("takes a returned message, reads", next);
}
