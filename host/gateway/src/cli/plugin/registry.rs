//! `tidegate plugin push`, `pull`, `save` and `load`: components in registries and archives.

use plugin::inspect;
use plugin::signature::signatures_of;

use super::pack::write;
use super::{LoadArgs, PullArgs, PushArgs, SaveArgs, print};
use crate::cli::terminal::{Failure, escape, moment};
use crate::cli::{EXIT_FAILED, EXIT_IO, EXIT_USAGE};
use crate::clock;
use crate::config::Config;
use crate::plugins::oci::{self, Artifact, OciError, Registry, Store};

/// The largest file of signatures: some dozens.
const SIGNATURES_BYTES_MAX: u64 = 256 << 10;

pub(super) async fn push(args: &PushArgs) -> Result<(), Failure> {
    if args.reference.digest().is_some() {
        let why = "a component is brought under a tag, e.g. oci://registry.corp/gate/pii:1.0; its digest is what comes of it";
        return Err(Failure::new(EXIT_USAGE, why));
    }
    let found = inspect(&args.file).map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    if found.frozen.is_none() {
        let why = format!(
            "{} was never packed: run `tidegate plugin pack`",
            args.file.display()
        );
        return Err(Failure::new(EXIT_FAILED, why));
    }
    let wasm = super::trial::read(&args.file, plugin::COMPONENT_BYTES_MAX)?;
    let place = signatures_of(&args.file);
    let signatures = place
        .is_file()
        .then(|| super::trial::read(&place, SIGNATURES_BYTES_MAX))
        .transpose()?;
    let signatures = signatures.map(|text| String::from_utf8_lossy(&text).into_owned());
    let artifact = Artifact::new(wasm, &found, signatures, &moment(clock::unix_us()));
    let pushed = Registry::of(&args.reference).push(&artifact).await;
    let pushed = pushed.map_err(|error| failure(&error))?;
    print(&format!("{}\n", escape(&pushed.to_string())))
}

pub(super) async fn pull(args: &PullArgs) -> Result<(), Failure> {
    let artifact = Registry::of(&args.reference).pull().await;
    let artifact = artifact.map_err(|error| failure(&error))?;
    write(&args.output, &artifact.wasm)?;
    let signatures = artifact.signatures().map_err(|error| failure(&error))?;
    if let Some(signatures) = signatures {
        write(&signatures_of(&args.output), signatures.as_bytes())?;
    }
    let reference = args.reference.at(&artifact.digest());
    print(&format!("{}\n", escape(&reference.to_string())))
}

pub(super) async fn save(args: &SaveArgs) -> Result<(), Failure> {
    let mut artifacts = Vec::with_capacity(args.references.len());
    let mut said = String::new();
    for reference in &args.references {
        let artifact = Registry::of(reference).pull().await;
        let artifact = artifact.map_err(|error| failure(&error))?;
        said.push_str(&escape(&reference.at(&artifact.digest()).to_string()));
        said.push('\n');
        artifacts.push(artifact);
    }
    let mut archive = Vec::new();
    oci::save(&artifacts, &mut archive).map_err(|error| Failure::of_file(&args.output, &error))?;
    write(&args.output, &archive)?;
    print(&said)
}

pub(super) async fn load(args: &LoadArgs) -> Result<(), Failure> {
    let file = std::fs::File::open(&args.file).map_err(|error| Failure::of_file(&args.file, &error))?;
    let artifacts = oci::load(file).map_err(|error| failure(&error))?;
    let mut said = String::new();
    if let Some(reference) = &args.to {
        for artifact in &artifacts {
            // Each under a tag of its own: registries forget what has none.
            let digest = artifact.digest();
            let tagged = reference.tagged(&format!("sha256-{digest}"));
            let pushed = Registry::of(&tagged).push(artifact).await;
            let pushed = pushed.map_err(|error| failure(&error))?;
            said.push_str(&format!("{}\n", escape(&pushed.to_string())));
        }
        return print(&said);
    }
    let config = Config::load(&args.config).map_err(|faults| Failure::of(EXIT_FAILED, &faults))?;
    let store = Store::beside(&config.state.database);
    for artifact in &artifacts {
        let stored = store.put(artifact).map_err(|error| failure(&error))?;
        let path = escape(&stored.path.display().to_string());
        said.push_str(&format!("@sha256:{} {path}\n", artifact.digest()));
    }
    print(&said)
}

fn failure(error: &OciError) -> Failure {
    let status = match error {
        OciError::File { .. } => EXIT_IO,
        _ => EXIT_FAILED,
    };
    Failure::of(status, error)
}
