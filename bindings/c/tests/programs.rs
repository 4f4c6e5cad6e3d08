//! C and C++ programs, run as processes of their own beside Rust peers. Each program is compiled as C11 and as C++17.

mod toolchain;

use dmxp::message::FixedStr;
use dmxp::{Channel, ChannelBuilder, Error, Runtime, Wait};
use std::time::Duration;
use toolchain::{Language, RegionName, Scratch, Toolchain};

/// A peer that hangs ends the test, not the patience of who waits for it.
const LONG: Duration = Duration::from_secs(60);

const SIZES: [usize; 8] = [0, 1, 47, 48, 63, 64, 959, 960];
const MESSAGES: u32 = 500 * SIZES.len() as u32;

/// As `byte_of` in sizes.c.
fn payload(message: u32) -> Vec<u8> {
    let size = SIZES[message as usize % SIZES.len()];
    (0..size)
        .map(|index| (message as usize * 31 + index * 7 + 3) as u8)
        .collect()
}

fn run_alone(program: &str) {
    let Some(toolchain) = Toolchain::find() else { return };
    for language in Language::BOTH {
        let region = RegionName::new(program);
        toolchain.program(program, language).run(&[&region.0]);
    }
}

#[test]
fn mistakes_are_answered_with_a_code_and_a_text() {
    run_alone("errors");
}

#[test]
fn claims_and_messages_are_used_in_place_and_once() {
    run_alone("claims");
}

#[test]
fn nothing_invalid_is_sent_on_typed_channels_and_what_is_there_is_counted() {
    run_alone("valid");
}

#[test]
fn handles_that_are_none_answer_and_do_no_harm() {
    run_alone("handles");
}

#[test]
fn a_signal_ends_a_wait_and_its_handler_may_interrupt_a_set() {
    run_alone("signals");
}

#[test]
fn packed_slots_are_read_as_stretches() {
    run_alone("packed");
}

#[test]
fn compact_slots_are_sized_to_the_messages() {
    run_alone("compact");
}

#[test]
fn programs_of_older_and_newer_headers_give_and_get_what_they_know() {
    run_alone("versions");
}

#[test]
fn everybody_gets_a_broadcast_and_whoever_looks_the_latest_value() {
    run_alone("delivery");
}

#[test]
fn peers_and_regions_are_waited_for_and_their_ends_are_told() {
    run_alone("lives");
}

#[test]
fn timeouts_are_kept() {
    run_alone("timeouts");
}

#[test]
fn one_thread_waits_for_many_handles_and_descriptors() {
    run_alone("wait_set");
}

#[test]
fn threads_share_a_handle_and_a_fork_does_not() {
    run_alone("threads");
}

#[test]
fn what_a_killed_process_held_is_recovered_on_request_and_blockages_name_who_holds() {
    run_alone("recovery");
}

#[test]
fn what_is_sent_received_refused_and_lost_is_counted_for_whoever_looks() {
    run_alone("statistics");
}

#[test]
fn messages_are_looked_at_and_stay_and_a_consumer_needs_no_type() {
    run_alone("peek");
}

#[test]
fn a_region_without_a_name_is_handed_over_and_secrets_and_owners_are_checked() {
    run_alone("hand_over");
}

#[test]
fn rust_receives_what_c_sends_until_the_stream_is_closed() {
    let Some(toolchain) = Toolchain::find() else { return };
    for (language, runtime) in [(Language::C11, Runtime::C), (Language::Cpp17, Runtime::Cpp)] {
        let name = RegionName::new("from-c");
        let region = name.options().create().expect("the region is new");
        let channel = ChannelBuilder::new()
            .with_region(&region)
            .with_name("sizes")
            .with_capacity(64);
        let consumer = channel.build_consumer().expect("the channel is new");
        let program = toolchain.program("sizes", language);
        let running = program.start(&[&name.0, "send"]);
        for number in 0..MESSAGES {
            let message = consumer.recv_timeout(LONG).expect("the program sends");
            let metadata = message.metadata();
            assert_eq!(*message, *payload(number), "message {number}");
            assert_eq!(metadata.sender_runtime, runtime as u16);
            assert_eq!(metadata.message_id, u64::from(number) + 1);
            assert_eq!(metadata.message_type, 4711);
        }
        assert!(matches!(consumer.recv_timeout(LONG), Err(Error::Closed)));
        running.finish();
    }
}

#[test]
fn c_receives_what_rust_sends_until_the_stream_is_closed() {
    let Some(toolchain) = Toolchain::find() else { return };
    for language in Language::BOTH {
        let name = RegionName::new("to-c");
        let region = name.options().create().expect("the region is new");
        let channel = ChannelBuilder::new()
            .with_region(&region)
            .with_name("sizes")
            .with_capacity(64);
        let producer = channel.build_producer().expect("the channel is new");
        let program = toolchain.program("sizes", language);
        let running = program.start(&[&name.0, "receive"]);
        for number in 0..MESSAGES {
            producer
                .send_batch(&[payload(number)], Wait::For(LONG))
                .expect("the program receives");
        }
        producer.close().expect("the producer is ours");
        running.finish();
        assert!(producer.is_empty());
    }
}

#[dmxp::message]
#[derive(Clone, Debug, PartialEq)]
struct Quote {
    bid: f64,
    ask: f64,
    size: u64,
    symbol: FixedStr<8>,
}

