//! A whole measurement. A block is a case with all its subjects, one right after the other, between two raw round trips; blocks of all
//! cases take turns, so that each case sees all states of the machine, and a ratio within a block compares runs of the same state. Who
//! comes first in a block changes from repetition to repetition.

use crate::plan::{Case, Sizes, Subject, cases};
use crate::python;
use crate::results::{Block, Results};
use crate::run::{Cast, run};
use crate::statistics::Latency;
use crate::transport::Failure;
use crate::transports::Kind;
use crate::workloads::Workload;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much.
    pub sizes: Sizes,
    /// Parts of the names of cases; all where there are none.
    pub only: Vec<String>,
    /// Only say what there is.
    pub list: bool,
    /// Whether Python takes part.
    pub python: bool,
}

/// Measures, and tells on standard error how far it is. `None` if there was only something to say.
///
/// # Errors
/// When nothing can be measured; a subject that fails is in the results.
pub fn measure(options: &Options) -> Result<Option<Results>, Failure> {
    let wanted = |id: &str| options.only.is_empty() || options.only.iter().any(|part| id.contains(part.as_str()));
    let cases: Vec<Case> = cases(options.sizes)
        .into_iter()
        .filter(|case| wanted(&case.id))
        .collect();
    if options.list {
        for case in &cases {
            let names: Vec<String> = case.subjects.iter().map(|subject| subject.name()).collect();
            println!("{}: {}", case.id, names.join("; "));
        }
        return Ok(None);
    }
    let started = Instant::now();
    let mut blocks: Vec<Block> = Vec::new();
    for repetition in 0..options.sizes.repetitions {
        for case in &cases {
            let failed = |subject: &Subject| {
                let of_case = |block: &&Block| block.case == case.id;
                let runs = blocks.iter().filter(of_case).flat_map(|block: &Block| &block.runs);
                runs.filter(|(other, run)| other == subject && run.is_err()).count()
            };
            // Who has failed twice has had its chance, and the time that it takes is missed elsewhere.
            let subjects = case.subjects.iter().copied().filter(|subject| failed(subject) < 2);
            let block = block(case, &subjects.collect::<Vec<_>>(), repetition, options.sizes)?;
            eprintln!(
                "{:4.0} s  {}/{}  {:<24} raw round trip {:.0} ns",
                started.elapsed().as_secs_f64(),
                repetition + 1,
                options.sizes.repetitions,
                case.id,
                block.raw_ns()
            );
            for (subject, run) in &block.runs {
                if let Err(why) = run {
                    eprintln!("        {}: {why}", subject.name());
                }
            }
            blocks.push(block);
        }
    }
    let (python, python_missing) = if !options.python || !wanted("python") {
        (Vec::new(), Some("left out".to_owned()))
    } else {
        match python::measure(options.sizes) {
            Ok(runs) => (runs, None),
            Err(why) => (Vec::new(), Some(why.to_string())),
        }
    };
    if let Some(why) = &python_missing {
        eprintln!("Python not measured: {why}");
    }
    Ok(Some(Results {
        machine: machine(),
        at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
        sizes: options.sizes,
        cases,
        blocks,
        python,
        python_missing,
    }))
}

fn block(case: &Case, subjects: &[Subject], repetition: usize, sizes: Sizes) -> Result<Block, Failure> {
    let before = raw(sizes)?;
    let mut runs: Vec<_> = Vec::new();
    let count = subjects.len();
    for place in 0..count {
        let subject = subjects[(place + repetition * 5) % count];
        let measured = run(subject.kind, case.bytes, case.workload(subject), case.cast(subject));
        runs.push((subject, measured.map_err(|error| error.to_string())));
    }
    Ok(Block {
        case: case.id.clone(),
        repetition,
        raw: [before, raw(sizes)?],
        runs,
    })
}

/// The round trip of a bare number, between processes like everything else.
fn raw(sizes: Sizes) -> Result<Latency, Failure> {
    let cast = Cast {
        senders: 1,
        receivers: 1,
        processes: true,
        pinned: true,
    };
    let trips = Workload::RoundTrip {
        trips: sizes.trips,
        blocking: false,
    };
    let measured = run(Kind::BareLine, 8, trips, cast)?;
    measured
        .latency
        .ok_or_else(|| "the raw round trip has no figure".into())
}

/// Processor, cores and kernel.
fn machine() -> String {
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let virtual_machine = if processors.contains("hypervisor") {
        ", virtual"
    } else {
        ""
    };
    format!(
        "{}{virtual_machine}, {} cores, Linux {}",
        field(&processors, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        std::thread::available_parallelism().map_or(0, usize::from),
        kernel.trim()
    )
}
