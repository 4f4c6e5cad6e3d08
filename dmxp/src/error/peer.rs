//! The process at the other end of a socket, as errors name it.

/// The process at the other end of a Unix socket, as the kernel noted it when the two were connected: the one that connected or
/// listened, or that made the pair of sockets, even if another process has the socket now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its process id; 0 if it lies in a PID namespace that this process cannot see.
    pub pid: u32,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}
