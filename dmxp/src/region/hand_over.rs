//! Passing an anonymous region to another process over a connected Unix socket.
//!
//! The sender of the region asks its policy about the peer and sends an *offer*: 16 bytes, with a descriptor of the region beside them
//! (`SCM_RIGHTS`, unix(7)). The receiver asks its own policy, takes exactly one descriptor, attaches, and answers with 16
//! bytes: *accepted* or *refused*. Both wait until one deadline for the whole exchange, however slowly bytes trickle in. Neither
//! changes the socket's settings, nor reads a byte beyond the exchange.

use super::{MakeRoom, Region, RegionOptions};
use crate::error::PeerCredentials;
use crate::error::{Error, Result};
use core::mem::{MaybeUninit, size_of};
use core::ptr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The first eight bytes of each message of the exchange.
const MAGIC: [u8; 8] = *b"DMXPHAND";
/// Of the exchange, in the next four.
const VERSION: u32 = 1;

/// Kind of a control message with a descriptor of the sending process, where the socket's owner asked for them (`SO_PASSPIDFD`).
const SCM_PIDFD: libc::c_int = 4;

/// What a message says, in its last four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Offer = 1,
    Accepted = 2,
    Refused = 3,
}

impl PeerCredentials {
    /// Those of the other end of `stream`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of(stream: &UnixStream) -> Result<Self> {
        let mut found = libc::ucred {
            pid: 0,
            uid: u32::MAX,
            gid: u32::MAX,
        };
        let mut len = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: `found` has `len` bytes, and any bytes are a valid ucred.
        let answer = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut found).cast(),
                &raw mut len,
            )
        };
        if answer != 0 {
            return Err(Error::io("asking who is at the other end of the socket")(
                io::Error::last_os_error(),
            ));
        }
        Ok(Self {
            pid: found.pid.unsigned_abs(),
            uid: found.uid,
            gid: found.gid,
        })
    }

    /// Whether it runs as this process's effective user, or as root, who may read and write this process's memory anyway.
    #[must_use]
    pub fn is_same_user(&self) -> bool {
        // SAFETY: geteuid has no preconditions.
        let is_ours = self.uid == unsafe { libc::geteuid() };
        is_ours && !super::verify::is_unmapped_user(self.uid) || self.uid == 0
    }

    fn admit(stream: &UnixStream, policy: impl FnOnce(&Self) -> bool) -> Result<()> {
        let peer = Self::of(stream)?;
        if policy(&peer) {
            Ok(())
        } else {
            Err(Error::PeerRefused { peer })
        }
    }
}

impl Region {
    /// Hands this anonymous region to the process at the other end of `stream`, if that runs as the same user or as root
    /// ([`PeerCredentials::is_same_user`]). The other end calls [`RegionOptions::receive`]. Returns when it has attached.
    ///
    /// `timeout` bounds the whole exchange. After an error the peer may have the region all the same, and the connection is of
    /// no further use.
    ///
    /// ```
    /// use dmxp::{ChannelBuilder, RegionOptions};
    /// use std::{os::unix::net::UnixStream, thread, time::Duration};
    ///
    /// let timeout = Duration::from_secs(5);
    /// let region = RegionOptions::new().create_anonymous()?;
    /// let (here, there) = UnixStream::pair()?;
    /// // As a rule another process does this, over a socket that it has connected to.
    /// let peer = thread::spawn(move || -> dmxp::Result<Vec<u8>> {
    ///     let region = RegionOptions::new().receive(&there, timeout)?;
    ///     let consumer = ChannelBuilder::new().with_region(&region).with_name("words").build_consumer()?;
    ///     Ok(consumer.recv_timeout(timeout)?.to_vec())
    /// });
    /// region.hand_over(&here, timeout)?;
    /// let producer = ChannelBuilder::new().with_region(&region).with_name("words").build_producer()?;
    /// producer.send(b"hello")?;
    /// assert_eq!(peer.join().expect("no panic")?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::PeerRefused`] when the peer runs as somebody else; [`Error::Timeout`]; [`Error::HandOver`] when the peer
    /// refuses, closes the connection, or speaks of something else; and those of [`descriptor`](Self::descriptor).
    pub fn hand_over(&self, stream: &UnixStream, timeout: Duration) -> Result<()> {
        self.hand_over_if(stream, timeout, PeerCredentials::is_same_user)
    }

    /// As [`hand_over`](Self::hand_over), to a peer that `policy` accepts. It is asked before anything is sent.
    ///
    /// # Errors
    /// As [`hand_over`](Self::hand_over).
    pub fn hand_over_if(
        &self,
        stream: &UnixStream,
        timeout: Duration,
        policy: impl FnOnce(&PeerCredentials) -> bool,
    ) -> Result<()> {
        let exchange = Exchange::new(stream, timeout);
        PeerCredentials::admit(stream, policy)?;
        let descriptor = self.descriptor()?;
        exchange.send(Kind::Offer, Some(descriptor.as_fd()))?;
        drop(descriptor);
        match exchange.receive()? {
            (Kind::Accepted, None) => Ok(()),
            (Kind::Refused, None) => Err(Error::hand_over("the peer refused the region; its own error says why")),
            _ => Err(Error::hand_over("the peer answered with something that is no answer")),
        }
    }
}

