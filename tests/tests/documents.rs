//! The documents tell the truth: tables against the compiler's view of the structures and against the bytes of real regions,
//! quoted texts against what the library says, links and file names against what is there.
//!
//! The numbers of the documents are the independent side here: they were written by hand.

use dmxp::{ChannelBuilder, Delivery, DmxpMessage, Error, RegionOptions, Start, Wait};
use dmxp_tests::TestRegion;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

// ---------------------------------------------------------------- reading Markdown

fn document(name: &str) -> String {
    let path = Path::new(ROOT).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between a heading and the next one of any level. Lines of code are not headings.
fn section(text: &str, heading: &str) -> String {
    let mut inside = false;
    let mut found = None::<String>;
    for line in text.lines() {
        inside ^= line.starts_with("```");
        match &mut found {
            Some(_) if !inside && line.starts_with('#') => break,
            Some(body) => {
                body.push_str(line);
                body.push('\n');
            }
            None if !inside && line == heading => found = Some(String::new()),
            None => {}
        }
    }
    found.unwrap_or_else(|| panic!("no heading `{heading}`"))
}

/// The cells of the table whose head begins so.
fn table(section: &str, head: &str) -> Vec<Vec<String>> {
    let lines = section.lines().skip_while(|line| !line.starts_with(head));
    let rows: Vec<Vec<String>> = lines
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim().trim_matches('|').trim().to_owned())
                .collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table `{head}`");
    rows
}

/// `1,088`, `` `0x10` ``, `98,432`.
fn number(text: &str) -> u64 {
    let plain = text.replace([',', '`'], "");
    let parsed = match plain.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => plain.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The lines between ```` ```LANGUAGE ```` and ```` ``` ````, a text a block.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(tag)) => open = Some((tag == language, String::new())),
            (Some((wanted, body)), Some(_)) => {
                if *wanted {
                    found.push(std::mem::take(body));
                }
                open = None;
            }
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The text without its blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside && !line.starts_with("    ") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

// ---------------------------------------------------------------- the format document

const STRUCTURES: [&str; 8] = [
    "GlobalHeader",
    "ChannelEntry",
    "Slot",
    "MessageMeta",
    "ControlHeader",
    "ProcessRecord",
    "HandleRecord",
    "ChannelRecord",
];

struct Field {
    offset: u64,
    size: u64,
    /// `None` for bytes that are free.
    name: Option<String>,
}

struct Structure {
    size: u64,
    align: u64,
    fields: Vec<Field>,
}

/// docs/MEMORY_LAYOUT.md.
struct Format {
    text: String,
    structures: BTreeMap<&'static str, Structure>,
}

impl Format {
    fn read() -> Self {
        let text = document("docs/MEMORY_LAYOUT.md");
        let structures = STRUCTURES.map(|name| (name, Self::structure(&text, name))).into();
        Self { text, structures }
    }

    fn structure(text: &str, name: &str) -> Structure {
        let section = &section(text, &format!("### {name}"));
        let line = section
            .trim_start()
            .lines()
            .next()
            .expect("a line with size and alignment");
        let (size, rest) = line.split_once(" bytes, aligned to ").expect("size and alignment");
        let align: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let fields = table(section, "| offset | size | field |")
            .into_iter()
            .map(|row| Field {
                offset: number(&row[0]),
                size: number(&row[1]),
                name: (row[2] != "free").then(|| row[2].trim_matches('`').to_owned()),
            })
            .collect();
        Structure {
            size: number(size),
            align: number(&align),
            fields,
        }
    }

    fn field(&self, structure: &str, field: &str) -> &Field {
        let fields = &self.structures[structure].fields;
        let found = fields.iter().find(|known| known.name.as_deref() == Some(field));
        found.unwrap_or_else(|| panic!("{structure}.{field} is not documented"))
    }

    fn size(&self, structure: &str) -> u64 {
        self.structures[structure].size
    }

    /// The parts of a word: where their bits begin, and how many they are.
    fn bits(&self, heading: &str) -> Word {
        let rows = table(&section(&self.text, heading), "| bits | part |");
        let parts = rows
            .into_iter()
            .map(|row| {
                let (high, low) = row[0]
                    .split_once('-')
                    .map_or((&*row[0], &*row[0]), |(low, high)| (high, low));
                let (low, high) = (number(low), number(high));
                let part = Part {
                    low,
                    width: high - low + 1,
                    meaning: row[2].clone(),
                };
                (row[1].clone(), part)
            })
            .collect();
        Word { parts }
    }

