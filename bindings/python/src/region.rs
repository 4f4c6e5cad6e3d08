//! Regions, their channels, and what to open in them.

use crate::channel_info::{ChannelInfo, dead_consumers};
use crate::delivery::{self, Asked};
use crate::errors::{Failure, Result};
use crate::hand_over::{Verdict, descriptor, stream, with_peer};
use crate::message_type::MessageType;
use crate::peek::Peek;
use crate::recovery::{Blockage, Recovery};
use crate::shared::{SLICE, duration};
use crate::statistics::ChannelStatistics;
use dmxp::{ChannelBuilder, Error, PeekFrom, PeekOptions, RecoverOptions, RegionOptions, Runtime, Start, WaitStrategy};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Numbers of a region at one moment.
#[pyclass(frozen, get_all, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct RegionInfo {
    /// Its file.
    path: PathBuf,
    /// Bytes in all.
    size: u64,
    /// 128 random bits that no other region has.
    id: u128,
    /// Bytes of the control area, part of `size`.
    control_size: u64,
    /// Bytes free for channels.
    free: u64,
    /// The longest free run: the largest channel that fits.
    largest_free: u64,
    /// Active channels.
    channels: u32,
    /// Processes attached.
    processes: u32,
    /// Places for attached processes.
    max_processes: u32,
    /// Producers and consumers open.
    handles: u32,
    /// Places for producers and consumers.
    max_handles: u32,
}

#[pymethods]
impl RegionInfo {
    fn __repr__(&self) -> String {
        format!(
            "RegionInfo(path={:?}, size={}, free={}, channels={}, processes={}, handles={})",
            self.path, self.size, self.free, self.channels, self.processes, self.handles
        )
    }
}

/// The default region as a Python program opens it: messages name Python as their sender's runtime.
fn default_options() -> RegionOptions {
    RegionOptions::new().runtime(Runtime::Python)
}

/// Which region, and whose.
fn options(
    name: Option<String>,
    dir: Option<PathBuf>,
    group_access: bool,
    accept_owner: Option<u32>,
    secret: Option<[u8; 16]>,
) -> RegionOptions {
    let mut options = default_options().group_access(group_access);
    if let Some(name) = name {
        options = options.name(name);
    }
    if let Some(dir) = dir {
        options = options.dir(dir);
    }
    if let Some(uid) = accept_owner {
        options = options.accept_owner(uid);
    }
    if let Some(secret) = secret {
        options = options.secret(secret);
    }
    options
}

/// What counts when a region is created.
fn sized(
    mut options: RegionOptions,
    size: Option<u64>,
    max_processes: Option<u32>,
    max_handles: Option<u32>,
) -> RegionOptions {
    if let Some(size) = size {
        options = options.size(size);
    }
    if let Some(count) = max_processes {
        options = options.max_processes(count);
    }
    if let Some(count) = max_handles {
        options = options.max_handles(count);
    }
    options
}

/// A region of shared memory, a file in `/dev/shm`, which holds up to 256 channels.
///
/// `Region(...)` opens it and creates it if there is none. `name` and `dir` default to the environment variables DMXP_REGION
/// and DMXP_DIR, and those to `dmxp_alloc` in `/dev/shm`, or `dmxp_alloc-UID` where that is another user's. A region that exists with
/// another `size` (bytes, default 128 MiB), `max_processes` (default 256) or `max_handles` (default 1024) than is given is refused with
/// `RegionMismatch`, or, with `replace_if_unused`, made anew if no process is attached (`RegionInUse` if one is). With `group_access`, a region that is created can be read and
/// written by the group of its file (mode 0660) and not only by its owner (0600), and one that is opened may belong to another
/// user if its file is open to a group that this process is in. With `accept_owner`, a uid, it may belong to that user. Otherwise
/// it must be this process's own user's, or root's. A region that is created with a `secret`, 16 bytes, is refused to those who
/// do not give it as well: a guard against mistakes, not an access control. See docs/SECURITY.md.
///
/// >>> with dmxp.Region("docs-example", size=4 << 20) as region:
/// ...     producer = dmxp.create_producer(name="ticks", region=region)
/// ...     region.info.size, [channel.name for channel in region.channels()]
/// (4194304, ['ticks'])
/// >>> dmxp.Region.remove("docs-example", force=True)
#[pyclass(frozen, weakref, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct Region(Mutex<Option<dmxp::Region>>);

