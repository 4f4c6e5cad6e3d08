//! The table of languages. Nothing else lists them.

use std::fmt;

use super::{c, python, schema};
use crate::model::Schema;

/// Every language that there is a generator for, in the order in which they are listed and written.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "schema",
        about: "the text form, one line for each message",
        outputs: &[Output {
            extension: "dmxp",
            write: schema::lines,
        }],
    },
    Language {
        name: "c",
        about: "a header for C11 and C++17",
        outputs: &[Output {
            extension: "h",
            write: c::header,
        }],
    },
    Language {
        name: "python",
        about: "a module for Python 3.11 and newer, and its type stub",
        outputs: &[
            Output {
                extension: "py",
                write: python::module,
            },
            Output {
                extension: "pyi",
                write: python::stub,
            },
        ],
    },
];

/// A language that messages can be written in.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    /// Its name on a command line: lower case, one word.
    pub name: &'static str,
    /// What is written, in a few words, without a full stop.
    pub about: &'static str,
    /// The files of some messages, at least one. No two of [`LANGUAGES`] have the same extension.
    pub outputs: &'static [Output],
}

/// A file that a generator writes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// What follows the dot in its name.
    pub extension: &'static str,
    /// Writes its text. The same schemas give the same text, always.
    pub write: fn(&[Schema]) -> String,
}

/// The text of a file, as [`write()`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// What follows the dot in its name.
    pub extension: &'static str,
    /// What is in it.
    pub text: String,
}

/// A name that is none of [`LANGUAGES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLanguage {
    /// The name.
    pub name: String,
}

impl std::error::Error for UnknownLanguage {}

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.name.chars().take(40).collect();
        let known: Vec<&str> = LANGUAGES.iter().map(|language| language.name).collect();
        write!(
            f,
            "{shown:?} is no language that dmxp writes; it writes {}",
            known.join(", ")
        )
    }
}

/// The language of that name.
///
/// # Errors
/// [`UnknownLanguage`], with the names that there are.
///
/// ```
/// let error = dmxp_schema::generate::language("cobol").unwrap_err();
/// assert_eq!(error.to_string(), r#""cobol" is no language that dmxp writes; it writes schema, c, python"#);
/// ```
pub fn language(name: &str) -> Result<&'static Language, UnknownLanguage> {
    LANGUAGES
        .iter()
        .find(|language| language.name == name)
        .ok_or_else(|| UnknownLanguage { name: name.to_owned() })
}

/// Writes some messages in the language of that name, one text for each of its files.
///
/// # Errors
/// [`UnknownLanguage`], with the names that there are.
///
/// ```
/// use dmxp_schema::{generate, model::Schema};
///
/// let tick: Schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }".parse()?;
/// let files = generate::write("c", &[tick])?;
/// assert_eq!(files[0].extension, "h");
/// assert!(files[0].text.contains("    double price;\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(name: &str, schemas: &[Schema]) -> Result<Vec<GeneratedFile>, UnknownLanguage> {
    language(name).map(|language| language.write(schemas))
}

impl Language {
    /// Writes some messages in this language, one text for each of [`outputs`](Self::outputs).
    #[must_use]
    pub fn write(&self, schemas: &[Schema]) -> Vec<GeneratedFile> {
        let file = |output: &Output| GeneratedFile {
            extension: output.extension,
            text: (output.write)(schemas),
        };
        self.outputs.iter().map(file).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_extensions_can_stand_on_a_command_line_and_none_is_there_twice() {
        let mut taken = HashSet::new();
        for language in LANGUAGES {
            assert!(taken.insert(language.name), "{}", language.name);
            assert!(!language.outputs.is_empty(), "{}", language.name);
            assert!(
                !language.about.is_empty() && !language.about.ends_with('.'),
                "{}",
                language.name
            );
        }
        let mut extensions = HashSet::new();
        for output in LANGUAGES.iter().flat_map(|language| language.outputs) {
            assert!(extensions.insert(output.extension), "{}", output.extension);
        }
        for word in taken.iter().chain(&extensions) {
            assert!(
                word.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
                "{word}"
            );
        }
    }

    #[test]
    fn every_language_is_found_by_its_name_and_writes_every_message() {
        let tick: Schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }".parse().unwrap();
        let ping: Schema = "struct Ping v1 size 4 align 4 { sequence: u32 @0 }".parse().unwrap();
        let schemas = [tick, ping];
        for known in LANGUAGES {
            let files = write(known.name, &schemas).unwrap();
            let extensions: Vec<&str> = known.outputs.iter().map(|output| output.extension).collect();
            assert_eq!(files.iter().map(|file| file.extension).collect::<Vec<_>>(), extensions);
            for file in files {
                for word in ["Tick", "price", "Ping", "sequence"] {
                    assert!(
                        file.text.contains(word),
                        "{}: no {word} in\n{}",
                        file.extension,
                        file.text
                    );
                }
                assert!(file.text.ends_with('\n'), "{}", file.extension);
            }
        }
    }
}
