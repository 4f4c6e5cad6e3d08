//! The lives of regions: waiting for one, a file that is removed or replaced under its users, options that an existing region does not
//! have, creators that are killed, and whose the default region is.

use dmxp::{Channel, ChannelBuilder, Error, Region, RegionOptions, Wait, WaitSet};
use dmxp_tests::{
    Numbered, PATIENCE, PeerCommand, TestRegion, filter_calls, forked, install_filter, statement, status_of_forked,
    until,
};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Generous: the promises are a tick, and a wake-up.
const BOUND: Duration = Duration::from_secs(30);

fn jobs(region: &Region) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(region)
        .with_name("jobs")
        .with_capacity(2)
}

/// A directory of its own, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(label: &str) -> Self {
        let path = Path::new("/dev/shm").join(TestRegion::fresh_name(label));
        std::fs::create_dir(&path).expect("a directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o1777)).expect("a mode");
        Self(path)
    }

    fn options(&self) -> RegionOptions {
        RegionOptions::new().dir(&self.0).name("plant")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("a directory");
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.flatten().map(name).collect();
        names.sort_unstable();
        names
    }

    /// Asserts that the region is there with its lock file, and nothing else.
    fn holds_the_region_alone(&self) {
        let locks = dmxp_tests::lock_file(&self.0.join("plant"));
        let locks = locks.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(self.names(), [locks, "plant".into()]);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_region_is_waited_for_until_it_is_there_or_the_time_is_over() {
    let directory = Directory::new("wait-region");
    let options = directory.options();
    let started = Instant::now();
    let short = Duration::from_millis(60);
    assert!(matches!(options.wait_for_region(short), Err(Error::Timeout)));
    assert!(started.elapsed() >= short);
    // Names that come and are not it, a directory that comes later.
    std::fs::write(directory.0.join("other"), b"").expect("a file");
    let later = options.clone().dir(directory.0.join("later"));
    let waiting = [options.clone(), later.clone()].map(|options| {
        std::thread::spawn(move || options.wait_for_region(BOUND).map(|region| region.path().to_owned()))
    });
    std::fs::create_dir(directory.0.join("later")).expect("a directory");
    for options in [&options, &later] {
        drop(options.clone().size(2 << 20).create().expect("a region"));
    }
    for waiting in waiting {
        let found = waiting.join().expect("no panic").expect("it comes");
        assert!(found.starts_with(&directory.0), "{found:?}");
    }
    // What is there and is no region is an error at once.
    std::fs::write(directory.0.join("plain"), [0x78; 200_000]).expect("a file");
    let plain = options.name("plain");
    assert!(matches!(plain.wait_for_region(BOUND), Err(Error::InvalidMagic { .. })));
}

#[test]
fn a_channel_is_waited_for_until_it_is_there_or_the_time_is_over() {
    let region = TestRegion::new("wait-channel", 2 << 20);
    let short = Duration::from_millis(60);
    assert!(matches!(
        region.region.wait_for_channel("jobs", short),
        Err(Error::Timeout)
    ));
    assert!(matches!(
        region.region.wait_for_channel_id(7, Duration::ZERO),
        Err(Error::Timeout)
    ));
    let peer = region.peer(PEER, "7", "create").arg(7).arg(1).arg(2);
    let waiting = {
        let region = region.region.clone();
        std::thread::spawn(move || region.wait_for_channel_id(7, BOUND))
    };
    let _ = peer.output();
    assert_eq!(waiting.join().expect("no panic").expect("it comes").capacity, 2);
    let _worker = region.peer(PEER, "jobs", "idle").spawn();
    let found = region.region.wait_for_channel("jobs", BOUND).expect("it comes");
    assert_eq!(found.name.as_deref(), Some("jobs"));
    std::fs::remove_file(region.region.path()).expect("its file");
    let gone = region.region.wait_for_channel("others", BOUND);
    assert!(matches!(gone, Err(Error::RegionRemoved { .. })), "{gone:?}");
}

#[test]
fn users_of_a_removed_region_are_told() {
    let directory = Directory::new("removed");
    let region = directory.options().size(2 << 20).create().expect("a region");
    let path = region.path().to_owned();
    assert!(region.is_current());
    let producer = jobs(&region).build_producer().expect("a producer");
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    let staying = jobs(&region)
        .with_keep_removed_region(true)
        .build_consumer()
        .expect("a consumer");
    producer.send(b"the last").expect("room");
    std::fs::remove_file(&path).expect("its file");
    assert!(!region.is_current());
    // What is there is received; then the error says what has happened.
    assert_eq!(&consumer.recv().expect("it was sent before")[..], b"the last");
    let error = consumer.recv_timeout(BOUND).expect_err("the end");
    let text = error.to_string();
    assert!(matches!(error, Error::RegionRemoved { replaced: false, .. }), "{text}");
    assert!(
        text.contains(&*path.to_string_lossy()) && text.contains("was removed") && text.contains("RemoveIPC"),
        "{text}"
    );
    assert!(matches!(consumer.try_recv(), Err(Error::RegionRemoved { .. })));
    // Whoever asked goes on.
    assert!(matches!(
        staying.recv_timeout(Duration::from_millis(120)),
        Err(Error::Timeout)
    ));
    producer.send_batch(&[b"one", b"two"], Wait::No).expect("room");
    let full = producer.send_timeout(b"three", BOUND);
    assert!(matches!(full, Err(Error::RegionRemoved { .. })), "{full:?}");
    assert!(matches!(producer.try_send(b"three"), Err(Error::RegionRemoved { .. })));
    assert_eq!(&staying.recv().expect("it goes on")[..], b"one");
    // Openings: refused, unless they say so.
    assert!(matches!(
        jobs(&region).build_producer(),
        Err(Error::RegionRemoved { .. })
    ));
    drop(
        jobs(&region)
            .with_keep_removed_region(true)
            .build_producer()
            .expect("asked for"),
    );
    let waits = producer.wait_for_consumers(9, Wait::For(BOUND));
    assert!(matches!(waits, Err(Error::RegionRemoved { .. })), "{waits:?}");
    // A region that is opened by its path is another one.
    let anew = directory
        .options()
        .size(2 << 20)
        .open_or_create()
        .expect("a new region");
    assert_ne!(anew.info().id, region.info().id);
    assert!(anew.is_current() && !region.is_current());
    let error = jobs(&region).build_consumer().map(drop).expect_err("the old one");
    assert!(error.to_string().contains("replaced by another file"), "{error}");
    drop(jobs(&anew).build_consumer().expect("a consumer"));
}

#[test]
fn waiting_processes_notice_that_their_region_was_replaced() {
    let directory = Directory::new("replaced");
    let region = directory.options().size(2 << 20).create().expect("a region");
    let command = || {
        PeerCommand::new(PEER)
            .env("DMXP_DIR", &directory.0)
            .env("DMXP_REGION", "plant")
            .arg("-")
            .arg("jobs")
            .arg("receive-until-removed")
    };
    let peers = [command().spawn(), command().spawn()];
    let jobs = ChannelBuilder::new().with_region(&region).with_name("jobs");
    let producer = jobs.build_producer().expect("a producer");
    producer.wait_for_consumers(2, Wait::For(BOUND)).expect("they come");
    let other = directory
        .options()
        .name("other")
        .size(2 << 20)
        .create()
        .expect("another");
    std::fs::rename(other.path(), region.path()).expect("it takes its place");
    for peer in peers {
        assert_eq!(peer.output(), "ready\nremoved, replaced: true\n");
    }
    assert!(!region.is_current());
}

#[test]
fn a_wait_set_and_a_future_are_told_that_the_region_was_removed() {
    let directory = Directory::new("removed-set");
    let region = directory.options().size(2 << 20).create().expect("a region");
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    let mut set = WaitSet::new();
    set.add(&consumer, 7).expect("a new token");
    assert!(
        set.wait(Wait::For(Duration::from_millis(60)))
            .expect("a look")
            .is_empty()
    );
    std::fs::remove_file(region.path()).expect("its file");
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a look"), [7]);
    assert!(matches!(consumer.try_recv(), Err(Error::RegionRemoved { .. })));
    let mut consumer = consumer.into_async();
    let mut future = std::pin::pin!(consumer.recv());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::future::Future::poll(future.as_mut(), &mut context) {
        std::task::Poll::Ready(Err(Error::RegionRemoved { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn regions_without_a_file_are_current() {
    let region = RegionOptions::new().size(2 << 20).create_anonymous().expect("a region");
    assert!(region.is_current());
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(120)),
        Err(Error::Timeout)
    ));
    // A path that leads elsewhere since: nobody has removed the region.
    let directory = Directory::new("elsewhere");
    let inner = directory.0.join("inner");
    std::fs::create_dir(&inner).expect("a directory");
    let region = RegionOptions::new().dir(&inner).name("plant").size(2 << 20);
    let region = region.create().expect("a region");
    std::fs::rename(&inner, directory.0.join("moved")).expect("a new place");
    assert!(region.is_current());
    std::fs::remove_file(directory.0.join("moved/plant")).expect("its file");
    assert!(!region.is_current());
}

#[test]
fn options_that_an_existing_region_does_not_have_are_refused_with_both() {
    let directory = Directory::new("mismatch");
    let options = directory.options();
    let making = options.clone().size(2 << 20).max_processes(8).max_handles(16);
    let made = making.create().expect("a region");
    let cases: [(RegionOptions, &str, &str, &str); 4] = [
        (options.clone().size(4 << 20), "size", "2097152", "4194304"),
        (options.clone().max_processes(9), "max_processes", "8", "9"),
        (options.clone().max_handles(17), "max_handles", "16", "17"),
        (options.clone().group_access(true), "mode", "600", "660 (group_access)"),
    ];
    let check = |label: &str| {
        for (asked, property, existing, wanted) in &cases {
            for outcome in [asked.open(), asked.open_or_create(), asked.open_read_only()] {
                match outcome {
                    Err(error @ Error::RegionMismatch { .. }) => {
                        let text = error.to_string();
                        let both = format!("{property} {existing}, and {wanted} was asked for");
                        assert!(text.contains(&both), "{label}: {text}");
                    }
                    other => panic!("{label}, {property}: {other:?}"),
                }
            }
        }
        // The same, rounded as it was, and nothing at all.
        drop(
            options
                .clone()
                .size((2 << 20) - 5)
                .max_processes(8)
                .open()
                .expect("the same"),
        );
        drop(options.open_or_create().expect("what is there"));
    };
    check("attached");
    drop(made);
    check("not attached");
}

#[test]
fn a_region_is_made_anew_where_nobody_is_attached() {
    let directory = Directory::new("replace");
    let small = directory.options().size(2 << 20).create().expect("a region");
    let first = small.info().id;
    let large = directory.options().size(4 << 20).replace_if_unused(true);
    match large.open_or_create() {
        Err(Error::RegionInUse { pids, .. }) => assert_eq!(pids, [std::process::id()]),
        other => panic!("{other:?}"),
    }
    drop(small);
    let mut other = PeerCommand::new(PEER)
        .env("DMXP_DIR", &directory.0)
        .env("DMXP_REGION", "plant")
        .arg("-")
        .arg("jobs")
        .arg("idle")
        .spawn();
    let looking = directory.options().open_read_only().expect("to look");
    until("it is attached", || looking.info().processes == 1);
    match large.open_or_create() {
        Err(Error::RegionInUse { pids, .. }) => assert_eq!(pids, [other.pid()]),
        outcome => panic!("{outcome:?}"),
    }
    other.kill();
    let region = large.open_or_create().expect("the dead do not use it");
    assert_eq!(region.info().size, 4 << 20);
    assert_ne!(region.info().id, first);
    assert!(!looking.is_current() && region.is_current());
    // It has what is asked for now, and stays.
    assert_eq!(large.open_or_create().expect("the same").info().id, region.info().id);
}

#[test]
fn many_that_make_a_region_anew_meet_in_one() {
    let directory = Directory::new("replace-race");
    for round in 0..10_u64 {
        let size = (2 + round % 2) << 20;
        let options = directory.options().size(size).replace_if_unused(true);
        let children: Vec<_> = (0..6)
            .map(|k| {
                let options = options.clone();
                forked(move || {
                    let region = options.open_or_create().expect("a region");
                    let builder = ChannelBuilder::new()
                        .with_region(&region)
                        .with_channel_id(k)
                        .with_capacity(2);
                    drop(builder.build_producer().expect("a channel"));
                    // Until all are here, in one region.
                    let started = Instant::now();
                    while region.channels().expect("a table").len() < 6 {
                        assert!(started.elapsed() < PATIENCE, "they have parted");
                        std::thread::sleep(Duration::from_millis(1));
                    }
                })
            })
            .collect();
        for child in children {
            assert_eq!(status_of_forked(child), 0, "round {round}");
        }
    }
}

#[test]
fn a_channel_is_made_anew_where_nobody_has_it() {
    let region = TestRegion::new("replace-channel", 4 << 20);
    let small = jobs(&region.region);
    let large = small.clone().with_capacity(8);
    let typed = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("jobs");
    let producer = small.build_producer().expect("a producer");
    producer.send(b"lost").expect("room");
    let replacing = large.clone().with_replace_if_unused(true);
    match replacing.build_consumer() {
        Err(Error::ChannelInUse { pids, .. }) => assert_eq!(pids, [std::process::id()]),
        other => panic!("{other:?}"),
    }
    drop(producer);
    // What exists is not touched where that was not asked for, nor where it fits.
    assert!(matches!(large.build_consumer(), Err(Error::ChannelMismatch { .. })));
    let fits = small
        .clone()
        .with_replace_if_unused(true)
        .build_consumer()
        .expect("it fits");
    assert_eq!(fits.len(), 1);
    drop(fits);
    let mut killed = region.peer(PEER, "jobs", "hold-message").spawn();
    until("the claim", || {
        region.region.channel_named("jobs").expect("it is there").head == 1
    });
    killed.kill();
    let consumer = replacing.build_consumer().expect("the dead do not have it");
    assert_eq!((consumer.capacity(), consumer.len()), (8, 0));
    drop(consumer);
    assert!(matches!(typed.build_producer(), Err(Error::ChannelMismatch { .. })));
    drop(
        typed
            .clone()
            .with_replace_if_unused(true)
            .build_producer()
            .expect("another type"),
    );
    drop(typed.build_producer().expect("it has that type now"));
    let v1 = region.region.channels().expect("a list").len();
    assert_eq!(v1, 1);
    drop(
        ChannelBuilder::new()
            .with_region(&region.region)
            .with_name("v1")
            .with_v1_peers(true)
            .build_producer(),
    );
    let refused = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("v1")
        .with_capacity(2)
        .with_replace_if_unused(true)
        .build_producer();
    assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
}

const REFUSED: u32 = libc::SECCOMP_RET_ERRNO;
const KILLED: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

/// linkat(2) fails where it is to follow a link in /proc: as where that is not mounted.
fn without_proc() {
    // The number of the call, and the low half of its fifth argument.
    install_filter(&mut [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            3,
            libc::SYS_linkat as u32,
        ),
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 48),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::AT_SYMLINK_FOLLOW as u32,
        ),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, REFUSED | libc::ENOENT as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, ALLOWED),
    ]);
}

