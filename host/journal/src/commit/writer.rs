//! The writer thread: commits in [`CommitMode::Thread`](super::CommitMode), and in any mode
//! what nobody waits for, at the latest after [`DELAY_MAX`].

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Core;

/// An entry that nobody waits for is committed within this time.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(2);

/// Runs until the log is closed and everything pending is durable, or cannot be.
pub(crate) fn run(core: &Core) {
    let mut seen = u64::MAX;
    let mut idle = 0;
    let mut told = Instant::now();
    loop {
        if told.elapsed() >= TICK && tell_size(core) {
            told = Instant::now();
            idle = 0;
        }
        let mut state = core.lock();
        if state.dead.is_some() || state.closed && state.count == 0 && state.committing.is_none() {
            break;
        }
        if state.wanted || state.closed {
            if state.count > 0 && state.committing.is_none() {
                drop(state);
                if core.commit() {
                    core.lock().wanted = true;
                }
                idle = 0;
                continue;
            }
            state.wanted &= state.count > 0;
        }
        if state.count > 0 {
            idle = 0;
        }
        let pending = (state.count > 0).then_some(state.first);
        state.parked = true;
        state.asleep = idle >= IDLE_TICKS_MAX && pending.is_none() && state.committing.is_none();
        if state.asleep {
            let mut state = core.writer.wait(state).unwrap_or_else(PoisonError::into_inner);
            (state.parked, state.asleep) = (false, false);
            idle = 0;
        } else {
            let waited = core.writer.wait_timeout(state, TICK);
            let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            (state.parked, state.asleep) = (false, false);
            idle += 1;
            // Pending for a whole tick: whoever appended it does not wait for it.
            if timeout.timed_out() && pending.is_some_and(|first| first == state.first && first == seen) {
                state.wanted = true;
            }
            seen = pending.unwrap_or(u64::MAX);
        }
    }
    // Whoever follows the size learns the last one, and that there is no other.
    core.sizes.send_replace(core.durable_size());
}

/// Tells those who follow the size; once a tick, since each of them is another thread to wake.
/// Returns whether it has grown.
fn tell_size(core: &Core) -> bool {
    core.sizes.send_if_modified(|size| {
        let now = core.durable_size();
        std::mem::replace(size, now) != now
    })
}

/// Half of [`DELAY_MAX`]: what is pending at two ticks in a row has waited for one at least.
const TICK: Duration = DELAY_MAX.checked_div(2).expect("two is not zero");

/// After so many ticks without work the thread sleeps until it is woken.
const IDLE_TICKS_MAX: u32 = 50;
