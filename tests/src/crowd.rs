//! Many light processes of one program: forked children that share a board with it.

use crate::PATIENCE;
use core::ptr;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What the processes of a crowd share.
#[derive(Debug)]
pub struct Board {
    /// Children that have come to the point at which all meet; a futex word.
    met: AtomicU32,
    /// Children that have ended their work.
    done: AtomicU32,
    /// Those that failed.
    failed: AtomicU32,
}

/// Forked children. They die with this process, and when this is dropped.
#[derive(Debug)]
pub struct Crowd {
    board: &'static Board,
    children: Vec<libc::pid_t>,
}

impl Board {
    /// Waits until all `count` children have come here the same number of times; `round` counts from 1.
    pub fn meet(&self, count: usize, round: usize) {
        let goal = (count * round) as u32;
        if self.met.fetch_add(1, Ordering::AcqRel) + 1 == goal {
            // SAFETY: FUTEX_WAKE only uses the address of the word.
            unsafe { libc::syscall(libc::SYS_futex, self.met.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
        }
        loop {
            let met = self.met.load(Ordering::Acquire);
            if met >= goal || self.failed.load(Ordering::Relaxed) > 0 {
                return;
            }
            let timeout = libc::timespec {
                tv_sec: 0,
                tv_nsec: 200_000_000,
            };
            // SAFETY: the word is never unmapped, and the kernel reads the timespec only.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.met.as_ptr(),
                    libc::FUTEX_WAIT,
                    met,
                    ptr::from_ref(&timeout),
                )
            };
        }
    }
}

impl Crowd {
    /// Forks `count` children that do `work`, given their number. This process must have one thread.
    ///
    /// # Panics
    /// When the system gives no memory or processes.
    pub fn fork(count: usize, work: impl Fn(&Board, usize) -> Result<(), Box<dyn Error>>) -> Self {
        // SAFETY: a new mapping; no memory in use is touched.
        let place = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Board>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(place, libc::MAP_FAILED, "memory for a board");
        // SAFETY: page-aligned, as long as a board, zeros, which are one, and never unmapped.
        let board: &'static Board = unsafe { &*place.cast::<Board>() };
        let mut crowd = Self {
            board,
            children: Vec::new(),
        };
        for number in 0..count {
            // SAFETY: this process has one thread, so the child may do everything that its parent may.
            match unsafe { libc::fork() } {
                0 => {
                    // SAFETY: takes integers.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                    if let Err(error) = work(board, number) {
                        eprintln!("process {number} of {count}: {error}");
                        board.failed.fetch_add(1, Ordering::AcqRel);
                    }
                    board.done.fetch_add(1, Ordering::AcqRel);
                    // SAFETY: ends this process, with none of the destructors that are its parent's.
                    unsafe { libc::_exit(0) };
                }
                child => {
                    assert!(child > 0, "a process: {}", std::io::Error::last_os_error());
                    crowd.children.push(child);
                }
            }
        }
        crowd
    }

    /// Waits until all have met for the `round`th time.
    ///
    /// # Panics
    /// When they have not within [`PATIENCE`].
    pub fn met(&self, round: usize) {
        let goal = (self.children.len() * round) as u32;
        self.until(|board| board.met.load(Ordering::Acquire) >= goal || board.failed.load(Ordering::Relaxed) > 0);
    }

    /// Waits until all have ended, and returns how many failed; their reasons are on standard error.
    ///
    /// # Panics
    /// When they have not within [`PATIENCE`].
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.until(|board| board.done.load(Ordering::Acquire) as usize >= self.children.len());
        self.board.failed.load(Ordering::Acquire)
    }

    fn until(&self, holds: impl Fn(&Board) -> bool) {
        let started = Instant::now();
        while !holds(self.board) {
            assert!(
                started.elapsed() < PATIENCE,
                "{} processes take too long",
                self.children.len()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &child in &self.children {
            // SAFETY: two integers; the child was not waited for, so the number is its own.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        for &child in &self.children {
            // SAFETY: collects our own child; where its status goes may be null.
            unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
        }
    }
}
