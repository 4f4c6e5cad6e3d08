//! Horizontal bars, fastest first: medians, with quartiles as whiskers, on a logarithmic scale, since the slowest take a thousand times
//! as long as the fastest.

use crate::plan::Case;
use crate::results::{Metric, Results};
use crate::statistics::Spread;
use std::fmt::Write;

const SHOWN: [(&str, Metric); 3] = [
    ("throughput-1-1-64", Metric::PerMessage),
    ("round-trip-64", Metric::P50),
    ("wake-64", Metric::P50),
];
const WIDTH: f64 = 900.0;
const LABELS: f64 = 290.0;
const BAR: f64 = 16.0;
const ROW: f64 = 22.0;
const HEAD: f64 = 44.0;

/// The chart as a file's text. Writing to a string does not fail.
pub(super) fn svg(results: &Results) -> String {
    let mut panels = String::new();
    let mut height = 0.0;
    for (id, metric) in SHOWN {
        if let Some(case) = results.cases.iter().find(|case| case.id == id) {
            panel(&mut panels, &mut height, results, case, metric);
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{panels}</svg>\n"
    )
}

fn panel(text: &mut String, height: &mut f64, results: &Results, case: &Case, metric: Metric) {
    let mut rows: Vec<(String, bool, Spread)> = case
        .subjects
        .iter()
        .filter_map(|&subject| {
            let spread = results.spread(&case.id, subject, metric)?;
            Some((subject.name(), subject.kind.is_ours(), spread))
        })
        .collect();
    rows.sort_by(|one, other| one.2.median.total_cmp(&other.2.median));
    let lows = rows.iter().map(|row| row.2.low);
    let highs = rows.iter().map(|row| row.2.high);
    let (Some(least), Some(most)) = (lows.min_by(f64::total_cmp), highs.max_by(f64::total_cmp)) else {
        return;
    };
    // Bars begin at the power of ten below the least.
    let start = 10_f64.powf(least.max(0.1).log10().floor());
    let scale = (WIDTH - LABELS - 90.0) / (most / start).log10().max(0.1);
    let x = |figure: f64| LABELS + (figure / start).log10().max(0.0) * scale;
    let top = *height;
    let _ = writeln!(
        text,
        "<text x=\"8\" y=\"{}\" font-size=\"15\" font-weight=\"bold\">{}: {} (logarithmic)</text>",
        top + 24.0,
        case.title,
        metric.name()
    );
    for (row, (name, ours, spread)) in rows.iter().enumerate() {
        let y = top + HEAD + row as f64 * ROW;
        let (middle, baseline) = (y + BAR / 2.0, y + BAR - 4.0);
        let colour = if *ours { "#c2571a" } else { "#8aa0b4" };
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"black\"/>\n\
             <text x=\"{:.1}\" y=\"{baseline}\">{:.0} ns</text>",
            LABELS - 8.0,
            (x(spread.median) - LABELS).max(1.0),
            x(spread.low),
            x(spread.high),
            x(spread.high.max(spread.median)) + 6.0,
            spread.median
        );
    }
    *height = top + HEAD + rows.len() as f64 * ROW + 16.0;
}
