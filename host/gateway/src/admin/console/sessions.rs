//! Sessions: those that live, with an end to each, those that have ended, and what each did.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use model::SessionId;
use serde_json::Value;

use super::Console;
use super::approval::short;
use super::form::Form;
use super::front::html;
use super::shell::{Shell, count};
use super::text::{Moment, Text, who};
use super::timeline::{Event, events};
use super::visitor::Here;
use crate::admin::api::journal::look;
use crate::admin::api::sessions::{begun, end_session};
use crate::admin::input::Id;
use crate::admin::operation::{Deed, Door, may, perform, perform_own, to_its_end};
use crate::admin::problem::Problem;
use crate::admin::search::Wanted;
use crate::sessions::{Doing, Live};

/// How many sessions a page has, and how many are shown of those that live.
const ROWS_MAX: usize = 50;
const LIVE_MAX: usize = 500;

/// How many entries of the journal a session's page has.
const ENTRIES_MAX: usize = 200;

/// The list.
#[derive(Template)]
#[template(path = "sessions.html")]
pub(crate) struct SessionsPage {
    pub(crate) shell: Shell,
    pub(crate) live_view: bool,
    pub(crate) live_count: String,
    pub(crate) filtered: bool,
    /// As they were typed.
    pub(crate) principal: String,
    pub(crate) resource: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

/// One session.
#[derive(Default)]
pub(crate) struct Row {
    id: String,
    short: String,
    who: Text,
    resource: Text,
    client: Text,
    /// When it began; of one that has ended, when that was.
    began: Moment,
    doing: &'static str,
    /// The approval it waits for.
    held: Option<String>,
    operations: String,
    reason: Text,
}

impl Row {
    pub(crate) fn of_live(live: &Live) -> Self {
        let id = live.id.to_string();
        let (doing, held) = match live.status.doing() {
            Doing::Idle => ("idle", None),
            Doing::Running => ("running", None),
            Doing::Held(approval) => ("held", Some(approval.to_string())),
        };
        Self {
            short: short(&id),
            id,
            who: who(&live.principal.key()).0,
            resource: Text::line(live.resource.as_str()),
            client: Text::line(&live.client),
            began: Moment(live.started_us),
            doing,
            held,
            operations: super::text::grouped(u64::from(live.status.operations())),
            reason: Text::default(),
        }
    }

    /// Reads one that has ended from its last entry, and its first where that is known.
    pub(crate) fn of_end(end: &Value, start: Option<&Value>) -> Option<Self> {
        let id = SessionId::parse(end["session"].as_str()?)?.to_string();
        let principal = start.map(|start| start["principal"]["subject"].as_str().unwrap_or("?"));
        let resource = start.and_then(|start| start["resource"].as_str());
        Some(Self {
            short: short(&id),
            id,
            who: Text::line(principal.unwrap_or("?")),
            resource: Text::line(resource.unwrap_or("?")),
            began: Moment(end["t_us"].as_u64()?),
            operations: super::text::grouped(end["operations"].as_u64().unwrap_or(0)),
            reason: Text::line(end["reason"].as_str().unwrap_or("?")),
            ..Self::default()
        })
    }
}

/// `GET /console/sessions`: all for whoever may list them, else somebody's own.
pub(super) async fn list(State(console): State<Console>, here: Here) -> Result<Response, Problem> {
    let (services, visitor) = (&console.site.services, &here.visitor.principal);
    let deed = Deed::read("list sessions", "sessions");
    let all = may(services, visitor, Door::Console, &deed);
    let asked = here.parameters.get("principal").map(str::to_owned);
    let principal = if all { asked.clone() } else { Some(visitor.key()) };
    let listed = page(&console, &here, principal);
    let (rows, live_count, next) = match all {
        true => perform(services, visitor, Door::Console, deed, listed).await?,
        false => perform_own(services, visitor, Door::Console, deed, listed).await?,
    };
    let resource = here.parameters.get("resource").unwrap_or_default().to_owned();
    let page = SessionsPage {
        shell: here.shell(&console, "Sessions").await,
        live_view: is_live(&here),
        live_count: count(live_count),
        filtered: asked.is_some() || !resource.is_empty(),
        principal: asked.unwrap_or_default(),
        resource,
        rows,
        next,
    };
    Ok(html(&page))
}

fn is_live(here: &Here) -> bool {
    here.parameters.get("view") != Some("past")
}

async fn page(
    console: &Console,
    here: &Here,
    principal: Option<String>,
) -> Result<(Vec<Row>, usize, Option<String>), Problem> {
    let site = &console.site;
    let resource = here.parameters.get("resource").map(str::to_owned);
    let mut live = site.services.sessions.list();
    live.sort_by_key(|live| std::cmp::Reverse(live.id));
    live.retain(|live| {
        resource
            .as_deref()
            .is_none_or(|name| name == live.resource.as_str())
            && principal.as_ref().is_none_or(|key| *key == live.principal.key())
    });
    let live_count = live.len();
    if is_live(here) {
        let rows = live.iter().take(LIVE_MAX).map(Row::of_live).collect();
        return Ok((rows, live_count, None));
    }
    let wanted = Wanted {
        principal,
        resource,
        kinds: vec!["session.end".to_owned()],
        ..Wanted::default()
    };
    let before = here
        .parameters
        .get("before")
        .and_then(|before| before.parse().ok());
    let before = before.unwrap_or_else(|| site.services.journal.size());
    let who = &here.visitor.principal;
    let found = look(site, who, wanted, before, ROWS_MAX).await?;
    let mut rows = Vec::new();
    for (_, end) in &found.entries {
        let start = begun(site, who, end["session"].as_str().unwrap_or_default()).await?;
        rows.extend(Row::of_end(end, start.as_ref()));
    }
    let next = found.next.map(|next| here.with("before", &next.to_string()));
    Ok((rows, live_count, next))
}

/// One session.
#[derive(Template)]
#[template(path = "session.html")]
pub(crate) struct SessionPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) short: String,
    pub(crate) live: bool,
    pub(crate) who: Text,
    pub(crate) resource: Text,
    pub(crate) protocol: Text,
    pub(crate) client: Text,
    pub(crate) began: Moment,
    pub(crate) ended: Option<End>,
    pub(crate) events: Vec<Event>,
    pub(crate) next: Option<String>,
}

