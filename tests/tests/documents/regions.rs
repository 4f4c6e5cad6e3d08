//! The bytes of real regions, read at the places that the format document says.

use super::channel;
use super::format::Format;
use super::markdown::{blocks, number, section, table};
use dmxp::{Error, RegionOptions, Wait};
use dmxp_tests::TestRegion;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// A region's file, read at documented places.
struct Bytes<'a> {
    format: &'a Format,
    file: File,
}

impl<'a> Bytes<'a> {
    fn of(format: &'a Format, region: &TestRegion) -> Self {
        let file = File::open(region.region.path()).expect("the region's file");
        Self { format, file }
    }

    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at).expect("bytes of the file");
        bytes
    }

    /// A field of a structure that lies at `base`, as a number.
    fn get(&self, base: u64, structure: &str, field: &str) -> u64 {
        let field = self.format.field(structure, field);
        let mut word = [0; 8];
        word[..field.size as usize].copy_from_slice(&self.read(base + field.offset, field.size as usize));
        u64::from_le_bytes(word)
    }

    fn header(&self, field: &str) -> u64 {
        self.get(0, "GlobalHeader", field)
    }

    fn entry(&self, id: u64) -> u64 {
        self.format.field("GlobalHeader", "entries").offset + id * self.format.size("ChannelEntry")
    }

    fn slot(&self, id: u64, position: u64) -> u64 {
        let entry = self.entry(id);
        let capacity = self.get(entry, "ChannelEntry", "capacity");
        self.get(entry, "ChannelEntry", "band_offset") + position % capacity * self.format.size("Slot")
    }

    fn sequence(&self, id: u64, position: u64) -> u64 {
        self.get(self.slot(id, position), "Slot", "sequence")
    }

    fn control(&self, field: &str) -> u64 {
        self.get(self.header("control_offset"), "ControlHeader", field)
    }

    fn channel(&self, id: u64) -> u64 {
        self.header("control_offset") + self.control("channel_offset") + id * self.format.size("ChannelRecord")
    }

    fn process(&self, index: u64) -> u64 {
        self.header("control_offset") + self.control("process_offset") + index * self.format.size("ProcessRecord")
    }

    fn handle(&self, index: u64) -> u64 {
        self.header("control_offset") + self.control("handle_offset") + index * self.format.size("HandleRecord")
    }

    fn cell(&self, handle: u64, index: u64) -> u64 {
        let at = self.handle(handle) + self.format.field("HandleRecord", "cells").offset + index * 8;
        u64::from_le_bytes(self.read(at, 8).try_into().expect("eight bytes"))
    }
}

