//! Each handle chooses how it waits: it spins, spins and sleeps, or sleeps, and keeps what is promised to waiters.

use dmxp::{ChannelBuilder, Error, Wait, WaitStrategy, schedule};
use dmxp_tests::{TestRegion, until};
use std::thread;
use std::time::{Duration, Instant};

const STRATEGIES: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::SpinThenSleep, WaitStrategy::Sleep];

/// Generous: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn channel(region: &TestRegion, strategy: WaitStrategy) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("small")
        .with_capacity(2)
        .with_wait_strategy(strategy)
}

/// How often this thread has gone to sleep.
fn sleeps() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills in the structure.
    let answer = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    assert_eq!(answer, 0);
    // SAFETY: the call succeeded; zeros would do as well.
    unsafe { usage.assume_init() }.ru_nvcsw
}

#[test]
fn who_spins_does_not_sleep_and_who_sleeps_does_each_tick() {
    let region = TestRegion::new("strategies", 4 << 20);
    let wait = |strategy| {
        let consumer = channel(&region, strategy).build_consumer().expect("a consumer");
        let (before, started) = (sleeps(), Instant::now());
        let outcome = consumer.recv_timeout(Duration::from_millis(400));
        assert!(matches!(outcome, Err(Error::Timeout)), "{strategy:?}: {outcome:?}");
        assert!(started.elapsed() >= Duration::from_millis(400), "{strategy:?}");
        sleeps() - before
    };
    // A few do not count: a thread that sweeps for dead peers may have to wait for another one that does. Nor is every tick one where the
    // machine has other work.
    let mut attempts = [(); 5].iter();
    assert!(attempts.any(|()| wait(WaitStrategy::Spin) <= 3));
    for strategy in [WaitStrategy::SpinThenSleep, WaitStrategy::Sleep] {
        let mut attempts = [(); 5].iter();
        assert!(attempts.any(|()| wait(strategy) >= 5), "{strategy:?}");
    }
}

#[test]
fn messages_pass_between_any_two_strategies() {
    for sends in STRATEGIES {
        for receives in STRATEGIES {
            let region = TestRegion::new("strategies-pairs", 4 << 20);
            let producer = channel(&region, sends).build_producer().expect("a producer");
            let sender = thread::spawn(move || {
                for number in 0..2_000_u32 {
                    let sent = producer.send_timeout(number.to_le_bytes(), BOUND);
                    sent.unwrap_or_else(|error| panic!("{sends:?} to {receives:?}: {error}"));
                }
            });
            let consumer = channel(&region, receives).build_consumer().expect("a consumer");
            for number in 0..2_000_u32 {
                let message = consumer.recv_timeout(BOUND);
                let message = message.unwrap_or_else(|error| panic!("{sends:?} to {receives:?}: {error}"));
                assert_eq!(&*message, number.to_le_bytes());
            }
            sender.join().expect("no panic");
        }
    }
}

#[test]
fn whoever_waits_in_whatever_way_goes_on_when_a_peer_is_killed() {
    for strategy in STRATEGIES {
        let region = TestRegion::new("strategies-dead", 4 << 20);
        let consumer = channel(&region, strategy).build_consumer().expect("a consumer");
        let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "small", "hold-claim").spawn();
        until("the claim", || {
            region.region.channel_named("small").expect("it").tail == 1
        });
        let producer = channel(&region, strategy).build_producer().expect("a producer");
        producer.send(b"behind the claim").expect("the second slot is free");
        let receiver = thread::spawn(move || consumer.recv_timeout(BOUND).map(|message| message.to_vec()));
        // It waits, and finds the death by itself.
        thread::sleep(Duration::from_millis(100));
        holder.kill();
        let received = receiver.join().expect("no panic");
        assert_eq!(
            received.expect("the dead claim is stepped over"),
            b"behind the claim",
            "{strategy:?}"
        );
    }
}

#[test]
fn a_thread_runs_where_it_is_pinned() {
    let all = schedule::allowed_cpus().expect("processors");
    assert!(!all.is_empty());
    for &cpu in &all {
        thread::spawn(move || {
            schedule::pin_to(&[cpu]).expect("a processor that is allowed");
            assert_eq!(schedule::allowed_cpus().expect("processors"), [cpu]);
            // SAFETY: no preconditions.
            let here = unsafe { libc::sched_getcpu() };
            assert_eq!(usize::try_from(here), Ok(cpu));
            let child = thread::spawn(|| schedule::allowed_cpus().expect("processors"));
            assert_eq!(child.join().expect("no panic"), [cpu]);
        })
        .join()
        .expect("no panic");
    }
    assert_eq!(
        schedule::allowed_cpus().expect("processors"),
        all,
        "other threads are free"
    );
    for wrong in [vec![], vec![1_024]] {
        let refused = schedule::pin_to(&wrong);
        assert!(
            matches!(refused, Err(Error::InvalidArgument { .. })),
            "{wrong:?}: {refused:?}"
        );
    }
    let refused = schedule::pin_to(&[1_023]).expect_err("no machine for tests has that many");
    assert!(refused.to_string().contains("[1023]"), "{refused}");
}

#[test]
fn a_thread_gets_a_real_time_priority_or_hears_what_it_lacks() {
    // SAFETY: no preconditions; 0 is this thread.
    let policy = || unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
    thread::spawn(move || match schedule::set_real_time(1) {
        Ok(()) => {
            assert_eq!(policy(), libc::SCHED_FIFO);
            thread::spawn(move || assert_eq!(policy(), libc::SCHED_OTHER))
                .join()
                .expect("no panic");
            schedule::set_ordinary().expect("less is always allowed");
            assert_eq!(policy(), libc::SCHED_OTHER);
        }
        Err(error) => {
            assert!(error.to_string().contains("CAP_SYS_NICE"), "{error}");
            assert_eq!(policy(), libc::SCHED_OTHER);
        }
    })
    .join()
    .expect("no panic");
    for wrong in [0, 100] {
        let refused = schedule::set_real_time(wrong);
        assert!(
            matches!(refused, Err(Error::InvalidArgument { .. })),
            "{wrong}: {refused:?}"
        );
    }
}

#[test]
fn a_handle_that_is_dropped_while_others_wait_with_it_keeps_its_place_until_they_are_done() {
    let region = TestRegion::new("long_wait", 4 << 20);
    let consumer = channel(&region, WaitStrategy::Sleep)
        .build_raw_consumer()
        .expect("a consumer");
    let waiter = consumer.waiter();
    let mut long_wait = waiter.long_wait();
    drop(consumer);
    assert_eq!(region.region.info().handles, 1);
    region
        .region
        .channel_named("small")
        .expect("a channel whose space is in use");
    let outcome = long_wait.wait(1, Wait::For(Duration::from_millis(100)), || Err::<(), _>(Error::Empty));
    assert!(matches!(outcome, Err(Error::Timeout)), "{outcome:?}");
    drop(long_wait);
    assert_eq!(region.region.info().handles, 0);

    let mut asked = 0;
    let outcome = waiter.wait(1, Wait::Forever, || {
        asked += 1;
        Err::<(), _>(Error::Closed)
    });
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
    assert_eq!(asked, 1, "no process is left that could wake it");
}
