//! `/api/v1/grants`: access for a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use model::grant::{GRANT_RELATIONS_MAX, GRANT_SECONDS_MAX, Terms};
use model::{Grant, GrantId, OperationKind, Principal, ResourceName, Revocation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::locks::{RevokedBody, revoke};
use super::sessions::ReasonBody;
use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::{Content, Id, Parameters};
use crate::admin::operation::{Deed, Door, list_of, perform, perform_own, to_its_end};
use crate::admin::output::Reply;
use crate::admin::page::limit;
use crate::admin::problem::{Problem, ProblemBody};
use crate::admin::repeat::{Answer, Once};
use crate::cli::terminal::moment;
use crate::clock;
use crate::grants::GrantFilter;

/// The longest reason, in bytes: an approver reads it.
const REASON_BYTES_MAX: usize = 2 << 10;

/// Which grants.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// `holding`: only those that hold.
    #[param(inline)]
    standing: Option<Holding>,
    /// Only those on this resource.
    resource: Option<String>,
    /// Only those of this principal, `issuer|subject`.
    principal: Option<String>,
    /// How many, from 1 to 200; 50 if not given.
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Whether a grant must hold.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Holding {
    Holding,
}

/// One page of grants.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct GrantPage {
    /// The newest first.
    pub(crate) grants: Vec<GrantBody>,
    /// Where the next page begins; null at the end.
    pub(crate) next: Option<String>,
}

/// One grant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantBody {
    /// Its id.
    pub(crate) id: String,
    /// `holding`, `ended` or `revoked`.
    pub(crate) standing: String,
    /// Who has it: `issuer|subject`.
    pub(crate) principal: String,
    /// On what.
    pub(crate) resource: String,
    /// The kinds of operation it permits; harmless ones are always among them.
    pub(crate) kinds: Vec<String>,
    /// The relations it is for; empty for all.
    pub(crate) relations: Vec<String>,
    /// The requester's own words. Not to be believed.
    pub(crate) reason: String,
    /// The approval that gave it.
    pub(crate) approval: String,
    /// From when it holds.
    pub(crate) begins: String,
    /// Until when.
    pub(crate) ends: String,
    /// When it was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used: Option<String>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<String>,
    /// Who took it back: `issuer|subject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_by: Option<String>,
}

/// What somebody asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    /// On what.
    resource: String,
    /// `read`, `write`, `schema`, `privilege`.
    #[schema(value_type = Vec<String>)]
    kinds: BTreeSet<OperationKind>,
    /// The relations, as `schema.name`; empty for all.
    #[serde(default)]
    relations: Vec<String>,
    /// For how long, from when it is given, in seconds; a day at the most.
    seconds: u64,
    /// Why: whoever answers reads it.
    #[serde(default)]
    reason: String,
}

/// What was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedBody {
    /// The approval that waits for an answer; it gives the grant.
    pub(crate) approval: String,
}

impl GrantBody {
    pub(crate) fn of(grant: Grant, now_us: u64) -> Self {
        let standing = match &grant.revoked {
            Some(_) => "revoked",
            None if grant.holds_at(now_us) => "holding",
            None => "ended",
        };
        let (revoked, revoked_by) = grant.revoked.map(|(at, by)| (moment(at), by)).unzip();
        Self {
            id: grant.id.to_string(),
            standing: standing.to_owned(),
            principal: grant.principal,
            resource: grant.resource.to_string(),
            kinds: grant
                .terms
                .kinds
                .iter()
                .map(|kind| kind.label().to_owned())
                .collect(),
            relations: grant.terms.relations,
            reason: grant.reason,
            approval: grant.approval.to_string(),
            begins: moment(grant.begins_us),
            ends: moment(grant.ends_us),
            used: grant.used_us.map(moment),
            revoked,
            revoked_by,
        }
    }
}

