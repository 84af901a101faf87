//! The inbox, the questions in it, and their answers.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use model::ApprovalId;
use model::approval::Standing;

use super::Console;
use super::approval::{ApprovalPage, ChangedPage, Reader};
use super::form::Form;
use super::front::html;
use super::inbox::{InboxPage, Row, View};
use super::shell::COUNT_MAX;
use super::text::Risk;
use super::visitor::{Here, Visitor};
use crate::admin::api::approvals::{concerns, find, look_at, refused};
use crate::admin::api::events::stream;
use crate::admin::input::Id;
use crate::admin::listener::Life;
use crate::admin::operation::{Deed, Door, may, perform, to_its_end};
use crate::admin::problem::Problem;
use crate::approvals::{AnswerError, Filter, Kept};
use crate::clock;

/// How many questions a page of the inbox has.
const ROWS_MAX: usize = 50;

/// How many questions are looked at to fill one.
const READ_MAX: usize = 2_000;

/// How many are looked at to count those that wait; past that the count is of these.
const COUNTED_MAX: usize = 400;

/// `GET /console`. Somebody's own inbox is theirs to look at: only looking at everybody's
/// questions is an operation.
pub(super) async fn inbox(State(console): State<Console>, here: Here) -> Result<Response, Problem> {
    let view = View::parse(here.parameters.get("view"));
    let before = here.parameters.get("before").and_then(ApprovalId::parse);
    let (services, who) = (&console.site.services, &here.visitor.principal);
    let deed = Deed::read("list approvals", "approvals");
    let all = view == View::All && may(services, who, Door::Console, &deed);
    let listed = list(&console, &here.visitor, view, all, before);
    let (kept, next) = match all {
        true => perform(services, who, Door::Console, deed, listed).await?,
        false => listed.await?,
    };
    let now_us = clock::unix_us();
    let rows = kept
        .iter()
        .map(|kept| Row::of(&kept.approval, &kept.case, now_us));
    let rows = rows.collect();
    let next = next.map(|id| here.with("before", &id.to_string()));
    let shell = here.shell(&console, "Inbox").await;
    Ok(html(&InboxPage::of(shell, view, rows, next)))
}

async fn list(
    console: &Console,
    visitor: &Visitor,
    view: View,
    all: bool,
    before: Option<ApprovalId>,
) -> Result<(Vec<Kept>, Option<ApprovalId>), Problem> {
    let (approvals, who) = (&console.site.services.approvals, &visitor.principal);
    let mut filter = Filter {
        standing: match view {
            View::Decide => vec![Standing::Pending],
            View::Asked | View::All => Vec::new(),
        },
        before,
        ..Filter::default()
    };
    let fits = |kept: &Kept| match view {
        View::Decide => waits_for(console, visitor, kept),
        View::Asked => kept.approval.requester.involves(&who.key()),
        View::All => all || concerns(&console.site, who, kept),
    };
    let (mut shown, mut read) = (Vec::new(), 0);
    loop {
        let batch = approvals.list(&filter).await;
        let batch = batch.map_err(|error| Problem::broken("the approvals could not be read", &error))?;
        let Some(last) = batch.last().map(|kept| kept.approval.id) else {
            return Ok((shown, None));
        };
        read += batch.len();
        for kept in batch {
            let id = kept.approval.id;
            if fits(&kept) {
                shown.push(kept);
            }
            if shown.len() >= ROWS_MAX {
                return Ok((shown, Some(id)));
            }
        }
        if read >= READ_MAX {
            return Ok((shown, Some(last)));
        }
        filter.before = Some(last);
    }
}

/// Whether this visitor can answer a question now.
fn waits_for(console: &Console, visitor: &Visitor, kept: &Kept) -> bool {
    let approval = &kept.approval;
    let key = visitor.principal.key();
    approval.standing_at(clock::unix_us()) == Standing::Pending
        && !approval.requester.involves(&key)
        && approval.votes.iter().all(|vote| vote.by != key)
        && console
            .site
            .services
            .approvals
            .may_answer(&visitor.principal, kept)
}

