//! Checking a file before anything of it is used, and registering this process.

use super::lock_byte::{LockByte, LockFile, Probe, identity};
use super::space::{self, Usage};
use super::{Management, Mapping, RegionOptions, Runtime, fork_epoch};
use crate::error::{Error, Result};
use crate::layout::{
    CONTROL_MAGIC, ControlHeader, ControlPlan, EXTENSION_REVISION, FIRST_RING, GlobalHeader, MAGIC, MAX_CHANNELS,
    MAX_HANDLES, MAX_PROCESSES, PAGE, VERSION,
};
use crate::liveness::{self, RecordState};
use crate::sync::Ordering;
use core::mem::offset_of;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A region this process is attached to. Cloning shares the attachment.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// # let name = format!("doc-region-{}", std::process::id());
/// let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).open_or_create()?;
/// println!("{} has {} bytes free", region.path().display(), region.info().free);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Region {
    pub(crate) attachment: Arc<Attachment>,
}

/// Numbers of a region. The tables and free space are those of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegionInfo {
    /// Its file.
    pub path: PathBuf,
    /// Bytes in all.
    pub size: u64,
    /// 128 random bits that no other region has.
    pub id: u128,
    /// Bytes of the control area, part of `size`.
    pub control_size: u64,
    /// Bytes free for channels.
    pub free: u64,
    /// The longest free run: the largest channel that fits.
    pub largest_free: u64,
    /// Active channels, as v1 programs see it.
    pub channels: u32,
    /// Processes attached.
    pub processes: u32,
    /// Places for attached processes.
    pub max_processes: u32,
    /// Producers and consumers open.
    pub handles: u32,
    /// Places for producers and consumers.
    pub max_handles: u32,
}

impl Region {
    /// Attaches to the default region, and creates it if there is none.
    ///
    /// # Errors
    /// As [`RegionOptions::open_or_create`].
    pub fn open_default() -> Result<Self> {
        RegionOptions::new().open_or_create()
    }

    /// The region's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.attachment.path
    }

    /// Whether the region was opened for looking only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.attachment.registration.is_none()
    }

    /// Size, tables and free space.
    #[must_use]
    pub fn info(&self) -> RegionInfo {
        let mapping = &self.attachment.mapping;
        let header = mapping.header();
        let Usage { free, largest_free } = space::usage(mapping);
        let plan = mapping.plan();
        let live = |state: u64| matches!(RecordState::decode(state), RecordState::Live { .. });
        let count = |states: &mut dyn Iterator<Item = u64>| states.filter(|&state| live(state)).count() as u32;
        let [low, high] = [0, 1].map(|k: usize| u128::from(header.region_id[k].load(Ordering::Relaxed)));
        RegionInfo {
            path: self.attachment.path.clone(),
            size: mapping.len(),
            id: high << 64 | low,
            control_size: plan.size,
            free,
            largest_free,
            channels: header.channel_count.load(Ordering::Acquire),
            processes: count(&mut (0..plan.processes).map(|k| mapping.process(k).state.load(Ordering::Acquire))),
            max_processes: plan.processes,
            handles: count(&mut (0..plan.handles).map(|k| mapping.handle(k).state.load(Ordering::Acquire))),
            max_handles: plan.handles,
        }
    }
}

/// One process's hold on one region.
#[derive(Debug)]
pub(crate) struct Attachment {
    mapping: Mapping,
    path: PathBuf,
    registration: Option<Registration>,
    local: Mutex<()>,
    runtime: Runtime,
    pid: u32,
    epoch: u64,
}

/// The place of a process in the region's table.
#[derive(Debug)]
pub(crate) struct Registration {
    lock: LockFile,
    pub(crate) process: u32,
    /// The record's state word while the process is registered.
    pub(crate) state: u64,
}

/// Attachments of this process, so that it registers once per region.
static ATTACHED: Mutex<Vec<Weak<Attachment>>> = Mutex::new(Vec::new());