    fn constants(&self) -> BTreeMap<String, u64> {
        let rows = table(&section(&self.text, "## Constants"), "| name | value |");
        rows.into_iter().map(|row| (row[0].clone(), number(&row[1]))).collect()
    }
}

struct Part {
    low: u64,
    width: u64,
    meaning: String,
}

struct Word {
    parts: BTreeMap<String, Part>,
}

impl Word {
    /// The number that the meaning of a part gives a name: `1 ABORTED, 2 RETURNED`.
    fn value(&self, part: &str, name: &str) -> u64 {
        let meaning = &self.parts[part].meaning;
        let words = meaning.split([' ', ',', ';', '.', ':']).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        let at = words
            .iter()
            .position(|word| *word == name)
            .unwrap_or_else(|| panic!("no {name} in {meaning}"));
        number(words[at - 1])
    }

    fn encode(&self, values: &[(&str, u64)]) -> u64 {
        values.iter().fold(0, |word, (name, value)| {
            let part = &self.parts[*name];
            assert!(part.width == 64 || *value < 1 << part.width, "{name} {value}");
            word | value << part.low
        })
    }

    fn get(&self, word: u64, name: &str) -> u64 {
        let part = &self.parts[name];
        word >> part.low & ((1 << part.width) - 1)
    }

    fn covers(&self, bits: u64) {
        let mut parts: Vec<(u64, u64)> = self.parts.values().map(|part| (part.low, part.width)).collect();
        parts.sort_unstable();
        let end = parts.into_iter().fold(0, |end, (low, width)| {
            assert_eq!(low, end, "bits from {end} on");
            low + width
        });
        assert_eq!(end, bits);
    }
}

#[test]
fn the_tables_of_the_format_are_the_compilers() {
    let format = Format::read();
    let mut described = BTreeMap::new();
    for line in dmxp::layout::describe().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [field, offset] => {
                described.insert(field.to_owned(), offset.parse::<u64>().expect("an offset"));
            }
            [name, size, align] => {
                let documented = format
                    .structures
                    .get(name)
                    .unwrap_or_else(|| panic!("{name} is not documented"));
                assert_eq!(
                    (documented.size.to_string(), documented.align.to_string()),
                    (size.into(), align.into()),
                    "{name}"
                );
            }
            _ => panic!("{line}"),
        }
    }
    for (name, structure) in &format.structures {
        let mut end = 0;
        for field in &structure.fields {
            assert_eq!(
                field.offset, end,
                "{name}: the rows leave out bytes before {}, or overlap",
                field.offset
            );
            end = field.offset + field.size;
            if let Some(field_name) = &field.name {
                let key = format!("{name}.{field_name}");
                assert_eq!(described.remove(&key), Some(field.offset), "{key}");
            }
        }
        assert_eq!(end, structure.size, "{name}: the rows do not end where it ends");
    }
    assert!(described.is_empty(), "not documented: {described:?}");
}

#[test]
fn the_parts_of_words_cover_them() {
    let format = Format::read();
    format.bits("### Slot sequences").covers(64);
    format.bits("### Record states").covers(64);
    format.bits("### Claim cells").covers(64);
    format.bits("### Waiting").covers(32);
}

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

fn channel(region: &TestRegion, id: u32, capacity: u64) -> ChannelBuilder {
    let builder = ChannelBuilder::new().with_region(&region.region);
    builder.with_channel_id(id).with_capacity(capacity)
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
        bytes.read(second + format.field("Slot", "payload").offset, 6),
        b"second"
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
        consumer.recv_timeout(Duration::from_millis(5)),
        Err(Error::Timeout)
    ));
    assert_eq!(waiters.get(word("data_waiters"), "armed"), 1);
    assert!(waiters.get(word("data_waiters"), "tickets") >= 1);
    let producer = builder.build_producer().expect("a producer");
    let signal = || bytes.get(bytes.entry(0), "ChannelEntry", "signal");
    let before = signal();
    producer.send("x").expect("room");
    assert_eq!(signal(), before + 1, "somebody had announced himself");
    assert_eq!(waiters.get(word("data_waiters"), "armed"), 0, "and nobody was there");
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
    let [management, process] =
        [&rows[0][0], &rows[1][0]].map(|cell| number(cell.split(' ').next().expect("a number")));
    assert_eq!(management, format.constants()["first lock byte"]);
    let region = TestRegion::new("documents-locks", 2 << 20);
    let file = File::options()
        .read(true)
        .write(true)
        .open(region.region.path())
        .expect("the file");
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
    assert!(!is_locked(management), "nobody changes anything");
}