impl Region {
    fn attach_to(py: Python<'_>, open: impl FnOnce() -> dmxp::Result<dmxp::Region> + Send) -> Result<Self> {
        let region = py.detach(open)?;
        Ok(Self(Mutex::new(Some(region))))
    }

    fn get(&self) -> Result<dmxp::Region> {
        let region = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        region.clone().ok_or(Failure::Detached("region"))
    }
}

#[pymethods]
impl Region {
    #[new]
    #[pyo3(signature = (name=None, *, dir=None, size=None, max_processes=None, max_handles=None, group_access=false, accept_owner=None, secret=None, replace_if_unused=false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        py: Python<'_>,
        name: Option<String>,
        dir: Option<PathBuf>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
        replace_if_unused: bool,
    ) -> Result<Self> {
        let options = options(name, dir, group_access, accept_owner, secret);
        let options = sized(options, size, max_processes, max_handles).replace_if_unused(replace_if_unused);
        Self::attach_to(py, || options.open_or_create())
    }

    /// Opens a region, and creates it if there is none: what `Region(...)` does.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None, size=None, max_processes=None, max_handles=None, group_access=false, accept_owner=None, secret=None, replace_if_unused=false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn open_or_create(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        dir: Option<PathBuf>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
        replace_if_unused: bool,
    ) -> Result<Self> {
        Self::new(
            class.py(),
            name,
            dir,
            size,
            max_processes,
            max_handles,
            group_access,
            accept_owner,
            secret,
            replace_if_unused,
        )
    }

    /// Creates a region. Raises `RegionExists` when there is one.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None, size=None, max_processes=None, max_handles=None, group_access=false, accept_owner=None, secret=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn create(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        dir: Option<PathBuf>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let options = options(name, dir, group_access, accept_owner, secret);
        let options = sized(options, size, max_processes, max_handles);
        Self::attach_to(class.py(), || options.create())
    }

    /// Opens a region. Raises `RegionNotFound` when there is none, `InvalidMagic`, `NotARegion` or `Corrupt` when the file
    /// cannot be used.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None, group_access=false, accept_owner=None, secret=None))]
    fn open(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        dir: Option<PathBuf>,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let options = options(name, dir, group_access, accept_owner, secret);
        Self::attach_to(class.py(), || options.open())
    }

    /// Opens a region as soon as it exists, which another process makes. Raises `Timeout` after `timeout` seconds, waits as long as it takes
    /// if that is left out. Sleeps meanwhile.
    #[classmethod]
    #[pyo3(signature = (name=None, *, timeout=None, dir=None, group_access=false, accept_owner=None, secret=None))]
    fn wait_for(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        timeout: Option<f64>,
        dir: Option<PathBuf>,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let options = options(name, dir, group_access, accept_owner, secret);
        let region = in_slices(class.py(), timeout, |slice| options.wait_for_region(slice))?;
        Ok(Self(Mutex::new(Some(region))))
    }

    /// Opens a region for looking only: nothing is registered or written, and channels can be listed but not opened.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None, group_access=false, accept_owner=None, secret=None))]
    fn open_read_only(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        dir: Option<PathBuf>,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let options = options(name, dir, group_access, accept_owner, secret);
        Self::attach_to(class.py(), || options.open_read_only())
    }

    /// Creates a region without a name. It lies in no directory: other processes get it by `hand_over`, or by a `descriptor`.
    /// Nobody can shorten it under its users, and its memory is given back when the last process that has it is gone. `name` is
    /// only what errors and `/proc` call it.
    ///
    /// >>> region = dmxp.Region.create_anonymous(size=4 << 20)
    /// >>> region.is_anonymous, dmxp.create_producer(name="ticks", region=region).send(b"hello")
    /// (True, 1)
    #[classmethod]
    #[pyo3(signature = (name=None, *, size=None, max_processes=None, max_handles=None, secret=None))]
    fn create_anonymous(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let options = options(name, None, false, None, secret);
        let options = sized(options, size, max_processes, max_handles);
        Self::attach_to(class.py(), || options.create_anonymous())
    }

    /// Attaches to a region without a name by a descriptor of it: a number, or an object with `fileno()`. It may be closed
    /// afterwards.
    ///
    /// Raises `NotARegion` for anything but memory that is sealed against shrinking, growing and further seals.
    #[classmethod]
    #[pyo3(signature = (descriptor, *, name=None, secret=None))]
    fn attach(
        class: &Bound<'_, PyType>,
        descriptor: &Bound<'_, PyAny>,
        name: Option<String>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let (options, own) = (options(name, None, false, None, secret), self::descriptor(descriptor)?);
        Self::attach_to(class.py(), || options.attach(own))
    }

    /// Attaches to a region without a name for looking only, as `open_read_only` does to one that has a name.
    #[classmethod]
    #[pyo3(signature = (descriptor, *, name=None, secret=None))]
    fn attach_read_only(
        class: &Bound<'_, PyType>,
        descriptor: &Bound<'_, PyAny>,
        name: Option<String>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let (options, own) = (options(name, None, false, None, secret), self::descriptor(descriptor)?);
        Self::attach_to(class.py(), || options.attach_read_only(own))
    }

    /// Receives the region that the process at the other end of a connected Unix socket hands over, if that runs as the same user,
    /// as root, or as the user `accept_owner`; or if `policy`, which is called with its `PeerCredentials`, says so. `timeout`,
    /// in seconds, bounds the whole exchange. After an exception the connection is of no further use.
    ///
    /// Raises `PeerRefused`, `Timeout`, and `HandOver` when the peer closes the connection or speaks of something else.
    #[classmethod]
    #[pyo3(signature = (socket, timeout, policy=None, *, name=None, accept_owner=None, secret=None))]
    fn receive(
        class: &Bound<'_, PyType>,
        socket: &Bound<'_, PyAny>,
        timeout: f64,
        policy: Option<&Bound<'_, PyAny>>,
        name: Option<String>,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<Self> {
        let py = class.py();
        let options = options(name, None, false, accept_owner, secret);
        let (stream, timeout) = (stream(socket)?, duration(timeout)?);
        let region = match policy {
            None => with_peer(py, stream, move |stream| options.receive(stream, timeout))??,
            Some(policy) => {
                let verdict = Verdict::ask(py, &stream, policy)?;
                let accepts = verdict.accepts();
                verdict.after(with_peer(py, stream, move |stream| {
                    options.receive_if(stream, timeout, |_| accepts)
                })?)?
            }
        };
        Ok(Self(Mutex::new(Some(region))))
    }

    /// Removes a region's file; no new process can join. Handles of attached processes raise `RegionRemoved` when they wait, unless they were
    /// made with `keep_removed_region`. Raises `RegionInUse` when processes are
    /// attached, unless `force`.
    #[staticmethod]
    #[pyo3(signature = (name=None, *, dir=None, force=false, group_access=false, accept_owner=None, secret=None))]
    fn remove(
        py: Python<'_>,
        name: Option<String>,
        dir: Option<PathBuf>,
        force: bool,
        group_access: bool,
        accept_owner: Option<u32>,
        secret: Option<[u8; 16]>,
    ) -> Result<()> {
        let options = options(name, dir, group_access, accept_owner, secret);
        Ok(py.detach(|| options.remove(force))?)
    }

    /// The region's file; what errors call it, if it has no name.
    #[getter]
    fn path(&self) -> Result<PathBuf> {
        Ok(self.get()?.path().to_owned())
    }

    /// Whether the region has no name, and is passed on by descriptor only.
    #[getter]
    fn is_anonymous(&self) -> Result<bool> {
        Ok(self.get()?.is_anonymous())
    }

    /// Whether the region was opened for looking only.
    #[getter]
    fn read_only(&self) -> Result<bool> {
        Ok(self.get()?.is_read_only())
    }

    /// Size, tables and free space at this moment, a `RegionInfo`.
    #[getter]
    fn info(&self) -> Result<RegionInfo> {
        let info = self.get()?.info();
        Ok(RegionInfo {
            path: info.path,
            size: info.size,
            id: info.id,
            control_size: info.control_size,
            free: info.free,
            largest_free: info.largest_free,
            channels: info.channels,
            processes: info.processes,
            max_processes: info.max_processes,
            handles: info.handles,
            max_handles: info.max_handles,
        })
    }

    /// The channels of the region, by id: a list of `ChannelInfo`.
    fn channels(&self) -> Result<Vec<ChannelInfo>> {
        let channels = self.get()?.channels()?;
        Ok(channels.into_iter().map(ChannelInfo::from).collect())
    }

    /// The channel with that id or name. Raises `ChannelNotFound`.
    fn channel(&self, channel: &Bound<'_, PyAny>) -> Result<ChannelInfo> {
        Ok(find(&self.get()?, channel)?.into())
    }

    /// The channel with that id or name as soon as it exists, which another process makes. Raises `Timeout` after `timeout` seconds, waits as
    /// long as it takes if that is left out. Sleeps meanwhile.
    ///
    /// >>> region = dmxp.Region()
    /// >>> region.wait_for_channel("ticks", timeout=0)
    /// Traceback (most recent call last):
    ///     ...
    /// dmxp.errors.Timeout: timed out
    /// >>> producer = dmxp.create_producer(name="ticks")  # usually in another process
    /// >>> region.wait_for_channel("ticks").name
    /// 'ticks'
    #[pyo3(signature = (channel, timeout=None))]
    fn wait_for_channel(
        &self,
        py: Python<'_>,
        channel: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> Result<ChannelInfo> {
        let region = self.get()?;
        let found = match channel.extract::<u32>() {
            Ok(id) => in_slices(py, timeout, |slice| region.wait_for_channel_id(id, slice)),
            Err(_) => {
                let name = channel_name(channel)?;
                in_slices(py, timeout, |slice| region.wait_for_channel(&name, slice))
            }
        };
        Ok(found?.into())
    }

    /// Whether a process that opens the region by its path now finds this one: False when its file was removed, renamed or replaced. A
    /// region without a name is always current.
    #[getter]
    fn is_current(&self) -> Result<bool> {
        Ok(self.get()?.is_current())
    }

    /// Removes the channel with that id or name and gives its space back. Raises `ChannelInUse` while handles are open, and
    /// `InvalidArgument` while another channel's dead letters go there; with `force` it goes all the same, and their calls raise
    /// `Removed`.
    #[pyo3(signature = (channel, *, force=false))]
    fn remove_channel(&self, py: Python<'_>, channel: &Bound<'_, PyAny>, force: bool) -> Result<()> {
        let region = self.get()?;
        if let Ok(name) = channel.extract::<String>() {
            return Ok(py.detach(|| region.remove_channel_named(&name, force))?);
        }
        let id = match channel.extract::<u32>() {
            Ok(id) => id,
            Err(_) => find(&region, channel)?.id,
        };
        Ok(py.detach(|| region.remove_channel(id, force))?)
    }

    /// Repairs at once, for the whole region, what dead processes left, and says what it found: a `Recovery`. Processes that wait
    /// do the same for their channel, within 100 ms; this is for those who want to know, or to see a region clean.
    ///
    /// `dry_run` changes nothing and reports what would be done. `force` also repairs positions that are claimed and that no
    /// handle explains: what programs left that know only the v1 format. Nobody can tell whether such a program is dead; whoever
    /// forces says that none of them is running, or its message is taken from under it.
    ///
    /// >>> print(dmxp.Region().recover(dry_run=True))
    /// nothing to recover
    ///
    /// Raises `ReadOnly`, `Forked` and `Evicted`, and `ManagementLockBusy` after ten seconds.
    #[pyo3(signature = (*, dry_run=false, force=false))]
    fn recover(&self, py: Python<'_>, dry_run: bool, force: bool) -> Result<Recovery> {
        let region = self.get()?;
        let options = RecoverOptions::new().dry_run(dry_run).force(force);
        Ok(Recovery(py.detach(|| region.recover(options))?))
    }

    /// Who waits for whom, on every channel, at this moment: a list of `Blockage`, the positions that keep producers or consumers
    /// from going on, who holds them, and who waits. Only looks, and works on a region opened read-only.
    ///
    /// A claim or a message that a living process holds is waited for, however long; this names it. That of a dead one is here
    /// for as long as it takes somebody who waits to notice.
    ///
    /// >>> producer = dmxp.create_producer(name="bytes")
    /// >>> claim = producer.claim(8)  # claimed, and not published
    /// >>> [blockage] = dmxp.Region().blockages()
    /// >>> blockage.name, blockage.blocked, blockage.obstacle, blockage.holder.state
    /// ('bytes', 'consumers', 'writing', 'running')
    fn blockages(&self, py: Python<'_>) -> Result<Vec<Blockage>> {
        let region = self.get()?;
        let found = py.detach(|| region.blockages())?;
        Ok(found.into_iter().map(Blockage).collect())
    }

    /// What happened on each channel since it was made, and what each open handle did: a list of `ChannelStatistics`, by id. Always
    /// counted, and read without stopping anybody; works on a region opened read-only.
    ///
    /// >>> producer = dmxp.create_producer(name="log", capacity=4)
    /// >>> consumer = dmxp.create_consumer(name="log")
    /// >>> for line in [b"one", b"three"]:
    /// ...     _ = producer.send(line)
    /// >>> consumer.receive().release()
    /// >>> [log] = dmxp.Region().statistics()
    /// >>> log.sent, log.sent_bytes, log.received, log.received_bytes
    /// (2, 8, 1, 3)
    /// >>> log.utilisation  # one message in four slots
    /// 0.25
    /// >>> [(handle.role, handle.messages) for handle in log.handles]
    /// [('producer', 2), ('consumer', 1)]
    ///
    /// A handle's counts stay when it is closed or its process killed. A process that is killed in the middle of a call may have
    /// published or released messages of that call and not counted them; one that is killed while it opens a handle may lose one
    /// number of the ended handle whose place it takes.
    ///
    /// Raises `Corrupt`.
    fn statistics(&self, py: Python<'_>) -> Result<Vec<ChannelStatistics>> {
        let region = self.get()?;
        let statistics = py.detach(|| region.statistics())?;
        Ok(statistics.into_iter().map(ChannelStatistics::from).collect())
    }

    /// Copies the messages that are on the channel with that id or name, without consuming any: a `Peek`. Each is whole, and comes with
    /// metadata, position and state. It begins at the `start`: "oldest"; "newest", going back; or at a position, the `next` of an earlier
    /// call. Of a channel with priorities, urgent messages come first; from a position on there are none.
    ///
    /// >>> producer = dmxp.create_producer(name="log")
    /// >>> for line in [b"one", b"two", b"three"]:
    /// ...     _ = producer.send(line)
    /// >>> found = dmxp.Region.open_read_only().peek("log", limit=2)
    /// >>> found.messages
    /// [Peeked(position=0, state="waiting", payload=b'one'), Peeked(position=1, state="waiting", payload=b'two')]
    /// >>> [rest] = dmxp.Region().peek("log", start=found.next).messages
    /// >>> bytes(rest), rest.metadata.message_id
    /// (b'three', 3)
    ///
    /// Changes nothing, waits for nobody, and works on a region opened read-only. What a call does is bounded by the limit, and by
    /// 131,072 slots looked at in each ring. Raises `ChannelNotFound` and `Corrupt`.
    #[pyo3(signature = (channel, *, start=None, limit=100))]
    fn peek(
        &self,
        py: Python<'_>,
        channel: &Bound<'_, PyAny>,
        start: Option<&Bound<'_, PyAny>>,
        limit: usize,
    ) -> Result<Peek> {
        let region = self.get()?;
        let from = match start.map(delivery::start).transpose()? {
            None | Some(Start::Oldest) => PeekFrom::Oldest,
            Some(Start::Newest) => PeekFrom::Newest,
            Some(Start::Position(position)) => PeekFrom::Position(position),
        };
        let options = PeekOptions::new().from(from).limit(limit);
        let found = match channel.extract::<u32>() {
            Ok(id) => py.detach(|| region.peek(id, options)),
            Err(_) => {
                let name = channel_name(channel)?;
                py.detach(|| region.peek_named(&name, options))
            }
        }?;
        Ok(Peek::new(py, found)?)
    }

    /// The statistics of the channel with that id or name: one of those that `statistics` gives. Raises `ChannelNotFound`.
    ///
    /// >>> producer = dmxp.create_producer(name="log", capacity=2)
    /// >>> while producer.try_send(b"line") < 2:
    /// ...     pass
    /// >>> producer.try_send(b"one too many")
    /// Traceback (most recent call last):
    ///     ...
    /// dmxp.errors.Full: the channel is full
    /// >>> dmxp.Region().channel_statistics("log").refused
    /// 1
    fn channel_statistics(&self, py: Python<'_>, channel: &Bound<'_, PyAny>) -> Result<ChannelStatistics> {
        let region = self.get()?;
        let id = match channel.extract::<u32>() {
            Ok(id) => id,
            Err(_) => find(&region, channel)?.id,
        };
        Ok(py.detach(|| region.channel_statistics(id))?.into())
    }

    /// Hands this region, which has no name, to the process at the other end of a connected Unix socket, if that runs as the same
    /// user or as root; or if `policy`, which is called with its `PeerCredentials`, says so. The other end calls `Region.receive`.
    /// Returns when it has attached. `timeout`, in seconds, bounds the whole exchange. After an exception the peer may have the
    /// region all the same, and the connection is of no further use.
    ///
    /// >>> import socket, threading
    /// >>> ours, theirs = socket.socketpair()
    /// >>> region = dmxp.Region.create_anonymous(size=4 << 20)
    /// >>> with ours, theirs:
    /// ...     giver = threading.Thread(target=region.hand_over, args=(ours, 10))
    /// ...     giver.start()
    /// ...     dmxp.Region.receive(theirs, 10).info.id == region.info.id
    /// ...     giver.join()
    /// True
    ///
    /// Raises `PeerRefused`, `Timeout`, `HandOver` when the peer refuses, closes the connection or speaks of something else, and
    /// `InvalidArgument` when the region has a name.
    #[pyo3(signature = (socket, timeout, policy=None))]
    fn hand_over(
        &self,
        py: Python<'_>,
        socket: &Bound<'_, PyAny>,
        timeout: f64,
        policy: Option<&Bound<'_, PyAny>>,
    ) -> Result<()> {
        let region = self.get()?;
        let (stream, timeout) = (stream(socket)?, duration(timeout)?);
        match policy {
            None => Ok(with_peer(py, stream, move |stream| region.hand_over(stream, timeout))??),
            Some(policy) => {
                let verdict = Verdict::ask(py, &stream, policy)?;
                let accepts = verdict.accepts();
                verdict.after(with_peer(py, stream, move |stream| {
                    region.hand_over_if(stream, timeout, |_| accepts)
                })?)
            }
        }
    }

    /// A new file descriptor of this region, which has no name: to be inherited by another process (`pass_fds` of `subprocess`)
    /// or sent to one, and closed with `os.close`. Whoever has it can read and write the region.
    ///
    /// Raises `InvalidArgument` when the region has a name, and `ReadOnly`.
    fn descriptor(&self) -> Result<i32> {
        Ok(self.get()?.descriptor()?.into_raw_fd())
    }

    /// Gives the region up, as far as this object holds it: its producers and consumers keep working.
    fn detach(&self) {
        let region = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(region);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        self.detach();
    }

    fn __repr__(&self) -> String {
        self.path().map_or_else(
            |_| "<dmxp.Region, detached>".into(),
            |path| format!("<dmxp.Region {}>", path.display()),
        )
    }
}

/// Waits without the GIL, and looks at signals between.
fn in_slices<R: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    wait: impl Fn(Duration) -> dmxp::Result<R> + Sync,
) -> Result<R> {
    let timeout = timeout.map_or(Ok(Duration::MAX), duration)?;
    let end = Instant::now().checked_add(timeout);
    loop {
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        match py.detach(|| wait(left.min(SLICE))) {
            Err(Error::Timeout) if left > SLICE => py.check_signals()?,
            outcome => return Ok(outcome?),
        }
    }
}

