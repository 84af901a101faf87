//! `tidegate plugin check`: would the gateway load it?

use std::fmt::Write as _;

use plugin::{PluginConfig, Plugins, Want, inspect};
use serde_json::json;

use super::trial::{configuration, configured};
use super::{CheckArgs, pack, print};
use crate::cli::EXIT_FAILED;
use crate::cli::remote::print_json;
use crate::cli::terminal::{Failure, escape};

pub(super) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = configuration(&args.config)?;
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    let mut checked = load(configured(&args.file, found.kind, config)).await;
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

fn passed(what: &str, wants: &[Want]) -> String {
    let mut text = format!("ok: {}\n", escape(what));
    for want in wants {
        let want = format!("wants {} {}: {}", want.kind, want.value, want.reason);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} (not granted here)", escape(&want));
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
