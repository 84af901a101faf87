//! `/api/v1/approvals`: what waits for people, and their answers.

use axum::extract::State;
use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};
use model::approval::{Standing, Vote};
use model::{ApprovalId, Principal, ResourceName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::{Content, Id, Parameters};
use crate::admin::operation::{Deed, Door, may, perform, perform_own, to_its_end};
use crate::admin::output::Reply;
use crate::admin::page::limit;
use crate::admin::problem::{Problem, ProblemBody};
use crate::approvals::{AnswerError, Filter, Kept};
use crate::cli::terminal::moment;
use crate::clock;

/// How many approvals are looked at to fill a page for whoever may not see all of them.
const READ_MAX: usize = 500;

/// How many are read at once: each can be some hundred kilobytes.
const READ_AT_ONCE: usize = 50;

/// What an approver decides by and a list leaves out: it can be long.
const NOT_LISTED: [&str; 4] = ["operation", "binds", "settings", "facts"];

/// Which approvals.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Only those that stand like this: `pending`, `approved`, `denied`, `expired`,
    /// `withdrawn` or `used`.
    standing: Option<String>,
    /// Only those on this resource.
    resource: Option<String>,
    /// How many, from 1 to 200; 50 if not given.
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// One page of approvals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalPage {
    /// Those that the caller may see, the newest first.
    pub(crate) approvals: Vec<ApprovalBody>,
    /// Where the next page begins; null at the end. A page may be short, or empty, and have a
    /// next one all the same.
    pub(crate) next: Option<String>,
}

/// One question, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalBody {
    /// Its id.
    pub(crate) id: String,
    /// `operation` or `grant`.
    #[schema(value_type = String)]
    pub(crate) subject: model::approval::Subject,
    /// `pending`, `approved`, `denied`, `expired`, `withdrawn` or `used`.
    pub(crate) standing: String,
    /// Counts its changes: an answer names the one it is for.
    pub(crate) revision: u64,
    /// Who asks.
    pub(crate) requester: RequesterBody,
    /// On what.
    pub(crate) resource: String,
    /// The session whose operation waits at this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// When it was asked.
    pub(crate) asked: String,
    /// Until when it can be answered.
    pub(crate) decide_by: String,
    /// Until when it can be used, once it is approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) use_by: Option<String>,
    /// How many of whom must agree: `2 of dba`.
    pub(crate) quorum: String,
    /// How many more must.
    pub(crate) missing: usize,
    /// The answers so far.
    pub(crate) votes: Vec<VoteBody>,
    /// Whether the caller may answer it.
    pub(crate) may_answer: bool,
    /// The operation that used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used_by: Option<String>,
    /// What an approver decides by: protocol, title, operation, binds, facts, assessment, tags,
    /// policies, transaction_open, settings, estimated_rows, grant; and reason, the requester's own
    /// words, not to be believed. In lists without operation, binds, settings and facts.
    #[schema(value_type = Object)]
    pub(crate) case: Value,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequesterBody {
    /// `issuer|subject`.
    pub(crate) principal: String,
    /// `person` or `agent`.
    #[schema(value_type = String)]
    pub(crate) kind: model::PrincipalKind,
    /// The groups of their token.
    pub(crate) groups: Vec<String>,
    /// On whose behalf or through whom: each `issuer|subject`.
    pub(crate) delegation: Vec<String>,
}

/// One person's answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VoteBody {
    /// Who: `issuer|subject`.
    by: String,
    /// Yes or no.
    agrees: bool,
    /// Their words.
    comment: String,
    /// When.
    at: String,
    /// How it came: `console`, `api`, or the name of an approver plugin.
    channel: String,
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// Yes or no. One no ends it.
    agrees: bool,
    /// A word to whoever asked.
    #[serde(default)]
    #[schema(max_length = 4096)]
    comment: String,
}

impl From<&Vote> for VoteBody {
    fn from(vote: &Vote) -> Self {
        Self {
            by: vote.by.clone(),
            agrees: vote.agrees,
            comment: vote.comment.clone(),
            at: moment(vote.at_us),
            channel: vote.channel.clone(),
        }
    }
}

impl ApprovalBody {
    /// Returns an approval as `reader` sees it.
    pub(crate) fn of(site: &Site, kept: &Kept, reader: &Principal) -> Self {
        let Kept { approval, case } = kept;
        let requester = &approval.requester;
        let use_by = approval
            .approved_us
            .map(|at| at.saturating_add(approval.use_within_us));
        Self {
            id: approval.id.to_string(),
            subject: approval.subject,
            standing: approval.standing_at(clock::unix_us()).label().to_owned(),
            revision: approval.revision,
            requester: RequesterBody {
                principal: requester.key(),
                kind: requester.kind,
                groups: requester.groups.clone(),
                delegation: requester.delegation_keys(),
            },
            resource: approval.resource.to_string(),
            session: approval.waiting.map(|session| session.to_string()),
            asked: moment(approval.asked_us),
            decide_by: moment(approval.decide_by_us),
            use_by: use_by.map(moment),
            quorum: approval.quorum.to_string(),
            missing: approval.quorum.missing(&approval.votes),
            votes: approval.votes.iter().map(VoteBody::from).collect(),
            may_answer: site.services.approvals.may_answer(reader, kept),
            used_by: approval.used_by.map(|operation| operation.to_string()),
            case: serde_json::to_value(case).unwrap_or_default(),
        }
    }
}

