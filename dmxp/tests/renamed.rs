//! A crate that calls its dependency otherwise: `ipc = { package = "dmxp" }`. The macros find the name in its manifest.

use std::path::Path;
use std::process::Command;

const PROGRAM: &str = r#"
#[ipc::message]
struct Tick {
    price: f64,
}

#[derive(ipc::DmxpMessage)]
enum Reading {
    Tick(Tick),
    Offline,
}

#[derive(ipc::DmxpMessage)]
#[repr(u8)]
enum Side {
    Buy,
}

fn main() {
    use ipc::{DmxpMessage, message::Enumeration, message::TaggedUnion};
    assert_eq!((Tick::SCHEMA.name, Side::ENUM.name, Reading::UNION.name), ("Tick", "Side", "Reading"));
}
"#;

#[test]
fn a_renamed_dependency_works() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("renamed-{}", std::process::id()));
    let source = folder.join("src");
    std::fs::create_dir_all(&source).expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        "[workspace]\n[package]\nname = \"renamed\"\nedition = \"2024\"\n[dependencies]\nipc = {{ package = \"dmxp\", path = {here:?} }}\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    std::fs::write(source.join("main.rs"), PROGRAM).expect("a program");
    // The versions that are there already.
    std::fs::copy(here.join("../Cargo.lock"), folder.join("Cargo.lock")).expect("versions");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("renamed-target"))
        .current_dir(&folder)
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