#[test]
fn typed_messages_need_no_more_than_the_generated_header() {
    let Some(toolchain) = Toolchain::find() else { return };
    let schema = dmxp::schema::model::Schema::try_from(<Quote as dmxp::DmxpMessage>::SCHEMA).expect("a valid schema");
    let generated = Scratch::new();
    generated.write("quote.h", &dmxp::schema::generate::c::header(&[schema]));
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/typed.c");
    let include = format!("-I{}", generated.0.display());
    for language in Language::BOTH {
        let program = toolchain.compile(&source, language, &[&include]);
        let name = RegionName::new("typed");
        let region = name.options().create().expect("the region is new");
        let quotes = Channel::<Quote>::builder().with_region(&region).with_name("quotes");
        let answers = Channel::<Quote>::builder().with_region(&region).with_name("answers");
        let producer = quotes.build_producer().expect("the channel is new");
        let consumer = answers.build_consumer().expect("the channel is new");
        let running = program.start(&[&name.0]);
        for number in 0..1_000_u32 {
            let quote = Quote {
                bid: f64::from(number),
                ask: -1.5,
                size: u64::MAX - u64::from(number),
                symbol: FixedStr::truncated("ABCDEFG"),
            };
            producer.send(&quote).expect("the program receives");
            let answer = consumer
                .recv_timeout(Duration::from_secs(60))
                .expect("the program answers");
            let expected = Quote {
                bid: quote.ask,
                ask: quote.bid,
                ..quote
            };
            assert_eq!(*answer, expected);
        }
        producer.close().expect("the producer is ours");
        running.finish();
    }
}

#[test]
fn the_static_library_needs_no_more_than_the_documented_line() {
    let Some(toolchain) = Toolchain::find() else { return };
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/claims.c");
    let region = RegionName::new("static");
    toolchain.compile_static(&source, Language::C11).run(&[&region.0]);
}

/// A package has all that a program needs, its licences, and nothing for debuggers.
#[test]
fn a_package_is_laid_out_with_licences_and_stripped() {
    let Some(toolchain) = Toolchain::find() else { return };
    let package = Scratch::new();
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let staged = std::process::Command::new(here.join("stage"))
        .arg("--to")
        .arg(&package.0)
        .arg("--library")
        .arg(toolchain.library())
        .output()
        .expect("the script runs");
    assert!(staged.status.success(), "{}", String::from_utf8_lossy(&staged.stderr));
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let there = std::fs::read(package.0.join("share/licenses/dmxp").join(licence)).expect("a licence");
        assert_eq!(there, std::fs::read(here.join(licence)).expect("the same licence"));
    }
    let contains = |name: &str, what: &[u8]| {
        let library = std::fs::read(package.0.join("lib").join(name)).expect("a library");
        library.windows(what.len()).any(|bytes| bytes == what)
    };
    for name in ["libdmxp.so", "libdmxp.a"] {
        // The unwinder names its sections, stripped or not; that they are gone is seen from the size.
        let size = |path: &std::path::Path| std::fs::metadata(path.join(name)).expect("a file").len();
        let (staged, built) = (size(&package.0.join("lib")), size(toolchain.library()));
        assert!(staged * 2 < built, "{name}: {staged} of {built} bytes");
        assert!(contains(name, b"dmxp_producer_open"), "{name}");
    }
    assert!(!contains("libdmxp.so", b".symtab"));
    let config = std::fs::read_to_string(package.0.join("lib/pkgconfig/dmxp.pc")).expect("a pkg-config file");
    assert!(config.contains(&format!("Version: {}", env!("CARGO_PKG_VERSION"))));
    // It is linked and run from there.
    let source = here.join("tests/programs/timeouts.c");
    let program = package.0.join("program");
    let compiled = std::process::Command::new("cc")
        .args(["-std=c11", "-o"])
        .arg(&program)
        .arg(&source)
        .arg(format!("-I{}", package.0.join("include").display()))
        .arg(format!("-L{}", package.0.join("lib").display()))
        .arg(format!("-Wl,-rpath,{}", package.0.join("lib").display()))
        .args(["-ldmxp", "-lpthread"])
        .output()
        .expect("the compiler runs");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let region = RegionName::new("package");
    let ran = std::process::Command::new(&program)
        .arg(&region.0)
        .status()
        .expect("the program runs");
    assert!(ran.success());
}

/// The programs of the README, as they stand there.
#[test]
fn the_programs_of_the_readme_work() {
    let Some(toolchain) = Toolchain::find() else { return };
    let readme = include_str!("../README.md");
    let programs = ["producer.c", "consumer.c"].map(|name| {
        let start = readme
            .find(&format!("```c\n/* {name} */"))
            .unwrap_or_else(|| panic!("{name} is in the README"));
        let text = &readme[start + "```c\n".len()..];
        let sources = Scratch::new();
        let path = sources.write(name, &text[..text.find("\n```").expect("the block ends") + 1]);
        toolchain.compile(&path, Language::C11, &[])
    });
    let region = RegionName::new("readme");
    let [producer, consumer] = programs.map(|program| {
        let running = program.start_in(&[], &[("DMXP_REGION", &region.0)]);
        (running, program)
    });
    producer.0.finish();
    let printed = consumer.0.finish();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 10);
    assert!(lines[9].starts_with("reading 10: "), "{printed}");
}
