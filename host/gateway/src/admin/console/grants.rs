//! Access for a time: who has it, asking for it, taking it back.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use model::grant::Terms;
use model::{Grant, GrantId, OperationKind, ResourceName};

use super::Console;
use super::explain::resources;
use super::form::Form;
use super::front::html;
use super::shell::Shell;
use super::text::{Moment, Text, who};
use super::visitor::Here;
use crate::admin::api::grants::revoke_grant;
use crate::admin::input::Id;
use crate::admin::operation::{Deed, Door, may, perform, perform_own, to_its_end};
use crate::admin::problem::Problem;
use crate::clock;
use crate::grants::GrantFilter;

/// How many grants a page has.
const ROWS_MAX: u32 = 50;

/// The page.
#[derive(Template)]
#[template(path = "grants.html")]
pub(crate) struct GrantsPage {
    pub(crate) shell: Shell,
    pub(crate) views: [View; 2],
    pub(crate) empty: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
    pub(crate) resources: Vec<String>,
}

/// One choice of what is listed.
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) here: bool,
}

/// One grant.
pub(crate) struct Row {
    id: String,
    approval: String,
    who: Text,
    resource: Text,
    kinds: String,
    relations: Text,
    reason: Text,
    ends: Moment,
    state: &'static str,
    holds: bool,
}

impl Row {
    pub(crate) fn of(grant: &Grant, now_us: u64) -> Self {
        let kinds: Vec<&str> = grant.terms.kinds.iter().map(|kind| kind.label()).collect();
        let holds = grant.holds_at(now_us);
        Self {
            id: grant.id.to_string(),
            approval: grant.approval.to_string(),
            who: who(&grant.principal).0,
            resource: Text::line(grant.resource.as_str()),
            kinds: kinds.join(", "),
            relations: Text::list(&grant.terms.relations),
            reason: Text::line(&grant.reason),
            ends: Moment(grant.ends_us),
            state: match (&grant.revoked, holds) {
                (Some(_), _) => "revoked",
                (None, true) => "holds",
                (None, false) => "ended",
            },
            holds,
        }
    }
}

/// Returns the two choices.
pub(crate) fn views(holding: bool) -> [View; 2] {
    [
        View {
            name: "Holding",
            path: "/console/grants",
            here: holding,
        },
        View {
            name: "All",
            path: "/console/grants?view=all",
            here: !holding,
        },
    ]
}

/// `GET /console/grants`: all for whoever may list them, else somebody's own.
pub(super) async fn list(State(console): State<Console>, here: Here) -> Result<Response, Problem> {
    let (services, visitor) = (&console.site.services, &here.visitor.principal);
    let deed = Deed::read("list grants", "grants");
    let all = may(services, visitor, Door::Console, &deed);
    let holding = here.parameters.get("view") != Some("all");
    let filter = GrantFilter {
        principal: (!all).then(|| visitor.key()),
        resource: None,
        holding,
        before: here.parameters.get("before").and_then(GrantId::parse),
        limit: ROWS_MAX,
    };
    let listed = async {
        let grants = services.grants.list(&filter).await;
        grants.map_err(|error| Problem::broken("the grants could not be read", &error))
    };
    let grants = match all {
        true => perform(services, visitor, Door::Console, deed, listed).await?,
        false => perform_own(services, visitor, Door::Console, deed, listed).await?,
    };
    let full = grants.len() >= usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
    let last = grants.last().filter(|_| full);
    let now_us = clock::unix_us();
    let page = GrantsPage {
        shell: here.shell(&console, "Grants").await,
        views: views(holding),
        empty: match (all, holding) {
            (true, true) => "No grant holds.",
            (true, false) => "There never was a grant.",
            (false, true) => "You hold no grant.",
            (false, false) => "You never had a grant.",
        },
        next: last.map(|last| here.with("before", &last.id.to_string())),
        rows: grants.iter().map(|grant| Row::of(grant, now_us)).collect(),
        resources: resources(&console),
    };
    Ok(html(&page))
}

/// `POST /console/grants`: asks for one.
pub(super) async fn request(State(console): State<Console>, form: Form) -> Result<Response, Problem> {
    let resource = ResourceName::new(form.filled("resource")?);
    let kinds = form.all("kind").map(kind).collect::<Result<BTreeSet<_>, _>>()?;
    let minutes: u64 = form
        .one("minutes")?
        .parse()
        .map_err(|_| Problem::bad_request("invalid-form", "the time is a number of minutes"))?;
    let relations = form
        .one("relations")?
        .split(',')
        .map(|name| name.trim().to_owned());
    let terms = Terms {
        kinds,
        relations: relations.filter(|name| !name.is_empty()).collect(),
        seconds: minutes.saturating_mul(60),
    };
    let reason = form.one("reason")?.to_owned();
    to_its_end(async move {
        // Policy on the resource decides whether it may be asked for, and the question is
        // written down.
        let visitor = &form.here.visitor.principal;
        let asked = console
            .site
            .services
            .grants
            .request(visitor, &resource, terms, &reason);
        let approval = asked.await.map_err(Problem::from)?;
        Ok(Redirect::to(&format!("/console/approvals/{approval}")).into_response())
    })
    .await
}

fn kind(word: &str) -> Result<OperationKind, Problem> {
    [
        OperationKind::Read,
        OperationKind::Write,
        OperationKind::Schema,
        OperationKind::Privilege,
    ]
    .into_iter()
    .find(|kind| kind.label() == word)
    .ok_or_else(|| Problem::bad_request("invalid-form", "there is no such kind of operation"))
}

/// `POST /console/grants/{id}/revoke`: whoever has it may give it back.
pub(super) async fn take_back(
    State(console): State<Console>,
    Id(id): Id<GrantId>,
    form: Form,
) -> Result<Response, Problem> {
    let reason = form.filled("reason")?.to_owned();
    to_its_end(async move {
        let visitor = &form.here.visitor.principal;
        revoke_grant(&console.site, visitor, Door::Console, id, &reason).await?;
        Ok(Redirect::to("/console/grants").into_response())
    })
    .await
}
