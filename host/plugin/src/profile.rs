//! What all instances of one plugin share: who it is, what it may use and reach, its voice and
//! its meters.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;
use model::PluginName;

use crate::config::{Kind, Limits};
use crate::egress::Policy;
use crate::kv::Store;
use crate::meter::Meter;

/// What one log line may hold.
const LINE_BYTES_MAX: usize = 2 << 10;

/// One loaded plugin, as its instances see it.
pub(crate) struct Profile {
    pub(crate) name: PluginName,
    pub(crate) kind: Kind,
    pub(crate) limits: Limits,
    /// The configuration as `configure` takes it.
    pub(crate) config: String,
    pub(crate) policy: Arc<Policy>,
    pub(crate) kv: Arc<dyn Store>,
    pub(crate) kv_bytes: Option<usize>,
    pub(crate) meter: Meter,
    /// The counters that the manifest declares.
    pub(crate) declared: OnceLock<Vec<(String, Counter)>>,
    /// Whether the plugin's words may be read by those who read the log.
    pub(crate) words: bool,
    pub(crate) voice: Voice,
}

impl Profile {
    /// Writes a message of the guest into the log, unless there were too many.
    pub(crate) fn log(&self, level: GuestLevel, message: &str) {
        if !self.voice.may_speak(self.limits.log_lines) {
            self.meter.lines_dropped.increment(1);
            return;
        }
        let (plugin, bytes) = (self.name.as_str(), message.len());
        let message = if self.words {
            crate::text::one_line(message, LINE_BYTES_MAX)
        } else {
            String::new()
        };
        match level {
            GuestLevel::Debug => tracing::debug!(target: "plugin::guest", plugin, bytes, message),
            GuestLevel::Info => tracing::info!(target: "plugin::guest", plugin, bytes, message),
            GuestLevel::Warn => tracing::warn!(target: "plugin::guest", plugin, bytes, message),
            // A guest's error is no error of ours.
            GuestLevel::Error => {
                tracing::warn!(target: "plugin::guest", plugin, bytes, message, guest_level = "error")
            }
        }
    }
}

/// How grave a guest's message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GuestLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Counts log lines by the second.
#[derive(Debug, Default)]
pub(crate) struct Voice(Mutex<Option<(Instant, u32)>>);

impl Voice {
    pub(crate) fn may_speak(&self, lines_a_second: u32) -> bool {
        let now = Instant::now();
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *window {
            Some((since, lines)) if now.duration_since(*since) < Duration::from_secs(1) => {
                *lines += 1;
                *lines <= lines_a_second
            }
            _ => {
                *window = Some((now, 1));
                lines_a_second > 0
            }
        }
    }
}
