//! `cargo run --release -p dmxp-benches`: measures dmxp beside its peers, prints a table and writes a report. See README.md.

use dmxp_benches::measure::{Options, measure};
use dmxp_benches::plan::Sizes;
use dmxp_benches::transport::Failure;
use dmxp_benches::{losses, report, scale, worker};
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Measures dmxp beside its peers. Nothing else should be running.

usage: dmxp-benches [options]         the report
       dmxp-benches busy [options]    twice as many processes as cores, by default strategies: seven repetitions
       dmxp-benches losses [options]  messages that are lost when a process is killed; see its --help
       dmxp-benches scale [options]   what grows with the number of processes; see its --help

  --quick              everything once, with few messages: whether it works (about a minute)
  --repetitions N      blocks of each case (15)
  --only PART          cases whose name contains PART; may be repeated (--list shows names)
  --list               names of the cases and what takes part
  --out DIRECTORY      where report.md, report.json and chart.svg go (target/benchmarks)
  --no-python          without Python
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", task] => worker::main(task),
        ["losses-part", part] => losses::part(part),
        ["losses", ..] => losses::main(&arguments[1..]),
        ["scale", ..] => scale::main(&arguments[1..]),
        ["busy", ..] => suite(&arguments[1..], Some(BUSY)),
        _ => suite(&arguments, None),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The case of busy processes, and a directory for its report beside that of the whole.
const BUSY: &str = "busy";

/// Measures everything, or one case alone.
fn suite(arguments: &[String], alone: Option<&str>) -> Result<(), Failure> {
    let mut options = Options {
        sizes: Sizes::FULL,
        only: Vec::new(),
        list: false,
        python: true,
    };
    let mut directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/benchmarks");
    if let Some(case) = alone {
        options.only.push(case.to_owned());
        options.sizes.repetitions = 7;
        options.python = false;
        directory.push(case);
    }
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => options.sizes = Sizes::QUICK,
            "--repetitions" => options.sizes.repetitions = value()?.parse()?,
            "--only" => options.only.push(value()?.clone()),
            "--list" => options.list = true,
            "--out" => directory = value()?.into(),
            "--no-python" => options.python = false,
            "--help" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("there is no option {other}\n\n{HELP}").into()),
        }
    }
    let Some(results) = measure(&options)? else {
        return Ok(());
    };
    print!("{}", report::write(&results, &directory)?);
    eprintln!("written to {}", directory.canonicalize()?.display());
    Ok(())
}
