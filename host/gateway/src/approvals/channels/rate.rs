//! How many calls from outside a channel takes. Pure.

/// How many at once after a quiet time: everybody of a team clicks within a minute.
const BURST: u64 = 60;

/// How long until one more is taken, in microseconds: ten a second are more than people click,
/// and cost little.
const REFILL_US: u64 = 100_000;

/// A bucket of calls: each takes one, time fills it again.
#[derive(Debug)]
pub(super) struct Rate {
    left: u64,
    since_us: u64,
}

impl Rate {
    pub(super) const fn new() -> Self {
        Self {
            left: BURST,
            since_us: 0,
        }
    }

    /// Whether one more is taken.
    pub(super) fn take(&mut self, now_us: u64) -> bool {
        let new = now_us.saturating_sub(self.since_us) / REFILL_US;
        self.left = self.left.saturating_add(new).min(BURST);
        self.since_us = match self.left {
            BURST => now_us,
            _ => self.since_us + new * REFILL_US,
        };
        let taken = self.left > 0;
        self.left -= u64::from(taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_ten_a_second() {
        let start_us = 1_700_000_000_000_000;
        let mut rate = Rate::new();
        let taken = (0..100).filter(|_| rate.take(start_us)).count();
        assert_eq!(taken, 60);
        let taken = (1..=1_000).filter(|ms| rate.take(start_us + ms * 1_000)).count();
        assert_eq!(taken, 10);
        // A clock that is set back gives nothing and breaks nothing.
        assert!(!rate.take(0));
        assert!(rate.take(start_us + 60_000_000));
    }
}
