//! Where a region's file is found: under its name, or, if it has none, behind a descriptor.

use super::companion::Pairing;
use super::secret::Secret;
use super::{RegionOptions, anonymous, create, verify};
use crate::error::{Error, Result};
use crate::layout::ControlPlan;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What was found in a region's file.
pub(super) struct Verified {
    /// Bytes of the file.
    pub(super) len: u64,
    /// Where the parts of the control area lie.
    pub(super) plan: ControlPlan,
    pub(super) pairing: Pairing,
}

/// Where a region's file is found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// Under its name.
    Named(&'a Path),
    /// Behind a descriptor that [`anonymous::check`] has accepted, and what errors call it.
    Anonymous(BorrowedFd<'a>, &'a Path),
}

impl<'a> Place<'a> {
    /// Its path, or what stands for one.
    pub(super) fn path(&self) -> &'a Path {
        match self {
            Self::Named(path) | Self::Anonymous(_, path) => path,
        }
    }

    /// Its path, if it has one.
    pub(super) fn named(&self) -> Option<&'a Path> {
        match self {
            Self::Named(path) => Some(path),
            Self::Anonymous(..) => None,
        }
    }

    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous(..))
    }

    /// An open file description of its own.
    pub(super) fn open(&self, writable: bool) -> Result<File> {
        match self {
            Self::Named(path) => open_named(path, writable),
            Self::Anonymous(descriptor, path) => anonymous::reopen(*descriptor, path, writable),
        }
    }

    /// Checks the file, and that the options give its secret.
    pub(super) fn verify(&self, file: &File, options: &RegionOptions, writable: bool) -> Result<Verified> {
        let path = self.path();
        let looking = || Error::io(format!("looking at {}", path.display()));
        if !self.is_anonymous() {
            create::settle(file, path).map_err(looking())?;
        }
        let data = file.metadata().map_err(looking())?;
        if !self.is_anonymous() {
            verify::named(&data, path, options, writable)?;
        }
        let headers = verify::headers(file, data.len(), path)?;
        headers.secret.admit(Secret::given(options)?, path)?;
        Ok(Verified {
            len: data.len(),
            plan: headers.plan,
            pairing: headers.pairing,
        })
    }
}

fn open_named(path: &Path, writable: bool) -> Result<File> {
    let opened = File::options()
        .read(true)
        .write(writable)
        .custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    opened.map_err(|source| match source.raw_os_error() {
        Some(libc::ENOENT) => Error::RegionNotFound { path: path.to_owned() },
        Some(libc::ELOOP) => Error::NotARegion {
            path: path.to_owned(),
            reason: "it is a symbolic link".into(),
        },
        Some(libc::EACCES) => verify::not_for_us(path, source),
        _ => Error::Io {
            context: format!("opening {}", path.display()),
            source,
        },
    })
}
