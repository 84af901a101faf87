//! The API's description: made from the handlers. `openapi.json` beside the crate is the same for
//! those who read files; tests hold both against each other and against the routes.

use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    approvals, events, explain, grants, journal, locks, me, plugins, recording, review, sessions, ssh,
};

/// The description as the handlers make it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegate",
        version = "1",
        description = "What people and programs may do to the gateway itself. Every request but for this document \
                       carries a bearer token of a configured identity provider; what it may do, the policies on \
                       the resource \"tidegate\" say; what it did, the journal says.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        me::show,
        approvals::list,
        approvals::show,
        approvals::decide,
        approvals::withdraw,
        grants::list,
        grants::request,
        grants::take_back,
        locks::list,
        locks::set,
        locks::lift,
        review::show,
        sessions::list,
        sessions::show,
        sessions::end,
        journal::list,
        recording::read,
        explain::ask,
        ssh::certify,
        ssh::ticket,
        plugins::list,
        plugins::reload,
        events::follow,
        show,
    ),
    modifiers(&Tokens),
    security(("token" = [])),
)]
pub(crate) struct Description;

/// How callers prove who they are.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Describes the API.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi_show",
    tag = "openapi",
    security(()),
    responses((status = 200, description = "This document.", content_type = "application/json", body = Object)),
)]
pub(super) async fn show() -> Response {
    static JSON: LazyLock<Bytes> =
        LazyLock::new(|| Bytes::from(serde_json::to_vec(&Description::openapi()).unwrap_or_default()));
    let mut response = Response::new(Body::from(JSON.clone()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
