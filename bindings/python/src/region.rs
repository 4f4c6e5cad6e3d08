//! Regions, their channels, and what to open in them.

use crate::errors::{Failure, Result};
use crate::message_type::MessageType;
use dmxp::{ChannelBuilder, RegionOptions, Runtime};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

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

/// Somebody who holds a channel open.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct HolderInfo {
    /// Its process.
    pid: u32,
    /// The thread that opened the handle.
    thread: u32,
    /// When it was opened, nanoseconds since the Unix epoch.
    opened_ns: u64,
}

#[pymethods]
impl HolderInfo {
    fn __repr__(&self) -> String {
        let Self { pid, thread, opened_ns } = self;
        format!("HolderInfo(pid={pid}, thread={thread}, opened_ns={opened_ns})")
    }
}

/// A channel at one moment.
#[pyclass(frozen, get_all, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct ChannelInfo {
    /// Its number, 0 to 255.
    id: u32,
    /// Its name, if it has one.
    name: Option<String>,
    /// Slots: messages it holds at most.
    capacity: u64,
    /// Bytes of payload that a slot holds.
    payload_capacity: u32,
    /// Bytes of the region it takes.
    bytes: u64,
    /// The message type in its one-line form; None on untyped channels.
    schema: Option<String>,
    /// Made to be shared with programs that know only the v1 format.
    v1_peers: bool,
    /// Each message carries a CRC-32.
    checksums: bool,
    /// Positions claimed by producers since the channel was made.
    tail: u64,
    /// Positions claimed by consumers since the channel was made.
    head: u64,
    /// The stream has ended.
    closed: bool,
    /// Removed by force while these handles were open.
    removed: bool,
    /// When it was made, nanoseconds since the Unix epoch.
    created_ns: u64,
    /// Who made it.
    creator_pid: u32,
    /// Open producers.
    producers: Vec<Py<HolderInfo>>,
    /// Open consumers.
    consumers: Vec<Py<HolderInfo>>,
}

impl ChannelInfo {
    fn new(py: Python<'_>, info: dmxp::ChannelInfo) -> PyResult<Self> {
        let holders = |holders: Vec<dmxp::HolderInfo>| {
            let copy = |holder: dmxp::HolderInfo| HolderInfo {
                pid: holder.pid,
                thread: holder.thread,
                opened_ns: holder.opened_ns,
            };
            holders
                .into_iter()
                .map(|holder| Py::new(py, copy(holder)))
                .collect::<PyResult<Vec<_>>>()
        };
        Ok(Self {
            id: info.id,
            name: info.name,
            capacity: info.capacity,
            payload_capacity: info.payload_capacity,
            bytes: info.bytes,
            schema: info.schema.as_ref().map(dmxp_schema::text::write),
            v1_peers: info.v1_peers,
            checksums: info.checksums,
            tail: info.tail,
            head: info.head,
            closed: info.closed,
            removed: info.removed,
            created_ns: info.created_ns,
            creator_pid: info.creator_pid,
            producers: holders(info.producers)?,
            consumers: holders(info.consumers)?,
        })
    }
}

#[pymethods]
impl ChannelInfo {
    /// Messages waiting, among them those claimed and not yet published.
    fn __len__(&self) -> usize {
        self.tail.saturating_sub(self.head) as usize
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(|| "None".into(), |name| format!("{name:?}"));
        format!(
            "ChannelInfo(id={}, name={name}, capacity={}, waiting={}, producers={}, consumers={})",
            self.id,
            self.capacity,
            self.__len__(),
            self.producers.len(),
            self.consumers.len()
        )
    }
}

/// The options of this process's regions; messages name Python as their sender's runtime.
fn options(name: Option<String>, dir: Option<PathBuf>) -> RegionOptions {
    let mut options = RegionOptions::new().runtime(Runtime::Python);
    if let Some(name) = name {
        options = options.name(name);
    }
    if let Some(dir) = dir {
        options = options.dir(dir);
    }
    options
}

/// A region of shared memory, a file in `/dev/shm`, which holds up to 256 channels.
///
/// `Region(...)` opens it and creates it if there is none. `name` and `dir` default to the environment variables DMXP_REGION
/// and DMXP_DIR, and those to `dmxp_alloc` in `/dev/shm`. `size` (bytes, default 128 MiB), `max_processes` (default 256) and
/// `max_handles` (default 1024) count when the region is created.
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
    fn attach(py: Python<'_>, open: impl FnOnce() -> dmxp::Result<dmxp::Region> + Send) -> Result<Self> {
        let region = py.detach(open)?;
        Ok(Self(Mutex::new(Some(region))))
    }

    fn get(&self) -> Result<dmxp::Region> {
        let region = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        region.clone().ok_or(Failure::Detached("region"))
    }
}

