//! `GET /api/v1/plugins`: what is loaded, and how it fares; `POST /api/v1/plugins/reload`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use model::OperationKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::output::Reply;
use crate::admin::problem::{Problem, ProblemBody};
use crate::plugins::Reloaded;

/// The loaded plugins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PluginList {
    /// In configured order.
    plugins: Vec<PluginBody>,
}

/// One plugin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PluginBody {
    /// Its configured name.
    pub(crate) name: String,
    /// `masker`, `classifier`, `approver` or `exporter`.
    pub(crate) kind: String,
    /// SHA-256 of the component, in hex.
    pub(crate) sha256: String,
    /// What the component calls itself.
    pub(crate) component: String,
    /// Its version.
    pub(crate) version: String,
    /// What it says of itself, in one sentence. Not to be believed.
    pub(crate) summary: String,
    /// Calls since the gateway started.
    pub(crate) calls: u64,
    /// Calls that failed since then: traps, deadlines, broken contracts.
    pub(crate) faults: u64,
    /// Whether it failed too often and is not called for a while.
    pub(crate) quarantined: bool,
    /// The most memory that an instance of it had, in bytes.
    pub(crate) memory_max_bytes: u64,
    /// What it wants to reach. What is not granted it does not have.
    pub(crate) wants: Vec<WantBody>,
}

/// Something that a plugin wants to reach.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WantBody {
    /// `egress`, `secret`, `reveal`, `kv` or `log`.
    pub(crate) kind: String,
    /// Which; `*` where its configuration decides.
    pub(crate) value: String,
    /// Why, in its own words. Not to be believed.
    pub(crate) reason: String,
    /// Whether the operator grants it.
    pub(crate) granted: bool,
}

/// Lists the plugins.
#[utoipa::path(
    get,
    path = "/api/v1/plugins",
    operation_id = "plugins_list",
    tag = "plugins",
    responses(
        (status = 200, description = "The plugins.", body = PluginList),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(site): State<Site>, caller: Caller) -> Result<Reply<PluginList>, Problem> {
    let deed = Deed::read("list plugins", "plugins");
    let listed = async { Ok(plugins(&site)) };
    let plugins = perform(&site.services, &caller.principal, Door::Api, deed, listed).await?;
    Ok(Reply(PluginList { plugins }))
}

/// Reads the configuration again and takes its plugins into use.
///
/// Reads `[plugins]`, every `[[plugin]]` and `[[channel]]`, and which of them each resource names;
/// everything else takes effect at the next start. No connection is dropped: what began with a
/// plugin ends with it. Whatever is wrong, the plugins in use stay.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/reload",
    operation_id = "plugins_reload",
    tag = "plugins",
    responses(
        (status = 200, description = "What changed.", body = Reloaded),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reload(State(site): State<Site>, caller: Caller) -> Result<Reply<Reloaded>, Problem> {
    let deed = Deed {
        verb: "reload plugins",
        kind: OperationKind::Privilege,
        object: "plugins".to_owned(),
        text: "reload plugins".to_owned(),
    };
    let services = Arc::clone(&site.services);
    // On its own: a caller who goes away does not stop it halfway.
    let reloading = async {
        tokio::spawn(async move { services.reload.reload(&services).await })
            .await
            .map_err(|error| Problem::broken("the reload", &error))?
            .map_err(|faults| {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "not-reloaded", faults.join("; "))
                    .hint("the plugins in use stay as they are")
            })
    };
    let reloaded = perform(&site.services, &caller.principal, Door::Api, deed, reloading).await?;
    Ok(Reply(reloaded))
}

/// Returns the plugins with what was counted of them.
pub(crate) fn plugins(site: &Site) -> Vec<PluginBody> {
    let metrics = site.metrics.render();
    let set = site.services.gate.plugins.current();
    let loaded = set.plugins.loaded().iter();
    loaded
        .map(|plugin| {
            let name = plugin.name.as_str();
            PluginBody {
                name: name.to_owned(),
                kind: plugin.manifest.kind.to_string(),
                sha256: hex::encode(plugin.sha256),
                component: plugin.manifest.name.clone(),
                version: plugin.manifest.version.clone(),
                summary: plugin.manifest.summary.clone(),
                calls: counted(&metrics, "tidegate_plugin_calls_total", name),
                faults: counted(&metrics, "tidegate_plugin_faults_total", name),
                quarantined: counted(&metrics, "tidegate_plugin_quarantined", name) > 0,
                memory_max_bytes: plugin.memory_max() as u64,
                wants: plugin.wants().map(want).collect(),
            }
        })
        .collect()
}

fn want((want, granted): (&plugin::Want, bool)) -> WantBody {
    WantBody {
        kind: want.kind.clone(),
        value: want.value.clone(),
        reason: want.reason.clone(),
        granted,
    }
}

/// Adds up the counter `metric` of one plugin, whatever its other labels, out of the text for
/// Prometheus.
fn counted(metrics: &str, metric: &str, plugin: &str) -> u64 {
    let label = format!("plugin=\"{plugin}\"");
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.rsplit_once("} "))
        .filter(|(labels, _)| labels.split(',').any(|own| own == label))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn counters_are_added_up_over_their_other_labels() {
        let metrics = "# TYPE f counter\nf{plugin=\"a\",kind=\"masker\",fault=\"trap\"} 2\n\
            f{plugin=\"a\",kind=\"masker\",fault=\"deadline\"} 3\nf{plugin=\"aa\",kind=\"masker\"} 7\nff{plugin=\"a\"} 9\n";
        assert_eq!(counted(metrics, "f", "a"), 5);
        assert_eq!(counted(metrics, "f", "aa"), 7);
        assert_eq!(counted(metrics, "f", "b"), 0);
    }
}