fn find(region: &dmxp::Region, channel: &Bound<'_, PyAny>) -> Result<dmxp::ChannelInfo> {
    if let Ok(id) = channel.extract::<u32>() {
        return Ok(region.channel(id)?);
    }
    Ok(region.channel_named(&channel_name(channel)?)?)
}

fn channel_name(channel: &Bound<'_, PyAny>) -> PyResult<String> {
    channel
        .extract()
        .map_err(|_| PyTypeError::new_err("give a channel id or a channel name"))
}

/// What a producer or consumer is opened on.
pub(crate) struct Target<'a, 'py> {
    pub(crate) channel_id: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) capacity: Option<u64>,
    pub(crate) region: Option<&'a Bound<'py, PyAny>>,
    pub(crate) compact_slots: Option<bool>,
    pub(crate) packed_slots: Option<bool>,
    pub(crate) payload_capacity: Option<u32>,
    pub(crate) v1_peers: Option<bool>,
    pub(crate) checksums: Option<bool>,
    pub(crate) dead_consumers: Option<String>,
    pub(crate) redelivery_limit: Option<u32>,
    pub(crate) dead_letters: Option<String>,
    pub(crate) expiry: Option<f64>,
    pub(crate) priorities: Option<bool>,
    pub(crate) wait_strategy: Option<String>,
    pub(crate) asked: Asked<'a, 'py>,
    pub(crate) replace_if_unused: bool,
    pub(crate) keep_removed_region: bool,
    pub(crate) open_only: bool,
}