#[test]
fn a_message_lies_where_the_format_says() {
    let format = Format::read();
    let constants = format.constants();
    let region = TestRegion::new("documents-message", 2 << 20);
    let bytes = Bytes::of(&format, &region);
    assert_eq!(bytes.header("magic"), constants["magic of the region"]);
    assert_eq!(bytes.header("version"), constants["version"]);
    assert_eq!(bytes.header("max_channels"), constants["channels"]);
    assert_eq!(bytes.header("extension_revision"), constants["extension revision"]);
    assert_eq!(bytes.header("region_size"), 2 << 20);
    assert_eq!(bytes.header("control_offset") + bytes.header("control_size"), 2 << 20);
    assert_eq!(bytes.control("magic"), constants["magic of the control area"]);
    assert_eq!(bytes.control("process_count"), constants["default processes"]);
    assert_eq!(bytes.control("handle_count"), constants["default handles"]);

    let builder = channel(&region, 3, 4).with_name("measured").with_checksums(true);
    let producer = builder.build_producer().expect("a producer");
    let entry = bytes.entry(3);
    let unused = constants["channel id of an unused entry"];
    assert_eq!(bytes.get(bytes.entry(2), "ChannelEntry", "channel_id"), unused);
    assert_eq!(bytes.get(entry, "ChannelEntry", "channel_id"), 3);
    assert_eq!(bytes.get(entry, "ChannelEntry", "capacity"), 4);
    assert_eq!(bytes.get(entry, "ChannelEntry", "band_offset"), constants["first ring"]);
    assert_eq!(bytes.header("channel_count"), 1);
    for position in 0..4 {
        assert_eq!(bytes.sequence(3, position), position);
    }

    // The check value of the CRC that the format names.
    producer.send("123456789").expect("room");
    let slot = bytes.slot(3, 0);
    assert_eq!(bytes.sequence(3, 0), 1);
    let meta = slot + format.field("Slot", "meta").offset;
    let in_meta = |field: &str| bytes.get(meta, "MessageMeta", field);
    assert_eq!(in_meta("message_id"), 1);
    assert_eq!(in_meta("channel_id"), 3);
    assert_eq!(in_meta("message_type"), 0);
    assert_eq!(in_meta("sender_pid"), u64::from(std::process::id()));
    assert_eq!(in_meta("sender_runtime"), 1);
    assert_eq!(in_meta("flags"), 0);
    assert_eq!(in_meta("payload_len"), 9);
    assert_eq!(in_meta("checksum"), 0xCBF4_3926);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    assert!(now.as_nanos() as u64 - in_meta("timestamp_ns") < 60_000_000_000);
    assert_eq!(
        constants["payload offset in a slot"],
        format.field("Slot", "payload").offset
    );
    assert_eq!(
        bytes.read(slot + constants["payload offset in a slot"], 9),
        b"123456789"
    );
    assert_eq!(bytes.get(entry, "ChannelEntry", "tail"), 1);

    let record = bytes.channel(3);
    let name = format.field("ChannelRecord", "name");
    assert_eq!(
        &bytes.read(record + name.offset, name.size as usize)[..9],
        b"measured\0"
    );
    let flags = section(&format.text, "### ChannelRecord");
    assert!(flags.contains("bit 0 v1 peers, bit 1 checksums"));
    assert_eq!(bytes.get(record, "ChannelRecord", "flags"), 2);
    drop(
        channel(&region, 4, 2)
            .with_v1_peers(true)
            .build_producer()
            .expect("a producer"),
    );
    assert_eq!(bytes.get(bytes.channel(4), "ChannelRecord", "flags"), 1);
    let compact = channel(&region, 5, 2).with_payload_capacity(100);
    let producer_of_small = compact.build_producer().expect("a producer");
    producer_of_small.send("first").expect("room");
    producer_of_small.send("second").expect("room");
    let of_small = |field: &str| bytes.get(bytes.channel(5), "ChannelRecord", field);
    assert_eq!((of_small("payload_capacity"), of_small("slot_stride")), (100, 192));
    let second = of_small("ring_offset") + of_small("slot_stride");
    assert_eq!(bytes.get(second, "Slot", "sequence"), 2);
    assert_eq!(
        bytes.read(second + constants["payload offset behind a short head"], 6),
        b"second"
    );
    assert!(flags.contains("bit 12 [short heads]"));
    assert_eq!(of_small("flags"), 1 << 12);
    let expiring = channel(&region, 6, 2)
        .with_payload_capacity(100)
        .with_expiry(std::time::Duration::from_secs(3_600));
    expiring
        .build_producer()
        .expect("a producer")
        .send("later")
        .expect("room");
    let of_expiring = |field: &str| bytes.get(bytes.channel(6), "ChannelRecord", field);
    assert_eq!(of_expiring("flags"), 1 << 4);
    assert_eq!(
        bytes.read(of_expiring("ring_offset") + format.field("Slot", "payload").offset, 5),
        b"later"
    );
    assert_eq!(bytes.get(bytes.entry(5), "ChannelEntry", "channel_id"), 5);
    assert_eq!(bytes.get(bytes.entry(5), "ChannelEntry", "capacity"), 0);
    assert_eq!(bytes.get(bytes.entry(5), "ChannelEntry", "tail"), 2);
    drop(producer_of_small);
    assert_eq!(
        bytes.get(record, "ChannelRecord", "slot_stride"),
        constants["slot stride"]
    );
    assert_eq!(
        bytes.get(record, "ChannelRecord", "payload_capacity"),
        constants["inline payload"]
    );

    let state = format
        .bits("### Record states")
        .encode(&[("state", 1), ("generation", 1)]);
    assert_eq!(bytes.get(bytes.process(0), "ProcessRecord", "state"), state);
    assert_eq!(bytes.get(bytes.handle(0), "HandleRecord", "process_generation"), state);
    assert_eq!(bytes.get(bytes.handle(0), "HandleRecord", "role"), 1);
    assert_eq!(bytes.get(bytes.handle(0), "HandleRecord", "channel_id"), 3);
    drop(producer);
    assert_eq!(bytes.get(bytes.handle(0), "HandleRecord", "state"), 0);
}

#[test]
fn marked_sequences_and_claim_cells_have_the_documented_bits() {
    let format = Format::read();
    let sequence = format.bits("### Slot sequences");
    let cell = format.bits("### Claim cells");
    let region = TestRegion::new("documents-words", 2 << 20);
    let bytes = Bytes::of(&format, &region);
    let builder = channel(&region, 0, 4);
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    for _ in 0..5 {
        producer.send("x").expect("room");
        assert!(consumer.receive().expect("a message").is_some());
    }
    assert_eq!(bytes.sequence(0, 4), 8, "released for the next lap");

    // Claimed, and given up.
    let claim = producer.try_claim(1).expect("room");
    assert_eq!(bytes.sequence(0, 5), 5);
    let owned = |phase: &str, count: u64, position: u64| {
        let kind = cell.value("kind", "owned");
        let phase = cell.value("phase", phase);
        cell.encode(&[
            ("kind", kind),
            ("phase", phase),
            ("count", count),
            ("position", position),
        ])
    };
    assert_eq!(bytes.cell(0, 0), owned("produce", 1, 5));
    drop(claim);
    let marked = |kind: &str, parts: &[(&str, u64)]| {
        let kind = sequence.value("kind", kind);
        sequence.encode(&[("mark", 1), ("kind", kind)]) | sequence.encode(parts)
    };
    assert_eq!(bytes.sequence(0, 5), marked("ABORTED", &[("position", 5)]));
    assert!(consumer.receive().expect("no error").is_none());
    assert_eq!(bytes.sequence(0, 5), 9, "stepped over");

    // Received, never released, and its handle dropped: returned.
    producer.send("again").expect("room");
    let other = builder.build_consumer().expect("a consumer");
    std::mem::forget(other.try_recv().expect("a message"));
    assert_eq!(bytes.cell(2, 0), owned("consume", 1, 6));
    drop(other);
    assert_eq!(
        bytes.sequence(0, 6),
        marked("RETURNED", &[("position", 6), ("times", 1)])
    );
    let message = consumer.try_recv().expect("the message again");
    let taken = marked("TAKEN", &[("position", 6), ("times", 2), ("handle", 1)]);
    assert_eq!(bytes.sequence(0, 6), taken);
    drop(message);
    assert_eq!(bytes.sequence(0, 6), 10);

    producer.send_batch(&["a", "b", "c"], Wait::No).expect("room");
    assert_eq!(bytes.cell(0, 0), owned("produce", 3, 7));
}

