//! `tidegate check`: everything that can be known to be wrong before serving.
//!
//! Reads files and variables, connects nowhere.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, ConfigFault, KeySource, MaskingKey};
use crate::identity::Identity;
use crate::policy::{Names, Policy};
use crate::secret::SecretRef;

/// What a check found.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// Whether the gateway could serve with this configuration.
    pub ok: bool,
    /// Everything that keeps it from serving.
    pub faults: Vec<ConfigFault>,
    /// What is allowed but unwise.
    pub warnings: Vec<ConfigFault>,
    /// What was checked, in one line; empty if there are faults.
    pub summary: String,
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        if self.ok {
            writeln!(f, "ok: {}", self.summary)
        } else {
            let s = if self.faults.len() == 1 { "" } else { "s" };
            writeln!(f, "{} fault{s}", self.faults.len())
        }
    }
}

/// Checks the configuration in `file` and all it names; `now` in seconds of Unix time.
pub async fn check(file: &Path, now: u64) -> CheckReport {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(faults) => return report(faults.0, Vec::new(), String::new()),
    };
    let mut faults = Vec::new();
    let mut policies = 0;
    match Policy::load(&config.policy_files, &Names::of(&config)) {
        Ok(policy) => policies = policy.len(),
        Err(wrong) => faults.extend(wrong.0),
    }
    let mut found = Found {
        file,
        faults: &mut faults,
    };
    found.secrets(&config);
    found.files(&config);
    found.plugins(&config);
    found.keys(&config, now).await;
    let summary = format!(
        "{} resources, {} identity providers, {policies} policies, {} tags, {} plugins",
        config.resources.len(),
        config.identities.len(),
        config.tags.len(),
        config.plugins.len()
    );
    report(faults, config.warnings, summary)
}

fn report(faults: Vec<ConfigFault>, warnings: Vec<ConfigFault>, summary: String) -> CheckReport {
    let ok = faults.is_empty();
    CheckReport {
        ok,
        faults,
        warnings,
        summary: if ok { summary } else { String::new() },
    }
}

/// Collects what is wrong with the things the configuration names.
struct Found<'a> {
    file: &'a Path,
    faults: &'a mut Vec<ConfigFault>,
}

