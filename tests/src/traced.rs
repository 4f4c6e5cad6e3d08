//! A process that is stopped at the system calls it makes (ptrace(2)), to be killed at one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No traced process runs for longer.
const BOUND: Duration = Duration::from_secs(60);

/// The first argument of a prctl(2) that does nothing: system calls count from there.
const MARK: libc::c_int = 0x646d_7870;

/// Where in a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before the kernel has done anything. A process that is killed there has not made the call.
    Entry,
    /// While the kernel works on it, or lets the thread sleep in it: so long after its entry.
    Within(Duration),
    /// Before the call returns.
    Exit,
}

/// A moment of a traced process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the system call, as syscalls(2) has it.
    pub call: u64,
    /// Which of these calls of the process, counted from 1.
    pub pass: u64,
    /// Where in it.
    pub side: Side,
}

/// The system calls of a traced process, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Passes {
    /// How often each was entered.
    pub entered: BTreeMap<u64, u64>,
    /// How often each was about to return.
    pub returned: BTreeMap<u64, u64>,
}

/// A process under ptrace, of the thread that started it. Killed when dropped.
///
/// That thread must have no other child while it exists: it waits for all that it has.
#[derive(Debug)]
pub struct Traced {
    leader: libc::pid_t,
    known: BTreeSet<libc::pid_t>,
    counting: bool,
    passes: Passes,
    /// The call that a thread is in, and its pass.
    calls: BTreeMap<libc::pid_t, (u64, u64)>,
    /// The thread that was left at its place.
    left: Option<libc::pid_t>,
    ended: Option<i32>,
    started: Instant,
    /// Not for other threads.
    thread: std::marker::PhantomData<*const ()>,
}

/// System calls of this process count from here, when it is traced.
pub fn count_calls() {
    // SAFETY: takes integers; the kernel does not know the option and does nothing.
    unsafe { libc::prctl(MARK, 0, 0, 0, 0) };
}

/// Whether processes may be traced here. On CI it is a failure when they may not.
///
/// # Panics
/// On CI, when they may not.
#[must_use]
pub fn may_trace() -> bool {
    let asked = Traced::spawn(Command::new("true")).and_then(|mut traced| {
        traced.counting = true;
        traced.run(None)
    });
    match asked {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "ptrace is forbidden: {error}");
            eprintln!("skipped: ptrace is forbidden: {error}");
            false
        }
    }
}

