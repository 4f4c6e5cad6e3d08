//! The search: every reachable state, breadth first, then backwards from the good end states.
//!
//! Breadth first, so that the trace of a violation is a shortest one. A state from which no schedule reaches a good end is a
//! permanent block: whoever waits there waits for ever.

/// What the search needs to know of a protocol.
pub trait Model {
    /// One state of everybody, unpacked.
    type State: Copy;

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

    /// Appends the state's bytes, equally many for every state.
    fn pack(&mut self, state: &Self::State, bytes: &mut Vec<u8>);

    /// The state whose bytes these are.
    fn unpack(&self, bytes: &[u8]) -> Self::State;

    /// One line for a trace.
    fn describe(&self, state: &Self::State) -> String;
}

/// A state one step away.
#[derive(Clone, Copy)]
pub struct Successor<S> {
    /// Who moved.
    pub actor: Actor,
    /// What it did.
    pub step: &'static str,
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
    let mut states = Store::default();
    let mut bytes = Vec::new();
    let initial = model.initial();
    model.pack(&initial, &mut bytes);
    states.intern(&bytes);

    let mut parents: Vec<u32> = vec![0];
    let mut edge_starts: Vec<u32> = Vec::new();
    let mut edges: Vec<u32> = Vec::new();
    let mut goods: Vec<u32> = Vec::new();
    let mut successors = Vec::new();
    let mut next = 0;
    while next < states.len() {
        let state = model.unpack(states.get(next));
        if let Some(violation) = model.violation(&state) {
            let trace = trace(model, &states, &parents, next);
            return Outcome {
                states: states.len(),
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
            bytes.clear();
            model.pack(&successor.state, &mut bytes);
            let found = states.intern(&bytes);
            if found as usize == parents.len() {
                parents.push(next as u32);
            }
            if found as usize != next {
                edges.push(found);
            }
        }
        next += 1;
        if states.len() > limit {
            return Outcome {
                states: states.len(),
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
            let state = model.unpack(states.get(stuck));
            Verdict::Broken(model.blocked(&state), trace(model, &states, &parents, stuck))
        }
    };
    Outcome {
        states: states.len(),
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

fn trace<M: Model>(model: &mut M, states: &Store, parents: &[u32], end: usize) -> Vec<String> {
    let mut path = vec![end];
    while let Some(&last) = path.last()
        && last != 0
    {
        path.push(parents[last] as usize);
    }
    path.reverse();
    let mut lines = vec![format!(
        "{:34} {}",
        "start",
        model.describe(&model.unpack(states.get(0)))
    )];
    let mut successors = Vec::new();
    let mut bytes = Vec::new();
    for pair in path.windows(2) {
        let before = model.unpack(states.get(pair[0]));
        successors.clear();
        model.successors(&before, &mut successors);
        let step = successors.iter().find(|successor| {
            bytes.clear();
            model.pack(&successor.state, &mut bytes);
            states.same(pair[1], &bytes)
        });
        let step = step.expect("a state's parent has it among its successors");
        let label = format!("{:?} {}", step.actor, step.step);
        lines.push(format!("{label:34} {}", model.describe(&step.state)));
    }
    lines
}

/// All states seen, packed one behind the other, with an open-addressing index over them.
#[derive(Default)]
struct Store {
    stride: usize,
    packed: Vec<u8>,
    /// Upper half: part of the hash; lower half: the state's number plus one; 0 where empty.
    index: Vec<u64>,
}

impl Store {
    fn len(&self) -> usize {
        self.packed.len().checked_div(self.stride).unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        self.packed.capacity() + 8 * self.index.capacity()
    }

    fn get(&self, number: usize) -> &[u8] {
        &self.packed[number * self.stride..(number + 1) * self.stride]
    }

    fn same(&self, number: usize, bytes: &[u8]) -> bool {
        self.get(number) == bytes
    }

    /// The number of the state with these bytes, new or known.
    fn intern(&mut self, bytes: &[u8]) -> u32 {
        if self.stride == 0 {
            self.stride = bytes.len();
        }
        assert_eq!(bytes.len(), self.stride, "every state packs to equally many bytes");
        if self.index.len() * 2 <= self.len() * 3 {
            self.grow();
        }
        let hash = hash(bytes);
        let mask = self.index.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let entry = self.index[place];
            if entry == 0 {
                let number = self.len();
                assert!(number < u32::MAX as usize, "more states than 32 bits can number");
                self.packed.extend_from_slice(bytes);
                self.index[place] = (hash >> 32) << 32 | (number as u64 + 1);
                return number as u32;
            }
            if entry >> 32 == hash >> 32 {
                let number = (entry as u32 - 1) as usize;
                if self.same(number, bytes) {
                    return number as u32;
                }
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let length = (self.index.len() * 2).max(1024);
        self.index = vec![0; length];
        for number in 0..self.len() {
            let hash = hash(self.get(number));
            let mut place = hash as usize & (length - 1);
            while self.index[place] != 0 {
                place = (place + 1) & (length - 1);
            }
            self.index[place] = (hash >> 32) << 32 | (number as u64 + 1);
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    hash ^ hash >> 32
}
