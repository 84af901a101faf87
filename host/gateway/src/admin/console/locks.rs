//! Who and what is shut out.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use model::{Lock, LockId, LockTarget, ResourceName};

use super::Console;
use super::form::Form;
use super::front::html;
use super::shell::Shell;
use super::text::{Moment, Text};
use super::visitor::Here;
use crate::admin::api::locks::{lift_lock, set_lock};
use crate::admin::input::Id;
use crate::admin::operation::{Deed, Door, perform, to_its_end};
use crate::admin::problem::Problem;

/// What is typed to shut everybody out.
const ALL: &str = "all";

/// The page.
#[derive(Template)]
#[template(path = "locks.html")]
pub(crate) struct LocksPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
}

/// One lock.
pub(crate) struct Row {
    id: String,
    kind: &'static str,
    value: Option<Text>,
    reason: Text,
    by: Text,
    since: Moment,
}

impl Row {
    pub(crate) fn of(lock: &Lock) -> Self {
        let (kind, value) = match &lock.target {
            LockTarget::Principal(key) => ("principal", Some(Text::line(key))),
            LockTarget::Resource(name) => ("resource", Some(Text::line(name.as_str()))),
            LockTarget::All => ("everybody, everywhere", None),
        };
        Self {
            id: lock.id.to_string(),
            kind,
            value,
            reason: Text::line(&lock.reason),
            by: super::text::who(&lock.by).0,
            since: Moment(lock.since_us),
        }
    }
}

/// `GET /console/locks`.
pub(super) async fn list(State(console): State<Console>, here: Here) -> Result<Response, Problem> {
    let deed = Deed::read("list locks", "locks");
    let listed = async { Ok(console.site.services.locks.list()) };
    let (services, who) = (&console.site.services, &here.visitor.principal);
    let mut locks = perform(services, who, Door::Console, deed, listed).await?;
    locks.sort_by_key(|lock| std::cmp::Reverse(lock.id));
    Ok(html(&LocksPage {
        shell: here.shell(&console, "Locks").await,
        rows: locks.iter().map(Row::of).collect(),
    }))
}

/// `POST /console/locks`: shuts somebody or something out.
pub(super) async fn set(State(console): State<Console>, form: Form) -> Result<Response, Problem> {
    let (value, reason) = (
        form.filled("value")?.to_owned(),
        form.filled("reason")?.to_owned(),
    );
    let wrong = |what: &str| Err(Problem::bad_request("invalid-form", what));
    let target = match form.one("target")? {
        "principal" if value.contains('|') => LockTarget::Principal(value),
        "principal" => return wrong("a principal is written issuer|subject"),
        "resource" => LockTarget::Resource(ResourceName::new(value)),
        "all" if value == ALL => LockTarget::All,
        "all" => return wrong("to shut everybody out, type “all” as the name"),
        _ => return wrong("the target is a principal, a resource or all"),
    };
    to_its_end(async move {
        let (services, who) = (&console.site.services, &form.here.visitor.principal);
        set_lock(services, who, Door::Console, target, &reason).await?;
        Ok(Redirect::to("/console/locks").into_response())
    })
    .await
}

/// `POST /console/locks/{id}/lift`.
pub(super) async fn lift(
    State(console): State<Console>,
    Id(id): Id<LockId>,
    form: Form,
) -> Result<Response, Problem> {
    to_its_end(async move {
        let (services, who) = (&console.site.services, &form.here.visitor.principal);
        lift_lock(services, who, Door::Console, id).await?;
        Ok(Redirect::to("/console/locks").into_response())
    })
    .await
}
