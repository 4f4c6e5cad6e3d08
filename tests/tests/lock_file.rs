//! The lock file beside a region's: whose it is, that it comes and goes with the region, and what happens where it is missing.

use dmxp::{ChannelBuilder, Error, Region, RegionOptions};
use dmxp_tests::{PeerCommand, TestRegion, forked, lock_file, remove_files, status_of_forked, until};
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Generous: the promise is a tick.
const BOUND: Duration = Duration::from_secs(30);

/// The files of a region, removed when dropped.
struct Place {
    name: String,
    path: PathBuf,
}

impl Place {
    fn new(label: &str) -> Self {
        let name = TestRegion::fresh_name(label);
        let path = Path::new("/dev/shm").join(&name);
        Self { name, path }
    }

    fn options(&self) -> RegionOptions {
        RegionOptions::new().dir("/dev/shm").name(&self.name)
    }

    fn create(&self) -> Region {
        self.options().size(2 << 20).create().expect("a region")
    }

    fn lock_file(&self) -> PathBuf {
        lock_file(&self.path)
    }

    /// How many files lie beside the region's that have its name.
    fn hidden(&self) -> usize {
        let prefix = format!(".{}.", self.name);
        let entries = std::fs::read_dir("/dev/shm").expect("a directory").flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove_files(&self.path);
    }
}

fn jobs(region: &Region) -> ChannelBuilder {
    ChannelBuilder::new().with_region(region).with_name("jobs")
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("a file").mode() & 0o7777
}

#[test]
fn readers_of_a_region_cannot_open_its_lock_file() {
    let place = Place::new("locks-mode");
    let region = place.create();
    let locks = place.lock_file();
    assert_eq!((mode(&locks), locks.metadata().expect("a file").len()), (0o600, 0));
    std::fs::set_permissions(&place.path, Permissions::from_mode(0o644)).expect("a mode");
    assert_eq!(mode(&locks), 0o600);
    let may_read = |path: &Path| {
        let mut command = Command::new("test");
        let status = command.arg("-r").arg(path).uid(12_345).gid(12_345).status();
        status.is_ok_and(|status| status.success())
    };
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        assert!(may_read(&place.path) && !may_read(&locks));
    } else {
        eprintln!("skipped in part: only root can be other users");
    }
    assert!(region.is_current());

    let shared = Place::new("locks-group");
    let region = shared.options().size(2 << 20).group_access(true).create();
    assert_eq!(mode(&shared.lock_file()), 0o660);
    drop(region.expect("a region"));
}

#[test]
fn a_region_without_its_lock_file_is_refused_and_its_users_are_told() {
    let place = Place::new("locks-missing");
    let region = place.create();
    let locks = place.lock_file();
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
        .arg(&place.name)
        .arg("jobs")
        .arg("receive-until-removed")
        .spawn();
    until("the peer waits", || {
        let channel = region.channel_named("jobs").expect("it is there");
        channel.consumers.len() == 2
    });
    std::fs::remove_file(&locks).expect("the lock file");
    assert!(!region.is_current());
    let told = consumer.recv_timeout(BOUND).map(drop);
    assert!(
        matches!(told, Err(Error::RegionRemoved { replaced: false, .. })),
        "{told:?}"
    );
    assert_eq!(peer.output(), "ready\nremoved, replaced: false\n");
    assert!(matches!(
        jobs(&region).build_producer(),
        Err(Error::RegionRemoved { .. })
    ));
    drop(consumer);
    let check = |label: &str| {
        for outcome in [
            place.options().open(),
            place.options().open_or_create(),
            place.options().wait_for_region(BOUND),
            place.options().remove(false).map(|()| region.clone()),
        ] {
            let Err(Error::NotARegion { path, reason }) = outcome else {
                panic!("{label}: {outcome:?}");
            };
            assert_eq!(path, place.path);
            for part in [&*locks.to_string_lossy(), "is missing", "remove it with force"] {
                assert!(reason.contains(part), "{label}: {reason}");
            }
            assert!(!locks.exists(), "{label}: nobody makes it again");
        }
        assert_eq!(
            place.options().open_read_only().expect("to look").info().id,
            region.info().id
        );
    };
    check("attached");
    // The lock file of the next region is another one.
    place.options().remove(true).expect("the cure");
    let anew = place.options().size(2 << 20).open_or_create().expect("a region");
    assert_ne!(anew.info().id, region.info().id);
    assert!(anew.is_current() && place.lock_file() != locks);
}

