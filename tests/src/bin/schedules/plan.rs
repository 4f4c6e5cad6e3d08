//! What a seed says: the channel, the processes and what they do, how they are scheduled, and when they die.

use crate::arena::Arena;
use dmxp::{Channel, ChannelBuilder, DeadConsumers, Delivery, Region, WaitStrategy};
use dmxp_tests::Numbered;
use std::time::Duration;

/// A kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Queue,
    Broadcast,
    Latest,
    Packed,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "queue" => Ok(Self::Queue),
            "broadcast" => Ok(Self::Broadcast),
            "latest" => Ok(Self::Latest),
            "packed" => Ok(Self::Packed),
            _ => Err(format!("no kind of channel: {name}")),
        }
    }

    /// Half of all seeds have queues.
    fn of(seed: u64) -> Self {
        match seed % 8 {
            1 | 5 => Self::Broadcast,
            3 => Self::Latest,
            7 => Self::Packed,
            _ => Self::Queue,
        }
    }
}

/// What the caller says of all seeds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Compact slots, capacity 4, priorities, checksums, limit 0, waiters that spin, deaths.
    pub(crate) spinning: bool,
    /// The kind of all channels.
    pub(crate) kind: Option<Kind>,
}

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Produce,
    Consume,
    /// Repairs the region and looks at it.
    Recover,
    /// A program that knows only v1.
    ProduceV1,
    ConsumeV1,
}

/// A schedule's channel and processes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) capacity: u64,
    pub(crate) compact: bool,
    pub v1: bool,
    pub(crate) priorities: bool,
    pub(crate) checksums: bool,
    pub(crate) limit: Option<u32>,
    pub(crate) letters: bool,
    pub(crate) drops: bool,
    pub(crate) expiry: Option<Duration>,
    pub(crate) strategy: WaitStrategy,
    pub(crate) roles: Vec<Role>,
    /// One process in so many dies; 0: none does.
    pub(crate) deaths: u64,
    /// Its last step is one of the first so many.
    pub(crate) lifetime: u64,
    /// Whether there are sends and receives of single messages and nothing else, by the living, to one consumer: nothing keeps a wake-up
    /// from it.
    pub(crate) is_plain: bool,
    /// Processes that are started for dead ones.
    pub(crate) successors: u64,
    /// Whether all calls are sends and receives of single messages.
    pub(crate) is_single: bool,
    /// Whether no call waits, and nobody rests.
    pub(crate) is_busy: bool,
    /// Of its calls, so many may be made by each process.
    pub(crate) calls: u64,
    /// Whether the last producers close the channel.
    pub(crate) closes: bool,
    /// Whether consumers ask for the end with the last producer.
    pub(crate) ends: bool,
    /// Whether some calls wait by a set, and some consumers by futures.
    pub(crate) sets: bool,
    pub(crate) futures: bool,
    /// One call in so many opens another handle, and drops it; 0: none does.
    pub(crate) opens: u64,
    /// Of a stream: whether it has one producer at a time, and admits lossy subscribers.
    pub(crate) single: bool,
    pub(crate) lossy: bool,
}

/// The channel's id, which programs that know only v1 find it by.
pub(crate) const CHANNEL: u32 = 3;

/// The channel for dead letters.
pub(crate) const LETTERS: &str = "letters";

impl Plan {
    /// That of the arena's seed, whose scheduling is set too.
    pub(crate) fn draw(arena: &Arena, seed: u64, options: Options) -> Self {
        let pick = |values: &[u64]| values[arena.below(values.len() as u64) as usize];
        let spinning = options.spinning;
        let kind = match options.kind {
            _ if spinning => Kind::Queue,
            Some(kind) => kind,
            None => Kind::of(seed),
        };
        let v1 = !spinning && arena.once_in(6) && kind == Kind::Queue;
        let mut plan = Self {
            seed,
            kind,
            capacity: if spinning { 4 } else { pick(&[2, 2, 4, 4, 8]) },
            compact: spinning || !v1 && arena.once_in(2),
            v1,
            priorities: spinning || !v1 && arena.once_in(2),
            checksums: spinning || !v1 && arena.once_in(3),
            limit: match pick(&[0, 0, 1, 3, 10]) {
                _ if spinning => Some(0),
                10 => None,
                limit => Some(limit as u32),
            },
            letters: !spinning && arena.once_in(3),
            drops: !spinning && arena.once_in(8),
            expiry: (!spinning && !v1 && arena.once_in(5)).then(|| Duration::from_millis(1 << arena.below(8))),
            strategy: match pick(&[0, 0, 0, 1, 1, 2]) {
                _ if spinning => WaitStrategy::Spin,
                0 => WaitStrategy::Sleep,
                1 => WaitStrategy::Spin,
                _ => WaitStrategy::SpinThenSleep,
            },
            roles: Self::draw_roles(arena, v1),
            deaths: if spinning {
                pick(&[1, 2])
            } else {
                pick(&[0, 1, 2, 2, 3, 4])
            },
            lifetime: pick(&[10, 30, 100, 300]),
            successors: pick(&[0, 1, 2, 4, 6]),
            is_plain: !spinning && !v1 && arena.once_in(12),
            is_single: arena.once_in(6),
            is_busy: arena.once_in(3),
            calls: pick(&[5, 10, 20, 40]),
            closes: !arena.once_in(3),
            ends: false,
            sets: false,
            futures: false,
            opens: 0,
            single: false,
            lossy: false,
        };
        if plan.closes && arena.once_in(2) {
            // A successor would open the stream anew.
            plan.successors = 0;
        }
        if plan.is_plain {
            plan.make_plain(arena);
        } else if !spinning && !v1 && arena.once_in(6) {
            plan.besiege(arena);
        }
        arena.by_priority.set(arena.once_in(3));
        arena.mean.set(if arena.by_priority.get() {
            pick(&[10, 30, 100, 300])
        } else {
            pick(&[1, 1, 3, 10, 30, 100])
        });
        arena.at_rings.set(!arena.by_priority.get() && arena.once_in(2));
        arena.together.set(!arena.once_in(4));
        arena.jumps.set(pick(&[0, 1_000, 100, 30]));
        arena.freezes.set(pick(&[0, 0, 200, 40]));
        arena.has_membarrier.set(plan.is_plain || !arena.once_in(5));
        // Last, so that what is drawn before stays what it is.
        if !spinning && !plan.is_plain {
            plan.ends = arena.once_in(3) && !v1;
            plan.sets = arena.once_in(3);
            plan.futures = arena.once_in(4);
            plan.opens = pick(&[0, 0, 4, 10]);
        }
        if kind != Kind::Queue {
            plan.make_stream(arena);
        }
        plan
    }

