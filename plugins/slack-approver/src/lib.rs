//! Asks for approval in a Slack channel and takes the click on a button.
//!
//! A question is one message with the buttons *Approve* and *Deny* and a field for a comment.
//! It shows the title, who asks, for which resource, the score, who may answer, when it
//! expires, the body as the host made it, and a link to the console where there is one. A body
//! that does not fit into a message is cut, the message says so, and it has no *Approve*:
//! what is not seen whole can be denied here and approved in the console only.
//!
//! # Who may approve
//!
//! A click is what Slack says of one of its users. The vote names that user as `TEAM/USER`,
//! e.g. `T0123ABCD/U0456EFGH`; names and e-mail addresses can be edited by their owners and
//! are never looked at. Which principal that is, and whether it may answer, the gateway's own
//! configuration and policy say; nothing of it is configured here. Whoever administers the
//! workspace, or holds an unlocked phone, can click as another: link only people whose policy
//! lets a chat decide.
//!
//! # What proves a click
//!
//! Slack's signature over the raw request (`x-slack-signature`, `v0`), not more than 300
//! seconds from the gateway's clock; the app, the workspace and the channel that are
//! configured; a user of that workspace, not a guest from a connected one; and on the button a
//! MAC of this plugin over action, place and approval, so that no other message of the same
//! app can stand for this one. Within those 300 seconds the same request may come again: it
//! names the same vote at the same time, and the host counts it once.
//!
//! # What Slack does not offer
//!
//! `chat.postMessage` knows no key that makes it idempotent. When its answer is lost, the same
//! question is put again and may stand there twice, with the same approval in its metadata
//! (`tidegate_approval`). Either can be answered, the host counts once; only the one whose
//! answer arrived is edited when the question is closed.
//!
//! ```toml
//! [plugin.config]
//! team = "T0123ABCD"                          # the workspace's id
//! channel = "C0123ABCD"                       # the channel's id, not its name
//! app = "A0123ABCD"                           # the app's id
//! token = "secret://slack-token"              # xoxb-…, scope chat:write; never seen here
//! signing_secret = "secret://slack-signing"   # of the app; never seen here
//! ```
//!
//! The app's interactivity request URL is the plugin's callback address; the app must be a
//! member of the channel. `api` names another origin than `https://slack.com`.

mod answer;
mod blocks;
mod click;
mod question;
mod signature;

use serde::{Deserialize, Serialize};
use tidegate_sdk::approver::{Approver, Ask, Decision, Message, Reply, Ticket, Update};
use tidegate_sdk::host::unix_ms;
use tidegate_sdk::http::Request;
use tidegate_sdk::{Error, Issue, Manifest, Plugin, Want, export_approver};

use self::answer::{Refused, Told};
use self::click::Unfit;

/// What can be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The workspace's id.
    pub team: String,
    /// The channel's id.
    pub channel: String,
    /// The app's id.
    pub app: String,
    /// The app's bot token, as `secret://name`.
    pub token: String,
    /// The app's signing secret, as `secret://name`.
    pub signing_secret: String,
    /// Where Slack's API is; `https://slack.com` unless named.
    pub api: Option<String>,
}

/// The approver.
#[derive(Debug)]
pub struct SlackApprover {
    place: Place,
    token: String,
    signing_secret: String,
    api: String,
}

/// Where questions are asked and clicks must come from.
#[derive(Debug)]
struct Place {
    team: String,
    channel: String,
    app: String,
}

impl Plugin for SlackApprover {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut expect = |holds: bool, pointer: &str, what: &str| {
            if !holds {
                issues.push(Issue::new(pointer, what));
            }
        };
        expect(is_id(&config.team, b"T"), "/team", "an id like T0123ABCD");
        expect(
            is_id(&config.channel, b"CGD"),
            "/channel",
            "an id like C0123ABCD, not a name",
        );
        expect(is_id(&config.app, b"A"), "/app", "an id like A0123ABCD");
        let token = secret_name(&config.token);
        let signing = secret_name(&config.signing_secret);
        let reference = "a reference like secret://slack-token, never the secret itself";
        expect(token.is_some(), "/token", reference);
        expect(signing.is_some(), "/signing_secret", reference);
        let api = config.api.unwrap_or_else(|| API.to_owned());
        let api = api.trim_end_matches('/').to_owned();
        expect(is_origin(&api), "/api", "an origin like https://slack.com");
        match (token, signing) {
            (Some(token), Some(signing_secret)) if issues.is_empty() => Ok(Self {
                place: Place {
                    team: config.team,
                    channel: config.channel,
                    app: config.app,
                },
                token,
                signing_secret,
                api,
            }),
            _ => Err(issues),
        }
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
        manifest.wants = vec![
            Want::new(
                "egress",
                "*",
                "Slack's API, https://slack.com unless `api` names another.",
            ),
            Want::new("secret", "*", "Sends the token in `token`."),
            Want::new(
                "secret",
                "*",
                "Checks clicks and marks buttons with `signing_secret`.",
            ),
        ];
    }
}

