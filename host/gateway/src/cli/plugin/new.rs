//! `tidegate plugin new`: a project that builds, has tests and a README of its own.

use std::path::{Path, PathBuf};

use super::{Language, NewArgs, print};
use crate::cli::terminal::{Failure, escape};
use crate::cli::{EXIT_FAILED, EXIT_USAGE};
use crate::config::PluginKind;

/// The contract's limit for a plugin's name.
const NAME_BYTES_MAX: usize = 64;

/// What a project starts with.
struct Template {
    kind: PluginKind,
    /// Where each file goes, and its text.
    files: Vec<(&'static str, &'static str)>,
    summary: &'static str,
    /// A configuration that it takes, for the README's commands.
    config: &'static str,
    /// The same as TOML.
    config_toml: &'static str,
    /// What to do in the folder before `tidegate plugin build`.
    test: &'static str,
}

/// Takes a text of the folder of templates.
macro_rules! text {
    ($path:literal) => {
        include_str!(concat!("new/", $path))
    };
}

/// What both kinds that send requests take.
const REMOTE: (&str, &str) = (
    r#"{"url": "https://example.com/in", "token": "secret://token"}"#,
    r#"{ url = "https://example.com/in", token = "secret://token" }"#,
);

impl Template {
    fn new(kind: PluginKind, lang: Language) -> Self {
        let (summary, (config, config_toml)) = match (kind, lang) {
            (PluginKind::Masker, Language::Rust) => (
                "Hides values but for their end.",
                (
                    r#"{"tag": "pii.account", "keep": 4}"#,
                    r#"{ tag = "pii.account", keep = 4 }"#,
                ),
            ),
            (PluginKind::Masker, _) => (
                "Hides badge numbers but for their end.",
                (r#"{"keep": 2}"#, "{ keep = 2 }"),
            ),
            (PluginKind::Classifier, _) => (
                "Remarks the use of watched tables.",
                (r#"{"watched": ["salaries"]}"#, r#"{ watched = ["salaries"] }"#),
            ),
            (PluginKind::Exporter, _) => ("Posts the journal's entries to an address.", REMOTE),
            (PluginKind::Approver, _) => ("Posts questions to an address.", REMOTE),
        };
        let mut files = match lang {
            Language::Rust => rust(kind),
            Language::Python => python(kind),
            Language::Js => js(kind),
        };
        files.push((
            "vectors.json",
            match (kind, lang) {
                (PluginKind::Masker, Language::Rust) => text!("vectors/account.json"),
                (PluginKind::Masker, _) => text!("vectors/badges.json"),
                (PluginKind::Classifier, _) => text!("vectors/classifier.json"),
                (PluginKind::Exporter, _) => text!("vectors/exporter.json"),
                (PluginKind::Approver, _) => text!("vectors/approver.json"),
            },
        ));
        Self {
            kind,
            files,
            summary,
            config,
            config_toml,
            test: match lang {
                Language::Rust => "cargo test",
                Language::Python => "PYTHONPATH=\"{{sdk}}/python\" python3 -m unittest",
                Language::Js => "npm install && npm test",
            },
        }
    }
}

fn rust(kind: PluginKind) -> Vec<(&'static str, &'static str)> {
    let (library, schema) = match kind {
        PluginKind::Masker => (text!("rust/masker.rs"), text!("rust/masker.json")),
        PluginKind::Classifier => (text!("rust/classifier.rs"), text!("rust/classifier.json")),
        PluginKind::Exporter => (text!("rust/exporter.rs"), text!("rust/exporter.json")),
        PluginKind::Approver => (text!("rust/approver.rs"), text!("rust/approver.json")),
    };
    vec![
        ("Cargo.toml", text!("rust/Cargo.toml.txt")),
        ("README.md", text!("rust/README.md.txt")),
        ("src/lib.rs", library),
        ("src/schema.json", schema),
        (".gitignore", "/target\n"),
    ]
}

fn python(kind: PluginKind) -> Vec<(&'static str, &'static str)> {
    let (app, test) = match kind {
        PluginKind::Masker => (text!("python/masker.py"), text!("python/masker_test.py")),
        PluginKind::Classifier => (text!("python/classifier.py"), text!("python/classifier_test.py")),
        PluginKind::Exporter => (text!("python/exporter.py"), text!("python/exporter_test.py")),
        PluginKind::Approver => (text!("python/approver.py"), text!("python/approver_test.py")),
    };
    vec![
        ("pyproject.toml", text!("python/pyproject.toml.txt")),
        ("README.md", text!("python/README.md.txt")),
        ("app.py", app),
        ("test_app.py", test),
        (".gitignore", "/build\n__pycache__/\n"),
    ]
}

fn js(kind: PluginKind) -> Vec<(&'static str, &'static str)> {
    let (app, test) = match kind {
        PluginKind::Masker => (text!("js/masker.js"), text!("js/masker.test.js")),
        PluginKind::Classifier => (text!("js/classifier.js"), text!("js/classifier.test.js")),
        PluginKind::Exporter => (text!("js/exporter.js"), text!("js/exporter.test.js")),
        PluginKind::Approver => (text!("js/approver.js"), text!("js/approver.test.js")),
    };
    vec![
        ("package.json", text!("js/package.json.txt")),
        (".npmrc", text!("js/npmrc.txt")),
        ("README.md", text!("js/README.md.txt")),
        ("app.js", app),
        ("app.test.js", test),
        (".gitignore", "/build\n/node_modules\n"),
    ]
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
    let template = Template::new(args.kind, args.lang);
    for (path, text) in &template.files {
        write(&folder.join(path), &filled(text, name, &sdk, &template))?;
    }
    let shown = escape(&folder.display().to_string());
    let test = filled(template.test, name, &sdk, &template);
    print(&format!(
        "{shown}: a {} in {}\n\n  cd {shown}\n  {}\n  tidegate plugin build\n",
        args.kind.label(),
        args.lang.label(),
        escape(&test),
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

/// Returns where the folder `sdk` is: as told, else in the source tree that the working folder or
/// this program stands in.
fn sdk(told: Option<&Path>) -> Result<PathBuf, Failure> {
    let is_sdk = |folder: &Path| {
        folder.join("rust/src/masker.rs").is_file() && folder.join("wit/worlds.wit").is_file()
    };
    let found = match told {
        Some(folder) => is_sdk(folder).then(|| folder.to_owned()),
        None => [std::env::current_dir(), std::env::current_exe()]
            .into_iter()
            .flatten()
            .find_map(|start| {
                let above = start.ancestors().map(|folder| folder.join("sdk"));
                above.into_iter().find(|folder| is_sdk(folder))
            }),
    };
    let found = found.ok_or_else(|| {
        let why = "the SDK was not found: name it with --sdk, the folder sdk of Tidegate's sources";
        Failure::new(EXIT_USAGE, why)
    })?;
    std::fs::canonicalize(&found).map_err(|error| Failure::of_file(&found, &error))
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
    let failed = |error: std::io::Error| Failure::of_file(path, &error);
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
    fn every_template_is_filled_whole_and_its_vectors_read() {
        for kind in [
            PluginKind::Masker,
            PluginKind::Classifier,
            PluginKind::Exporter,
            PluginKind::Approver,
        ] {
            for lang in [Language::Rust, Language::Python, Language::Js] {
                let template = Template::new(kind, lang);
                for (path, text) in &template.files {
                    let text = filled(text, "iban-mask", Path::new("sdk"), &template);
                    assert!(!text.contains("{{"), "{path}: {text}");
                    if path.ends_with("vectors.json") {
                        let kind = serde_json::from_value(kind.label().into()).expect("the same kinds");
                        let vectors = plugin::vector::Vector::parse(text.as_bytes(), kind);
                        assert!(vectors.is_ok_and(|vectors| !vectors.is_empty()), "{path}");
                    }
                }
                let config: Result<serde_json::Value, _> = serde_json::from_str(template.config);
                assert!(config.is_ok(), "{}", template.kind.label());
            }
        }
    }
}