/// How a session ended.
pub(crate) struct End {
    pub(crate) at: Moment,
    pub(crate) reason: Text,
    pub(crate) operations: String,
}

/// `GET /console/sessions/{id}`: for whoever may see it, and whose it is.
pub(super) async fn show(
    State(console): State<Console>,
    here: Here,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    let deed = Deed::read("show session", format!("session/{id}"));
    let (services, visitor) = (&console.site.services, &here.visitor.principal);
    let page = if may(services, visitor, Door::Console, &deed) {
        perform(
            services,
            visitor,
            Door::Console,
            deed,
            one(&console, &here, id, None),
        )
        .await
    } else {
        let own = one(&console, &here, id, Some(visitor.key()));
        perform_own(services, visitor, Door::Console, deed, own).await
    };
    Ok(html(&page?))
}

/// Returns a session's page. With `only`, it must be of this principal: another's is not there.
async fn one(
    console: &Console,
    here: &Here,
    id: SessionId,
    only: Option<String>,
) -> Result<SessionPage, Problem> {
    let (site, name, reader) = (&console.site, id.to_string(), &here.visitor.principal);
    let start = begun(site, reader, &name)
        .await?
        .ok_or_else(|| Problem::not_found("session"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let principal = &start["principal"];
    let key = format!("{}|{}", text(&principal["issuer"]), text(&principal["subject"]));
    if only.is_some_and(|only| only != key) {
        return Err(Problem::not_found("session"));
    }
    let of_session = |kinds: &[&str]| Wanted {
        session: Some(name.clone()),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        since_us: start["t_us"].as_u64().unwrap_or(0),
        ..Wanted::default()
    };
    let size = site.services.journal.size();
    let live = site.services.sessions.list().iter().any(|live| live.id == id);
    let ended = match live {
        true => None,
        false => look(site, reader, of_session(&["session.end"]), size, 1)
            .await?
            .entries
            .pop(),
    };
    let before = here
        .parameters
        .get("before")
        .and_then(|before| before.parse().ok());
    let found = look(site, reader, of_session(&[]), before.unwrap_or(size), ENTRIES_MAX).await?;
    let (who, issuer) = who(&key);
    Ok(SessionPage {
        shell: here.shell(console, "Session").await,
        short: short(&name),
        id: name,
        live,
        who: Text::line(&format!("{who} ({issuer})")),
        resource: Text::line(&text(&start["resource"])),
        protocol: Text::line(&text(&start["protocol"])),
        client: Text::line(&text(&start["client"])),
        began: Moment(start["t_us"].as_u64().unwrap_or(0)),
        ended: ended.map(|(_, end)| End {
            at: Moment(end["t_us"].as_u64().unwrap_or(0)),
            reason: Text::line(&text(&end["reason"])),
            operations: super::text::grouped(end["operations"].as_u64().unwrap_or(0)),
        }),
        events: events(&found.entries),
        next: found.next.map(|next| here.with("before", &next.to_string())),
    })
}

/// `POST /console/sessions/{id}/end`: at once.
pub(super) async fn end(
    State(console): State<Console>,
    Id(id): Id<SessionId>,
    form: Form,
) -> Result<Response, Problem> {
    let reason = form.filled("reason")?.to_owned();
    to_its_end(async move {
        let (services, visitor) = (&console.site.services, &form.here.visitor.principal);
        end_session(services, visitor, Door::Console, id, &reason).await?;
        Ok(Redirect::to(&format!("/console/sessions/{id}")).into_response())
    })
    .await
}
