//! What Python receives from a Rust producer: a process of this program that sends all the time, and `receive.py` beside it. The module
//! is built first, as its users build it.

use crate::payload::{Payload, Words1, Words8};
use crate::plan::Sizes;
use crate::run::CAPACITY;
use crate::transport::Failure;
use dmxp::schema::generate::python;
use dmxp::schema::model::Schema;
use dmxp::{Channel, DmxpMessage, Error, RegionOptions, Wait};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Messages that have room on the channel with packed slots: half a megabyte.
const PACKED_CAPACITY: usize = 1 << 16;
/// Messages of one call that sends there.
const PACKED_AT_ONCE: usize = 4_096;

/// One way to receive, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PythonRun {
    /// A word for it.
    pub what: String,
    /// For people.
    pub title: String,
    /// Messages a second.
    pub per_second: f64,
}

struct Removing(RegionOptions);

impl Drop for Removing {
    fn drop(&mut self) {
        if let Err(error) = self.0.remove(true) {
            eprintln!("{error}");
        }
    }
}

/// Measures each way as often as blocks are repeated.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn measure(sizes: Sizes) -> Result<Vec<PythonRun>, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("DMXP_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let runs = Command::new(&python).arg("--version").output();
    runs.map_err(|error| format!("{python} does not start: {error}"))?;
    let staged = Command::new(&python)
        .arg(root.join("../bindings/python/stage"))
        .stderr(Stdio::inherit())
        .output()?;
    if !staged.status.success() {
        return Err("bindings/python/stage has failed".into());
    }
    let package = String::from_utf8(staged.stdout)?;

    let name = format!("dmxp-bench-python-{}", std::process::id());
    let options = RegionOptions::new().name(&name).size(8 << 20);
    let region = options.create()?;
    let _removing = Removing(options);
    let channel = Channel::<Words8>::builder()
        .with_region(&region)
        .with_name("words")
        .with_capacity(CAPACITY as u64)
        .with_compact_slots(true);
    let producer = channel.build_producer()?;
    let packed = Channel::<Words1>::builder()
        .with_region(&region)
        .with_name("packed")
        .with_capacity(PACKED_CAPACITY as u64)
        .with_packed_slots(true)
        .build_producer()?;
    let schemas = [Schema::try_from(Words8::SCHEMA)?, Schema::try_from(Words1::SCHEMA)?];
    let classes = python::module(&schemas);
    let going_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let sending = &going_on;
        scope.spawn(move || {
            let messages = [Words8::numbered(7); 64];
            send(sending, |wait| producer.send_up_to(&messages, wait));
        });
        let region = &region;
        scope.spawn(move || {
            // Before there is a subscriber nothing holds the sender up: it would take a core from the others.
            let has_subscriber = || {
                let found = region.channel_named("packed");
                found.is_ok_and(|found| !found.consumers.is_empty())
            };
            while sending.load(Ordering::Relaxed) && !has_subscriber() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let messages = vec![Words1::numbered(7); PACKED_AT_ONCE];
            send(sending, |wait| packed.send_up_to(&messages, wait));
        });
        let ended = Command::new("timeout")
            .args(["600", &python])
            .arg(root.join("src/receive.py"))
            .args([&name, &sizes.repetitions.to_string(), &sizes.messages.to_string()])
            .env("PYTHONPATH", package.trim())
            .env("DMXP_BENCH_CLASSES", classes)
            .stderr(Stdio::inherit())
            .output();
        // Nothing but the end of the loop rests on it.
        going_on.store(false, Ordering::Relaxed);
        let ended = ended?;
        if !ended.status.success() {
            return Err("receive.py has failed".into());
        }
        Ok(serde_json::from_slice(&ended.stdout)?)
    })
}

/// Sends all the time, and waits where there is no room.
fn send(going_on: &AtomicBool, some: impl Fn(Wait) -> dmxp::Result<usize>) {
    while going_on.load(Ordering::Relaxed) {
        match some(Wait::For(Duration::from_millis(10))) {
            Ok(_) | Err(Error::Timeout) => {}
            Err(error) => {
                eprintln!("{error}");
                return;
            }
        }
    }
}