fn sized(
    name: Option<String>,
    dir: Option<PathBuf>,
    size: Option<u64>,
    max_processes: Option<u32>,
    max_handles: Option<u32>,
) -> RegionOptions {
    let mut options = options(name, dir);
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

#[pymethods]
impl Region {
    #[new]
    #[pyo3(signature = (name=None, *, dir=None, size=None, max_processes=None, max_handles=None))]
    fn new(
        py: Python<'_>,
        name: Option<String>,
        dir: Option<PathBuf>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
    ) -> Result<Self> {
        let options = sized(name, dir, size, max_processes, max_handles);
        Self::attach(py, || options.open_or_create())
    }

    /// Opens a region, and creates it if there is none: what `Region(...)` does.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None, size=None, max_processes=None, max_handles=None))]
    fn open_or_create(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        dir: Option<PathBuf>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
    ) -> Result<Self> {
        Self::new(class.py(), name, dir, size, max_processes, max_handles)
    }

    /// Creates a region. Raises `RegionExists` when there is one.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None, size=None, max_processes=None, max_handles=None))]
    fn create(
        class: &Bound<'_, PyType>,
        name: Option<String>,
        dir: Option<PathBuf>,
        size: Option<u64>,
        max_processes: Option<u32>,
        max_handles: Option<u32>,
    ) -> Result<Self> {
        let options = sized(name, dir, size, max_processes, max_handles);
        Self::attach(class.py(), || options.create())
    }

    /// Opens a region. Raises `RegionNotFound` when there is none, `InvalidMagic`, `NotARegion` or `Corrupt` when the file
    /// cannot be used.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None))]
    fn open(class: &Bound<'_, PyType>, name: Option<String>, dir: Option<PathBuf>) -> Result<Self> {
        let options = options(name, dir);
        Self::attach(class.py(), || options.open())
    }

    /// Opens a region for looking only: nothing is registered or written, and channels can be listed but not opened.
    #[classmethod]
    #[pyo3(signature = (name=None, *, dir=None))]
    fn open_read_only(class: &Bound<'_, PyType>, name: Option<String>, dir: Option<PathBuf>) -> Result<Self> {
        let options = options(name, dir);
        Self::attach(class.py(), || options.open_read_only())
    }

    /// Removes a region's file. Who is attached keeps working; nobody new can join. Raises `RegionInUse` when processes are
    /// attached, unless `force`.
    #[staticmethod]
    #[pyo3(signature = (name=None, *, dir=None, force=false))]
    fn remove(py: Python<'_>, name: Option<String>, dir: Option<PathBuf>, force: bool) -> Result<()> {
        let options = options(name, dir);
        Ok(py.detach(|| options.remove(force))?)
    }

    /// The region's file.
    #[getter]
    fn path(&self) -> Result<PathBuf> {
        Ok(self.get()?.path().to_owned())
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
    fn channels(&self, py: Python<'_>) -> Result<Vec<ChannelInfo>> {
        let channels = self.get()?.channels()?;
        Ok(channels
            .into_iter()
            .map(|info| ChannelInfo::new(py, info))
            .collect::<PyResult<_>>()?)
    }

    /// The channel with that id or name. Raises `ChannelNotFound`.
    fn channel(&self, py: Python<'_>, channel: &Bound<'_, PyAny>) -> Result<ChannelInfo> {
        let info = find(&self.get()?, channel)?;
        Ok(ChannelInfo::new(py, info)?)
    }

    /// Removes the channel with that id or name and gives its space back. Raises `ChannelInUse` while handles are open; with
    /// `force` it goes all the same, and their calls raise `Removed`.
    #[pyo3(signature = (channel, *, force=false))]
    fn remove_channel(&self, py: Python<'_>, channel: &Bound<'_, PyAny>, force: bool) -> Result<()> {
        let region = self.get()?;
        let id = match channel.extract::<u32>() {
            Ok(id) => id,
            Err(_) => find(&region, channel)?.id,
        };
        Ok(py.detach(|| region.remove_channel(id, force))?)
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

fn find(region: &dmxp::Region, channel: &Bound<'_, PyAny>) -> Result<dmxp::ChannelInfo> {
    if let Ok(id) = channel.extract::<u32>() {
        return Ok(region.channel(id)?);
    }
    let name: String = channel
        .extract()
        .map_err(|_| PyTypeError::new_err("give a channel id or a channel name"))?;
    Ok(region.channel_named(&name)?)
}

/// What a producer or consumer is opened on.
pub(crate) struct Target<'a, 'py> {
    pub(crate) channel_id: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) capacity: Option<u64>,
    pub(crate) region: Option<&'a Bound<'py, PyAny>>,
    pub(crate) v1_peers: Option<bool>,
    pub(crate) checksums: Option<bool>,
    pub(crate) open_only: bool,
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
    if let Some(yes) = target.v1_peers {
        builder = builder.with_v1_peers(yes);
    }
    if let Some(yes) = target.checksums {
        builder = builder.with_checksums(yes);
    }
    if target.open_only {
        builder = builder.open_only();
    }
    if let Some(message_type) = message_type {
        builder = builder.with_schema(message_type.schema.clone());
    }
    let mut name = None;
    let mut region = None;
    if let Some(given) = target.region {
        if let Ok(given) = given.cast::<Region>() {
            region = Some(given.get().get()?);
        } else {
            let given: String = given
                .extract()
                .map_err(|_| PyTypeError::new_err("region: give a dmxp.Region or a region's name"))?;
            name = Some(given);
        }
    }
    let open_only = target.open_only;
    Ok(py.detach(move || {
        let region = match region {
            Some(region) => region,
            None if open_only => options(name, None).open()?,
            None => options(name, None).open_or_create()?,
        };
        build(&builder.with_region(&region))
    })?)
}
