//! Peers in other languages, built when a test first needs them.

use crate::{PeerCommand, python};
use dmxp::DmxpMessage;
use dmxp::schema::generate::{GeneratedFile, LANGUAGES};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The C and Python sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/languages");
const BINDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings");

/// What a peer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `src/bin/peer.rs`.
    Rust,
    /// `languages/peer.c`, linked to the static library.
    C,
    /// `languages/peer.py`, with the package as `bindings/python/stage` lays it out.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rust, Self::C, Self::Python];
}

/// The types of a message for all other languages, generated from its declaration.
#[derive(Debug)]
pub struct Stub {
    name: &'static str,
    files: Vec<GeneratedFile>,
}

impl Stub {
    /// Those of `T`, as `name.h`, `name.py` and so on.
    #[must_use]
    pub fn of<T: DmxpMessage>(name: &'static str) -> Self {
        let schemas = [T::schema()];
        let files = LANGUAGES.iter().flat_map(|language| language.write(&schemas));
        Self {
            name,
            files: files.collect(),
        }
    }
}

/// The peers, ready to be started.
#[derive(Debug)]
pub struct Languages {
    rust: PathBuf,
    c: Option<CProgram>,
    python: Option<Python>,
}

/// A program of the folder `languages` in C, linked to the static library.
#[derive(Debug)]
pub struct CProgram(PathBuf);

/// The Python interpreter, with the package and stubs on its path.
#[derive(Debug)]
pub struct Python {
    interpreter: PathBuf,
    path: OsString,
}

impl Python {
    /// Builds the package with `cargo`, in the target directory in whose `tmp` we may write; `None`, said aloud, where there is
    /// no interpreter.
    ///
    /// # Panics
    /// When it does not build; on CI also without an interpreter.
    #[must_use]
    pub fn build(tmp: &str, stubs: &[Stub]) -> Option<Self> {
        let interpreter = python()?;
        let (directory, target) = directories(tmp);
        place_stubs(&directory, stubs);
        let mut path = stage_package(&target);
        path.push(":");
        path.push(&directory);
        Some(Self { interpreter, path })
    }

    /// A program of the folder `languages`, to be started.
    #[must_use]
    pub fn program(&self, file: &str) -> PeerCommand {
        PeerCommand::new(&self.interpreter)
            .arg(format!("{SOURCES}/{file}"))
            .env("PYTHONPATH", &self.path)
            // The sources are no place for byte code.
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }
}

impl CProgram {
    /// Builds `name.c`, and the library with `cargo`, in the target directory in whose `tmp` we may write; `None`, said aloud, where
    /// there is no compiler.
    ///
    /// # Panics
    /// When it does not build; on CI also without a compiler.
    #[must_use]
    pub fn build(name: &str, tmp: &str, stubs: &[Stub]) -> Option<Self> {
        let (directory, target) = directories(tmp);
        place_stubs(&directory, stubs);
        has_compiler().then(|| Self(compile(name, &target, &directory)))
    }

    /// The program, to be started.
    #[must_use]
    pub fn program(&self) -> PeerCommand {
        PeerCommand::new(&self.0)
    }
}

impl Languages {
    /// Builds the C peer and the Python package with `cargo`, in the target directory in whose `tmp` we may write, and gives
    /// the peers these stubs. `rust` is the Rust peer, which cargo has built.
    ///
    /// # Panics
    /// When something does not build; on CI also when a tool is missing.
    #[must_use]
    pub fn build(rust: &str, tmp: &str, stubs: &[Stub]) -> Self {
        Self {
            rust: rust.into(),
            c: CProgram::build("peer", tmp, stubs),
            python: Python::build(tmp, stubs),
        }
    }

    /// A peer at `channel` of `region`, to be started; `None`, said aloud, where its language is missing.
    #[must_use]
    pub fn peer(&self, language: Language, region: &str, channel: &str, command: &str) -> Option<PeerCommand> {
        let program = match language {
            Language::Rust => Some(PeerCommand::new(&self.rust)),
            Language::C => self.c.as_ref().map(CProgram::program),
            Language::Python => self.python.as_ref().map(|python| python.program("peer.py")),
        };
        if program.is_none() {
            eprintln!("skipped: there is no {language:?} peer");
        }
        Some(program?.arg(region).arg(channel).arg(command))
    }
}

/// Where stubs and peers go, and the target directory.
fn directories(tmp: &str) -> (PathBuf, PathBuf) {
    let target = Path::new(tmp).parent().expect("tmp is in the target directory");
    (Path::new(tmp).join("languages"), target.to_owned())
}

fn place_stubs(directory: &Path, stubs: &[Stub]) {
    fs::create_dir_all(directory).expect("cargo's directory for tests");
    for stub in stubs {
        for file in &stub.files {
            place(&directory.join(format!("{}.{}", stub.name, file.extension)), &file.text);
        }
    }
}

/// Writes a file that other runs of the tests may be reading: they see the old or the new one.
fn place(path: &Path, text: &str) {
    let fresh = beside(path);
    fs::write(&fresh, text).expect("cargo's directory for tests is writable");
    fs::rename(&fresh, path).expect("within a directory");
}

/// A name in the same directory that no other process uses.
fn beside(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.new", std::process::id()))
}

fn has_compiler() -> bool {
    let mut version = Command::new("cc");
    let found = version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if found.status().is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "cc is missing");
    eprintln!("skipped: cc is missing");
    false
}

/// A C program, as the documentation of the C library says to build it.
fn compile(name: &str, target: &Path, directory: &Path) -> PathBuf {
    let (profile, built) = if cfg!(debug_assertions) {
        ("dev", "debug")
    } else {
        ("release", "release")
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "dmxp-c", "--profile", profile]);
    succeed(
        without_flags(&mut cargo)
            .current_dir(BINDINGS)
            .env("CARGO_TARGET_DIR", target),
    );

    // One for each profile: runs of both may be at work.
    let program = directory.join(format!("{name}-{built}"));
    let fresh = beside(&program);
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"])
        .arg("-I")
        .arg(directory)
        .arg(format!("-I{BINDINGS}/c/include"))
        .arg(format!("{SOURCES}/{name}.c"))
        .arg("-o")
        .arg(&fresh)
        .arg(target.join(built).join("libdmxp.a"))
        .args(["-lpthread", "-ldl", "-lm"]);
    succeed(&mut cc);
    fs::rename(&fresh, &program).expect("within a directory");
    program
}

/// The directory with the Python package.
fn stage_package(target: &Path) -> OsString {
    let mut stage = Command::new(format!("{BINDINGS}/python/stage"));
    succeed(without_flags(&mut stage).env("CARGO_TARGET_DIR", target))
        .trim_end()
        .into()
}

/// What other languages load is not built with the flags of these tests, such as a sanitizer's.
fn without_flags(command: &mut Command) -> &mut Command {
    command.env_remove("RUSTFLAGS")
}

/// Runs a tool and returns what it printed.
fn succeed(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("tools print text")
}
