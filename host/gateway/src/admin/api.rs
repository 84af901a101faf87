//! The API, version 1: everything under `/api/v1`.
//!
//! Changes only add. Input is taken strictly: unknown members, parameters and other types are
//! refused. What somebody may not see is not there.

pub(crate) mod approvals;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod grants;
pub(crate) mod journal;
pub(crate) mod locks;
mod me;
pub(super) mod openapi;
pub(crate) mod plugins;
pub(crate) mod recording;
pub(crate) mod review;
pub(crate) mod sessions;
mod ssh;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, any, delete, get, post};
use http::StatusCode;

use super::problem::Problem;
use super::{Site, front};

/// The largest body of a request, in bytes: a reason, a statement to be explained.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The routes as they are registered, so that the published description can be held against
/// them.
pub(super) struct Routes {
    router: Router<Site>,
    pub(super) paths: Vec<&'static str>,
}

impl Routes {
    fn new() -> Self {
        Self {
            router: Router::new(),
            paths: Vec::new(),
        }
    }

    fn at(mut self, path: &'static str, methods: MethodRouter<Site>) -> Self {
        self.router = self.router.route(path, methods);
        self.paths.push(path);
        self
    }
}

pub(super) fn routes() -> Routes {
    Routes::new()
        .at("/api/v1/me", get(me::show))
        .at("/api/v1/journal", get(journal::list))
        .at("/api/v1/approvals", get(approvals::list))
        .at("/api/v1/approvals/{id}", get(approvals::show))
        .at("/api/v1/approvals/{id}/decision", post(approvals::decide))
        .at("/api/v1/approvals/{id}/withdraw", post(approvals::withdraw))
        .at("/api/v1/grants", get(grants::list).post(grants::request))
        .at("/api/v1/grants/{id}/revoke", post(grants::take_back))
        .at("/api/v1/locks", get(locks::list).post(locks::set))
        .at("/api/v1/locks/{id}", delete(locks::lift))
        .at("/api/v1/review", get(review::show))
        .at("/api/v1/sessions", get(sessions::list))
        .at("/api/v1/sessions/{id}", get(sessions::show))
        .at("/api/v1/sessions/{id}/end", post(sessions::end))
        .at("/api/v1/sessions/{id}/recording", get(recording::read))
        .at("/api/v1/explain", post(explain::ask))
        .at("/api/v1/ssh/certificates", post(ssh::certify))
        .at("/api/v1/ssh/tickets", post(ssh::ticket))
        .at("/api/v1/plugins", get(plugins::list))
        .at("/api/v1/plugins/reload", post(plugins::reload))
        .at("/api/v1/events", get(events::follow))
        .at("/api/v1/openapi.json", get(openapi::show))
}

/// Returns the API.
pub(super) fn router(site: Site) -> Router {
    routes()
        .router
        .method_not_allowed_fallback(wrong_method)
        .route("/api/{*path}", any(unknown))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(front::pass))
        .with_state(site)
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "this path does not take this method",
    )
}

async fn unknown() -> Problem {
    Problem::not_found("path").hint("GET /api/v1/openapi.json describes them")
}
