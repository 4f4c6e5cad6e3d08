//! Who is attached, who is dead: the states of process and handle records.

/// The state word of a process or handle record: free, or a generation and whether its owner lives.
///
/// A record is taken under the management lock, declared dead by one CAS from exactly the generation whose owner was proven
/// dead, and freed by its owner, or by whoever has swept it.
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

/// When this process started, in clock ticks since boot; 0 where `/proc` does not say.
pub(crate) fn start_time() -> u64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return 0;
    };
    // proc_pid_stat(5): field 22; the second field is in parentheses and may hold anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name
        .split_ascii_whitespace()
        .nth(19)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}
