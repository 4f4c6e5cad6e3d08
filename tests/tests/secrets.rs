//! Only processes that give its secret attach to a region that has one.

use dmxp::{Error, Region, RegionOptions};
use dmxp_tests::TestRegion;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const SECRET: [u8; 16] = *b"sixteen of them.";
const OTHER: [u8; 16] = *b"not that secret!";

/// A region with this secret, and no process attached to it.
fn left_alone(label: &str, secret: Option<[u8; 16]>) -> TestRegion {
    let name = TestRegion::fresh_name(label);
    let mut options = RegionOptions::new().name(&name).size(2 << 20);
    if let Some(secret) = secret {
        options = options.secret(secret);
    }
    drop(options.create().expect("a region"));
    TestRegion {
        name: name.clone(),
        region: options.open_read_only().expect("a region to look at"),
    }
}

fn options(region: &TestRegion) -> RegionOptions {
    RegionOptions::new().name(&region.name)
}

fn refusal<T: core::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Err(error @ Error::SecretMismatch { .. }) => error.to_string(),
        other => panic!("{other:?} where the secret should be refused"),
    }
}

#[test]
fn who_gives_the_secret_attaches_and_who_does_not_is_refused() {
    let region = left_alone("secret", Some(SECRET));
    let (none, wrong, right) = (
        options(&region),
        options(&region).secret(OTHER),
        options(&region).secret(SECRET),
    );
    for (options, expected) in [
        (&none, "it has a secret, and none was given (RegionOptions::secret)"),
        (
            &wrong,
            "its secret is another one than was given; it may be somebody else's region",
        ),
    ] {
        for attach in [
            RegionOptions::open as fn(&RegionOptions) -> dmxp::Result<Region>,
            RegionOptions::open_or_create,
            RegionOptions::open_read_only,
        ] {
            let said = refusal(attach(options));
            assert!(said.contains(&region.name) && said.contains(expected), "{said}");
        }
        assert!(refusal(options.remove(false)).contains(expected));
    }
    drop(right.open_read_only().expect("looking"));
    drop(right.open().expect("attaching"));
    right.remove(false).expect("removing");
}

#[test]
fn a_secret_where_there_is_none_is_refused() {
    let region = left_alone("no-secret", None);
    let said = refusal(options(&region).secret(SECRET).open());
    assert!(
        said.ends_with("it has no secret, and one was given; it may be somebody else's region"),
        "{said}"
    );
    drop(options(&region).open().expect("attaching"));
}

#[test]
fn who_is_attached_already_must_give_it_again() {
    let options = RegionOptions::new().size(2 << 20).secret(SECRET);
    let region = TestRegion::with("again", options);
    let name = RegionOptions::new().name(&region.name);
    assert!(refusal(name.open()).contains("none was given"));
    assert!(refusal(name.clone().secret(OTHER).open()).contains("another one"));
    assert_eq!(name.secret(SECRET).open().expect("the same").info().processes, 1);
}

#[test]
fn another_process_without_it_is_refused() {
    let region = TestRegion::with("process", RegionOptions::new().size(2 << 20).secret(SECRET));
    let peer = std::process::Command::new(env!("CARGO_BIN_EXE_peer"))
        .args([&region.name, "0", "create", "0", "1", "2"])
        .output()
        .expect("a peer");
    let said = String::from_utf8_lossy(&peer.stderr);
    assert!(!peer.status.success() && said.contains("none was given"), "{said}");
    assert_eq!(region.region.info().channels, 0);
}

#[test]
fn the_refusal_does_not_tell_how_much_was_right() {
    let region = left_alone("bits", Some(SECRET));
    let expected = refusal(options(&region).secret(OTHER).open());
    for bit in 0..128 {
        let mut guess = SECRET;
        guess[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(refusal(options(&region).secret(guess).open()), expected);
    }
}

#[test]
fn a_secret_of_zeros_is_a_mistake() {
    let name = TestRegion::fresh_name("zeros");
    let options = RegionOptions::new().name(&name).size(2 << 20).secret([0; 16]);
    for refused in [options.create(), options.create_anonymous()] {
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("a secret of zeros"), "{said}");
    }
    assert!(matches!(
        RegionOptions::new().name(&name).open(),
        Err(Error::RegionNotFound { .. })
    ));
}

#[test]
fn a_secret_is_not_printed() {
    let options = RegionOptions::new().size(2 << 20).secret(SECRET);
    let region = options.create_anonymous().expect("a region");
    for printed in [
        format!("{options:?}"),
        format!("{options:#?}"),
        format!("{region:?}"),
        format!("{:?}", region.info()),
    ] {
        // "six", as text, in numbers and in hexadecimal.
        for part in ["six", "115, 105, 120", "73, 69, 78", "736978", "0x736978", "786973"] {
            assert!(!printed.contains(part), "{printed}");
        }
    }
}

#[test]
fn a_secret_lies_where_the_format_says() {
    let region = left_alone("place", Some(SECRET));
    let file = std::fs::File::open(region.region.path()).expect("the file");
    // docs/MEMORY_LAYOUT.md: control_offset in the GlobalHeader, secret in the ControlHeader.
    let mut offset = [0; 8];
    file.read_exact_at(&mut offset, 56).expect("control_offset");
    let mut stored = [0; 16];
    file.read_exact_at(&mut stored, u64::from_le_bytes(offset) + 80)
        .expect("the secret");
    assert_eq!(stored, SECRET);
}

#[test]
fn a_region_without_a_name_is_attached_to_by_who_gives_its_secret() {
    let region = RegionOptions::new()
        .size(2 << 20)
        .secret(SECRET)
        .create_anonymous()
        .expect("a region");
    let descriptor = region.descriptor().expect("a descriptor");
    assert!(refusal(RegionOptions::new().attach_read_only(&descriptor)).contains("none was given"));
    drop(
        RegionOptions::new()
            .secret(SECRET)
            .attach_read_only(&descriptor)
            .expect("looking"),
    );
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let timeout = Duration::from_secs(60);
    std::thread::scope(|scope| {
        let giver = scope.spawn(|| region.hand_over(&here, timeout));
        let received = RegionOptions::new().secret(OTHER).receive(&there, timeout);
        assert!(refusal(received).contains("another one"));
        assert!(matches!(giver.join().expect("no panic"), Err(Error::HandOver { .. })));
    });
}
