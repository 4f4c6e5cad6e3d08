//! The public API of the crates, item by item, is the one of `tests/api`: a change of it is seen in review, and is meant.
//!
//! After a change that is meant: `DMXP_UPDATE=1 cargo test -p dmxp-tests --test public_api` writes the files.

#![cfg(not(dmxp_stops))]

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The format of rustdoc's JSON that the crate `public-api` reads in the version used here. It is that of Rust 1.95.
const FORMAT: u32 = 57;

/// Auto traits that no caller of these crates relies on; `Send` and `Sync` stay.
const LEFT_OUT: [&str; 5] = [
    "core::marker::Freeze",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// What rustdoc says of a crate, as JSON. That output is unstable: the variable lets this crate alone ask for it.
fn described(package: &str, features: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let name = package.replace('-', "_");
    let run = Command::new(env!("CARGO"))
        .args(["rustdoc", "--locked", "--lib", "--package", package])
        .args(["--features", features])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .args(["--cap-lints", "allow"])
        .env("RUSTC_BOOTSTRAP", &name)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTDOCFLAGS")
        .current_dir(ROOT)
        .output()
        .expect("cargo runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    target.join("doc").join(format!("{name}.json"))
}

/// The number behind `"format_version":`.
fn format_of(json: &str) -> u32 {
    let (_, after) = json.rsplit_once("\"format_version\":").expect("a version");
    let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// A line for each public item; `None` where this toolchain's format is another one.
fn public_api(package: &str, features: &str) -> Option<String> {
    let path = described(package, features);
    let found = format_of(&std::fs::read_to_string(&path).expect("rustdoc's output"));
    if found != FORMAT {
        eprintln!(
            "skipped: this toolchain's rustdoc writes JSON of format {found}; the API is compared in format {FORMAT}"
        );
        return None;
    }
    let api = public_api::Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .build()
        .expect("JSON of this format");
    let lines = api.items().map(|item| item.to_string());
    let kept = lines.filter(|line| {
        !LEFT_OUT
            .iter()
            .any(|left_out| line.contains(&format!("{left_out} for ")))
    });
    Some(kept.map(|line| line + "\n").collect())
}

fn compare(package: &str, features: &str) {
    let Some(found) = public_api(package, features) else {
        return;
    };
    let path = Path::new(ROOT).join("tests/api").join(format!("{package}.txt"));
    if std::env::var_os("DMXP_UPDATE").is_some() {
        std::fs::write(&path, &found).expect("writing the API");
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let only_in = |lines: &str, others: &str, sign: char| -> String {
        let others: std::collections::BTreeSet<&str> = others.lines().collect();
        let missing = lines.lines().filter(|line| !others.contains(line));
        missing.map(|line| format!("{sign} {line}\n")).collect()
    };
    assert!(
        known == found,
        "the public API of {package} is not that of {}:\n{}{}If that is meant: DMXP_UPDATE=1 cargo test -p dmxp-tests --test public_api",
        path.display(),
        only_in(&known, &found, '-'),
        only_in(&found, &known, '+'),
    );
}

#[test]
fn the_public_api_is_the_one_that_is_written_down() {
    compare("dmxp-schema", "json");
    compare("dmxp", "async");
}
