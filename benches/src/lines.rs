//! Cache lines that processes share: the least that two of them can talk by.

use crate::transport::{Failure, Place};
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A line, and the one beside it, which processors fetch together with it.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Line {
    pub(crate) number: AtomicU64,
    pub(crate) futex: AtomicU32,
}

/// Lines in a file in `/dev/shm`, zero at first.
#[derive(Debug)]
pub(crate) struct Lines {
    start: NonNull<Line>,
    count: usize,
}

// SAFETY: what is shared are atomics.
unsafe impl Send for Lines {}
// SAFETY: as above.
unsafe impl Sync for Lines {}

/// The file; it goes when this does.
#[derive(Debug)]
pub(crate) struct LinesFile(PathBuf);

impl Drop for LinesFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

fn path(place: &Place, purpose: &str) -> PathBuf {
    PathBuf::from("/dev/shm").join(format!("{}-{purpose}", place.name))
}

/// Makes a file of zeros for a purpose of a run.
pub(crate) fn create_file(place: &Place, purpose: &str, bytes: u64) -> Result<LinesFile, Failure> {
    let path = path(place, purpose);
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let kept = LinesFile(path);
    file.set_len(bytes)?;
    Ok(kept)
}

/// Maps it, and tells how long it is. It stays mapped until the process ends.
pub(crate) fn map(place: &Place, purpose: &str) -> Result<(NonNull<u8>, usize), Failure> {
    let file = OpenOptions::new().read(true).write(true).open(path(place, purpose))?;
    let bytes = usize::try_from(file.metadata()?.len())?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping of a file that nobody shortens.
    let start = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            bytes,
            access,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok((NonNull::new(start.cast()).ok_or("mapped at zero")?, bytes))
}

impl Lines {
    /// Makes the file for a purpose of a run.
    pub(crate) fn create(place: &Place, purpose: &str, count: usize) -> Result<LinesFile, Failure> {
        create_file(place, purpose, (count * size_of::<Line>()) as u64)
    }

    /// Maps it.
    pub(crate) fn attach(place: &Place, purpose: &str) -> Result<Self, Failure> {
        let (start, bytes) = map(place, purpose)?;
        Ok(Self {
            start: start.cast(),
            count: bytes / size_of::<Line>(),
        })
    }

    /// All of them; they stay mapped until the process ends.
    pub(crate) fn all(&self) -> &'static [Line] {
        // SAFETY: so many lines were mapped, page-aligned, and are never unmapped; zeros are valid atomics.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}
