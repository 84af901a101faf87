//! What is counted of each plugin. Handles are made once at load; the recorder must be there by
//! then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use model::PluginName;

use crate::config::Kind;
use crate::fault::FaultKind;

/// The meters of one plugin.
pub(crate) struct Meter {
    plugin: String,
    kind: &'static str,
    pub(crate) calls: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) host_seconds: Histogram,
    pub(crate) instances: Gauge,
    pub(crate) instances_made: Counter,
    pub(crate) instances_recycled: Counter,
    memory_bytes: Gauge,
    memory_max_bytes: Gauge,
    memory_max: AtomicUsize,
    pub(crate) cells: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) quarantined: Gauge,
    pub(crate) redacted: Counter,
    pub(crate) lines_dropped: Counter,
    pub(crate) undeclared: Counter,
}

impl Meter {
    pub(crate) fn new(name: &PluginName, kind: Kind) -> Self {
        let plugin = name.as_str().to_owned();
        let kind = kind.label();
        let count = |metric: &'static str| counter!(metric, "plugin" => plugin.clone(), "kind" => kind);
        let bytes = |direction: &'static str| counter!("tidegate_plugin_bytes_total", "plugin" => plugin.clone(), "kind" => kind, "direction" => direction);
        Self {
            calls: count("tidegate_plugin_calls_total"),
            seconds: histogram!("tidegate_plugin_call_seconds", "plugin" => plugin.clone(), "kind" => kind),
            host_seconds: histogram!("tidegate_plugin_host_seconds", "plugin" => plugin.clone(), "kind" => kind),
            instances: gauge!("tidegate_plugin_instances", "plugin" => plugin.clone(), "kind" => kind),
            memory_max_bytes: gauge!("tidegate_plugin_memory_max_bytes", "plugin" => plugin.clone(), "kind" => kind),
            memory_max: AtomicUsize::new(0),
            instances_made: count("tidegate_plugin_instances_made_total"),
            instances_recycled: count("tidegate_plugin_instances_recycled_total"),
            memory_bytes: gauge!("tidegate_plugin_memory_bytes", "plugin" => plugin.clone(), "kind" => kind),
            cells: count("tidegate_plugin_cells_total"),
            bytes_in: bytes("in"),
            bytes_out: bytes("out"),
            quarantined: gauge!("tidegate_plugin_quarantined", "plugin" => plugin.clone(), "kind" => kind),
            redacted: count("tidegate_plugin_redacted_batches_total"),
            lines_dropped: count("tidegate_plugin_log_lines_dropped_total"),
            undeclared: count("tidegate_plugin_undeclared_metrics_total"),
            plugin,
            kind,
        }
    }

    /// Counts a call that took `took`.
    pub(crate) fn called(&self, took: Duration) {
        self.calls.increment(1);
        self.seconds.record(took);
    }

    /// Notes how much memory an instance has after a call.
    pub(crate) fn holds(&self, bytes: usize) {
        // A plugin has at most 256 MiB.
        let gauged = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        self.memory_bytes.set(gauged(bytes));
        if self.memory_max.fetch_max(bytes, Ordering::Relaxed) < bytes {
            self.memory_max_bytes.set(gauged(bytes));
        }
    }

    /// Returns the most memory that an instance was seen with, in bytes.
    pub(crate) fn memory_max(&self) -> usize {
        self.memory_max.load(Ordering::Relaxed)
    }

    /// Counts a fault under its kind.
    pub(crate) fn faulted(&self, fault: &FaultKind) {
        counter!(
            "tidegate_plugin_faults_total",
            "plugin" => self.plugin.clone(), "kind" => self.kind, "fault" => fault.label()
        )
        .increment(1);
    }

    /// Makes the counter of a metric that the plugin's manifest declares.
    pub(crate) fn declared(&self, name: &str) -> Counter {
        counter!(format!("tidegate_plugin_{name}_guest_total"), "plugin" => self.plugin.clone())
    }
}
