//! A click, read from a request whose signature holds.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_sdk::Error;
use tidegate_sdk::approver::{Decision, Message, Update, Vote};

use crate::signature::{self, Action, PROOF};
use crate::{Place, is_id, question};

/// Why a genuine request is no vote.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Unfit {
    /// It is not a click on one of our buttons.
    Malformed(&'static str),
    /// It is one from elsewhere.
    Foreign(&'static str),
}

#[derive(Debug, Deserialize)]
struct Payload {
    r#type: String,
    api_app_id: String,
    team: Option<Team>,
    user: User,
    channel: Option<Named>,
    actions: Vec<Clicked>,
    #[serde(default)]
    state: State,
}

#[derive(Debug, Deserialize)]
struct Team {
    id: String,
    enterprise_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
    team_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Clicked {
    r#type: String,
    action_id: String,
    #[serde(default)]
    value: String,
}

/// What was written into fields, by block and action.
#[derive(Debug, Default, Deserialize)]
struct State {
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, Written>>,
}

#[derive(Debug, Deserialize)]
struct Written {
    value: Option<String>,
}

/// Reads the vote in a request that Slack signed at this time.
pub(crate) fn read(
    message: &Message,
    place: &Place,
    at_ms: u64,
    seal: impl Fn(Action, &str) -> Result<String, Error>,
) -> Result<Result<Update, Unfit>, Error> {
    let payload = match payload(message) {
        Ok(payload) => payload,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let (action, value) = match clicked(&payload) {
        Ok(clicked) => clicked,
        Err(unfit) => return Ok(Err(unfit)),
    };
    if let Err(unfit) = at_home(&payload, place) {
        return Ok(Err(unfit));
    }
    let Some(approval_id) = signature::unseal(value, |id| seal(action, id))? else {
        return Ok(Err(Unfit::Foreign("the button is not of this gateway")));
    };
    let vote = Vote {
        by: format!("{}/{}", place.team, payload.user.id),
        at_ms,
        comment: comment(&payload.state),
        evidence: message.evidence(&PROOF),
    };
    Ok(Ok(Update {
        approval_id: approval_id.to_owned(),
        decision: match action {
            Action::Approve => Decision::Approved(vote),
            Action::Deny => Decision::Denied(vote),
        },
        ticket: None,
    }))
}

/// Reads the form with its one field.
fn payload(message: &Message) -> Result<Payload, Unfit> {
    let malformed = Unfit::Malformed("not a form with one payload");
    let kind = message.sole_header("content-type").unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(malformed);
    }
    let mut fields = form_urlencoded::parse(&message.body);
    match (fields.next(), fields.next()) {
        (Some((name, json)), None) if name == "payload" => {
            serde_json::from_str(&json).map_err(|_| Unfit::Malformed("the payload is not a click"))
        }
        _ => Err(malformed),
    }
}

/// Returns what was clicked, if it is exactly one of our buttons.
fn clicked(payload: &Payload) -> Result<(Action, &str), Unfit> {
    let [clicked] = payload.actions.as_slice() else {
        return Err(Unfit::Malformed("not one click"));
    };
    let action = Action::ALL
        .into_iter()
        .find(|action| action.id() == clicked.action_id);
    match action {
        Some(action) if payload.r#type == "block_actions" && clicked.r#type == "button" => {
            Ok((action, &clicked.value))
        }
        _ => Err(Unfit::Malformed("not a click on an answer")),
    }
}

/// Checks that a click comes from the app, workspace and channel that were asked, and from
/// somebody who belongs to that workspace: in a shared channel there are others.
fn at_home(payload: &Payload, place: &Place) -> Result<(), Unfit> {
    let team = payload.team.as_ref().filter(|team| team.id == place.team);
    let Some(team) = team.filter(|_| payload.api_app_id == place.app) else {
        return Err(Unfit::Foreign("another app or workspace"));
    };
    if payload.channel.as_ref().map(|channel| &channel.id) != Some(&place.channel) {
        return Err(Unfit::Foreign("another channel"));
    }
    // Within an organization Slack gives its id in the place of the workspace's.
    let of = payload.user.team_id.as_ref();
    if of.is_some_and(|of| *of != team.id && Some(of) != team.enterprise_id.as_ref()) {
        return Err(Unfit::Foreign("a user of another workspace"));
    }
    match is_id(&payload.user.id, b"UW") {
        true => Ok(()),
        false => Err(Unfit::Malformed("not a user's id")),
    }
}

fn comment(state: &State) -> String {
    let written = state.values.get(question::COMMENT);
    let written = written.and_then(|block| block.get(question::COMMENT));
    let mut comment = written.and_then(|field| field.value.clone()).unwrap_or_default();
    comment.truncate(comment.floor_char_boundary(COMMENT_BYTES_MAX));
    comment
}

/// The contract's limit.
const COMMENT_BYTES_MAX: usize = 4 << 10;
