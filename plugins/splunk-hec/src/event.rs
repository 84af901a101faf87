//! One entry as the collector wants it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Config;

#[derive(Deserialize)]
struct Entry {
    t_us: u64,
}

#[derive(Serialize)]
struct Event<'a> {
    time: &'a RawValue,
    host: &'a str,
    source: &'a str,
    sourcetype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    event: &'a RawValue,
    fields: Fields,
}

#[derive(Serialize)]
struct Fields {
    event_id: String,
}

/// Renders an entry; `None` if it is no JSON object with a time. The entry itself is copied as
/// it stands.
pub(crate) fn render(config: &Config, log: &str, seq: u64, entry: &[u8]) -> Option<Vec<u8>> {
    let entry = std::str::from_utf8(entry).ok()?;
    let Entry { t_us } = serde_json::from_str(entry).ok()?;
    let time = RawValue::from_string(format!("{}.{:06}", t_us / 1_000_000, t_us % 1_000_000)).ok()?;
    let event = Event {
        time: &time,
        host: &config.host,
        source: &config.source,
        sourcetype: &config.sourcetype,
        index: config.index.as_deref(),
        event: serde_json::from_str(entry).ok()?,
        fields: Fields {
            event_id: format!("{log}/{seq}"),
        },
    };
    serde_json::to_vec(&event).ok()
}
