//! The path of someone who writes a plugin: new, test, build, check, inspect.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::{kit, tools};
use serde_json::Value;

/// Runs `tidegate plugin` and returns its status, output and errors.
fn plugin(arguments: &[&str], folder: &Path) -> Result<(i32, String, String)> {
    let mut command = Command::new(tools::gateway()?);
    command.arg("plugin").args(arguments).current_dir(folder);
    command.env("CARGO_TARGET_DIR", built()?);
    let output = command.output().context("tidegate plugin")?;
    Ok((
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// One folder for what all projects build: the SDK is the same for each.
fn built() -> Result<std::path::PathBuf> {
    Ok(tools::target()?.join("plugin-projects"))
}

/// Makes a project, tests it natively, builds and checks it.
fn author(kind: &str, config: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let name = format!("first-{kind}");
    let sdk = tools::repository().join("sdk");
    let sdk = sdk.to_str().context("a path in UTF-8")?;
    let (status, said, errors) = plugin(&["new", &name, "--kind", kind, "--sdk", sdk], folder.path())?;
    ensure!(status == 0, "{said}{errors}");
    let project = folder.path().join(&name);
    // The versions that are there already: nothing is fetched.
    fs::copy(tools::repository().join("Cargo.lock"), project.join("Cargo.lock"))?;

    let tests = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--quiet", "--offline"])
        .env("CARGO_TARGET_DIR", built()?)
        .current_dir(&project)
        .output()?;
    ensure!(
        tests.status.success(),
        "{}{}",
        String::from_utf8_lossy(&tests.stdout),
        String::from_utf8_lossy(&tests.stderr)
    );

    let (status, said, errors) = plugin(&["build", "--", "--offline"], &project)?;
    ensure!(status == 0, "{said}{errors}");
    let component = format!("{name}.wasm");
    ensure!(said.contains(kind) && said.contains(&name), "{said}");

    let (status, said, errors) = plugin(&["check", &component, "--config", config], &project)?;
    ensure!(status == 0, "{said}{errors}");
    ensure!(said.starts_with(&format!("ok: {kind} {name} 0.1.0\n")), "{said}");
    ensure!(!said.contains("not packed"), "{said}");

    match kind {
        "masker" => kit::ACCOUNT.hold(&project.join(&component))?,
        "classifier" => kit::WATCHED.hold(&project.join(&component))?,
        _ => {}
    }

    let (status, said, _) = plugin(&["inspect", &component, "--json"], &project)?;
    let found: Value = serde_json::from_str(&said)?;
    ensure!(status == 0 && found["manifest"]["name"] == *name, "{said}");
    ensure!(found["refused_imports"] == Value::Array(Vec::new()), "{said}");
    Ok(())
}

#[test]
fn a_new_masker_passes_its_own_tests_builds_and_would_be_loaded() -> Result<()> {
    author("masker", r#"{"tag": "pii.account", "keep": 4}"#)
}

#[test]
fn a_new_classifier_passes_its_own_tests_builds_and_would_be_loaded() -> Result<()> {
    author("classifier", r#"{"watched": ["salaries"]}"#)
}

const REMOTE: &str = r#"{"url": "https://example.com/in", "token": "secret://token"}"#;

#[test]
fn a_new_exporter_passes_its_own_tests_builds_and_would_be_loaded() -> Result<()> {
    author("exporter", REMOTE)
}

#[test]
fn a_new_approver_passes_its_own_tests_builds_and_would_be_loaded() -> Result<()> {
    author("approver", REMOTE)
}

#[test]
fn a_check_says_the_first_thing_wrong_in_one_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redact = tools::component("redact")?;
    let sockets = tools::guest("masker_sockets")?;
    let text = folder.path().join("text.wasm");
    fs::write(&text, "no component")?;
    for (file, config, words) in [
        (&redact, r#"{"pii.ssn": "keep-lats-4"}"#, "config/pii.ssn: "),
        (&redact, "[]", "an object is expected"),
        (&sockets, "{}", "which maskers may not have"),
        (&text, "{}", "is not a WebAssembly component"),
    ] {
        let path = file.to_str().context("a path in UTF-8")?;
        let (status, _, errors) = plugin(&["check", path, "--config", config], folder.path())?;
        ensure!(status == 1 && errors.contains(words), "{status} {errors}");
        ensure!(errors.lines().count() == 1, "{errors}");
    }
    Ok(())
}

#[test]
fn a_packed_component_with_one_byte_changed_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redact = tools::component("redact")?;
    let redact = redact.to_str().context("a path in UTF-8")?;
    let (status, _, errors) = plugin(&["pack", redact, "--output", "packed.wasm"], folder.path())?;
    ensure!(status == 0, "{errors}");
    let path = folder.path().join("packed.wasm");
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes)?;
    let (status, _, errors) = plugin(&["check", "packed.wasm"], folder.path())?;
    ensure!(status == 1, "{status} {errors}");
    Ok(())
}

#[test]
fn a_signed_component_is_taken_and_with_one_byte_changed_it_is_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::copy(tools::component("redact")?, folder.path().join("redact.wasm"))?;
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    fs::write(folder.path().join("plugins.key"), pair.serialize_pem())?;
    fs::write(folder.path().join("plugins.pem"), pair.public_key_pem())?;
    let verify = ["verify", "redact.wasm", "--key", "plugins.pem"];

    let (status, _, errors) = plugin(&verify, folder.path())?;
    ensure!(
        status == 1 && errors.contains("a signature is required"),
        "{errors}"
    );
    let (status, _, errors) = plugin(&["sign", "redact.wasm", "--key", "plugins.key"], folder.path())?;
    ensure!(status == 0, "{errors}");
    let (status, said, errors) = plugin(&verify, folder.path())?;
    ensure!(status == 0 && said.starts_with("ok: key "), "{said}{errors}");

    // A byte of a vector: a component still, but not the one that was signed.
    let path = folder.path().join("redact.wasm");
    let mut bytes = fs::read(&path)?;
    let place = bytes.windows(9).rposition(|window| window == b"keep-last");
    bytes[place.context("redact knows keep-last")?] ^= 1;
    fs::write(&path, bytes)?;
    let (status, _, errors) = plugin(&verify, folder.path())?;
    ensure!(
        status == 1 && errors.contains("no signature of a trusted key"),
        "{errors}"
    );
    Ok(())
}