/// Lists grants: all for whoever may list them, else the caller's own.
#[utoipa::path(
    get,
    path = "/api/v1/grants",
    operation_id = "grants_list",
    tag = "grants",
    params(Query),
    responses(
        (status = 200, description = "One page of grants.", body = GrantPage),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(site): State<Site>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Reply<GrantPage>, Problem> {
    let deed = Deed::read("list grants", "grants");
    let (services, who) = (&site.services, &caller.principal);
    let page = |principal| page(&site, &query, who, principal);
    let listed = list_of(services, who, Door::Api, deed, query.principal.as_deref(), page);
    listed.await.map(Reply)
}

async fn page(
    site: &Site,
    query: &Query,
    who: &Principal,
    principal: Option<String>,
) -> Result<GrantPage, Problem> {
    let limit = limit(query.limit)?;
    let (key, scope) = (
        who.key(),
        format!("{principal:?} {:?} {:?}", query.resource, query.standing),
    );
    let list = ["grants", scope.as_str(), key.as_str()];
    let before = match &query.cursor {
        Some(cursor) => GrantId::parse(&site.cursors.open(&list, cursor)?),
        None => None,
    };
    let filter = GrantFilter {
        principal,
        resource: query.resource.clone().map(ResourceName::new),
        holding: query.standing.is_some(),
        before,
        limit: u32::try_from(limit).unwrap_or(GrantFilter::PAGE_MAX),
    };
    let grants = site.services.grants.list(&filter).await;
    let grants = grants.map_err(|error| Problem::broken("the grants could not be read", &error))?;
    let last = grants.last().filter(|_| grants.len() >= limit);
    let next = last.map(|last| site.cursors.seal(&list, &last.id.to_string()));
    let now_us = clock::unix_us();
    Ok(GrantPage {
        grants: grants
            .into_iter()
            .map(|grant| GrantBody::of(grant, now_us))
            .collect(),
        next,
    })
}

/// Asks for a grant. With an `Idempotency-Key` it may be sent again and is asked once.
#[utoipa::path(
    post,
    path = "/api/v1/grants",
    operation_id = "grants_request",
    tag = "grants",
    params(("Idempotency-Key" = Option<String>, Header, description = "A word for this request; kept for a day.")),
    request_body = NewGrant,
    responses(
        (status = 202, description = "It was asked.", body = AskedBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn request(
    State(site): State<Site>,
    caller: Caller,
    headers: HeaderMap,
    Content { value, digest }: Content<NewGrant>,
) -> Result<Answer, Problem> {
    let once = Once::of(&caller.principal, "/api/v1/grants", &headers, digest)?;
    to_its_end(async move {
        let done = ask(&site, &caller.principal, value);
        site.answers.once(once, clock::unix_us(), done).await
    })
    .await
}

async fn ask(site: &Site, who: &Arc<Principal>, asked: NewGrant) -> Result<Answer, Problem> {
    let wrong = |what: String| Problem::bad_request("invalid-body", what);
    if asked.reason.len() > REASON_BYTES_MAX {
        return Err(wrong(format!("reason: at most {REASON_BYTES_MAX} bytes")));
    }
    if asked.relations.len() > GRANT_RELATIONS_MAX || !(1..=GRANT_SECONDS_MAX).contains(&asked.seconds) {
        return Err(wrong(format!(
            "at most {GRANT_RELATIONS_MAX} relations, for 1 to {GRANT_SECONDS_MAX} seconds"
        )));
    }
    let resource = ResourceName::new(asked.resource);
    let terms = Terms {
        kinds: asked.kinds,
        relations: asked.relations,
        seconds: asked.seconds,
    };
    // Policy on the resource decides whether it may be asked for, and the approval is written
    // down. Whoever may not ask learns the same of what is there and of what is not.
    let approval = site.services.grants.request(who, &resource, terms, &asked.reason);
    let approval = approval.await.map_err(Problem::from)?;
    Answer::new(
        StatusCode::ACCEPTED,
        &AskedBody {
            approval: approval.to_string(),
        },
    )
}

/// Takes a grant back, and ends the sessions that depend on it. Whoever has it may give it back.
#[utoipa::path(
    post,
    path = "/api/v1/grants/{id}/revoke",
    operation_id = "grants_take_back",
    tag = "grants",
    params(("id" = String, Path, description = "The grant's id.")),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "It is revoked.", body = RevokedBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn take_back(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<GrantId>,
    Content { value, .. }: Content<ReasonBody>,
) -> Result<Reply<RevokedBody>, Problem> {
    to_its_end(async move {
        let revoked = revoke_grant(&site, &caller.principal, Door::Api, id, &value.reason);
        revoked.await.map(Reply)
    })
    .await
}

/// Takes a grant back, at whichever door somebody wants it.
pub(crate) async fn revoke_grant(
    site: &Site,
    who: &Principal,
    door: Door,
    id: GrantId,
    reason: &str,
) -> Result<RevokedBody, Problem> {
    let deed = Deed {
        verb: "revoke grant",
        kind: OperationKind::Privilege,
        object: format!("grant/{id}"),
        text: format!("revoke grant {id}: {reason}"),
    };
    let revoked = revoke(&site.services, Revocation::Grant(id), reason, who);
    if is_own(site, who, id) {
        perform_own(&site.services, who, door, deed, revoked).await
    } else {
        perform(&site.services, who, door, deed, revoked).await
    }
}

/// Whether a grant that holds is this principal's own.
fn is_own(site: &Site, who: &Principal, id: GrantId) -> bool {
    let (grants, now_us) = (&site.services.grants, clock::unix_us());
    let resources = site.services.resources();
    resources
        .flat_map(|resource| grants.holding(who, resource, now_us))
        .any(|grant| grant.id == id)
}
