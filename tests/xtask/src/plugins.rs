//! Builds the components: first-party plugins for use, broken ones for the tests.

use std::fs;
use std::path::Path;
use std::process::Command;

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
/// components of the tests into `target/guests/NAME.wasm`; all packed.
///
/// # Errors
/// When a build fails.
pub(crate) fn run(tools: &Tools, guests: bool) -> Result<()> {
    let mut build = tools.cargo()?;
    build.args(["build", "--locked", "--profile", "component", "--target", TARGET]);
    build.args(PLUGINS.iter().flat_map(|name| ["-p", name]));
    step::run("building the first-party plugins", &mut build)?;
    if guests {
        let mut build = tools.cargo()?;
        build.args(["build", "--locked", "--profile", "component", "--target", TARGET]);
        build.args(["-p", "guests", "--examples"]);
        step::run("building the broken components of the tests", &mut build)?;
    }
    let mut build = tools.cargo()?;
    build.args(["build", "--locked", "-p", "gateway"]);
    step::run("building the gateway, which packs them", &mut build)?;
    let built = machine::target()?.join(TARGET).join("component");
    let repository = machine::repository();
    for name in PLUGINS {
        let vectors = repository.join("plugins").join(name).join("vectors.json");
        let name = name.replace('-', "_");
        let from = built.join(format!("{name}.wasm"));
        publish(&from, "plugins", vectors.is_file().then_some(vectors.as_path()))?;
    }
    if guests {
        let examples = repository.join("tests/guests/examples");
        for example in examples.read_dir().context("tests/guests/examples")? {
            let path = example?.path();
            if path.extension().is_some_and(|end| end == "rs") {
                let name = path.with_extension("wasm");
                let name = name.file_name().unwrap_or_default();
                publish(&built.join("examples").join(name), "guests", None)?;
            }
        }
    }
    Ok(())
}

/// Packs a built component into `target/FOLDER`, and below the repository's own `target` where
/// cargo builds elsewhere: that name is what others rely on. A reader never sees half a file.
fn publish(built: &Path, folder: &str, vectors: Option<&Path>) -> Result<()> {
    let name = built.file_name().context("a component has a name")?;
    let mut targets = vec![machine::target()?, machine::repository().join("target")];
    targets.dedup();
    for target in &targets {
        fs::create_dir_all(target.join(folder))?;
    }
    let packed = targets[0].join(folder).join(name);
    let mut pack = Command::new(machine::target()?.join("debug/tidegate"));
    pack.args(["plugin", "pack"])
        .arg(built)
        .arg("--output")
        .arg(&packed);
    if let Some(vectors) = vectors {
        pack.arg("--vectors").arg(vectors);
    }
    if folder == "plugins" {
        step::run(&format!("packing {}", name.display()), &mut pack)?;
    } else if !step::holds(&mut pack) {
        // Some of the tests' components are broken so that they can't be packed.
        fs::copy(built, &packed).with_context(|| built.display().to_string())?;
    }
    for target in &targets[1..] {
        let fresh = target.join(folder).join(format!(".{}.fresh", name.display()));
        fs::copy(&packed, &fresh)?;
        fs::rename(&fresh, target.join(folder).join(name))?;
    }
    Ok(())
}

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";
