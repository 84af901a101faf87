//! What happened, the newest first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use model::SessionId;
use serde_json::Value;

use super::Console;
use super::front::html;
use super::shell::Shell;
use super::text::{Moment, Text};
use super::timeline::summary;
use super::visitor::Here;
use crate::admin::api::journal::look;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::problem::Problem;
use crate::admin::search::Wanted;
use crate::admin::time;

/// How many entries a page has.
const ROWS_MAX: usize = 50;

/// The page.
#[derive(Template)]
#[template(path = "journal.html")]
pub(crate) struct JournalPage {
    pub(crate) shell: Shell,
    pub(crate) query: Query,
    pub(crate) wrong: Option<Text>,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

/// What was looked for, as it was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) kind: String,
    pub(crate) session: String,
    pub(crate) principal: String,
    pub(crate) resource: String,
    pub(crate) since: String,
    pub(crate) until: String,
}

/// One entry.
pub(crate) struct Row {
    index: u64,
    at: Moment,
    kind: Text,
    text: Text,
    session: Option<String>,
    whole: Text,
}

impl Row {
    pub(crate) fn of(index: u64, entry: &Value) -> Self {
        let session = entry["session"].as_str().and_then(SessionId::parse);
        Self {
            index,
            at: Moment(entry["t_us"].as_u64().unwrap_or(0)),
            kind: Text::line(entry["kind"].as_str().unwrap_or("?")),
            text: Text::line(&summary(entry)),
            session: session.map(|session| session.to_string()),
            whole: Text::block(&serde_json::to_string_pretty(entry).unwrap_or_default()),
        }
    }
}

impl Query {
    fn of(here: &Here) -> Self {
        let text = |name: &str| here.parameters.get(name).unwrap_or_default().to_owned();
        Self {
            kind: text("kind"),
            session: text("session"),
            principal: text("principal"),
            resource: text("resource"),
            since: text("since"),
            until: text("until"),
        }
    }

    fn wanted(&self) -> Result<Wanted, Problem> {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let moment = |text: &String| given(text).map(|text| time::parameter(&text)).transpose();
        let kinds = self.kind.split(',').map(|kind| kind.trim().to_owned());
        Ok(Wanted {
            session: given(&self.session),
            principal: given(&self.principal),
            resource: given(&self.resource),
            kinds: kinds.filter(|kind| !kind.is_empty()).collect(),
            since_us: moment(&self.since)?.unwrap_or(0),
            until_us: moment(&self.until)?,
        })
    }

    /// The search in words: who looks for whom is evidence too.
    fn described(&self) -> String {
        let parts = [
            ("session", &self.session),
            ("principal", &self.principal),
            ("resource", &self.resource),
            ("kind", &self.kind),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let given = parts.iter().filter(|(_, value)| !value.is_empty());
        given.fold("search journal".to_owned(), |text, (name, value)| {
            format!("{text} {name}={value}")
        })
    }
}

/// `GET /console/journal`.
pub(super) async fn search(State(console): State<Console>, here: Here) -> Result<Response, Problem> {
    let query = Query::of(&here);
    let mut page = JournalPage {
        shell: here.shell(&console, "Journal").await,
        query: query.clone(),
        wrong: None,
        rows: Vec::new(),
        next: None,
    };
    let wanted = match query.wanted() {
        Ok(wanted) => wanted,
        Err(problem) => {
            page.wrong = Some(Text::line(&problem.detail));
            return Ok(html(&page));
        }
    };
    let (services, visitor) = (&console.site.services, &here.visitor.principal);
    let before = here
        .parameters
        .get("before")
        .and_then(|before| before.parse().ok());
    let before = before.unwrap_or_else(|| services.journal.size());
    let deed = Deed {
        text: query.described(),
        ..Deed::read("search journal", "journal")
    };
    let looking = look(&console.site, visitor, wanted, before, ROWS_MAX);
    let found = perform(services, visitor, Door::Console, deed, looking).await?;
    let rows = found.entries.iter().map(|(index, entry)| Row::of(*index, entry));
    page.rows = rows.collect();
    page.next = found.next.map(|next| here.with("before", &next.to_string()));
    Ok(html(&page))
}
