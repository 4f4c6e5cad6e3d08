//! The programs of docs/tutorial and docs/V1_CLIENT.md compile, and do what they say.

use super::channel;
use super::markdown::{ROOT, blocks, document, section};
use super::schemas::messages::Reading;
use dmxp::DmxpMessage;
use dmxp_tests::TestRegion;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Compiles the n-th C program below a heading of a document; `None`, with a word on standard error, where there is no compiler.
fn compile(document: &str, heading: &str, index: usize, dir: &Path, options: &[&str]) -> Option<PathBuf> {
    let found = std::process::Command::new("cc").arg("--version").output();
    if found.is_err() {
        assert!(std::env::var_os("CI").is_none(), "cc is missing");
        eprintln!("skipped: cc is missing");
        return None;
    }
    let source = dir.join(format!("{index}.c"));
    std::fs::write(&source, &blocks(&section(document, heading), "c")[index]).expect("writing a program");
    let program = dir.join(format!("program-{index}"));
    let compiled = std::process::Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()
        .expect("cc runs");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    Some(program)
}

/// A directory that goes when the test does.
struct Scratch(PathBuf);

impl Scratch {
    fn new(label: &str) -> Self {
        let dir = std::env::temp_dir().join(TestRegion::fresh_name(label));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_programs_in_c_compile() {
    let document = document("docs/tutorial/C.md");
    let scratch = Scratch::new("documents-c");
    let header = dmxp::schema::generate::c::header(&[Reading::schema()]);
    std::fs::write(scratch.0.join("readings.h"), header).expect("writing the header");
    let generated = format!("-I{}", scratch.0.display());
    let library = format!("-I{ROOT}/bindings/c/include");
    for index in 0..2 {
        compile(
            &document,
            "## The programs",
            index,
            &scratch.0,
            &[&generated, &library, "-c"],
        );
    }
}

#[test]
fn the_program_by_hand_receives_what_we_send() {
    let document = document("docs/V1_CLIENT.md");
    let scratch = Scratch::new("documents-v1");
    let Some(program) = compile(&document, "## A complete consumer in C", 0, &scratch.0, &[]) else {
        return;
    };
    let region = TestRegion::new("documents-v1", 2 << 20);
    let producer = channel(&region, 7, 4)
        .with_v1_peers(true)
        .build_producer()
        .expect("a producer");
    let consumer = dmxp_tests::PeerCommand::new(program)
        .arg(region.region.path().display())
        .arg(7)
        .arg(100)
        .spawn();
    for number in 0..100 {
        producer
            .send_timeout(format!("message {number}"), Duration::from_secs(60))
            .expect("room");
    }
    let expected: String = (0..100)
        .map(|number| format!("{}: message {number}\n", number + 1))
        .collect();
    assert_eq!(consumer.output(), expected);
}