pub(super) fn open(options: &RegionOptions, path: &Path) -> Result<Region> {
    let lock = LockFile::open(|| open_file(path, true))?;
    if let Some(known) = lock.probe().map(|probe| usable(&probe, lock.identity()))? {
        return Ok(Region { attachment: known });
    }
    // Through a descriptor of its own, gone when it is mapped: see LockFile::open.
    let file = open_file(path, true)?;
    if identity(&file)? != lock.identity() {
        return Err(Error::RegionNotFound { path: path.to_owned() });
    }
    let plan = verify(&file, path, options, true)?;
    let mut attachment = Attachment {
        mapping: Mapping::new(&file, file_len(&file, path)?, plan, true)?,
        path: path.to_owned(),
        registration: Some(Registration {
            lock,
            process: u32::MAX,
            state: 0,
        }),
        local: Mutex::new(()),
        runtime: options.runtime,
        pid: std::process::id(),
        epoch: fork_epoch(),
    };
    let registered = attachment.register();
    crate::wait::barrier::register();
    // Another thread may have attached meanwhile: then this registration goes again, or need not be.
    let attachment = Arc::new(attachment);
    let lock = &attachment.registration()?.lock;
    if let Some(rival) = lock.probe().map(|probe| usable(&probe, lock.identity()))? {
        return Ok(Region { attachment: rival });
    }
    registered?;
    attached(|known| known.push(attachment.clone()));
    Ok(Region { attachment })
}

/// This process's attachment to the file, if there is one that still has its place. The probe must be through a descriptor
/// that is not the attachment's.
fn usable(probe: &Probe<'_>, identity: (u64, u64)) -> Option<Arc<Attachment>> {
    attached(|known| known.clone()).into_iter().find(|known| {
        known.lock_identity() == Some(identity)
            && known.check().is_ok()
            && known.registration().is_ok_and(|registration| {
                probe
                    .is_locked_elsewhere(LockByte::Process(registration.process))
                    .unwrap_or(false)
            })
    })
}

/// Looks at this process's attachments, with no fork meanwhile, and remembers what `look` leaves.
fn attached<R>(look: impl FnOnce(&mut Vec<Arc<Attachment>>) -> R) -> R {
    // The last reference to one may be among these; it must not be dropped where forks are locked out.
    let mut known = Vec::new();
    super::fork::without_forks(|| {
        let mut remembered = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(remembered.iter().filter_map(Weak::upgrade));
        let looked = look(&mut known);
        *remembered = known.iter().map(Arc::downgrade).collect();
        looked
    })
}

pub(super) fn open_read_only(options: &RegionOptions, path: &Path) -> Result<Region> {
    let file = open_file(path, false)?;
    let plan = verify(&file, path, options, false)?;
    let attachment = Attachment {
        mapping: Mapping::new(&file, file_len(&file, path)?, plan, false)?,
        path: path.to_owned(),
        registration: None,
        local: Mutex::new(()),
        runtime: Runtime::Rust,
        pid: std::process::id(),
        epoch: fork_epoch(),
    };
    Ok(Region {
        attachment: Arc::new(attachment),
    })
}

/// Fails when a live process is attached to the region at `path`.
pub(super) fn refuse_while_in_use(options: &RegionOptions, path: &Path) -> Result<()> {
    let lock = LockFile::open(|| open_file(path, true))?;
    let file = open_file(path, false)?;
    let plan = verify(&file, path, options, true)?;
    let mapping = Mapping::new(&file, file_len(&file, path)?, plan, false)?;
    let probe = lock.probe()?;
    let mut pids = Vec::new();
    for index in 0..plan.processes {
        let record = mapping.process(index);
        let live = matches!(
            RecordState::decode(record.state.load(Ordering::Acquire)),
            RecordState::Live { .. }
        );
        if live && probe.is_locked_elsewhere(LockByte::Process(index))? {
            pids.push(record.pid.load(Ordering::Relaxed));
        }
    }
    if pids.is_empty() {
        Ok(())
    } else {
        Err(Error::RegionInUse {
            path: path.to_owned(),
            pids,
        })
    }
}

fn open_file(path: &Path, writable: bool) -> Result<File> {
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
        _ => Error::Io {
            context: format!("opening {}", path.display()),
            source,
        },
    })
}

fn metadata(file: &File, path: &Path) -> Result<std::fs::Metadata> {
    file.metadata()
        .map_err(Error::io(format!("looking at {}", path.display())))
}

fn file_len(file: &File, path: &Path) -> Result<u64> {
    metadata(file, path).map(|data| data.len())
}

