//! How much fits, and what channels take and last for: docs/MEMORY_LAYOUT.md and docs/SIZING.md.

use super::channel;
use super::format::Format;
use super::markdown::{document, number, section, table, with_commas};
use dmxp::{ChannelBuilder, Delivery, RegionOptions};
use dmxp_tests::TestRegion;
use std::collections::BTreeMap;

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
    let (mut compact, mut packed) = (0, 0);
    for row in rows {
        for (capacity, cell) in capacities.iter().zip(&row[2..]) {
            let mut builder = channel(&region, 7, *capacity);
            if let Some(most) = row[0].strip_prefix("compact, up to ") {
                builder = builder.with_payload_capacity(number(most) as u32);
                compact += 1;
            } else if let Some(bytes) = row[0].strip_prefix("packed, ") {
                let bytes = bytes.strip_suffix(" bytes a message").expect("a size");
                builder = builder
                    .with_delivery(Delivery::Broadcast)
                    .with_single_producer(true)
                    .with_packed_slots(true)
                    .with_payload_capacity(number(bytes) as u32);
                packed += 1;
            }
            drop(builder.build_producer().expect("a channel"));
            let info = region.region.channel(7).expect("it");
            assert_eq!(u64::from(info.slot_size), number(&row[1]), "{row:?}");
            assert_eq!(info.bytes, number(cell), "{row:?}");
            region.region.remove_channel(7, false).expect("nobody holds it");
        }
    }
    assert_eq!((compact, packed), (20, 8));

    let limits = table(&section(&sizing, "## Memory"), "| what | default | at most |");
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
fn tables_for_many_processes_take_what_the_sizing_table_says() {
    let head = "| for | `max_processes` | `max_handles` | bytes of control area |";
    let rows = table(&section(&document("docs/SIZING.md"), "## Processes"), head);
    assert_eq!(rows.len(), 4);
    for row in rows {
        let options = RegionOptions::new()
            .size(16 << 20)
            .max_processes(number(&row[1]) as u32)
            .max_handles(number(&row[2]) as u32);
        let region = TestRegion::with("documents-many", options);
        assert_eq!(region.region.info().control_size, number(&row[3]), "{row:?}");
    }
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
