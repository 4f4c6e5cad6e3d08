//! The search: every reachable state, breadth first, then backwards from the good end states.
//!
//! Breadth first, so that the trace of a violation is a shortest one. A state from which no schedule reaches a good end is a
//! permanent block: whoever waits there waits for ever.

use crate::archive::Archive;
use std::borrow::Cow;

/// What the search needs to know of a protocol.
pub trait Model: Sized {
    /// One state of everybody, unpacked.
    type State: Clone;

    /// How the states that were seen are kept.
    type Archive: Archive<Self> + Default;

    /// The state in which everything starts.
    fn initial(&self) -> Self::State;

    /// Appends every state one atomic step away, with the step's description.
    fn successors(&self, state: &Self::State, out: &mut Vec<Successor<Self::State>>);

    /// The broken promise, if this state shows one.
    fn violation(&self, state: &Self::State) -> Option<Violation>;

    /// Whether everything that must end well has done so.
    fn good(&self, state: &Self::State) -> bool;

    /// The promise broken by a state from which no good state can be reached.
    fn blocked(&self, state: &Self::State) -> Violation;

    /// One line for a trace.
    fn describe(&self, state: &Self::State) -> String;

    /// From here on the steps' descriptions are for a trace, and may cost something.
    fn narrate(&mut self) {}
}

/// A state one step away.
#[derive(Clone)]
pub struct Successor<S> {
    /// Who moved.
    pub actor: Actor,
    /// What it did.
    pub step: Cow<'static, str>,
    /// Where that led.
    pub state: S,
}

/// Who moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The process that registered this handle record.
    Handle(usize),
    /// A sweeping process.
    Sweeper(usize),
    /// The machine: a store buffer drains, a process is killed.
    Machine(usize),
}

/// A promise of the protocol, named by how it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A plain store hit a slot that a sweeper had taken away: a live process was robbed.
    StoreOverTakenSlot,
    /// Two live processes held one slot at once: a torn read or write.
    TwoHolders,
    /// A message was delivered twice without the redelivered flag.
    UnflaggedDuplicate,
    /// A message was seen of a batch which was not (or never) published as a whole.
    SeenBeforePublished,
    /// A later message of a producer was claimed before an earlier one.
    OutOfOrder,
    /// A sent message vanished from the ring before anybody saw it.
    Lost,
    /// Nothing anybody does leads to the good end any more.
    BlockedForEver,
    /// A waiter sleeps while a message is there for it, and nobody is left to wake it.
    LostWakeUp,
    /// A producer called the kernel twice for one announcement that nobody stood behind.
    WastedSecondCall,
    /// A payload was read or written by a process that had not been made to see the access before it: torn or stale.
    Unordered,
    /// A message was accepted that is not what was sent at its position.
    Torn,
}

/// How a search ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every state is safe and leads to a good end.
    Clean,
    /// The first broken promise, with a shortest trace to it, one step a line.
    Broken(Violation, Vec<String>),
    /// More states than allowed; says nothing about the protocol.
    TooLarge,
}

/// A search's result.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// States visited.
    pub states: usize,
    /// Good end states among them.
    pub good: usize,
    /// Bytes the search held at its end.
    pub bytes: usize,
    /// How it ended.
    pub verdict: Verdict,
}

