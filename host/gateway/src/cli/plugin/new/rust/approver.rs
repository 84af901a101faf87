//! {{summary}}

use serde::Deserialize;
use tidegate_sdk::approver::{Approver, Ask, Decision, Message, Reply, Ticket, Update};
use tidegate_sdk::http::{Answer, Request};
use tidegate_sdk::{Error, Issue, Manifest, Plugin, Want, export_approver};

/// What an operator configures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct {{Name}} {
    /// Where questions are posted.
    url: String,
    /// The bearer token, as `secret://name`: the plugin never sees it.
    token: String,
}

impl Plugin for {{Name}} {
    type Config = Self;

    fn new(config: Self) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        if !config.url.starts_with("https://") && !config.url.starts_with("http://") {
            issues.push(Issue::new("/url", "an address like https://chat.example.com/ask"));
        }
        if config.token.strip_prefix("secret://").is_none_or(str::is_empty) {
            issues.push(Issue::new("/token", "a reference like secret://chat, never the token itself"));
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

impl Approver for {{Name}} {
    fn submit(&self, ask: &Ask) -> Result<Ticket, Error> {
        let question = format!("{}: {}", ask.approval_id, ask.title);
        taken(&self.post(question.into_bytes()).send()?)?;
        Ok(Ticket { external_id: ask.approval_id.clone(), url: None, poll_after_ms: None, state: Vec::new() })
    }

    fn poll(&self, approval_id: &str, _ticket: &Ticket) -> Result<Update, Error> {
        // People answer in the gateway's own console until this asks the outside system.
        Ok(Update { approval_id: approval_id.to_owned(), decision: Decision::Pending, ticket: None })
    }

    fn callback(&self, _message: &Message) -> Result<(Vec<Update>, Reply), Error> {
        // A message counts only once it is proved genuine, e.g. with `host::hmac_sha256`.
        Ok((Vec::new(), Reply::empty(401)))
    }

    fn withdraw(&self, approval_id: &str, _ticket: &Ticket, reason: &str) -> Result<(), Error> {
        taken(&self.post(format!("{approval_id}: withdrawn, {reason}").into_bytes()).send()?)
    }
}

impl {{Name}} {
    fn post(&self, body: Vec<u8>) -> Request {
        Request::post(&self.url, body)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "text/plain; charset=utf-8")
    }
}

/// Retries are the host's: what failed is returned, and the code says whether to ask again.
fn taken(answer: &Answer) -> Result<(), Error> {
    match answer.status {
        200..=299 => Ok(()),
        status => Err(Error::unavailable(format!("the receiver answered {status}"))),
    }
}

export_approver!({{Name}});

#[cfg(test)]
mod tests {
    use tidegate_sdk::approver::{Approver as _, Message, Reply};
    use tidegate_sdk::testing::{issues, plugin};

    use super::{{Name}};

    const CONFIG: &str = r#"{"url": "https://chat.example.com/ask", "token": "secret://chat"}"#;

    #[test]
    fn nothing_unproved_is_an_answer() {
        let forged = Message { method: "POST".to_owned(), path: String::new(), headers: Vec::new(), body: b"yes".to_vec() };
        let (updates, reply) = plugin::<{{Name}}>(CONFIG).callback(&forged).expect("it answers");
        assert!(updates.is_empty());
        assert_eq!(reply, Reply::empty(401));
    }

    #[test]
    fn a_token_in_clear_is_refused() {
        assert_eq!(issues::<{{Name}}>(r#"{"url": "https://a.example", "token": "abc"}"#).len(), 1);
    }
}
