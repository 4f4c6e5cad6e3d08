//! One schedule: its processes are started, killed and buried, and what is left is looked at.

use crate::arena::{Arena, Deed, KEEPER, Order, PROCESSES, State};
use crate::plan::{CHANNEL, Kind, LETTERS, Options, Plan, Role};
use crate::scheduler::{choose, turns};
use crate::work::{self, expected, got, name};
use crate::{audit, stream_audit};
use core::fmt;
use dmxp::{Channel, Consumer, Error, Producer, RecoverOptions, Region, RegionOptions, Wait};
use dmxp_tests::Numbered;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long the turn may be away before the schedule counts as stuck. No process of it ever waits for anything but its turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than several ticks, which are 40 ms each: time for a waiter to sweep whatever the dead left.
pub(crate) const TICKS: Duration = Duration::from_millis(200);

/// What happened in the schedules.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    schedules: u64,
    steps: u64,
    switches: u64,
    processes: u64,
    killed: u64,
    sent: u64,
    received: u64,
    again: u64,
    dropped: u64,
    expired: u64,
    letters: u64,
    ends: u64,
    gone: u64,
    missed: u64,
    digest: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} schedules, {} steps, {} turns handed on; {} processes, {} killed; {} messages sent, {} received, {} of them again; {} \
             dropped, {} expired, {} dead letters; {} missed; {} ends seen, {} of streams whose producers had gone; digest {:016x}",
            self.schedules,
            self.steps,
            self.switches,
            self.processes,
            self.killed,
            self.sent,
            self.received,
            self.again,
            self.dropped,
            self.expired,
            self.letters,
            self.missed,
            self.ends + self.gone,
            self.gone,
            self.digest
        )
    }
}

/// What a channel counted, on both rings.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) redelivered: u64,
    pub(crate) recovered: u64,
}

/// A panic of a process ends its schedule.
pub(crate) fn report_panics(arena: &'static Arena) {
    std::panic::set_hook(Box::new(|info| {
        arena.complain(&format!("process {}: {info}", turns().me()));
        if turns().me() != KEEPER {
            turns().leave(Order::Fail);
        }
    }));
}

/// The processes of a schedule, killed at its end.
struct Processes<'a> {
    arena: &'static Arena,
    /// The region, which has no name: nothing is left of it when all processes are gone.
    descriptor: BorrowedFd<'a>,
    plan: Plan,
    pids: [libc::pid_t; PROCESSES],
    started: usize,
}

impl Processes<'_> {
    /// Starts a process, which waits for its turn.
    fn start(&mut self, role: Role) {
        let arena = self.arena;
        self.started += 1;
        let index = self.started;
        let process = &arena.processes[index];
        process.reset();
        process.state.set(State::Ready);
        process.priority.set(arena.below(1_000_000) as i64);
        for (cell, step) in process.dies_at.iter().zip(self.plan.draw_death(arena)) {
            cell.set(step);
        }
        let parent = std::process::id();
        // SAFETY: this process has one thread, so that the child may do all that it could.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid > 0 {
            self.pids[index] = pid;
            return;
        }
        turns().become_process(index);
        // SAFETY: integers only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        if std::os::unix::process::parent_id() != parent {
            std::process::exit(1);
        }
        arena.await_turn(index);
        work::work(&self.plan, self.descriptor, role, index);
        process.state.set(State::Gone);
        turns().leave(Order::Bury);
    }

    /// Waits for the end of a process; it is killed first, if it is not about to end.
    fn bury(&mut self, index: usize, kill: bool) {
        let pid = core::mem::take(&mut self.pids[index]);
        if kill {
            // SAFETY: a child that was not waited for: the number is its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        // SAFETY: as above; nothing is written.
        unsafe { libc::waitpid(pid, core::ptr::null_mut(), 0) };
        self.arena.processes[index].state.set(State::Gone);
    }

    /// Lets the processes go on, each in its turn, until all have ended.
    fn run(&mut self, tally: &mut Tally) -> Result<(), String> {
        let arena = self.arena;
        let mut successors = self.plan.successors;
        loop {
            let next = choose(arena);
            if next == KEEPER {
                return Ok(());
            }
            arena.order.set(Order::Nothing);
            arena.hand_to(next);
            let since = Instant::now();
            while !arena.await_turn_briefly(KEEPER) {
                if let Some(reason) = self.ended_by_itself() {
                    return Err(reason);
                }
                if since.elapsed() > PATIENCE {
                    return Err("a process keeps its turn".into());
                }
            }
            let index = arena.ordered.get();
            match arena.order.get() {
                Order::Nothing => {}
                Order::Bury => self.bury(index, false),
                Order::Kill => {
                    self.bury(index, true);
                    tally.killed += 1;
                    arena.killed_at.set(arena.clock.get());
                    arena.note(index, Deed::Died, 0, 0);
                    if successors > 0 {
                        successors -= 1;
                        self.start(Plan::draw_role(arena, self.plan.v1));
                    }
                }
                Order::Fail => return Err(arena.complaint().unwrap_or_default()),
            }
        }
    }

    /// Lets those go on that wait for the others' end; whether there are any.
    fn release_staying(&self) -> bool {
        let processes = self.arena.processes.iter();
        let staying = processes.filter(|process| process.state.get() == State::Staying);
        staying.map(|process| process.state.set(State::Ready)).count() > 0
    }

    /// Whether a process has crashed.
    fn ended_by_itself(&mut self) -> Option<String> {
        for (index, pid) in self.pids.iter_mut().enumerate() {
            let mut status = 0;
            // SAFETY: a child that was not waited for; the kernel writes an integer.
            if *pid > 0 && unsafe { libc::waitpid(*pid, &raw mut status, libc::WNOHANG) } == *pid {
                *pid = 0;
                return Some(format!("process {index} ended with status {status:#x}"));
            }
        }
        None
    }
}

