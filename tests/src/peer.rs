//! Peer processes that cannot outlive a test.

use crate::{PATIENCE, until};
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process of a test. Killed when dropped, and by the kernel when the test dies.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    what: String,
}

/// A peer to be started.
#[derive(Debug)]
pub struct PeerCommand {
    command: Command,
}

impl PeerCommand {
    /// A program with arguments.
    #[must_use]
    pub fn new(program: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let die_with_the_test = || {
            // SAFETY: prctl with these arguments touches no memory.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            Ok(())
        };
        // SAFETY: prctl is a plain system call, which may be made between fork and exec.
        unsafe { command.pre_exec(die_with_the_test) };
        Self { command }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl ToString) -> Self {
        self.command.arg(arg.to_string());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Lets it have a descriptor, under the number that it has here. It must be open until the start.
    #[must_use]
    pub fn inherit(mut self, descriptor: BorrowedFd<'_>) -> Self {
        let number = descriptor.as_raw_fd();
        let keep_at_exec = move || {
            // SAFETY: plain integers.
            match unsafe { libc::fcntl(number, libc::F_SETFD, 0) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: fcntl is a plain system call, which may be made between fork and exec.
        unsafe { self.command.pre_exec(keep_at_exec) };
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(mut self) -> Peer {
        let what = format!("{:?}", self.command);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        Peer { child, what }
    }

    /// Starts it and waits for its output; see [`Peer::output`].
    ///
    /// # Panics
    /// When it fails or takes too long.
    #[must_use]
    pub fn output(self) -> String {
        self.spawn().output()
    }
}

impl Peer {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and returns what it printed.
    ///
    /// # Panics
    /// When it does not end with success within [`PATIENCE`].
    #[must_use]
    pub fn output(self) -> String {
        let what = self.what.clone();
        let (text, status) = self.ended();
        assert!(status.success(), "{what}: {status}\n{text}");
        text
    }

    /// Waits for its end, whatever it is, and returns what it printed and how it ended.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    #[must_use]
    pub fn ended(mut self) -> (String, ExitStatus) {
        let mut stdout = self.child.stdout.take().expect("standard output is a pipe");
        // Read beside the wait: a peer that prints more than a pipe holds must not wait for us.
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let status = self
            .wait(PATIENCE)
            .unwrap_or_else(|| panic!("{} did not end in time", self.what));
        let text = reader.join().expect("reading does not panic");
        (text, status)
    }

    /// Waits for its end, at most `timeout`.
    ///
    /// # Panics
    /// When the system refuses to say.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for a child") {
                return Some(status);
            }
            if started.elapsed() > timeout {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it was already waited for.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill takes two integers; the process is our child and was not waited for, so the number is its own.
        let sent = unsafe { libc::kill(self.pid() as libc::pid_t, signal) };
        assert_eq!(sent, 0, "{} is there", self.what);
    }

    /// Stops it, and waits until each of its threads has stopped: a signal that was sent has not yet arrived.
    ///
    /// # Panics
    /// When it was already waited for, or does not stop within [`PATIENCE`].
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        until("the stop", || {
            // SAFETY: integers and unused bytes, all of which may be zero.
            let mut said: libc::siginfo_t = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is to a siginfo_t of this thread, and the process is our child.
            let answer = unsafe { libc::waitid(libc::P_PID, self.pid(), &mut said, libc::WSTOPPED | libc::WNOHANG) };
            assert_eq!(answer, 0, "{} is there", self.what);
            said.si_signo == libc::SIGCHLD
        });
    }

    /// Its state letter, as proc_pid_stat(5) has it.
    ///
    /// # Panics
    /// When it was already waited for.
    #[must_use]
    pub fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the peer is there");
        let (_, after_name) = stat.rsplit_once(')').expect("a name");
        after_name.trim_start().chars().next().expect("a state")
    }

    /// Its process id in the innermost of its PID namespaces.
    ///
    /// # Panics
    /// When it was already waited for.
    #[must_use]
    pub fn inner_pid(&self) -> u32 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the peer is there");
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let inner = pids.and_then(|pids| pids.split_ascii_whitespace().last());
        inner.expect("a pid").parse().expect("a number")
    }

    /// Kills it with SIGKILL and waits until the kernel has let go of all it held.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its children.
    #[must_use]
    pub fn children(&self) -> Vec<i32> {
        let list = format!("/proc/{0}/task/{0}/children", self.pid());
        let list = std::fs::read_to_string(list).unwrap_or_default();
        list.split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// Whether it has a child.
    #[must_use]
    pub fn has_child(&self) -> bool {
        !self.children().is_empty()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The Python interpreter, or `None` with a word on standard error where there is none; on CI that is a failure.
///
/// # Panics
/// On CI, when there is none.
#[must_use]
pub fn python() -> Option<PathBuf> {
    // Itself: what is found by the name may be a script that looks for it at each start.
    let asked = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .stderr(Stdio::null())
        .output();
    if let Ok(output) = asked
        && output.status.success()
        && let Ok(path) = String::from_utf8(output.stdout)
    {
        return Some(path.trim_end().into());
    }
    assert!(std::env::var_os("CI").is_none(), "python3 is missing");
    eprintln!("skipped: python3 is missing");
    None
}
