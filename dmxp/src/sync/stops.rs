//! Stop points: the process stops itself (SIGSTOP) right before one chosen access to shared memory, to be killed there.
//!
//! Only with `--cfg dmxp_stops`. A point is the source line of an access, so that there is one for each, and none to forget.

use core::panic::Location;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

struct Stops {
    /// How often each point was reached since [`arm`].
    reached: BTreeMap<String, u64>,
    /// Where to stop: the point, and at which of its passes, counted from 1.
    armed: Option<(String, u64)>,
    counting: bool,
}

static STOPS: Mutex<Stops> = Mutex::new(Stops {
    reached: BTreeMap::new(),
    armed: None,
    counting: false,
});

/// From here on, counts the points that are passed, and stops before `point` is passed for the `pass`th time.
pub fn arm(point: Option<(&str, u64)>) {
    let mut stops = STOPS.lock().unwrap_or_else(PoisonError::into_inner);
    stops.reached.clear();
    stops.counting = true;
    stops.armed = point.map(|(point, pass)| (point.to_owned(), pass));
}

/// The points that were passed since [`arm`], and how often.
pub fn reached() -> Vec<(String, u64)> {
    let stops = STOPS.lock().unwrap_or_else(PoisonError::into_inner);
    stops
        .reached
        .iter()
        .map(|(point, passes)| (point.clone(), *passes))
        .collect()
}

/// Called before each access.
pub(super) fn reach(place: &Location<'_>) {
    let stop = {
        let mut stops = STOPS.lock().unwrap_or_else(PoisonError::into_inner);
        if !stops.counting {
            return;
        }
        let point = format!("{}:{}:{}", place.file(), place.line(), place.column());
        let passes = stops.reached.entry(point.clone()).or_insert(0);
        *passes += 1;
        let now = (point, *passes);
        stops.armed.as_ref() == Some(&now)
    };
    if stop {
        // SAFETY: raise takes an integer; the process goes on when it is continued.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
}
