//! What errors tell a program to call, in its language.

use super::Error;

/// A language of the bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// The C library.
    C,
    /// The Python package.
    Python,
}

/// What the texts of errors name, in Rust, C and Python.
const WORDS: [[&str; 3]; 10] = [
    [
        "RegionOptions::max_processes",
        "dmxp_region_options.max_processes",
        "Region(max_processes=...)",
    ],
    [
        "RegionOptions::max_handles",
        "dmxp_region_options.max_handles",
        "Region(max_handles=...)",
    ],
    ["Region::channels", "dmxp_region_list_channels", "Region.channels()"],
    ["RegionOptions::dir", "dmxp_region_options.dir", "`dir`"],
    [
        "RegionOptions::remove",
        "dmxp_region_remove",
        "Region.remove(force=True)",
    ],
    [
        "RegionOptions::accept_owner",
        "dmxp_region_options.accept_owner",
        "`accept_owner`",
    ],
    ["RegionOptions::secret", "dmxp_region_options.secret", "`secret`"],
    [
        "with_lossy_subscribers",
        "dmxp_channel_options.lossy_subscribers",
        "lossy_subscribers=True",
    ],
    ["with_priorities", "dmxp_channel_options.priorities", "priorities=True"],
    [
        "with_packed_slots",
        "dmxp_channel_options.packed_slots",
        "packed_slots=True",
    ],
];

impl Error {
    /// The text for programs in another language: what it says to call is called as it is there.
    #[doc(hidden)]
    #[must_use]
    pub fn text_in(&self, language: Language) -> String {
        WORDS.iter().fold(self.to_string(), |text, [rust, c, python]| {
            let there = match language {
                Language::C => c,
                Language::Python => python,
            };
            text.replace(rust, there)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, WORDS};
    use crate::error::Error;
    use std::path::Path;

    #[test]
    fn no_language_is_told_to_call_what_it_has_not() {
        for [rust, c, python] in WORDS {
            let error = Error::invalid(format!("do it ({rust}), or not"));
            assert_eq!(error.text_in(Language::C), format!("do it ({c}), or not"));
            assert_eq!(error.text_in(Language::Python), format!("do it ({python}), or not"));
        }
    }

    /// Texts of errors stand in literals; those that name a call of the Rust interface have their row.
    #[test]
    fn every_call_that_an_error_names_is_in_the_table() {
        fn look(folder: &Path, named: &mut Vec<(String, String)>) {
            for entry in std::fs::read_dir(folder)
                .expect("a folder")
                .map(|entry| entry.expect("an entry").path())
            {
                if entry.is_dir() {
                    look(&entry, named);
                    continue;
                }
                let source = std::fs::read_to_string(&entry).expect("a source");
                // Until the tests, and without this table.
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                if entry.ends_with("error/words.rs") || entry.ends_with("open/options.rs") {
                    continue;
                }
                for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    for literal in line.split('"').skip(1).step_by(2) {
                        let parts = literal.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                        named.extend(
                            parts
                                .filter(|part| {
                                    part.starts_with("Region") && part.contains("::") || part.starts_with("with_")
                                })
                                .map(|part| (part.to_owned(), entry.display().to_string())),
                        );
                    }
                }
            }
        }
        let mut named = Vec::new();
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);
        assert!(named.len() > 5, "{named:?}");
        for (name, place) in named {
            assert!(
                WORDS.iter().any(|[rust, ..]| *rust == name),
                "{name} in {place} has no row"
            );
        }
    }
}