#[test]
fn the_constants_are_those_of_the_library() {
    let format = Format::read();
    let mut constants = format.constants();
    let mut take = |name: &str| constants.remove(name).unwrap_or_else(|| panic!("no constant `{name}`"));
    // Compared with the bytes of a region in `a_message_lies_where_the_format_says`.
    for name in [
        "magic of the region",
        "version",
        "channels",
        "channel id of an unused entry",
        "first ring",
        "payload offset in a slot",
        "slot stride",
        "magic of the control area",
        "extension revision",
        "default processes",
        "default handles",
    ] {
        take(name);
    }
    // Compared with a lock in `a_process_holds_the_documented_lock_byte`.
    take("first lock byte");

    let region = TestRegion::new("documents-constants", 8 << 20);
    let of_capacity = |capacity: u64| channel(&region, 9, capacity).build_producer();
    let refused = |capacity: u64| matches!(of_capacity(capacity), Err(Error::InvalidArgument { .. }));
    let (smallest, largest) = (take("smallest capacity"), take("largest capacity"));
    assert!(refused(smallest / 2) && refused(largest * 2));
    assert!(
        matches!(of_capacity(largest), Err(Error::RegionFull { .. })),
        "possible, but not here"
    );
    let small = of_capacity(smallest).expect("the smallest channel");
    drop(small);

    let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(1);
    let producer = builder.build_producer().expect("a producer");
    assert_eq!(producer.capacity(), take("default capacity"));
    let limit = take("inline payload") as usize;
    producer.send(vec![0; limit]).expect("room");
    assert!(
        matches!(producer.send(vec![0; limit + 1]), Err(Error::PayloadTooLarge { limit: said, .. }) if said == limit)
    );
    let claims: Vec<_> = (0..take("claims of a handle"))
        .map(|_| producer.try_claim(1).expect("a cell"))
        .collect();
    assert!(matches!(producer.try_claim(1), Err(Error::TooManyClaims { limit }) if limit == claims.len()));
    drop(claims);
    let name = |len: u64| "n".repeat(len as usize);
    let longest = take("longest channel name");
    let named = |len| {
        ChannelBuilder::new()
            .with_region(&region.region)
            .with_capacity(2)
            .with_name(name(len))
            .build_producer()
    };
    assert!(named(longest).is_ok());
    assert!(matches!(named(longest + 1), Err(Error::InvalidArgument { .. })));

    let tables = |processes: u64, handles: u64| {
        let options = RegionOptions::new().size(16 << 20);
        options.max_processes(processes as u32).max_handles(handles as u32)
    };
    let (processes, handles) = (take("most processes"), take("most handles"));
    for beyond in [tables(processes + 1, 1), tables(1, handles + 1)] {
        let created = beyond.name(TestRegion::fresh_name("documents-beyond")).create();
        assert!(matches!(created, Err(Error::InvalidArgument { .. })));
    }
    drop(TestRegion::with("documents-most", tables(processes, handles)));

    let wide = TestRegion::new("documents-batch", 80 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&wide.region)
        .with_channel_id(0)
        .with_capacity(1 << 16);
    let producer = builder.build_producer().expect("a producer");
    let most = take("most messages in a claim") as usize;
    producer
        .send_batch(&vec![[0_u8; 0]; most], Wait::No)
        .expect("the largest batch");
    let more = producer.send_batch(&vec![[0_u8; 0]; most + 1], Wait::No);
    assert!(matches!(more, Err(Error::BatchTooLarge { limit, .. }) if limit == most));

    assert_eq!(take("redelivery limit unless given"), returns_until_dropped());
    let limited = |times: u64| {
        let builder = channel(&region, 200, 2).with_redelivery_limit(times as u32);
        builder.build_producer().map(drop)
    };
    let limit = take("largest redelivery limit");
    assert!(matches!(limited(limit + 1), Err(Error::InvalidArgument { .. })));
    limited(limit).expect("the largest limit");
    assert_eq!(
        take("longest stored schema") as usize,
        dmxp::schema::validate::limits::MAX_BINARY
    );
    assert!(constants.is_empty(), "not checked: {constants:?}");
}

