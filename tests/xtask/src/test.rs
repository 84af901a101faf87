//! Everything CI runs, in the order in which it fails fastest.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::machine;
use crate::setup::{self, Purpose, Tools};
use crate::{plugins, step};

/// Sets up, checks the sources, builds, and runs every test.
///
/// # Errors
/// When anything does not hold.
pub(crate) fn run() -> Result<()> {
    eprintln!("The first run builds everything: about 30 minutes on 2 cores. Later runs take a few.");
    let tools = setup::run(Purpose::Everything)?;
    check_sources(&tools)?;
    plugins::run(&tools, true)?;
    let cargo = |arguments: &str| -> Result<Command> {
        let mut command = tools.cargo()?;
        command.args(arguments.split(' '));
        Ok(command)
    };
    step::run("building the gateway", &mut cargo("build --locked -p gateway")?)?;
    step::run(
        "examples in the documentation",
        &mut cargo("test --locked --workspace --doc --quiet")?,
    )?;
    // The runner's own summary is the last thing written.
    let runner = match step::holds(&mut cargo("nextest --version")?) {
        true => "nextest run --locked --workspace --no-fail-fast",
        false => "test --locked --workspace --lib --bins --tests --no-fail-fast",
    };
    let mut tests = cargo(runner)?;
    tests.env("RUST_BACKTRACE", "1");
    eprintln!("\n==> cargo {runner}");
    let status = tests.status()?;
    anyhow::ensure!(status.success(), "tests failed");
    Ok(())
}

/// Formatting, lints, documentation, purity, dependencies: all without running anything.
fn check_sources(tools: &Tools) -> Result<()> {
    let cargo = |arguments: &str| -> Result<Command> {
        let mut command = tools.cargo()?;
        command.args(arguments.split(' '));
        Ok(command)
    };
    step::run("formatting", &mut cargo("fmt --all --check")?)?;
    let pure = "check --locked --target wasm32-unknown-unknown -p model -p proto --no-default-features";
    // A client of SCRAM in the tree could make nonces itself; it is handed them, and there is
    // nothing here to make them with.
    step::run(
        "model and proto compile without an operating system",
        cargo(pure)?.env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            "--cfg getrandom_backend=\"unsupported\"",
        ),
    )?;
    let lints = "clippy --locked --workspace --all-targets -- -D warnings";
    step::run("lints", &mut cargo(lints)?)?;
    let mut documentation = cargo("doc --locked --workspace --no-deps --quiet")?;
    step::run("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    check_dependencies(tools)
}

/// cargo-deny takes many minutes to build, so it is used where it is, not installed: licences,
/// sources and forbidden crates are also held by a test of this package.
fn check_dependencies(tools: &Tools) -> Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [machine::cache()?.join("tools/bin")]
        .into_iter()
        .chain(env::split_paths(&path));
    let path = env::join_paths(folders)?;
    let deny = |what: &[&str]| -> Result<Command> {
        let mut command = tools.cargo()?;
        command
            .env("PATH", &path)
            .args(["deny", "--config", ".deny.toml", "check"])
            .args(what);
        Ok(command)
    };
    if !step::holds(tools.cargo()?.env("PATH", &path).args(["deny", "--version"])) {
        eprintln!("\ncargo-deny is not here: advisories are not checked (the rest of its work is a test).");
        eprintln!("To have it: cargo install cargo-deny --locked --root ~/.cache/tidegate/tools");
        return Ok(());
    }
    step::run(
        "licences, sources and forbidden crates",
        &mut deny(&["bans", "licenses", "sources"])?,
    )?;
    // The database of advisories is fetched; a machine without a way to it is told so.
    if step::holds(
        tools
            .cargo()?
            .env("PATH", &path)
            .args(["deny", "--config", ".deny.toml", "fetch", "db"]),
    ) {
        return step::run("advisories", &mut deny(&["advisories"])?);
    }
    eprintln!("\nThe database of advisories can't be fetched from here: advisories are not checked.");
    Ok(())
}
