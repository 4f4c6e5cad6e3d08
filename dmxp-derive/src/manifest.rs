//! What the manifest of the crate that is compiled calls `dmxp`: `ipc = { package = "dmxp", … }` makes it `::ipc`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const PACKAGE: &str = "dmxp";

/// The name under which the crate has `dmxp`; `None` where it is its own, or where no manifest tells.
pub(crate) fn renamed() -> Option<String> {
    static FOUND: OnceLock<(PathBuf, Option<String>)> = OnceLock::new();
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let find = |folder: &Path| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        name_in(&manifest, || workspace_of(folder))
    };
    // One crate a process, but for tools that keep macros loaded.
    let (known, name) = FOUND.get_or_init(|| (folder.clone(), find(&folder)));
    if *known == folder { name.clone() } else { find(&folder) }
}

/// The manifest of the workspace that the crate belongs to.
fn workspace_of(folder: &Path) -> Option<String> {
    folder.ancestors().find_map(|folder| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let is_root = tables(&manifest).any(|(table, _)| table.first().is_some_and(|first| first == "workspace"));
        is_root.then_some(manifest)
    })
}

/// What a manifest calls `dmxp` if not that. `workspace` gives the manifest of its workspace.
fn name_in(manifest: &str, workspace: impl Fn() -> Option<String>) -> Option<String> {
    let mut renamed = None;
    for (name, dependency) in dependencies(manifest, |table| !table.starts_with(&["workspace".to_owned()])) {
        let package = match dependency {
            Dependency::Package(package) => package,
            Dependency::Plain => name.clone(),
            Dependency::OfWorkspace => workspace()
                .and_then(|workspace| {
                    dependencies(&workspace, |table| table.starts_with(&["workspace".to_owned()]))
                        .into_iter()
                        .find_map(|(other, dependency)| match dependency {
                            Dependency::Package(package) if other == name => Some(package),
                            _ => None,
                        })
                })
                .unwrap_or_else(|| name.clone()),
        };
        if package == PACKAGE {
            if name == PACKAGE {
                return None;
            }
            renamed.get_or_insert(name.replace('-', "_"));
        }
    }
    renamed
}

#[derive(Clone, PartialEq, Debug)]
enum Dependency {
    /// `package = "…"`
    Package(String),
    /// `workspace = true`
    OfWorkspace,
    /// Anything else.
    Plain,
}

/// The dependencies in the tables of a manifest that are asked for, by the names it gives them.
fn dependencies(manifest: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<(String, Dependency)> {
    let mut found = Vec::<(String, Dependency)>::new();
    let mut note = |name: &str, dependency: Dependency| match found.iter_mut().find(|(known, _)| known == name) {
        // `dmxp.version = "…"` beside `dmxp.package = "…"`.
        Some(_) if dependency == Dependency::Plain => {}
        Some((_, known)) => *known = dependency,
        None => found.push((name.to_owned(), dependency)),
    };
    for (table, lines) in tables(manifest).filter(|(table, _)| wanted(table)) {
        let Some(place) = table.iter().position(|part| part.ends_with("dependencies")) else {
            continue;
        };
        for line in lines {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let mut key = path(key);
            // As one path: `[dependencies.ipc]` and `package = …`, `ipc.package = …`, `ipc = { package = … }`.
            key.splice(0..0, table[place + 1..].iter().cloned());
            match (key.get(1).map(String::as_str), value.trim()) {
                (Some("package"), package) => note(&key[0], Dependency::Package(text(package))),
                (Some("workspace"), value) if value.starts_with("true") => note(&key[0], Dependency::OfWorkspace),
                (None, value) if value.starts_with('{') => note(&key[0], of_inline_table(value)),
                _ => note(&key[0], Dependency::Plain),
            }
        }
    }
    found
}

fn of_inline_table(value: &str) -> Dependency {
    let entries = value.trim_start_matches('{').split([',', '}']);
    for entry in entries {
        match entry.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("package", package)) => return Dependency::Package(text(package)),
            Some(("workspace", "true")) => return Dependency::OfWorkspace,
            _ => {}
        }
    }
    Dependency::Plain
}

/// The tables of a manifest: the parts of their names, and their lines.
fn tables(manifest: &str) -> impl Iterator<Item = (Vec<String>, Vec<&str>)> {
    let mut tables = vec![(Vec::new(), Vec::new())];
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_start_matches('[');
            tables.push((path(name.split(']').next().unwrap_or_default()), Vec::new()));
        } else if !line.starts_with('#')
            && let Some((_, lines)) = tables.last_mut()
        {
            lines.push(line);
        }
    }
    tables.into_iter()
}

/// The parts of `target.'cfg(unix)'.dependencies`.
fn path(dotted: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for character in dotted.trim().chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, '.') => parts.push(String::new()),
            (None, ' ' | '\t') => {}
            (_, character) => parts.last_mut().expect("there is one").push(character),
        }
    }
    parts
}

/// A text without its quotes, and without what follows.
fn text(value: &str) -> String {
    let mut parts = value.split(['"', '\'']);
    parts.nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::name_in;

    fn alone(manifest: &str) -> Option<String> {
        name_in(manifest, || None)
    }

    #[test]
    fn a_dependency_by_its_own_name_is_not_renamed() {
        for manifest in [
            "[dependencies]\ndmxp = \"0.1\"\n",
            "[dependencies]\ndmxp = { version = \"0.1\", features = [\"async\"] }\n",
            "[dependencies]\ndmxp.workspace = true\n",
            "[dependencies.dmxp]\nversion = \"0.1\"\n",
            "[dependencies]\nipc = { package = \"dmxp\", version = \"0.1\" }\ndmxp = \"0.1\"\n",
            "[package]\nname = \"dmxp\"\n[dependencies]\nlibc = \"0.2\"\n",
            "[package.metadata.ipc]\npackage = \"dmxp\"\n",
            "",
        ] {
            assert_eq!(alone(manifest), None, "{manifest}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_found() {
        for manifest in [
            "[dependencies]\nfast-ipc = { package = \"dmxp\", version = \"0.1\" } # ours\n",
            "[dependencies]\nfast-ipc = { version = '0.1', package = 'dmxp' }\n",
            "[dependencies.fast-ipc]\nversion = \"0.1\"\npackage = \"dmxp\" # ours\n",
            "[dependencies]\nfast-ipc.version = \"0.1\"\nfast-ipc.package = \"dmxp\"\n",
            "[dependencies]\nfast-ipc.package = \"dmxp\"\nfast-ipc.version = \"0.1\"\n",
            "[dev-dependencies]\n\"fast-ipc\" = { package = \"dmxp\", path = \"..\" }\n",
            "[target.'cfg(target_os = \"linux\")'.dependencies]\nfast-ipc = { package = \"dmxp\", version = \"0.1\" }\n",
        ] {
            assert_eq!(alone(manifest).as_deref(), Some("fast_ipc"), "{manifest}");
        }
    }

    #[test]
    fn a_workspace_may_rename() {
        let workspace =
            || Some("[workspace.dependencies]\nipc = { package = \"dmxp\", version = \"0.1\" }\n".to_owned());
        for manifest in [
            "[dependencies]\nipc = { workspace = true, features = [\"async\"] }\n",
            "[dependencies]\nipc.workspace = true\n",
            "[dependencies.ipc]\nworkspace = true\n",
        ] {
            assert_eq!(name_in(manifest, workspace).as_deref(), Some("ipc"), "{manifest}");
            assert_eq!(alone(manifest), None, "{manifest}");
        }
        assert_eq!(name_in("[dependencies]\nother.workspace = true\n", workspace), None);
    }
}