#[test]
fn a_lock_file_that_is_not_what_it_should_be_is_refused() {
    let place = Place::new("locks-other");
    drop(place.create());
    let locks = place.lock_file();
    let second = place.path.with_file_name(format!(".{}.second.locks", place.name));
    let make = |mode: u32| {
        let made = File::options().write(true).create_new(true).mode(mode).open(&locks);
        made.expect("a file")
            .set_permissions(Permissions::from_mode(mode))
            .expect("a mode");
    };
    let cases: [(&str, &dyn Fn()); 6] = [
        ("is a symbolic link", &|| {
            File::create(&second).expect("a file");
            symlink(&second, &locks).expect("a link");
        }),
        ("2 names", &|| {
            make(0o600);
            std::fs::hard_link(&locks, &second).expect("a second name");
        }),
        ("open to everybody (mode 604)", &|| make(0o604)),
        ("open to everybody (mode 602)", &|| make(0o602)),
        ("opening", &|| std::fs::create_dir(&locks).expect("a directory")),
        ("not a regular file", &|| {
            let name = std::ffi::CString::new(locks.as_os_str().as_encoded_bytes()).expect("a name");
            // SAFETY: a NUL-terminated string that lives through the call.
            assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        }),
    ];
    for (expected, make) in cases {
        let _ = std::fs::remove_file(&locks);
        make();
        let error = place.options().open().map(drop).expect_err(expected).to_string();
        let _ = std::fs::remove_dir(&locks);
        let _ = std::fs::remove_file(&second);
        assert!(
            error.contains(expected) && error.contains(&*locks.to_string_lossy()),
            "{error}"
        );
    }
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped in part: only root can give a file to another user");
        return;
    }
    let _ = std::fs::remove_file(&locks);
    make(0o600);
    chown(&locks, Some(12_345), None).expect("root may");
    let error = place.options().open().map(drop).expect_err("a stranger's").to_string();
    assert!(
        error.contains("belongs to user 12345") && error.contains("lock file"),
        "{error}"
    );
}

#[test]
fn users_of_a_region_whose_lock_file_was_replaced_are_told_and_newcomers_refused() {
    let place = Place::new("locks-replaced");
    let region = place.create();
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    let other = place.path.with_file_name(format!(".{}.other.locks", place.name));
    let fresh = File::create(&other).expect("a file");
    fresh
        .set_permissions(Permissions::from_mode(0o600))
        .expect("it is ours");
    std::fs::rename(&other, place.lock_file()).expect("it takes its place");
    assert!(!region.is_current());
    // A process of its own: this one is attached already.
    let newcomer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
        .arg(&place.name)
        .arg("jobs")
        .arg("idle");
    let said = newcomer
        .env("DMXP_DIR", place.path.parent().expect("a directory"))
        .spawn()
        .ended();
    assert!(!said.1.success(), "nobody can tell which processes live");
    let told = consumer.recv_timeout(BOUND).map(drop);
    assert!(
        matches!(told, Err(Error::RegionRemoved { replaced: true, .. })),
        "{told:?}"
    );
}

#[test]
fn a_copy_of_a_region_has_no_locks_of_the_original() {
    let place = Place::new("locks-copied");
    let region = place.create();
    let copy = Place::new("locks-copy");
    std::fs::copy(&place.path, &copy.path).expect("a copy");
    let error = copy.options().open().map(drop).expect_err("nobody knows its processes");
    assert!(error.to_string().contains("is missing"), "{error}");
    assert!(region.is_current());
}

