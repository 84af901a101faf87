//! Builds the components: first-party plugins for use, broken ones for the tests.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::machine;
use crate::setup::Tools;
use crate::step;

/// The first-party plugins: folders below `plugins/`.
const PLUGINS: [&str; 8] = [
    "redact",
    "pii-scan",
    "sql-risk",
    "http-risk",
    "shell-risk",
    "splunk-hec",
    "webhook-approver",
    "slack-approver",
];

/// Builds every plugin into `target/plugins/NAME.wasm`, and with `guests` the broken
/// components of the tests into `target/guests/NAME.wasm`.
///
/// # Errors
/// When a build fails.
pub(crate) fn run(tools: &Tools, guests: bool) -> Result<()> {
    let mut build = tools.cargo()?;
    build.args(["build", "--locked", "--profile", "component", "--target", TARGET]);
    build.args(PLUGINS.iter().flat_map(|name| ["-p", name]));
    step::run("building the first-party plugins", &mut build)?;
    let built = machine::target()?.join(TARGET).join("component");
    for name in PLUGINS.map(|name| name.replace('-', "_")) {
        publish(&built, &name, "plugins")?;
    }
    if guests {
        let mut build = tools.cargo()?;
        build.args([
            "build",
            "--locked",
            "--profile",
            "component",
            "--target",
            TARGET,
            "-p",
            "guests",
            "--examples",
        ]);
        step::run("building the broken components of the tests", &mut build)?;
        let examples = machine::repository().join("tests/guests/examples");
        for example in examples.read_dir().context("tests/guests/examples")? {
            let path = example?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|end| end == "rs")) {
                publish(&built.join("examples"), name, "guests")?;
            }
        }
    }
    Ok(())
}

/// Copies a built component to `target/FOLDER`, and below the repository's own `target` where
/// cargo builds elsewhere: that name is what others rely on. A reader never sees half a file.
fn publish(built: &Path, name: &str, folder: &str) -> Result<()> {
    let component = built.join(format!("{name}.wasm"));
    let mut targets = vec![machine::target()?, machine::repository().join("target")];
    targets.dedup();
    for target in targets {
        let folder = target.join(folder);
        fs::create_dir_all(&folder)?;
        let fresh = folder.join(format!(".{name}.wasm.fresh"));
        fs::copy(&component, &fresh).with_context(|| component.display().to_string())?;
        fs::rename(&fresh, folder.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";
