//! Reading the documents: sections, tables, numbers, blocks of code.

use std::path::Path;

pub(super) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

pub(super) fn document(name: &str) -> String {
    let path = Path::new(ROOT).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between a heading and the next one of any level. Lines of code are not headings.
pub(super) fn section(text: &str, heading: &str) -> String {
    let mut inside = false;
    let mut found = None::<String>;
    for line in text.lines() {
        inside ^= line.starts_with("```");
        match &mut found {
            Some(_) if !inside && line.starts_with('#') => break,
            Some(body) => {
                body.push_str(line);
                body.push('\n');
            }
            None if !inside && line == heading => found = Some(String::new()),
            None => {}
        }
    }
    found.unwrap_or_else(|| panic!("no heading `{heading}`"))
}

/// The cells of the table whose head begins so.
pub(super) fn table(section: &str, head: &str) -> Vec<Vec<String>> {
    let lines = section.lines().skip_while(|line| !line.starts_with(head));
    let rows: Vec<Vec<String>> = lines
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim().trim_matches('|').trim().to_owned())
                .collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table `{head}`");
    rows
}

/// `1,088`, `` `0x10` ``, `98,432`.
pub(super) fn number(text: &str) -> u64 {
    let plain = text.replace([',', '`'], "");
    let parsed = match plain.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => plain.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The lines between ```` ```LANGUAGE ```` and ```` ``` ````, a text a block.
pub(super) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(tag)) => open = Some((tag == language, String::new())),
            (Some((wanted, body)), Some(_)) => {
                if *wanted {
                    found.push(std::mem::take(body));
                }
                open = None;
            }
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The text without its blocks of code.
pub(super) fn prose(text: &str) -> String {
    let mut inside = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside && !line.starts_with("    ") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// As the documents write numbers.
pub(super) fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}