#[test]
fn the_lock_file_goes_with_its_region() {
    let place = Place::new("locks-removal");
    for force in [false, true] {
        drop(place.create());
        assert_eq!(place.hidden(), 1);
        place.options().remove(force).expect("nobody is attached");
        assert_eq!((place.hidden(), place.path.exists()), (0, false));
    }
    drop(place.create());
    let first = place.lock_file();
    let larger = place.options().size(4 << 20).replace_if_unused(true);
    let region = larger.open_or_create().expect("it is made anew");
    assert!(!first.exists() && place.hidden() == 1);
    assert!(matches!(
        place.options().size(2 << 20).create(),
        Err(Error::RegionExists { .. })
    ));
    assert_eq!(place.hidden(), 1, "a creator that fails leaves nothing");
    drop(region);
}

#[test]
fn lock_files_that_belong_to_no_region_are_removed_by_the_next_creator() {
    let place = Place::new("locks-orphans");
    let region = place.create();
    let first = place.lock_file();
    std::fs::remove_file(&place.path).expect("by hand");
    // Its users go on, and keep their locks.
    let second_region = place.create();
    let second = place.lock_file();
    assert!(first.exists() && second.exists() && first != second);
    drop(region);
    drop(second_region);
    std::fs::remove_file(&place.path).expect("by hand");
    // Others' names, and those that only look like one.
    let others = [
        format!(".{}.12.locks", place.name),
        format!(".{}.{:032x}.lock", place.name, 1),
        format!(".{}x.{:032x}.locks", place.name, 1),
    ]
    .map(|name| place.path.with_file_name(name));
    for other in &others {
        File::create(other).expect("a file");
    }
    drop(place.create());
    let kept = others.iter().all(|other| other.exists());
    for other in &others {
        let _ = std::fs::remove_file(other);
    }
    assert!(kept, "they are no lock files of this region");
    assert!(!first.exists() && !second.exists() && place.lock_file().exists());
    // Another user's, which anybody can put there, stand in nobody's way.
    let strange = [
        format!(".{}.{:032x}.locks", place.name, 2),
        format!(".{}.{:032x}", place.name, 3),
    ];
    let strange = strange.map(|name| place.path.with_file_name(name));
    for file in &strange {
        File::create(file).expect("a file");
    }
    let are_others = strange.iter().all(|file| chown(file, Some(12_345), None).is_ok());
    place.options().remove(false).expect("nobody is attached");
    drop(place.create());
    let kept = strange.iter().all(|file| file.exists());
    for file in &strange {
        let _ = std::fs::remove_file(file);
    }
    assert_eq!(kept, are_others);
    // What is there is not touched by a creator that comes too late.
    assert!(matches!(place.options().create(), Err(Error::RegionExists { .. })));
    drop(place.options().open().expect("its lock file is there"));
}

#[test]
fn a_group_that_is_to_use_a_region_needs_both_files() {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: only root can be other users");
        return;
    }
    let place = Place::new("locks-members");
    drop(
        place
            .options()
            .size(2 << 20)
            .group_access(true)
            .create()
            .expect("a region"),
    );
    let locks = place.lock_file();
    let options = place.options().group_access(true);
    let opened_by_a_member = || {
        let child = forked(|| {
            // SAFETY: of a list of no groups nothing is read.
            let no_groups = unsafe { libc::setgroups(0, core::ptr::null()) };
            // SAFETY: plain integers.
            let group = unsafe { libc::setresgid(12_345, 12_345, 12_345) };
            // SAFETY: plain integers.
            let user = unsafe { libc::setresuid(12_345, 12_345, 12_345) };
            assert_eq!((no_groups, group, user), (0, 0, 0), "root may");
            match options.open() {
                Ok(region) => drop(jobs(&region).build_producer().expect("a producer")),
                Err(Error::NotARegion { reason, .. }) => {
                    for part in [&*locks.to_string_lossy(), "user 12345", "both files", "group_access"] {
                        assert!(reason.contains(part), "{reason}");
                    }
                    // SAFETY: ends the child.
                    unsafe { libc::_exit(9) }
                }
                Err(error) => panic!("{error}"),
            }
        });
        libc::WEXITSTATUS(status_of_forked(child))
    };
    chown(&place.path, None, Some(12_345)).expect("root may");
    assert_eq!(opened_by_a_member(), 9, "the lock file is not the group's yet");
    chown(&locks, None, Some(12_345)).expect("root may");
    assert_eq!(opened_by_a_member(), 0);
}
