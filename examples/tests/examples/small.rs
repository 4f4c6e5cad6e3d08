//! The examples of one idea each.

use crate::processes::{LIMIT, Region, example, python_package, root};
use std::process::Command;

#[test]
fn a_claim_that_is_dropped_is_never_received() {
    let region = Region::new();
    let mut produce = example("in_place");
    produce.arg("produce");
    region.start(produce).succeed(LIMIT);
    let mut consume = example("in_place");
    consume.arg("consume");
    let mut consume = region.start(consume);
    let turns: Vec<String> = consume
        .prints(9)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .collect();
    assert_eq!(turns, ["0", "1", "2", "3", "5", "6", "7", "8", "9"]);
}

#[test]
fn batches_arrive_complete_and_in_order() {
    let region = Region::new();
    let mut produce = example("batches");
    produce.arg("produce");
    let mut consume = example("batches");
    consume.arg("consume");
    let produce = region.start(produce);
    let received = region.start(consume).succeed(LIMIT);
    produce.succeed(LIMIT);
    assert_eq!(received.matches(": 1000000 messages in ").count(), 2, "{received}");
}

/// The blocks of a document in a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).expect("a document");
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Fails unless the Rust blocks of the document stand in the program, in their order. Indentation does not count.
fn program_is_of(document: &str, program: &str) {
    let plain = |text: &str| -> String {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    let source = plain(&std::fs::read_to_string(root().join(program)).expect("a program"));
    let mut rest = source.as_str();
    let blocks = blocks(document, "rust");
    assert!(blocks.len() >= 2, "{document} has programs");
    for block in blocks {
        let block = plain(&block);
        let Some((_, after)) = rest.split_once(&block) else {
            panic!("{program} does not have this block of {document}, after those before it:\n{block}");
        };
        rest = after;
    }
}

#[test]
fn the_programs_of_the_readme_run_in_order() {
    program_is_of("README.md", "examples/readme/main.rs");
    let region = Region::new();
    let folder = std::env::temp_dir().join(format!("dmxp-readme-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut program = example("readme");
    program.arg(&folder);
    let said = region.start(program).succeed(LIMIT);
    assert_eq!(said, "10 at 99.5\njobs 1 and 2\nnews at 1.5 and 1.5\nheading 0.5\n");
    if let Some(package) = python_package() {
        let mut paths = package.clone();
        paths.push(":");
        paths.push(&folder);
        let code = format!("import dmxp\n{}", blocks("README.md", "python").concat());
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", paths).args(["-c", &code]);
        assert_eq!(region.start(python).succeed(LIMIT), "0 99.75\n");
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn published_calls_run_as_they_are_here() {
    let document = "docs/COMING_FROM.md";
    program_is_of(document, "examples/coming_from/main.rs");
    let region = Region::new();
    assert_eq!(region.start(example("coming_from")).succeed(LIMIT), "received data\n");
    if let Some(package) = python_package() {
        let mut python = Command::new("python3");
        python
            .env("PYTHONPATH", package)
            .args(["-c", &blocks(document, "python").concat()]);
        assert_eq!(
            region.start(python).succeed(LIMIT),
            "Hello from Python\nCapacity: 1024\n"
        );
    }
}