impl Found<'_> {
    fn add(&mut self, key: String, problem: impl Into<String>, remedy: &str) {
        self.faults.push(ConfigFault {
            file: self.file.to_owned(),
            line: 0,
            key,
            problem: problem.into(),
            remedy: remedy.to_owned(),
        });
    }

    fn secrets(&mut self, config: &Config) {
        for identity in &config.identities {
            if let Some(asked) = &identity.introspection {
                let key = format!("identity[{}].introspection.client_secret", identity.name);
                self.secret(key, &asked.client_secret);
            }
        }
        for resource in &config.resources {
            for (key, secret) in resource.secrets() {
                self.secret(format!("resource[{}].{key}", resource.name), secret);
            }
        }
        for plugin in &config.plugins {
            for (name, secret) in &plugin.secrets {
                self.secret(format!("plugin[{}].secrets.{name}", plugin.name), secret);
            }
        }
        // The gateway's own key is made when it first serves, not by a check.
        if matches!(config.masking_key, MaskingKey::Given(_))
            && let Err(error) = config.masking_key.load()
        {
            self.add(
                "masking.key".into(),
                error.to_string(),
                "provide a longer secret there",
            );
        }
    }

    fn secret(&mut self, key: String, secret: &SecretRef) {
        if let Err(error) = secret.resolve() {
            self.add(
                key,
                error.to_string(),
                "provide the secret there, or correct the reference",
            );
        }
    }

    fn files(&mut self, config: &Config) {
        let mut files = Vec::new();
        if let Some(tls) = &config.tls {
            files.push(("tls.certificate".to_owned(), &tls.certificate));
            files.push(("tls.key".to_owned(), &tls.key));
        }
        for resource in &config.resources {
            let named = resource.files().into_iter();
            files.extend(named.map(|(key, path)| (format!("resource[{}].{key}", resource.name), path)));
        }
        for (key, path) in files {
            if let Err(error) = std::fs::File::open(path) {
                let problem = format!("{} could not be opened: {error}", path.display());
                self.add(key, problem, "provide the file, or correct the path");
            }
        }
    }

    fn plugins(&mut self, config: &Config) {
        let trust = crate::plugins::trust(&config.vouching).unwrap_or_else(|error| {
            let remedy = "provide a public key there: PEM, Ed25519 or ECDSA on P-256";
            self.add("plugins.trusted_keys".to_owned(), format!("{error:#}"), remedy);
            plugin::Trust::default()
        });
        for plugin in &config.plugins {
            let key = |key| format!("plugin[{}].{key}", plugin.name);
            // What a registry has is fetched, and held to its digest, when it is loaded.
            let Some(source) = plugin.source.file() else {
                continue;
            };
            let bytes = match std::fs::read(source) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let problem = format!("{} could not be read: {error}", source.display());
                    self.add(key("source"), problem, "build or fetch the component");
                    continue;
                }
            };
            if !bytes.starts_with(b"\0asm") {
                let problem = format!("{} is not a WebAssembly component", source.display());
                self.add(key("source"), problem, "name the built .wasm file");
            }
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            if let Err(error) = plugin::signature::check(&trust, source, &digest) {
                let remedy = "have the component signed by a key that is trusted";
                self.add(key("source"), error.to_string(), remedy);
            }
            if plugin.sha256.is_some_and(|pinned| pinned != digest) {
                let problem = format!("the file has another digest: {}", hex::encode(digest));
                self.add(
                    key("sha256"),
                    problem,
                    "find out why; pin the new digest only if you trust the file",
                );
            }
        }
    }

    /// Reads the keys that lie in files; the others are fetched while serving.
    async fn keys(&mut self, config: &Config, now: u64) {
        for provider in &config.identities {
            let identity = match Identity::new(std::slice::from_ref(provider)) {
                Ok(identity) => identity,
                Err(error) => {
                    let key = format!("identity[{}].root_certificate", provider.name);
                    self.add(key, error.to_string(), "name a PEM file of certificates");
                    continue;
                }
            };
            if matches!(provider.keys, KeySource::Discovery(_)) {
                continue;
            }
            for (name, error) in identity.warm(now).await {
                self.add(
                    format!("identity[{name}].jwks"),
                    error.to_string(),
                    "provide the provider's public keys as a JWKS",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
[listen]
postgres = "127.0.0.1:0"
insecure_plaintext = true
[[identity]]
name = "corp"
issuer = "https://idp.example.com"
audience = "tidegate"
jwks = "file:jwks.json"
[[resource]]
name = "customers"
kind = "postgres"
upstream = "postgres://localhost/customers?sslmode=disable"
login = { user = "app", password = "file:password" }
maskers = ["redact"]
[[plugin]]
name = "redact"
kind = "masker"
source = "file:redact.wasm"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[policy]
files = ["*.cedar"]
"#;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("tidegate.toml", CONFIG);
        write("main.cedar", "permit (principal, action, resource);");
        folder
    }

    #[tokio::test]
    async fn everything_missing_is_told_at_once() {
        let folder = folder();
        let file = folder.path().join("tidegate.toml");
        let report = check(&file, 0).await;
        assert!(!report.ok);
        let keys: Vec<&str> = report.faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "resource[customers].login.password",
                "plugin[redact].source",
                "identity[corp].jwks"
            ]
        );
        assert!(report.to_string().ends_with("3 faults\n"));
    }

    #[tokio::test]
    async fn a_sound_configuration_is_ok_and_a_swapped_plugin_is_not() {
        let folder = folder();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("password", "x");
        write("redact.wasm", "\0asm");
        // Any point of the right length reads; only a signature would tell.
        let zeros = "A".repeat(43);
        write(
            "jwks.json",
            &format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{zeros}","y":"{zeros}"}}]}}"#),
        );
        let file = folder.path().join("tidegate.toml");
        let report = check(&file, 0).await;
        assert_eq!(report.faults.len(), 1, "{report}");
        assert!(
            report.faults[0]
                .problem
                .starts_with("the file has another digest")
        );

        let digest = hex::encode(Sha256::digest("\0asm"));
        write("tidegate.toml", &CONFIG.replace(&"0".repeat(64), &digest));
        let report = check(&file, 0).await;
        assert_eq!(
            report.to_string(),
            "ok: 1 resources, 1 identity providers, 1 policies, 0 tags, 1 plugins\n"
        );
    }
}
