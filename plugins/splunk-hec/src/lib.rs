//! Delivers the journal to Splunk over the HTTP Event Collector.
//!
//! Each entry becomes one event: `time` from the entry, `host`, `source`, `sourcetype` and
//! `index` as configured, the entry itself as `event`, and `fields.event_id` = `LOG/SEQ`. The
//! collector does not drop doubles; a search does, with `dedup event_id`.
//!
//! ```toml
//! [plugin.config]
//! url   = "https://splunk.example.com:8088"
//! token = "secret://splunk-token"      # granted as a secret; never seen here
//! index = "audit"                      # the token's own unless named
//! sourcetype = "tidegate"
//! [plugin.grants]
//! egress  = ["https://splunk.example.com:8088"]
//! secrets = { splunk-token = "…" }
//! ```
//!
//! | answer | becomes |
//! |--------|---------|
//! | 200, code 0 | acknowledged |
//! | 400 with the number of an invalid event | what is before it is sent again and acknowledged, the event rejected |
//! | 400 without, 413 | a smaller part is sent; an event alone is rejected |
//! | 400 code 7, 10, 11, 14 (index, channel), 404 | a fault of the configuration |
//! | 401, 403 | unauthorized |
//! | 429, 503 | try later, after `Retry-After` if there is one |
//! | anything else, no answer | try again |
//!
//! An acknowledgement says that the collector took the events, not that they are indexed: the
//! protocol's indexer acknowledgement is not used.

mod answer;
mod event;

use serde::Deserialize;
use tidegate_sdk::exporter::{Ack, Batch, Exporter};
use tidegate_sdk::http::Request;
use tidegate_sdk::{Error, Issue, Manifest, Plugin, Want, export_exporter};

use answer::Outcome;

/// What can be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The collector's origin, without a path.
    pub url: String,
    /// The token, as `secret://name`.
    pub token: String,
    /// The index; the token's own unless named.
    pub index: Option<String>,
    /// What the events say of where they are from.
    #[serde(default = "tidegate")]
    pub host: String,
    /// Likewise.
    #[serde(default = "tidegate")]
    pub source: String,
    /// How Splunk reads them.
    #[serde(default = "tidegate")]
    pub sourcetype: String,
}

fn tidegate() -> String {
    "tidegate".to_owned()
}

/// The exporter.
#[derive(Debug)]
pub struct SplunkHec {
    config: Config,
    address: String,
}

impl Plugin for SplunkHec {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let origin = config.url.trim_end_matches('/');
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@'])) {
            issues.push(Issue::new(
                "/url",
                "an origin like https://splunk.example.com:8088",
            ));
        }
        if config.token.strip_prefix("secret://").is_none_or(str::is_empty) {
            issues.push(Issue::new(
                "/token",
                "a reference like secret://splunk-token, never the token itself",
            ));
        }
        let address = format!("{origin}/services/collector/event");
        if issues.is_empty() {
            Ok(Self { config, address })
        } else {
            Err(issues)
        }
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
        manifest.wants = vec![
            Want::new("egress", "*", "The collector in `url`."),
            Want::new("secret", "*", "The token in `token`."),
        ];
    }
}

impl Exporter for SplunkHec {
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error> {
        let mut rejects = Vec::new();
        let mut events = Vec::new();
        for (seq, entry) in batch.entries()? {
            match event::render(&self.config, &batch.log, seq, entry) {
                Some(event) => events.push((seq, event)),
                None => rejects.push((seq, "the entry is no JSON object with a time".to_owned())),
            }
        }
        let through = self.send_most(&events, batch.last_seq(), &mut rejects)?;
        rejects.sort_by_key(|(seq, _)| *seq);
        let rejects = rejects.into_iter().filter(|(seq, _)| *seq <= through);
        Ok(rejects.fold(Ack::through(through), |ack, (seq, reason)| ack.but(seq, reason)))
    }

    fn probe(&self) -> Result<(), Error> {
        // Nothing at all is refused with code 5, but only after the token is found valid.
        match answer::read(&self.post(Vec::new()).send()?) {
            Outcome::Taken | Outcome::Empty => Ok(()),
            Outcome::Failed(error) => Err(error),
            Outcome::Invalid { .. } | Outcome::TooLarge => {
                Err(Error::unavailable("the collector answers what it should not"))
            }
        }
    }
}

impl SplunkHec {
    /// Sends as many events as the collector takes and returns the last entry that is done
    /// with: `last` if all are.
    fn send_most(
        &self,
        events: &[(u64, Vec<u8>)],
        last: u64,
        rejects: &mut Vec<(u64, String)>,
    ) -> Result<u64, Error> {
        let mut part = events;
        // Each round halves the part or ends: at most ten rounds for a thousand events.
        loop {
            let Some(((final_seq, _), _)) = part.split_last() else {
                return Ok(last);
            };
            let body = part.iter().flat_map(|(_, event)| event).copied().collect();
            let done = if part.len() == events.len() {
                last
            } else {
                *final_seq
            };
            match answer::read(&self.post(body).send()?) {
                Outcome::Taken => return Ok(done),
                Outcome::Failed(error) => return Err(error),
                Outcome::Invalid { reason, .. } if part.len() == 1 => {
                    rejects.push((*final_seq, reason));
                    return Ok(done);
                }
                Outcome::TooLarge if part.len() == 1 => {
                    rejects.push((*final_seq, "too large for the collector".to_owned()));
                    return Ok(done);
                }
                // It is not documented whether the events before an invalid one are kept, so
                // they are sent again; the invalid one comes first the next time.
                Outcome::Invalid {
                    number: Some(number @ 1..),
                    ..
                } if number < part.len() => {
                    part = &part[..number];
                }
                Outcome::Invalid { number: Some(0), .. } => part = &part[..1],
                Outcome::Invalid { .. } | Outcome::TooLarge => part = &part[..part.len() / 2],
                Outcome::Empty => return Err(Error::unavailable("the collector saw no data")),
            }
        }
    }

    fn post(&self, body: Vec<u8>) -> Request {
        Request::post(&self.address, body)
            .header("authorization", format!("Splunk {}", self.config.token))
            .header("content-type", "application/json")
    }
}

export_exporter!(SplunkHec);

#[cfg(test)]
mod tests;
