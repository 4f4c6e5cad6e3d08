//! Points in time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::field::DmxpField;
use super::scalar::expect_length;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch, UTC, without leap seconds: the years 1677 to 2262.
///
/// ```
/// use dmxp::message::Timestamp;
///
/// let time = Timestamp::from_seconds(1_700_000_000).unwrap();
/// assert_eq!(time.to_string(), "2023-11-14T22:13:20Z");
/// assert_eq!(Timestamp::from_nanos(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Timestamp {
    nanos: i64,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self { nanos: 0 };

    /// The time by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self::from_system_time(SystemTime::now())
    }

    /// `nanos` nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// `seconds` seconds after the Unix epoch; `None` outside the years 1677 to 2262.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Option<Self> {
        match seconds.checked_mul(NANOS_PER_SECOND) {
            Some(nanos) => Some(Self { nanos }),
            None => None,
        }
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }

    /// The time `time`, or the nearest that can be told: the years 1677 to 2262.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
        };
        Self { nanos }
    }

    /// The time as the standard library holds it.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        let distance = Duration::from_nanos(self.nanos.unsigned_abs());
        if self.nanos < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::from_system_time(time)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        time.to_system_time()
    }
}

/// RFC 3339 in UTC, with 0, 3, 6 or 9 digits after the second.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        dmxp_schema::codec::Rfc3339(self.nanos).fmt(f)
    }
}

// SAFETY: transparent over `i64`, which has no padding and takes any bits.
#[diagnostic::do_not_recommend]
unsafe impl DmxpField for Timestamp {
    type Word = u64;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Timestamp;
    const ALWAYS_VALID: bool = true;

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())
    }
}
