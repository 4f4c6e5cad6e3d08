//! Attaching this process to a region: once, and with a place in its table.

use super::Management;
use super::Mapping;
use super::Place;
use super::RegionOptions;
use super::Runtime;
use super::companion::{self, Pairing};
use super::lock_byte::{Access, LockByte, LockFile, Probe, identity};
use super::looking::Looks;
use super::place::Verified;
use super::presence::Presence;
use super::secret::Secret;
use super::space::{self, Usage};
use crate::error::{Error, LockBusy, Result};
use crate::liveness::{self, RecordState};
use crate::os::clock::instant;
use crate::os::fork;
use crate::os::fork::fork_epoch;
use crate::os::thread::sleep;
use crate::sync::Ordering;
use core::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

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
    /// Its file, or what stands for one: see [`Region::path`].
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
    /// The region's file. An anonymous one has none; this is then `memfd:` with the label that [`RegionOptions::name`] gave it
    /// in this process.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.attachment.path
    }

    /// Whether the region has no name, and is passed on by descriptor only: see [`RegionOptions::create_anonymous`].
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.attachment.anonymous
    }

    /// Whether the region was opened for looking only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.attachment.registration.is_none()
    }

    /// Size, tables and free space.
    #[must_use]
    pub fn info(&self) -> RegionInfo {
        // Nothing is read through any of these: the acquires only keep numbers from being older than what the caller has seen.
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
pub(crate) struct Attachment {
    mapping: Mapping,
    path: PathBuf,
    anonymous: bool,
    /// The region's, which must be given again to attach again.
    secret: Secret,
    /// The region's file. Holds the locks of looks, and, if the region has no name, all of this process's.
    lock: LockFile,
    /// Of a region with a name, unless for looking only: holds this process's other locks.
    companion: Option<Companion>,
    presence: Presence,
    /// `None` for looking only.
    registration: Option<Registration>,
    local: Mutex<()>,
    looks: Looks,
    runtime: Runtime,
    pid: u32,
    epoch: u64,
}

/// The lock file beside a region's: see [`companion`].
struct Companion {
    lock: LockFile,
    path: PathBuf,
}

impl Companion {
    /// That of the region whose file is open as `file`, if it has a name.
    fn open(place: Place<'_>, pairing: Pairing, file: &File, options: &RegionOptions) -> Result<Option<Self>> {
        let Some(region) = place.named() else {
            return Ok(None);
        };
        let lock = LockFile::open(|| companion::open(region, pairing, file, options))?;
        let path = companion::path(region, pairing.id);
        Ok(Some(Self { lock, path }))
    }

    /// Through another open file description, as long as it is there.
    fn reopen(&self) -> Result<File> {
        let file = companion::reopen(&self.path)?;
        if identity(&file)? == self.lock.identity() {
            Ok(file)
        } else {
            Err(Error::Evicted)
        }
    }
}

/// What tells regions apart. Handles print their region too, more than once, and addresses help nobody.
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("path", &self.path)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// The place of a process in the region's table.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) process: u32,
    /// The record's state word while the process is registered.
    pub(crate) state: u64,
}

/// Attachments of this process, so that it registers once per region.
static ATTACHED: Mutex<Vec<Weak<Attachment>>> = Mutex::new(Vec::new());

