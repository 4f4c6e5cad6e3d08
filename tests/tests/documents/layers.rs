//! The layers of `dmxp`: each uses only those below it in the table of docs/ARCHITECTURE.md.
//!
//! Every path of the source that begins with `crate` or `super` is read, in `use` lines and elsewhere, in tests as well. Not seen are
//! methods that a layer adds to a type of a lower one, and macros that are used by their bare name.

use super::markdown::{ROOT, document, section, table};
use std::path::{Path, PathBuf};

/// The layers, the lowest first.
fn layers() -> Vec<String> {
    let parts = section(&document("docs/ARCHITECTURE.md"), "## Parts");
    let rows = table(&parts, "| layer | holds |");
    rows.iter()
        .rev()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect()
}

/// The Rust files of `dmxp`, as paths below `dmxp/src`.
fn sources() -> Vec<PathBuf> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).expect("a path below the root").to_owned());
            }
        }
    }
    let root = Path::new(ROOT).join("dmxp/src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort();
    assert!(found.len() > 100, "{found:?}");
    found
}

/// Words, `::`, and single characters, without comments and literals; each with its line.
fn tokens(source: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut index, mut line) = (0, 1);
    while index < chars.len() {
        let start = index;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => {
                while index < chars.len() && (at(index), at(index + 1)) != ('*', '/') {
                    index += 1;
                }
                index += 2;
            }
            '"' => {
                index += 1;
                while index < chars.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
            }
            // A character, or else a lifetime, whose word is harmless.
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            c if is_word(c) => {
                while is_word(at(index)) {
                    index += 1;
                }
                found.push((line, chars[start..index].iter().collect()));
            }
            ':' if at(index + 1) == ':' => {
                index += 2;
                found.push((line, "::".to_owned()));
            }
            c => {
                index += 1;
                if !c.is_whitespace() {
                    found.push((line, c.to_string()));
                }
            }
        }
        line += chars[start..index.min(chars.len())]
            .iter()
            .filter(|&&c| c == '\n')
            .count();
    }
    found
}

/// What a path that begins at `index` names first below the root of the crate, with its line: several for a group in braces.
fn targets(tokens: &[(usize, String)], mut index: usize, module: &[String], found: &mut Vec<(usize, String)>) {
    let text = |index: usize| tokens.get(index).map_or("", |(_, text)| text.as_str());
    let mut base = module.to_vec();
    while text(index + 1) == "::" {
        match text(index) {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        index += 2;
    }
    match (base.first(), text(index)) {
        (Some(layer), _) => found.push((tokens[index].0, layer.clone())),
        (None, "{") => {
            let mut depth = 0;
            let mut begins = true;
            for (at, token) in tokens.iter().enumerate().skip(index) {
                match token.1.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ if depth == 1 && begins => targets(tokens, at, &base, found),
                    _ => {}
                }
                begins = matches!(token.1.as_str(), "{" | ",");
                if depth == 0 {
                    break;
                }
            }
        }
        (None, name) => found.push((tokens[index].0, name.to_owned())),
    }
}

