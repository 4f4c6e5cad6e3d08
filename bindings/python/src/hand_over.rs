//! Regions without a name go from process to process by descriptor: sockets, descriptors, and who is at the other end.

use crate::errors::Result;
use crate::shared::SLICE;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use std::net::Shutdown;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};

/// The process at the other end of a Unix socket, as the kernel wrote it down when the two were connected: it who connected or
/// listened, or who made the pair of sockets, even if another process has the socket now.
///
/// >>> import os, socket
/// >>> ours, theirs = socket.socketpair()
/// >>> with ours, theirs:
/// ...     dmxp.PeerCredentials.of(ours).pid == os.getpid()
/// True
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct PeerCredentials {
    /// Its process id; 0 if it lies in a PID namespace that this process cannot see.
    pid: u32,
    /// Its effective user id.
    uid: u32,
    /// Its effective group id.
    gid: u32,
    /// Whether it runs as this process's effective user, or as root.
    is_same_user: bool,
}

impl PeerCredentials {
    fn read(stream: &UnixStream) -> dmxp::Result<Self> {
        let peer = dmxp::PeerCredentials::of(stream)?;
        Ok(Self {
            pid: peer.pid,
            uid: peer.uid,
            gid: peer.gid,
            is_same_user: peer.is_same_user(),
        })
    }
}

#[pymethods]
impl PeerCredentials {
    /// Those of the other end of a connected Unix socket.
    #[staticmethod]
    fn of(socket: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self::read(&stream(socket)?)?)
    }

    fn __repr__(&self) -> String {
        let Self { pid, uid, gid, .. } = self;
        format!("PeerCredentials(pid={pid}, uid={uid}, gid={gid})")
    }
}

/// A descriptor of our own for what a number, or an object with `fileno()`, stands for.
pub(crate) fn descriptor(object: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    let py = object.py();
    let number = match object.extract::<i32>() {
        Ok(number) => number,
        Err(_) => match object.getattr("fileno") {
            Ok(fileno) => fileno.call0()?.extract()?,
            Err(_) => {
                return Err(PyTypeError::new_err(
                    "give a file descriptor, or an object that has one (fileno())",
                ));
            }
        },
    };
    let own: i32 = py.import("os")?.call_method1("dup", (number,))?.extract()?;
    // SAFETY: os.dup has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(own) })
}

/// A Python socket, as long as this lives; the socket stays Python's.
pub(crate) fn stream(socket: &Bound<'_, PyAny>) -> PyResult<UnixStream> {
    descriptor(socket).map(UnixStream::from)
}

/// Runs a call that may wait for its peer, and ends it when a signal raises: by shutting the connection down, which ends the hand-over for the
/// peer too.
pub(crate) fn with_peer<R: Send + 'static>(
    py: Python<'_>,
    stream: UnixStream,
    call: impl FnOnce(&UnixStream) -> dmxp::Result<R> + Send + 'static,
) -> Result<dmxp::Result<R>> {
    let own = stream.try_clone().map_err(PyErr::from)?;
    let (tell, mut told) = mpsc::channel();
    let waiting = std::thread::Builder::new()
        .name("dmxp-hand-over".into())
        .spawn(move || {
            let outcome = call(&stream);
            // Closed by the time that anybody knows the outcome.
            drop(stream);
            // Nobody listens any more after a signal.
            let _ = tell.send(outcome);
        });
    waiting.map_err(PyErr::from)?;
    loop {
        let told = &mut told;
        match py.detach(move || told.recv_timeout(SLICE)) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Timeout) => {}
            // It panicked, which it does not; the hook has said why.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the hand-over ended without a result").into());
            }
        }
        if let Err(raised) = py.check_signals() {
            // The thread ends by that, and has nothing to tell.
            let _ = own.shutdown(Shutdown::Both);
            return Err(raised.into());
        }
    }
}

/// What a policy that was written in Python says of the peer. An exception refuses it, and is raised when the peer knows.
pub(crate) struct Verdict(PyResult<bool>);

impl Verdict {
    /// Asks now, which is before anything is sent or read: what the kernel says of the peer does not change.
    pub(crate) fn ask(py: Python<'_>, stream: &UnixStream, policy: &Bound<'_, PyAny>) -> Result<Self> {
        let peer = Bound::new(py, PeerCredentials::read(stream)?)?;
        Ok(Self(policy.call1((peer,)).and_then(|answer| answer.is_truthy())))
    }

    pub(crate) fn accepts(&self) -> bool {
        matches!(self.0, Ok(true))
    }

    /// The policy's own exception before what came of it.
    pub(crate) fn after<T>(self, outcome: dmxp::Result<T>) -> Result<T> {
        self.0?;
        Ok(outcome?)
    }
}
