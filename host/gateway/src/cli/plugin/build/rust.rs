//! A plugin in Rust: cargo, and the target it needs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::BuildArgs;
use crate::cli::EXIT_FAILED;
use crate::cli::terminal::Failure;

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// Components run in wasmtime, which has vector instructions on every machine.
const SIMD: &str = r#"target.wasm32-wasip2.rustflags=["-C", "target-feature=+simd128"]"#;

/// Builds the project; returns the component and its name.
pub(super) fn component(args: &BuildArgs) -> Result<(PathBuf, String), Failure> {
    add_target(&args.path)?;
    let built = build(args)?;
    let stem = built.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.replace('_', "-");
    Ok((built, name))
}

/// Adds the target to the toolchain, if rustup manages one and it is not there.
fn add_target(project: &Path) -> Result<(), Failure> {
    let listed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .current_dir(project)
        .output();
    // Without rustup the toolchain is the distribution's own: cargo says what is missing.
    let Ok(listed) = listed else { return Ok(()) };
    let installed = String::from_utf8_lossy(&listed.stdout);
    if !listed.status.success() || installed.lines().any(|line| line.trim() == TARGET) {
        return Ok(());
    }
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "adding the target {TARGET} with rustup");
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(project)
        .status();
    if added.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let why = format!("the target {TARGET} could not be added: run `rustup target add {TARGET}`");
    Err(Failure::new(EXIT_FAILED, why))
}

/// Runs cargo; returns the one component that it made.
fn build(args: &BuildArgs) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let failed = |what: String| Failure::new(EXIT_FAILED, what);
    let mut child = Command::new(cargo)
        .args(["build", "--release", "--target", TARGET])
        .args(["--config", SIMD])
        .arg("--message-format=json-render-diagnostics")
        .args(&args.cargo)
        .current_dir(&args.path)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cargo can't be run: {error}")))?;
    let mut components = Vec::new();
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|error| failed(format!("cargo's answer can't be read: {error}")))?;
            components.extend(made(&line));
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed("cargo could not build it: see above".to_owned()));
    }
    match components.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(failed(
            "cargo built no component: the crate needs crate-type = [\"cdylib\", \"rlib\"]".to_owned(),
        )),
        several => Err(failed(format!(
            "cargo built {} components: name one package with -- -p NAME",
            several.len()
        ))),
    }
}

/// Returns the component that a line of cargo's speaks of, if it does.
fn made(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_one = message["reason"] == "compiler-artifact"
        && message["target"]["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"));
    let files = message["filenames"].as_array().filter(|_| is_one)?;
    files
        .iter()
        .filter_map(Value::as_str)
        .find(|file| file.ends_with(".wasm"))
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_which_file_is_the_component() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"]},"filenames":["/t/libiban.rlib","/t/iban.wasm"]}"#;
        assert_eq!(made(line), Some(PathBuf::from("/t/iban.wasm")));
        for other in [
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"]},"filenames":["/t/serde.rlib"]}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "Compiling",
        ] {
            assert_eq!(made(other), None, "{other}");
        }
    }
}