impl Approver for SlackApprover {
    fn submit(&self, ask: &Ask) -> Result<Ticket, Error> {
        if ask.approval_id.is_empty() || ask.approval_id.len() > APPROVAL_ID_BYTES_MAX {
            return Err(Error::invalid_input("an approval id that no button can hold"));
        }
        let seal = |action| signature::seal(&self.signing_secret, &self.place, action, &ask.approval_id);
        let message = question::message(&self.place.channel, ask, seal)?;
        let told = self.call("chat.postMessage", &message)?;
        let ts = told
            .ts
            .filter(|ts| is_ts(ts) && told.channel.as_ref() == Some(&self.place.channel));
        // Its buttons may well stand in the channel; asked again, the host counts either once.
        let ts = ts.ok_or_else(|| Error::unavailable("Slack does not say where the message is"))?;
        Ok(Ticket {
            external_id: format!("{}/{ts}", self.place.channel),
            url: None,
            poll_after_ms: None,
            state: question::remembered(ask),
        })
    }

    /// Clicks come by themselves; Slack offers nothing to ask.
    fn poll(&self, approval_id: &str, _: &Ticket) -> Result<Update, Error> {
        Ok(Update {
            approval_id: approval_id.to_owned(),
            decision: Decision::Pending,
            ticket: None,
        })
    }

    fn callback(&self, message: &Message) -> Result<(Vec<Update>, Reply), Error> {
        if message.method != "POST" {
            return Ok((Vec::new(), Reply::text(405, "POST a click")));
        }
        let Some(at_ms) = signature::signed_at(&self.signing_secret, message, unix_ms())? else {
            return Ok((Vec::new(), Reply::text(401, "the signature does not hold")));
        };
        let seal = |action, id: &str| signature::seal(&self.signing_secret, &self.place, action, id);
        Ok(match click::read(message, &self.place, at_ms, seal)? {
            Ok(update) => (vec![update], Reply::empty(200)),
            Err(Unfit::Malformed(why)) => (Vec::new(), Reply::text(400, why)),
            Err(Unfit::Foreign(why)) => (Vec::new(), Reply::text(403, why)),
        })
    }

    fn withdraw(&self, _: &str, ticket: &Ticket, reason: &str) -> Result<(), Error> {
        let (channel, ts) = ticket
            .external_id
            .split_once('/')
            .filter(|(channel, ts)| is_id(channel, b"CGD") && is_ts(ts))
            .ok_or_else(|| Error::invalid_input("a ticket that names no message of Slack's"))?;
        let message = question::closed(channel, ts, &ticket.state, reason);
        match self.call("chat.update", &message) {
            // Somebody removed the message, and the buttons with it.
            Ok(_) | Err(Refused::Gone) => Ok(()),
            Err(Refused::Other(error)) => Err(error),
        }
    }
}

impl SlackApprover {
    /// Calls a method of Slack's API; what is not `ok` is an error.
    fn call(&self, method: &str, body: &impl Serialize) -> Result<Told, Refused> {
        let body =
            serde_json::to_vec(body).map_err(|error| Refused::Other(Error::internal(error.to_string())))?;
        let answer = Request::post(format!("{}/api/{method}", self.api), body)
            .header("content-type", "application/json; charset=utf-8")
            .header("authorization", format!("Bearer secret://{}", self.token))
            .send()
            .map_err(|failure| Refused::Other(failure.into()))?;
        answer::read(&answer)
    }
}

/// Returns whether this is an id of Slack's that begins with one of these letters.
fn is_id(id: &str, first: &[u8]) -> bool {
    let rest = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    (3..=ID_BYTES_MAX).contains(&id.len())
        && first.contains(&id.as_bytes()[0])
        && id.as_bytes().iter().all(rest)
}

/// Returns whether this is a time stamp that names a message, e.g. `1503435956.000247`.
fn is_ts(ts: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    ts.len() <= ID_BYTES_MAX
        && ts
            .split_once('.')
            .is_some_and(|(seconds, rest)| digits(seconds) && digits(rest))
}

fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or(text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@']))
}

/// Returns the name in a reference. Only letters that the host reads as part of it: the token
/// is put into a header by its name.
fn secret_name(reference: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let name = reference.strip_prefix("secret://")?;
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
}

/// Where Slack is.
const API: &str = "https://slack.com";

/// Slack's ids have 9 to 12 letters and are said to grow.
const ID_BYTES_MAX: usize = 64;

/// A button's value holds 2,000 characters: the id, a full stop and the MAC of 43.
const APPROVAL_ID_BYTES_MAX: usize = 1_900;

export_approver!(SlackApprover);

#[cfg(test)]
mod tests;
