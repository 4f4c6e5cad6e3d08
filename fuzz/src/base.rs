//! The region that is damaged: channels of every kind, with messages in every state, open handles and outstanding claims.
//!
//! It is made once, by this process, and its bytes are taken while all handles are open. In a copy they belong to a process
//! whose lock byte nobody holds: to a dead one.

use crate::sample::{Other, Sample};
use dmxp::raw::Wait;
use dmxp::{Channel, ChannelBuilder, DeadConsumers, Delivery, Region, RegionOptions, Start, Subscription};
use dmxp_tests::TestRegion;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

/// Ids of the channels in the base, and one that is not in use.
pub(crate) const CHANNELS: [u32; 17] = [0, 1, 2, 3, 4, 5, 255, 9, 6, 7, 8, 10, 11, 254, 12, 13, 14];

/// Those of them with packed slots.
pub(crate) const PACKED: [u32; 2] = [13, 14];
const PROCESSES: u32 = 4;
pub(crate) const HANDLES: u32 = 48;

/// The base region, made when it is first asked for.
pub(crate) static BASE: LazyLock<Base> = LazyLock::new(Base::new);

/// A region's bytes, and where what lies in them.
pub(crate) struct Base {
    pub(crate) bytes: Vec<u8>,
    /// Offsets of the fields of each structure of the format.
    fields: HashMap<String, Vec<u64>>,
}

