//! A process that attaches read-only changes nothing: the kernel prevents it.

use dmxp::{Channel, ChannelBuilder, DmxpMessage, Error, Region, RegionOptions};
use dmxp_tests::{Numbered, PeerCommand, TestRegion, until};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// What a process did that wrote where it may only look: nothing, by the hand of the kernel.
fn was_killed((said, status): &(String, ExitStatus)) {
    assert_eq!(status.signal(), Some(libc::SIGSEGV), "{status}: {said}");
    // The file was opened for reading, so that the mapping cannot be made writable either.
    assert_eq!(said, "rights r--s\nmprotect EACCES\n");
}

fn digest(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("the region's bytes");
    let digest = Sha256::digest(&bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A channel with a schema, messages, and handles that are open.
fn fill(region: &Region) -> impl Sized {
    let builder = Channel::<Numbered>::builder()
        .with_region(region)
        .with_name("seen")
        .with_capacity(4);
    let handles = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    for number in 0..3 {
        handles.0.send(&Numbered::new(1, number)).expect("room");
    }
    drop(handles.1.recv().expect("a message"));
    handles
}

#[test]
fn who_writes_through_a_read_only_mapping_is_killed() {
    let region = TestRegion::new("looked-at", 2 << 20);
    let _handles = fill(&region.region);
    let before = digest(File::open(region.region.path()).expect("the file"));
    was_killed(
        &PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
            .arg("write")
            .arg(&region.name)
            .spawn()
            .ended(),
    );
    assert_eq!(digest(File::open(region.region.path()).expect("the file")), before);
}

#[test]
fn who_writes_through_a_read_only_mapping_of_a_region_without_a_name_is_killed() {
    let region = RegionOptions::new().size(2 << 20).create_anonymous().expect("a region");
    let descriptor = region.descriptor().expect("a descriptor");
    let before = digest(File::from(region.descriptor().expect("a descriptor")));
    was_killed(
        &PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
            .inherit(descriptor.as_fd())
            .arg("write")
            .arg(format!("fd:{}", descriptor.as_raw_fd()))
            .spawn()
            .ended(),
    );
    assert_eq!(digest(File::from(region.descriptor().expect("a descriptor"))), before);
}

#[test]
fn looking_at_everything_changes_no_byte() {
    let region = TestRegion::new("unchanged", 2 << 20);
    let _handles = fill(&region.region);
    let expected = format!(
        "1 channels\nseen 2 {}\n1 1\n2 messages\n0 blockages\n",
        Numbered::schema()
    );
    let before = digest(File::open(region.region.path()).expect("the file"));
    let look = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser")).arg("look");
    assert_eq!(look.arg(&region.name).output(), expected);
    assert_eq!(digest(File::open(region.region.path()).expect("the file")), before);
    assert_eq!(region.region.info().processes, 1);

    let anonymous = RegionOptions::new().size(2 << 20).create_anonymous().expect("a region");
    let _handles = fill(&anonymous);
    let descriptor = anonymous.descriptor().expect("a descriptor");
    let bytes = || File::from(anonymous.descriptor().expect("a descriptor"));
    let before = digest(bytes());
    let look = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
        .inherit(descriptor.as_fd())
        .arg("look")
        .arg(format!("fd:{}", descriptor.as_raw_fd()));
    assert_eq!(look.output(), expected);
    assert_eq!(digest(bytes()), before);
}

/// Generous: each step takes milliseconds, and what is guarded against lasts until the reader ends.
const BOUND: Duration = Duration::from_secs(30);

/// Whether a process has locked the byte, in whatever way.
fn is_locked(file: &File, byte: i64) -> bool {
    let mut range = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: a valid flock that lives through the call.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    range.l_type != libc::F_UNLCK as i16
}

/// Opens, sends, receives, waits, recovers from a death, looks, removes and leaves, each in processes of their own.
fn everything_goes_on(region: &TestRegion) {
    let peer = env!("CARGO_BIN_EXE_peer");
    let named = |name: &str| {
        ChannelBuilder::new()
            .with_region(&region.region)
            .with_name(name)
            .with_capacity(4)
    };
    let echo = region.peer(peer, "questions", "echo").arg(20).arg("answers").spawn();
    let questions = named("questions").build_producer().expect("a producer");
    let answers = named("answers").build_consumer().expect("a consumer");
    for number in 0..20_u8 {
        questions.send_timeout([number], BOUND).expect("room");
        assert_eq!(&*answers.recv_timeout(BOUND).expect("an answer"), [number]);
    }
    assert_eq!(echo.output(), "");
    let (short, started) = (Duration::from_millis(200), Instant::now());
    assert!(matches!(answers.recv_timeout(short), Err(Error::Timeout)));
    assert!(started.elapsed() < BOUND);
    // The death of a process that holds a message is proven, and the message delivered again.
    let jobs = named("jobs");
    let (producer, consumer) = (
        jobs.build_producer().expect("a producer"),
        jobs.build_consumer().expect("a consumer"),
    );
    producer.send(b"job").expect("room");
    let mut holder = region.peer(peer, "jobs", "hold-message").spawn();
    until("the claim", || {
        region.region.channel_named("jobs").expect("it is there").head == 1
    });
    holder.kill();
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("the job of the dead"), b"job");
    drop((questions, answers, producer, consumer));
    // Others look, and memory goes back or stays; the call returns.
    let looking = RegionOptions::new().name(&region.name).open_read_only();
    assert_eq!(looking.expect("to look").channels().expect("a list").len(), 3);
    for channel in ["questions", "answers", "jobs"] {
        region.region.remove_channel_named(channel, true).expect("force");
    }
    assert_eq!(region.region.info().processes, 1);
}

#[test]
fn a_reader_that_locks_what_it_can_holds_nobody_up() {
    const MANAGEMENT: i64 = 1 << 62;
    // Single bytes, of which the kernel looks at all for each that is added: it takes over a minute to lock 60,000.
    let count: i64 = std::env::var("DMXP_FOREIGN_LOCKS").map_or(10_000, |count| count.parse().expect("a number"));
    let many = count.to_string();
    // What it locks, and the last byte of that which this test looks at.
    for (bytes, last) in [
        ("management", MANAGEMENT),
        ("processes", MANAGEMENT + 4_096),
        ("everything", i64::MAX - 1),
        (&*many, MANAGEMENT - 4_001 + 2 * (count - 1)),
    ] {
        let region = TestRegion::new("locked-by-a-reader", 4 << 20);
        let path = region.region.path();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        let descriptor = File::open(path).expect("to read only");
        let mut reader = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
            .inherit(descriptor.as_fd())
            .arg("lock")
            .arg(descriptor.as_raw_fd())
            .arg(bytes)
            .spawn();
        let file = File::options().read(true).write(true).open(path).expect("the file");
        until("the locks", || {
            assert!(reader.wait(Duration::ZERO).is_none(), "{bytes}: it has ended");
            std::thread::sleep(Duration::from_millis(20));
            is_locked(&file, last)
        });
        let started = Instant::now();
        everything_goes_on(&region);
        assert!(started.elapsed() < BOUND, "{bytes}: {:?}", started.elapsed());
        assert!(is_locked(&file, last), "{bytes}: all the while");
        assert!(reader.wait(Duration::ZERO).is_none(), "{bytes}: it lives");
        reader.kill();
        // Another region is made in its place, whatever is locked of the old one.
        RegionOptions::new().name(&region.name).remove(true).expect("by force");
        drop(
            RegionOptions::new()
                .name(&region.name)
                .size(2 << 20)
                .create()
                .expect("anew"),
        );
    }
}