impl Traced {
    /// Starts a program, which is stopped at its first instruction.
    ///
    /// # Errors
    /// When it cannot be started or traced.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let be_traced = || {
            // SAFETY: takes integers, and touches no memory.
            let bound = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            // SAFETY: takes no address; makes the parent the tracer.
            let traced = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
            if bound == 0 && traced == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: both are plain system calls, which may be made between fork and exec.
        unsafe { command.pre_exec(be_traced) };
        let leader = command.spawn()?.id() as libc::pid_t;
        let traced = Self {
            leader,
            known: BTreeSet::from([leader]),
            counting: false,
            passes: Passes::default(),
            calls: BTreeMap::new(),
            left: None,
            ended: None,
            started: Instant::now(),
            thread: std::marker::PhantomData,
        };
        let (_, status) = traced.wait()?;
        if !libc::WIFSTOPPED(status) {
            return Err(io::Error::other(format!("the program ended: {status:#x}")));
        }
        let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
        // SAFETY: takes integers; the process is our tracee, and stopped.
        let set = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, leader, 0, libc::c_long::from(options)) };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        traced.resume(leader, 0);
        Ok(traced)
    }

    /// The calls that it has made since the mark.
    #[must_use]
    pub fn passes(&self) -> &Passes {
        &self.passes
    }

    /// Runs until the process has come to `place`, where the thread that came to it is left (`true`), or to its end.
    ///
    /// # Errors
    /// When the system does not let it be traced.
    ///
    /// # Panics
    /// When it takes longer than a minute.
    pub fn run(&mut self, place: Option<Place>) -> io::Result<bool> {
        while self.ended.is_none() {
            let (thread, status) = self.wait()?;
            if !libc::WIFSTOPPED(status) {
                self.end(thread, status);
                continue;
            }
            let signal = libc::WSTOPSIG(status);
            if !self.known.insert(thread) && signal == libc::SIGTRAP | 0x80 {
                let reached = self.pass(thread, place)?;
                if reached {
                    if let Some(Side::Within(moment)) = place.map(|place| place.side) {
                        self.resume(thread, 0);
                        std::thread::sleep(moment);
                    } else {
                        self.left = Some(thread);
                    }
                    return Ok(true);
                }
                self.resume(thread, 0);
            } else {
                // A thread begins with a stop, and another one tells of it: neither is a signal of the program's.
                let own = matches!(signal, libc::SIGTRAP | libc::SIGSTOP);
                self.resume(thread, if own { 0 } else { signal });
            }
        }
        Ok(false)
    }

    /// Lets it go on from its place, to its end; says whether that was a success.
    ///
    /// # Errors
    /// When the system does not let it be traced.
    pub fn finish(mut self) -> io::Result<bool> {
        if let Some(thread) = self.left.take() {
            self.resume(thread, 0);
        }
        self.run(None)?;
        Ok(self.ended == Some(0))
    }

    /// Kills it, and waits until the kernel has let go of all it held.
    pub fn kill(self) {
        drop(self);
    }

    /// Counts what a thread stopped for; `true` when that is the place.
    fn pass(&mut self, thread: libc::pid_t, place: Option<Place>) -> io::Result<bool> {
        // SAFETY: integers, of which all may be zero.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::ptrace_syscall_info>();
        // SAFETY: the kernel writes at most `size` bytes to `info`; the thread is our tracee, and stopped.
        let told = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size, &raw mut info) };
        if told < 0 {
            let error = io::Error::last_os_error();
            // Killed by another thread's end.
            return if error.raw_os_error() == Some(libc::ESRCH) {
                Ok(false)
            } else {
                Err(error)
            };
        }
        let side = if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            // SAFETY: the kernel says that this is what it wrote.
            let entry = unsafe { info.u.entry };
            if entry.nr == libc::SYS_prctl as u64 && entry.args[0] as libc::c_int == MARK {
                self.counting = true;
                return Ok(false);
            }
            if !self.counting {
                return Ok(false);
            }
            let pass = self.passes.entered.entry(entry.nr).or_default();
            *pass += 1;
            self.calls.insert(thread, (entry.nr, *pass));
            Side::Entry
        } else {
            Side::Exit
        };
        let Some(&(call, pass)) = self.calls.get(&thread) else {
            return Ok(false);
        };
        if side == Side::Exit {
            self.calls.remove(&thread);
            *self.passes.returned.entry(call).or_default() += 1;
        }
        Ok(place.is_some_and(|place| {
            let here = side == place.side || side == Side::Entry && matches!(place.side, Side::Within(_));
            here && (place.call, place.pass) == (call, pass)
        }))
    }

    fn end(&mut self, thread: libc::pid_t, status: i32) {
        self.known.remove(&thread);
        if thread == self.leader {
            self.ended = Some(status);
        }
    }

    fn resume(&self, thread: libc::pid_t, signal: libc::c_int) {
        // SAFETY: takes integers; a thread that has been killed meanwhile is an error that its end follows.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, 0, libc::c_long::from(signal)) };
    }

    /// The next thread that has stopped or ended.
    fn wait(&self) -> io::Result<(libc::pid_t, i32)> {
        for turn in 0.. {
            let mut status = 0;
            let flags = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
            // SAFETY: the kernel writes an integer.
            match unsafe { libc::waitpid(-1, &raw mut status, flags) } {
                0 => {}
                -1 => return Err(io::Error::last_os_error()),
                thread => return Ok((thread, status)),
            }
            if self.started.elapsed() > BOUND {
                self.send_kill();
                assert!(self.started.elapsed() < 2 * BOUND, "the traced process does not end");
            }
            if turn < 64 {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        unreachable!("it waits for as long as it takes")
    }

    fn send_kill(&self) {
        // SAFETY: takes integers; the process was not waited for, so the number is its own.
        unsafe { libc::kill(self.leader, libc::SIGKILL) };
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.send_kill();
        }
        while self.ended.is_none() {
            match self.wait() {
                Ok((thread, status)) if !libc::WIFSTOPPED(status) => self.end(thread, status),
                // Stopped before the signal came to it.
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}
