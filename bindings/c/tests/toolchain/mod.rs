//! Building the library, compiling programs against it, and running them beside Rust peers.
//!
//! `cargo test` makes no library of type cdylib or staticlib, so [`Toolchain::find`] has cargo make them, in the target
//! directory and profile of the test itself: once that is done, it costs a fraction of a second.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No program of a test takes as long, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A compiler for each language, and the library.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// Where libdmxp.so and libdmxp.a lie.
    library: PathBuf,
}

/// Which language a source is compiled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C11,
    Cpp17,
}

impl Language {
    pub(crate) const BOTH: [Self; 2] = [Self::C11, Self::Cpp17];

    fn compiler(self) -> &'static str {
        match self {
            Self::C11 => "cc",
            Self::Cpp17 => "c++",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::C11 => &["-std=c11"],
            Self::Cpp17 => &["-std=c++17", "-x", "c++"],
        }
    }
}

impl Toolchain {
    /// Where libdmxp.so and libdmxp.a lie.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }

    /// The compilers and the library. Without compilers `None`, and a note that the test is skipped; on CI a failure.
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Toolchain>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let works = |language: &Language| {
                let version = Command::new(language.compiler()).arg("--version").output();
                version.is_ok_and(|output| output.status.success())
            };
            Language::BOTH.iter().all(works).then(|| Self {
                library: build_library(),
            })
        });
        if found.is_none() {
            assert!(std::env::var_os("CI").is_none(), "cc and c++ are needed on CI");
            eprintln!("SKIPPED: needs `cc` and `c++`; install gcc or clang to run this test");
        }
        found.as_ref()
    }

    /// Compiles a source of `tests/programs`.
    pub(crate) fn program(&self, name: &str, language: Language) -> Program {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/programs/{name}.c"));
        self.compile(&source, language, &[])
    }

    /// Compiles a source, warnings being errors, and links it to libdmxp.so.
    pub(crate) fn compile(&self, source: &Path, language: Language, more: &[&str]) -> Program {
        let mut link = vec!["-ldmxp".to_owned(), "-pthread".to_owned()];
        link.push(format!("-L{}", self.library.display()));
        link.push(format!("-Wl,-rpath,{}", self.library.display()));
        self.compile_and_link(source, language, more, &link)
    }

    /// Compiles a source and links it to libdmxp.a.
    pub(crate) fn compile_static(&self, source: &Path, language: Language) -> Program {
        let archive = self.library.join("libdmxp.a").display().to_string();
        let system = ["-pthread", "-ldl", "-lm"].map(str::to_owned);
        let link = [vec![archive], system.to_vec()].concat();
        self.compile_and_link(source, language, &[], &link)
    }

    fn compile_and_link(&self, source: &Path, language: Language, more: &[&str], link: &[String]) -> Program {
        let scratch = Scratch::new();
        let stem = source.file_stem().expect("a source has a name").to_string_lossy();
        let path = scratch.0.join(format!("{stem}-{language:?}"));
        let compiled = Command::new(language.compiler())
            .args(language.options())
            .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic"])
            .arg(concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include"))
            .args(more)
            .arg("-o")
            .arg(&path)
            .arg(source)
            .args(["-x", "none"])
            .args(link)
            .output()
            .expect("the compiler was there before");
        assert!(
            compiled.status.success(),
            "{} as {language:?}:\n{}",
            source.display(),
            String::from_utf8_lossy(&compiled.stderr)
        );
        Program {
            path,
            _scratch: scratch,
        }
    }
}

fn build_library() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's directory for tests is in the target directory");
    let (profile, directory) = if cfg!(debug_assertions) {
        ("dev", "debug")
    } else {
        ("release", "release")
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--lib", "--profile", profile, "--target-dir"])
        .arg(target)
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs this test, so it is there");
    assert!(
        built.status.success(),
        "building libdmxp:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    target.join(directory)
}

/// A directory for programs and generated sources, deleted at the end.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("dmxp-c-{}-{number}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&directory).expect("the target directory is writable");
        Self(directory)
    }

    /// Writes a file there.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the directory is ours");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A compiled program, deleted at the end.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    _scratch: Scratch,
}

impl Program {
    /// Starts it; with [`Running::finish`] it must succeed.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_in(arguments, &[])
    }

    /// Starts it with some environment variables.
    pub(crate) fn start_in(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let child = Command::new(&self.path)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program that was just compiled can be started");
        Running {
            name: self.path.display().to_string(),
            child: Some(child),
        }
    }

    /// Runs it; it must succeed. Returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.start(arguments).finish()
    }
}

/// A program that runs; killed when its test fails.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Option<Child>,
}

impl Running {
    /// Waits for its end; it must succeed. Returns what it printed.
    pub(crate) fn finish(mut self) -> String {
        let end = Instant::now() + PATIENCE;
        let child = self.child.as_mut().expect("finish takes it");
        while child.try_wait().expect("the child is ours").is_none() {
            assert!(Instant::now() < end, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
        let child = self.child.take().expect("finish takes it");
        let Output { status, stdout, stderr } = child.wait_with_output().expect("the child is ours");
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{}: {status}\n{stdout}{stderr}", self.name);
        stdout.into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The name of a region that no other test has, and its end.
#[derive(Debug)]
pub(crate) struct RegionName(pub(crate) String);

impl RegionName {
    pub(crate) fn new(test: &str) -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self(format!("dmxp-c-{test}-{}-{number}", std::process::id()))
    }

    pub(crate) fn options(&self) -> dmxp::RegionOptions {
        dmxp::RegionOptions::new().name(&self.0).size(8 << 20)
    }
}

impl Drop for RegionName {
    fn drop(&mut self) {
        let _ = self.options().remove(true);
        // Of regions that a program has unlinked by hand.
        let prefix = format!(".{}.", self.0);
        for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(&prefix) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
