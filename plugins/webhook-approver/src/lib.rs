//! Asks for approval by signed webhook and takes the signed answer, by Standard Webhooks.
//!
//! A question goes out as `POST url` with `webhook-id` (the approval's id, so that a repeated
//! question is known), `webhook-timestamp` and `webhook-signature`, and this body:
//!
//! ```json
//! {"type": "approval.requested", "approval_id": "…", "title": "…", "body": "…markdown…",
//!  "score": 75, "requester": {"id": "issuer|subject", "kind": "agent", "groups": ["…"]},
//!  "target": "customers", "reviewers": ["dba"], "expires_ms": 1700000000000,
//!  "url": "https://gateway/…", "callback_url": "https://gateway/…"}
//! ```
//!
//! The receiver may answer with `{"external_id": "…", "url": "…"}`. Later it posts to the
//! callback address, signed with the same secret and the current time:
//!
//! ```json
//! {"approval_id": "…", "decision": "approved", "by": "ann@example.com", "comment": "…"}
//! ```
//!
//! `decision` is `approved`, `denied`, `expired` or `withdrawn`. With `poll_seconds` the same
//! object is also fetched with a signed `GET url/APPROVAL_ID`; `pending` means not yet, and TLS
//! alone vouches for the answer. When
//! an answer is no longer wanted, `{"type": "approval.withdrawn", "approval_id", "reason"}` goes
//! out.
//!
//! ```toml
//! [plugin.config]
//! url = "https://approvals.example.com/tidegate"
//! secret = "secret://approvals"     # whsec_…; granted as a secret, never seen here
//! poll_seconds = 30                 # never unless named
//! ```

mod message;
mod signature;

use serde::Deserialize;
use tidegate_sdk::approver::{Approver, Ask, Decision, Message, Reply, Ticket, Update};
use tidegate_sdk::host::unix_ms;
use tidegate_sdk::http::{Answer, Request};
use tidegate_sdk::{Code, Error, Issue, Manifest, Plugin, Want, export_approver};

/// What can be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where questions go.
    pub url: String,
    /// What signs questions and answers, as `secret://name`.
    pub secret: String,
    /// How often to ask for an answer; never unless named.
    pub poll_seconds: Option<u32>,
}

/// The approver.
#[derive(Debug)]
pub struct WebhookApprover {
    url: String,
    secret: String,
    poll_after_ms: Option<u32>,
}

impl Plugin for WebhookApprover {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        if !config.url.starts_with("https://") && !config.url.starts_with("http://") {
            issues.push(Issue::new(
                "/url",
                "an address like https://approvals.example.com/tidegate",
            ));
        }
        let secret = config.secret.strip_prefix("secret://").unwrap_or("");
        if secret.is_empty() {
            issues.push(Issue::new(
                "/secret",
                "a reference like secret://approvals, never the secret itself",
            ));
        }
        if config.poll_seconds == Some(0) {
            issues.push(Issue::new("/poll_seconds", "at least 1"));
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        Ok(Self {
            url: config.url.trim_end_matches('/').to_owned(),
            secret: secret.to_owned(),
            poll_after_ms: config.poll_seconds.map(|seconds| seconds.saturating_mul(1000)),
        })
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
        let want = |kind: &str, reason: &str| Want {
            kind: kind.to_owned(),
            value: "*".to_owned(),
            reason: reason.to_owned(),
        };
        manifest.wants = vec![
            want("egress", "The receiver in `url`."),
            want("secret", "Signs with the key in `secret`."),
        ];
    }
}

impl Approver for WebhookApprover {
    fn submit(&self, ask: &Ask) -> Result<Ticket, Error> {
        let body = message::question(ask)?;
        let answer = self.send(Request::post(&self.url, body), &ask.approval_id)?;
        let told = message::receipt(&answer.body);
        Ok(Ticket {
            external_id: told.external_id.unwrap_or_else(|| ask.approval_id.clone()),
            url: told.url,
            poll_after_ms: self.poll_after_ms,
            state: Vec::new(),
        })
    }

    fn poll(&self, approval_id: &str, _: &Ticket) -> Result<Update, Error> {
        // Ids are the host's own; anything else in one could lead the request astray.
        if !approval_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        {
            return Err(Error::invalid_input("an approval id that no address can hold"));
        }
        let request = Request::get(format!("{}/{approval_id}", self.url));
        let answer = self.send(request, approval_id)?;
        let update = message::decision(&answer.body, unix_ms(), &answer.body)
            .ok_or_else(|| Error::unavailable("the receiver's answer is no decision"))?;
        if update.approval_id != approval_id {
            return Err(Error::unavailable("the receiver answers for another approval"));
        }
        Ok(update)
    }

    fn callback(&self, message: &Message) -> Result<(Vec<Update>, Reply), Error> {
        if message.method != "POST" {
            return Ok((Vec::new(), Reply::text(405, "POST an answer")));
        }
        if !signature::is_genuine(&self.secret, message, unix_ms())? {
            return Ok((Vec::new(), Reply::text(401, "the signature does not hold")));
        }
        Ok(
            match message::decision(&message.body, unix_ms(), &signature::evidence(message)) {
                Some(update) if update.decision != Decision::Pending => (vec![update], Reply::text(200, "")),
                _ => (Vec::new(), Reply::text(400, "not a decision")),
            },
        )
    }

    fn withdraw(&self, approval_id: &str, _: &Ticket, reason: &str) -> Result<(), Error> {
        let body = message::withdrawal(approval_id, reason)?;
        self.send(
            Request::post(&self.url, body),
            &format!("{approval_id}-withdrawn"),
        )
        .map(|_| ())
    }
}

impl WebhookApprover {
    /// Signs and sends a request; an answer other than success is an error.
    fn send(&self, request: Request, id: &str) -> Result<Answer, Error> {
        let seconds = unix_ms() / 1000;
        let signature = signature::sign(&self.secret, id, seconds, &request.body)?;
        let answer = request
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .send()?;
        let failed = |code, what: &str| {
            let mut error = Error::new(code, format!("{what} ({})", answer.status));
            error.retry_after_ms = answer.retry_after_ms();
            Err(error)
        };
        match answer.status {
            200..=299 => Ok(answer),
            401 | 403 => failed(Code::Unauthorized, "the receiver refuses the signature"),
            404 | 405 | 410 => failed(Code::InvalidConfig, "there is no receiver at this address"),
            429 => failed(Code::RateLimited, "the receiver asks for patience"),
            400..=499 => failed(Code::InvalidInput, "the receiver refuses the message"),
            _ => failed(Code::Unavailable, "the receiver is out of order"),
        }
    }
}

export_approver!(WebhookApprover);

#[cfg(test)]
mod tests;
