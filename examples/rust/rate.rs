//! How many messages in how long.

use std::fmt;
use std::time::Duration;

pub(crate) struct Rate {
    pub(crate) messages: u64,
    pub(crate) time: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        let rate = self.messages as f64 / seconds;
        let each = seconds * 1e9 / self.messages as f64;
        write!(
            f,
            "{} messages in {seconds:.6} s: {rate:.0} messages/s, {each:.0} ns each",
            self.messages
        )
    }
}
