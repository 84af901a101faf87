//! `tidegate plugin new`: a project that builds, has tests and a README of its own.

use std::path::{Path, PathBuf};

use super::{NewArgs, print};
use crate::cli::terminal::{Failure, escape};
use crate::cli::{EXIT_FAILED, EXIT_IO, EXIT_USAGE};
use crate::config::PluginKind;

/// The contract's limit for a plugin's name.
const NAME_BYTES_MAX: usize = 64;

/// What a kind's project starts with.
struct Template {
    kind: PluginKind,
    library: &'static str,
    schema: &'static str,
    summary: &'static str,
    /// A configuration that it takes, for the README's commands.
    config: &'static str,
    /// The same as TOML.
    config_toml: &'static str,
}

const MANIFEST: &str = include_str!("new/rust/Cargo.toml.txt");
const README: &str = include_str!("new/rust/README.md.txt");

/// What both kinds that send requests take.
const REMOTE: (&str, &str) = (
    r#"{"url": "https://example.com/in", "token": "secret://token"}"#,
    r#"{ url = "https://example.com/in", token = "secret://token" }"#,
);

const fn template(kind: PluginKind) -> Template {
    match kind {
        PluginKind::Masker => Template {
            kind,
            library: include_str!("new/rust/masker.rs"),
            schema: include_str!("new/rust/masker.json"),
            summary: "Hides values but for their end.",
            config: r#"{"tag": "pii.account", "keep": 4}"#,
            config_toml: r#"{ tag = "pii.account", keep = 4 }"#,
        },
        PluginKind::Classifier => Template {
            kind,
            library: include_str!("new/rust/classifier.rs"),
            schema: include_str!("new/rust/classifier.json"),
            summary: "Remarks the use of watched tables.",
            config: r#"{"watched": ["salaries"]}"#,
            config_toml: r#"{ watched = ["salaries"] }"#,
        },
        PluginKind::Exporter => Template {
            kind,
            library: include_str!("new/rust/exporter.rs"),
            schema: include_str!("new/rust/exporter.json"),
            summary: "Posts the journal's entries to an address.",
            config: REMOTE.0,
            config_toml: REMOTE.1,
        },
        PluginKind::Approver => Template {
            kind,
            library: include_str!("new/rust/approver.rs"),
            schema: include_str!("new/rust/approver.json"),
            summary: "Posts questions to an address.",
            config: REMOTE.0,
            config_toml: REMOTE.1,
        },
    }
}

pub(super) fn run(args: &NewArgs) -> Result<(), Failure> {
    let name = &args.name;
    check_name(name)?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(name));
    if folder.exists() {
        let why = format!("{} is there already; name another with --path", folder.display());
        return Err(Failure::new(EXIT_FAILED, why));
    }
    let sdk = sdk(args.sdk.as_deref())?;
    let template = template(args.kind);
    for (path, text) in [
        ("Cargo.toml", MANIFEST),
        ("README.md", README),
        ("src/lib.rs", template.library),
        ("src/schema.json", template.schema),
        (".gitignore", "/target\n"),
    ] {
        write(&folder.join(path), &filled(text, name, &sdk, &template))?;
    }
    let shown = escape(&folder.display().to_string());
    print(&format!(
        "{shown}: a {} in Rust\n\n  cd {shown}\n  cargo test\n  tidegate plugin build\n",
        args.kind.label()
    ))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let sound = name.len() <= NAME_BYTES_MAX
        && name.bytes().all(fits)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--");
    if sound {
        return Ok(());
    }
    let why = format!(
        "\"{name}\" is no name of a plugin: a letter, then letters, digits and single -, e.g. \"iban-mask\""
    );
    Err(Failure::new(EXIT_USAGE, why))
}

/// Returns where the SDK is: as told, else in the source tree that the working folder or this
/// program stands in.
fn sdk(told: Option<&Path>) -> Result<PathBuf, Failure> {
    let is_sdk =
        |folder: &Path| folder.join("Cargo.toml").is_file() && folder.join("src/masker.rs").is_file();
    let found = match told {
        Some(folder) => is_sdk(folder).then(|| folder.to_owned()),
        None => [std::env::current_dir(), std::env::current_exe()]
            .into_iter()
            .flatten()
            .find_map(|start| {
                let above = start.ancestors().map(|folder| folder.join("sdk/rust"));
                above.into_iter().find(|folder| is_sdk(folder))
            }),
    };
    let found = found.ok_or_else(|| {
        let why = "the SDK was not found: name it with --sdk, the folder sdk/rust of Tidegate's sources";
        Failure::new(EXIT_USAGE, why)
    })?;
    std::fs::canonicalize(&found)
        .map_err(|error| Failure::new(EXIT_IO, format!("{}: {error}", found.display())))
}

fn filled(text: &str, name: &str, sdk: &Path, template: &Template) -> String {
    let toml_path = sdk
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    text.replace("{{name}}", name)
        .replace("{{Name}}", &type_name(name))
        .replace("{{kind}}", template.kind.label())
        .replace("{{summary}}", template.summary)
        .replace("{{config_toml}}", template.config_toml)
        .replace("{{config}}", template.config)
        .replace("{{sdk}}", &toml_path)
}

/// Returns the name as Rust names types: `iban-mask` is `IbanMask`.
fn type_name(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(EXIT_IO, format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_types_and_what_is_no_name_is_refused() {
        assert_eq!(type_name("iban-mask"), "IbanMask");
        for good in ["a", "iban-mask", "x9"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "9a",
            "Iban",
            "a b",
            "../a",
            &"a".repeat(65),
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_template_is_filled_whole_and_its_schema_reads() {
        for kind in [
            PluginKind::Masker,
            PluginKind::Classifier,
            PluginKind::Exporter,
            PluginKind::Approver,
        ] {
            let template = template(kind);
            for text in [MANIFEST, README, template.library, template.schema] {
                let text = filled(text, "iban-mask", Path::new("sdk"), &template);
                assert!(!text.contains("{{"), "{text}");
            }
            let schema: Result<serde_json::Value, _> = serde_json::from_str(template.schema);
            assert!(schema.is_ok(), "{}", template.kind.label());
            let config: Result<serde_json::Value, _> = serde_json::from_str(template.config);
            assert!(config.is_ok(), "{}", template.kind.label());
        }
    }
}
