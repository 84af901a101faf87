//! `/api/v1/sessions`: who is connected, and an end to it.

use std::sync::Arc;

use axum::extract::State;
use model::{OperationKind, Principal, Revocation, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::journal::look;
use super::locks::{RevokedBody, revoke};
use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::{Content, Id, Parameters};
use crate::admin::operation::{Deed, Door, list_of, may, perform, perform_own, to_its_end};
use crate::admin::output::Reply;
use crate::admin::page::limit;
use crate::admin::problem::{Problem, ProblemBody};
use crate::admin::search::Wanted;
use crate::cli::terminal::moment;
use crate::services::Services;
use crate::sessions::{Doing, Live};

/// Which sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Those that have ended, the newest first, in pages; all that live if not given.
    ended: bool,
    /// Only those on this resource.
    resource: Option<String>,
    /// Only those of this principal, `issuer|subject`.
    principal: Option<String>,
    /// How many of those that have ended, from 1 to 200; 50 if not given.
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Sessions.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SessionPage {
    /// All that the caller may see; those that live, the oldest first.
    pub(crate) sessions: Vec<SessionBody>,
    /// Where the next page begins; null at the end.
    pub(crate) next: Option<String>,
}

/// One session.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SessionBody {
    /// Its id.
    pub(crate) id: String,
    /// Who: `issuer|subject`.
    pub(crate) principal: String,
    /// On what.
    pub(crate) resource: String,
    /// `postgres`, `http` or `ssh`.
    pub(crate) protocol: String,
    /// The client's address.
    pub(crate) client: String,
    /// When it began.
    pub(crate) started: String,
    /// `idle`, `running`, `held`, or `ended`.
    pub(crate) doing: String,
    /// The approval it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<String>,
    /// When its token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    /// The grant without which it could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<String>,
    /// How many operations it ran or tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operations: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Why something is taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// Those whom it hits are told.
    #[schema(max_length = 1024)]
    pub(crate) reason: String,
}

/// Lists sessions: all for whoever may list them, else the caller's own.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "sessions_list",
    tag = "sessions",
    params(Query),
    responses(
        (status = 200, description = "Sessions.", body = SessionPage),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(site): State<Site>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Reply<SessionPage>, Problem> {
    let deed = Deed::read("list sessions", "sessions");
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
) -> Result<SessionPage, Problem> {
    let limit = limit(query.limit)?;
    if !query.ended {
        let mut live = site.services.sessions.list();
        live.sort_by_key(|live| live.id);
        let fits = |live: &&Live| {
            let resource = query.resource.as_deref();
            resource.is_none_or(|name| name == live.resource.as_str())
                && principal.as_ref().is_none_or(|key| *key == live.principal.key())
        };
        return Ok(SessionPage {
            sessions: live.iter().filter(fits).map(of_live).collect(),
            next: None,
        });
    }
    let wanted = Wanted {
        principal,
        resource: query.resource.clone(),
        kinds: vec!["session.end".to_owned()],
        ..Wanted::default()
    };
    let (key, scope) = (who.key(), format!("{wanted:?}"));
    let list = ["sessions", scope.as_str(), key.as_str()];
    let before = match &query.cursor {
        Some(cursor) => site.cursors.open(&list, cursor)?.parse().unwrap_or(0),
        None => site.services.journal.size(),
    };
    let found = look(site, who, wanted, before, limit).await?;
    let mut sessions = Vec::with_capacity(found.entries.len());
    for (_, end) in &found.entries {
        let id = end["session"].as_str().unwrap_or_default();
        let begun = begun(site, who, id).await?;
        sessions.push(of_entries(id, begun.as_ref(), Some(end)));
    }
    Ok(SessionPage {
        sessions,
        next: found.next.map(|next| site.cursors.seal(&list, &next.to_string())),
    })
}

/// Returns how a session began, as the journal says, to somebody whose turn it is to read.
pub(crate) async fn begun(site: &Site, who: &Principal, id: &str) -> Result<Option<Value>, Problem> {
    let turn = site.reads.turn(who.key()).await?;
    let (reader, starts, id) = (
        site.services.journal.reader(),
        Arc::clone(&site.starts),
        id.to_owned(),
    );
    let looking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        starts.find(&reader, &id, &mut 0)
    });
    match looking.await {
        Ok(Ok(begun)) => Ok(begun.map(|begun| begun.entry)),
        Ok(Err(error)) => Err(Problem::broken("the journal could not be read", &error)),
        Err(error) => Err(Problem::broken("the search broke down", &error)),
    }
}

