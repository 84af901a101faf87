//! A plugin that keeps failing is left alone for a while: its calls end at once, under its
//! failure policy, instead of spending a deadline and an instance each.
//!
//! After a pause one call is let through; if it ends well the plugin is back, if not the pause
//! doubles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first pause. Long enough to stop a storm, short enough that a fault of a moment is
/// hardly noticed.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest pause: an upgrade that mends a plugin is noticed within it, without a reload.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Whether a plugin may be called.
pub(crate) struct Quarantine {
    faults_max: u32,
    within: Duration,
    /// Read on every call, so that a plugin in order costs one load.
    closed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// When the faults began that are counted.
    since: Option<Instant>,
    faults: u32,
    pause: Duration,
    /// When the next call is let through, while closed.
    probe_at: Option<Instant>,
}

impl Quarantine {
    /// Closes after `faults_max` faults within `within`.
    pub(crate) const fn new(faults_max: u32, within: Duration) -> Self {
        Self {
            faults_max,
            within,
            closed: AtomicBool::new(false),
            state: Mutex::new(State {
                since: None,
                faults: 0,
                pause: PAUSE,
                probe_at: None,
            }),
        }
    }

    /// Returns whether it is closed, even if a call would be let through now.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns whether a call may be made now.
    pub(crate) fn admits(&self, now: impl FnOnce() -> Instant) -> bool {
        if !self.closed.load(Ordering::Acquire) {
            return true;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        match state.probe_at {
            Some(at) if now < at => false,
            // Released meanwhile.
            None => true,
            Some(_) => {
                state.pause = (state.pause * 2).min(PAUSE_MAX);
                state.probe_at = Some(now + state.pause);
                true
            }
        }
    }

    /// Counts a fault; returns whether it is the one that closes.
    pub(crate) fn faulted(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.probe_at.is_some() {
            return false;
        }
        match state.since {
            Some(since) if now.saturating_duration_since(since) < self.within => state.faults += 1,
            _ => {
                state.since = Some(now);
                state.faults = 1;
            }
        }
        if state.faults < self.faults_max {
            return false;
        }
        state.probe_at = Some(now + state.pause);
        self.closed.store(true, Ordering::Release);
        true
    }

    /// Takes in that a call ended well; returns whether the plugin is back by it.
    pub(crate) fn recovered(&self) -> bool {
        if !self.closed.load(Ordering::Acquire) {
            return false;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.probe_at.take().is_none() {
            return false;
        }
        *state = State {
            since: None,
            faults: 0,
            pause: PAUSE,
            probe_at: None,
        };
        self.closed.store(false, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn closed(now: Instant) -> Quarantine {
        let quarantine = Quarantine::new(3, 10 * SECOND);
        assert!(!quarantine.faulted(now));
        assert!(!quarantine.faulted(now));
        assert!(quarantine.admits(|| now));
        assert!(quarantine.faulted(now));
        quarantine
    }

    #[test]
    fn so_many_faults_in_so_long_close_it_and_slower_ones_do_not() {
        let now = Instant::now();
        assert!(!closed(now).admits(|| now));
        let slow = Quarantine::new(3, 10 * SECOND);
        for fault in 0..20 {
            assert!(!slow.faulted(now + 6 * SECOND * fault), "{fault}");
        }
        assert!(slow.admits(|| now));
    }

    #[test]
    fn one_call_is_let_through_after_each_pause_and_pauses_double() {
        let now = Instant::now();
        let quarantine = closed(now);
        let (mut at, mut pause) = (now, PAUSE);
        for _ in 0..10 {
            assert!(!quarantine.admits(|| at + pause - Duration::from_millis(1)));
            at += pause;
            assert!(quarantine.admits(|| at), "a probe after {pause:?}");
            assert!(!quarantine.admits(|| at), "and no second one");
            assert!(!quarantine.faulted(at));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    #[test]
    fn a_probe_that_ends_well_opens_it_and_faults_count_from_nothing() {
        let now = Instant::now();
        let quarantine = closed(now);
        assert!(quarantine.admits(|| now + PAUSE));
        assert!(quarantine.recovered());
        assert!(!quarantine.recovered());
        assert!(quarantine.admits(|| now + PAUSE));
        assert!(!quarantine.faulted(now + PAUSE));
        assert!(quarantine.admits(|| now + PAUSE));
    }
}