fn returns_until_dropped() -> u64 {
    let region = TestRegion::new("documents-returns", 2 << 20);
    let builder = channel(&region, 0, 2);
    builder
        .build_producer()
        .and_then(|producer| producer.send("unwanted"))
        .expect("room");
    for returns in 0.. {
        let consumer = builder.build_consumer().expect("a consumer");
        match consumer.try_recv() {
            Ok(message) => std::mem::forget(message),
            Err(_) => {
                assert_eq!(region.region.channel(0).expect("the channel").dropped, 1);
                return returns - 1;
            }
        }
    }
    unreachable!()
}

#[test]
fn what_fits_is_what_the_document_says() {
    let format = Format::read();
    let rows = table(&section(&format.text, "## How much fits"), "| what | bytes |");
    let said: BTreeMap<&str, u64> = rows.iter().map(|row| (&*row[0], number(&row[1]))).collect();
    let of = |start: &str| {
        *said
            .iter()
            .find(|(what, _)| what.starts_with(start))
            .unwrap_or_else(|| panic!("{start}"))
            .1
    };
    let region = TestRegion::with("documents-fits", RegionOptions::new());
    let info = region.region.info();
    assert_eq!(of("the default region"), info.size);
    assert_eq!(of("the default control area"), info.control_size);
    assert_eq!(of("free for channels"), info.free);
    let default = of("a default channel");
    let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
    drop(builder.build_producer().expect("a channel"));
    assert_eq!(region.region.channel(0).expect("it").bytes, default);
    let first_ring = format.constants()["first ring"];
    assert_eq!(of("256 default channels"), 256 * default + first_ring);
    let all = (256 * default + first_ring + info.control_size).next_multiple_of(4_096);
    assert_eq!(of("the same with the default control area"), all);
    let section = section(&format.text, "## How much fits");
    assert!(section.contains(&format!("holds {} default channels", info.free / default)));
    assert!(section.contains(&with_commas(info.free % default)));
    let largest = RegionOptions::new()
        .size(16 << 20)
        .max_processes(4_096)
        .max_handles(16_384);
    let region = TestRegion::with("documents-largest", largest);
    assert_eq!(of("the largest control area"), region.region.info().control_size);
    let saved = table(
        &section,
        "| bytes a message | bytes a slot | bytes in compact slots | bytes otherwise | saved |",
    );
    let messages: Vec<u64> = saved.iter().map(|row| number(&row[0])).collect();
    assert_eq!(messages, [8, 64, 256, 960]);
    let region = TestRegion::with("documents-compact", RegionOptions::new());
    for (row, id) in saved.iter().zip(0..) {
        let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(id);
        let compact = builder.with_payload_capacity(number(&row[0]) as u32);
        drop(compact.build_producer().expect("a channel"));
        let info = region.region.channel(id).expect("it");
        assert_eq!(number(&row[1]), u64::from(info.slot_size));
        assert_eq!((number(&row[2]), number(&row[3])), (info.bytes, default));
        let percent = (100.0 - 100.0 * info.bytes as f64 / default as f64).round();
        assert_eq!(row[4], format!("{percent} %"));
    }
    // The rule, on tables of odd lengths.
    for (processes, handles) in [(1, 1), (7, 3), (255, 1_000)] {
        let options = RegionOptions::new()
            .size(4 << 20)
            .max_processes(processes)
            .max_handles(handles);
        let region = TestRegion::with("documents-rule", options);
        let bytes = 132_096 + 64 * u64::from(processes).next_multiple_of(2) + 256 * u64::from(handles);
        assert_eq!(region.region.info().control_size, bytes.next_multiple_of(4_096));
    }
}

