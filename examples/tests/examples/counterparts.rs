//! Any producer works with any consumer, whichever is started first.

use crate::processes::{LIMIT, Region, example, python_package, root};
use std::process::Command;

fn rust(program: &str, arguments: &[&str]) -> Command {
    let mut command = example(program);
    command.args(arguments);
    command
}

fn python(program: &str, arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", python_package()?)
        .arg(root().join(format!("examples/python/{program}.py")))
        .args(arguments);
    Some(command)
}

/// `--auto-exit` is how both end anyway.
const ARGUMENTS: [&str; 2] = ["4", "1000"];

fn consumer_first(producer: Command, consumer: Command) {
    let region = Region::new();
    let mut consumer = region.start(consumer);
    // Then it has opened its channels.
    consumer.prints(1);
    let sent = region.start(producer).succeed(LIMIT);
    assert!(sent.contains("sent 4000 messages in "), "{sent}");
    let received = consumer.succeed(LIMIT);
    assert!(received.contains("received 4000 messages in "), "{received}");
    assert!(
        received.contains("latency ") && received.contains(" median"),
        "{received}"
    );
}

fn producer_first(producer: Command, consumer: Command) {
    let region = Region::new();
    let sent = region.start(producer).succeed(LIMIT);
    assert!(sent.contains("sent 4000 messages in "), "{sent}");
    let received = region.start(consumer).succeed(LIMIT);
    assert!(received.contains("received 4000 messages in "), "{received}");
}

#[test]
fn a_consumer_may_be_started_first() {
    consumer_first(rust("producer", &ARGUMENTS), rust("consumer", &ARGUMENTS));
}

#[test]
fn a_producer_may_be_started_first() {
    producer_first(rust("producer", &ARGUMENTS), rust("consumer", &ARGUMENTS));
}

#[test]
fn more_messages_than_slots_pass() {
    let region = Region::new();
    let arguments = ["2", "20000", "--auto-exit"];
    let producer = region.start(rust("producer", &arguments));
    let consumer = region.start(rust("consumer", &arguments));
    producer.succeed(LIMIT);
    consumer.succeed(LIMIT);
}

#[test]
fn with_follow_there_is_another_round() {
    let region = Region::new();
    let mut consumer = region.start(rust("consumer", &["1", "10", "--follow"]));
    let _producer = region.start(rust("producer", &["1", "10", "--follow"]));
    assert_eq!(consumer.prints(5).matches("received 10 messages").count(), 2);
    if let (Some(producer), Some(consumer)) = (
        python("producer", &["1", "10", "--follow"]),
        python("consumer", &["1", "10", "--follow"]),
    ) {
        let region = Region::new();
        let mut consumer = region.start(consumer);
        let _producer = region.start(producer);
        assert_eq!(consumer.prints(5).matches("received 10 messages").count(), 2);
    }
}

/// As published: `producer 4 1000 --auto-exit && consumer 4 1000`.
#[test]
fn published_command_lines_end() {
    let end = |producer: Command, consumer: Command| producer_first(producer, consumer);
    let published = &["4", "1000", "--auto-exit"];
    end(rust("producer", published), rust("consumer", &["4", "1000"]));
    if let (Some(producer), Some(consumer)) = (python("producer", published), python("consumer", &["4", "1000"])) {
        end(producer, consumer);
    }
}

#[test]
fn a_producer_without_a_consumer_says_what_it_waits_for() {
    let arguments = ["1", "1025"];
    let mut programs = vec![rust("producer", &arguments)];
    programs.extend(python("producer", &arguments));
    for program in programs {
        let region = Region::new();
        let mut producer = region.start(program);
        let said = producer.prints(2);
        assert!(
            said.contains("producer: waiting for a consumer: channel 0 is full"),
            "{said}"
        );
        region.start(rust("consumer", &arguments)).succeed(LIMIT);
        assert!(producer.succeed(LIMIT).contains("sent 1025 messages in "));
    }
}

#[test]
fn rust_to_python() {
    if let Some(consumer) = python("consumer", &ARGUMENTS) {
        consumer_first(rust("producer", &ARGUMENTS), consumer);
    }
    if let Some(consumer) = python("consumer", &ARGUMENTS) {
        producer_first(rust("producer", &ARGUMENTS), consumer);
    }
}

#[test]
fn python_to_rust() {
    if let Some(producer) = python("producer", &ARGUMENTS) {
        consumer_first(producer, rust("consumer", &ARGUMENTS));
    }
    if let Some(producer) = python("producer", &ARGUMENTS) {
        producer_first(producer, rust("consumer", &ARGUMENTS));
    }
}

#[test]
fn python_to_python() {
    if let (Some(producer), Some(consumer)) = (python("producer", &ARGUMENTS), python("consumer", &ARGUMENTS)) {
        consumer_first(producer, consumer);
    }
}
