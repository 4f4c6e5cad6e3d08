//! What grows with the number of processes: `dmxp-benches scale` (`benches/run scale`) starts crowds of light processes that open a
//! channel together, that wait, that look after the dead beside each other, and prints what that costs.
//!
//! `crowd` has the processes, `cases` what they do.

mod cases;
mod crowd;

use crate::transport::Failure;
use std::time::Duration;

const HELP: &str = "\
Measures what grows with the number of processes. Nothing else should be running.

usage: dmxp-benches scale [options] [N ...]     numbers of processes (1 10 100 400 1000 2000)
  --only PART          start, idle, deaths, opening, looking
";

const NUMBERS: [usize; 6] = [1, 10, 100, 400, 1_000, 2_000];

/// A figure of each crowd, for one row of the table.
struct Row {
    what: &'static str,
    /// Whether it is said how it grows.
    grows: bool,
    figures: Vec<Result<f64, String>>,
}

/// The command.
///
/// # Errors
/// Those of its arguments. What fails is in the table.
pub fn main(arguments: &[String]) -> Result<(), Failure> {
    let (mut numbers, mut only) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--only" => only.push(arguments.next().ok_or("--only needs a value")?.clone()),
            "--help" => {
                print!("{HELP}");
                return Ok(());
            }
            number => match number.parse() {
                Ok(number @ 1..=4_000) => numbers.push(number),
                _ => return Err(format!("{number} is no number of processes and no option\n\n{HELP}").into()),
            },
        }
    }
    if numbers.is_empty() {
        numbers.extend(NUMBERS);
    }
    let wanted = |case: &str| only.is_empty() || only.iter().any(|part| case.contains(part.as_str()));
    let mut rows = Vec::new();
    for (case, names, measure) in CASES {
        if !wanted(case) {
            continue;
        }
        let mut found: Vec<Vec<Result<f64, String>>> = vec![Vec::new(); names.len()];
        for &number in &numbers {
            let measured = measure(number).map_err(|error| error.to_string());
            eprintln!("{case}, {number}: {measured:.3?}");
            for (index, row) in found.iter_mut().enumerate() {
                row.push(measured.clone().map(|figures| figures[index]));
            }
        }
        rows.extend(
            names
                .iter()
                .zip(found)
                .map(|(&(what, grows), figures)| Row { what, grows, figures }),
        );
    }
    print!("{}", table(&numbers, &rows));
    Ok(())
}

type Case = (
    &'static str,
    &'static [(&'static str, bool)],
    fn(usize) -> Result<Vec<f64>, Failure>,
);

const CASES: [Case; 5] = [
    (
        "start",
        &[
            ("all open, send, receive and leave: time, ms", true),
            ("the same: CPU time of each beyond its start, ms", true),
            ("the same: failures", false),
        ],
        |number| {
            let start = cases::start(number)?;
            if start.failed > 0 {
                eprintln!("{} of {number} failed: {}", start.failed, start.reason);
            }
            Ok(vec![ms(start.took), ms(start.spent_each), f64::from(start.failed)])
        },
    ),
    (
        "idle",
        &[
            ("all wait: CPU, % of a core", true),
            ("as many bare futex sleeps: CPU, % of a core", true),
            ("ratio of the two, one right after the other", false),
        ],
        |number| {
            let idle = cases::idle(number)?;
            Ok(vec![100.0 * idle.spent, 100.0 * idle.bare, idle.ratio])
        },
    ),
    (
        "deaths",
        &[
            ("a dead one's message comes to a waiter: median, ms", false),
            ("the same: longest, ms", false),
        ],
        |number| {
            let times = cases::deaths(number)?;
            Ok(vec![times[times.len() / 2], times[times.len() - 1]])
        },
    ),
    (
        "opening",
        &[
            ("a handle is opened and dropped beside the waiters: median, ms", true),
            ("the same: 99 of 100, ms", true),
        ],
        |number| {
            let (median, p99) = cases::opening(number)?;
            Ok(vec![median, p99])
        },
    ),
    (
        "looking",
        &[
            (
                "`channels()`: 256 channels, 1,000 handles of N processes: CPU time, ms",
                false,
            ),
            ("`info()`: the same, ms", false),
            ("`statistics()`: the same, ms", false),
        ],
        |number| {
            let looking = cases::looking(number)?;
            Ok(vec![looking.channels, looking.info, looking.statistics])
        },
    ),
];

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The exponent with which figures grow: the slope of their logarithms over that of the numbers. 1 is in proportion.
fn slope(numbers: &[usize], figures: &[Result<f64, String>]) -> Option<f64> {
    let points: Vec<(f64, f64)> = numbers
        .iter()
        .zip(figures)
        .filter_map(|(&number, figure)| Some((number as f64, *figure.as_ref().ok()?)))
        // Start and end of a process are most of what a few of them cost.
        .filter(|&(number, figure)| number >= 10.0 && figure > 0.0)
        .map(|(number, figure)| (number.ln(), figure.ln()))
        .collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let common: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (points.len() > 1).then(|| common / spread)
}

fn table(numbers: &[usize], rows: &[Row]) -> String {
    let mut text = String::from("| processes |");
    for number in numbers {
        text += &format!(" {number} |");
    }
    text += " slope |\n|---|";
    text += &"---|".repeat(numbers.len() + 1);
    text.push('\n');
    for row in rows {
        text += &format!("| {} |", row.what);
        for figure in &row.figures {
            text += &match figure {
                Ok(figure) if *figure >= 100.0 || figure.fract() == 0.0 => format!(" {figure:.0} |"),
                Ok(figure) if *figure >= 10.0 => format!(" {figure:.1} |"),
                Ok(figure) => format!(" {figure:.2} |"),
                Err(_) => " failed |".to_owned(),
            };
        }
        match slope(numbers, &row.figures).filter(|_| row.grows) {
            Some(slope) => text += &format!(" {slope:.2} |\n"),
            None => text += " |\n",
        }
    }
    text
}