/// Frees what the dead left in the tables of a region, which this layer knows nothing of: asked for by an attachment that finds no
/// place in the table of processes.
pub(crate) type MakeRoom = fn(&Management<'_>) -> Result<()>;

pub(super) fn open(options: &RegionOptions, place: Place<'_>, make_room: MakeRoom) -> Result<Region> {
    let lock = LockFile::open(|| place.open(true))?;
    if let Some(known) = usable(&lock, None) {
        known.secret.admit(Secret::given(options)?, place.path())?;
        let mode = place.named().map(|_| lock.file().and_then(mode_of)).transpose()?;
        options.compare(place.path(), known.mapping.len(), &known.mapping.plan(), mode)?;
        return Ok(Region { attachment: known });
    }
    // Through a descriptor of its own, gone when it is mapped: see LockFile::open.
    let file = place.open(true)?;
    if identity(&file)? != lock.identity() {
        return Err(Error::RegionNotFound {
            path: place.path().to_owned(),
        });
    }
    let Verified { len, plan, pairing } = place.verify(&file, options, true)?;
    let mode = place.named().map(|_| mode_of(&file)).transpose()?;
    options.compare(place.path(), len, &plan, mode)?;
    let companion = Companion::open(place, pairing, &file, options)?;
    let mut attachment = Attachment {
        mapping: Mapping::new(&file, len, plan, true)?,
        path: place.path().to_owned(),
        anonymous: place.is_anonymous(),
        secret: Secret::given(options)?,
        lock,
        companion,
        presence: Presence::of(place.named()),
        registration: Some(Registration {
            process: u32::MAX,
            state: 0,
        }),
        local: Mutex::new(()),
        looks: Looks::default(),
        runtime: options.runtime,
        pid: std::process::id(),
        epoch: fork_epoch(),
    };
    let registered = attachment.register(make_room);
    crate::wait::barrier::register();
    // Another thread may have attached meanwhile: then this registration goes again, or need not be.
    let attachment = Arc::new(attachment);
    if let Some(rival) = usable(&attachment.lock, attachment.companion.as_ref()) {
        return Ok(Region { attachment: rival });
    }
    registered?;
    // Removed while it was being opened, to be made anew perhaps: see `remove_unused`.
    if attachment.was_removed_meanwhile() {
        return Err(Error::RegionNotFound {
            path: place.path().to_owned(),
        });
    }
    attached(|known| known.push(attachment.clone()));
    Ok(Region { attachment })
}

/// This process's attachment to the region whose file is open as `lock`, if there is one that still has its place. Neither descriptor may be
/// the attachment's; without `companion` the region's lock file is opened for the look.
fn usable(lock: &LockFile, companion: Option<&Companion>) -> Option<Arc<Attachment>> {
    attached(|known| known.clone()).into_iter().find(|known| {
        known.lock_identity() == Some(lock.identity())
            && known.check().is_ok()
            && known.registration().is_ok_and(|registration| {
                let byte = LockByte::Process(registration.process);
                let is_held = |lock: &LockFile| lock.probe()?.is_locked_elsewhere(byte);
                let held = match (&known.companion, companion) {
                    (None, _) => is_held(lock),
                    (Some(_), Some(companion)) => is_held(&companion.lock),
                    (Some(known), None) => LockFile::open(|| known.reopen()).and_then(|lock| is_held(&lock)),
                };
                held.unwrap_or(false)
            })
    })
}

/// Looks at this process's attachments, with no fork meanwhile, and remembers what `look` leaves.
fn attached<R>(look: impl FnOnce(&mut Vec<Arc<Attachment>>) -> R) -> R {
    // The last reference to one may be among these; it must not be dropped where forks are locked out.
    let mut known = Vec::new();
    crate::os::fork::without_forks(|| {
        let mut remembered = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(remembered.iter().filter_map(Weak::upgrade));
        let looked = look(&mut known);
        *remembered = known.iter().map(Arc::downgrade).collect();
        looked
    })
}

pub(super) fn open_read_only(options: &RegionOptions, place: Place<'_>) -> Result<Region> {
    let lock = LockFile::open(|| place.open(false))?;
    let file = place.open(false)?;
    if identity(&file)? != lock.identity() {
        return Err(Error::RegionNotFound {
            path: place.path().to_owned(),
        });
    }
    let Verified { len, plan, .. } = place.verify(&file, options, false)?;
    let mode = place.named().map(|_| mode_of(&file)).transpose()?;
    options.compare(place.path(), len, &plan, mode)?;
    let attachment = Attachment {
        mapping: Mapping::new(&file, len, plan, false)?,
        path: place.path().to_owned(),
        anonymous: place.is_anonymous(),
        secret: Secret::given(options)?,
        lock,
        companion: None,
        presence: Presence::of(place.named()),
        registration: None,
        local: Mutex::new(()),
        looks: Looks::default(),
        runtime: Runtime::Rust,
        pid: std::process::id(),
        epoch: fork_epoch(),
    };
    Ok(Region {
        attachment: Arc::new(attachment),
    })
}

/// The permission bits of a file.
fn mode_of(file: &File) -> Result<u32> {
    let data = file.metadata().map_err(Error::io("looking at the region's file"))?;
    Ok(data.mode() & 0o777)
}

/// How long a region that is to be removed waits for a process that is just attaching.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes the file of the region at `path` if no live process is attached. One that is about to attach finds out that the file is gone
/// when it has its place.
pub(super) fn remove_unused(options: &RegionOptions, path: &Path) -> Result<()> {
    let unused = Unused::open(options, path)?;
    // Nobody takes a place meanwhile.
    let deadline = instant() + PATIENCE;
    while !unused.locks.try_lock(LockByte::Management, Access::Exclusive)? {
        if instant() > deadline {
            let reason = LockBusy::Unknown;
            return Err(Error::ManagementLockBusy { pid: 0, reason });
        }
        sleep(Duration::from_millis(1));
    }
    unused.refuse_while_used()?;
    companion::remove_with_region(path)
}

/// A region that is to be removed, if no live process is attached to it.
struct Unused<'a> {
    path: &'a Path,
    file: File,
    found: Verified,
    locks: LockFile,
}

