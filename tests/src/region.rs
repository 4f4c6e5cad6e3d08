//! Regions for one test each.

use crate::PeerCommand;
use dmxp::{Region, RegionOptions};
use std::sync::atomic::{AtomicU32, Ordering};

/// A region with a name of its own, removed when dropped.
#[derive(Debug)]
pub struct TestRegion {
    /// The region's file name.
    pub name: String,
    /// The region.
    pub region: Region,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl TestRegion {
    /// Creates a region of `size` bytes.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn new(label: &str, size: u64) -> Self {
        Self::with(label, RegionOptions::new().size(size))
    }

    /// Creates a region with these options and a name of its own.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn with(label: &str, options: RegionOptions) -> Self {
        let name = Self::fresh_name(label);
        let region = options.name(&name).create().expect("the test's region can be created");
        Self { name, region }
    }

    /// A peer that is to do `command` at a channel of this region. `program` is that of the tests that is called `peer`; only they
    /// know where it is.
    #[must_use]
    pub fn peer(&self, program: &str, channel: &str, command: &str) -> PeerCommand {
        PeerCommand::new(program).arg(&self.name).arg(channel).arg(command)
    }

    /// A name that no other test and no other run of the tests has.
    #[must_use]
    pub fn fresh_name(label: &str) -> String {
        format!(
            "dmxp-test-{}-{}-{label}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        )
    }
}

impl Drop for TestRegion {
    fn drop(&mut self) {
        let _ = RegionOptions::new().name(&self.name).remove(true);
    }
}
