//! Four producers and four consumers, killed at random and started again, while a ledger outside of shared memory is kept.
//!
//! `DMXP_KILLS=2000 cargo test -p dmxp-tests --test chaos -- --nocapture` is the long run; 80 kills unless given.

use dmxp::{Channel, ChannelBuilder, Error, RecoverOptions, Wait};
use dmxp_tests::{Draws, Ledger, Numbered, Peer, PeerCommand, TestRegion};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a blocked peer may wait, generously: the promise is 100 ms after the kernel has freed the dead one's lock, and eight
/// busy processes share the cores.
const BOUND: Duration = Duration::from_secs(5);

struct Worker {
    name: u64,
    produces: bool,
    peer: Peer,
}

struct Field {
    region: TestRegion,
    ledgers: PathBuf,
    next: u64,
}

impl Field {
    fn numbers(&self) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name("numbers")
    }

    fn ledger(&self, name: u64) -> PathBuf {
        self.ledgers.join(name.to_string())
    }

    fn start(&mut self, produces: bool) -> Worker {
        self.next += 1;
        let name = self.next;
        let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
            .arg(&self.region.name)
            .arg("numbers")
            .arg(if produces { "chaos-produce" } else { "chaos-consume" })
            .arg(name)
            .arg(self.ledger(name).display())
            .spawn();
        Worker { name, produces, peer }
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.ledgers);
    }
}