impl RegionOptions {
    /// As [`receive`](Self::receive); `make_room` is for attaching.
    pub(crate) fn receive_making_room(
        &self,
        stream: &UnixStream,
        timeout: Duration,
        make_room: MakeRoom,
    ) -> Result<Region> {
        let policy = |peer: &PeerCredentials| peer.is_same_user() || self.accepted_owner == Some(peer.uid);
        self.receive_if_making_room(stream, timeout, policy, make_room)
    }

    /// As [`receive_if`](Self::receive_if).
    pub(crate) fn receive_if_making_room(
        &self,
        stream: &UnixStream,
        timeout: Duration,
        policy: impl FnOnce(&PeerCredentials) -> bool,
        make_room: MakeRoom,
    ) -> Result<Region> {
        let exchange = Exchange::new(stream, timeout);
        let received = PeerCredentials::admit(stream, policy)
            .and_then(|()| exchange.offered())
            .and_then(|descriptor| self.attach_making_room(descriptor, make_room));
        // Whether the answer arrives changes nothing here: the region is this process's, or it is not.
        let _ = exchange.send(
            if received.is_ok() {
                Kind::Accepted
            } else {
                Kind::Refused
            },
            None,
        );
        received
    }
}

/// One hand-over, at either end.
struct Exchange<'a> {
    stream: &'a UnixStream,
    /// `None` lies beyond what the clock can say.
    deadline: Option<Instant>,
}

impl<'a> Exchange<'a> {
    fn new(stream: &'a UnixStream, timeout: Duration) -> Self {
        Self {
            stream,
            deadline: Instant::now().checked_add(timeout),
        }
    }

    /// The one descriptor that comes with an offer.
    fn offered(&self) -> Result<OwnedFd> {
        match self.receive()? {
            (Kind::Offer, Some(descriptor)) => Ok(descriptor),
            (Kind::Offer, None) => Err(Error::hand_over("the peer sent no descriptor of a region")),
            _ => Err(Error::hand_over("the peer answers instead of offering a region")),
        }
    }

    /// Sends a message, and `descriptor` with its first byte.
    fn send(&self, kind: Kind, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        let message = encode(kind);
        let mut sent = 0;
        while sent < message.len() {
            let beside = descriptor.filter(|_| sent == 0);
            match send_some(self.stream, &message[sent..], beside) {
                Ok(count) => sent += count,
                Err(error) if is_transient(&error) => self.wait(libc::POLLOUT)?,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(Error::hand_over("the peer has closed the connection"));
                }
                Err(error) => return Err(Error::io("sending to the peer of a hand-over")(error)),
            }
        }
        Ok(())
    }

    /// Receives a message, and the descriptor that came with it. More than one is an error; all are closed then.
    fn receive(&self) -> Result<(Kind, Option<OwnedFd>)> {
        let mut message = [0; 16];
        let mut descriptor = None;
        let mut got = 0;
        while got < message.len() {
            let received = match receive_some(self.stream, &mut message[got..]) {
                Ok(received) => received,
                Err(error) if is_transient(&error) => {
                    self.wait(libc::POLLIN)?;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(Error::hand_over("the peer has closed the connection"));
                }
                Err(error) => return Err(Error::io("receiving from the peer of a hand-over")(error)),
            };
            for found in received.descriptors {
                if descriptor.replace(found).is_some() {
                    return Err(Error::hand_over("the peer sent several descriptors; a region has one"));
                }
            }
            if received.truncated {
                return Err(Error::hand_over(
                    "descriptors were lost on the way: the peer sent too many, or this process may open no more",
                ));
            }
            if received.bytes == 0 {
                return Err(Error::hand_over("the peer has closed the connection"));
            }
            got += received.bytes;
        }
        Ok((decode(&message)?, descriptor))
    }

    /// Waits until the socket is ready for `events`, or has failed.
    fn wait(&self, events: libc::c_short) -> Result<()> {
        let mut poll = libc::pollfd {
            fd: self.stream.as_raw_fd(),
            events,
            revents: 0,
        };
        loop {
            let left = self.deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(Error::Timeout);
            }
            // Rounded up: not to look again and again in the last millisecond.
            let milliseconds = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
            // SAFETY: `poll` is one pollfd.
            let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
            if ready > 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if ready < 0 && error.kind() != io::ErrorKind::Interrupted {
                return Err(Error::io("waiting for the peer of a hand-over")(error));
            }
        }
    }
}

