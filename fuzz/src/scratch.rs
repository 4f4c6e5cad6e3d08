//! A file for one run, gone afterwards.

use dmxp::RegionOptions;
use dmxp_tests::{TestRegion, make_lock_file, remove_files};
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const DIR: &str = "/dev/shm";

/// A file that may or may not be a region.
#[derive(Debug)]
pub(crate) struct Scratch {
    name: String,
    pub(crate) file: File,
}

impl Scratch {
    /// A file with this content.
    pub(crate) fn new(content: &[u8]) -> Self {
        let name = TestRegion::fresh_name("fuzz");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(Path::new(DIR).join(&name))
            .expect("a file can be made in /dev/shm");
        let scratch = Self { name, file };
        scratch.write(0, content);
        // What is too short for a header is no region either.
        if content.len() >= 64 {
            make_lock_file(&Path::new(DIR).join(&scratch.name));
        }
        scratch
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        self.file
            .write_all_at(bytes, offset)
            .expect("the scratch file can be written");
    }

    /// What opens it as a region.
    pub(crate) fn options(&self) -> RegionOptions {
        RegionOptions::new().dir(DIR).name(&self.name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may be gone: removing the region is one of the things a session does.
        remove_files(&Path::new(DIR).join(&self.name));
    }
}
