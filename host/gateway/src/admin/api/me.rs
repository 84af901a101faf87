//! `GET /api/v1/me`: who the gateway takes the caller for.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::caller::Caller;
use crate::admin::output::Reply;
use crate::admin::problem::ProblemBody;
use crate::cli::terminal::moment;

/// Who the gateway takes the caller for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// Issuer and subject, `issuer|subject`: how policies, locks and the journal know the caller.
    principal: String,
    /// The identity provider's configured name.
    identity: String,
    /// `person` or `agent`.
    #[schema(value_type = String)]
    kind: model::PrincipalKind,
    /// The groups the token carries.
    groups: Vec<String>,
    /// On whose behalf or through whom: each `issuer|subject`, the current actor first.
    delegation: Vec<String>,
    /// The client that got the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// When the token ends.
    expires: String,
}

/// Tells the caller who the gateway takes them for.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    operation_id = "me_show",
    tag = "me",
    responses(
        (status = 200, description = "The caller.", body = Me),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(caller: Caller) -> Reply<Me> {
    let principal = &caller.principal;
    Reply(Me {
        principal: principal.key(),
        identity: principal.identity.clone(),
        kind: principal.kind,
        groups: principal.groups.clone(),
        delegation: principal.delegation_keys(),
        client: principal.client.clone(),
        expires: moment(caller.expires.saturating_mul(1_000_000)),
    })
}
