//! What sessions count, by handles made once: a counter by name costs a look-up each time.

use metrics::{Counter, Gauge, counter, gauge};
use model::Verdict;

/// The counters of sessions and operations.
pub(crate) struct Meters {
    run: Counter,
    hold: Counter,
    refuse: Counter,
    logins_refused: Counter,
    sessions: Counter,
    sessions_live: Gauge,
}

impl Meters {
    /// Makes the handles; the recorder must be installed.
    pub(crate) fn new() -> Self {
        metrics::describe_counter!("tidegate_operations_total", "Operations judged, by verdict.");
        metrics::describe_counter!(
            "tidegate_logins_refused_total",
            "Clients turned away before a session."
        );
        metrics::describe_counter!("tidegate_sessions_total", "Sessions begun.");
        metrics::describe_gauge!("tidegate_sessions_live", "Sessions at the moment.");
        let operations = |verdict: &'static str| counter!("tidegate_operations_total", "verdict" => verdict);
        Self {
            run: operations("run"),
            hold: operations("hold"),
            refuse: operations("refuse"),
            logins_refused: counter!("tidegate_logins_refused_total"),
            sessions: counter!("tidegate_sessions_total"),
            sessions_live: gauge!("tidegate_sessions_live"),
        }
    }

    pub(crate) fn judged(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Run { .. } => self.run.increment(1),
            Verdict::Hold { .. } => self.hold.increment(1),
            Verdict::Refuse(_) => self.refuse.increment(1),
        }
    }

    pub(crate) fn login_refused(&self) {
        self.logins_refused.increment(1);
    }

    pub(crate) fn session_started(&self) {
        self.sessions.increment(1);
        self.sessions_live.increment(1);
    }

    pub(crate) fn session_ended(&self) {
        self.sessions_live.decrement(1);
    }
}
