//! `GET /api/v1/journal`: what happened, the newest first.

use axum::extract::State;
use model::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::admin::caller::Caller;
use crate::admin::input::Parameters;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::output::Reply;
use crate::admin::page::limit;
use crate::admin::problem::{Problem, ProblemBody};
use crate::admin::search::{Found, Wanted, search};
use crate::admin::{Site, time};

/// How many kinds one search may name.
const KINDS_MAX: usize = 16;

/// What to look for: everything that is named must fit.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// A session's whole id.
    session: Option<String>,
    /// Who: `issuer|subject`.
    principal: Option<String>,
    /// A resource's name; `tidegate` for what was done to the gateway itself.
    resource: Option<String>,
    /// Kinds of entry, or their beginnings up to a dot, separated by commas: `op,session.start`.
    kind: Option<String>,
    /// Not before this moment (RFC 3339, UTC).
    since: Option<String>,
    /// Before this moment (RFC 3339, UTC).
    until: Option<String>,
    /// How many, from 1 to 200; 50 if not given.
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// One page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalPage {
    /// The entries, the newest first.
    entries: Vec<JournalEntry>,
    /// Where the next page begins; null at the end. A page may be short, or empty, and have a
    /// next one all the same: one search reads 20,000 entries at the most.
    next: Option<String>,
}

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalEntry {
    /// Its place in the journal, from 0.
    index: u64,
    /// The entry as it stands there.
    #[schema(value_type = Object)]
    entry: Value,
}

/// Searches the journal.
#[utoipa::path(
    get,
    path = "/api/v1/journal",
    operation_id = "journal_list",
    tag = "journal",
    params(Query),
    responses(
        (status = 200, description = "One page of entries.", body = JournalPage),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(site): State<Site>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Reply<JournalPage>, Problem> {
    let limit = limit(query.limit)?;
    let wanted = wanted(&query)?;
    let scope = format!("{wanted:?}");
    let who = caller.principal.key();
    let list = ["journal", scope.as_str(), who.as_str()];
    let before = match &query.cursor {
        Some(cursor) => site.cursors.open(&list, cursor)?.parse().unwrap_or(0),
        None => site.services.journal.size(),
    };
    let deed = Deed {
        text: described(&query),
        ..Deed::read("search journal", "journal")
    };
    let found = perform(
        &site.services,
        &caller.principal,
        Door::Api,
        deed,
        look(&site, &caller.principal, wanted, before, limit),
    )
    .await?;
    let next = found
        .next
        .map(|position| site.cursors.seal(&list, &position.to_string()));
    let entries = found.entries.into_iter();
    Ok(Reply(JournalPage {
        entries: entries
            .map(|(index, entry)| JournalEntry { index, entry })
            .collect(),
        next,
    }))
}

/// Searches for somebody, on a thread that may block, once it is their turn.
pub(crate) async fn look(
    site: &Site,
    who: &Principal,
    wanted: Wanted,
    before: u64,
    limit: usize,
) -> Result<Found, Problem> {
    let turn = site.reads.turn(who.key()).await?;
    let (reader, starts) = (site.services.journal.reader(), site.starts.clone());
    let searching = tokio::task::spawn_blocking(move || {
        // Until it is done, whether or not anybody still waits for it.
        let _turn = turn;
        search(&reader, &wanted, before, limit, &starts)
    });
    match searching.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Problem::broken("the journal could not be read", &error)),
        Err(error) => Err(Problem::broken("the search broke down", &error)),
    }
}

fn wanted(query: &Query) -> Result<Wanted, Problem> {
    let kinds: Vec<String> = query
        .kind
        .iter()
        .flat_map(|kinds| kinds.split(','))
        .map(|kind| kind.trim().to_owned())
        .filter(|kind| !kind.is_empty())
        .collect();
    if kinds.len() > KINDS_MAX {
        return Err(Problem::bad_request(
            "invalid-parameters",
            format!("at most {KINDS_MAX} kinds"),
        ));
    }
    Ok(Wanted {
        session: query.session.clone(),
        principal: query.principal.clone(),
        resource: query.resource.clone(),
        kinds,
        since_us: query.since.as_deref().map_or(Ok(0), time::parameter)?,
        until_us: query.until.as_deref().map(time::parameter).transpose()?,
    })
}

/// The search in words: who looks for whom is evidence too.
fn described(query: &Query) -> String {
    let parts = [
        ("session", &query.session),
        ("principal", &query.principal),
        ("resource", &query.resource),
        ("kind", &query.kind),
        ("since", &query.since),
        ("until", &query.until),
    ];
    let mut text = "search journal".to_owned();
    for (name, value) in parts {
        if let Some(value) = value {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    text
}
