//! Many light processes: forked children that share a board with the process that measures them.

use crate::transport::Failure;
use core::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a crowd may take for anything. It is killed then.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the children share. All zeros at first. Relaxed where nothing is read through a word.
pub(super) struct Board {
    /// Children that have come to the gate.
    pub(super) arrived: AtomicU32,
    /// A futex word: 1 once the gate is open.
    gate: AtomicU32,
    /// Children that have come to where they meet, and a futex word: 1 once all have.
    met: AtomicU32,
    all_met: AtomicU32,
    /// Children that have done what they were to do.
    pub(super) done: AtomicU32,
    /// Those that failed at it.
    pub(super) failed: AtomicU32,
    /// For whatever a case counts.
    pub(super) word: AtomicU64,
    /// A futex word that nobody wakes.
    pub(super) silent: AtomicU32,
    reason: [AtomicU32; 64],
}

impl Board {
    /// A board that forked children share.
    fn new() -> Result<&'static Self, Failure> {
        // SAFETY: a new mapping; no memory in use is touched.
        let place = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Self>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if place == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        // SAFETY: page-aligned, as long as a board, zeros, which are one, and never unmapped.
        Ok(unsafe { &*place.cast::<Self>() })
    }

    /// For children: waits until the gate is open.
    pub(super) fn pass_gate(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        while self.gate.load(Ordering::Acquire) == 0 {
            sleep_on(&self.gate, 0, Duration::from_secs(1));
        }
    }

    fn open_gate(&self) {
        self.gate.store(1, Ordering::Release);
        wake_all(&self.gate);
    }

    /// For children: waits until all `count` of them have come here, or one has failed.
    pub(super) fn meet(&self, count: usize) {
        if self.met.fetch_add(1, Ordering::AcqRel) as usize + 1 == count {
            self.all_met.store(1, Ordering::Release);
            wake_all(&self.all_met);
        }
        while self.all_met.load(Ordering::Acquire) == 0 && self.failed.load(Ordering::Relaxed) == 0 {
            sleep_on(&self.all_met, 0, Duration::from_secs(1));
        }
    }

    /// Remembers the first reason of a failure.
    fn complain(&self, reason: &str) {
        if self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            for (place, character) in self.reason.iter().zip(reason.chars().take(self.reason.len())) {
                place.store(character.into(), Ordering::Relaxed);
            }
        }
    }

    pub(super) fn reason(&self) -> String {
        let characters = self.reason.iter().map(|word| word.load(Ordering::Relaxed));
        characters
            .take_while(|&word| word != 0)
            .filter_map(char::from_u32)
            .collect()
    }
}

fn wake_all(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE only uses the address of the word.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// Sleeps while `word` is `expected`, at most for `time`.
pub(super) fn sleep_on(word: &AtomicU32, expected: u32, time: Duration) {
    let timeout = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word is never unmapped, and the kernel reads the timespec only.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            ptr::from_ref(&timeout),
        )
    };
}

/// Nanoseconds of CLOCK_MONOTONIC, the same for all processes.
pub(super) fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds that this thread has spent on processors.
pub(super) fn spent_here_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a timespec; a clock that is not there leaves zeros.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Children that are killed when this is dropped.
pub(super) struct Crowd {
    pub(super) board: &'static Board,
    pub(super) children: Vec<libc::pid_t>,
}

impl Crowd {
    /// Forks `count` children that do `work`, given their number, and end. The process that forks must have one thread, and no region.
    pub(super) fn fork(count: usize, work: impl Fn(&Board, usize) -> Result<(), Failure>) -> Result<Self, Failure> {
        let mut crowd = Self {
            board: Board::new()?,
            children: Vec::new(),
        };
        for number in 0..count {
            // SAFETY: this process has one thread, so the child may do everything that its parent may.
            let child = unsafe { libc::fork() };
            match child {
                -1 => return Err(std::io::Error::last_os_error().into()),
                0 => {
                    // SAFETY: takes integers; the child is killed when its parent is gone.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                    if let Err(error) = work(crowd.board, number) {
                        crowd.board.complain(&error.to_string());
                    }
                    crowd.board.done.fetch_add(1, Ordering::Release);
                    // SAFETY: ends this process, with none of the destructors that are its parent's.
                    unsafe { libc::_exit(0) };
                }
                child => crowd.children.push(child),
            }
        }
        Ok(crowd)
    }

    /// Opens the gate once all have come to it, and returns when that was.
    pub(super) fn start(&self) -> Result<Instant, Failure> {
        self.wait_for("to come to the gate", |board| {
            board.arrived.load(Ordering::Relaxed) as usize + board.failed.load(Ordering::Relaxed) as usize
                >= self.children.len()
        })?;
        let started = Instant::now();
        self.board.open_gate();
        Ok(started)
    }

    /// Waits until it holds.
    pub(super) fn wait_for(&self, what: &str, holds: impl Fn(&Board) -> bool) -> Result<(), Failure> {
        let started = Instant::now();
        while !holds(self.board) {
            if started.elapsed() > PATIENCE {
                return Err(format!(
                    "{} processes took too long {what}: {}",
                    self.children.len(),
                    self.board.reason()
                )
                .into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }

    /// Waits until all have done their work.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        self.wait_for("to do their work", |board| {
            board.done.load(Ordering::Acquire) as usize >= self.children.len()
        })
    }

    /// What all children have spent on processors, in nanoseconds.
    pub(super) fn spent_ns(&self) -> u64 {
        let spent = self.children.iter().map(|&child| {
            let mut clock = 0;
            // SAFETY: the kernel writes a clock's id; the child was not waited for.
            match unsafe { libc::clock_getcpuclockid(child, &raw mut clock) } {
                0 => clock_ns(clock),
                _ => 0,
            }
        });
        spent.sum()
    }

    /// Kills one of them and waits for its end.
    pub(super) fn kill(&mut self, index: usize) {
        end(self.children.swap_remove(index));
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &child in &self.children {
            // SAFETY: two integers; the child was not waited for, so the number is its own.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        self.children.drain(..).for_each(end);
    }
}

fn end(child: libc::pid_t) {
    // SAFETY: two integers; the child was not waited for, so the number is its own.
    unsafe { libc::kill(child, libc::SIGKILL) };
    // SAFETY: collects our own child; where its status goes may be null.
    unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
}

/// What children that were waited for have spent on processors, start and end included, in nanoseconds.
pub(super) fn spent_by_the_ended_ns() -> u64 {
    let mut usage = core::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes a rusage.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    // SAFETY: all zeros are one, and the call has written it.
    let usage = unsafe { usage.assume_init() };
    let ns = |time: libc::timeval| time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1_000;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}