fn encode(kind: Kind) -> [u8; 16] {
    let mut message = [0; 16];
    message[..8].copy_from_slice(&MAGIC);
    message[8..12].copy_from_slice(&VERSION.to_le_bytes());
    message[12..].copy_from_slice(&(kind as u32).to_le_bytes());
    message
}

fn decode(message: &[u8; 16]) -> Result<Kind> {
    let word = |at: usize| u32::from_le_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
    if message[..8] != MAGIC {
        return Err(Error::hand_over("what the peer sends is not the hand-over of a region"));
    }
    if word(8) != VERSION {
        return Err(Error::hand_over(format!(
            "the peer speaks version {} of the hand-over; this library speaks {VERSION}",
            word(8)
        )));
    }
    match word(12) {
        1 => Ok(Kind::Offer),
        2 => Ok(Kind::Accepted),
        3 => Ok(Kind::Refused),
        other => Err(Error::hand_over(format!("the peer sent a message of kind {other}"))),
    }
}

/// Not now, but perhaps when the socket is ready.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Room for control messages: the descriptors that a peer may send, and what options of the socket may add.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 512]);

/// A message header over `bytes` and `control`, which it must not outlive.
fn header(bytes: &mut libc::iovec, control: &mut Control, room: usize) -> libc::msghdr {
    libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: ptr::from_mut(bytes),
        msg_iovlen: 1,
        msg_control: control.0.as_mut_ptr().cast(),
        msg_controllen: room as _,
        msg_flags: 0,
    }
}

fn send_some(stream: &UnixStream, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([MaybeUninit::zeroed(); 512]);
    let size = size_of::<RawFd>() as libc::c_uint;
    // SAFETY: computes with a number.
    let room = unsafe { libc::CMSG_SPACE(size) } as usize;
    let mut message = header(&mut part, &mut control, if descriptor.is_some() { room } else { 0 });
    if let Some(descriptor) = descriptor {
        // SAFETY: `message` has a control buffer with room for one header and what follows it.
        let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: computes with a number.
        let len = unsafe { libc::CMSG_LEN(size) };
        let head = libc::cmsghdr {
            cmsg_len: len as _,
            cmsg_level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
        };
        // SAFETY: `first` points into the control buffer, which is aligned for a header and has room for it.
        unsafe { first.write(head) };
        // SAFETY: `first` points to a header in the control buffer.
        let data = unsafe { libc::CMSG_DATA(first) };
        // SAFETY: the room behind the header was computed for one descriptor; it need not be aligned.
        unsafe { data.cast::<RawFd>().write_unaligned(descriptor.as_raw_fd()) };
    } else {
        message.msg_control = ptr::null_mut();
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the header describes `bytes`, which the call only reads, and the control buffer; both live through it.
    let sent = unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What one call received.
struct Received {
    bytes: usize,
    descriptors: Vec<OwnedFd>,
    /// There was more in the control messages than arrived.
    truncated: bool,
}

fn receive_some(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<Received> {
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([MaybeUninit::zeroed(); 512]);
    let mut message = header(&mut part, &mut control, size_of::<Control>());
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header describes `bytes` and the control buffer, both the call's alone.
    let got = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, flags) };
    let bytes = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    let mut descriptors = Vec::new();
    // SAFETY: recvmsg has filled the control buffer, and set its length in `message`.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !next.is_null() {
        // SAFETY: not null, so it points to a whole header in the control buffer.
        let head = unsafe { next.read() };
        let of_socket = head.cmsg_level == libc::SOL_SOCKET;
        if of_socket && matches!(head.cmsg_type, libc::SCM_RIGHTS | SCM_PIDFD) {
            // SAFETY: `next` points to a header.
            let data = unsafe { libc::CMSG_DATA(next) }.cast::<RawFd>();
            // SAFETY: computes with a number.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (head.cmsg_len as usize).saturating_sub(before) / size_of::<RawFd>();
            for index in 0..count {
                // SAFETY: the kernel wrote `count` descriptors behind the header.
                let place = unsafe { data.add(index) };
                // SAFETY: as above; they need not be aligned.
                let descriptor = unsafe { place.read_unaligned() };
                if descriptor < 0 {
                    // The kernel could open none, and says why instead.
                    continue;
                }
                // SAFETY: the kernel has just opened it for this process, and nobody else knows its number.
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                if head.cmsg_type == libc::SCM_RIGHTS {
                    descriptors.push(descriptor);
                }
            }
        }
        // SAFETY: `message` is as recvmsg left it, and `next` one of its headers.
        next = unsafe { libc::CMSG_NXTHDR(&raw const message, next) };
    }
    Ok(Received {
        bytes,
        descriptors,
        truncated: message.msg_flags & libc::MSG_CTRUNC != 0,
    })
}
