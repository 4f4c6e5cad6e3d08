//! Broadcast and latest channels with forged words: calls stay within bounds, end, and return a value or an error.

use dmxp::{ChannelBuilder, Delivery, RecoverOptions, Start, Subscription, Wait};
use dmxp_tests::{Draws, TestRegion};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const CAPACITY: u64 = 8;
const STRIDE: u64 = 128;
/// Offsets of docs/MEMORY_LAYOUT.md.
const ENTRY: u64 = 128;
const RECORDS: u64 = 1_024;

fn number(file: &File, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, offset).expect("the region's file");
    u64::from_le_bytes(bytes)
}

/// Where the words of a channel with id 0 lie that only broadcast and latest channels use, or use in their own way.
fn words(file: &File, handles: u64) -> Vec<u64> {
    let control = number(file, 56);
    let record = control + RECORDS;
    let ring = number(file, record + 40);
    let table = control + number(file, control + 32);
    let mut words = vec![
        ENTRY + 128,  // tail
        record + 320, // verified
        record + 328, // announced
        record + 336, // joins, arrivals
        record + 344, // stream_start
        record + 352, // streams
    ];
    for handle in 0..handles {
        let handle = table + handle * 256;
        words.extend([handle + 64, handle + 72, handle + 192, handle + 200]);
    }
    for slot in 0..CAPACITY {
        // Sequence, sender's words of the metadata, length and checksum, payload.
        let slot = ring + slot * STRIDE;
        words.extend([slot, slot, slot, slot + 8, slot + 40, slot + 48, slot + 64]);
    }
    words
}

/// A value that may be near what is expected, or anything.
fn value(draws: &mut Draws, was: u64) -> u64 {
    match draws.below(6) {
        0 => draws.word(),
        1 => u64::MAX - draws.below(20) as u64,
        2 => was.wrapping_add(draws.below(40) as u64).wrapping_sub(20),
        3 => draws.below(40) as u64,
        4 => 1 << 63 | 1 << 60 | draws.below(40) as u64,
        _ => was ^ 1 << draws.below(64),
    }
}

fn attack(delivery: Delivery, single: bool, draw: u64) {
    let region = TestRegion::new("broadcast-hostile", 2 << 20);
    let channel = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(0)
        .with_capacity(CAPACITY)
        .with_payload_capacity(64)
        .with_delivery(delivery)
        .with_single_producer(single);
    let admits_lossy = !draw.is_multiple_of(3);
    let channel = match delivery {
        Delivery::Broadcast => channel.with_lossy_subscribers(admits_lossy),
        _ => channel,
    };
    let producer = channel.build_producer().expect("a producer");
    let mut consumers = vec![channel.build_consumer().expect("a consumer")];
    if delivery == Delivery::Broadcast && admits_lossy {
        let lossy = channel.clone().with_subscription(Subscription::Lossy);
        consumers.push(lossy.build_consumer().expect("a lossy one"));
    }
    for number in 0..draw % 12 {
        let _ = producer.try_send([number as u8; 20]);
        let _ = consumers[0].receive();
    }
    let file = File::options()
        .read(true)
        .write(true)
        .open(region.region.path())
        .expect("the region's file");
    let words = words(&file, 4);
    let mut draws = Draws::new(draw, u64::from(single));
    let started = Instant::now();
    for _ in 0..30 {
        let word = words[draws.below(words.len())];
        let forged = value(&mut draws, number(&file, word));
        file.write_all_at(&forged.to_le_bytes(), word).expect("a change");
        // What they answer is not the point.
        let _ = producer.try_send([7; 64]);
        let _ = producer.send_batch(&[[1; 9], [2; 9], [3; 9]], Wait::No);
        let _ = producer.try_claim(5).map(|mut claim| {
            claim.fill(3);
            claim.publish()
        });
        for consumer in &consumers {
            let _ = consumer
                .try_recv()
                .map(|message| (message.to_vec(), message.metadata()));
            let _ = consumer.newest().map(|message| message.to_vec());
            if let Ok(claim) = consumer.as_raw().claim(1, 5, Wait::No) {
                for index in 0..claim.count() {
                    let _ = consumer.as_raw().payload(&claim, index).map(<[u8]>::to_vec);
                }
                consumer.as_raw().give_back(claim);
            }
            let _ = (consumer.len(), consumer.missed(), producer.len());
        }
        if draws.below(10) == 0 {
            let _ = consumers[0].recv_timeout(Duration::from_millis(1));
            let _ = producer.send_timeout([7; 64], Duration::from_millis(1));
            let _ = region.region.channels();
            let _ = region.region.blockages().map(|found| format!("{found:?}"));
            let _ = region.region.recover(RecoverOptions::new().force(draws.truth()));
            if delivery == Delivery::Broadcast {
                let start = [Start::Newest, Start::Oldest, Start::Position(draws.word())][draws.below(3)];
                let _ = channel
                    .clone()
                    .with_start(start)
                    .build_consumer()
                    .map(|late| late.receive());
            }
            let _ = channel.build_producer();
        }
    }
    let _ = producer.close();
    for consumer in &consumers {
        let _ = consumer.recv_timeout(Duration::from_millis(1));
    }
    drop((producer, consumers));
    let _ = channel.build_producer().map(|producer| producer.try_send([1]));
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{delivery} {single} {draw}: {:?}",
        started.elapsed()
    );
}

#[test]
fn forged_limits_cursors_and_sequences_end_no_call_badly() {
    for draw in 0..150 {
        for delivery in [Delivery::Broadcast, Delivery::Latest] {
            for single in [true, false] {
                attack(delivery, single, draw);
            }
        }
    }
}
