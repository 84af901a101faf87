//! {{summary}}

use serde::Deserialize;
use tidegate_sdk::exporter::{Ack, Batch, Exporter};
use tidegate_sdk::http::{Answer, Request};
use tidegate_sdk::{Error, Issue, Manifest, Plugin, Want, export_exporter};

/// What an operator configures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct {{Name}} {
    /// Where entries are posted, one JSON object a line.
    url: String,
    /// The bearer token, as `secret://name`: the plugin never sees it.
    token: String,
}

impl Plugin for {{Name}} {
    type Config = Self;

    fn new(config: Self) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        if !config.url.starts_with("https://") && !config.url.starts_with("http://") {
            issues.push(Issue::new("/url", "an address like https://siem.example.com/ingest"));
        }
        if config.token.strip_prefix("secret://").is_none_or(str::is_empty) {
            issues.push(Issue::new("/token", "a reference like secret://siem, never the token itself"));
        }
        if issues.is_empty() { Ok(config) } else { Err(issues) }
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
        manifest.wants = vec![
            Want::new("egress", "*", "The address in `url`."),
            Want::new("secret", "*", "The token in `token`."),
        ];
    }
}

impl Exporter for {{Name}} {
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error> {
        let mut body = Vec::new();
        for (_, entry) in batch.entries()? {
            body.extend_from_slice(entry);
            body.push(b'\n');
        }
        taken(&self.post(body).send()?)?;
        Ok(Ack::through(batch.last_seq()))
    }

    fn probe(&self) -> Result<(), Error> {
        taken(&self.post(Vec::new()).send()?)
    }
}

impl {{Name}} {
    fn post(&self, body: Vec<u8>) -> Request {
        Request::post(&self.url, body)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/x-ndjson")
    }
}

/// Retries are the host's: what failed is returned, and the code says whether to ask again.
fn taken(answer: &Answer) -> Result<(), Error> {
    match answer.status {
        200..=299 => Ok(()),
        status => Err(Error::unavailable(format!("the receiver answered {status}"))),
    }
}

export_exporter!({{Name}});

#[cfg(test)]
mod tests {
    use tidegate_sdk::exporter::{Ack, Batch, Exporter as _, NDJSON};
    use tidegate_sdk::http::Answer;
    use tidegate_sdk::testing::{Host, issues, plugin};

    use super::{{Name}};

    const CONFIG: &str = r#"{"url": "https://siem.example.com/ingest", "token": "secret://siem"}"#;

    fn batch() -> Batch {
        let data = b"{\"kind\":\"op.intent\"}\n".to_vec();
        let ends = vec![u32::try_from(data.len()).expect("small")];
        Batch { log: "gate-1".to_owned(), first_seq: 7, encoding: NDJSON.to_owned(), data, ends, attempt: 0 }
    }

    #[test]
    fn entries_are_posted_with_the_token_by_name() {
        let host = Host::new().answer(Answer::new(200, ""));
        assert_eq!(plugin::<{{Name}}>(CONFIG).deliver(&batch()), Ok(Ack::through(7)));
        assert_eq!(host.requests()[0].headers[0].1, "Bearer secret://siem");
    }

    #[test]
    fn what_is_not_taken_is_an_error() {
        let _host = Host::new().answer(Answer::new(503, ""));
        assert!(plugin::<{{Name}}>(CONFIG).deliver(&batch()).is_err());
    }

    #[test]
    fn a_token_in_clear_is_refused() {
        assert_eq!(issues::<{{Name}}>(r#"{"url": "https://a.example", "token": "abc"}"#).len(), 1);
    }
}