/// Leaves out what makes an approval long.
fn listed(mut body: ApprovalBody) -> ApprovalBody {
    if let Some(case) = body.case.as_object_mut() {
        NOT_LISTED.iter().for_each(|member| drop(case.remove(*member)));
    }
    body
}

/// Whether somebody may see an approval without being permitted to see all: who asked, and
/// whoever may answer.
pub(crate) fn concerns(site: &Site, reader: &Principal, kept: &Kept) -> bool {
    let own = kept.approval.requester.key() == reader.key();
    own || kept.approval.votes.iter().any(|vote| vote.by == reader.key())
        || site.services.approvals.may_answer(reader, kept)
}

/// Lists approvals: all for whoever may list them, else those that the caller asked for or may
/// answer.
#[utoipa::path(
    get,
    path = "/api/v1/approvals",
    operation_id = "approvals_list",
    tag = "approvals",
    params(Query),
    responses(
        (status = 200, description = "One page of approvals.", body = ApprovalPage),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(site): State<Site>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Reply<ApprovalPage>, Problem> {
    let deed = Deed::read("list approvals", "approvals");
    let (services, who) = (&site.services, &caller.principal);
    if may(services, who, Door::Api, &deed) {
        let page = page(&site, &query, who, true);
        return perform(services, who, Door::Api, deed, page).await.map(Reply);
    }
    let page = page(&site, &query, who, false);
    perform_own(services, who, Door::Api, deed, page).await.map(Reply)
}

async fn page(site: &Site, query: &Query, who: &Principal, all: bool) -> Result<ApprovalPage, Problem> {
    let limit = limit(query.limit)?;
    let standing = query.standing.as_deref().map(|standing| {
        Standing::parse(standing)
            .ok_or_else(|| Problem::bad_request("invalid-parameters", "standing: there is no such standing"))
    });
    let (scope, key) = (
        format!("{:?} {:?} {all}", query.standing, query.resource),
        who.key(),
    );
    let list = ["approvals", scope.as_str(), key.as_str()];
    let mut filter = Filter {
        standing: standing.transpose()?.into_iter().collect(),
        resource: query.resource.clone().map(ResourceName::new),
        before: match &query.cursor {
            Some(cursor) => ApprovalId::parse(&site.cursors.open(&list, cursor)?),
            None => None,
        },
        limit: Some(READ_AT_ONCE),
        ..Filter::default()
    };
    let (mut approvals, mut read) = (Vec::new(), 0);
    let next = loop {
        let batch = site.services.approvals.list(&filter).await;
        let batch = batch.map_err(|error| Problem::broken("the approvals could not be read", &error))?;
        let Some(last) = batch.last().map(|kept| kept.approval.id) else {
            break None;
        };
        let mut full = None;
        for kept in &batch {
            if all || concerns(site, who, kept) {
                approvals.push(listed(ApprovalBody::of(site, kept, who)));
            }
            if approvals.len() >= limit {
                full = Some(kept.approval.id);
                break;
            }
        }
        read += batch.len();
        if full.is_some() || read >= READ_MAX {
            break full.or(Some(last));
        }
        filter.before = Some(last);
    };
    Ok(ApprovalPage {
        approvals,
        next: next.map(|id| site.cursors.seal(&list, &id.to_string())),
    })
}

/// Shows one approval to whoever asked, whoever may answer, and whomever policy lets see it.
#[utoipa::path(
    get,
    path = "/api/v1/approvals/{id}",
    operation_id = "approvals_show",
    tag = "approvals",
    params(("id" = String, Path, description = "The approval's id.")),
    responses(
        (status = 200, description = "The approval, as it stands now.", body = ApprovalBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<ApprovalId>,
) -> Result<Reply<ApprovalBody>, Problem> {
    let who = &caller.principal;
    let kept = look_at(&site, who, Door::Api, id).await?;
    Ok(Reply(ApprovalBody::of(&site, &kept, who)))
}

/// Returns an approval that somebody may see.
///
/// # Errors
/// There is none, or they may not see it: the answer is the same.
pub(crate) async fn find(site: &Site, who: &Principal, door: Door, id: ApprovalId) -> Result<Kept, Problem> {
    let kept = site.services.approvals.get(id).await;
    let kept = kept.map_err(|error| Problem::broken("the approval could not be read", &error))?;
    let seen = |kept: &Kept| concerns(site, who, kept) || may(&site.services, who, door, &showing(id));
    kept.filter(seen).ok_or_else(|| Problem::not_found("approval"))
}

/// As [`find`], and written down: as somebody's own where it concerns them, else as the policies
/// permit it.
///
/// # Errors
/// Those of [`find`]; it cannot be written down.
pub(crate) async fn look_at(
    site: &Site,
    who: &Principal,
    door: Door,
    id: ApprovalId,
) -> Result<Kept, Problem> {
    let kept = find(site, who, door, id).await?;
    let (services, own) = (&site.services, concerns(site, who, &kept));
    let shown = async { Ok(kept) };
    if own {
        perform_own(services, who, door, showing(id), shown).await
    } else {
        perform(services, who, door, showing(id), shown).await
    }
}

/// What looking at one approval is, at every door.
fn showing(id: ApprovalId) -> Deed {
    Deed::read("show approval", format!("approval/{id}"))
}

/// Answers. The header `If-Match` names the revision that was looked at, in quotes: if somebody
/// changed it meanwhile, the answer does not count. Policy on the approval's resource says who
/// may answer; nobody answers for themselves.
#[utoipa::path(
    post,
    path = "/api/v1/approvals/{id}/decision",
    operation_id = "approvals_decide",
    tag = "approvals",
    params(
        ("id" = String, Path, description = "The approval's id."),
        ("If-Match" = String, Header, description = "The revision, in quotes."),
    ),
    request_body = Decision,
    responses(
        (status = 200, description = "The approval, as it stands now.", body = ApprovalBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn decide(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<ApprovalId>,
    headers: HeaderMap,
    Content { value, .. }: Content<Decision>,
) -> Result<Reply<ApprovalBody>, Problem> {
    let revision = revision(&headers)?;
    to_its_end(async move {
        let who = &caller.principal;
        find(&site, who, Door::Api, id).await?;
        let approvals = &site.services.approvals;
        let (seen, channel) = (Some(revision), Door::Api.label());
        let answered = approvals.vote(id, seen, who, value.agrees, &value.comment, channel);
        let kept = answered.await.map_err(refused)?;
        Ok(Reply(ApprovalBody::of(&site, &kept, who)))
    })
    .await
}

/// Takes a question back: the requester's own only.
#[utoipa::path(
    post,
    path = "/api/v1/approvals/{id}/withdraw",
    operation_id = "approvals_withdraw",
    tag = "approvals",
    params(("id" = String, Path, description = "The approval's id.")),
    responses(
        (status = 200, description = "The approval, as it stands now.", body = ApprovalBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn withdraw(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<ApprovalId>,
) -> Result<Reply<ApprovalBody>, Problem> {
    to_its_end(async move {
        let who = &caller.principal;
        find(&site, who, Door::Api, id).await?;
        let withdrawn = site.services.approvals.withdraw(id, who).await;
        let kept = withdrawn.map_err(refused)?;
        Ok(Reply(ApprovalBody::of(&site, &kept, who)))
    })
    .await
}

/// Reads the revision that an answer is for.
fn revision(headers: &HeaderMap) -> Result<u64, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "revision-needed",
            "an answer names the revision it is for: If-Match: \"REVISION\"",
        ));
    };
    let quoted = value.to_str().ok().filter(|_| second.is_none());
    let number = quoted.and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    number.ok_or_else(|| Problem::bad_request("invalid-revision", "If-Match is one revision in quotes"))
}

fn changed() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "changed",
        "it has changed since you looked",
    )
    .hint("look again, then answer")
}