/// Checks whose file it is, and who else may write to it: anybody can put a file where a region is looked for.
fn check_owner(data: &std::fs::Metadata, options: &RegionOptions, writable: bool) -> Result<(), String> {
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    // SAFETY: nor has getegid.
    let group = unsafe { libc::getegid() };
    let (owner, mode) = (data.uid(), data.mode() & 0o7777);
    if mode & 0o002 != 0 {
        return Err(format!(
            "its mode {mode:o} lets everybody write to it; take that away (chmod o-w)"
        ));
    }
    let shared =
        options.group_access && mode & 0o060 == 0o060 && (data.gid() == group || groups().contains(&data.gid()));
    // Who administers the machine may look at everything.
    let looks = user == 0 && !writable;
    if owner == user || owner == 0 || options.accepted_owner == Some(owner) || shared || looks {
        return Ok(());
    }
    Err(format!(
        "it belongs to user {owner} (mode {mode:o}), and this process is user {user}; if that is meant, say so \
         (RegionOptions::accept_owner, or group_access where the file is open to a group of this process)"
    ))
}

/// The supplementary groups of this process.
fn groups() -> Vec<libc::gid_t> {
    // SAFETY: with a length of 0 nothing is written.
    let count = unsafe { libc::getgroups(0, core::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the buffer has room for `count` groups; with more in the meantime the call fails.
    let got = unsafe { libc::getgroups(count.max(0), groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(got).unwrap_or(0));
    groups
}

/// Checks type, owner, length, header and control header, on copies: nothing is mapped yet.
fn verify(file: &File, path: &Path, options: &RegionOptions, writable: bool) -> Result<ControlPlan> {
    let refuse = |reason: String| Error::NotARegion {
        path: path.to_owned(),
        reason,
    };
    let data = metadata(file, path)?;
    if !data.is_file() {
        return Err(refuse("it is not a regular file".into()));
    }
    match data.nlink() {
        0 => return Err(Error::RegionNotFound { path: path.to_owned() }),
        1 => {}
        links => {
            return Err(refuse(format!(
                "it has {links} names (hard links), and a region has one"
            )));
        }
    }
    check_owner(&data, options, writable).map_err(refuse)?;
    let len = data.len();
    let read = |offset: u64, bytes: &mut [u8]| {
        file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refuse(format!(
                "it ends after {len} bytes; the header alone takes {FIRST_RING}"
            )),
            _ => Error::Io {
                context: format!("reading {}", path.display()),
                source: error,
            },
        })
    };
    let mut header = [0; 128];
    read(0, &mut header)?;
    let u32_at = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));

    let magic = u64_at(&header, offset_of!(GlobalHeader, magic));
    if magic != MAGIC {
        return Err(Error::InvalidMagic {
            path: path.to_owned(),
            found: magic,
        });
    }
    let version = u32_at(&header, offset_of!(GlobalHeader, version));
    if version != VERSION {
        return Err(refuse(format!(
            "its format has version {version}; this library reads version {VERSION}"
        )));
    }
    let max_channels = u32_at(&header, offset_of!(GlobalHeader, max_channels));
    if max_channels != MAX_CHANNELS {
        return Err(refuse(format!(
            "its table has {max_channels} channels; version 1 has {MAX_CHANNELS}"
        )));
    }
    let revision = u32_at(&header, offset_of!(GlobalHeader, extension_revision));
    if revision == 0 {
        return Err(refuse(
            "a program that knows only v1 made it, without a control area; let dmxp create the region".into(),
        ));
    }
    if revision != EXTENSION_REVISION || u32_at(&header, offset_of!(GlobalHeader, init_state)) != 2 {
        return Err(refuse(format!(
            "its extension has revision {revision}; this library reads {EXTENSION_REVISION}"
        )));
    }
    let size = u64_at(&header, offset_of!(GlobalHeader, region_size));
    if size != len || !size.is_multiple_of(PAGE) {
        return Err(refuse(format!("its header says {size} bytes, the file has {len}")));
    }
    let control_offset = u64_at(&header, offset_of!(GlobalHeader, control_offset));
    let control_size = u64_at(&header, offset_of!(GlobalHeader, control_size));
    if control_offset.checked_add(control_size) != Some(size) || control_offset < FIRST_RING {
        return Err(refuse(format!(
            "its control area of {control_size} bytes at {control_offset} is not its last part"
        )));
    }

    let mut control = [0; size_of::<ControlHeader>()];
    read(control_offset, &mut control)?;
    let processes = u32_at(&control, offset_of!(ControlHeader, process_count));
    let handles = u32_at(&control, offset_of!(ControlHeader, handle_count));
    let plan = ControlPlan::new(processes.clamp(1, MAX_PROCESSES), handles.clamp(1, MAX_HANDLES));
    let found = [
        u64_at(&control, offset_of!(ControlHeader, magic)),
        u64::from(u32_at(&control, offset_of!(ControlHeader, revision))),
        u64::from(processes),
        u64::from(handles),
        u64_at(&control, offset_of!(ControlHeader, process_offset)),
        u64_at(&control, offset_of!(ControlHeader, handle_offset)),
        u64_at(&control, offset_of!(ControlHeader, channel_offset)),
        u64_at(&control, offset_of!(ControlHeader, user_lock_offset)),
        control_size,
    ];
    let expected = [
        CONTROL_MAGIC,
        u64::from(EXTENSION_REVISION),
        u64::from(plan.processes),
        u64::from(plan.handles),
        plan.process_table,
        plan.handle_table,
        plan.channels,
        plan.user_locks,
        plan.size,
    ];
    if found != expected {
        return Err(Error::corrupt(format!(
            "the control area of {} says {found:?} and not {expected:?}",
            path.display()
        )));
    }
    Ok(plan)
}