/// Returns a session that lives.
fn of_live(live: &Live) -> SessionBody {
    let (doing, approval) = match live.status.doing() {
        Doing::Idle => ("idle", None),
        Doing::Running => ("running", None),
        Doing::Held(approval) => ("held", Some(approval.to_string())),
    };
    SessionBody {
        id: live.id.to_string(),
        principal: live.principal.key(),
        resource: live.resource.to_string(),
        protocol: "postgres".to_owned(),
        client: live.client.clone(),
        started: moment(live.started_us),
        doing: doing.to_owned(),
        approval,
        expires: Some(moment(live.expires.saturating_mul(1_000_000))),
        grant: live.grant.map(|grant| grant.to_string()),
        operations: Some(u64::from(live.status.operations())),
        ..SessionBody::default()
    }
}

fn of_entries(id: &str, start: Option<&Value>, end: Option<&Value>) -> SessionBody {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at = |entry: &Value| entry["t_us"].as_u64().map(moment);
    let mut body = SessionBody {
        id: id.to_owned(),
        doing: "ended".to_owned(),
        ..SessionBody::default()
    };
    if let Some(start) = start {
        let who = &start["principal"];
        body.principal = format!("{}|{}", text(&who["issuer"]), text(&who["subject"]));
        body.resource = text(&start["resource"]);
        body.protocol = text(&start["protocol"]);
        body.client = text(&start["client"]);
        body.started = at(start).unwrap_or_default();
    }
    if let Some(end) = end {
        body.ended = at(end);
        body.reason = Some(text(&end["reason"]));
        body.operations = end["operations"].as_u64();
    }
    body
}

/// Shows one session, whether it lives or not. What it did is in the journal, under its id.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}",
    operation_id = "sessions_show",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The session.", body = SessionBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Reply<SessionBody>, Problem> {
    let deed = Deed::read("show session", format!("session/{id}"));
    let (services, who) = (&site.services, &caller.principal);
    let found = async {
        find(&site, who, id)
            .await?
            .ok_or_else(|| Problem::not_found("session"))
    };
    if may(services, who, Door::Api, &deed) {
        return perform(services, who, Door::Api, deed, found).await.map(Reply);
    }
    // Another's session is not there.
    let own = async {
        let found = found.await?;
        (found.principal == who.key())
            .then_some(found)
            .ok_or_else(|| Problem::not_found("session"))
    };
    perform_own(services, who, Door::Api, deed, own).await.map(Reply)
}

/// Returns a session, live or as the journal has it.
async fn find(site: &Site, who: &Principal, id: SessionId) -> Result<Option<SessionBody>, Problem> {
    let live = site.services.sessions.list();
    if let Some(live) = live.iter().find(|live| live.id == id) {
        return Ok(Some(of_live(live)));
    }
    let name = id.to_string();
    let Some(start) = begun(site, who, &name).await? else {
        return Ok(None);
    };
    let wanted = Wanted {
        session: Some(name.clone()),
        kinds: vec!["session.end".to_owned()],
        since_us: start["t_us"].as_u64().unwrap_or(0),
        ..Wanted::default()
    };
    let found = look(site, who, wanted, site.services.journal.size(), 1).await?;
    let end = found.entries.first().map(|(_, end)| end);
    Ok(Some(of_entries(&name, Some(&start), end)))
}

/// Ends a live session, at once.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{id}/end",
    operation_id = "sessions_end",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.")),
    request_body = ReasonBody,
    responses(
        (status = 200, description = "It is revoked.", body = RevokedBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn end(
    State(site): State<Site>,
    caller: Caller,
    Id(id): Id<SessionId>,
    Content { value, .. }: Content<ReasonBody>,
) -> Result<Reply<RevokedBody>, Problem> {
    to_its_end(async move {
        let ended = end_session(&site.services, &caller.principal, Door::Api, id, &value.reason);
        ended.await.map(Reply)
    })
    .await
}

/// Ends a live session, at whichever door somebody wants it.
pub(crate) async fn end_session(
    services: &Services,
    who: &Principal,
    door: Door,
    id: SessionId,
    reason: &str,
) -> Result<RevokedBody, Problem> {
    let deed = Deed {
        verb: "revoke",
        kind: OperationKind::Privilege,
        object: format!("session/{id}"),
        text: format!("end session {id}: {reason}"),
    };
    let revoked = revoke(services, Revocation::Session(id), reason, who);
    perform(services, who, door, deed, revoked).await
}