#[test]
fn channels_take_the_memory_that_the_sizing_table_says() {
    let sizing = document("docs/SIZING.md");
    let head = "| slots | bytes a slot | 16 slots | 64 slots | 1,024 slots | 16,384 slots |";
    let capacities: Vec<u64> = head
        .split('|')
        .filter_map(|cell| cell.trim().strip_suffix(" slots"))
        .map(number)
        .collect();
    let rows = table(&section(&sizing, "## Memory"), head);
    let region = TestRegion::with("documents-sizing", RegionOptions::new());
    let mut compact = 0;
    for row in rows {
        for (capacity, cell) in capacities.iter().zip(&row[2..]) {
            let mut builder = channel(&region, 7, *capacity);
            if let Some(most) = row[0].strip_prefix("compact, up to ") {
                builder = builder.with_payload_capacity(number(most) as u32);
                compact += 1;
            }
            drop(builder.build_producer().expect("a channel"));
            let info = region.region.channel(7).expect("it");
            assert_eq!(u64::from(info.slot_size), number(&row[1]), "{row:?}");
            assert_eq!(info.bytes, number(cell), "{row:?}");
            region.region.remove_channel(7, false).expect("nobody holds it");
        }
    }
    assert_eq!(compact, 16);

    let limits = table(
        &section(&sizing, "## Memory"),
        "| what | unless asked otherwise | at most |",
    );
    let region = TestRegion::with("documents-limits", RegionOptions::new());
    assert_eq!(number(&limits[0][1]), region.region.info().free);
    let above = |options: RegionOptions| {
        options
            .name(TestRegion::fresh_name("documents-above"))
            .size(16 << 20)
            .create()
    };
    let (handles, processes) = (number(&limits[2][2]) as u32, number(&limits[3][2]) as u32);
    let largest = RegionOptions::new().max_handles(handles).max_processes(processes);
    drop(TestRegion::with("documents-most", largest.size(16 << 20)));
    above(RegionOptions::new().max_handles(handles + 1)).expect_err("more handles than there may be");
    above(RegionOptions::new().max_processes(processes + 1)).expect_err("more processes than there may be");
    let region = TestRegion::with("documents-channels", RegionOptions::new());
    let channels = number(&limits[1][1]);
    drop(
        channel(&region, channels as u32 - 1, 2)
            .build_producer()
            .expect("the last id"),
    );
    assert!(channel(&region, channels as u32, 2).build_producer().is_err());
}

#[test]
fn the_times_of_the_sizing_table_are_capacity_by_rate() {
    let sizing = document("docs/SIZING.md");
    let head = "| messages a second | 64 slots | 1,024 slots | 16,384 slots |";
    for row in table(&section(&sizing, "## Capacity"), head) {
        for (capacity, cell) in [64.0, 1_024.0, 16_384.0].iter().zip(&row[1..]) {
            let said: f64 = cell
                .replace(',', "")
                .trim_end_matches(" ms")
                .parse()
                .expect("milliseconds");
            let time = capacity * 1_000.0 / number(&row[0]) as f64;
            assert!((said - time).abs() < 1e-9, "{row:?}: {time} ms");
        }
    }
    let default = |delivery, name| {
        let region = TestRegion::new("documents-defaults", 4 << 20);
        let builder = ChannelBuilder::new().with_region(&region.region).with_name(name);
        let producer = builder.with_delivery(delivery).build_producer().expect("a channel");
        producer.capacity()
    };
    let text = section(&sizing, "## Capacity");
    let said = format!(
        "{} unless asked otherwise, and {} on latest channels",
        with_commas(default(Delivery::Queue, "queue")),
        default(Delivery::Latest, "latest")
    );
    assert!(text.contains(&said), "{said}");
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
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

// ---------------------------------------------------------------- links and file names

/// The Markdown files of the repository.
fn markdown_files() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Build output, and what tools keep for themselves.
            if name.starts_with('.') || path.join("CACHEDIR.TAG").exists() || name == "target" || name == "node_modules"
            {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(ROOT), &mut found);
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

/// The name by which links reach a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect()
}

