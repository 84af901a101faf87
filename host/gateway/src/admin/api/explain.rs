//! `POST /api/v1/explain`: what would happen to a statement, and why. Runs nothing.

use std::sync::Arc;

use axum::extract::State;
use model::{OperationKind, Principal, SessionId};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::Content;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::output::Reply;
use crate::admin::problem::{Problem, ProblemBody};
use crate::cli::explain::{Explanation, Question, explain};
use crate::clock;
use crate::gate::Asker;
use crate::postgres::Upstream;
use crate::services::random;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainBody {
    /// On what.
    resource: String,
    /// The statement.
    sql: String,
    /// Claims of a token of whoever is meant, believed as they stand; without them, the caller.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    claims: Option<Map<String, Value>>,
}

/// Explains a statement with the gateway's own policies, classifiers and catalog, as they are
/// now.
#[utoipa::path(
    post,
    path = "/api/v1/explain",
    operation_id = "explain_ask",
    tag = "explain",
    request_body = ExplainBody,
    responses(
        (status = 200, body = Object, description = "Facts, assessment, verdict, policies and refusal: what `tidegate explain --json` prints."),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ask(
    State(site): State<Site>,
    caller: Caller,
    Content { value: asked, .. }: Content<ExplainBody>,
) -> Result<Reply<Explanation>, Problem> {
    let principal = match &asked.claims {
        None => Arc::clone(&caller.principal),
        Some(claims) => {
            let claims = Value::Object(claims.clone()).to_string();
            let imagined = site.services.identity.imagine(&claims);
            Arc::new(imagined.map_err(|error| Problem::bad_request("invalid-claims", error.to_string()))?)
        }
    };
    // The statement may hold secrets, and nothing of it runs: it stays out of the journal.
    let deed = Deed {
        verb: "explain",
        kind: OperationKind::Read,
        object: format!("resource/{}", asked.resource),
        text: format!("explain a statement of {} on {}", principal.key(), asked.resource),
    };
    let explained = async {
        let upstream = site.services.upstream(&asked.resource);
        let upstream = upstream.ok_or_else(|| Problem::not_found("resource"))?;
        Ok(explained(&site, &principal, &upstream, &asked.sql).await)
    };
    let explanation = perform(&site.services, &caller.principal, Door::Api, deed, explained).await?;
    Ok(Reply(explanation))
}

/// Explains a statement as the gate would judge it now.
pub(crate) async fn explained(
    site: &Site,
    principal: &Arc<Principal>,
    upstream: &Upstream,
    sql: &str,
) -> Explanation {
    let (services, gate) = (&site.services, &site.services.gate);
    let notes = match upstream.ensure_catalog(services).await {
        Ok(()) => Vec::new(),
        // The log has the reason; it may name the upstream.
        Err(_) => vec![crate::cli::run::NO_CATALOG.to_owned()],
    };
    let catalogs = upstream.catalogs(principal, &gate.policy);
    let asker = Asker {
        session: SessionId::new(clock::unix_us() / 1000, random()),
        principal: Arc::clone(principal),
        scope: services.scopes.number(principal, &upstream.name),
    };
    let question = Question {
        principal,
        resource: &upstream.name,
        sql,
        now: clock::unix_seconds(),
    };
    let classify = |facts: &model::Facts| gate.assess(&asker, &upstream.aim(), sql, facts);
    explain(
        question,
        &gate.policy,
        &catalogs.own,
        &gate.limits,
        classify,
        notes,
    )
    .composed(|tags| gate.plugins.current().composition(&upstream.name, tags))
}