impl Base {
    fn new() -> Self {
        let options = RegionOptions::new().size(384 << 10);
        let test = TestRegion::with("fuzz-base", options.max_processes(PROCESSES).max_handles(HANDLES));
        let bytes = with_everything(&test.region).unwrap_or_else(|error| panic!("the base cannot be made: {error}"));
        let mut fields: HashMap<String, Vec<u64>> = HashMap::new();
        for line in dmxp::layout::describe().lines() {
            // `Structure.field offset`; the lines without a dot give sizes.
            if let Some((structure, field)) = line.split_once('.')
                && let Some(offset) = field.split(' ').nth(1)
            {
                let offset = offset.parse().expect("an offset");
                fields.entry(structure.to_owned()).or_default().push(offset);
            }
        }
        Self { bytes, fields }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Offsets of the fields of a structure, in the order of `dmxp::layout`.
    pub(crate) fn fields(&self, structure: &str) -> &[u64] {
        &self.fields[structure]
    }

    pub(crate) fn word(&self, offset: u64) -> u64 {
        let at = offset as usize;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// The first four bytes there.
    pub(crate) fn number(&self, offset: u64) -> u32 {
        self.word(offset) as u32
    }

    pub(crate) fn control(&self) -> u64 {
        self.word(56)
    }

    pub(crate) fn record(&self, channel: u32) -> u64 {
        self.control() + self.word(self.control() + 40) + u64::from(channel) * 512
    }

    pub(crate) fn process(&self, index: u32) -> u64 {
        self.control() + self.word(self.control() + 24) + u64::from(index % PROCESSES) * 64
    }

    pub(crate) fn handle(&self, index: u32) -> u64 {
        self.control() + self.word(self.control() + 32) + u64::from(index % HANDLES) * 256
    }

    /// A slot of a channel, whatever their stride; of the first for a channel that is not there.
    pub(crate) fn slot(&self, channel: u32, slot: u64) -> u64 {
        let record = self.record(channel);
        match self.word(record + 32) {
            0 => self.slot(0, slot),
            capacity => self.word(record + 40) + slot % capacity * u64::from(self.number(record + 24)),
        }
    }

    /// Where the schema of a channel is, or would be.
    pub(crate) fn schema(&self, channel: u32) -> u64 {
        self.word(self.record(channel) + 56)
    }
}

/// Fills a region, and returns its bytes as they are while everything is open.
fn with_everything(region: &Region) -> dmxp::Result<Vec<u8>> {
    let on = |id: u32, capacity: u64| {
        ChannelBuilder::new()
            .with_region(region)
            .with_channel_id(id)
            .with_capacity(capacity)
    };

    // 0: bytes. A message read, one waiting, a batch being written, an aborted claim behind it.
    let bytes = on(0, 8).with_name("bytes");
    let (bytes_in, bytes_out) = (bytes.build_raw_producer()?, bytes.build_raw_consumer()?);
    let sender = bytes.build_producer()?;
    for payload in [&b"one"[..], b"two", b"three"] {
        sender.send(payload)?;
    }
    bytes_out.release(bytes_out.claim(1, 1, Wait::No)?);
    let _reading = bytes_out.claim(1, 1, Wait::No)?;
    let _writing = bytes_in.claim(2, 2, Wait::No)?;
    drop(sender.try_claim(5)?);

    // 1: typed, with dead letters. A returned message, and one taken from the returned ones.
    let typed = Channel::<Sample>::builder()
        .with_region(region)
        .with_channel_id(1)
        .with_name("typed")
        .with_capacity(8)
        .with_redelivery_limit(2)
        .with_dead_letters("letters");
    let (typed_in, typed_out) = (typed.build_producer()?, typed.build_raw_consumer()?);
    for i in 0..5 {
        typed_in.send(&Sample::number(i))?;
    }
    typed_out.give_back(typed_out.claim(3, 3, Wait::No)?);
    typed_out.give_back(typed_out.claim(1, 1, Wait::No)?);
    let _taken = typed_out.claim(1, 1, Wait::No)?;
    let _typed_claim = typed_in.as_raw().claim(1, 1, Wait::No)?;

    // 2: full, with checksums.
    let full = on(2, 2).with_checksums(true);
    full.build_producer()?.send_batch(&[&b"a"[..], b"b"], Wait::No)?;

    // 3: shared with v1 programs, a batch being read.
    let v1 = on(3, 4).with_name("v1").with_v1_peers(true);
    v1.build_producer()?.send_batch(&[&b"x"[..], b"y", b"z"], Wait::No)?;
    let v1_out = v1.build_raw_consumer()?;
    let _batch = v1_out.claim(2, 2, Wait::No)?;

    // 4: what dead consumers hold is dropped. Closed.
    let dropping = on(4, 4).with_dead_consumers(DeadConsumers::Drop);
    let dropping_in = dropping.build_producer()?;
    dropping_in.send_batch(&[&b"d"[..], b"e"], Wait::No)?;
    let dropping_out = dropping.build_raw_consumer()?;
    let _held = dropping_out.claim(1, 1, Wait::No)?;
    dropping_in.close()?;

    // 5: removed while it is open.
    let removed_in = on(5, 2).with_name("removed").build_producer()?;
    removed_in.send("still there")?;
    region.remove_channel(5, true)?;

    // 6: broadcast by one producer, with a reliable subscriber that holds a message and a lossy one that was overrun. A claim.
    let compact = |id: u32, capacity: u64| on(id, capacity).with_compact_slots(true).with_payload_capacity(40);
    let news = compact(6, 4)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(true)
        .with_lossy_subscribers(true);
    let lossy = news.clone().with_subscription(Subscription::Lossy);
    let (news_in, news_lossy) = (news.build_raw_producer()?, lossy.build_raw_consumer()?);
    for number in 0..6 {
        let claim = news_in.claim(1, 1, Wait::No)?;
        news_in.publish(claim, |_| number)?;
    }
    let _news_written = news_in.claim(1, 1, Wait::No)?;
    let news_out = news.clone().with_start(Start::Oldest).build_raw_consumer()?;
    let _news_held = news_out.claim(1, 2, Wait::No)?;
    let _news_copied = news_lossy.claim(1, 2, Wait::No)?;

    // 7: broadcast by several, typed. One has given a claim up, another holds one.
    let ticks = Channel::<Sample>::builder()
        .with_region(region)
        .with_channel_id(7)
        .with_capacity(4)
        .with_compact_slots(true)
        .with_delivery(Delivery::Broadcast);
    let ticks_out = ticks.build_raw_consumer()?;
    let (ticks_in, ticks_other) = (ticks.build_producer()?, ticks.build_raw_producer()?);
    ticks_in.send(&Sample::number(1))?;
    ticks_other.abort(ticks_other.claim(1, 1, Wait::No)?);
    let _ticks_claim = ticks_other.claim(1, 1, Wait::No)?;
    let _ticks_held = ticks_out.claim(1, 1, Wait::No)?;

    // 8: latest, overwritten. A claim was given up, and its slot keeps the value that lies there.
    let state = compact(8, 4).with_delivery(Delivery::Latest);
    let (state_in, state_out) = (state.build_producer()?, state.build_raw_consumer()?);
    for number in 0_u8..6 {
        state_in.send([number])?;
    }
    drop(state_in.try_claim(1)?);
    let _state_seen = state_out.claim(1, 1, Wait::No)?;

    // 10: messages that have expired and one that has not.
    let quotes = compact(10, 4).with_expiry(Duration::from_nanos(1));
    let quotes_in = quotes.build_producer()?;
    quotes_in.send_batch(&[&b"old"[..], b"older"], Wait::No)?;
    let _quotes_out = quotes.build_raw_consumer()?;

    // 11: priorities, with a message of each, and one held. The other ring gets id 254.
    let orders = compact(11, 4).with_name("orders").with_priorities(true);
    let (orders_in, orders_out) = (orders.build_producer()?, orders.build_raw_consumer()?);
    orders_in.send_batch(&[&b"soon"[..], b"later"], Wait::No)?;
    orders_in.high()?.send_batch(&[&b"now"[..], b"now too"], Wait::No)?;
    let _order = orders_out.claim(1, 1, Wait::No)?;

    // 12: of another type.
    let other = Channel::<Other>::builder().with_region(region).with_channel_id(12);
    let other_in = other.with_capacity(2).with_compact_slots(true).build_producer()?;
    other_in.send(&Other::default())?;

    // 13: packed bytes, in the second lap. A reliable subscriber holds the end of the first, a lossy one copies, a claim goes around the end.
    let samples = on(13, 8)
        .with_packed_slots(true)
        .with_payload_capacity(8)
        .with_lossy_subscribers(true);
    let (samples_in, samples_out) = (samples.build_raw_producer()?, samples.build_raw_consumer()?);
    let lossy = samples.clone().with_subscription(Subscription::Lossy);
    let samples_lossy = lossy.build_raw_consumer()?;
    samples_in.send_stretch(&[3; 48], 1, Wait::No)?;
    samples_out.release(samples_out.claim(5, 5, Wait::No)?);
    samples_in.send_stretch(&[4; 32], 1, Wait::No)?;
    let _samples_held = samples_out.claim(1, 2, Wait::No)?;
    let _samples_copied = samples_lossy.claim(1, 3, Wait::No)?;
    let _samples_written = samples_in.claim(2, 2, Wait::No)?;

    // 14: packed and typed, without lossy subscribers: one message is held, another is written in its slot.
    let trades = Channel::<Sample>::builder()
        .with_region(region)
        .with_channel_id(14)
        .with_capacity(4)
        .with_packed_slots(true);
    let (trades_in, trades_out) = (trades.build_producer()?, trades.build_raw_consumer()?);
    trades_in.send_batch(&[Sample::number(1), Sample::number(2)], Wait::No)?;
    let _trades_held = trades_out.claim(1, 1, Wait::No)?;
    let _trades_written = trades_in.as_raw().claim(1, 1, Wait::No)?;

    Ok(std::fs::read(region.path()).expect("the region's file can be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `docs/MEMORY_LAYOUT.md` has them: what is damaged field by field includes the words that only ticks, streams and lines use.
    #[test]
    fn words_of_ticks_streams_and_lines_are_damaged() {
        let words: [(&str, &[u64]); 3] = [
            ("ControlHeader", &[128, 132, 136, 144, 192, 200]),
            ("ProcessRecord", &[32]),
            ("ChannelRecord", &[292, 340, 344, 352]),
        ];
        for (structure, offsets) in words {
            for offset in offsets {
                assert!(BASE.fields(structure).contains(offset), "{structure} at {offset}");
            }
        }
    }

    /// A marked word of kind 4 says that the value of an earlier lap stays.
    #[test]
    fn a_slot_of_the_latest_channel_keeps_its_value() {
        let kinds = (0..4).map(|slot| BASE.word(BASE.slot(8, slot)) >> 60);
        assert_eq!(kinds.filter(|&kind| kind == 0b1100).count(), 1);
    }
}
