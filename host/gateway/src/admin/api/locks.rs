//! `/api/v1/locks`: who and what is shut out.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use model::{Lock, LockId, LockTarget, OperationKind, Principal, Revocation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::{Content, Id};
use crate::admin::operation::{Deed, Door, perform, to_its_end};
use crate::admin::output::Reply;
use crate::admin::problem::{Problem, ProblemBody};
use crate::admin::repeat::{Answer, Once};
use crate::cli::terminal::moment;
use crate::clock;
use crate::grants::GrantError;
use crate::revocation::{self, RevokeError};
use crate::services::Services;

/// The locks in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LockList {
    /// The oldest first.
    pub(crate) locks: Vec<LockBody>,
}

/// One lock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LockBody {
    /// Its id.
    pub(crate) id: String,
    /// Who or what is shut out.
    pub(crate) target: TargetBody,
    /// Why.
    pub(crate) reason: String,
    /// Who set it: `issuer|subject`.
    pub(crate) by: String,
    /// Since when.
    pub(crate) since: String,
}

/// Who or what is shut out.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetBody {
    /// `principal`, `resource` or `all`.
    kind: TargetKind,
    /// `issuer|subject`, or the resource's name; nothing for `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// What kind of thing is shut out.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TargetKind {
    Principal,
    Resource,
    All,
}

/// Who or what is to be shut out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLock {
    /// Who or what.
    target: TargetBody,
    /// Those whom it hits are told.
    #[schema(max_length = 1024)]
    reason: String,
}

/// What a revocation came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevokedBody {
    /// The lock that keeps those it hits out, if it set one.
    pub(crate) lock: Option<SetLock>,
    /// How many live sessions were told to end; they do so within a second.
    pub(crate) sessions_ended: usize,
}

/// A lock that was set or lifted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetLock {
    /// Its id.
    pub(crate) id: String,
}

impl From<Lock> for LockBody {
    fn from(lock: Lock) -> Self {
        let (kind, value) = match lock.target {
            LockTarget::Principal(key) => (TargetKind::Principal, Some(key)),
            LockTarget::Resource(name) => (TargetKind::Resource, Some(name.to_string())),
            LockTarget::All => (TargetKind::All, None),
        };
        Self {
            id: lock.id.to_string(),
            target: TargetBody { kind, value },
            reason: lock.reason,
            by: lock.by,
            since: moment(lock.since_us),
        }
    }
}

impl TryFrom<TargetBody> for LockTarget {
    type Error = Problem;

    fn try_from(target: TargetBody) -> Result<Self, Problem> {
        let wrong = |what: &str| Err(Problem::bad_request("invalid-body", what));
        match (target.kind, target.value) {
            (TargetKind::All, None) => Ok(Self::All),
            (TargetKind::Principal, Some(key)) if key.contains('|') => Ok(Self::Principal(key)),
            (TargetKind::Principal, _) => wrong("a principal is written issuer|subject"),
            (TargetKind::Resource, Some(name)) => Ok(Self::Resource(model::ResourceName::new(name))),
            (TargetKind::Resource, None) => wrong("value: name the resource"),
            (TargetKind::All, Some(_)) => wrong("value: all takes none"),
        }
    }
}

/// Lists the locks in force.
#[utoipa::path(
    get,
    path = "/api/v1/locks",
    operation_id = "locks_list",
    tag = "locks",
    responses(
        (status = 200, description = "The locks.", body = LockList),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(site): State<Site>, caller: Caller) -> Result<Reply<LockList>, Problem> {
    let deed = Deed::read("list locks", "locks");
    let listed = async { Ok(site.services.locks.list()) };
    let locks = perform(&site.services, &caller.principal, Door::Api, deed, listed).await?;
    Ok(Reply(LockList {
        locks: locks.into_iter().map(LockBody::from).collect(),
    }))
}