/// Visits every state of `model`, at most `limit` of them.
pub fn search<M: Model>(model: &mut M, limit: usize) -> Outcome {
    let mut states = M::Archive::default();
    let initial = model.initial();
    states.intern(model, &initial);

    let mut parents: Vec<u32> = vec![0];
    let mut edge_starts: Vec<u32> = Vec::new();
    let mut edges: Vec<u32> = Vec::new();
    let mut goods: Vec<u32> = Vec::new();
    let mut successors = Vec::new();
    let mut next = 0;
    while next < states.count() {
        let state = states.take(model, next);
        if let Some(violation) = model.violation(&state) {
            let trace = trace(model, &mut states, &parents, next);
            return Outcome {
                states: states.count(),
                good: goods.len(),
                bytes: states.bytes(),
                verdict: Verdict::Broken(violation, trace),
            };
        }
        if model.good(&state) {
            goods.push(next as u32);
        }
        edge_starts.push(edges.len() as u32);
        successors.clear();
        model.successors(&state, &mut successors);
        for successor in &successors {
            let found = states.intern(model, &successor.state);
            if found as usize == parents.len() {
                parents.push(next as u32);
            }
            if found as usize != next {
                edges.push(found);
            }
        }
        next += 1;
        if states.count() > limit {
            return Outcome {
                states: states.count(),
                good: goods.len(),
                bytes: 0,
                verdict: Verdict::TooLarge,
            };
        }
    }
    edge_starts.push(edges.len() as u32);

    let memory = states.bytes() + 4 * (parents.len() + 2 * edge_starts.len() + 2 * edges.len());
    let hopeful = backwards(&goods, &edge_starts, &edges);
    let verdict = match hopeful.iter().position(|hopeful| !hopeful) {
        None => Verdict::Clean,
        Some(stuck) => {
            let (last, lines) = replay(model, &mut states, &parents, stuck);
            Verdict::Broken(model.blocked(&last), lines)
        }
    };
    Outcome {
        states: states.count(),
        good: goods.len(),
        bytes: memory,
        verdict,
    }
}

/// For every state, whether some schedule leads from it to one of `goods`.
fn backwards(goods: &[u32], edge_starts: &[u32], edges: &[u32]) -> Vec<bool> {
    let count = edge_starts.len() - 1;
    // A counting sort of the edges by where they end: `ends[i]` is where the predecessors of state i stop.
    let mut ends = vec![0u32; count + 1];
    for &edge in edges {
        ends[edge as usize + 1] += 1;
    }
    for i in 0..count {
        ends[i + 1] += ends[i];
    }
    let mut predecessors = vec![0u32; edges.len()];
    for from in 0..count {
        for &to in &edges[edge_starts[from] as usize..edge_starts[from + 1] as usize] {
            let place = &mut ends[to as usize];
            predecessors[*place as usize] = from as u32;
            *place += 1;
        }
    }
    let mut hopeful = vec![false; count];
    let mut pending: Vec<u32> = goods.to_vec();
    for &state in goods {
        hopeful[state as usize] = true;
    }
    while let Some(state) = pending.pop() {
        let state = state as usize;
        let start = if state == 0 { 0 } else { ends[state - 1] };
        for &before in &predecessors[start as usize..ends[state] as usize] {
            if !hopeful[before as usize] {
                hopeful[before as usize] = true;
                pending.push(before);
            }
        }
    }
    hopeful
}

fn trace<M: Model>(model: &mut M, states: &mut M::Archive, parents: &[u32], end: usize) -> Vec<String> {
    replay(model, states, parents, end).1
}

/// Goes from the start to a state once more: the state, and one line for each step.
fn replay<M: Model>(model: &mut M, states: &mut M::Archive, parents: &[u32], end: usize) -> (M::State, Vec<String>) {
    let mut path = vec![end];
    while let Some(&last) = path.last()
        && last != 0
    {
        path.push(parents[last] as usize);
    }
    model.narrate();
    let mut state = model.initial();
    let mut lines = vec![format!("{:34} {}", "start", model.describe(&state))];
    let mut successors = Vec::new();
    for &number in path.iter().rev().skip(1) {
        successors.clear();
        model.successors(&state, &mut successors);
        let step = successors
            .drain(..)
            .find(|successor| states.intern(model, &successor.state) as usize == number)
            .expect("a state's parent has it among its successors");
        let label = format!("{:?} {}", step.actor, step.step);
        lines.push(format!("{label:34} {}", model.describe(&step.state)));
        state = step.state;
    }
    (state, lines)
}
