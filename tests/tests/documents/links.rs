//! Links and file names against what is there.

use super::markdown::{ROOT, prose};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The Markdown files of the repository.
fn markdown_files() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Build output, and what tools keep for themselves.
            if name.starts_with('.') || path.join("CACHEDIR.TAG").exists() || name == "target" || name == "node_modules"
            {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(ROOT), &mut found);
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

/// The name by which links reach a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect()
}

/// `(target, line)` of the links `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let ends = prose.match_indices("](").map(|(at, _)| at + 2);
    ends.map(|start| prose[start..].split([')', ' ']).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn links_between_the_documents_resolve() {
    let mut broken = Vec::new();
    for file in markdown_files() {
        let text = std::fs::read_to_string(&file).expect("a readable document");
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, fragment) = link
                .split_once('#')
                .map_or((&*link, None), |(path, fragment)| (path, Some(fragment)));
            let target = match path {
                "" => file.clone(),
                path => file.parent().expect("a directory").join(path),
            };
            let reached = target.exists()
                && fragment.is_none_or(|fragment| {
                    std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(fragment))
                });
            if !reached {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Words of a text that name a place below one of the repository's directories.
fn places(text: &str, roots: &BTreeSet<String>) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    text.split(|c: char| !is_part(c))
        .map(|word| word.trim_end_matches(['.', '/']).trim_start_matches("./"))
        .filter(|word| word.split_once('/').is_some_and(|(root, _)| roots.contains(root)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn files_that_the_documents_name_exist() {
    let root = Path::new(ROOT);
    let entries = std::fs::read_dir(root).expect("the repository");
    let roots: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let mut missing = Vec::new();
    for file in markdown_files() {
        let text = std::fs::read_to_string(&file).expect("a readable document");
        for place in places(&text, &roots) {
            // From the root of the repository, or, as in a link, from the document.
            let beside = file.parent().expect("a directory").join(&place);
            if !root.join(&place).exists() && !beside.exists() {
                missing.push(format!("{}: {place}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_documents_name_no_place_of_one_machine() {
    for file in markdown_files() {
        let text = std::fs::read_to_string(&file).expect("a readable document");
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '`' | '(' | ')' | '"' | '=' | ':')) {
            let mut parts = Path::new(word).components();
            let absolute = parts.next() == Some(Component::RootDir);
            let first = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let is_of_one_machine = matches!(first.as_deref(), Some("home" | "root" | "work" | "Users"));
            assert!(!(absolute && is_of_one_machine), "{}: {word}", file.display());
        }
    }
}