/// Shuts somebody or something out until the lock is lifted, and ends the live sessions that it
/// hits. With an `Idempotency-Key` it may be sent again and is done once.
#[utoipa::path(
    post,
    path = "/api/v1/locks",
    operation_id = "locks_set",
    tag = "locks",
    params(("Idempotency-Key" = Option<String>, Header, description = "A word for this request; kept for a day.")),
    request_body = NewLock,
    responses(
        (status = 201, description = "It is revoked.", body = RevokedBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn set(
    State(site): State<Site>,
    caller: Caller,
    headers: HeaderMap,
    Content { value, digest }: Content<NewLock>,
) -> Result<Answer, Problem> {
    let once = Once::of(&caller.principal, "/api/v1/locks", &headers, digest)?;
    to_its_end(async move {
        let done = lock(&site, &caller.principal, Door::Api, value);
        site.answers.once(once, clock::unix_us(), done).await
    })
    .await
}

async fn lock(site: &Site, who: &Principal, door: Door, asked: NewLock) -> Result<Answer, Problem> {
    let target = LockTarget::try_from(asked.target)?;
    let revoked = set_lock(&site.services, who, door, target, &asked.reason).await?;
    Answer::new(StatusCode::CREATED, &revoked)
}

/// Shuts somebody or something out, at whichever door somebody wants it.
pub(crate) async fn set_lock(
    services: &Services,
    who: &Principal,
    door: Door,
    target: LockTarget,
    reason: &str,
) -> Result<RevokedBody, Problem> {
    let object = match &target {
        LockTarget::Principal(key) => format!("principal/{key}"),
        LockTarget::Resource(name) => format!("resource/{name}"),
        LockTarget::All => "all".to_owned(),
    };
    let deed = Deed {
        verb: "revoke",
        kind: OperationKind::Privilege,
        text: format!("revoke {object}: {reason}"),
        object,
    };
    let revoked = revoke(services, Revocation::Lock(target), reason, who);
    perform(services, who, door, deed, revoked).await
}

/// Lifts a lock.
#[utoipa::path(
    delete,
    path = "/api/v1/locks/{id}",
    operation_id = "locks_lift",
    tag = "locks",
    params(("id" = String, Path, description = "The lock's id.")),
    responses(
        (status = 200, description = "It is lifted.", body = SetLock),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn lift(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<LockId>,
) -> Result<Reply<SetLock>, Problem> {
    to_its_end(async move {
        lift_lock(&site.services, &caller.principal, Door::Api, id).await?;
        Ok(Reply(SetLock { id: id.to_string() }))
    })
    .await
}

/// Lifts a lock, at whichever door somebody wants it.
pub(crate) async fn lift_lock(
    services: &Services,
    who: &Principal,
    door: Door,
    id: LockId,
) -> Result<(), Problem> {
    let deed = Deed {
        verb: "lift lock",
        kind: OperationKind::Privilege,
        object: format!("lock/{id}"),
        text: format!("lift lock {id}"),
    };
    let lifted = async {
        match services.locks.lift(id, who).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Problem::not_found("lock")),
            Err(error) => Err(Problem::broken("the lock could not be lifted", &error)),
        }
    };
    perform(services, who, door, deed, lifted).await
}

/// Revokes, once it was judged and written down.
pub(crate) async fn revoke(
    services: &Services,
    revocation: Revocation,
    reason: &str,
    by: &Principal,
) -> Result<RevokedBody, Problem> {
    match revocation::revoke(services, revocation, reason, by).await {
        Ok(revoked) => Ok(RevokedBody {
            lock: revoked.lock.map(|id| SetLock { id: id.to_string() }),
            sessions_ended: revoked.sessions_ended,
        }),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &RevokeError) -> Problem {
    match error {
        RevokeError::NoSession => Problem::not_found("live session"),
        RevokeError::NoResource => Problem::not_found("resource"),
        RevokeError::Grant(GrantError::NotFound) => Problem::not_found("grant"),
        RevokeError::Grant(GrantError::Over) => {
            Problem::new(StatusCode::CONFLICT, "over", error.for_client())
        }
        RevokeError::Gateway | RevokeError::NoPrincipal | RevokeError::ReasonTooLong => {
            Problem::bad_request("invalid-body", error.for_client())
        }
        RevokeError::Grant(_) | RevokeError::State(_) => {
            let mut problem = Problem::broken("access could not be revoked as it should be", error);
            problem.detail = error.for_client();
            problem
        }
    }
}
