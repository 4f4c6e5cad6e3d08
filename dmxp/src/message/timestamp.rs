//! Points in time.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
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
///
/// use std::time::Duration;
/// let later = time + Duration::from_millis(1500);
/// assert_eq!(later.to_string(), "2023-11-14T22:13:21.500Z");
/// assert_eq!(later.duration_since(time), Some(Duration::from_millis(1500)));
/// assert_eq!(time.duration_since(later), None);
/// assert_eq!(Timestamp::MAX.checked_add(Duration::from_nanos(1)), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct Timestamp {
    nanos: i64,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self { nanos: 0 };

    /// The earliest time there is, in the year 1677.
    pub const MIN: Self = Self { nanos: i64::MIN };

    /// The latest time there is, in the year 2262.
    pub const MAX: Self = Self { nanos: i64::MAX };

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

    /// `millis` milliseconds after the Unix epoch; `None` outside the years 1677 to 2262.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(NANOS_PER_SECOND / 1000) {
            Some(nanos) => Some(Self { nanos }),
            None => None,
        }
    }

    /// `micros` microseconds after the Unix epoch; `None` outside the years 1677 to 2262.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        match micros.checked_mul(1000) {
            Some(nanos) => Some(Self { nanos }),
            None => None,
        }
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.nanos.div_euclid(NANOS_PER_SECOND)
    }

    /// Whole milliseconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.nanos.div_euclid(NANOS_PER_SECOND / 1000)
    }

    /// Whole microseconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.nanos.div_euclid(1000)
    }

    /// The time so much later; `None` after the year 2262.
    #[must_use]
    pub const fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = self.nanos as i128 + duration.as_nanos() as i128;
        if nanos > i64::MAX as i128 {
            return None;
        }
        Some(Self { nanos: nanos as i64 })
    }

    /// The time so much earlier; `None` before the year 1677.
    #[must_use]
    pub const fn checked_sub(self, duration: Duration) -> Option<Self> {
        let nanos = self.nanos as i128 - duration.as_nanos() as i128;
        if nanos < i64::MIN as i128 {
            return None;
        }
        Some(Self { nanos: nanos as i64 })
    }

    /// The time so much later, or [`MAX`](Self::MAX).
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        match self.checked_add(duration) {
            Some(time) => time,
            None => Self::MAX,
        }
    }

    /// The time so much earlier, or [`MIN`](Self::MIN).
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        match self.checked_sub(duration) {
            Some(time) => time,
            None => Self::MIN,
        }
    }

    /// How much later this is than `earlier`; `None` when it is earlier.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Option<Duration> {
        if self.nanos < earlier.nanos {
            return None;
        }
        Some(Duration::from_nanos(self.nanos.abs_diff(earlier.nanos)))
    }

    /// How much later this is than `earlier`; nothing when it is earlier.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        match self.duration_since(earlier) {
            Some(duration) => duration,
            None => Duration::ZERO,
        }
    }

    /// How long ago this is by this machine's clock; nothing for a time to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
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

/// # Panics
/// After the year 2262; [`checked_add`](Timestamp::checked_add) does not.
impl Add<Duration> for Timestamp {
    type Output = Self;

    #[track_caller]
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration)
            .expect("a time before the end of a Timestamp, in 2262")
    }
}

/// # Panics
/// Before the year 1677; [`checked_sub`](Timestamp::checked_sub) does not.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    #[track_caller]
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration)
            .expect("a time after the beginning of a Timestamp, in 1677")
    }
}

impl AddAssign<Duration> for Timestamp {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl SubAssign<Duration> for Timestamp {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
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