    fn make_stream(&mut self, arena: &Arena) {
        self.priorities = false;
        self.is_plain = false;
        self.limit = None;
        self.letters = false;
        self.drops = false;
        self.expiry = None;
        self.single = self.kind == Kind::Packed || arena.once_in(3);
        self.lossy = self.kind != Kind::Latest && arena.once_in(2);
        if self.kind == Kind::Packed {
            self.compact = false;
            self.checksums = false;
        }
    }

    fn make_plain(&mut self, arena: &Arena) {
        self.roles = vec![Role::Produce, Role::Consume];
        if arena.once_in(2) {
            self.roles.push(Role::Produce);
        }
        self.is_single = true;
        self.deaths = 0;
        self.closes = false;
        self.is_busy = false;
        self.strategy = WaitStrategy::Sleep;
    }

    /// Many of one side at the same few slots, dying in the middle of claims, and others that repair all the while.
    fn besiege(&mut self, arena: &Arena) {
        let many = [Role::Produce, Role::Consume][arena.below(2) as usize];
        self.roles = vec![Role::Produce, Role::Consume, many, Role::Recover, Role::Recover];
        self.capacity = 2;
        self.priorities = false;
        self.expiry = None;
        self.is_single = true;
        self.is_busy = true;
        self.calls = 20;
        self.deaths = 2;
        self.successors = 6;
    }

    fn draw_roles(arena: &Arena, v1: bool) -> Vec<Role> {
        let mut roles = vec![Role::Produce, Role::Consume];
        if v1 {
            roles.push([Role::ProduceV1, Role::ConsumeV1][arena.below(2) as usize]);
        }
        while roles.len() < 5 && !arena.once_in(3) {
            roles.push(Self::draw_role(arena, v1));
        }
        roles
    }

    /// The role of one more process.
    pub(crate) fn draw_role(arena: &Arena, v1: bool) -> Role {
        match arena.below(if v1 { 9 } else { 7 }) {
            0..3 => Role::Produce,
            3..6 => Role::Consume,
            6 => Role::Recover,
            7 => Role::ProduceV1,
            _ => Role::ConsumeV1,
        }
    }

    /// At which of its steps a new process dies: before its work, at work, and of the accesses to rings; 0 for none.
    pub(crate) fn draw_death(&self, arena: &Arena) -> [u64; 3] {
        if !arena.once_in(self.deaths) {
            return [0; 3];
        }
        match arena.below(8) {
            0 => [1 + arena.below(100), 0, 0],
            1..4 => [0, 1 + arena.below(self.lifetime), 0],
            _ => [0, 0, 1 + arena.below(1 + self.lifetime / 2)],
        }
    }

    /// The builder of the channel's handles.
    pub(crate) fn channel(&self, region: &Region) -> ChannelBuilder<Numbered> {
        let mut builder = Channel::<Numbered>::builder()
            .with_region(region)
            .with_name("numbers")
            .with_channel_id(CHANNEL)
            .with_capacity(self.capacity)
            .with_compact_slots(self.compact)
            .with_v1_peers(self.v1)
            .with_priorities(self.priorities)
            .with_checksums(self.checksums)
            .with_wait_strategy(self.strategy);
        if let Some(limit) = self.limit {
            builder = builder.with_redelivery_limit(limit);
        }
        if self.letters {
            builder = builder.with_dead_letters(LETTERS);
        }
        if self.drops {
            builder = builder.with_dead_consumers(DeadConsumers::Drop);
        }
        if let Some(age) = self.expiry {
            builder = builder.with_expiry(age);
        }
        if self.kind != Kind::Queue {
            let delivery = if self.kind == Kind::Latest {
                Delivery::Latest
            } else {
                Delivery::Broadcast
            };
            builder = builder.with_delivery(delivery).with_single_producer(self.single);
        }
        if matches!(self.kind, Kind::Broadcast | Kind::Packed) {
            builder = builder.with_lossy_subscribers(self.lossy);
        }
        if self.kind == Kind::Packed {
            builder = builder.with_packed_slots(true);
        }
        builder
    }
}
