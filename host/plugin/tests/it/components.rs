//! Builds the components once and loads them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use model::mask::{CellFormat, Column, Field, Shape};
use model::{PluginName, Principal, PrincipalKind, ResourceName, Tag};
use plugin::{Kind, LoadError, PluginConfig, Plugins, SessionInfo};

const TARGET: &str = "wasm32-wasip2";

/// Returns cargo's target folder: the one this program was built into.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let tagged = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    tagged.expect("tests stand in a target folder").to_owned()
}

fn build(arguments: &[&str]) {
    // A test's output is captured; this takes a minute the first time and should be seen.
    let what = arguments.join(" ");
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("building components: {what}\n").as_bytes(),
    )
    .unwrap();
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args([
            "build",
            "--quiet",
            "--profile",
            "component",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target())
        .args(arguments)
        .status()
        .unwrap();
    assert!(built.success(), "components do not build: {what}");
}

/// Returns the component of a first-party plugin, packed.
pub(crate) fn first_party(name: &str) -> PathBuf {
    packed(&bare(name))
}

/// Returns the component of a first-party plugin as the compiler made it.
pub(crate) fn bare(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        build(&[
            "-p",
            "redact",
            "-p",
            "pii-scan",
            "-p",
            "sql-risk",
            "-p",
            "splunk-hec",
            "-p",
            "webhook-approver",
            "-p",
            "slack-approver",
        ]);
    });
    let file = format!("{}.wasm", name.replace('-', "_"));
    target().join(TARGET).join("component").join(file)
}

/// Returns a broken component of `tests/guests`, packed if that can be done at all.
pub(crate) fn broken(name: &str) -> PathBuf {
    packed(&bare_broken(name))
}

/// Packs a component once: compiling it takes a second, and every test is a process.
fn packed(bare: &Path) -> PathBuf {
    let stem = bare.file_stem().unwrap().to_string_lossy();
    let folder = cache().join("packed").join(hex::encode(sha256(bare)));
    let path = folder.join(format!("{stem}.wasm"));
    if path.is_file() {
        return path;
    }
    let source = bare.to_owned();
    // The test's own runtime can't wait for another one on the same thread.
    let packing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(plugin::pack(&source, b"[]"))
    });
    let Ok((bytes, _)) = packing.join().unwrap() else {
        return bare.to_owned();
    };
    std::fs::create_dir_all(&folder).unwrap();
    let fresh = folder.join(format!(".{}", std::process::id()));
    std::fs::write(&fresh, bytes).unwrap();
    std::fs::rename(&fresh, &path).unwrap();
    path
}

/// Returns a broken component as the compiler made it.
pub(crate) fn bare_broken(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["-p", "guests", "--examples"]));
    target()
        .join(TARGET)
        .join("component/examples")
        .join(format!("{name}.wasm"))
}

/// Returns where the tests keep compiled components: compiling them anew takes seconds each.
pub(crate) fn cache() -> PathBuf {
    target().join("plugin-tests")
}

/// Returns a configuration of a plugin that was built.
pub(crate) fn config(name: &str, kind: Kind, source: PathBuf, config: serde_json::Value) -> PluginConfig {
    let mut made = PluginConfig::new(PluginName::new(name), kind, source);
    made.config = config;
    // The machine that runs the tests may be busy; what a deadline does has its own tests.
    made.limits.deadline = std::time::Duration::from_secs(5);
    made
}

pub(crate) async fn load(configs: Vec<PluginConfig>) -> Plugins {
    try_load(configs)
        .await
        .unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

pub(crate) async fn try_load(configs: Vec<PluginConfig>) -> Result<Plugins, Vec<LoadError>> {
    Plugins::load(configs, Some(&cache())).await
}

/// Returns load errors as an operator reads them.
pub(crate) fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(|error| format!("{error}\n")).collect()
}

pub(crate) fn name(name: &str) -> PluginName {
    PluginName::new(name)
}

/// Returns a shape of text fields with these tags, each field named as its tag.
pub(crate) fn shape(tags: &[&str]) -> Shape {
    let field = |tag: &&str| Field {
        name: if tag.is_empty() {
            "plain".to_owned()
        } else {
            (*tag).to_owned()
        },
        origin: format!("public.customers.{tag}"),
        native_type: "text".to_owned(),
        format: CellFormat::Utf8,
        tags: if tag.is_empty() {
            Vec::new()
        } else {
            vec![Tag::new(*tag)]
        },
    };
    Shape {
        fields: tags.iter().map(field).collect(),
    }
}

/// Returns a column of these cells.
pub(crate) fn column(cells: &[Option<&str>]) -> Column {
    let mut column = Column::default();
    for cell in cells {
        column.push(cell.map(str::as_bytes));
    }
    column
}

pub(crate) fn session() -> SessionInfo {
    let principal = Principal {
        identity: "test".to_owned(),
        issuer: "https://idp.example".to_owned(),
        subject: "agent-7".to_owned(),
        groups: vec!["analysts".to_owned()],
        kind: PrincipalKind::Agent,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    };
    SessionInfo::new(&principal, ResourceName::new("customers"), "postgres")
}

pub(crate) fn sha256(path: &Path) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(std::fs::read(path).unwrap()).into()
}
