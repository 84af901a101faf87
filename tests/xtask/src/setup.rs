//! Puts on the machine what is missing, and says beforehand what and where.
//!
//! Nothing that is there already is touched. Packages of the distribution are installed where
//! that is possible (root, or sudo without a password); everything else lives in
//! `~/.cache/tidegate` and can be deleted at any time.

mod need;
mod source;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::machine::{self, Apt};
use crate::step;

use need::Need;
pub(crate) use need::Purpose;
use source::Source;

/// What set-up provides to the commands that follow.
#[derive(Debug)]
pub(crate) struct Tools {
    variables: Vec<(&'static str, std::ffi::OsString)>,
}

impl Tools {
    /// Returns cargo, run in the repository with what its builds need.
    pub(crate) fn cargo(&self) -> Result<Command> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(machine::repository())
            .envs(self.variables.iter().cloned());
        // Builds of this workspace go where this program was built, wherever cargo is told to build.
        command.env("CARGO_TARGET_DIR", machine::target()?);
        Ok(command)
    }
}

/// Installs what `purpose` needs and this machine lacks.
///
/// # Errors
/// When something cannot be installed; says what to do by hand.
pub(crate) fn run(purpose: Purpose) -> Result<Tools> {
    let apt = Apt::here();
    let missing: Vec<Need> = purpose
        .needs()
        .into_iter()
        .filter(|need| !need.is_there())
        .collect();
    let (planned, left_out) = plan(&missing, apt)?;
    announce(&planned, &left_out, apt);
    let packages: Vec<&str> = planned
        .iter()
        .filter_map(Source::package)
        .flatten()
        .copied()
        .collect();
    if !packages.is_empty() {
        step::run("apt-get update", apt.command().args(["update", "-qq"]))?;
        let mut install = apt.command();
        install
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages);
        step::run(&format!("apt-get install {}", packages.join(" ")), &mut install)?;
    }
    install_wheels(&planned)?;
    install_npm(&planned)?;
    if planned.contains(&Source::Rustup) {
        let targets = ["target", "add", "wasm32-wasip2", "wasm32-unknown-unknown"];
        step::run(
            "rustup target add",
            Command::new("rustup")
                .args(targets)
                .current_dir(machine::repository()),
        )?;
    }
    let mut variables = machine::libclang().unwrap_or_default();
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().map(|need| need.name()).collect();
        variables.push(("TIDEGATE_WITHOUT", names.join(",").into()));
    }
    Ok(Tools { variables })
}

/// Decides where each missing thing comes from; what tests can do without is left out.
fn plan(missing: &[Need], apt: Apt) -> Result<(Vec<Source>, Vec<Need>)> {
    let mut planned = Vec::new();
    let mut left_out = Vec::new();
    for need in missing {
        match need.sources(apt) {
            Some(sources) => planned.extend(sources),
            None if need.is_optional() => left_out.push(*need),
            None => bail!(
                "{} is missing and can't be installed here: {}",
                need.what(),
                need.by_hand()
            ),
        }
    }
    planned.sort_unstable();
    planned.dedup();
    Ok((planned, left_out))
}

fn announce(planned: &[Source], left_out: &[Need], apt: Apt) {
    if planned.is_empty() {
        eprintln!("Set-up: everything needed is here; nothing is installed.");
    } else {
        eprintln!("Set-up installs what is missing ({apt:?} for packages of the distribution):");
        planned
            .iter()
            .for_each(|source| eprintln!("  - {}", source.describe()));
    }
    for need in left_out {
        eprintln!(
            "Left out, because it needs root: {}. To have it: {}",
            need.what(),
            need.by_hand()
        );
    }
}

fn install_wheels(planned: &[Source]) -> Result<()> {
    let wheels: Vec<&str> = planned.iter().filter_map(Source::wheel).collect();
    if wheels.is_empty() {
        return Ok(());
    }
    let folder = machine::cache()?.join("python");
    if !folder.join("bin/pip").is_file() {
        fs::create_dir_all(&folder)?;
        step::run(
            "python3 -m venv",
            Command::new("python3").args(["-m", "venv"]).arg(&folder),
        )?;
    }
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"])
        .args(&wheels);
    step::run(&format!("pip install {}", wheels.join(" ")), &mut pip)
}

fn install_npm(planned: &[Source]) -> Result<()> {
    let packages: Vec<&str> = planned.iter().filter_map(Source::npm).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let folder = machine::cache()?.join("node");
    fs::create_dir_all(&folder)?;
    let npm = machine::program("npm").context("npm was just installed")?;
    let mut install = Command::new(npm);
    install
        .args(["install", "--silent", "--no-audit", "--no-fund"])
        .args(&packages)
        .current_dir(&folder);
    step::run(&format!("npm install {}", packages.join(" ")), &mut install)
}
