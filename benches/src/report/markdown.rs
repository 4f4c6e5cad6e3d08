//! Tables. Each figure is a median with its quartiles, beside what it is in raw round trips of its block.

use crate::losses;
use crate::results::{FAST, Metric, Results};
use crate::statistics::Spread;
use crate::targets::Verdict;
use std::fmt::Write;

/// Three digits, and more where there are more before the point.
fn digits(figure: f64) -> String {
    let decimals = match figure {
        f if f >= 100.0 => 0,
        f if f >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{figure:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

fn spread(spread: Spread) -> String {
    format!(
        "**{}** ({} - {})",
        digits(spread.median),
        digits(spread.low),
        digits(spread.high)
    )
}

/// The whole report. Writing to a string does not fail.
pub(super) fn report(results: &Results, verdicts: &[Verdict], losses: Option<&[losses::Row]>) -> String {
    let mut text = String::new();
    head(&mut text, results);
    targets(&mut text, verdicts);
    for case in &results.cases {
        table(&mut text, results, &case.id, &case.title);
    }
    python(&mut text, results);
    if let Some(losses) = losses {
        text.push('\n');
        text.push_str(&losses::markdown(losses));
    }
    text
}

fn head(text: &mut String, results: &Results) {
    let all = results.blocks.len();
    let fast = results.blocks.iter().filter(|block| block.is_fast()).count();
    let raw = Spread::of(results.blocks.iter().map(|block| block.raw_ns()).collect());
    let _ = writeln!(
        text,
        "# Benchmarks\n\n{}. {} repetitions of each block, interleaved. Figures are medians (first quartile - third quartile).\n",
        results.machine, results.sizes.repetitions
    );
    if let Some(raw) = raw {
        let _ = writeln!(
            text,
            "State of the machine: **{}**. The raw round trip of two cache lines was {} ns over all {all} blocks; in {fast} of them the \
             machine was fast (under {FAST} ns). \"x raw\" is a figure divided by the raw round trip of its block.\n",
            state(fast, all),
            spread(raw)
        );
    }
}

/// The machine's state in so many of all blocks.
fn state(fast: usize, all: usize) -> &'static str {
    match fast {
        0 => "slow",
        _ if fast == all => "fast",
        _ if 2 * fast > all => "mostly fast",
        _ => "mostly slow",
    }
}

fn targets(text: &mut String, verdicts: &[Verdict]) {
    text.push_str(
        "## Targets\n\nThey hold where the machine is fast.\n\n| target | fast | | slow |\n|---|---|---|---|\n",
    );
    for verdict in verdicts {
        let fast = verdict.fast.map_or("not measured".to_owned(), spread);
        let slow = verdict.slow.map_or(String::new(), spread);
        let met = match verdict.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let _ = writeln!(text, "| {} | {fast} | {met} | {slow} |", verdict.target);
    }
}

fn table(text: &mut String, results: &Results, case: &str, title: &str) {
    let Some(raw) = results.raw(case) else {
        return;
    };
    let subjects: Vec<_> = results
        .cases
        .iter()
        .filter(|other| other.id == case)
        .flat_map(|case| case.subjects.iter().copied())
        .collect();
    let metrics: Vec<Metric> = Metric::ALL
        .into_iter()
        .filter(|&metric| {
            let has = |&subject: &_| results.spread(case, subject, metric).is_some();
            subjects.iter().any(has)
        })
        .collect();
    let fast = results.blocks(case).filter(|block| block.is_fast()).count();
    let state = state(fast, results.blocks(case).count());
    let _ = writeln!(text, "\n## {title}\n\nRaw round trip: {} ns, {state}.\n", spread(raw));
    text.push_str("| |");
    let per_message = metrics.contains(&Metric::PerMessage);
    for metric in &metrics {
        let _ = write!(text, " {} |", metric.name());
    }
    if per_message {
        text.push_str(" million a second |");
    }
    // What comes and goes has nothing to do with a round trip.
    let beside_raw = matches!(metrics.first(), Some(Metric::PerMessage | Metric::P50));
    if beside_raw {
        text.push_str(" x raw |");
    }
    let columns = metrics.len() + usize::from(per_message) + usize::from(beside_raw);
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns));
    for subject in subjects {
        let _ = write!(text, "| {} |", subject.name());
        let figures: Vec<_> = metrics
            .iter()
            .map(|&metric| results.spread(case, subject, metric))
            .collect();
        if figures.iter().all(Option::is_none) {
            let why = results
                .blocks(case)
                .flat_map(|block| &block.runs)
                .find_map(|(other, run)| (*other == subject).then_some(run.as_ref().err()).flatten());
            let why = why.map_or("not measured", |why| why.lines().next().unwrap_or_default());
            let _ = writeln!(text, " {why} |{}", " |".repeat(columns - 1));
            continue;
        }
        for figure in &figures {
            let _ = write!(text, " {} |", figure.map_or(String::new(), spread));
        }
        if per_message {
            let rate = figures[0].map_or(String::new(), |figure| digits(1e3 / figure.median));
            let _ = write!(text, " {rate} |");
        }
        if beside_raw {
            let ratio = results.in_round_trips(case, subject, metrics[0]);
            let _ = write!(text, " {} |", ratio.map_or(String::new(), spread));
        }
        text.push('\n');
    }
}

fn python(text: &mut String, results: &Results) {
    text.push_str("\n## Python, receiving from a Rust producer, 64 bytes unless it says otherwise\n\n");
    if let Some(why) = &results.python_missing {
        let _ = writeln!(text, "Not measured: {why}.");
        return;
    }
    text.push_str("| | million a second |\n|---|---|\n");
    let mut seen = Vec::new();
    for run in &results.python {
        if !seen.contains(&run.what) {
            seen.push(run.what.clone());
            let rates = results.python.iter().filter(|other| other.what == run.what);
            let rates = Spread::of(rates.map(|run| run.per_second / 1e6).collect());
            let _ = writeln!(text, "| {} | {} |", run.title, rates.map_or(String::new(), spread));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn figures_have_three_digits_and_thousands_stand_apart() {
        let shown = [0.5, 9.994, 12.34, 123.4, 1_234_567.8].map(super::digits);
        assert_eq!(shown, ["0.50", "9.99", "12.3", "123", "1,234,568"]);
    }
}
