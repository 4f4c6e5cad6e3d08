//! Which processes are attached, which are dead: the states of process and handle records.

use std::fs::File;
use std::io::Read;

/// The state word of a process or handle record: free, or a generation and whether its owner lives.
///
/// A record is taken under the management lock, declared dead by one CAS from exactly the generation whose owner was proven
/// dead, and freed by its owner, or by the process that has swept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordState {
    Free,
    Live { generation: u64 },
    Dead { generation: u64 },
}

impl RecordState {
    pub(crate) const FREE: u64 = 0;

    pub(crate) const fn decode(word: u64) -> Self {
        let generation = word >> 2;
        match word & 3 {
            1 => Self::Live { generation },
            2 => Self::Dead { generation },
            _ => Self::Free,
        }
    }

    pub(crate) const fn encode(self) -> u64 {
        match self {
            Self::Free => Self::FREE,
            Self::Live { generation } => generation << 2 | 1,
            Self::Dead { generation } => generation << 2 | 2,
        }
    }
}

/// How a process that holds a channel open is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderState {
    /// It is there.
    Running,
    /// It is stopped (SIGSTOP, a debugger): alive, and waited for.
    Stopped,
    /// It is dead, and what it left is not yet repaired.
    Dead,
    /// Its pid does not say: another PID namespace, or no `/proc`.
    Unknown,
}

/// When this process started, in clock ticks since boot; 0 where `/proc` does not say.
pub(crate) fn start_time() -> u64 {
    stat("self").map_or(0, |(_, start_time)| start_time)
}

/// How the process is that has this pid and started then, as `/proc` of this process's PID namespace has it.
pub(crate) fn state_of(pid: u32, started: u64) -> HolderState {
    match stat(&pid.to_string()) {
        Some((state, start_time)) if start_time == started => match state {
            'T' | 't' => HolderState::Stopped,
            // Its first thread has ended: perhaps all of it, perhaps not.
            'Z' | 'X' => HolderState::Unknown,
            _ => HolderState::Running,
        },
        _ => HolderState::Unknown,
    }
}

/// State letter and start time of a process.
fn stat(process: &str) -> Option<(char, u64)> {
    // In one read(2), which is what a line of that file takes, however many are asked about.
    let mut bytes = [0; 1_024];
    let read = File::open(format!("/proc/{process}/stat"))
        .and_then(|mut file| file.read(&mut bytes))
        .ok()?;
    let stat = String::from_utf8_lossy(bytes.get(..read)?);
    // proc_pid_stat(5): fields 3 and 22; the second field is in parentheses and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    Some((state, start_time))
}
