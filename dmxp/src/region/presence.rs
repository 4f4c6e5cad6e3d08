//! Whether a region's file is still where this process found it, and its lock file beside it. systemd removes the files of a user in `/dev/shm` at the logout (RemoveIPC), and
//! anybody who may write to the directory can: those that are attached go on, newcomers make another region, and the two never meet.

use super::attach::{Attachment, Region};
use super::lock_byte::identity;
use crate::error::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

/// The file's directory when it was found: what a path leads to depends on the process's root and namespaces, which can change.
#[derive(Debug)]
pub(super) struct Presence {
    directory: Option<(u64, u64)>,
    /// What the last look found: one of the three below. Relaxed: nothing is read through it.
    found: AtomicU8,
}

const THERE: u8 = 0;
const REMOVED: u8 = 1;
const REPLACED: u8 = 2;

fn directory_of(path: &Path) -> Option<(u64, u64)> {
    let directory = path.parent()?.metadata().ok()?;
    Some((directory.dev(), directory.ino()))
}

impl Presence {
    /// Of a file at that path; `None` has no place where it could be looked for.
    pub(super) fn of(path: Option<&Path>) -> Self {
        Self {
            directory: path.and_then(directory_of),
            found: AtomicU8::new(THERE),
        }
    }
}

impl Attachment {
    /// Looks whether the region's file is where it was, and remembers it. Where that cannot be told, it is.
    pub(crate) fn look_for_file(&self) {
        let presence = self.presence();
        if presence.directory.is_none() {
            return;
        }
        let there = self.path().symlink_metadata();
        let found = match there.as_ref().map(|data| (data.dev(), data.ino())) {
            Ok(file) if file == self.lock_file().identity() => self.look_for_companion(),
            // Renamed, or it has no name at all any more. Otherwise the path means another place for this process than it did.
            _ if directory_of(self.path()) == presence.directory || self.has_no_name() => {
                if there.is_ok() {
                    REPLACED
                } else {
                    REMOVED
                }
            }
            _ => THERE,
        };
        presence.found.store(found, Ordering::Relaxed);
    }

    /// The region's file is there. Without its lock file no process that comes later can tell that this one lives.
    fn look_for_companion(&self) -> u8 {
        let Some((path, identity)) = self.companion() else {
            return THERE;
        };
        match path.symlink_metadata().map(|data| (data.dev(), data.ino())) {
            Ok(found) if found == identity => THERE,
            Ok(_) => REPLACED,
            // Another error is none of the file's.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => REMOVED,
            Err(_) => THERE,
        }
    }

    fn has_no_name(&self) -> bool {
        let file = self.lock_file().file();
        file.is_ok_and(|file| file.metadata().is_ok_and(|data| data.nlink() == 0))
    }

    /// Whether the last look did not find the file.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.presence().found.load(Ordering::Relaxed) != THERE
    }

    /// The error for it.
    #[cold]
    pub(crate) fn lost(&self) -> Error {
        Error::RegionRemoved {
            path: self.path().to_owned(),
            replaced: self.presence().found.load(Ordering::Relaxed) == REPLACED,
        }
    }

    /// Fails where the file is not there any more.
    pub(crate) fn expect_file(&self) -> Result<()> {
        self.look_for_file();
        if self.is_lost() { Err(self.lost()) } else { Ok(()) }
    }

    /// Whether the file was removed between its opening and this process's registration.
    pub(super) fn was_removed_meanwhile(&self) -> bool {
        let opened = self.lock_file().file().and_then(identity);
        opened.is_ok() && self.expect_file().is_err()
    }
}

impl Region {
    /// Whether a process that opens the region by its path now finds this one. `false` when its file was removed, renamed or replaced: by
    /// [`RegionOptions::remove`](crate::RegionOptions::remove), `rm`, or systemd at a logout. Handles notice it by themselves while
    /// they wait, and when they are opened: [`Error::RegionRemoved`].
    ///
    /// Regions without a name have no file, and are current; so is one whose path leads elsewhere because this process has changed its
    /// root or its mount namespace.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.attachment.look_for_file();
        !self.attachment.is_lost()
    }
}
