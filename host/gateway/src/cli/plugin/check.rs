//! `tidegate plugin check`: would the gateway load it?

use std::fmt::Write as _;

use model::PluginName;
use plugin::{PluginConfig, Plugins, Want, inspect};
use serde_json::{Value, json};

use super::{CheckArgs, print};
use crate::cli::remote::print_json;
use crate::cli::terminal::{Failure, escape};
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

/// The largest configuration file read: the contract's own limit.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

pub(super) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = configuration(&args.config)?;
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let mut wanted = PluginConfig::new(PluginName::new(&*stem), found.kind, args.file.clone());
    wanted.config = config;
    let checked = load(wanted).await;
    let faults = checked.as_ref().err().map_or(&[][..], Vec::as_slice);
    if args.json {
        let wants = checked.as_ref().map_or(&[][..], |(_, wants)| wants);
        let report = json!({
            "ok": checked.is_ok(), "faults": faults, "wants": wants, "packed": found.manifest.is_some(),
        });
        print_json(&report)?;
    }
    match checked {
        Ok((what, wants)) if !args.json => print(&passed(&what, &wants, found.manifest.is_some())),
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

fn passed(what: &str, wants: &[Want], packed: bool) -> String {
    let mut text = format!("ok: {}\n", escape(what));
    for want in wants {
        let want = format!("wants {} {}: {}", want.kind, want.value, want.reason);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} (not granted here)", escape(&want));
    }
    if !packed {
        text.push_str("it is not packed: run `tidegate plugin pack` before you hand it on\n");
    }
    text
}

/// Loads the plugin as the gateway would; returns what it is and what it wants, or all faults.
async fn load(config: PluginConfig) -> Result<(String, Vec<Want>), Vec<String>> {
    let loaded = Plugins::load(vec![config], None).await;
    let plugins = loaded.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let manifest = plugins
        .loaded()
        .first()
        .map(|loaded| loaded.manifest.clone())
        .ok_or_else(|| vec!["nothing was loaded".to_owned()])?;
    let what = format!("{} {} {}", manifest.kind, manifest.name, manifest.version);
    Ok((what, manifest.wants))
}

fn configuration(text: &str) -> Result<Value, Failure> {
    let usage = |what: String| Failure::new(EXIT_USAGE, format!("--config: {what}"));
    let json = match text.strip_prefix('@') {
        Some(path) => {
            let size = std::fs::metadata(path).map_or(0, |file| file.len());
            if size > CONFIG_BYTES_MAX {
                return Err(usage(format!("{path} is larger than 1 MiB")));
            }
            std::fs::read_to_string(path).map_err(|error| usage(format!("{path}: {error}")))?
        }
        None => text.to_owned(),
    };
    serde_json::from_str(&json).map_err(|error| usage(format!("it is no JSON: {error}")))
}