#[test]
fn a_region_is_made_under_a_hidden_name_where_there_is_no_other_way() {
    let directory = Directory::new("hidden");
    for renames in [true, false] {
        let options = directory.options().size(2 << 20);
        let child = forked(|| {
            without_proc();
            if !renames {
                filter_calls(libc::SYS_renameat2, REFUSED | libc::ENOSYS as u32, ALLOWED);
            }
            drop(options.create().expect("a region"));
            assert!(matches!(options.create(), Err(Error::RegionExists { .. })));
        });
        assert_eq!(status_of_forked(child), 0, "renames: {renames}");
        directory.holds_the_region_alone();
        let found = options.open().expect("a region");
        assert_eq!(found.path().metadata().expect("its file").nlink(), 1);
        drop(found);
        options.remove(false).expect("nobody is attached");
        assert!(directory.names().is_empty(), "{:?}", directory.names());
    }
}

#[test]
fn what_killed_creators_leave_is_removed_by_the_next_one_and_stands_in_nobodys_way() {
    let directory = Directory::new("creators");
    let options = directory.options().size(2 << 20);
    let killed = |filters: fn()| {
        let child = forked(|| {
            without_proc();
            filters();
            let _ = options.create();
        });
        let status = status_of_forked(child);
        assert!(
            libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSYS,
            "{status}"
        );
    };
    // Before the region has its name.
    killed(|| filter_calls(libc::SYS_renameat2, KILLED, ALLOWED));
    let left = directory.names();
    assert!(
        left.len() == 2 && left.iter().all(|name| name.starts_with(".plant.")),
        "{left:?}"
    );
    drop(options.open_or_create().expect("a region"));
    directory.holds_the_region_alone();
    options.remove(false).expect("nobody is attached");
    // When it has two.
    killed(|| {
        filter_calls(libc::SYS_renameat2, REFUSED | libc::ENOSYS as u32, ALLOWED);
        filter_calls(libc::SYS_unlink, KILLED, ALLOWED);
    });
    assert_eq!(directory.names().len(), 3, "{:?}", directory.names());
    drop(options.open().expect("its creator has died"));
    directory.holds_the_region_alone();
    options.remove(false).expect("nobody is attached");
    // Before the first name of any kind is given, and where the nameless way works.
    for (call, left) in [(libc::SYS_fallocate, 1), (libc::SYS_linkat, 1)] {
        let child = forked(|| {
            filter_calls(call, KILLED, ALLOWED);
            let _ = options.create();
        });
        assert_eq!(libc::WTERMSIG(status_of_forked(child)), libc::SIGSYS);
        assert_eq!(directory.names().len(), left, "{:?}", directory.names());
        drop(options.open_or_create().expect("a region"));
        directory.holds_the_region_alone();
        options.remove(false).expect("nobody is attached");
    }
    // A creator that lives keeps its file.
    let hidden = directory.0.join(format!(".plant.{:032x}", 7));
    let file = std::fs::File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&hidden)
        .expect("a file");
    lock_creation(&file);
    drop(options.create().expect("a region"));
    assert!(hidden.exists(), "its creator lives");
    assert_eq!(directory.names().len(), 3, "{:?}", directory.names());
    options.remove(false).expect("nobody is attached");
    drop(file);
    // Others' files, and those that only look like one, stay.
    for name in [
        ".plant.12",
        ".plants.00000000000000000000000000000001",
        ".plant.0000000000000000000000000000000g",
    ] {
        std::fs::write(directory.0.join(name), b"").expect("a file");
    }
    drop(options.create().expect("a region"));
    assert_eq!(directory.names().len(), 5, "{:?}", directory.names());
    assert!(!hidden.exists(), "its creator has gone");
}

