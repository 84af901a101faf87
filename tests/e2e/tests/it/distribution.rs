//! Components go to registries and come from there, and every part is held to its digest.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::registry::Registry;
use e2e::tools::{self, Version};

use crate::Stage;

/// Runs `tidegate plugin` in a folder; returns whether it went well, and all that it said.
fn plugin(folder: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new(tools::gateway()?);
    let output = command
        .arg("plugin")
        .args(arguments)
        .current_dir(folder)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).trim().to_owned(),
    ))
}

fn done(folder: &Path, arguments: &[&str]) -> Result<String> {
    let (well, said) = plugin(folder, arguments)?;
    ensure!(well, "{arguments:?}: {said}");
    Ok(said)
}

/// A folder with redact, signed, and a registry that has it.
struct Site {
    folder: tempfile::TempDir,
    registry: Registry,
    /// By its digest.
    reference: String,
}

impl Site {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let place = folder.path();
        fs::copy(tools::component("redact")?, place.join("redact.wasm"))?;
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        fs::write(place.join("plugins.key"), pair.serialize_pem())?;
        fs::write(place.join("plugins.pem"), pair.public_key_pem())?;
        done(place, &["sign", "redact.wasm", "--key", "plugins.key"])?;
        let registry = Registry::start()?;
        let tagged = registry.reference("gate/redact:1.0");
        let reference = done(place, &["push", "redact.wasm", &tagged])?;
        ensure!(reference.contains("/gate/redact@sha256:"), "{reference}");
        Ok(Self {
            folder,
            registry,
            reference,
        })
    }

    /// Has a stage's gateway take redact from here, signed and by its digest; returns whether it
    /// starts then, and what it says.
    fn serves(&self, home: &e2e::gateway::Home) -> Result<(bool, String)> {
        let file = home.config();
        let text = fs::read_to_string(&file)?;
        let at = text.find("source = \"file:redact.wasm\"").context("a source")?;
        let end = at + text[at..].find("config =").context("a configuration")?;
        let source = format!("source = {:?}\n", self.reference);
        let trusted = self.folder.path().join("plugins.pem");
        let plugins = format!("\n[plugins]\nrequire_signature = true\ntrusted_keys = [{trusted:?}]\n");
        fs::write(&file, [&text[..at], &source, &text[end..], &plugins].concat())?;
        // All that is loaded needs a signature then.
        let key = self.folder.path().join("plugins.key");
        let key = key.to_str().context("a path in UTF-8")?;
        done(home.folder(), &["sign", "sql-risk.wasm", "--key", key])?;
        let checked = home.command(&["check", "--config", "tidegate.toml"]).output()?;
        let said = [checked.stdout, checked.stderr].concat();
        Ok((
            checked.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        ))
    }
}

#[test]
fn what_was_pushed_is_pulled_byte_for_byte_with_its_signatures() -> Result<()> {
    let site = Site::new()?;
    let place = site.folder.path();
    for from in [&site.registry.reference("gate/redact:1.0"), &site.reference] {
        let said = done(place, &["pull", from, "--output", "pulled.wasm"])?;
        ensure!(said == site.reference, "{said}");
        ensure!(fs::read(place.join("pulled.wasm"))? == fs::read(place.join("redact.wasm"))?);
        done(place, &["verify", "pulled.wasm", "--key", "plugins.pem"])?;
    }
    let digest = "0".repeat(64);
    let other = site.registry.reference(&format!("gate/redact@sha256:{digest}"));
    let (well, said) = plugin(place, &["pull", &other, "--output", "other.wasm"])?;
    ensure!(!well && said.contains(&other), "{said}");
    ensure!(!place.join("other.wasm").exists());
    Ok(())
}

#[test]
fn a_registry_that_gives_something_else_is_not_believed() -> Result<()> {
    let site = Site::new()?;
    let component = site.registry.blob_of(|bytes| bytes.starts_with(b"\0asm"))?;
    let mut bytes = fs::read(&component)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&component, bytes)?;
    let (well, said) = plugin(
        site.folder.path(),
        &["pull", &site.reference, "--output", "pulled.wasm"],
    )?;
    ensure!(!well && said.to_lowercase().contains("digest"), "{said}");
    let manifest = site
        .registry
        .blob_of(|bytes| bytes.windows(9).any(|window| window == b"mediaType"))?;
    fs::write(&manifest, "{}")?;
    let (well, said) = plugin(
        site.folder.path(),
        &["pull", &site.reference, "--output", "pulled.wasm"],
    )?;
    ensure!(!well, "{said}");
    ensure!(!site.folder.path().join("pulled.wasm").exists());
    Ok(())
}

#[test]
fn a_gateway_takes_a_component_from_its_registry_once_and_then_does_without() -> Result<()> {
    let site = Site::new()?;
    let stage = Stage::new(Version::Packaged)?;
    let token = stage.issuer.token("agent-7", &["agents"])?;
    let (_, home) = stage.gateway.stop()?;
    let (well, said) = site.serves(&home)?;
    ensure!(well, "{said}");
    let gateway = home.start()?;
    let masked = |gateway: &e2e::gateway::Gateway| -> Result<()> {
        let answer = gateway
            .target(&token)
            .psql("select ssn from customers where id = 3")?;
        ensure!(answer.rows.trim() == "***-**-0022", "{}", answer.all());
        Ok(())
    };
    masked(&gateway)?;
    site.registry.stop()?;
    let (_, home) = gateway.stop()?;
    let gateway = home.start()?;
    masked(&gateway)?;
    let (_, home) = gateway.stop()?;

    // Without its store and without the registry it does not start, and says which is missing.
    fs::remove_dir_all(home.folder().join("var/plugins"))?;
    let run = home.command(&["serve", "--config", "tidegate.toml"]).output()?;
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    ensure!(!run.status.success() && said.contains(&site.reference), "{said}");
    Ok(())
}

#[test]
fn an_archive_brings_a_component_to_a_site_without_a_registry() -> Result<()> {
    let site = Site::new()?;
    let place = site.folder.path();
    let tagged = site.registry.reference("gate/redact:1.0");
    let said = done(place, &["save", &tagged, "--output", "plugins.tar"])?;
    ensure!(said == site.reference, "{said}");
    let inside = Registry::start()?;
    let said = done(
        place,
        &["load", "plugins.tar", "--to", &inside.reference("mirror/plugins")],
    )?;
    let digest = site.reference.split_once('@').context("a digest")?.1;
    ensure!(
        said == inside.reference(&format!("mirror/plugins@{digest}")),
        "{said}"
    );
    done(place, &["pull", &said, "--output", "mirrored.wasm"])?;
    ensure!(fs::read(place.join("mirrored.wasm"))? == fs::read(place.join("redact.wasm"))?);

    let stage = Stage::new(Version::Packaged)?;
    let token = stage.issuer.token("agent-7", &["agents"])?;
    let (_, home) = stage.gateway.stop()?;
    let (well, said) = site.serves(&home)?;
    ensure!(well, "{said}");
    let archive = place.join("plugins.tar");
    let archive = archive.to_str().context("a path in UTF-8")?;
    let load = ["plugin", "load", archive, "--config", "tidegate.toml"];
    let loaded = tools::output(&mut home.command(&load))?;
    ensure!(loaded.contains(digest), "{loaded}");
    site.registry.stop()?;
    let gateway = home.start()?;
    let answer = gateway
        .target(&token)
        .psql("select ssn from customers where id = 3")?;
    ensure!(answer.rows.trim() == "***-**-0022", "{}", answer.all());
    Ok(())
}
