//! The bodies that go out and come in.

use serde::{Deserialize, Serialize};
use tidegate_sdk::Error;
use tidegate_sdk::approver::{Ask, Decision, Message, Update, Vote};

use crate::signature;

#[derive(Serialize)]
struct Question<'a> {
    r#type: &'a str,
    approval_id: &'a str,
    title: &'a str,
    body: &'a str,
    score: u8,
    requester: Requester<'a>,
    target: &'a str,
    reviewers: &'a [String],
    expires_ms: u64,
    url: &'a str,
    callback_url: &'a str,
}

#[derive(Serialize)]
struct Requester<'a> {
    id: &'a str,
    kind: &'a str,
    groups: &'a [String],
    delegation: &'a [String],
}

#[derive(Serialize)]
struct Withdrawal<'a> {
    r#type: &'a str,
    approval_id: &'a str,
    reason: &'a str,
}

/// What the receiver of a question may answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Receipt {
    pub(crate) external_id: Option<String>,
    pub(crate) url: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    approval_id: String,
    decision: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    comment: String,
}

pub(crate) fn question(ask: &Ask) -> Result<Vec<u8>, Error> {
    rendered(&Question {
        r#type: "approval.requested",
        approval_id: &ask.approval_id,
        title: &ask.title,
        body: &ask.body_markdown,
        score: ask.score,
        requester: Requester {
            id: &ask.requester.id,
            kind: &ask.requester.kind,
            groups: &ask.requester.groups,
            delegation: &ask.requester.delegation,
        },
        target: &ask.target,
        reviewers: &ask.reviewers,
        expires_ms: ask.expires_ms,
        url: &ask.url,
        callback_url: &ask.callback_url,
    })
}

pub(crate) fn withdrawal(approval_id: &str, reason: &str) -> Result<Vec<u8>, Error> {
    rendered(&Withdrawal {
        r#type: "approval.withdrawn",
        approval_id,
        reason,
    })
}

fn rendered(body: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::internal(error.to_string()))
}

/// Reads a receipt; one that does not read says nothing.
pub(crate) fn receipt(body: &[u8]) -> Receipt {
    let mut receipt: Receipt = serde_json::from_slice(body).unwrap_or_default();
    receipt.external_id = receipt
        .external_id
        .filter(|id| (1..=EXTERNAL_ID_BYTES_MAX).contains(&id.len()));
    // People will click on it.
    receipt.url = receipt.url.filter(|url| {
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        is_web && url.len() <= URL_BYTES_MAX && url.bytes().all(|b| b.is_ascii_graphic())
    });
    receipt
}

/// Reads the decision of a message that was signed at this time; `None` if it is none, or a
/// vote of nobody.
pub(crate) fn decision(message: &Message, at_ms: u64) -> Option<Update> {
    let mut answer: Answer = serde_json::from_slice(&message.body).ok()?;
    answer
        .comment
        .truncate(answer.comment.floor_char_boundary(COMMENT_BYTES_MAX));
    let voted = (1..=NAME_BYTES_MAX).contains(&answer.by.len());
    let vote = Vote {
        by: answer.by,
        at_ms,
        comment: answer.comment,
        evidence: message.evidence(&signature::PROOF),
    };
    let decision = match answer.decision.as_str() {
        "approved" if voted => Decision::Approved(vote),
        "denied" if voted => Decision::Denied(vote),
        "expired" => Decision::Expired,
        "withdrawn" => Decision::Withdrawn,
        "pending" => Decision::Pending,
        _ => return None,
    };
    Some(Update {
        approval_id: answer.approval_id,
        decision,
        ticket: None,
    })
}

/// The contract's limits for an id and a comment, and what the host takes as a name.
const EXTERNAL_ID_BYTES_MAX: usize = 512;
const COMMENT_BYTES_MAX: usize = 4 << 10;
const NAME_BYTES_MAX: usize = 512;

/// What browsers agree on as an address.
const URL_BYTES_MAX: usize = 2 << 10;
