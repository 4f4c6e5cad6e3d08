//! The report: a table for people, the same in Markdown, everything in JSON, and a chart.

mod chart;
mod markdown;

use crate::losses;
use crate::results::Results;
use crate::targets::verdicts;
use crate::transport::Failure;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Writes `report.md`, `report.json` and `chart.svg`, and returns the first. What `losses` has left in that directory is a part of it.
///
/// # Errors
/// Those of writing.
pub fn write(results: &Results, directory: &Path) -> Result<String, Failure> {
    fs::create_dir_all(directory)?;
    let verdicts = verdicts(results);
    let losses = losses::read(directory)?;
    let text = markdown::report(results, &verdicts, losses.as_deref());
    fs::write(directory.join("report.md"), &text)?;
    let all = json!({ "results": results, "targets": verdicts, "losses": losses });
    fs::write(directory.join("report.json"), serde_json::to_string_pretty(&all)?)?;
    fs::write(directory.join("chart.svg"), chart::svg(results))?;
    Ok(text)
}
