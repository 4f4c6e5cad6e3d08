//! Examples as processes: built first, in a region of their own, and never waited for longer than a bound.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far more than any example takes; a hang is a failure and not a hang of the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// With a build before it.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_secs(1200);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
}

/// The example's executable, as built for the profile of the tests.
pub(crate) fn example(name: &str) -> Command {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // <target>/<profile>/deps/<this test>
        let test = std::env::current_exe().expect("a test knows its path");
        let profile = test.ancestors().nth(2).expect("tests lie in <profile>/deps").to_owned();
        let target = profile.parent().expect("profiles lie in the target folder");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build
            .current_dir(root())
            .args(["build", "--quiet", "--package", "dmxp-examples", "--examples"]);
        build.arg("--target-dir").arg(target);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        Process::start(build).succeed(BUILD_LIMIT);
        profile.join("examples")
    });
    Command::new(folder.join(name))
}

/// The Python package, for PYTHONPATH; `None`, said aloud, where there is no Python. On CI that is a failure.
pub(crate) fn python_package() -> Option<&'static OsString> {
    static PACKAGE: OnceLock<Option<OsString>> = OnceLock::new();
    let package = PACKAGE.get_or_init(|| {
        if Command::new("python3").arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "python3 is missing, and CI is set");
            return None;
        }
        let stage = Process::start(Command::new(root().join("bindings/python/stage")));
        Some(stage.succeed(BUILD_LIMIT).trim_end().into())
    });
    if package.is_none() {
        eprintln!("skipped: python3 is missing");
    }
    package.as_ref()
}

/// A region of one test, removed with it.
pub(crate) struct Region {
    name: String,
}

impl Region {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("dmxp-examples-{}-{number}", std::process::id()),
        }
    }

    pub(crate) fn start(&self, mut command: Command) -> Process {
        command.env("DMXP_REGION", &self.name);
        Process::start(command)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A test that failed early may not have made it.
        let _ = dmxp::RegionOptions::new().name(&self.name).remove(true);
    }
}

/// A process that is killed if the test ends before it does. Its standard error is the test's.
pub(crate) struct Process {
    command: String,
    child: Child,
    output: String,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Self {
            child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")),
            command: format!("{command:?}"),
            output: String::new(),
        }
    }

    /// Waits until the process has printed so many lines.
    pub(crate) fn prints(&mut self, lines: usize) -> &str {
        let mut byte = [0];
        let stdout = self.child.stdout.as_mut().expect("standard output is piped");
        while self.output.lines().count() < lines || !self.output.ends_with('\n') {
            match stdout.read(&mut byte).expect("a pipe can be read") {
                0 => panic!("{} printed only {:?}", self.command, self.output),
                _ => self.output.push(byte[0].into()),
            }
        }
        &self.output
    }

    /// Waits for the end. What the process prints must fit a pipe, 64 KiB.
    pub(crate) fn end(mut self, limit: Duration) -> (ExitStatus, String) {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(Instant::now() < deadline, "{} took over {limit:?}", self.command);
            sleep(Duration::from_millis(5));
        };
        let mut rest = Vec::new();
        let mut stdout = self.child.stdout.take().expect("standard output is piped");
        stdout.read_to_end(&mut rest).expect("a pipe can be read");
        let output = std::mem::take(&mut self.output) + &String::from_utf8_lossy(&rest);
        (status, output)
    }

    /// Waits for the end, which must be a success. Returns what it printed.
    pub(crate) fn succeed(self, limit: Duration) -> String {
        let command = self.command.clone();
        let (status, output) = self.end(limit);
        assert!(status.success(), "{command}: {status}\n{output}");
        output
    }

    /// Waits for the end, which must be a failure. Returns its standard error, which must be piped.
    pub(crate) fn fail(mut self, limit: Duration) -> String {
        let mut stderr = self.child.stderr.take().expect("standard error is piped");
        let command = self.command.clone();
        let (status, output) = self.end(limit);
        assert_eq!(status.code(), Some(1), "{command}: {status}\n{output}");
        let mut errors = String::new();
        stderr.read_to_string(&mut errors).expect("errors are UTF-8");
        errors
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
