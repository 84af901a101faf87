//! One question: everything an approver decides by, on one page, in the order in which they
//! need it, with what the requester says apart from what the gateway knows.

use std::time::Duration;

use askama::Template;
use model::approval::{Approval, BoundValue, Case, Standing, Vote};
use model::{OperationKind, Refusal};

use super::shell::Shell;
use super::text::{
    Found, Link, Moment, Risk, Sentence, Text, chain, findings, lasting, lookalikes, sentences, who,
};

/// The page.
#[derive(Template)]
#[template(path = "approval.html")]
pub(crate) struct ApprovalPage {
    pub(crate) shell: Shell,
    id: String,
    revision: u64,
    title: Text,
    state: &'static str,
    waits: bool,
    chain: Vec<Link>,
    groups: Vec<Text>,
    sentences: Vec<Sentence>,
    /// Whether the gateway could make nothing of it.
    unread: bool,
    warnings: Vec<Text>,
    operation: Text,
    cut: bool,
    binds: Vec<Bind>,
    settings: Vec<Text>,
    findings: Vec<Found>,
    reason: Option<Text>,
    grant: Option<Permission>,
    risk: Risk,
    resource: Text,
    protocol: Text,
    tags: Vec<Text>,
    rows: Option<String>,
    transaction_open: bool,
    asked: Moment,
    decide_by: Moment,
    quorum: Text,
    missing: usize,
    session: Option<String>,
    session_short: String,
    policies: Vec<Text>,
    votes: Vec<Answer>,
    may_answer: bool,
    own: bool,
    /// Whether the resource's name is typed to approve.
    name_it: bool,
    /// Why this person has no answer to give.
    cannot: Text,
}

struct Bind {
    value: Option<Text>,
    cut: bool,
}

struct Permission {
    kinds: Vec<&'static str>,
    relations: Vec<Text>,
    lasts: String,
}

/// One answer.
pub(crate) struct Answer {
    agrees: bool,
    by: Text,
    at: Moment,
    channel: Text,
    comment: Text,
}

/// What a reader can do with a question.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// `issuer|subject`.
    pub(crate) key: String,
    /// Whether policy lets them answer, or why not.
    pub(crate) may_answer: Result<(), Option<Refusal>>,
}

impl ApprovalPage {
    /// Shows a question to `reader`, as it stands at `now_us`.
    pub(crate) fn of(shell: Shell, approval: &Approval, case: &Case, reader: &Reader, now_us: u64) -> Self {
        let standing = approval.standing_at(now_us);
        let pending = standing == Standing::Pending;
        let own = approval.requester.involves(&reader.key);
        let answered = approval.votes.iter().any(|vote| vote.by == reader.key);
        let texts = |list: &[String]| list.iter().map(|text| Text::line(text)).collect();
        let risk = Risk {
            score: case.assessment.score,
        };
        let session = approval.waiting.map(|session| session.to_string());
        Self {
            shell,
            id: approval.id.to_string(),
            revision: approval.revision,
            title: Text::line(&case.title),
            state: standing.label(),
            waits: pending && approval.waiting.is_some(),
            chain: chain(&approval.requester),
            groups: texts(&approval.requester.groups),
            sentences: match case.grant {
                Some(_) => Vec::new(),
                None => sentences(&case.facts, case.estimated_rows),
            },
            unread: case.grant.is_none() && case.facts.kind() == OperationKind::Empty,
            warnings: lookalikes(&case.operation).into_iter().collect(),
            operation: Text::block(&case.operation),
            cut: case.cut,
            binds: case.binds.iter().map(bind).collect(),
            settings: texts(&case.settings),
            findings: findings(&case.assessment),
            reason: case
                .reason
                .as_deref()
                .filter(|reason| !reason.trim().is_empty())
                .map(Text::block),
            grant: permission(case),
            risk,
            resource: Text::line(approval.resource.as_str()),
            protocol: Text::line(&case.protocol),
            tags: case.tags.iter().map(|tag| Text::line(tag.as_str())).collect(),
            rows: case.estimated_rows.map(super::text::grouped),
            transaction_open: case.transaction_open,
            asked: Moment(approval.asked_us),
            decide_by: Moment(approval.decide_by_us),
            quorum: Text::line(&approval.quorum.to_string()),
            missing: if pending {
                approval.quorum.missing(&approval.votes)
            } else {
                0
            },
            session_short: session.as_deref().map(short).unwrap_or_default(),
            session,
            policies: texts(&case.policies),
            votes: approval.votes.iter().map(Answer::of).collect(),
            may_answer: pending && !own && !answered && reader.may_answer.is_ok(),
            own,
            name_it: risk.is_high(),
            cannot: Text::line(&cannot(answered, reader)),
        }
    }
}

fn cannot(answered: bool, reader: &Reader) -> String {
    match &reader.may_answer {
        _ if answered => "You have answered. Others are still asked.".to_owned(),
        Err(Some(refusal)) => format!("You can’t answer this: {}.", refusal.message),
        _ => "You can’t answer this: no policy lets you.".to_owned(),
    }
}

fn bind(value: &BoundValue) -> Bind {
    Bind {
        value: value.text.as_deref().map(Text::block),
        cut: value.cut,
    }
}

fn permission(case: &Case) -> Option<Permission> {
    let terms = case.grant.as_ref()?;
    Some(Permission {
        kinds: terms.kinds.iter().map(|kind| kind.label()).collect(),
        relations: terms.relations.iter().map(|name| Text::line(name)).collect(),
        lasts: lasting(Duration::from_secs(terms.seconds)),
    })
}

impl Answer {
    fn of(vote: &Vote) -> Self {
        Self {
            agrees: vote.agrees,
            by: who(&vote.by).0,
            at: Moment(vote.at_us),
            channel: Text::line(&vote.channel),
            comment: Text::block(vote.comment.trim()),
        }
    }
}

/// What is shown to whoever answered a question that had changed meanwhile.
#[derive(Template)]
#[template(path = "changed.html")]
pub(crate) struct ChangedPage {
    pub(crate) shell: Shell,
    id: String,
    title: Text,
    seen: u64,
    revision: u64,
    state: &'static str,
    votes: Vec<Answer>,
}

impl ChangedPage {
    /// Shows what is new since the change `seen`. Every vote is a change, the first ones.
    pub(crate) fn of(shell: Shell, approval: &Approval, case: &Case, seen: u64, now_us: u64) -> Self {
        let known = usize::try_from(seen).unwrap_or(usize::MAX);
        Self {
            shell,
            id: approval.id.to_string(),
            title: Text::line(&case.title),
            seen,
            revision: approval.revision,
            state: approval.standing_at(now_us).label(),
            votes: approval.votes.iter().skip(known).map(Answer::of).collect(),
        }
    }
}

/// Returns the beginning of an id: enough to tell it from its neighbours.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(18).collect()
}