/// Puts into a problem why an answer does not count.
pub(crate) fn refused(error: AnswerError) -> Problem {
    match error {
        AnswerError::NotFound => Problem::not_found("approval"),
        AnswerError::NotAllowed(refusal) => refusal.into(),
        AnswerError::Vote(error) => {
            use model::approval::VoteError;

            let status = match error {
                VoteError::NotPending(_) | VoteError::Twice => StatusCode::CONFLICT,
                VoteError::Own => StatusCode::FORBIDDEN,
                VoteError::CommentTooLong => StatusCode::BAD_REQUEST,
            };
            Problem::new(status, "does-not-count", error.to_string())
        }
        AnswerError::Changed => changed(),
        AnswerError::State(error) => Problem::broken("the answer could not be stored", &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_one_revision() {
        let of = |values: &[&str]| {
            let values = values
                .iter()
                .map(|value| (IF_MATCH, value.parse().expect("a value")));
            revision(&values.collect()).map_err(|problem| problem.status)
        };
        assert_eq!(of(&["\"7\""]), Ok(7));
        assert_eq!(of(&[]), Err(StatusCode::PRECONDITION_REQUIRED));
        for bad in [
            &["7"][..],
            &["*"],
            &["W/\"7\""],
            &["\"\""],
            &["\"-1\""],
            &["\"1\"", "\"2\""],
        ] {
            assert_eq!(of(bad), Err(StatusCode::BAD_REQUEST), "{bad:?}");
        }
    }
}
