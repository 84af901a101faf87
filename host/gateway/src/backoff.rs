//! How long to wait before the next attempt. Pure.

use std::time::Duration;

/// The first wait: an outside system that hiccupped is back by then.
pub(crate) const WAIT_MIN: Duration = Duration::from_secs(1);

/// The longest wait: what an outside system that came back waits for us at most.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(300);

/// Doubles from one second to five minutes.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Goes on after so many failures in a row.
    pub(crate) const fn after(failures: u32) -> Self {
        Self { failures }
    }

    /// Returns the next wait: between a half and the whole of the doubled time, by `random`,
    /// so that gateways that failed together do not come back together. Never shorter than
    /// what the outside system asked for.
    pub(crate) fn next(&mut self, random: u32, asked: Option<Duration>) -> Duration {
        let doubled = WAIT_MIN.saturating_mul(1 << self.failures.min(16)).min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1);
        jittered(doubled, random).max(asked.unwrap_or_default())
    }

    /// Returns the longest wait, for what only an operator can mend.
    pub(crate) fn longest(&mut self, random: u32, asked: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        jittered(WAIT_MAX, random).max(asked.unwrap_or_default())
    }

    /// Something went well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

fn jittered(whole: Duration, random: u32) -> Duration {
    let half = whole / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..11).map(|_| backoff.next(u32::MAX, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        for _ in 0..100 {
            assert_eq!(backoff.next(u32::MAX, None), WAIT_MAX);
        }
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX, None), WAIT_MIN);
    }

    #[test]
    fn chance_takes_off_a_half_at_most() {
        assert_eq!(Backoff::default().next(0, None), WAIT_MIN / 2);
        assert_eq!(Backoff::default().longest(0, None), WAIT_MAX / 2);
    }

    #[test]
    fn patience_that_was_asked_for_is_shown() {
        let hour = Duration::from_hours(1);
        assert_eq!(Backoff::default().next(0, Some(hour)), hour);
        assert_eq!(Backoff::default().next(u32::MAX, Some(Duration::ZERO)), WAIT_MIN);
    }
}