impl Drop for Processes<'_> {
    fn drop(&mut self) {
        for index in 0..PROCESSES {
            if self.pids[index] > 0 {
                self.bury(index, true);
            }
        }
    }
}

/// Runs the schedule of a seed and checks what it left.
pub(crate) fn run(arena: &'static Arena, seed: u64, options: Options, tally: &mut Tally) -> Result<(), String> {
    arena.clear(seed.wrapping_mul(0xd605_1d4c_8f5e_32b5) ^ seed);
    let plan = Plan::draw(arena, seed, options);
    let told = format!("{plan:?}");
    run_plan(arena, plan, tally).map_err(|reason| {
        let events = arena.events();
        let events: Vec<_> = events.iter().map(ToString::to_string).collect();
        format!("{reason}\n  {told}\n  {}", events.join("; "))
    })
}

fn run_plan(arena: &'static Arena, plan: Plan, tally: &mut Tally) -> Result<(), String> {
    let region = RegionOptions::new()
        .size(1 << 20)
        .max_processes(PROCESSES as u32)
        .max_handles(32)
        .create_anonymous()
        .map_err(|error| format!("making the region: {error}"))?;
    let free = region.info().free;
    let owned = region.descriptor().map_err(|error| error.to_string())?;
    drop(region);
    let descriptor = owned.as_fd();
    let mut processes = Processes {
        arena,
        descriptor,
        plan: plan.clone(),
        pids: [0; PROCESSES],
        started: 0,
    };
    for &role in &plan.roles {
        processes.start(role);
    }
    processes.run(tally)?;
    tally.processes += processes.started as u64;
    tally.steps += arena.steps.get();
    tally.switches += arena.switches.get();
    tally.digest ^= arena.digest.get();
    let complaint = |_| arena.complaint().unwrap_or_default();
    let mut left;
    loop {
        left = if plan.kind == Kind::Queue {
            std::panic::catch_unwind(|| use_what_is_left(&plan, descriptor)).map_err(complaint)?
        } else {
            Counted::default()
        };
        // Some may close the channel at their end, die at it, and have successors.
        if !processes.release_staying() {
            break;
        }
        processes.run(tally)?;
    }
    drop(processes);
    if plan.kind != Kind::Queue {
        left = std::panic::catch_unwind(|| use_what_is_left_of_a_stream(&plan, descriptor)).map_err(complaint)?;
    }
    std::panic::catch_unwind(|| look_at_what_is_left(descriptor, free)).map_err(complaint)?;
    let audited = match plan.kind {
        Kind::Queue => audit::audit(&plan, &arena.events(), &left)?,
        _ => stream_audit::audit(&plan, &arena.events(), &left)?,
    };
    tally.schedules += 1;
    tally.sent += audited.sent;
    tally.received += audited.received;
    tally.again += audited.again;
    tally.letters += audited.letters;
    tally.ends += audited.ends;
    tally.gone += audited.gone;
    tally.missed += audited.missed;
    tally.dropped += left.dropped;
    tally.expired += left.expired;
    Ok(())
}

/// Receives all that is there, as a waiter that sweeps what the dead left.
fn drain(consumer: &Consumer<Numbered>, is_letter: bool) {
    loop {
        match consumer.recv_timeout(TICKS) {
            Ok(message) => {
                got(&message, message.metadata().redelivered, is_letter);
                let name = name(&message);
                drop(message);
                turns().note(Deed::Released, name, 0);
            }
            Err(Error::Timeout) => return,
            Err(error) => panic!("draining: {error}"),
        }
    }
}

/// Sends and receives as many messages as there are slots.
fn use_every_slot(producer: &Producer<Numbered>, consumer: &Consumer<Numbered>) {
    let capacity = producer.capacity() as usize;
    let lap: Vec<_> = (0..capacity).map(|number| Numbered::new(0xff, number as u64)).collect();
    producer
        .send_batch(&lap, Wait::No)
        .unwrap_or_else(|error| panic!("a slot is not free: {error}"));
    for message in &lap {
        let received = consumer.try_recv().unwrap_or_else(|error| panic!("a lap: {error}"));
        assert_eq!((*received, received.metadata().redelivered), (*message, 0), "a lap");
    }
    assert!(expected(consumer.try_recv()).is_none(), "more than a lap");
}

