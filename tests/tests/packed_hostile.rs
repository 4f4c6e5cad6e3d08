//! Packed slots with forged words: calls on both ends stay within their ring, end, and return a value or an error.

use dmxp::{
    Channel, ChannelBuilder, Consumer, Error, PeekFrom, PeekOptions, Producer, RecoverOptions, Region, Start,
    Subscription, Wait,
};
use dmxp_tests::{Draws, TestRegion};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const CAPACITY: u64 = 8;
/// Channels made before and after the one under attack, whose rings lie next to its own.
const NEIGHBOURS: [u32; 2] = [0, 2];
const ATTACKED: u32 = 1;
/// Sizes and offsets of docs/MEMORY_LAYOUT.md.
const ENTRY: u64 = 128 + 384 * ATTACKED as u64;
const ENTRY_SIZE: u64 = 384;
const RECORDS: u64 = 1_024;
const RECORD_SIZE: u64 = 512;
const HANDLE_SIZE: u64 = 256;
const SCHEMA_LEN: u64 = 64;
/// Longest that all calls after one change may take, most of which have no time limit and the others a millisecond: on a slow
/// machine under load.
const BOUND: Duration = Duration::from_secs(30);

/// Not every byte is a value of it.
#[dmxp::message]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Switch {
    number: u32,
    on: [bool; 4],
}

fn switch(number: u32) -> Switch {
    Switch { number, on: [true; 4] }
}

/// A region with a packed channel between two others, all open.
struct Attacked {
    region: TestRegion,
    file: File,
    channel: ChannelBuilder<Switch>,
    producer: Producer<Switch>,
    consumers: Vec<Consumer<Switch>>,
    /// The neighbours' rings as they were: where, and their bytes.
    neighbours: Vec<(u64, Vec<u8>)>,
}

impl Attacked {
    /// After `sent` messages, of which the reliable subscriber has all but two, and the lossy one was overrun or has none.
    fn new(lossy: bool, sent: u32) -> Self {
        let region = TestRegion::new("packed-hostile", 1 << 20);
        let neighbour = |id: u32| {
            let neighbour = ChannelBuilder::new()
                .with_region(&region.region)
                .with_channel_id(id)
                .with_capacity(4)
                .with_payload_capacity(64);
            let producer = neighbour.build_producer().expect("a neighbour");
            for message in [[0xA1; 64], [0xB2; 64], [0xC3; 64]] {
                producer.try_send(message).expect("a message of it");
            }
        };
        neighbour(NEIGHBOURS[0]);
        let channel = Channel::<Switch>::builder()
            .with_region(&region.region)
            .with_channel_id(ATTACKED)
            .with_capacity(CAPACITY)
            .with_packed_slots(true)
            .with_lossy_subscribers(lossy);
        let producer = channel.build_producer().expect("a producer");
        neighbour(NEIGHBOURS[1]);
        let mut consumers = vec![channel.build_consumer().expect("a subscriber")];
        if lossy {
            let lossy = channel.clone().with_subscription(Subscription::Lossy);
            consumers.push(lossy.build_consumer().expect("a lossy one"));
        }
        for number in 0..sent {
            producer.try_send(&switch(number)).expect("room");
            if number + 2 < sent {
                consumers[0].recv_copy(Wait::No).expect("a message");
            }
        }
        let file = File::options()
            .read(true)
            .write(true)
            .open(region.region.path())
            .expect("the region's file");
        let mut attacked = Self {
            region,
            file,
            channel,
            producer,
            consumers,
            neighbours: Vec::new(),
        };
        attacked.neighbours = NEIGHBOURS.map(|id| attacked.ring(id)).into();
        attacked
    }

