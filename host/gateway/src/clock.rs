//! The only place that reads a clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time to whoever has to be tested at any time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::of(unix_us)
    }

    /// A clock that says what `now_us` returns, in microseconds of Unix time.
    #[must_use]
    pub fn of(now_us: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_us))
    }

    /// Returns the microseconds since the Unix epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.0)()
    }
}

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
