//! The kept inputs, and some that are drawn, on whatever toolchain the tests run on.

use std::path::Path;

/// Inputs drawn for each target, unless `DMXP_DRAWN` says how many.
const DRAWN: u64 = 200;

/// Runs a target over its corpus, and what is drawn for it.
fn replay(name: &str) {
    let (_, target, draw) = dmxp_fuzz::TARGETS
        .into_iter()
        .find(|(target, ..)| *target == name)
        .expect("a target of that name");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = std::fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("an entry of the corpus").path();
        let input = std::fs::read(&path).expect("an input");
        // Named where a panic's output shows it.
        println!("{}", path.display());
        target(&input);
        count += 1;
    }
    assert!(count >= 10, "{count} inputs in {}", corpus.display());
    let drawn = std::env::var("DMXP_DRAWN").map_or(DRAWN, |drawn| drawn.parse().expect("DMXP_DRAWN is a number"));
    for seed in 0..drawn {
        println!("seed {seed}");
        target(&draw(seed));
    }
    println!("{name}: {count} inputs, {drawn} drawn");
}

macro_rules! replays {
    ($($target:ident),+ $(,)?) => {
        $(#[test] fn $target() { replay(stringify!($target)); })+

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($target)),+];
            assert_eq!(dmxp_fuzz::TARGETS.map(|(name, ..)| name), replayed);
        }
    };
}

replays!(
    region,
    live,
    region_raw,
    schema_text,
    schema_binary,
    schema_json,
    codec,
    compat
);
