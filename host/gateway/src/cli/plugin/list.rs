//! `tidegate plugin list`: what a running gateway has loaded, and how it does.

use serde_json::Value;

use super::ListArgs;
use crate::cli::remote::{print_json, table, text};
use crate::cli::terminal::Failure;

pub(super) async fn run(args: &ListArgs) -> Result<(), Failure> {
    let gateway = args.remote.gateway()?;
    let answer = gateway.get("/api/v1/plugins").await?;
    if gateway.json {
        return print_json(&answer);
    }
    let plugins = answer["plugins"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
    table(
        &[
            "name",
            "kind",
            "component",
            "version",
            "state",
            "calls",
            "faults",
            "not granted",
            "sha256",
        ],
        &rows,
        "no plugin is loaded",
    )
}

fn row(plugin: &Value) -> Vec<String> {
    let state = match (plugin["quarantined"].as_bool(), plugin["faults"].as_u64()) {
        (Some(true), _) => "quarantined",
        (_, Some(0)) => "well",
        _ => "has failed",
    };
    vec![
        text(&plugin["name"]),
        text(&plugin["kind"]),
        text(&plugin["component"]),
        text(&plugin["version"]),
        state.to_owned(),
        text(&plugin["calls"]),
        text(&plugin["faults"]),
        not_granted(&plugin["wants"]),
        text(&plugin["sha256"]).chars().take(12).collect(),
    ]
}

/// Returns what a plugin wants and does not have.
fn not_granted(wants: &Value) -> String {
    let wants = wants.as_array().map_or(&[][..], Vec::as_slice);
    let missing = wants.iter().filter(|want| want["granted"] == false);
    let words = missing.map(|want| format!("{} {}", text(&want["kind"]), text(&want["value"])));
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        return "-".to_owned();
    }
    words.join(", ")
}
