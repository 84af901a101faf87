//! A Slack on this machine, as strict as its documentation: what it does not know it refuses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper::Response;
use plugin::Message;
use serde_json::{Value, json};
use sha2::Sha256;

use self::message::Message as Posted;
use super::receiver::{Receiver, Seen, hang_up, json as answer};

// The gateway's tests have this file too, from where nothing lies beside it.
#[path = "slack/message.rs"]
mod message;

pub(crate) const TOKEN: &str = "xoxb-0000-the-token-of-no-workspace";
pub(crate) const CHANNEL: &str = "C0CHANNEL";

/// What signs clicks.
pub(crate) const SIGNING: &str = "0123456789abcdef0123456789abcdef";

/// Instead of an answer, once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// 429 with `Retry-After: 30`.
    Busy,
    /// 500.
    Broken,
    /// Does nothing and ends the connection.
    Deaf,
    /// Does what it was asked to and ends the connection before it says so.
    Mute,
    /// Never answers.
    Asleep,
}

pub(crate) struct Slack {
    pub(crate) receiver: Receiver,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What stands in the channel, by time stamp.
    messages: BTreeMap<String, Value>,
    moods: VecDeque<Mood>,
    /// What was wrong with requests, for the test to read.
    complaints: Vec<String>,
}

impl Slack {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let own = Arc::clone(&state);
        let receiver = Receiver::start(move |request| own.lock().unwrap().take(request)).await;
        Self { receiver, state }
    }

    pub(crate) fn will_be(&self, mood: Mood) {
        self.state.lock().unwrap().moods.push_back(mood);
    }

    /// Returns what stands in the channel, oldest first.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.state.lock().unwrap().messages.values().cloned().collect()
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.state.lock().unwrap().complaints.clone()
    }

    /// Somebody removes every message.
    pub(crate) fn clear(&self) {
        self.state.lock().unwrap().messages.clear();
    }
}

impl State {
    fn take(&mut self, request: &Seen) -> Option<Response<Full<Bytes>>> {
        let mood = self.moods.pop_front();
        match mood {
            Some(Mood::Busy) => return busy(),
            Some(Mood::Broken) => return answer(500, "{}"),
            Some(Mood::Deaf) => return hang_up(),
            Some(Mood::Asleep) => return None,
            Some(Mood::Mute) | None => {}
        }
        let told = match self.done(request) {
            Ok(ts) => json!({"ok": true, "channel": CHANNEL, "ts": ts, "message": {}}),
            Err((word, why)) => {
                self.complaints.push(format!("{word}: {why}"));
                json!({"ok": false, "error": word})
            }
        };
        match mood {
            Some(Mood::Mute) => hang_up(),
            _ => answer(200, &told.to_string()),
        }
    }

    fn done(&mut self, request: &Seen) -> Result<String, (&'static str, String)> {
        let sole = |name: &str| {
            let mut values = request.headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().unwrap_or("").to_owned(),
                _ => String::new(),
            }
        };
        if request.method != "POST" {
            return Err(("unknown_method", request.method.clone()));
        }
        if sole("content-type") != "application/json; charset=utf-8" {
            return Err(("invalid_post_type", sole("content-type")));
        }
        if sole("authorization") != format!("Bearer {TOKEN}") {
            return Err(("invalid_auth", "not the token".to_owned()));
        }
        let message: Posted = serde_json::from_slice(&request.body)
            .map_err(|error| ("invalid_arguments", error.to_string()))?;
        message.check().map_err(|why| ("invalid_blocks", why))?;
        if message.channel != CHANNEL {
            return Err(("channel_not_found", message.channel));
        }
        let value = serde_json::from_slice(&request.body).unwrap();
        let ts = match (request.path.as_str(), message.ts) {
            ("/api/chat.postMessage", None) => format!("1503435956.{:06}", self.messages.len()),
            ("/api/chat.update", Some(ts)) if self.messages.contains_key(&ts) => ts,
            ("/api/chat.update", Some(ts)) => return Err(("message_not_found", ts)),
            (path, ts) => return Err(("unknown_method", format!("{path} {ts:?}"))),
        };
        self.messages.insert(ts.clone(), value);
        Ok(ts)
    }
}

fn busy() -> Option<Response<Full<Bytes>>> {
    let busy = Response::builder().status(429).header("retry-after", "30");
    let body = "{\"ok\": false, \"error\": \"ratelimited\"}";
    Some(busy.body(Full::from(body)).unwrap())
}

/// Returns the buttons of a message: action and value.
pub(crate) fn buttons(message: &Value) -> Vec<(String, String)> {
    let blocks = message["blocks"].as_array().unwrap();
    let actions = blocks.iter().filter(|block| block["type"] == "actions");
    let elements = actions.flat_map(|block| block["elements"].as_array().unwrap());
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    elements
        .map(|button| (word(&button["action_id"]), word(&button["value"])))
        .collect()
}

/// What Slack sends when `user` clicks on a button.
pub(crate) fn clicked(button: &(String, String), user: &str) -> Vec<u8> {
    let (action, value) = button;
    let payload = json!({
        "type": "block_actions", "api_app_id": "A0APP", "team": {"id": "T0TEAM", "domain": "example"},
        "user": {"id": user, "username": "ann", "team_id": "T0TEAM"}, "channel": {"id": CHANNEL},
        "state": {"values": {"tidegate_comment": {"tidegate_comment":
            {"type": "plain_text_input", "value": "fine"}}}},
        "actions": [{"type": "button", "action_id": action, "block_id": "tidegate_answer", "value": value}],
    });
    let plain = |b: &u8| b.is_ascii_alphanumeric();
    let mut form = b"payload=".to_vec();
    for byte in payload.to_string().as_bytes() {
        match plain(byte) {
            true => form.push(*byte),
            false => form.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    form
}

/// Returns a click as Slack signs it.
pub(crate) fn signed(secret: &str, at: u64, body: Vec<u8>) -> Message {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:").as_bytes());
    mac.update(&body);
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![
            header("content-type", "application/x-www-form-urlencoded"),
            header("x-slack-request-timestamp", &at.to_string()),
            header("x-slack-signature", &signature),
        ],
        body,
    }
}
