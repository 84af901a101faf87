//! What is loaded, and how it fares.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::front::html;
use super::shell::Shell;
use super::text::{Text, grouped};
use super::visitor::Here;
use crate::admin::api::plugins::{PluginBody, plugins};
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::problem::Problem;

/// The page.
#[derive(Template)]
#[template(path = "plugins.html")]
pub(crate) struct PluginsPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
}

/// One plugin.
pub(crate) struct Row {
    name: Text,
    kind: Text,
    component: Text,
    version: Text,
    summary: Text,
    state: &'static str,
    health: &'static str,
    calls: String,
    faults: String,
    sha256: String,
    sha256_short: String,
}

impl Row {
    pub(crate) fn of(plugin: &PluginBody) -> Self {
        let (state, health) = match (plugin.calls, plugin.faults) {
            _ if plugin.quarantined => ("failing", "in quarantine"),
            (0, 0) => ("idle", "not called yet"),
            (_, 0) => ("well", "well"),
            _ => ("failing", "has failed"),
        };
        Self {
            name: Text::line(&plugin.name),
            kind: Text::line(&plugin.kind),
            component: Text::line(&plugin.component),
            version: Text::line(&plugin.version),
            summary: Text::line(&plugin.summary),
            state,
            health,
            calls: grouped(plugin.calls),
            faults: grouped(plugin.faults),
            sha256_short: plugin.sha256.chars().take(12).collect(),
            sha256: plugin.sha256.clone(),
        }
    }
}

/// `GET /console/plugins`.
pub(super) async fn list(State(console): State<Console>, here: Here) -> Result<Response, Problem> {
    let deed = Deed::read("list plugins", "plugins");
    let listed = async { Ok(plugins(&console.site)) };
    let (services, who) = (&console.site.services, &here.visitor.principal);
    let plugins = perform(services, who, Door::Console, deed, listed).await?;
    Ok(html(&PluginsPage {
        shell: here.shell(&console, "Plugins").await,
        rows: plugins.iter().map(Row::of).collect(),
    }))
}
