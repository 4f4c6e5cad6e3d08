//! Looking at a region beside removals: nothing that is untouched is ever called damaged, and no memory goes that somebody reads.

use dmxp::{Channel, ChannelBuilder, Error, PeekOptions, Region, RegionOptions};
use dmxp_tests::{Numbered, TestRegion, until};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The byte that looks share, as docs/MEMORY_LAYOUT.md has it.
const LOOKS: i64 = (1 << 62) - 1;
const BOUND: Duration = Duration::from_secs(30);

fn lock(file: &File, kind: libc::c_int) {
    lock_from(file, kind, LOOKS, 1);
}

/// Locks so many bytes from there on.
fn lock_from(file: &File, kind: libc::c_int, start: i64, len: i64) {
    let mut range = libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    // SAFETY: a valid flock, and an open descriptor.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
}

/// Whether the error says no more than that the channel is not there (any more).
fn is_gone<T>(look: &Result<T, Error>) -> bool {
    matches!(look, Err(Error::ChannelNotFound { .. }))
}

fn look_at_everything(region: &Region) {
    let channels = region.channels().expect("a list");
    assert!(channels.iter().any(|channel| channel.name.as_deref() == Some("kept")));
    let kept = region.channel_named("kept").expect("it is there");
    let again = region.channel(kept.id).expect("it is there");
    assert_eq!((again.tail, again.schema.is_some()), (1, true));
    assert_eq!(
        region
            .peek_named("kept", PeekOptions::new())
            .expect("a look")
            .messages
            .len(),
        1
    );
    for id in (0..256).filter(|&id| id != kept.id) {
        let look = region.channel(id);
        assert!(look.is_ok() || is_gone(&look), "{look:?}");
    }
    let look = region.peek_named("churned", PeekOptions::new());
    assert!(look.is_ok() || is_gone(&look), "{look:?}");
    region.blockages().expect("a look");
    region.statistics().expect("a look");
}

#[test]
fn looks_beside_removals_find_no_damage() {
    let region = TestRegion::new("looking-beside", 4 << 20);
    let kept = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("kept");
    kept.build_producer()
        .and_then(|producer| producer.send(&Numbered::new(1, 1)))
        .expect("it is sent");
    let mut churners: Vec<_> = (0..2)
        .map(|_| region.peer(env!("CARGO_BIN_EXE_peer"), "churned", "churn").spawn())
        .collect();
    let looking = RegionOptions::new()
        .name(&region.name)
        .open_read_only()
        .expect("a region");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        look_at_everything(&looking);
        look_at_everything(&region.region);
    }
    for churner in &mut churners {
        assert!(churner.wait(Duration::ZERO).is_none(), "it goes on");
        churner.kill();
    }
}

#[test]
fn memory_that_somebody_looks_at_stays_and_removal_does_not_wait_for_long() {
    let region = TestRegion::new("looking-stays", 32 << 20);
    let blocks = || std::fs::metadata(region.region.path()).expect("the file").blocks();
    let large = |name: &str| {
        Channel::<Numbered>::builder()
            .with_region(&region.region)
            .with_name(name)
            .with_capacity(8_192)
    };
    // As many as its slots take, in blocks of 512 bytes.
    let many = 8_192 * 1_088 / 512 - 16;
    drop(large("seen").build_producer().expect("a producer"));
    let with_one = blocks();
    let looking = File::open(region.region.path()).expect("to read only");
    lock(&looking, libc::F_RDLCK);
    let seen = region.region.channel_named("seen").expect("it is there").id;
    let started = Instant::now();
    region.region.remove_channel(seen, false).expect("nobody has it open");
    assert!(started.elapsed() < BOUND);
    assert!(blocks() + 16 > with_one, "its memory is there");
    lock(&looking, libc::F_UNLCK);
    // The next channel takes the same space, and gives it back.
    drop(large("next").build_producer().expect("a producer"));
    let next = region.region.channel_named("next").expect("it is there").id;
    region.region.remove_channel(next, false).expect("nobody has it open");
    assert!(blocks() + many < with_one, "{} of {with_one} blocks are left", blocks());
}

#[test]
fn a_look_waits_while_memory_is_given_back() {
    let region = TestRegion::new("looking-waits", 4 << 20);
    let remover = File::options()
        .read(true)
        .write(true)
        .open(region.region.path())
        .expect("the file");
    lock(&remover, libc::F_WRLCK);
    let (say, said) = mpsc::channel();
    let other = region.region.clone();
    let looker = thread::spawn(move || say.send(other.channels().map(|channels| channels.len())));
    assert!(said.recv_timeout(Duration::from_millis(200)).is_err(), "it waits");
    lock(&remover, libc::F_UNLCK);
    assert_eq!(said.recv_timeout(BOUND).expect("it goes on").expect("a list"), 0);
    looker.join().expect("no panic").expect("we listen");
}

#[test]
fn locks_that_need_read_access_only_hide_no_death() {
    let region = TestRegion::new("looking-hides", 4 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("jobs")
        .with_capacity(2);
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    producer.send(b"job").expect("room");
    let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "jobs", "hold-message").spawn();
    until("the claim", || {
        region.region.channel_named("jobs").expect("it is there").head == 1
    });
    holder.kill();
    // The byte of every process that there could be, but this one's, whose lock is exclusive.
    let path = region.region.path();
    let readers = [path.to_owned(), dmxp_tests::lock_file(path)].map(|path| File::open(path).expect("to read only"));
    for index in 1..256 {
        for reader in &readers {
            lock_from(reader, libc::F_RDLCK, LOOKS + 2 + index, 1);
        }
    }
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("the job of the dead"), b"job");
}
