//! `tidegate plugin check`: would the gateway load it?

use std::fmt::Write as _;
use std::path::Path;

use plugin::{PluginConfig, Plugins, Want, inspect};
use serde::Serialize;
use serde_json::json;

use super::trial::{configuration, configured};
use super::{CheckArgs, pack, print};
use crate::cli::remote::print_json;
use crate::cli::terminal::{Failure, escape};
use crate::cli::{EXIT_FAILED, EXIT_USAGE};
use crate::config::Config;

pub(super) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = configuration(&args.config)?;
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    let wanted = match &args.gateway {
        Some(gateway) => of_gateway(gateway, &args.file).await?,
        None => configured(&args.file, found.kind, config),
    };
    let mut checked = load(wanted).await;
    if let (Ok(_), Some(vectors)) = (&checked, &args.vectors) {
        let held = plugin::rehearse(&args.file, &pack::vectors(Some(vectors))?).await;
        if let Err(fault) = held {
            checked = Err(vec![fault.to_string()]);
        }
    }
    let faults = checked.as_ref().err().map_or(&[][..], Vec::as_slice);
    if args.json {
        let wants = checked.as_ref().map_or(&[][..], |(_, wants)| wants);
        let report = json!({
            "ok": checked.is_ok(), "faults": faults, "wants": wants, "packed": found.frozen.is_some(),
        });
        print_json(&report)?;
    }
    match checked {
        Ok((what, wants)) if !args.json => print(&passed(&what, &wants)),
        Ok(_) => Ok(()),
        Err(_) if args.json => Err(Failure::new(EXIT_FAILED, "")),
        Err(faults) => Err(Failure::new(EXIT_FAILED, first(&faults))),
    }
}

/// Says the first thing that is wrong, in one line, and how much more there is.
fn first(faults: &[String]) -> String {
    match faults {
        [] => "it can't be loaded".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} (and {} more: see --json)", rest.len()),
    }
}

fn passed(what: &str, wants: &[Wanted]) -> String {
    let mut text = format!("ok: {}\n", escape(what));
    for Wanted { want, granted } in wants {
        let line = format!("wants {} {}: {}", want.kind, want.value, want.reason);
        let granted = if *granted { "granted" } else { "not granted here" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} ({granted})", escape(&line));
    }
    text
}

/// Something wanted, and whether it is granted.
#[derive(Serialize)]
struct Wanted {
    #[serde(flatten)]
    want: Want,
    granted: bool,
}

/// Returns what a gateway would load this file with: its configuration, limits and grants.
async fn of_gateway(gateway: &Path, file: &Path) -> Result<PluginConfig, Failure> {
    let config = Config::load(gateway).map_err(|faults| Failure::of(EXIT_FAILED, &faults))?;
    let same = |source: &Path| std::fs::canonicalize(source).ok() == std::fs::canonicalize(file).ok();
    let named = config
        .plugins
        .iter()
        .find(|plugin| plugin.source.file().is_some_and(same));
    let named = named.ok_or_else(|| {
        let why = format!(
            "no [[plugin]] of {} has the source {}",
            gateway.display(),
            file.display()
        );
        Failure::new(EXIT_USAGE, why)
    })?;
    let wanted = crate::plugins::wanted(&config, named).await;
    wanted.map_err(|error| Failure::new(EXIT_FAILED, format!("plugin \"{}\": {error:#}", named.name)))
}

/// Loads the plugin as the gateway would; returns what it is and what it wants, or all faults.
async fn load(config: PluginConfig) -> Result<(String, Vec<Wanted>), Vec<String>> {
    let loaded = Plugins::load(vec![config], None).await;
    let plugins = loaded.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let loaded = plugins.loaded().first();
    let loaded = loaded.ok_or_else(|| vec!["nothing was loaded".to_owned()])?;
    let manifest = &loaded.manifest;
    let wanted = |(want, granted): (&Want, bool)| Wanted {
        want: want.clone(),
        granted,
    };
    let what = format!("{} {} {}", manifest.kind, manifest.name, manifest.version);
    Ok((what, loaded.wants().map(wanted).collect()))
}
