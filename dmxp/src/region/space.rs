//! Where rings go, and the memory behind them.
//!
//! There is no free list that could be damaged: what is in use follows from the channel records each time it is asked for.

use super::{Attachment, Mapping};
use crate::error::{Error, Result};
use crate::layout::{CHANNEL_FREE, FIRST_RING, MAX_CHANNELS, PAGE, SLOT_STRIDE};
use crate::sync::Ordering;
use core::mem::MaybeUninit;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Bytes that are given back at once: looks wait so long.
const PIECE: u64 = 64 << 20;
/// Rings start at multiples of this.
const ALIGN: u64 = 128;

/// Bytes of ring space in use and free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) free: u64,
    pub(crate) largest_free: u64,
}

/// The runs of ring space in use, in order.
fn used(mapping: &Mapping) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    for id in 0..MAX_CHANNELS {
        let record = mapping.record(id);
        // Acquire: pairs with the releases of create::make_ring and list::free. The holder of the management lock sees every
        // record whole; a caller without it (Region::info) gets the numbers of a moment.
        if record.state.load(Ordering::Acquire) != CHANNEL_FREE {
            let offset = record.ring_offset.load(Ordering::Relaxed);
            runs.push((offset, offset.saturating_add(record.ring_len.load(Ordering::Relaxed))));
        }
        // A v1 program may have made a channel of its own; then there is an entry without a record. Acquire: pairs with its store of
        // the capacity, or ours in show_to_v1, which comes last.
        let entry = mapping.entry(id);
        let capacity = entry.capacity.load(Ordering::Acquire);
        if capacity != 0 {
            let offset = entry.band_offset.load(Ordering::Relaxed);
            runs.push((
                offset,
                offset.saturating_add(capacity.saturating_mul(u64::from(SLOT_STRIDE))),
            ));
        }
    }
    runs.sort_unstable();
    runs
}

/// The free runs between the used ones, `(start, end)`, starts aligned.
fn free_runs(mapping: &Mapping) -> Vec<(u64, u64)> {
    let limit = mapping.control_offset();
    let mut free = Vec::new();
    let mut at = FIRST_RING;
    for (start, end) in used(mapping).into_iter().chain([(limit, limit)]) {
        if start.min(limit) > at {
            free.push((at, start.min(limit)));
        }
        at = at.max(end.min(limit).next_multiple_of(ALIGN));
    }
    free
}

pub(crate) fn usage(mapping: &Mapping) -> Usage {
    let lengths = free_runs(mapping).into_iter().map(|(start, end)| end - start);
    Usage {
        free: lengths.clone().sum(),
        largest_free: lengths.max().unwrap_or(0),
    }
}

/// The first free run of at least `len` bytes. The caller holds the management lock.
pub(crate) fn find(mapping: &Mapping, len: u64) -> Result<u64> {
    let runs = free_runs(mapping);
    runs.iter()
        .find(|(start, end)| end - start >= len)
        .map(|(start, _)| *start)
        .ok_or_else(|| {
            let free = runs.iter().map(|(start, end)| end - start).max().unwrap_or(0);
            let region_size = mapping.len().saturating_add(len - free).next_multiple_of(PAGE);
            Error::RegionFull {
                needed: len,
                free,
                region_size,
            }
        })
}

/// Fails where the file system has not as much room. To find that out by reserving piece after piece would leave nothing to all others.
pub(crate) fn expect_room(file: &File, len: u64) -> Result<()> {
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: an open descriptor, and a structure that the call fills in.
    let answer = unsafe { libc::fstatvfs(file.as_raw_fd(), found.as_mut_ptr()) };
    if answer != 0 {
        return Err(Error::io("asking how much room there is")(io::Error::last_os_error()));
    }
    // SAFETY: zeros are a valid one, and the call has filled in what it knows.
    let found = unsafe { found.assume_init() };
    // One without a limit, as that of memory without a name, says 0.
    if found.f_blocks != 0 && found.f_bavail.saturating_mul(found.f_frsize) < len {
        return Err(Error::OutOfMemory {
            needed: len,
            source: io::Error::from_raw_os_error(libc::ENOSPC),
        });
    }
    Ok(())
}

/// Makes sure that there is memory behind these bytes, so that writing them cannot fail later with a signal.
pub(crate) fn reserve(file: &File, offset: u64, len: u64) -> Result<()> {
    let start = offset / PAGE * PAGE;
    let end = (offset + len).next_multiple_of(PAGE);
    crate::sync::point();
    loop {
        // SAFETY: plain integers and an open descriptor.
        let answer =
            unsafe { libc::fallocate(file.as_raw_fd(), 0, start as libc::off_t, (end - start) as libc::off_t) };
        if answer == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return touch(file, offset, offset + len),
            Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG | libc::ENOMEM) => {
                return Err(Error::OutOfMemory {
                    needed: len,
                    source: error,
                });
            }
            _ => return Err(Error::io(format!("reserving {len} bytes of the region"))(error)),
        }
    }
}

/// Where the file system cannot reserve: rewrites one byte of each page, which makes it take the page. Only bytes from `start`
/// on: those before it in its page are somebody else's, and in use.
fn touch(file: &File, start: u64, end: u64) -> Result<()> {
    let mut byte = [0];
    let pages = (start.next_multiple_of(PAGE)..end).step_by(PAGE as usize);
    for place in core::iter::once(start).chain(pages) {
        file.read_exact_at(&mut byte, place)
            .and_then(|()| file.write_all_at(&byte, place))
            .map_err(|source| Error::OutOfMemory {
                needed: end - start,
                source,
            })?;
    }
    Ok(())
}

/// Gives the memory behind a removed channel back to the system, while nobody looks at it. Only whole pages can go; the parts of pages
/// that neighbours share stay. Failure costs memory, nothing else.
pub(super) fn give_back(attachment: &Attachment, offset: u64, len: u64) {
    let Ok(file) = attachment.file() else {
        return;
    };
    // A damaged record may say anything.
    if !attachment.mapping().is_ring_space(offset, len) {
        return;
    }
    let (start, end) = (offset.next_multiple_of(PAGE), (offset + len) / PAGE * PAGE);
    let mut pieces = (start..end).step_by(PIECE as usize);
    // The first piece that has to stay ends it: somebody may look for ever.
    let _ = pieces.all(|start| attachment.while_nobody_looks(|| punch(file, start, (end - start).min(PIECE))));
}

fn punch(file: &File, start: u64, len: u64) {
    crate::sync::point();
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: plain integers and an open descriptor.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, start as libc::off_t, len as libc::off_t) };
}
