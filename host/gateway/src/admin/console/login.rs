//! Logging in and out. See [`crate::identity::login`] for the flow itself.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use model::{PrincipalKind, ResourceName};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::Console;
use super::cookie::Cookie;
use super::form::Form;
use super::front::html;
use super::settings::Settings;
use super::shell::Shell;
use super::text::Text;
use super::visitor::Parameters;
use crate::admin::listener::Peer;
use crate::admin::operation::{Deed, Door, perform_own};
use crate::admin::problem::Problem;
use crate::clock;
use crate::identity::LoggedIn;
use crate::identity::login::{Attempt, Endpoints, LoginError, id_token, return_to};
use crate::services::random;
use crate::state::{CookieHash, LOGIN_US, SESSION_US};

/// Where somebody can log in, or what came of logging out.
#[derive(Template)]
#[template(path = "signin.html")]
pub(crate) struct SignInPage {
    pub(crate) shell: Shell,
    pub(crate) heading: &'static str,
    pub(crate) detail: &'static str,
    pub(crate) provider: Text,
    pub(crate) login: String,
    /// Where the provider's own session can be ended.
    pub(crate) end_session: Option<Text>,
}

/// `GET /console/signin`.
pub(super) async fn sign_in(
    State(console): State<Console>,
    settings: Option<axum::Extension<Settings>>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = Parameters::read(query.as_deref().unwrap_or_default());
    let left = parameters.get("left").is_some();
    let to: String = byte_serialize(return_to(parameters.get("to")).as_bytes()).collect();
    let page = SignInPage {
        shell: Shell::of(
            "Sign in",
            settings
                .map(|axum::Extension(settings)| settings)
                .unwrap_or_default(),
        ),
        heading: if left { "You are signed out" } else { "Sign in" },
        detail: "The console is for people: approvers, operators, auditors. Agents use the API.",
        provider: Text::line(&console.config.identity),
        login: format!("/auth/login?to={to}"),
        end_session: match left {
            true => end_session(&console).await,
            false => None,
        },
    };
    html(&page)
}

/// Returns where the provider's own session can be ended (OIDC RP-Initiated Logout, 2).
async fn end_session(console: &Console) -> Option<Text> {
    let endpoints = endpoints(console).await.ok()?;
    let mut address = endpoints.end_session.clone()?;
    address
        .query_pairs_mut()
        .append_pair("client_id", &console.config.client_id)
        .append_pair(
            "post_logout_redirect_uri",
            &format!("{}/console", console.config.url),
        );
    Some(Text::address(&address))
}

/// `GET /auth/login`: sends the browser to the identity provider.
pub(super) async fn begin(
    State(console): State<Console>,
    peer: Option<axum::Extension<Peer>>,
    RawQuery(query): RawQuery,
) -> Response {
    let peer = peer.as_ref().map(|peer| &peer.0);
    let taken = console.logins.take(Peer::network(peer), clock::unix_seconds());
    if let Err(wait) = taken {
        return too_many(wait);
    }
    let parameters = Parameters::read(query.as_deref().unwrap_or_default());
    match prepare(&console, return_to(parameters.get("to"))).await {
        Ok((cookie, address)) => {
            let cookie = Cookie::Login.set(&cookie, LOGIN_US / 1_000_000, &console.config);
            ([(SET_COOKIE, cookie)], Redirect::to(address.as_str())).into_response()
        }
        Err(error) => refused(&console, peer, &error),
    }
}

fn too_many(wait: u64) -> Response {
    let detail = "Too many logins come from where you are.";
    Problem::too_often(detail, wait).into_response()
}

async fn prepare(console: &Console, to: String) -> Result<(String, Url), LoginError> {
    let endpoints = endpoints(console).await?;
    let attempt = Attempt::new(&random(), to);
    let cookie = URL_SAFE_NO_PAD.encode(random::<32>());
    let address = attempt.address(&endpoints, console.client());
    let id = CookieHash::of(&cookie);
    console.state.begin_login(id, &attempt, clock::unix_us()).await?;
    Ok((cookie, address))
}

/// `GET /auth/callback`: the identity provider sends the browser back.
pub(super) async fn end(
    State(console): State<Console>,
    peer: Option<axum::Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let peer = peer.as_ref().map(|peer| &peer.0);
    let (network, now) = (Peer::network(peer), clock::unix_seconds());
    if let Some(wait) = console.logins.wait(network, now) {
        return too_many(wait);
    }
    let gone = Cookie::Login.set("", 0, &console.config);
    match log_in(&console, &headers, query.as_deref().unwrap_or_default()).await {
        Ok((cookie, to)) => {
            let session = Cookie::Session.set(&cookie, SESSION_US / 1_000_000, &console.config);
            let cookies = AppendHeaders([(SET_COOKIE, session), (SET_COOKIE, gone)]);
            (cookies, Redirect::to(&to)).into_response()
        }
        Err(error) => {
            // What ends well was counted when it began.
            console.logins.spend(network, now);
            let refused = refused(&console, peer, &error);
            ([(SET_COOKIE, gone)], refused).into_response()
        }
    }
}