/// All that a file's paths name first below the root of the crate.
fn used(module: &[String], source: &str) -> Vec<(usize, String)> {
    let tokens = tokens(source);
    let text = |index: usize| tokens.get(index).map_or("", |(_, text)| text.as_str());
    let mut found = Vec::new();
    // The modules inside the file around a token, with the depth of their braces.
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    for index in 0..tokens.len() {
        match text(index) {
            "{" => {
                depth += 1;
                if index >= 2 && text(index - 2) == "mod" {
                    inside.push((text(index - 1).to_owned(), depth));
                }
            }
            "}" => {
                inside.retain(|(_, opened)| *opened != depth);
                depth -= 1;
            }
            "crate" | "super" if text(index + 1) == "::" && (index == 0 || text(index - 1) != "::") => {
                let inner = inside.iter().map(|(name, _)| name.clone());
                let module: Vec<String> = module.iter().cloned().chain(inner).collect();
                targets(&tokens, index, &module, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// `ring/queue/mod.rs` is the module `ring::queue`.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// The uses of a file that do not point downward.
fn wrong_uses(layers: &[String], file: &Path, source: &str) -> Vec<String> {
    let module = module_of(file);
    let height = |name: &str| layers.iter().position(|layer| layer == name);
    let own = height(&module[0]);
    let allowed = |used: &str| match own {
        Some(own) => height(used).is_some_and(|used| used <= own),
        // Its macro names the trait by the name that users know.
        None => module[0] == "export" && ["export", "schema", "DmxpMessage"].contains(&used),
    };
    let mut wrong = Vec::new();
    if own.is_none() && module[0] != "export" {
        wrong.push(format!("{}: `{}` is no layer", file.display(), module[0]));
    }
    wrong.extend(
        used(&module, source)
            .into_iter()
            .filter(|(_, used)| !allowed(used))
            .map(|(line, used)| format!("{}:{line}: `{}` uses `{used}`", file.display(), module[0])),
    );
    wrong
}

#[test]
fn each_layer_uses_only_those_below_it() {
    let layers = layers();
    let root = Path::new(ROOT).join("dmxp/src");
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|file| *file != Path::new("lib.rs"))
        .flat_map(|file| {
            let source = std::fs::read_to_string(root.join(file)).expect("a readable file");
            wrong_uses(&layers, file, &source)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_layer_of_the_list_exists_and_the_crates_own_list_is_the_same() {
    let layers = layers();
    for layer in &layers {
        let there = sources().iter().any(|file| module_of(file)[0] == *layer);
        assert!(there, "no file of `{layer}`");
    }
    let source = document("dmxp/src/lib.rs");
    let (_, rest) = source.split_once("//! # Layers").expect("the crate's list of layers");
    let (list, _) = rest.split_once("`docs/").expect("its end");
    let named: Vec<&str> = list
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| *name != "async")
        .collect();
    assert_eq!(named, layers);
}

#[test]
fn the_reader_of_paths_finds_what_does_not_point_downward() {
    let layers = ["low", "middle", "high"].map(str::to_owned);
    let wrong = |file: &str, source: &str| wrong_uses(&layers, Path::new(file), source);
    let allowed = "use crate::low::X;\nuse crate::{low, middle::y};\nmod a { use super::super::low; use super::y; }\n\
        // use crate::high;\nconst TEXT: &str = \"crate::high\"; const QUOTE: char = '\"'; fn f<'a>(x: &'a low) {}";
    assert_eq!(wrong("middle.rs", allowed), [""; 0]);
    for (file, source, found) in [
        (
            "middle.rs",
            "\nuse crate::high::X;",
            "middle.rs:2: `middle` uses `high`",
        ),
        (
            "middle/mod.rs",
            "use super::high;",
            "middle/mod.rs:1: `middle` uses `high`",
        ),
        (
            "middle/a.rs",
            "use super::super::{low,\nhigh};",
            "middle/a.rs:2: `middle` uses `high`",
        ),
        (
            "low/a.rs",
            "fn f() -> crate::middle::Y {}",
            "low/a.rs:1: `low` uses `middle`",
        ),
        (
            "middle.rs",
            "mod a { use super::super::high; }",
            "middle.rs:1: `middle` uses `high`",
        ),
        (
            "middle.rs",
            "mod a {} use super::high;",
            "middle.rs:1: `middle` uses `high`",
        ),
        ("high.rs", "use crate::Root;", "high.rs:1: `high` uses `Root`"),
        ("export.rs", "use crate::low;", "export.rs:1: `export` uses `low`"),
        ("other.rs", "", "other.rs: `other` is no layer"),
    ] {
        assert_eq!(wrong(file, source), [found], "{source}");
    }
}
