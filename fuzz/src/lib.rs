//! What is fuzzed: one function for each target, which takes any bytes at all and panics when a promise is broken.
//!
//! libFuzzer runs them from `fuzz/libfuzzer`; `cargo test` runs them over the kept inputs in `fuzz/corpus`, and over some that are drawn
//! ([`draw`]). README.md has the commands.
//!
//! - [`region`]: a real region is damaged, then attached and used
//! - [`live`]: a region is damaged while it is used
//! - [`region_raw`]: a file that never was a region is attached and used
//! - [`schema_text`], [`schema_binary`], [`schema_json`]: the parsers, and the way from each form to the others
//! - [`codec`]: messages to JSON values and back, by any schema
//! - [`compat`]: the comparison of any two schemas

mod base;
mod damage;
pub mod draw;
mod input;
mod sample;
mod schemas;
mod scratch;
mod session;

pub use schemas::{codec, compat, schema_binary, schema_json, schema_text};

use base::BASE;
use damage::Damage;
use input::Input;
use scratch::Scratch;
use session::Session;

/// A target: its name, which is that of its corpus, its function, and what draws an input for it from a seed.
pub type Target = (&'static str, fn(&[u8]), fn(u64) -> Vec<u8>);

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("region", region, draw::region),
    ("live", live, draw::live),
    ("region_raw", region_raw, draw::region_raw),
    ("schema_text", schema_text, draw::schema_text),
    ("schema_binary", schema_binary, draw::schema_binary),
    ("schema_json", schema_json, draw::schema_json),
    ("codec", codec, draw::codec),
    ("compat", compat, draw::compat),
];

/// A real region, damaged in up to 15 places and perhaps of another length, is attached and used.
pub fn region(data: &[u8]) {
    let mut input = Input::new(data);
    let scratch = Scratch::new(&BASE.bytes);
    for _ in 0..input.below(16) {
        Damage::read(&mut input).apply(&scratch.file, &BASE);
    }
    if input.below(8) == 1 {
        // Lengths on both sides of the end, on and off the pages.
        let step = [1, 8, 4_096, 98_432][input.below(4)];
        let len = BASE
            .len()
            .saturating_add_signed(step * i64::from(input.byte().cast_signed()));
        scratch.file.set_len(len).expect("the scratch file takes any length");
    }
    Session::new(&scratch).run(&mut input, None);
}

/// A real region is attached and used, and damaged in between.
pub fn live(data: &[u8]) {
    let scratch = Scratch::new(&BASE.bytes);
    Session::new(&scratch).run(&mut Input::new(data), Some(&BASE));
}

/// A file that never was a region is attached and used: bytes as they come, or pieces of bytes in a larger file.
pub fn region_raw(data: &[u8]) {
    let mut input = Input::new(data);
    let scratch = match input.below(4) {
        0 => Scratch::new(input.rest()),
        _ => {
            let pages = u64::from(input.u16() % 512);
            let odd = [0, 1, 4_095, 64][input.below(4)];
            let scratch = Scratch::new(&[]);
            scratch.file.set_len(pages * 4_096 + odd).expect("a length below 3 MiB");
            for _ in 0..input.below(32) {
                let offset = u64::from(input.u32());
                let count = usize::from(input.byte());
                scratch.write(offset % (pages * 4_096 + 1), input.take(count));
            }
            scratch
        }
    };
    Session::new(&scratch).run(&mut input, None);
}