/// As docs/MEMORY_LAYOUT.md has it.
fn lock_creation(file: &std::fs::File) {
    let mut range = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0x3fff_ffff_ffff_fff0,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: a valid flock that lives through the call.
    let locked = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(file), libc::F_OFD_SETLK, &raw mut range) };
    assert_eq!(locked, 0, "nobody else has it");
}

/// Creates the default region in a directory as that user, and prints its file, or the error.
fn default_of(directory: &Directory, user: u32, name: Option<&str>) -> String {
    let mut command = Command::new(PEER);
    command
        .env("DMXP_DIR", &directory.0)
        .env_remove("DMXP_REGION")
        .arg("-")
        .arg("jobs")
        .arg("where")
        .uid(user)
        .gid(user);
    if let Some(name) = name {
        command.env("DMXP_REGION", name);
    }
    let output = command.output().expect("it can be started");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}

fn may_be_others() -> bool {
    // SAFETY: geteuid has no preconditions.
    let may = unsafe { libc::geteuid() } == 0;
    if !may {
        eprintln!("skipped: only root can be other users");
    }
    may
}

#[test]
fn the_default_region_belongs_to_its_user_and_others_get_one_of_their_own() {
    if !may_be_others() {
        return;
    }
    let directory = Directory::new("default");
    let in_directory = |name: &str| directory.0.join(name).to_string_lossy().into_owned();
    assert_eq!(default_of(&directory, 12_345, None), in_directory("dmxp_alloc"));
    assert_eq!(default_of(&directory, 12_345, None), in_directory("dmxp_alloc"));
    assert_eq!(default_of(&directory, 12_346, None), in_directory("dmxp_alloc-12346"));
    // A name that was given is meant: the error has the owner, the mode and the cure.
    let refused = default_of(&directory, 12_346, Some("dmxp_alloc"));
    for part in [
        "belongs to user 12345",
        "mode 600",
        "user 12346",
        "DMXP_REGION",
        "group_access",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    // It stays that user's when the shared one goes.
    std::fs::remove_file(directory.0.join("dmxp_alloc")).expect("the first user's");
    assert_eq!(default_of(&directory, 12_346, None), in_directory("dmxp_alloc-12346"));
    assert_eq!(default_of(&directory, 12_345, None), in_directory("dmxp_alloc"));
}

#[test]
fn an_unmapped_user_is_nobody() {
    if !may_be_others() {
        return;
    }
    let directory = Directory::new("unmapped");
    drop(directory.options().size(2 << 20).create().expect("a region"));
    let path = directory.0.join("plant");
    chown(&path, Some(12_345), Some(12_345)).expect("root may");
    // So that it is the check that refuses it.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).expect("a mode");
    let child = forked(|| {
        // SAFETY: plain integers.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
            // SAFETY: ends the child; the test is skipped.
            unsafe { libc::_exit(77) }
        }
        // Nothing is mapped: every user is shown as 65534, this process too.
        // SAFETY: geteuid has no preconditions.
        assert_eq!(unsafe { libc::geteuid() }, 65_534);
        let error = directory
            .options()
            .open_read_only()
            .map(drop)
            .expect_err("it may be anybody's");
        assert!(error.to_string().contains("65534"), "{error}");
    });
    match status_of_forked(child) {
        status if libc::WEXITSTATUS(status) == 77 => eprintln!("skipped: no user namespaces"),
        status => assert_eq!(status, 0),
    }
}

#[test]
fn a_child_of_the_bare_system_call_is_none_of_its_parent() {
    let region = TestRegion::new("clone", 4 << 20);
    let consumer = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("jobs")
        .build_consumer()
        .expect("a consumer");
    let mut parent = region.peer(PEER, "jobs", "clone-raw").spawn();
    until("the child's handle", || consumer.producers().expect("a number") == 2);
    until("its message", || {
        region.region.channel_named("jobs").expect("it is there").tail == 2
    });
    let children = parent.children();
    parent.kill();
    // The parent's claim stands before the child's message, until its death is proven: which the child's copy would prevent.
    assert_eq!(
        &consumer.recv_timeout(BOUND).expect("the child's")[..],
        b"from the child"
    );
    assert_eq!(consumer.producers().expect("a number"), 1);
    for child in children {
        // SAFETY: two integers; a process of the test, which sleeps.
        unsafe { libc::kill(child, libc::SIGKILL) };
    }
}
