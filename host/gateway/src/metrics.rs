//! The recorder of all metrics, and what it makes of histograms.

use std::io;
use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// The bounds of histograms, in seconds: from what a call into a plugin costs to what an
/// outside system may take.
const SECONDS: &[f64] = &[
    0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0, 30.0, 60.0,
];

/// How often samples are folded into their buckets: they take memory until then.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// There is a recorder already.
    #[error("the metrics recorder could not be installed")]
    Install(#[source] BuildError),
    /// The thread that keeps it small could not be started.
    #[error("the thread that keeps the metrics small could not be started")]
    Upkeep(#[source] io::Error),
}

/// Installs the recorder for the whole process; to be called once, before anything is metered.
/// Its memory is bounded by the number of meters.
///
/// # Errors
/// If there is one already, or no thread for it.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    let builder = PrometheusBuilder::new()
        .set_buckets(SECONDS)
        .map_err(MetricsError::Install)?;
    let handle = builder.install_recorder().map_err(MetricsError::Install)?;
    let kept = handle.clone();
    let upkeep = move || {
        loop {
            thread::sleep(UPKEEP_EVERY);
            kept.run_upkeep();
        }
    };
    thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(upkeep)
        .map_err(MetricsError::Upkeep)?;
    Ok(handle)
}