/// Brings a login to its end; returns the new session's cookie and the page to go to.
async fn log_in(console: &Console, headers: &HeaderMap, query: &str) -> Result<(String, String), LoginError> {
    let config = &console.config;
    let now_us = clock::unix_us();
    let cookie = Cookie::Login
        .read(headers, config)
        .ok_or(LoginError::OtherLogin)?;
    // Taken out first: whatever comes of it, nothing comes of it twice.
    let attempt = console.state.take_login(CookieHash::of(cookie), now_us).await?;
    let attempt = attempt.ok_or(LoginError::OtherLogin)?;
    let endpoints = endpoints(console).await?;
    let code = attempt.code(query, &endpoints)?;
    let form = attempt.redemption(&code, console.client(), &console.secret, &endpoints);
    let identity = &console.site.services.identity;
    let (status, answer) = identity.redeem(&config.identity, &endpoints.token, &form).await?;
    let token = id_token(status, &answer)?;
    let who = identity
        .verify_login(
            &token,
            &endpoints.issuer,
            &config.client_id,
            &attempt.nonce,
            now_us / 1_000_000,
        )
        .await?;
    let cookie = let_in(console, headers, &who, now_us).await?;
    Ok((cookie, attempt.return_to))
}

/// Begins the session of somebody who has logged in, under a cookie that nobody knew before.
async fn let_in(
    console: &Console,
    headers: &HeaderMap,
    who: &LoggedIn,
    now_us: u64,
) -> Result<String, LoginError> {
    if who.principal.kind != PrincipalKind::Person {
        return Err(LoginError::NotAPerson(who.principal.key()));
    }
    let cookie = URL_SAFE_NO_PAD.encode(random::<32>());
    let former = Cookie::Session.read(headers, &console.config).map(CookieHash::of);
    let begun = async {
        let id = CookieHash::of(&cookie);
        let begun = console.state.begin_console_session(id, former, who, now_us).await;
        begun.map_err(|error| Problem::broken("the session could not be begun", &error))
    };
    let deed = Deed::read("log in", "console");
    let written = perform_own(&console.site.services, &who.principal, Door::Console, deed, begun).await;
    // The log has the reason already.
    written.map_err(|problem| LoginError::NotBegun(problem.detail))?;
    let services = &console.site.services;
    // Looked at only now: a logout that came in meanwhile has missed this session, or ended it.
    if let Err(error) = services.identity.check_logged_in(&who.principal, &who.login()) {
        console.state.end_console_session(CookieHash::of(&cookie)).await?;
        return Err(error.into());
    }
    // Whoever answers through a channel may never connect to anything else.
    let own = ResourceName::new(ResourceName::GATEWAY);
    services.access.note(&who.principal, &own, now_us);
    Ok(cookie)
}

/// `POST /auth/logout`: ends this browser's session.
pub(super) async fn log_out(State(console): State<Console>, headers: HeaderMap, form: Form) -> Response {
    let ended = async {
        if let Some(cookie) = Cookie::Session.read(&headers, &console.config) {
            let ended = console.state.end_console_session(CookieHash::of(cookie)).await;
            ended.map_err(|error| Problem::broken("the session could not be ended", &error))?;
        }
        Ok(())
    };
    let deed = Deed::read("log out", "console");
    let who = &form.here.visitor.principal;
    if let Err(problem) = perform_own(&console.site.services, who, Door::Console, deed, ended).await {
        return problem.into_response();
    }
    let gone = Cookie::Session.set("", 0, &console.config);
    ([(SET_COOKIE, gone)], Redirect::to("/console/signin?left=1")).into_response()
}

async fn endpoints(console: &Console) -> Result<std::sync::Arc<Endpoints>, LoginError> {
    let identity = &console.site.services.identity;
    let endpoints = identity.endpoints(&console.config.identity, clock::unix_seconds());
    Ok(endpoints.await?)
}

/// Writes down that somebody was not let in, and says so.
fn refused(console: &Console, peer: Option<&Peer>, error: &LoginError) -> Response {
    let services = &console.site.services;
    let client = peer.map_or("unknown", Peer::as_str);
    let own = ResourceName::new(ResourceName::GATEWAY);
    services.login_refused(client, Some(&own), &error.to_string());
    let status = match error.fault() {
        model::Fault::Client => StatusCode::FORBIDDEN,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, "login-refused", error.for_client()).into_response()
}