#[test]
fn killed_at_random_nobody_loses_a_message_or_is_blocked() {
    let kills: u64 = std::env::var("DMXP_KILLS").map_or(80, |kills| kills.parse().expect("DMXP_KILLS is a number"));
    let region = TestRegion::new("chaos", 4 << 20);
    let ledgers = std::env::temp_dir().join(TestRegion::fresh_name("chaos-ledgers"));
    std::fs::create_dir(&ledgers).expect("a folder for the ledgers");
    let mut field = Field {
        region,
        ledgers,
        next: 0,
    };
    let made = field.numbers().with_capacity(64).with_redelivery_limit(12);
    drop(made.build_producer().expect("a channel"));
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut draws = Draws::new(seed, 0);
    let mut workers: Vec<Worker> = (0..8).map(|k| field.start(k < 4)).collect();
    let (mut sent_by, mut received_by): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut killed = [0_u64; 2];

    let done = AtomicBool::new(false);
    // A living pair beside them: how long is it ever kept from going on?
    let (longest, watched) = std::thread::scope(|scope| {
        let (builder, region) = (field.numbers(), field.region.region.clone());
        let done = &done;
        let watch = scope.spawn(move || {
            let (producer, consumer) = (
                builder.build_producer().expect("a producer"),
                builder.build_consumer().expect("a consumer"),
            );
            let (mut longest, mut seen, mut number) = (Duration::ZERO, Vec::new(), 0);
            while !done.load(Ordering::Relaxed) {
                let started = Instant::now();
                if let Err(error) = producer.send_timeout(&Numbered::new(0, number), BOUND) {
                    panic!("a producer that lives is blocked: {error}; {:?}", region.blockages());
                }
                number += 1;
                longest = longest.max(started.elapsed());
                let started = Instant::now();
                match consumer.recv_timeout(BOUND) {
                    Ok(message) => seen.push((message.producer, message.number, message.metadata().redelivered)),
                    Err(error) => panic!("a consumer that lives is not blocked: {error}"),
                }
                longest = longest.max(started.elapsed());
            }
            (longest, seen, number)
        });
        for _ in 0..kills {
            std::thread::sleep(Duration::from_micros(draws.below(40_000) as u64));
            let victim = draws.below(8);
            let produces = workers[victim].produces;
            workers[victim].peer.kill();
            let successor = field.start(produces);
            let dead = std::mem::replace(&mut workers[victim], successor);
            if produces { &mut sent_by } else { &mut received_by }.push(dead.name);
            killed[usize::from(!produces)] += 1;
        }
        // While the others still receive: this pair sends before it receives.
        done.store(true, Ordering::Relaxed);
        let (longest, seen, number) = watch.join().expect("the watching pair");
        for worker in workers.drain(..) {
            if worker.produces {
                &mut sent_by
            } else {
                &mut received_by
            }
            .push(worker.name);
        }
        (longest, (seen, number))
    });
    let (seen, watch_sent) = watched;

    let recovery = field.region.region.recover(RecoverOptions::new()).expect("a recovery");
    assert!(
        recovery.channels.iter().all(|channel| channel.deferred == 0),
        "{recovery}"
    );

    // What was received, and how often without its flag.
    let mut received = BTreeMap::<(u64, u64), (u32, u32)>::new();
    let mut count = |producer: u64, number: u64, redelivered: u64| {
        let entry = received.entry((producer, number)).or_default();
        *(if redelivered == 0 { &mut entry.0 } else { &mut entry.1 }) += 1;
    };
    for name in &received_by {
        let mut last = BTreeMap::<u64, u64>::new();
        for entry in Ledger::read(&field.ledger(*name)) {
            assert_ne!(entry.producer, u64::MAX, "a torn message");
            count(entry.producer, entry.number, entry.redelivered);
            if entry.redelivered == 0 {
                let earlier = last.insert(entry.producer, entry.number);
                assert!(
                    earlier < Some(entry.number),
                    "{entry:?} after number {earlier:?} of its producer"
                );
            }
        }
    }
    for (producer, number, redelivered) in seen {
        count(producer, number, u64::from(redelivered));
    }
    let consumer = field.numbers().build_consumer().expect("a consumer");
    loop {
        match consumer.try_recv() {
            Ok(message) => {
                assert!(message.is_whole(), "torn: {:?}", *message);
                count(
                    message.producer,
                    message.number,
                    u64::from(message.metadata().redelivered),
                );
            }
            Err(Error::Empty) => break,
            Err(error) => panic!("draining: {error}"),
        }
    }

    let mut sent = 0_u64;
    let mut returned = BTreeMap::from([(0, watch_sent)]);
    for name in &sent_by {
        let entries = Ledger::read(&field.ledger(*name));
        sent += entries.len() as u64;
        returned.insert(*name, entries.len() as u64);
    }
    for (producer, count) in &returned {
        for number in 0..*count {
            assert!(
                received.contains_key(&(*producer, number)),
                "lost: message {number} of producer {producer}"
            );
        }
    }
    let mut flagged = 0;
    for ((producer, number), (unflagged, again)) in &received {
        assert!(
            *unflagged <= 1,
            "message {number} of producer {producer} came {unflagged} times without its flag"
        );
        flagged += u64::from(*again);
        // The last call of a killed producer may have sent up to four that it never wrote down.
        let known = returned.get(producer).is_some_and(|count| *number < count + 4);
        assert!(known, "message {number} of producer {producer} was never sent");
    }

    let info = field.region.region.channel_named("numbers").expect("the channel");
    println!(
        "{} producers and {} consumers killed; {sent} messages sent and {} received by them and the watching pair; {flagged} deliveries \
         flagged; {} claims stepped over, {} handles recovered, {} messages dropped; longest wait of the living {longest:.1?}",
        killed[0],
        killed[1],
        received.len(),
        info.aborted,
        info.recovered,
        info.dropped,
    );
    assert_eq!(info.dropped, 0);
    // As at the start.
    let producer = field.numbers().build_producer().expect("a producer");
    let lap: Vec<_> = (0..64).map(|number| Numbered::new(0, number)).collect();
    producer.send_batch(&lap, Wait::No).expect("every slot is free");
    assert_eq!(consumer.recv_up_to(64, Wait::No).expect("a lap").len(), 64);
    let again = field
        .region
        .region
        .recover(RecoverOptions::new().force(true))
        .expect("a recovery");
    assert!(again.is_clean(), "{again}");
    let tables = field.region.region.info();
    assert_eq!((tables.processes, tables.handles), (1, 2));
}
