//! The owner of a region: files that are refused although their bytes are right.

use dmxp::{Error, RegionOptions};
use dmxp_tests::TestRegion;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

fn refusal(result: dmxp::Result<dmxp::Region>) -> String {
    match result {
        Err(error @ Error::NotARegion { .. }) => error.to_string(),
        other => panic!("{other:?} where the region should be refused"),
    }
}

fn options(region: &TestRegion) -> RegionOptions {
    RegionOptions::new().name(&region.name)
}

/// Whether this process may give files away; says so where it may not.
fn may_chown(region: &TestRegion) -> bool {
    let may = chown(region.region.path(), Some(12_345), None).is_ok();
    if !may {
        eprintln!("skipped: only root can give a file to another user");
    }
    may
}

#[test]
fn a_region_is_its_owners_alone_unless_a_group_is_asked_for() {
    let alone = TestRegion::new("mode", 2 << 20);
    let mode = |region: &TestRegion| region.region.path().metadata().expect("the file").mode() & 0o7777;
    assert_eq!(mode(&alone), 0o600);
    let shared = TestRegion::with("group", RegionOptions::new().size(2 << 20).group_access(true));
    assert_eq!(mode(&shared), 0o660);
}

#[test]
fn a_region_that_everybody_may_write_is_refused() {
    let region = TestRegion::new("world", 2 << 20);
    std::fs::set_permissions(region.region.path(), std::fs::Permissions::from_mode(0o666)).expect("a mode");
    // Read-only: this process is attached already, and opening again for writing gives what it has.
    let text = refusal(options(&region).open_read_only());
    assert!(text.contains("mode 666") && text.contains("chmod o-w"), "{text}");
}

#[test]
fn a_region_under_two_names_is_refused() {
    let region = TestRegion::new("names", 2 << 20);
    let second = region.region.path().with_file_name(format!("{}-second", region.name));
    std::fs::hard_link(region.region.path(), &second).expect("a second name");
    let refused = options(&region).open_read_only();
    std::fs::remove_file(&second).expect("the second name");
    assert!(refusal(refused).contains("2 names"));
    options(&region).open_read_only().expect("one name is right");
}

#[test]
fn a_region_of_another_user_is_refused_unless_that_user_is_accepted() {
    let name = TestRegion::fresh_name("stranger");
    let made = RegionOptions::new()
        .name(&name)
        .size(2 << 20)
        .create()
        .expect("a region");
    // Not attached any more: the next open looks at the file.
    let region = TestRegion {
        name,
        region: options_read_only(made),
    };
    if !may_chown(&region) {
        return;
    }
    let text = refusal(options(&region).open());
    assert!(text.contains("user 12345") && text.contains("accept_owner"), "{text}");
    assert!(refusal(options(&region).accept_owner(54_321).open()).contains("user 12345"));
    // Open to its group, of which root is a member here: still not asked for.
    std::fs::set_permissions(region.region.path(), std::fs::Permissions::from_mode(0o660)).expect("a mode");
    assert!(refusal(options(&region).open()).contains("user 12345"));
    drop(
        options(&region)
            .group_access(true)
            .open()
            .expect("the group was asked for"),
    );
    drop(
        options(&region)
            .accept_owner(12_345)
            .open()
            .expect("the owner was named"),
    );
}

/// Looks at the region instead of being attached to it.
fn options_read_only(attached: dmxp::Region) -> dmxp::Region {
    let name = attached
        .path()
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name")
        .to_owned();
    drop(attached);
    RegionOptions::new()
        .name(name)
        .open_read_only()
        .expect("a region to look at")
}
