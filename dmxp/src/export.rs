//! Writing schemas and stubs for other languages, from a list of types: [`export!`](crate::export!).

use crate::schema::generate::{self, LANGUAGES, Language};
use crate::schema::model::Schema;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Gives a program a `main` that writes the types' schemas and their stubs for other languages.
///
/// Put it in a binary or an example of the crate that declares the messages:
///
/// ```no_run
/// #[dmxp::message]
/// struct Tick {
///     price: f64,
///     volume: u64,
/// }
///
/// #[dmxp::message]
/// struct Order {
///     id: u64,
/// }
///
/// dmxp::export! { Tick, Order }
/// ```
///
/// The program takes
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `--dir DIR` | where the files go; made if it does not exist | the current directory |
/// | `--name NAME` | the files' name without extension | `messages` |
/// | `--lang LIST` | names of [`LANGUAGES`](crate::schema::generate::LANGUAGES), with commas | all |
/// | `--check` | write nothing; fail if a file differs from what would be written. For CI | |
///
/// and writes `NAME.EXTENSION` for each file of each language, for example `NAME.h`. Same types, same bytes, every run. It exits with 0, with 1 when a file differs or cannot be written, and with 2 for wrong arguments.
#[macro_export]
macro_rules! export {
    ($($message:ty),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::export::run(&[$(<$message as $crate::DmxpMessage>::schema()),+], ::std::env::args().skip(1))
        }
    };
}

/// What [`export!`](crate::export!) runs: `arguments` are those of the command line, without the program's name.
pub fn run(schemas: &[Schema], arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", usage());
            return ExitCode::from(2);
        }
    };
    let mut outcome = ExitCode::SUCCESS;
    for (path, text) in options.files(schemas) {
        let done = if options.check {
            check(&path, &text)
        } else {
            write(&path, &text)
        };
        match done {
            Ok(word) => println!("{word} {}", path.display()),
            Err(problem) => {
                eprintln!("{}: {problem}", path.display());
                outcome = ExitCode::FAILURE;
            }
        }
    }
    outcome
}

fn usage() -> String {
    let names: Vec<&str> = LANGUAGES.iter().map(|language| language.name).collect();
    let mut text = format!(
        "usage: [--dir DIR] [--name NAME] [--lang {}] [--check]",
        names.join(",")
    );
    for Language { name, about, .. } in LANGUAGES {
        text += &format!("\n  {name:8} {about}");
    }
    text
}

struct Options {
    dir: PathBuf,
    name: String,
    languages: Vec<&'static Language>,
    check: bool,
}

impl Options {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            dir: ".".into(),
            name: "messages".into(),
            languages: LANGUAGES.iter().collect(),
            check: false,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--check" {
                options.check = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("`{argument}` is not an option, or lacks its value"))?;
            match argument.as_str() {
                "--dir" => options.dir = value.into(),
                "--name" => options.name = value,
                "--lang" => {
                    let languages: Result<_, _> = value.split(',').map(generate::language).collect();
                    options.languages = languages.map_err(|error| error.to_string())?;
                }
                _ => return Err(format!("`{argument}` is not an option")),
            }
        }
        Ok(options)
    }

    fn files(&self, schemas: &[Schema]) -> Vec<(PathBuf, String)> {
        let path = |extension: &str| self.dir.join(format!("{}.{extension}", self.name));
        let files = self.languages.iter().flat_map(|language| language.write(schemas));
        files.map(|file| (path(file.extension), file.text)).collect()
    }
}

fn write(path: &Path, text: &str) -> Result<&'static str, String> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
    }
    std::fs::write(path, text).map_err(|error| error.to_string())?;
    Ok("wrote")
}

fn check(path: &Path, text: &str) -> Result<&'static str, String> {
    let found = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if found == text {
        return Ok("up to date:");
    }
    let line = found
        .lines()
        .zip(text.lines())
        .take_while(|(found, expected)| found == expected)
        .count()
        + 1;
    Err(format!(
        "differs from the types from line {line} on; run the export again without --check"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(schemas: &[Schema], arguments: &[&str]) -> bool {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        format!("{:?}", run(schemas, arguments)) == format!("{:?}", ExitCode::SUCCESS)
    }

    #[test]
    fn what_is_written_passes_the_check_and_what_was_changed_does_not() {
        let schema: Schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }"
            .parse()
            .expect("a schema");
        let dir = std::env::temp_dir().join(format!("dmxp-export-{}", std::process::id()));
        let dir_argument = dir.to_str().expect("a path");
        let schemas = [schema];
        assert!(run_with(&schemas, &["--dir", dir_argument, "--name", "tick"]));
        assert!(run_with(
            &schemas,
            &["--dir", dir_argument, "--name", "tick", "--check"]
        ));
        for extension in LANGUAGES
            .iter()
            .flat_map(|language| language.outputs)
            .map(|output| output.extension)
        {
            let path = dir.join(format!("tick.{extension}"));
            let text = std::fs::read_to_string(&path).expect("it was written");
            assert!(text.contains("Tick") && text.contains("price"), "{text}");
            std::fs::write(&path, text.replace("price", "Price")).expect("a change");
            assert!(
                !run_with(&schemas, &["--dir", dir_argument, "--name", "tick", "--check"]),
                "{extension}"
            );
            std::fs::write(&path, text).expect("the change undone");
        }
        std::fs::remove_dir_all(dir).expect("cleaning up");
    }

    #[test]
    fn only_the_languages_asked_for_are_written_and_unknown_ones_are_refused_with_the_names() {
        let schemas: [Schema; 1] = ["struct Tick v1 size 8 align 8 { price: f64 @0 }"
            .parse()
            .expect("a schema")];
        let parse = |list: &str| Options::parse(["--lang", list].map(String::from));
        let names = |list: &str| -> Vec<String> {
            let files = parse(list).expect("known languages").files(&schemas);
            files.iter().map(|(path, _)| path.display().to_string()).collect()
        };
        assert_eq!(names("c"), ["./messages.h"]);
        assert_eq!(
            names("python,schema"),
            ["./messages.py", "./messages.pyi", "./messages.dmxp"]
        );

        let refused = parse("c,cobol").err().expect("it is none of them");
        for known in LANGUAGES {
            assert!(refused.contains(known.name), "{refused}");
            assert!(
                usage().contains(known.name) && usage().contains(known.about),
                "{}",
                usage()
            );
        }
        assert!(!run_with(&schemas, &["--lang", "cobol"]));
    }
}