    fn number(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, offset).expect("the region's file");
        u64::from_le_bytes(bytes)
    }

    fn forge(&self, offset: u64, width: usize, word: u64) {
        let bytes = &word.to_le_bytes()[..width];
        self.file.write_all_at(bytes, offset).expect("a change");
    }

    fn record(&self, id: u32) -> u64 {
        self.number(56) + RECORDS + u64::from(id) * RECORD_SIZE
    }

    /// Where the ring of a channel lies, and its bytes.
    fn ring(&self, id: u32) -> (u64, Vec<u8>) {
        let (offset, len) = (self.number(self.record(id) + 40), self.number(self.record(id) + 48));
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(&mut bytes, offset).expect("a ring");
        (offset, bytes)
    }

    /// Every word of the channel: its entry, its record, the handles of both ends and the one that comes next, its slots and schema.
    fn words(&self) -> Vec<u64> {
        let control = self.number(56);
        let handles = control + self.number(control + 32);
        // The first neighbour's handle is used again.
        let used = (0..8).filter(|&index| self.number(handles + index * HANDLE_SIZE) & 3 != 0);
        let used = used.map(|index| handles + index * HANDLE_SIZE);
        let free = (0..8).find(|&index| self.number(handles + index * HANDLE_SIZE) & 3 == 0);
        let free = free.map(|index| handles + index * HANDLE_SIZE);
        let ring = self.number(self.record(ATTACKED) + 40);
        let mut structures = vec![
            (ENTRY, ENTRY_SIZE),
            (self.record(ATTACKED), RECORD_SIZE),
            (ring, CAPACITY * size_of::<Switch>() as u64 + SCHEMA_LEN),
        ];
        structures.extend(used.chain(free).map(|handle| (handle, HANDLE_SIZE)));
        structures
            .into_iter()
            .flat_map(|(start, len)| (start..start + len).step_by(8))
            .collect()
    }

    /// What an end can be asked for. What it answers is not the point.
    fn use_both_ends(&self) {
        let producer = &self.producer;
        let _ = producer.try_send(&switch(7));
        let _ = producer.send_batch(&[switch(1), switch(2), switch(3)], Wait::No);
        let _ = producer.send_up_to(&[switch(4); 20], Wait::No);
        let _ = producer.try_claim().map(|mut claim| {
            claim.number = 5;
            claim.publish()
        });
        let _ = producer.claim_slice(3, Wait::No).map(|mut claim| {
            claim.fill(switch(6));
            claim.publish()
        });
        let _ = producer.claim_slice(CAPACITY as usize, Wait::No).map(drop);
        let _ = producer.claim_batch(2, Wait::No).map(drop);
        let _ = (producer.len(), producer.is_full());
        for consumer in &self.consumers {
            let _ = consumer.recv_copy(Wait::No);
            let _ = consumer.try_recv().map(|message| (message.number, message.metadata()));
            if let Ok(slice) = consumer.recv_slice(3, Wait::No) {
                let _ = slice.iter().map(|switch| switch.number).fold(0, u32::wrapping_add);
                let _ = (slice.message_id(), slice.missed());
                slice.give_back();
            }
            let _ = consumer.recv_slice(usize::MAX, Wait::No).map(|slice| slice.to_vec());
            let mut copies = Vec::new();
            let _ = consumer.recv_slice_copy(&mut copies, 5, Wait::No);
            if let Ok(batch) = consumer.recv_up_to(4, Wait::No) {
                let _ = batch.iter().map(|switch| switch.number).fold(0, u32::wrapping_add);
            }
            if let Ok(claim) = consumer.as_raw().claim(1, 5, Wait::No) {
                for index in 0..claim.count() {
                    let _ = consumer.as_raw().payload(&claim, index).map(<[u8]>::to_vec);
                }
                consumer.as_raw().put_back(claim, Some(1));
            }
            let _ = (consumer.len(), consumer.missed(), consumer.is_full());
        }
    }

    /// The calls that wait, for a millisecond.
    fn wait_at_both_ends(&self) {
        let soon = Duration::from_millis(1);
        let _ = self.producer.send_timeout(&switch(8), soon);
        let _ = self.producer.claim_slice(CAPACITY as usize, Wait::For(soon)).map(drop);
        for consumer in &self.consumers {
            let _ = consumer.recv_slice(1, Wait::For(soon)).map(|slice| slice.len());
            let _ = consumer.recv_batch(3, Wait::For(soon)).map(|batch| batch.len());
            let _ = consumer.recv_timeout(soon).map(|message| message.number);
        }
    }

    /// What others ask of the region: they look, clean up and open handles.
    fn use_from_outside(&self, draws: &mut Draws) {
        let region: &Region = &self.region.region;
        let _ = region.channels();
        let _ = region.statistics();
        let _ = region.blockages().map(|found| format!("{found:?}"));
        let from = [PeekFrom::Oldest, PeekFrom::Newest, PeekFrom::Position(draws.word())];
        let _ = region.peek(ATTACKED, PeekOptions::new().from(from[draws.below(3)]).limit(20));
        let _ = region.recover(RecoverOptions::new().force(draws.truth()));
        let start = [Start::Newest, Start::Oldest, Start::Position(draws.word())][draws.below(3)];
        let late = self.channel.clone().with_start(start);
        let _ = late.build_consumer().map(|late| late.recv_copy(Wait::No));
        let lossy = late.with_subscription(Subscription::Lossy);
        let _ = lossy.build_consumer().map(|late| late.recv_copy(Wait::No));
        let _ = self.channel.build_producer().map(|other| other.try_send(&switch(9)));
    }

    /// Nothing was written next to the ring.
    fn check_neighbours(&self, what: &str) {
        for (offset, before) in &self.neighbours {
            let mut now = vec![0; before.len()];
            self.file.read_exact_at(&mut now, *offset).expect("a ring");
            assert!(now == *before, "{what}: the ring at {offset} was written to");
        }
    }
}

fn timed<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let answer = call();
    let took = started.elapsed();
    assert!(took < BOUND, "{what} took {took:?}");
    answer
}

