//! Regions for one test each.

use crate::PeerCommand;
use dmxp::{Region, RegionOptions};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
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
        remove_files(&RegionOptions::new().name(&self.name).path().expect("a name"));
    }
}

/// The lock file of the region at a path, as docs/MEMORY_LAYOUT.md has it: by the id in the region's header.
///
/// # Panics
/// When there is no region.
#[must_use]
pub fn lock_file(region: &Path) -> PathBuf {
    let mut id = [0; 16];
    let file = File::open(region).expect("the region's file");
    file.read_exact_at(&mut id, 40).expect("its header");
    let name = region.file_name().expect("a name").to_string_lossy();
    region.with_file_name(format!(".{name}.{:032x}.locks", u128::from_le_bytes(id)))
}

/// Makes a lock file for what lies at a path, a copy of a region perhaps damaged, and says there that it belongs to it.
///
/// # Panics
/// When the file is too short for a header, or cannot be written.
pub fn make_lock_file(region: &Path) {
    let locks = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(lock_file(region))
        .expect("a lock file");
    let inode = locks.metadata().expect("its inode").ino();
    let file = File::options().read(true).write(true).open(region).expect("the region");
    let mut control = [0; 8];
    file.read_exact_at(&mut control, 56).expect("its header");
    let at = u64::from_le_bytes(control).saturating_add(96);
    if at < file.metadata().expect("its length").len().saturating_sub(8) {
        file.write_all_at(&inode.to_le_bytes(), at).expect("a word");
    }
}

/// Removes the file of a region, whatever it is, and all lock files that it ever had.
pub fn remove_files(region: &Path) {
    let prefix = format!(".{}.", region.file_name().expect("a name").to_string_lossy());
    let _ = std::fs::remove_file(region);
    let entries = std::fs::read_dir(region.parent().expect("a directory"));
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&prefix) && name.to_string_lossy().ends_with(".locks") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
