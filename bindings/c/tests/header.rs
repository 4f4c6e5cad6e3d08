//! include/dmxp.h is what cbindgen makes of the source. `DMXP_UPDATE=1 cargo test -p dmxp-c --test header` writes it.

use std::path::Path;

#[test]
fn the_header_is_that_of_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let mut made = Vec::new();
    // One source file at a time, in this order: the crate's dependencies need not be resolved for that.
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in [
        "status",
        "region",
        "hand_over",
        "channel",
        "shared",
        "producer",
        "consumer",
        "packed",
        "wait_set",
        "recovery",
        "statistics",
        "peek",
        "peers",
    ] {
        builder = builder.with_src(root.join(format!("src/{file}.rs")));
    }
    builder.generate().expect("the source can be read").write(&mut made);
    let made = String::from_utf8(made).expect("the source is UTF-8");

    let path = root.join("include/dmxp.h");
    if std::env::var_os("DMXP_UPDATE").is_some() {
        std::fs::write(&path, &made).expect("the header can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let first = made
        .lines()
        .zip(stored.lines())
        .position(|(made, stored)| made != stored);
    assert!(
        made == stored,
        "include/dmxp.h is not that of the source, from line {} on; run: DMXP_UPDATE=1 cargo test -p dmxp-c --test header",
        first.map_or(made.lines().count().min(stored.lines().count()), |line| line) + 1
    );
}
