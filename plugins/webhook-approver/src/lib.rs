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
//! callback address, signed in the same way with a key of its own and the current time:
//!
//! ```json
//! {"approval_id": "…", "decision": "approved", "by": "ann@example.com", "comment": "…"}
//! ```
//!
//! `decision` is `approved`, `denied`, `expired` or `withdrawn`; `by` is whoever the receiver
//! says, and the gateway's configuration alone says which principal that is, if any. With
//! `poll_seconds` the same object is also fetched with a signed `GET url/APPROVAL_ID`, and the
//! response must carry the three headers too; `pending` means not yet. When an answer is no
//! longer wanted, `{"type": "approval.withdrawn", "approval_id", "reason"}` goes out.
//!
//! A message whose signature does not hold, whose time is more than 300 seconds from the
//! gateway's, or that carries one of the three headers twice, changes nothing.
//!
//! ```toml
//! [plugin.config]
//! url = "https://approvals.example.com/tidegate"
//! secret = "secret://approvals"            # whsec_…; signs what goes out, never seen here
//! answer_secret = "secret://approvals-in"  # another one; signs what comes in
//! poll_seconds = 30                        # never unless named
//! ```
//!
//! Two keys, so that nobody who can only check questions can answer them.

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
    /// What signs questions, as `secret://name`.
    pub secret: String,
    /// What signs answers, as `secret://name`; another one than `secret`.
    pub answer_secret: String,
    /// How often to ask for an answer; never unless named.
    pub poll_seconds: Option<u32>,
}

/// The approver.
#[derive(Debug)]
pub struct WebhookApprover {
    url: String,
    secret: String,
    answer_secret: String,
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
        let mut named = |pointer: &str, reference: &str| {
            let name = reference.strip_prefix("secret://").unwrap_or("").to_owned();
            if name.is_empty() {
                issues.push(Issue::new(
                    pointer,
                    "a reference like secret://approvals, never the secret itself",
                ));
            }
            name
        };
        let secret = named("/secret", &config.secret);
        let answer_secret = named("/answer_secret", &config.answer_secret);
        if !secret.is_empty() && secret == answer_secret {
            issues.push(Issue::new(
                "/answer_secret",
                "another secret than the one that signs questions",
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
            secret,
            answer_secret,
            poll_after_ms: config.poll_seconds.map(|seconds| seconds.saturating_mul(1000)),
        })
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
        manifest.wants = vec![
            Want::new("egress", "*", "The receiver in `url`."),
            Want::new(
                "secret",
                "*",
                "Signs with the key in `secret`, checks with that in `answer_secret`.",
            ),
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
        // It proves itself as one that is posted to the callback address does.
        let answer = Message {
            method: "GET".to_owned(),
            path: String::new(),
            headers: answer.headers,
            body: answer.body,
        };
        let at_ms = signature::signed_at(&self.answer_secret, &answer, unix_ms())?
            .ok_or_else(|| Error::invalid_config("the signature of the receiver's answer does not hold"))?;
        let update = message::decision(&answer, at_ms)
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
        let Some(at_ms) = signature::signed_at(&self.answer_secret, message, unix_ms())? else {
            return Ok((Vec::new(), Reply::text(401, "the signature does not hold")));
        };
        Ok(match message::decision(message, at_ms) {
            Some(update) if update.decision != Decision::Pending => (vec![update], Reply::text(200, "")),
            _ => (Vec::new(), Reply::text(400, "not a decision")),
        })
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