impl Attachment {
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The region's file, for reserving space.
    pub(crate) fn file(&self) -> Result<&File> {
        self.registration()?.lock.file()
    }

    fn lock_identity(&self) -> Option<(u64, u64)> {
        self.registration
            .as_ref()
            .map(|registration| registration.lock.identity())
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn local_management(&self) -> &Mutex<()> {
        &self.local
    }

    pub(crate) fn registration(&self) -> Result<&Registration> {
        self.registration.as_ref().ok_or(Error::ReadOnly)
    }

    /// Fails in a forked child, and when this process has lost its place.
    pub(crate) fn check(&self) -> Result<()> {
        if self.epoch != fork_epoch() {
            return Err(Error::Forked);
        }
        let registration = self.registration()?;
        if self.mapping.process(registration.process).state.load(Ordering::Acquire) != registration.state {
            return Err(Error::Evicted);
        }
        Ok(())
    }

    pub(super) fn try_lock(&self, byte: LockByte) -> Result<bool> {
        self.registration()?.lock.try_lock(byte)
    }

    pub(super) fn unlock(&self, byte: LockByte) -> Result<()> {
        self.registration()?.lock.unlock(byte)
    }

    /// A look at the lock bytes of other processes; never ask for the own one's.
    pub(crate) fn probe(&self) -> Result<Probe<'_>> {
        self.registration()?.lock.probe()
    }

    /// Whether somebody holds the lock byte of the process at `index`; `true` where this attachment cannot ask.
    pub(crate) fn holds_byte(&self, index: u32) -> bool {
        match &self.registration {
            Some(registration) if registration.process != index => self
                .probe()
                .and_then(|probe| probe.is_locked_elsewhere(LockByte::Process(index)))
                .unwrap_or(true),
            _ => true,
        }
    }

    /// Takes a place in the process table: the byte first, then the record.
    fn register(&mut self) -> Result<()> {
        let (index, state) = {
            let management = Management::lock(self)?;
            let mut place = self.free_place()?;
            if place.is_none() {
                crate::recovery::sweep_region(&management)?;
                place = self.free_place()?;
            }
            let index = place.ok_or(Error::ProcessTableFull {
                limit: self.mapping.plan().processes,
            })?;
            let record = self.mapping.process(index);
            let state = RecordState::Live {
                generation: management.next_generation(),
            }
            .encode();
            record.pid.store(self.pid, Ordering::Relaxed);
            record.runtime.store(self.runtime as u32, Ordering::Relaxed);
            record.attached_ns.store(crate::clock::now_ns(), Ordering::Relaxed);
            record.start_time.store(liveness::start_time(), Ordering::Relaxed);
            record.state.store(state, Ordering::Release);
            (index, state)
        };
        let registration = self.registration.as_mut().ok_or(Error::ReadOnly)?;
        registration.process = index;
        registration.state = state;
        Ok(())
    }

    /// A free record whose byte this process now holds.
    fn free_place(&self) -> Result<Option<u32>> {
        for index in 0..self.mapping.plan().processes {
            let state = RecordState::decode(self.mapping.process(index).state.load(Ordering::Acquire));
            if state == RecordState::Free && self.try_lock(LockByte::Process(index))? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if self.epoch != fork_epoch() {
            return;
        }
        if let Some(registration) = &self.registration
            && registration.process != u32::MAX
        {
            // All handles are gone: they keep the attachment alive. The byte follows when the lock file closes.
            let record = self.mapping.process(registration.process);
            let _ = record
                .state
                .compare_exchange(registration.state, 0, Ordering::Release, Ordering::Relaxed);
        }
    }
}
