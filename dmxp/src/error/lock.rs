//! Why the management lock could not be had.

use core::fmt;

/// What a process that waited for the management lock of a region saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockBusy {
    /// One holder all the while, which is stopped (SIGSTOP, a debugger).
    Stopped,
    /// One holder all the while, which runs.
    Running,
    /// One holder all the while, and its pid does not say how it is: another PID namespace, no `/proc`, or a process that is
    /// attaching.
    Unknown,
    /// Other processes, one after the other: more of them attach, open and leave than there is time for.
    InTurn {
        /// How often the lock changed hands meanwhile.
        turns: u32,
    },
    /// The process makes the channel that was to be opened, which takes time if it is large, and comes no further.
    MakingChannel {
        /// Whether it is stopped.
        stopped: bool,
    },
}

impl LockBusy {
    /// What is said of a lock that process `pid` holds, or held last.
    pub(super) fn say(self, pid: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = format!("the region's management lock is held by process {pid}");
        match self {
            Self::Stopped => write!(f, "{held}, which is stopped; continue or end it"),
            Self::Running => write!(
                f,
                "{held}, which runs and does not give it back; if it is stuck, end it"
            ),
            Self::Unknown => write!(f, "{held} (stopped, or in another PID namespace?); continue or end it"),
            Self::InTurn { turns } => write!(
                f,
                "the region's management lock went to others {turns} times within a minute, and nobody holds it for long: too many \
                 processes attach, open handles and leave at once; try again"
            ),
            Self::MakingChannel { stopped } => {
                let how = if stopped { "is stopped" } else { "comes no further" };
                write!(
                    f,
                    "the channel is being made by process {pid}, which {how}; continue or end it"
                )
            }
        }
    }
}
