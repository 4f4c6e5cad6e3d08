//! A producer: claim, write, publish or abort.

use super::state::{Life, Next, State};
use super::{Bug, Claim, Configuration, Steps, bit, held_by_another};
use crate::encoding::{Cell, Phase};
use crate::search::Violation;

pub(super) fn steps(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    match own.next {
        Next::Idle => {
            for cell in 0..configuration.cells {
                if own.claims[cell].count > 0 {
                    finish(configuration, state, handle, cell, Next::Publish, steps);
                    if configuration.aborts {
                        finish(configuration, state, handle, cell, Next::Abort, steps);
                    }
                }
            }
            begin(configuration, state, handle, steps);
        }
        Next::Retry => begin(configuration, state, handle, steps),
        Next::CheckMore => {
            let position = own.position + u64::from(own.offset);
            let mut next = *state;
            let after = &mut next.handles[handle];
            if state.sequences[configuration.slot(position)] == position {
                after.offset += 1;
                if after.offset == after.count {
                    after.offset = 0;
                    after.next = Next::Try;
                }
            } else {
                clear_or_rest(configuration, state, &mut next, handle);
            }
            steps.push("checks the next slot of its batch", next);
        }
        Next::Try => {
            let mut next = *state;
            if configuration.bug != Bug::NoTryingCell {
                let claim = Cell::Trying(Phase::Produce, own.position, u64::from(own.count));
                next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(claim);
            }
            next.handles[handle].next = Next::Claim;
            steps.push("stores trying", next);
        }
        Next::Claim => {
            let mut next = *state;
            if state.tail == own.position {
                next.tail += u64::from(own.count);
                next.handles[handle].next = Next::Own;
                next.handles[handle].claims[usize::from(own.cell)] = Claim {
                    position: own.position,
                    count: own.count,
                };
                for position in own.position..own.position + u64::from(own.count) {
                    if held_by_another(configuration, state, handle, position) {
                        next.break_promise(Violation::TwoHolders);
                    }
                }
                steps.push("moves the tail", next);
            } else {
                next.handles[handle].proceed(Next::Retry);
                steps.push("fails to move the tail", next);
            }
        }
        Next::Own => {
            let mut next = *state;
            let claim = Cell::Owned(Phase::Produce, own.position, u64::from(own.count));
            next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(claim);
            for offset in 0..own.count {
                let slot = configuration.slot(own.position + u64::from(offset));
                next.payloads[slot] = configuration.message(handle, own.begun + offset);
            }
            next.handles[handle].begun += own.count;
            next.handles[handle].rest();
            steps.push("stores owned, writes", next);
        }
        Next::Publish | Next::Abort => {
            finish(configuration, state, handle, usize::from(own.cell), own.next, steps);
        }
        Next::Clear => {
            let mut next = *state;
            next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(Cell::None);
            next.handles[handle].rest();
            steps.push("clears its trying cell", next);
        }
        step => unreachable!("a producer never comes to {step:?}"),
    }
}

/// Reads the tail and the sequence under it.
fn begin(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let budget = configuration.producers[handle];
    let Some(cell) = (0..configuration.cells).find(|cell| own.claims[*cell].count == 0) else {
        return;
    };
    if own.begun >= budget {
        return;
    }
    let retrying = own.next == Next::Retry;
    let mut next = *state;
    if state.sequences[configuration.slot(state.tail)] == state.tail {
        let after = &mut next.handles[handle];
        after.cell = if retrying { own.cell } else { cell as u8 };
        after.position = state.tail;
        after.count = configuration.producer_batch.min(budget - own.begun);
        (after.next, after.offset) = if after.count > 1 {
            (Next::CheckMore, 1)
        } else {
            (Next::Try, 0)
        };
        steps.push("finds the slot under the tail free", next);
        return;
    }
    if retrying {
        clear_or_rest(configuration, state, &mut next, handle);
        steps.push("finds the ring full", next);
    } else if configuration.resting && own.holds_nothing() {
        next.handles[handle].life = Life::Resting;
        steps.push("finds the ring full and goes away", next);
    }
}

/// What follows is not an immediate retry: a cell that still says "trying" is to be cleared first.
fn clear_or_rest(configuration: &Configuration, state: &State, next: &mut State, handle: usize) {
    let own = &state.handles[handle];
    let stale = configuration.encoding.claim(state.cells[handle][usize::from(own.cell)]);
    if matches!(stale, Cell::Trying(..)) && configuration.bug != Bug::StaleTryKept {
        next.handles[handle].proceed(Next::Clear);
    } else {
        next.handles[handle].rest();
    }
}

/// Publishes or aborts one slot of a claim, last to first: nothing of a batch shows before its first slot does.
fn finish(configuration: &Configuration, state: &State, handle: usize, cell: usize, how: Next, steps: &mut Steps<'_>) {
    let mut next = *state;
    let first_to_last = match how {
        Next::Publish => configuration.bug == Bug::PublishFirstToLast,
        _ => configuration.bug == Bug::AbortFirstToLast,
    };
    let own = &mut next.handles[handle];
    if own.next == Next::Idle {
        (own.next, own.cell, own.count) = (how, cell as u8, own.claims[cell].count);
    }
    let batch = u64::from(own.count);
    let claim = &mut own.claims[cell];
    claim.count -= 1;
    let position = claim.position + if first_to_last { 0 } else { u64::from(claim.count) };
    let first = if first_to_last {
        claim.position += 1;
        claim.position.wrapping_sub(batch)
    } else {
        claim.position
    };
    let complete = claim.count == 0;
    if complete {
        own.rest();
    }
    let slot = configuration.slot(position);
    if state.sequences[slot] != position {
        next.break_promise(Violation::StoreOverTakenSlot);
    }
    if how == Next::Publish {
        next.sequences[slot] = position + 1;
        if complete {
            for sent in first..first + batch {
                next.ledger.sent |= bit(state.payloads[configuration.slot(sent)]);
            }
        }
        steps.push("publishes a slot", next);
    } else {
        next.sequences[slot] = configuration.encoding.aborted(position);
        steps.push("aborts a slot", next);
    }
}
