//! The console: pages for people, rendered here, whole without a script.
//!
//! Whatever a person does or reads here beyond their own questions is an operation on the
//! gateway: judged by the policies, written down first. A cookie says who they are, and
//! nothing but the login sets one. `GET` changes nothing; whatever changes something comes
//! from a form of this console, in a session of this console. Text from outside is shown, never
//! obeyed: no page switches escaping off, and nothing but the console's own files is loaded.

pub(crate) mod answering;
pub(crate) mod approval;
pub(crate) mod assets;
pub(crate) mod cookie;
pub(crate) mod explain;
pub(crate) mod form;
mod front;
pub(crate) mod grants;
pub(crate) mod inbox;
pub(crate) mod journal;
pub(crate) mod locks;
pub(crate) mod login;
pub(crate) mod plugins;
pub(crate) mod recording;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod shell;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod timeline;
pub(crate) mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use super::{Site, caller};
use crate::config::ConsoleConfig;
use crate::identity::login::Client;
use crate::network::Allowances;
use crate::secret::{Secret, SecretError};
use crate::state::State;

/// The largest form, in bytes: a statement to be explained.
const FORM_BYTES_MAX: usize = 128 << 10;

/// How many logins may begin from one network at once, and how long until one more may, in
/// seconds: each is remembered for ten minutes, and one network must not fill that for all. A
/// reverse proxy has everybody behind it.
const LOGINS_MAX: u64 = 60;
const LOGINS_EVERY: u64 = 1;

/// What is behind the pages. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    pub(crate) site: Site,
    state: State,
    config: Arc<ConsoleConfig>,
    /// The console's secret at the identity provider.
    secret: Secret,
    /// Where the identity provider sends browsers back to.
    redirect_uri: Arc<str>,
    /// What is left of logins.
    logins: Arc<Allowances>,
}

impl Console {
    /// Prepares the console.
    ///
    /// # Errors
    /// Its client secret cannot be had.
    pub fn new(site: Site, state: State, config: &ConsoleConfig) -> Result<Self, SecretError> {
        Ok(Self {
            site,
            state,
            secret: config.client_secret.resolve()?,
            redirect_uri: format!("{}/auth/callback", config.url).into(),
            logins: Arc::new(Allowances::new(LOGINS_MAX, LOGINS_EVERY)),
            config: Arc::new(config.clone()),
        })
    }

    fn client(&self) -> Client<'_> {
        Client {
            id: &self.config.client_id,
            redirect_uri: &self.redirect_uri,
            scopes: &self.config.scopes,
        }
    }
}

/// What is shared with the API reads the site's own state.
impl FromRef<Console> for Site {
    fn from_ref(console: &Console) -> Self {
        console.site.clone()
    }
}

/// Returns the pages. What is no page of theirs, they leave to others.
pub(super) fn router(console: Console) -> Router {
    Router::new()
        .route("/console", get(answering::inbox))
        .route("/console/signin", get(login::sign_in))
        .route("/console/settings", post(settings::save))
        .route("/console/events", get(answering::events))
        .route("/console/approvals/{id}", get(answering::show))
        .route("/console/approvals/{id}/answer", post(answering::answer))
        .route("/console/approvals/{id}/withdraw", post(answering::withdraw))
        .route("/console/sessions", get(sessions::list))
        .route("/console/sessions/{id}", get(sessions::show))
        .route("/console/sessions/{id}/end", post(sessions::end))
        .route("/console/sessions/{id}/recording", get(recording::show))
        .route("/console/grants", get(grants::list).post(grants::request))
        .route("/console/grants/{id}/revoke", post(grants::take_back))
        .route("/console/locks", get(locks::list).post(locks::set))
        .route("/console/locks/{id}/lift", post(locks::lift))
        .route("/console/journal", get(journal::search))
        .route("/console/plugins", get(plugins::list))
        .route("/console/explain", get(explain::ask).post(explain::answer))
        .route("/console/{*path}", get(front::unknown))
        .route("/auth/login", get(login::begin))
        .route("/auth/callback", get(login::end))
        .route("/auth/logout", post(login::log_out))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(caller::no_token))
        .layer(from_fn_with_state(console.clone(), front::pass))
        // Nobody has to log in for these, and they say nothing of anybody.
        .route("/console/assets/{name}", get(assets::show))
        .with_state(console)
}
