//! The texts of errors in docs/TROUBLESHOOTING.md against what the library says.

use super::channel;
use super::markdown::document;
use dmxp::{Error, LockBusy, Start};
use dmxp_tests::TestRegion;
use std::path::PathBuf;

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
    let busy = |reason| Error::ManagementLockBusy { pid: 11_736, reason };
    let no_memory = std::io::Error::from_raw_os_error(libc::ENOSPC);
    let in_use = Error::RegionInUse {
        path: plant(),
        pids: vec![9_564],
    };
    let region = TestRegion::new("documents-texts", 4 << 20);
    let subscriber = channel(&region, 0, 4).with_start(Start::Oldest);
    let no_subscription = subscriber
        .build_consumer()
        .expect_err("no broadcast channel was created");
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
        Error::NoProducers,
        Error::Removed,
        Error::RegionRemoved {
            path: plant(),
            replaced: false,
        },
        Error::RegionMismatch {
            path: plant(),
            property: "size",
            existing: text("134217728"),
            asked: text("4194304"),
        },
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
        busy(LockBusy::Stopped),
        busy(LockBusy::Running),
        busy(LockBusy::Unknown),
        busy(LockBusy::InTurn { turns: 104_729 }),
        busy(LockBusy::MakingChannel { stopped: true }),
        busy(LockBusy::MakingChannel { stopped: false }),
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
            path: plant(),
            reason: text(
                "its lock file /dev/shm/.plant.8b1c2f60d5a94e3784c6f1ab09d27e53.locks is missing, without which nobody can tell which of \
                 its processes live; end the processes that use the region, and remove it with force (RegionOptions::remove, or rm)",
            ),
        },
        Error::NotARegion {
            path: PathBuf::from("memfd:dmxp"),
            reason: text("it is not sealed against shrinking (F_SEAL_SHRINK), growing (F_SEAL_GROW)"),
        },
    ] {
        let said = error.to_string();
        assert!(document.contains(&said), "not quoted: {said}");
    }
}