/// `(target, line)` of the links `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let ends = prose.match_indices("](").map(|(at, _)| at + 2);
    ends.map(|start| prose[start..].split([')', ' ']).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn links_between_the_documents_resolve() {
    let mut broken = Vec::new();
    for file in markdown_files() {
        let text = std::fs::read_to_string(&file).expect("a readable document");
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, fragment) = link
                .split_once('#')
                .map_or((&*link, None), |(path, fragment)| (path, Some(fragment)));
            let target = match path {
                "" => file.clone(),
                path => file.parent().expect("a directory").join(path),
            };
            let reached = target.exists()
                && fragment.is_none_or(|fragment| {
                    std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(fragment))
                });
            if !reached {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Words of a text that name a place below one of the repository's directories.
fn places(text: &str, roots: &BTreeSet<String>) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    text.split(|c: char| !is_part(c))
        .map(|word| word.trim_end_matches(['.', '/']).trim_start_matches("./"))
        .filter(|word| word.split_once('/').is_some_and(|(root, _)| roots.contains(root)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn files_that_the_documents_name_exist() {
    let root = Path::new(ROOT);
    let entries = std::fs::read_dir(root).expect("the repository");
    let roots: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let mut missing = Vec::new();
    for file in markdown_files() {
        let text = std::fs::read_to_string(&file).expect("a readable document");
        for place in places(&text, &roots) {
            // From the root of the repository, or, as in a link, from the document.
            let beside = file.parent().expect("a directory").join(&place);
            if !root.join(&place).exists() && !beside.exists() {
                missing.push(format!("{}: {place}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_documents_name_no_place_of_one_machine() {
    for file in markdown_files() {
        let text = std::fs::read_to_string(&file).expect("a readable document");
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '`' | '(' | ')' | '"' | '=' | ':')) {
            let mut parts = Path::new(word).components();
            let absolute = parts.next() == Some(Component::RootDir);
            let first = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let is_of_one_machine = matches!(first.as_deref(), Some("home" | "root" | "work" | "Users"));
            assert!(!(absolute && is_of_one_machine), "{}: {word}", file.display());
        }
    }
}

// ---------------------------------------------------------------- what the documents quote

#[test]
fn the_texts_of_errors_are_quoted_as_they_are() {
    let document = document("docs/TROUBLESHOOTING.md");
    let plant = || PathBuf::from("/dev/shm/plant");
    let text = |text: &str| text.to_owned();
    let not_a_region = |len: u64| Error::NotARegion {
        path: plant(),
        reason: format!("it ends after {len} bytes; the header alone takes 98432"),
    };
    let mismatch = |channel: &str, property, existing: &str, asked: &str| Error::ChannelMismatch {
        channel: text(channel),
        property,
        existing: text(existing),
        asked: text(asked),
    };
    let hand_over = |reason: &str| Error::HandOver { reason: text(reason) };
    let no_secret = |reason| Error::SecretMismatch { path: plant(), reason };
    let no_memory = std::io::Error::from_raw_os_error(libc::ENOSPC);
    let in_use = Error::RegionInUse {
        path: plant(),
        pids: vec![9_564],
    };
    let region = TestRegion::new("documents-texts", 4 << 20);
    let subscriber = channel(&region, 0, 4).with_start(Start::Oldest);
    let no_subscription = subscriber
        .build_consumer()
        .expect_err("nobody has made a broadcast channel");
    for error in [
        no_subscription,
        Error::RegionNotFound { path: plant() },
        Error::RegionExists { path: plant() },
        in_use,
        not_a_region(5),
        not_a_region(0),
        Error::InvalidMagic {
            path: plant(),
            found: 0x7878_7878_7878_7878,
        },
        Error::RegionFull {
            needed: 1_114_112,
            free: 12_160,
            region_size: 135_323_648,
        },
        Error::OutOfMemory {
            needed: 1_114_112,
            source: no_memory,
        },
        Error::ChannelTableFull,
        Error::ProcessTableFull { limit: 1 },
        Error::HandleTableFull { limit: 2 },
        Error::ChannelNotFound {
            channel: text("`ticks`"),
        },
        Error::ChannelInUse {
            channel: text("`ticks` (255)"),
            pids: vec![9_564],
        },
        mismatch("`ticks` (255)", "capacity", "4", "8"),
        mismatch("`ticks` (255)", "delivery", "queue", "broadcast"),
        mismatch("`ticks` (255)", "message type", "untyped bytes", "Tick"),
        mismatch("`typed` (253)", "message type", "Tick", "untyped bytes"),
        Error::PayloadTooLarge { len: 961, limit: 960 },
        Error::BatchTooLarge { count: 5, limit: 4 },
        Error::Full,
        Error::Timeout,
        Error::Closed,
        Error::Removed,
        Error::Forked,
        Error::Evicted,
        Error::WouldDeadlock,
        Error::TooManyClaims { limit: 8 },
        Error::InvalidMessage {
            message_id: 1,
            reason: text("on: 7 is not a bool (0 or 1)"),
        },
        Error::ChecksumMismatch {
            message_id: 1,
            stored: 0xcbf4_3926,
            computed: 0x3b34_0ed9,
        },
        Error::ManagementLockBusy { pid: 11_736 },
        Error::ReadOnly,
        no_secret("it has a secret, and none was given (RegionOptions::secret)"),
        no_secret("its secret is another one than was given; it may be somebody else's region"),
        no_secret("it has no secret, and one was given; it may be somebody else's region"),
        Error::PeerRefused {
            peer: dmxp::PeerCredentials {
                pid: 4_711,
                uid: 1_001,
                gid: 1_001,
            },
        },
        hand_over("the peer refused the region; its own error says why"),
        hand_over("the peer has closed the connection"),
        hand_over("what the peer sends is not the hand-over of a region"),
        Error::NotARegion {
            path: PathBuf::from("memfd:dmxp"),
            reason: text("it is not sealed against shrinking (F_SEAL_SHRINK), growing (F_SEAL_GROW)"),
        },
    ] {
        let said = error.to_string();
        assert!(document.contains(&said), "not quoted: {said}");
    }
}

/// The messages of docs/SCHEMA.md and docs/BUILDING_CONSUMERS.md, typed in again.
#[allow(
    unreachable_pub,
    missing_docs,
    reason = "as in the documents, where they are a crate's"
)]
mod messages {
    use dmxp::message::{FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp};

    /// What a sensor measured.
    #[dmxp::message]
    pub struct Reading {
        /// When it was measured.
        pub time: Timestamp,
        /// Absent when the sensor failed.
        #[dmxp(unit = "degC")]
        pub temperature: Nullable<f64>,
        /// The sensor's name.
        pub sensor: FixedStr<8>,
    }

    /// Which way.
    #[dmxp::message]
    #[repr(u8)]
    pub enum Side {
        Buy = 1,
        Sell = 2,
    }

    #[dmxp::message]
    #[dmxp(flags)]
    #[repr(u16)]
    pub enum Quality {
        Stale = 1,
        Indicative = 2,
    }

    #[dmxp::message]
    pub struct Leg {
        pub ratio: f32,
        pub symbol: FixedStr<8>,
    }

    #[dmxp::message]
    pub enum Event {
        Price(f64),
        Note(FixedStr<14>),
        Halted,
    }

    #[dmxp::message]
    pub struct Kinds {
        pub id: u64,
        pub price: f64,
        pub time: Timestamp,
        pub maybe: Nullable<f64>,
        pub event: Tagged<Event>,
        pub list: FixedVec<u32, 3>,
        pub leg: Leg,
        pub letter: char,
        pub numbers: [u16; 2],
        pub quality: Flags<Quality>,
        pub side: Side,
        pub open_side: Open<Side>,
        pub name: FixedStr<6>,
        pub raw: [u8; 4],
        pub yes: bool,
        pub maybe_byte: Nullable<u8>,
        pub later: Reserved<11>,
    }
}
use messages::{Kinds, Reading};

#[test]
fn schemas_and_stubs_are_quoted_as_they_are() {
    let document = document("docs/SCHEMA.md");
    let quoted: BTreeSet<String> = blocks(&document, "text")
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| line.starts_with("struct ") && line.ends_with('}'))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        quoted,
        BTreeSet::from([Kinds::schema().to_string(), Reading::schema().to_string()])
    );
    for fingerprint in [Reading::LAYOUT_FINGERPRINT, Reading::SCHEMA_FINGERPRINT] {
        assert!(document.contains(&format!("`{fingerprint:#018x}`")));
    }

    let has_all = |quoted: &str, whole: &str| {
        let whole: BTreeSet<&str> = whole.lines().collect();
        for line in quoted.lines() {
            assert!(whole.contains(line), "not in what is generated: {line}");
        }
    };
    let c = blocks(&section(&document, "### C and C++"), "c");
    has_all(&c[0], &Reading::c_header());
    let python = blocks(&section(&document, "### Python"), "python");
    has_all(&python[0], &Reading::python_module());
    assert!(Reading::c_header().contains("\"Reading.sensor: offset\""));

    let ping: dmxp::schema::model::Schema = "struct Ping v1 size 4 align 4 { sequence: u32 @0 }"
        .parse()
        .expect("a schema");
    let binary = dmxp::schema::binary::encode(&ping).expect("it is small");
    let hex: Vec<String> = binary.iter().map(|byte| format!("{byte:02x}")).collect();
    let binary_form = section(&document, "## Binary form");
    assert_eq!(blocks(&binary_form, "hex")[0].trim(), hex.join(" "));
    assert!(binary_form.contains(&format!("has {} bytes", hex.len())));
    for wrong in [
        "struct Ping v1 size 4 align 4 { sequence: u33 @0 }",
        "struct Ping v1 size 8 align 4 { sequence: u32 @0 }",
    ] {
        let error = wrong.parse::<dmxp::schema::model::Schema>().unwrap_err();
        assert!(document.contains(&error.to_string()), "{error}");
    }
}

#[test]
fn the_documents_own_program_computes_the_fingerprints() {
    let Some(python) = dmxp_tests::python() else { return };
    let document = document("docs/SCHEMA.md");
    let program = &blocks(&section(&document, "## Fingerprints"), "python")[0];
    let printed = dmxp_tests::PeerCommand::new(python).arg("-c").arg(program).output();
    let expected = [Reading::LAYOUT_FINGERPRINT, Reading::SCHEMA_FINGERPRINT].map(|number| format!("{number:#018x}\n"));
    assert_eq!(printed, expected.concat());
}

/// Compiles the n-th C program of docs/BUILDING_CONSUMERS.md; `None`, with a word on standard error, where there is no compiler.
fn compile(document: &str, heading: &str, index: usize, dir: &Path, options: &[&str]) -> Option<PathBuf> {
    let found = std::process::Command::new("cc").arg("--version").output();
    if found.is_err() {
        assert!(std::env::var_os("CI").is_none(), "cc is missing");
        eprintln!("skipped: cc is missing");
        return None;
    }
    let source = dir.join(format!("{index}.c"));
    std::fs::write(&source, &blocks(&section(document, heading), "c")[index]).expect("writing a program");
    let program = dir.join(format!("program-{index}"));
    let compiled = std::process::Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()
        .expect("cc runs");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    Some(program)
}

/// A directory that goes when the test does.
struct Scratch(PathBuf);

impl Scratch {
    fn new(label: &str) -> Self {
        let dir = std::env::temp_dir().join(TestRegion::fresh_name(label));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_programs_in_c_compile() {
    let document = document("docs/BUILDING_CONSUMERS.md");
    let scratch = Scratch::new("documents-c");
    std::fs::write(scratch.0.join("readings.h"), Reading::c_header()).expect("writing the header");
    let generated = format!("-I{}", scratch.0.display());
    let library = format!("-I{ROOT}/bindings/c/include");
    for index in 0..2 {
        compile(&document, "## C", index, &scratch.0, &[&generated, &library, "-c"]);
    }
}

#[test]
fn the_program_by_hand_receives_what_we_send() {
    let document = document("docs/BUILDING_CONSUMERS.md");
    let scratch = Scratch::new("documents-v1");
    let Some(program) = compile(&document, "## By hand, from the v1 format", 0, &scratch.0, &[]) else {
        return;
    };
    let region = TestRegion::new("documents-v1", 2 << 20);
    let producer = channel(&region, 7, 4)
        .with_v1_peers(true)
        .build_producer()
        .expect("a producer");
    let consumer = dmxp_tests::PeerCommand::new(program)
        .arg(region.region.path().display())
        .arg(7)
        .arg(100)
        .spawn();
    for number in 0..100 {
        producer
            .send_timeout(format!("message {number}"), Duration::from_secs(60))
            .expect("room");
    }
    let expected: String = (0..100)
        .map(|number| format!("{}: message {number}\n", number + 1))
        .collect();
    assert_eq!(consumer.output(), expected);
}
