//! Trials put together, and written down: for people, and for programs.

use super::trial::{Outcome, Trial};
use super::{Killed, Sharing};
use crate::transport::Failure;
use crate::transports::Kind;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Trials that may miss or break off, and a tenth of all, before a row is given up.
const FEW: u64 = 3;

/// All trials of a transport and a kind of end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The transport.
    pub transport: String,
    /// What was killed.
    pub killed: Killed,
    /// How its consumers share.
    pub sharing: Sharing,
    /// Kills, inside the call.
    pub kills: u64,
    /// Trials in which the process was not found inside the call, and not killed.
    pub missed: u64,
    /// Seconds that a message had.
    pub patience: f64,
    /// Trials in which nothing came any more that was sent after the kill.
    pub blocked: u64,
    /// Messages that nobody got, in trials that went on.
    pub lost: u64,
    /// Those of them that a sender sent that was not killed.
    pub lost_of_others: u64,
    /// Trials that went on and lost a message.
    pub losing: u64,
    /// Messages that nobody got in blocked trials: they are still there.
    pub stuck: u64,
    /// Messages that came more than once and did not say so.
    pub doubled: u64,
    /// Messages that came more than once and said so.
    pub flagged: u64,
    /// Trials that broke off, which do not count.
    pub failed: u64,
    /// Why the first of them did.
    pub failure: Option<String>,
}

impl Row {
    fn add(&mut self, outcome: Outcome) {
        self.kills += 1;
        self.doubled += outcome.doubled;
        self.flagged += outcome.flagged;
        if outcome.blocked {
            self.blocked += 1;
            self.stuck += outcome.lost;
        } else {
            self.lost += outcome.lost;
            self.lost_of_others += outcome.lost_of_others;
            self.losing += u64::from(outcome.lost > 0);
        }
    }
}

/// Kills until `times` kills have hit.
pub(super) fn row(
    kind: Kind,
    killed: Killed,
    sharing: Sharing,
    many_senders: bool,
    times: u64,
    patience: Duration,
) -> Row {
    let trial = Trial {
        kind,
        killed,
        sharing,
        many_senders,
        patience,
    };
    let mut row = Row {
        transport: kind.name().to_owned(),
        killed,
        sharing,
        kills: 0,
        missed: 0,
        patience: patience.as_secs_f64(),
        blocked: 0,
        lost: 0,
        lost_of_others: 0,
        losing: 0,
        stuck: 0,
        doubled: 0,
        flagged: 0,
        failed: 0,
        failure: None,
    };
    let mut attempt = 0;
    while row.kills < times && row.missed.max(row.failed) <= FEW + times / 10 {
        // Up to 3 ms, spread evenly: multiples of the golden section.
        let part = (attempt as f64 * 0.618_033_988_749_895).fract();
        attempt += 1;
        match trial.run(Duration::from_secs_f64(part * 3e-3)) {
            Ok(Some(outcome)) => row.add(outcome),
            Ok(None) => row.missed += 1,
            Err(why) => {
                row.failed += 1;
                row.failure.get_or_insert_with(|| why.to_string());
            }
        }
    }
    row
}

/// A row of the table.
pub(super) fn line(row: &Row) -> String {
    let mut line = format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        row.transport,
        row.killed.name(),
        row.kills,
        row.blocked,
        row.lost,
        row.lost_of_others,
        row.losing,
        row.stuck,
        row.doubled,
        row.flagged
    );
    if let Some(why) = &row.failure {
        let why = why.lines().next().unwrap_or_default();
        let _ = write!(line, " {} more broke off: {why}", row.failed);
    }
    line
}

/// The table, with what its columns mean.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(HEADING);
    let patience = rows.iter().map(|row| row.patience).fold(0.0, f64::max);
    let _ = writeln!(
        text,
        "\n\nOne process was killed (`kill -9`) inside a send or inside a receive while another of its kind went on, or took its place \
         where a transport has one at a time. *Blocked*: nothing that was sent afterwards came within {patience} s. *Lost*: messages \
         whose send had returned and that nobody got within {patience} s, where the channel went on, *of others* those of a sender that was not killed; *stuck*: the same where it was \
         blocked. *Doubled*: came twice and did not say so; *flagged*: came twice and the second one said so. Messages that the killed \
         consumer had noted before it died count as received.\n"
    );
    text.push_str("| | killed | kills | blocked | lost | of others | in kills | stuck | doubled | flagged |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        // What stands after the last column belongs below the table.
        let line = line(row);
        let end = line.rfind('|').map_or(line.len(), |end| end + 1);
        let _ = writeln!(text, "{}", &line[..end]);
    }
    for row in rows.iter().filter(|row| row.failure.is_some()) {
        let why = row.failure.as_deref().unwrap_or_default();
        let why = why.lines().next().unwrap_or_default();
        let _ = writeln!(
            text,
            "\n{}, {} killed: {} trials broke off and do not count: {why}",
            row.transport,
            row.killed.name(),
            row.failed
        );
    }
    text
}

const HEADING: &str = "## Messages lost when a process is killed";

/// Writes `losses.json` and `losses.md`, and puts both into a report that is there.
pub(super) fn write(rows: &[Row], directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("losses.json"), serde_json::to_string_pretty(rows)?)?;
    fs::write(directory.join("losses.md"), markdown(rows))?;
    let (report, all) = (directory.join("report.md"), directory.join("report.json"));
    if let Ok(text) = fs::read_to_string(&report) {
        // The table is the report's last part.
        let before = text.split(HEADING).next().unwrap_or_default().trim_end();
        fs::write(&report, format!("{before}\n\n{}", markdown(rows)))?;
    }
    if let Ok(text) = fs::read_to_string(&all) {
        let mut json: serde_json::Value = serde_json::from_str(&text)?;
        json["losses"] = serde_json::to_value(rows)?;
        fs::write(&all, serde_json::to_string_pretty(&json)?)?;
    }
    Ok(())
}

/// What `write` has left in that directory, if it has.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(directory: &Path) -> Result<Option<Vec<Row>>, Failure> {
    match fs::read_to_string(directory.join("losses.json")) {
        Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