#[test]
fn the_waiters_word_has_the_documented_bits() {
    let format = Format::read();
    let waiters = format.bits("### Waiting");
    let region = TestRegion::new("documents-waiters", 2 << 20);
    let bytes = Bytes::of(&format, &region);
    let builder = channel(&region, 0, 2);
    let consumer = builder.build_consumer().expect("a consumer");
    let word = |field: &str| bytes.get(bytes.channel(0), "ChannelRecord", field);
    assert_eq!(word("data_waiters"), 0);
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(300)),
        Err(Error::Timeout)
    ));
    assert_eq!(waiters.get(word("data_waiters"), "armed"), 1);
    assert!(waiters.get(word("data_waiters"), "tickets") >= 1);
    // A producer that comes is no message, and wakes nobody.
    let producer = builder.build_producer().expect("a producer");
    assert_eq!(waiters.get(word("data_waiters"), "armed"), 1);
    let signal = || bytes.get(bytes.entry(0), "ChannelEntry", "signal");
    let before = signal();
    producer.send("x").expect("room");
    assert_eq!(signal(), before + 1, "a waiter had armed the word");
    assert_eq!(waiters.get(word("data_waiters"), "armed"), 0, "and no waiter was there");
    producer.send("x").expect("room");
    assert_eq!(signal(), before + 1);
    producer.close().expect("open until now");
    assert_eq!(waiters.get(word("data_waiters"), "closed"), 1);
    assert_eq!(waiters.get(word("space_waiters"), "closed"), 0);
    region.region.remove_channel(0, true).expect("force");
    assert_eq!(waiters.get(word("data_waiters"), "removed"), 1);
    assert_eq!(waiters.get(word("space_waiters"), "removed"), 1);
}

#[test]
fn a_process_holds_the_documented_lock_byte() {
    let format = Format::read();
    let rows = table(&section(&format.text, "### Lock bytes"), "| byte | is held by |");
    let [looks, management, process] =
        [&rows[0][0], &rows[1][0], &rows[2][0]].map(|cell| number(cell.split(' ').next().expect("a number")));
    assert_eq!(management, format.constants()["first lock byte"]);
    assert_eq!(looks, management - 1);
    let region = TestRegion::new("documents-locks", 2 << 20);
    let file = File::options()
        .read(true)
        .write(true)
        .open(dmxp_tests::lock_file(region.region.path()))
        .expect("the lock file");
    let is_locked = |byte: u64| {
        let mut range = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: byte as i64,
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: `range` is a valid flock for the whole call.
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut range) };
        assert_eq!(answer, 0);
        range.l_type != libc::F_UNLCK as i16
    };
    assert!(is_locked(process), "this process is the first of the table");
    assert!(!is_locked(process + 1));
    assert!(!is_locked(management), "no process changes anything");
}

#[test]
fn the_worked_example_is_real() {
    let format = Format::read();
    let options = RegionOptions::new().size(1 << 20).max_processes(4).max_handles(8);
    let region = TestRegion::with("documents-example", options);
    let bytes = Bytes::of(&format, &region);
    let builder = channel(&region, 0, 2).with_name("greetings");
    let producer = builder.build_producer().expect("a producer");
    let _consumer = builder.build_consumer().expect("a consumer");
    producer.send("Hello, World!").expect("room");
    drop(producer.try_claim(5).expect("room"));
    let mut lines = 0;
    for line in blocks(&section(&format.text, "## Example"), "text")
        .iter()
        .flat_map(|block| block.lines())
    {
        let (at, shown) = line.split_once("  ").expect("an offset and bytes");
        let at = u64::from_str_radix(at, 16).expect("an offset");
        let shown: Vec<&str> = shown.split(' ').collect();
        let found = bytes.read(at, shown.len());
        for (index, (shown, found)) in shown.iter().zip(&found).enumerate() {
            assert!(
                *shown == ".." || *shown == format!("{found:02x}"),
                "{at:#x}+{index}: {shown} is {found:02x}"
            );
        }
        lines += 1;
    }
    assert!(lines > 30);
}
