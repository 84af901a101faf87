//! How far an exporter is behind, for metrics and for the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::Journal;
use metrics::{Counter, Gauge, counter, gauge};
use model::{Fault, PluginName};
use tokio::time::{Instant, MissedTickBehavior};

/// How often the gauges are set: below any usual interval of scraping.
const OBSERVE_EVERY: Duration = Duration::from_secs(5);

/// An exporter that has acknowledged nothing for so long while entries wait is worth waking
/// somebody for: ten batches would have gone in that time.
pub(super) const WARN_AFTER: Duration = Duration::from_secs(60);

/// As many waiting entries are worth it too, even if some are acknowledged: a hundred batches.
const WARN_ENTRIES: u64 = 50_000;

/// How long a warning is not repeated.
const WARN_EVERY: Duration = Duration::from_secs(600);

/// What is counted of one exporter.
pub(super) struct Lag {
    plugin: String,
    began: Instant,
    next: AtomicU64,
    /// When it last acknowledged anything or had nothing to do, in milliseconds from `began`.
    moved_ms: AtomicU64,
    entries: Gauge,
    seconds: Gauge,
    exported: Counter,
    rejected: Counter,
}

impl Lag {
    pub(super) fn new(plugin: &PluginName) -> Self {
        metrics::describe_counter!(
            "tidegate_export_entries_total",
            "Journal entries acknowledged by an exporter."
        );
        metrics::describe_counter!(
            "tidegate_export_rejected_total",
            "Journal entries an exporter gave up on for good."
        );
        metrics::describe_counter!(
            "tidegate_export_failures_total",
            "Failed attempts to export, by who must act."
        );
        metrics::describe_gauge!(
            "tidegate_export_lag_entries",
            "Journal entries an exporter has not acknowledged yet."
        );
        metrics::describe_gauge!(
            "tidegate_export_lag_seconds",
            "Seconds since an exporter last acknowledged anything, while entries wait; else 0."
        );
        let plugin = plugin.as_str().to_owned();
        Self {
            began: Instant::now(),
            next: AtomicU64::new(0),
            moved_ms: AtomicU64::new(0),
            entries: gauge!("tidegate_export_lag_entries", "plugin" => plugin.clone()),
            seconds: gauge!("tidegate_export_lag_seconds", "plugin" => plugin.clone()),
            exported: counter!("tidegate_export_entries_total", "plugin" => plugin.clone()),
            rejected: counter!("tidegate_export_rejected_total", "plugin" => plugin.clone()),
            plugin,
        }
    }

    /// The cursor stands here from the beginning.
    pub(super) fn starts_at(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }

    /// Everything before `next` is done with, `rejected` of it in vain.
    pub(super) fn acknowledged(&self, next: u64, rejected: u64) {
        let before = self.next.swap(next, Ordering::Relaxed);
        self.moved();
        self.exported
            .increment(next.saturating_sub(before).saturating_sub(rejected));
        self.rejected.increment(rejected);
    }

    /// Counts a failed attempt.
    pub(super) fn failed(&self, fault: Fault) {
        counter!("tidegate_export_failures_total", "plugin" => self.plugin.clone(), "fault" => fault.label())
            .increment(1);
    }

    /// Sets the gauges from time to time, and warns when the exporter is far behind. Never ends.
    pub(super) async fn observe(&self, journal: &Journal) {
        let mut ticks = tokio::time::interval(OBSERVE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut warned: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let (entries, still) = self.measure(journal.size());
            let far = still >= WARN_AFTER || entries >= WARN_ENTRIES;
            if far && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                warned = Some(Instant::now());
                let (plugin, seconds) = (self.plugin.as_str(), still.as_secs());
                tracing::warn!(
                    plugin,
                    entries,
                    seconds,
                    "an exporter is far behind; nothing is lost, but nobody sees it"
                );
            } else if entries == 0 && warned.take().is_some() {
                tracing::info!(plugin = self.plugin.as_str(), "an exporter has caught up");
            }
        }
    }

    /// Sets the gauges for a journal of `size` entries. Returns how many entries wait and for
    /// how long nothing has moved.
    pub(super) fn measure(&self, size: u64) -> (u64, Duration) {
        let entries = size.saturating_sub(self.next.load(Ordering::Relaxed));
        if entries == 0 {
            self.moved();
        }
        let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
        let still = self.began.elapsed().saturating_sub(moved);
        self.entries.set(entries as f64);
        self.seconds
            .set(if entries == 0 { 0.0 } else { still.as_secs_f64() });
        (entries, still)
    }

    fn moved(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(ms, Ordering::Relaxed);
    }
}
