//! The only place that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time since the Unix epoch; zero if the clock stands before it.
#[must_use]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the microseconds since the Unix epoch.
#[must_use]
pub fn unix_us() -> u64 {
    u64::try_from(unix_time().as_micros()).unwrap_or(u64::MAX)
}

/// Returns the seconds since the Unix epoch.
#[must_use]
pub fn unix_seconds() -> u64 {
    unix_time().as_secs()
}