/// The strategy of that name.
fn wait_strategy(name: &str) -> dmxp::Result<WaitStrategy> {
    match name {
        "spin" => Ok(WaitStrategy::Spin),
        "spin_then_sleep" => Ok(WaitStrategy::SpinThenSleep),
        "sleep" => Ok(WaitStrategy::Sleep),
        _ => Err(Error::InvalidArgument {
            what: format!("wait_strategy is {name:?}; give \"spin\", \"spin_then_sleep\" or \"sleep\""),
        }),
    }
}

/// Opens a handle, without the GIL: the management lock may be another's for a while.
pub(crate) fn opening<H: Send>(
    py: Python<'_>,
    target: Target<'_, '_>,
    message_type: Option<&MessageType>,
    build: impl FnOnce(&ChannelBuilder) -> dmxp::Result<H> + Send,
) -> Result<H> {
    let mut builder = ChannelBuilder::new();
    if let Some(id) = target.channel_id {
        builder = builder.with_channel_id(id);
    }
    if let Some(name) = target.name {
        builder = builder.with_name(name);
    }
    if let Some(capacity) = target.capacity {
        builder = builder.with_capacity(capacity);
    }
    if let Some(bytes) = target.payload_capacity {
        builder = builder.with_payload_capacity(bytes);
    }
    if let Some(yes) = target.compact_slots {
        builder = builder.with_compact_slots(yes);
    }
    if let Some(yes) = target.packed_slots {
        builder = builder.with_packed_slots(yes);
    }
    if let Some(yes) = target.v1_peers {
        builder = builder.with_v1_peers(yes);
    }
    if let Some(yes) = target.checksums {
        builder = builder.with_checksums(yes);
    }
    if let Some(policy) = target.dead_consumers {
        builder = builder.with_dead_consumers(dead_consumers(&policy)?);
    }
    if let Some(times) = target.redelivery_limit {
        builder = builder.with_redelivery_limit(times);
    }
    if let Some(channel) = target.dead_letters {
        builder = builder.with_dead_letters(channel);
    }
    if let Some(seconds) = target.expiry {
        let age = Duration::try_from_secs_f64(seconds).map_err(|_| Error::InvalidArgument {
            what: format!("expiry is {seconds}; give seconds, more than 0"),
        })?;
        builder = builder.with_expiry(age);
    }
    if let Some(strategy) = target.wait_strategy {
        builder = builder.with_wait_strategy(wait_strategy(&strategy)?);
    }
    if let Some(yes) = target.priorities {
        builder = builder.with_priorities(yes);
    }
    if target.replace_if_unused {
        builder = builder.with_replace_if_unused(true);
    }
    if target.keep_removed_region {
        builder = builder.with_keep_removed_region(true);
    }
    builder = target.asked.of(builder)?;
    if target.open_only {
        builder = builder.open_only();
    }
    if let Some(message_type) = message_type {
        builder = builder.with_schema(message_type.schema.clone());
    }
    let mut named = default_options();
    let mut region = None;
    if let Some(given) = target.region {
        if let Ok(given) = given.cast::<Region>() {
            region = Some(given.get().get()?);
        } else {
            let given: String = given
                .extract()
                .map_err(|_| PyTypeError::new_err("region: give a dmxp.Region or a region's name"))?;
            named = named.name(given);
        }
    }
    let open_only = target.open_only;
    Ok(py.detach(move || {
        let region = match region {
            Some(region) => region,
            None if open_only => named.open()?,
            None => named.open_or_create()?,
        };
        build(&builder.with_region(&region))
    })?)
}
