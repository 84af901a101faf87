//! `GET /api/v1/review`: access that nobody uses.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::grants::GrantBody;
use super::locks::LockBody;
use crate::access::Review;
use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::Parameters;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::output::Reply;
use crate::admin::problem::{Problem, ProblemBody};
use crate::cli::terminal::moment;
use crate::clock;

/// After how many days without a login an identity is dormant where the caller does not say.
const DAYS: u16 = 90;

/// The most that may be asked for: whoever was here longer ago is forgotten.
const DAYS_MAX: u16 = 400;

const DAY: Duration = Duration::from_hours(24);

/// What is long ago.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Days, from 1 to 400; 90 if not given.
    days: Option<u16>,
}

/// What whoever reviews access should look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewBody {
    /// Who has not been here for so long, those gone longest first.
    pub(crate) dormant: Vec<SeenBody>,
    /// Grants of that time that nobody has used, the newest first.
    pub(crate) unused_grants: Vec<GrantBody>,
    /// Locks in force, the oldest first.
    pub(crate) locks: Vec<LockBody>,
    /// Whether there is more of anything than is told.
    pub(crate) cut: bool,
}

/// Who was here when.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeenBody {
    /// Who: `issuer|subject`.
    pub(crate) principal: String,
    /// `person` or `agent`.
    #[schema(value_type = String)]
    pub(crate) kind: model::PrincipalKind,
    /// The groups its token had then.
    pub(crate) groups: Vec<String>,
    /// When it was last let in.
    pub(crate) last_seen: String,
    /// To what.
    pub(crate) resource: String,
}

/// Lists dormant identities, unused grants, and locks.
#[utoipa::path(
    get,
    path = "/api/v1/review",
    operation_id = "review_show",
    tag = "review",
    params(Query),
    responses(
        (status = 200, description = "What to look at.", body = ReviewBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(site): State<Site>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Reply<ReviewBody>, Problem> {
    let days = query.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::bad_request(
            "invalid-parameters",
            format!("days is a number from 1 to {DAYS_MAX}"),
        ));
    }
    let deed = Deed::read("access review", "access");
    let reviewed = review(&site, days);
    perform(&site.services, &caller.principal, Door::Api, deed, reviewed)
        .await
        .map(Reply)
}

/// Returns what has not been used for `days`.
pub(crate) async fn review(site: &Site, days: u16) -> Result<ReviewBody, Problem> {
    let now_us = clock::unix_us();
    let reviewed = site.services.access.review(now_us, DAY * u32::from(days)).await;
    let Review {
        dormant,
        unused,
        locks,
        cut,
    } = reviewed.map_err(|error| Problem::broken("who was here could not be read", &error))?;
    Ok(ReviewBody {
        dormant: dormant
            .into_iter()
            .map(|seen| SeenBody {
                principal: seen.principal,
                kind: seen.kind,
                groups: seen.groups,
                last_seen: moment(seen.last_us),
                resource: seen.resource.to_string(),
            })
            .collect(),
        unused_grants: unused
            .into_iter()
            .map(|grant| GrantBody::of(grant, now_us))
            .collect(),
        locks: locks.into_iter().map(LockBody::from).collect(),
        cut,
    })
}
