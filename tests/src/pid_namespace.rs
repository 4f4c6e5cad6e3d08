//! PID namespaces (pid_namespaces(7)) for peers: containers, as far as process ids go.
//!
//! A thread that has called unshare(2) or setns(2) stays where it is; the children it starts are in the other namespace. So a
//! peer there is a child of the test like any other.

use crate::{Peer, PeerCommand};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::process::Command;

/// A PID namespace, kept by a process of its own.
#[derive(Debug)]
pub struct PidNamespace {
    file: File,
    _keeper: Peer,
}

impl PidNamespace {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot be made; see [`may_make_pid_namespaces`].
    #[must_use]
    pub fn create() -> Self {
        let keeper = PeerCommand::new("sleep").arg(600).spawn_in_new_pid_namespace();
        let file = File::open(format!("/proc/{}/ns/pid", keeper.pid())).expect("the keeper's namespace");
        Self { file, _keeper: keeper }
    }

    /// Starts a peer in it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(&self, peer: PeerCommand) -> Peer {
        let home = Home::leave(|| enter(&self.file));
        let peer = peer.spawn();
        drop(home);
        peer
    }

    /// Starts a peer in it that gets the process id `pid` there.
    ///
    /// # Panics
    /// When it cannot be started, or does not get the id because a process has it.
    #[must_use]
    pub fn spawn_as(&self, pid: u32, peer: PeerCommand) -> Peer {
        let write = format!("echo {} > /proc/sys/kernel/ns_last_pid", pid - 1);
        let _ = self.spawn(PeerCommand::new("sh").arg("-c").arg(write)).output();
        let peer = self.spawn(peer);
        assert_eq!(peer.inner_pid(), pid, "no other process has it");
        peer
    }
}

impl PeerCommand {
    /// Starts it as process 1 of a new PID namespace.
    ///
    /// # Panics
    /// When it cannot be started; see [`may_make_pid_namespaces`].
    #[must_use]
    pub fn spawn_in_new_pid_namespace(self) -> Peer {
        let home = Home::leave(unshare);
        let peer = self.spawn();
        drop(home);
        peer
    }
}

/// Where the children of this thread go again when it is dropped.
struct Home(File);

impl Home {
    fn leave(away: impl FnOnce() -> io::Result<()>) -> Self {
        let home = Self(File::open("/proc/self/ns/pid").expect("the test's PID namespace"));
        away().expect("another PID namespace");
        home
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        enter(&self.0).expect("the way back is always open");
    }
}

fn unshare() -> io::Result<()> {
    // SAFETY: takes an integer, and changes only where children of this thread go.
    let answer = unsafe { libc::unshare(libc::CLONE_NEWPID) };
    (answer == 0).then_some(()).ok_or_else(io::Error::last_os_error)
}

fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: takes integers, and changes only where children of this thread go.
    let answer = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWPID) };
    (answer == 0).then_some(()).ok_or_else(io::Error::last_os_error)
}

/// Whether the test of this name, which asks, may make PID namespaces.
///
/// An ordinary user may in a user namespace only: then the test is run again in one, has passed there when this returns, and the
/// answer is no. Where that is forbidden too it says so, and the answer is no.
///
/// # Panics
/// When the test fails in the user namespace.
#[must_use]
pub fn may_make_pid_namespaces(test: &str) -> bool {
    // In a thread of its own: this one's children stay here.
    let asked = std::thread::spawn(unshare).join().expect("asking does not panic");
    let Err(refusal) = asked else {
        return true;
    };
    let mut unshare = vec![
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    let permitted = Command::new("unshare").args(&unshare).arg("true").output();
    if !permitted.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no PID namespaces ({refusal}), and none in a user namespace ({permitted:?})");
        return false;
    }
    let program = std::env::current_exe().expect("this program");
    // Below a shell: as process 1 the test would have the pid that it gives to others.
    unshare.extend(["sh", "-c", "\"$@\"; exit $?", "sh"]);
    unshare.extend([program.to_str().expect("cargo's names"), test, "--exact", "--nocapture"]);
    let status = Command::new("unshare").args(&unshare).status();
    let status = status.expect("it was there a moment ago");
    assert!(status.success(), "{test} in a user namespace: {status}");
    false
}
