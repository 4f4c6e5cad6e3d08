//! Attaching to a region: the public calls, which give the region's layer the sweep that makes room in its tables.

use crate::error::{Error, PeerCredentials, Result};
use crate::os::directory::NewNames;
use crate::recovery::sweep::sweep_region;
use crate::region::{Region, RegionOptions};
use crate::wait::Deadline;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

impl Region {
    /// Attaches to the default region, and creates it if there is none.
    ///
    /// # Errors
    /// As [`RegionOptions::open_or_create`].
    pub fn open_default() -> Result<Self> {
        RegionOptions::new().open_or_create()
    }
}

impl RegionOptions {
    /// Creates the region and attaches to it.
    ///
    /// # Errors
    /// [`Error::RegionExists`](crate::Error::RegionExists); [`Error::OutOfMemory`](crate::Error::OutOfMemory) when the file system cannot back header and control area;
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for impossible sizes; [`Error::Io`](crate::Error::Io).
    pub fn create(&self) -> Result<Region> {
        self.create_making_room(sweep_region)
    }

    /// Attaches to an existing region. Within a process, all attachments to one region are one.
    ///
    /// # Errors
    /// [`Error::RegionNotFound`](crate::Error::RegionNotFound); [`Error::InvalidMagic`](crate::Error::InvalidMagic), [`Error::NotARegion`](crate::Error::NotARegion) or [`Error::Corrupt`](crate::Error::Corrupt) when the file cannot be
    /// used; [`Error::SecretMismatch`](crate::Error::SecretMismatch); [`Error::ProcessTableFull`](crate::Error::ProcessTableFull); [`Error::ManagementLockBusy`](crate::Error::ManagementLockBusy); [`Error::Io`](crate::Error::Io).
    pub fn open(&self) -> Result<Region> {
        self.open_making_room(sweep_region)
    }

    /// Attaches to the region, and creates it if there is none.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`open`](Self::open) but for the two that contradict each other.
    pub fn open_or_create(&self) -> Result<Region> {
        self.open_or_create_making_room(sweep_region)
    }

    /// Attaches to the region as soon as it exists, which another process makes. It sleeps meanwhile, and is woken when a file appears
    /// in the directory; there need be no such directory yet.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-wait-region-{}", std::process::id());
    /// let options = dmxp::RegionOptions::new().name(&name);
    /// # let making = options.clone().size(4 << 20);
    /// # let maker = std::thread::spawn(move || making.create());
    /// let region = options.wait_for_region(std::time::Duration::from_secs(10))?;
    /// # drop(maker.join());
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) when there is none within `timeout`; otherwise as [`open`](Self::open).
    pub fn wait_for_region(&self, timeout: Duration) -> Result<Region> {
        let deadline = Deadline::after(timeout);
        loop {
            // The default name may be another one by then.
            let path = self.path()?;
            let watch = NewNames::watch(path.parent().unwrap_or(Path::new(".")));
            match self.open() {
                Err(Error::RegionNotFound { .. }) => {}
                outcome => return outcome,
            }
            let left = deadline.left(Duration::MAX).ok_or(Error::Timeout)?;
            watch.sleep(left);
        }
    }

    /// Creates a region without a name, and attaches to it. It lies in no directory: other processes get it by
    /// [`Region::hand_over`], or by a descriptor ([`Region::descriptor`], [`attach`](Self::attach)). Its memory is sealed: nobody,
    /// whatever they hold, can shorten it under its users. It is given back when the last process that has it is gone.
    ///
    /// A [`name`](Self::name) is only what errors and `/proc` call it; the environment variables say nothing here.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for impossible sizes and for a directory; [`Error::OutOfMemory`](crate::Error::OutOfMemory); [`Error::Io`](crate::Error::Io), also where
    /// `/proc` is not mounted.
    pub fn create_anonymous(&self) -> Result<Region> {
        self.create_anonymous_making_room(sweep_region)
    }

    /// Attaches to an anonymous region by a descriptor of it, which may be closed afterwards. Unlike a name, a descriptor is only had
    /// from a process that has the region: its owner is not checked.
    ///
    /// # Errors
    /// [`Error::NotARegion`](crate::Error::NotARegion) for anything but memory sealed against shrinking, growing and further seals; [`Error::Io`](crate::Error::Io) also
    /// where `/proc` is not mounted; otherwise as [`open`](Self::open).
    pub fn attach(&self, descriptor: impl AsFd) -> Result<Region> {
        self.attach_making_room(descriptor, sweep_region)
    }

    /// Attaches to the anonymous region that the process at the other end of `stream` hands over ([`Region::hand_over`]), if that runs
    /// as the same user, as root, or as the user that [`accept_owner`](Self::accept_owner) names.
    ///
    /// `timeout` bounds the whole exchange; attaching can take longer, as [`open`](Self::open) can, if the management lock is busy.
    /// After an error the connection is of no further use.
    ///
    /// # Errors
    /// [`Error::PeerRefused`](crate::Error::PeerRefused) when the peer runs as somebody else; [`Error::Timeout`](crate::Error::Timeout); [`Error::HandOver`](crate::Error::HandOver) when the peer
    /// closes the connection, speaks of something else, or sends none or several descriptors; and those of [`attach`](Self::attach).
    pub fn receive(&self, stream: &UnixStream, timeout: Duration) -> Result<Region> {
        self.receive_making_room(stream, timeout, sweep_region)
    }

    /// As [`receive`](Self::receive), from a peer that `policy` accepts. It is asked before anything is read.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_if(
        &self,
        stream: &UnixStream,
        timeout: Duration,
        policy: impl FnOnce(&PeerCredentials) -> bool,
    ) -> Result<Region> {
        self.receive_if_making_room(stream, timeout, policy, sweep_region)
    }
}