/// Returns how many questions wait for a visitor, counted as far as a page shows it.
pub(super) async fn waiting(console: &Console, visitor: &Visitor) -> usize {
    let mut filter = Filter {
        standing: vec![Standing::Pending],
        ..Filter::default()
    };
    let (mut count, mut read) = (0, 0);
    while count <= COUNT_MAX && read < COUNTED_MAX {
        // A count is worth no failing page: the page itself says what can't be read.
        let Ok(batch) = console.site.services.approvals.list(&filter).await else {
            break;
        };
        let Some(last) = batch.last() else { break };
        filter.before = Some(last.approval.id);
        read += batch.len();
        count += batch
            .iter()
            .filter(|kept| waits_for(console, visitor, kept))
            .count();
    }
    count
}

/// `GET /console/approvals/{id}`.
pub(super) async fn show(
    State(console): State<Console>,
    here: Here,
    Id(id): Id<ApprovalId>,
) -> Result<Response, Problem> {
    let (services, who) = (&console.site.services, &here.visitor.principal);
    let kept = look_at(&console.site, who, Door::Console, id).await?;
    let may_answer = services.approvals.may_answer(who, &kept);
    let reader = Reader {
        key: who.key(),
        may_answer: if may_answer { Ok(()) } else { Err(None) },
    };
    let shell = here.shell(&console, "Question").await;
    let page = ApprovalPage::of(shell, &kept.approval, &kept.case, &reader, clock::unix_us());
    Ok(html(&page))
}

/// `POST /console/approvals/{id}/answer`. The answer is for the revision that was looked at.
pub(super) async fn answer(
    State(console): State<Console>,
    Id(id): Id<ApprovalId>,
    form: Form,
) -> Result<Response, Problem> {
    let seen: u64 = form
        .one("revision")?
        .parse()
        .map_err(|_| Problem::bad_request("invalid-form", "the form names no revision"))?;
    let agrees = match form.one("answer")? {
        "approve" => true,
        "deny" => false,
        _ => {
            return Err(Problem::bad_request(
                "invalid-form",
                "the answer is approve or deny",
            ));
        }
    };
    let comment = form.one("comment")?.to_owned();
    let typed = form.one("resource").map(str::to_owned).ok();
    to_its_end(async move {
        let who = &form.here.visitor.principal;
        let kept = find(&console.site, who, Door::Console, id).await?;
        let risk = Risk {
            score: kept.case.assessment.score,
        };
        if agrees && risk.is_high() && typed.as_deref() != Some(kept.approval.resource.as_str()) {
            return Err(Problem::bad_request(
                "name-the-resource",
                "this is of high risk: to approve it, type the resource’s name",
            )
            .hint("nothing was answered; go back and type it"));
        }
        let approvals = &console.site.services.approvals;
        let voted = approvals
            .vote(id, Some(seen), who, agrees, &comment, Door::Console.label())
            .await;
        match voted {
            Ok(_) => Ok(Redirect::to(&format!("/console/approvals/{id}")).into_response()),
            Err(AnswerError::Changed) => {
                let kept = find(&console.site, who, Door::Console, id).await?;
                changed(&console, &form.here, &kept, seen).await
            }
            Err(error) => Err(refused(error)),
        }
    })
    .await
}

async fn changed(console: &Console, here: &Here, kept: &Kept, seen: u64) -> Result<Response, Problem> {
    let shell = here.shell(console, "Changed meanwhile").await;
    let page = ChangedPage::of(shell, &kept.approval, &kept.case, seen, clock::unix_us());
    Ok((StatusCode::CONFLICT, html(&page)).into_response())
}

/// `POST /console/approvals/{id}/withdraw`: the requester's own.
pub(super) async fn withdraw(
    State(console): State<Console>,
    Id(id): Id<ApprovalId>,
    form: Form,
) -> Result<Response, Problem> {
    to_its_end(async move {
        let who = &form.here.visitor.principal;
        find(&console.site, who, Door::Console, id).await?;
        let withdrawn = console.site.services.approvals.withdraw(id, who).await;
        withdrawn.map_err(refused)?;
        Ok(Redirect::to(&format!("/console/approvals/{id}")).into_response())
    })
    .await
}

/// `GET /console/events`: that something has changed, for as long as the session lasts.
pub(super) async fn events(
    State(console): State<Console>,
    here: Here,
    life: Option<Extension<Life>>,
) -> Result<Response, Problem> {
    let left = Duration::from_micros(here.visitor.ends_us.saturating_sub(clock::unix_us()));
    stream(&console.site, false, left, life.map(|Extension(life)| life))
}
