//! Death, and registration of a freed record by another process.

use super::state::{Handle, Life, Next, State, Sweep, Sweeper};
use super::{Bug, Configuration, Steps};
use crate::encoding::{Cell, Phase, Status, record, record_parts};
use crate::search::{Actor, Successor};

/// Any process may be killed before any of its steps, as long as somebody is left who could do the work.
pub(super) fn deaths(configuration: &Configuration, state: &State, out: &mut Vec<Successor<State>>) {
    if state.deaths == 0 {
        return;
    }
    for handle in configuration.handles() {
        let own = &state.handles[handle];
        if own.life == Life::Gone {
            continue;
        }
        let replaceable = match configuration.phase(handle) {
            Phase::Produce => true,
            Phase::Consume => {
                // One that has found nobody dead at the end of the stream does nothing about a later death.
                let awake = |other: &usize| {
                    let its = &state.handles[*other];
                    *other != handle && its.life == Life::Alive && (its.next != Next::AtTheEnd || its.offset == 0)
                };
                state.registrations[1] > 0 || configuration.handles_of(Phase::Consume).any(|other| awake(&other))
            }
        };
        if replaceable {
            let mut next = *state;
            next.deaths -= 1;
            next.handles[handle] = Handle::newborn(Life::Gone, own.begun);
            out.push(Successor {
                actor: Actor::Handle(handle),
                step: "is killed".into(),
                state: next,
            });
        }
    }
    let alive = state.sweepers.iter().filter(|sweeper| sweeper.alive).count();
    for (number, sweeper) in state.sweepers.iter().enumerate() {
        if sweeper.alive && alive > 1 && sweeper.next != Sweep::Idle {
            let mut next = *state;
            next.deaths -= 1;
            next.sweepers[number] = Sweeper {
                alive: false,
                ..Sweeper::idle()
            };
            out.push(Successor {
                actor: Actor::Sweeper(number),
                step: "is killed".into(),
                state: next,
            });
        }
    }
}

/// A new process finds a free record. Registrations are made one at a time, under the management lock.
pub(super) fn births(configuration: &Configuration, state: &State, out: &mut Vec<Successor<State>>) {
    if configuration
        .handles()
        .any(|handle| state.handles[handle].life == Life::Registering)
    {
        return;
    }
    for handle in configuration.handles() {
        let role = usize::from(configuration.phase(handle) == Phase::Consume);
        let (_, status) = record_parts(state.records[handle]);
        let own = &state.handles[handle];
        if own.life == Life::Gone && status == Status::Free && state.registrations[role] > 0 {
            let mut next = *state;
            next.registrations[role] -= 1;
            let kept = matches!(
                configuration.bug,
                Bug::CellsKeptAtRegistration | Bug::CellsClearedBySweeper
            );
            let live_first = configuration.bug == Bug::LiveBeforeCellsCleared;
            next.handles[handle] = Handle::newborn(Life::Registering, own.begun);
            next.handles[handle].next = if kept || live_first {
                Next::GoLive
            } else {
                Next::ClearCells
            };
            out.push(Successor {
                actor: Actor::Handle(handle),
                step: "is registered anew".into(),
                state: next,
            });
        }
    }
}

/// The registering process: every cell first, LIVE last.
pub(super) fn registration(configuration: &Configuration, state: &State, handle: usize, steps: &mut Steps<'_>) {
    let own = &state.handles[handle];
    let mut next = *state;
    if own.next == Next::ClearCells {
        next.cells[handle][usize::from(own.cell)] = configuration.encoding.cell(Cell::None);
        let after = &mut next.handles[handle];
        after.cell += 1;
        if usize::from(after.cell) == configuration.cells {
            after.cell = 0;
            after.next = Next::GoLive;
            if configuration.bug == Bug::LiveBeforeCellsCleared {
                become_alive(configuration, &mut next, handle);
            }
        }
        steps.push("clears a cell of its new record", next);
        return;
    }
    let (generation, _) = record_parts(state.records[handle]);
    next.records[handle] = record(generation + 1, Status::Live);
    if configuration.bug == Bug::LiveBeforeCellsCleared {
        next.handles[handle].next = Next::ClearCells;
    } else {
        become_alive(configuration, &mut next, handle);
    }
    steps.push("goes live", next);
}

fn become_alive(configuration: &Configuration, next: &mut State, handle: usize) {
    next.handles[handle] = Handle::newborn(Life::Alive, next.handles[handle].begun);
    // It has looked at nothing yet: a message returned before its time is as much its to find as a later one.
    next.handles[handle].hinted =
        configuration.phase(handle) == Phase::Consume && configuration.bug != Bug::HintTrustedAtRegistration;
}