/// Receives what is left, and finds every slot free. Others may have handles, and hold nothing. What the channel counted.
fn use_what_is_left(plan: &Plan, descriptor: BorrowedFd<'_>) -> Counted {
    let region: Region = RegionOptions::new().attach(descriptor).expect("the region");
    let producer = plan.channel(&region).build_producer().expect("a producer");
    let consumer = plan.channel(&region).build_consumer().expect("a consumer");
    if plan.v1 {
        // They are gone, and left what no sweep repairs by itself.
        region.recover(RecoverOptions::new().force(true)).expect("a recovery");
    }
    drain(&consumer, false);
    if plan.letters {
        let letters = Channel::<Numbered>::builder().with_region(&region).with_name(LETTERS);
        drain(
            &letters.open_only().build_consumer().expect("a consumer of letters"),
            true,
        );
    }
    let info = region.channel_named("numbers").expect("the channel");
    let mut counted = Counted::default();
    for ring in core::iter::once(&info).chain(info.high.as_deref()) {
        counted.dropped += ring.dropped;
        counted.expired += ring.expired;
        counted.dead_lettered += ring.dead_lettered;
        counted.redelivered += ring.redelivered;
        counted.recovered += ring.recovered;
    }
    use_every_slot(&producer, &consumer);
    if plan.priorities {
        use_every_slot(producer.high().expect("it has priorities"), &consumer);
    }
    counted
}

/// All subscribers and producers have gone: the channel goes on, twice around the ring. What it counted.
fn use_what_is_left_of_a_stream(plan: &Plan, descriptor: BorrowedFd<'_>) -> Counted {
    let region: Region = RegionOptions::new().attach(descriptor).expect("the region");
    let producer = plan.channel(&region).build_producer().expect("a producer");
    let consumer = plan.channel(&region).build_consumer().expect("a consumer");
    // Nothing comes, but deaths of a moment ago are looked after meanwhile.
    while let Some(before) = expected(consumer.recv_timeout(TICKS)) {
        assert!(plan.kind == Kind::Latest, "nobody has sent {before:?}");
    }
    let capacity = plan.capacity;
    for lap in 0..2 {
        let messages: Vec<_> = (0..capacity)
            .map(|number| Numbered::new(0xff, lap * capacity + number))
            .collect();
        if plan.kind == Kind::Latest {
            for message in &messages {
                let sent = producer.try_send(message);
                sent.unwrap_or_else(|error| panic!("a slot is not free: {error}"));
                let newest = consumer.newest().unwrap_or_else(|error| panic!("the newest: {error}"));
                assert_eq!(*newest, *message, "the newest");
            }
            continue;
        }
        producer
            .send_batch(&messages, Wait::No)
            .unwrap_or_else(|error| panic!("a slot is not free: {error}"));
        assert!(expected(producer.try_send(&messages[0])).is_none(), "more than a lap");
        for message in &messages {
            let received = consumer.try_recv().unwrap_or_else(|error| panic!("a lap: {error}"));
            assert_eq!(*received, *message, "a lap");
        }
        assert!(expected(consumer.try_recv()).is_none(), "more than was sent");
    }
    let info = region.channel_named("numbers").expect("the channel");
    Counted {
        recovered: info.recovered,
        ..Counted::default()
    }
}

/// Everything is as at the beginning: slots, records, tables, space.
fn look_at_what_is_left(descriptor: BorrowedFd<'_>, free: u64) {
    let region: Region = RegionOptions::new().attach(descriptor).expect("the region");
    let recovery = region.recover(RecoverOptions::new()).expect("a recovery");
    let deferred = |channel: &dmxp::ChannelRecovery| channel.deferred > 0;
    assert!(!recovery.channels.iter().any(deferred), "{recovery}");
    let nothing_left = |channel: &dmxp::ChannelRecovery| {
        channel.id != CHANNEL || (channel.dead_producers, channel.dead_consumers) == (0, 0)
    };
    assert!(recovery.channels.iter().all(nothing_left), "a waiter left {recovery}");
    let again = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
    assert!(again.is_clean(), "{again}");
    assert!(region.blockages().expect("blockages").is_empty());
    let info = region.info();
    assert_eq!((info.processes, info.handles), (1, 0));
    for channel in region.channels().expect("the channels") {
        // The second ring goes with its channel.
        region
            .remove_channel(channel.id, false)
            .unwrap_or_else(|error| panic!("removing: {error}"));
    }
    let info = region.info();
    assert_eq!((info.channels, info.free), (0, free), "space or tables leak");
}