/// Words that may be near what is expected, or anything: as numbers, as positions, as two numbers of 32 bits.
fn forgeries(was: u64) -> [u64; 10] {
    [
        0,
        u64::MAX,
        was.wrapping_add(1),
        was.wrapping_sub(1),
        was.wrapping_add(CAPACITY),
        was.wrapping_add(3 * CAPACITY),
        u64::MAX - CAPACITY / 2,
        was ^ 1 << 63,
        was ^ 1 << 32,
        (was >> 32) << 32 | u64::from(u32::MAX),
    ]
}

#[test]
fn no_forged_word_lets_open_handles_write_outside_of_the_ring_or_wait_for_ever() {
    for lossy in [false, true] {
        let count = Attacked::new(lossy, 3).words().len();
        for which in 0..count {
            // In the first lap, in a later one, at the end of one.
            let attacked = Attacked::new(lossy, [3, 13, 16][which % 3]);
            let offset = attacked.words()[which];
            for (number, forged) in forgeries(attacked.number(offset)).into_iter().enumerate() {
                let was = attacked.number(offset);
                let what = format!("{lossy} word {which} at {offset}: {was:#x}, forged {forged:#x}");
                attacked.forge(offset, 8, forged);
                timed(&what, || attacked.use_both_ends());
                if number % 5 == 1 {
                    timed(&what, || attacked.wait_at_both_ends());
                }
                // What the calls have made of it since is as good as any.
                if number % 2 == 0 {
                    attacked.forge(offset, 8, was);
                    timed(&what, || attacked.use_both_ends());
                }
                attacked.check_neighbours(&what);
            }
        }
    }
}

#[test]
fn forged_words_end_no_call_badly() {
    for draw in 0..300 {
        let attacked = Attacked::new(draw % 2 == 0, (draw % 12) as u32);
        let words = attacked.words();
        let mut draws = Draws::new(draw, 1);
        let what = format!("draw {draw}");
        for turn in 0..30 {
            let offset = words[draws.below(words.len())] + [0, 4][draws.below(2)];
            let forged = forgeries(attacked.number(offset))[draws.below(10)].wrapping_add(draws.word() % 3);
            attacked.forge(offset, [8, 4, 4][draws.below(3)], forged);
            timed(&what, || attacked.use_both_ends());
            if turn % 10 == 9 {
                timed(&what, || attacked.use_from_outside(&mut draws));
                timed(&what, || attacked.wait_at_both_ends());
            }
        }
        timed(&what, || {
            let _ = attacked.producer.close();
            attacked.wait_at_both_ends();
        });
        let Attacked {
            channel,
            producer,
            consumers,
            region: _region,
            ..
        } = attacked;
        timed(&what, || {
            drop((producer, consumers));
            let _ = channel.build_producer().map(|producer| producer.try_send(&switch(1)));
        });
    }
}

#[test]
fn records_that_lie_of_packed_slots_are_errors_and_write_nothing() {
    // Flags, payload capacity, stride and capacity of the channel, which has 0xF00, 8, 8 and 8; its ring has room for the schema, no more.
    let cases: [(&str, u32, u32, u32, u64); 12] = [
        ("stride-0", 0xF00, 8, 0, 8),
        ("stride-smaller", 0xF00, 8, 4, 8),
        ("stride-larger", 0xF00, 8, 16, 8),
        ("stride-compact", 0xF00, 8, 64, 8),
        ("payload-0", 0xF00, 0, 8, 8),
        ("payload-smaller", 0xF00, 4, 8, 8),
        ("both-961", 0xF00, 961, 961, 8),
        ("both-large", 0xF00, 960, 960, 8),
        ("capacity-3", 0xF00, 8, 8, 3),
        ("capacity-more", 0xF00, 8, 8, 1 << 40),
        ("many-producers", 0xE00, 8, 8, 8),
        ("not-said", 0xB00, 8, 8, 8),
    ];
    for (label, flags, payload_capacity, stride, capacity) in cases {
        let attacked = Attacked::new(false, 3);
        let record = attacked.record(ATTACKED);
        let found = [16, 20, 24, 32].map(|field| attacked.number(record + field) & u64::from(u32::MAX));
        assert_eq!(found, [0xF00, 8, 8, 8], "the channel as it is made");
        attacked.forge(record + 16, 4, flags.into());
        attacked.forge(record + 20, 4, payload_capacity.into());
        attacked.forge(record + 24, 4, stride.into());
        attacked.forge(record + 32, 8, capacity);
        let channel = Channel::<Switch>::builder()
            .with_region(&attacked.region.region)
            .with_channel_id(ATTACKED);
        let tables = 0..attacked.number(56) as usize;
        let before = std::fs::read(attacked.region.region.path()).expect("the file");
        let answers = [
            attacked.region.region.channel(ATTACKED).map(drop),
            channel.build_consumer().map(drop),
            channel.build_producer().map(drop),
            channel.clone().open_only().build_consumer().map(drop),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(Error::Corrupt { .. })), "{label}: {answer:?}");
        }
        let after = std::fs::read(attacked.region.region.path()).expect("the file");
        assert!(
            before[tables.clone()] == after[tables],
            "{label}: the channel was written to"
        );
    }
}