impl<'a> Unused<'a> {
    fn open(options: &RegionOptions, path: &'a Path) -> Result<Self> {
        let place = Place::Named(path);
        let file = place.open(true)?;
        let found = place.verify(&file, options, true)?;
        let locks = LockFile::open(|| companion::open(path, found.pairing, &file, options))?;
        Ok(Self {
            path,
            file,
            found,
            locks,
        })
    }

    fn refuse_while_used(&self) -> Result<()> {
        let there = Place::Named(self.path).open(false)?;
        if identity(&there)? != identity(&self.file)? {
            return Err(Error::RegionNotFound {
                path: self.path.to_owned(),
            });
        }
        let Verified { len, plan, .. } = self.found;
        let mapping = Mapping::new(&self.file, len, plan, false)?;
        let probe = self.locks.probe()?;
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
                path: self.path.to_owned(),
                pids,
            })
        }
    }
}

impl Attachment {
    #[inline]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    #[inline]
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The region's file, for reserving space.
    pub(crate) fn file(&self) -> Result<&File> {
        self.registration()?;
        self.lock.file()
    }

    fn lock_identity(&self) -> Option<(u64, u64)> {
        self.registration.as_ref().map(|_| self.lock.identity())
    }

    #[inline]
    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime
    }

    #[inline]
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
            fork::notice_fork();
            return Err(Error::Forked);
        }
        let registration = self.registration()?;
        // It changes under us only when this process was taken for dead; pairs with declare_dead, and nothing is read through it.
        if self.mapping.process(registration.process).state.load(Ordering::Acquire) != registration.state {
            return Err(Error::Evicted);
        }
        Ok(())
    }

    /// Says in the region that a thread of this process waits, and is awake at this moment. To be called as long as the place is this
    /// process's, once a tick.
    pub(crate) fn waits(&self) {
        self.say_waiting(crate::os::clock::monotonic_ns());
    }

    /// A wait has ended, and others are not to rely on the next tick.
    pub(crate) fn waits_no_more(&self) {
        self.say_waiting(0);
    }

    fn say_waiting(&self, now_ns: u64) {
        if let Some(registration) = &self.registration
            && self.epoch == fork_epoch()
        {
            // Relaxed: nothing is read through it. Said by a process that was taken for dead, it is a newcomer's, for a tick.
            let waiting = &self.mapping.process(registration.process).waiting_ns;
            waiting.store(now_ns, Ordering::Relaxed);
        }
    }

    pub(super) fn try_lock(&self, byte: LockByte) -> Result<bool> {
        self.registration()?;
        self.locks().try_lock(byte, Access::Exclusive)
    }

    pub(super) fn unlock(&self, byte: LockByte) -> Result<()> {
        self.registration()?;
        self.locks().unlock(byte)
    }

    /// Where the locks lie that only a process with a place may have.
    fn locks(&self) -> &LockFile {
        self.companion.as_ref().map_or(&self.lock, |companion| &companion.lock)
    }

    /// The region's own file.
    pub(super) fn lock_file(&self) -> &LockFile {
        &self.lock
    }

    /// The path of the region's lock file, and the identity that it must have; `None` where there is none.
    pub(super) fn companion(&self) -> Option<(&Path, (u64, u64))> {
        let companion = self.companion.as_ref()?;
        Some((&companion.path, companion.lock.identity()))
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    pub(super) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// A look at the lock bytes of other processes; never ask for the own one's.
    pub(crate) fn probe(&self) -> Result<Probe<'_>> {
        self.registration()?;
        self.locks().probe()
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
    fn register(&mut self, make_room: MakeRoom) -> Result<()> {
        let (index, state) = {
            let management = Management::lock(self)?;
            let mut place = self.free_place()?;
            if place.is_none() {
                make_room(&management)?;
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
            // The fields are for info; the release that makes the record live publishes them. Pairs with the acquires of
            // find_dead, which then also finds the byte locked, and of Owners::of.
            record.pid.store(self.pid, Ordering::Relaxed);
            record.runtime.store(self.runtime as u32, Ordering::Relaxed);
            record.attached_ns.store(crate::os::clock::now_ns(), Ordering::Relaxed);
            record.start_time.store(liveness::start_time(), Ordering::Relaxed);
            record.waiting_ns.store(0, Ordering::Relaxed);
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
            // Acquire: pairs with the releases that free records, in drop and recovery::free_processes.
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
            // All handles are gone: they keep the attachment alive. The byte follows when the lock file closes. Release: pairs with
            // free_place and recovery::owner_is_dead, which see the handles gone. Failure: this process was taken for dead.
            let record = self.mapping.process(registration.process);
            let _ = record
                .state
                .compare_exchange(registration.state, 0, Ordering::Release, Ordering::Relaxed);
        }
    }
}
