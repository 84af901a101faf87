//! What only an SSH resource has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::PublicKey;
use url::Url;

use super::super::quantity::{duration, text};
use super::super::report::{Problem, problem};
use super::super::section::Section;
use super::super::settings::{choice, secret};
use super::http::UnknownContent;
use crate::secret::SecretRef;

/// What only an SSH resource has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SshConfig {
    /// A host name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The keys by which the host is known.
    pub host_keys: Vec<PublicKey>,
    /// Authorities that vouch for the host's key by a certificate for [`SshConfig::host`].
    pub host_authorities: Vec<PublicKey>,
    /// The accounts on the host; the first is meant where a client names none.
    pub accounts: Vec<SshAccount>,
    /// Whether only commands may be run: no shell.
    pub exec_only: bool,
    /// Whither connections may be forwarded, if policy permits.
    pub forward: Vec<(String, u16)>,
    /// The variables that go with a command; a `*` at the end of one stands for anything.
    pub environment: Vec<String>,
    /// Whether what comes out goes to the maskers.
    pub scan_untagged: bool,
    /// What becomes of output that is no text, where output is masked.
    pub unknown_content: UnknownContent,
    /// Whether what clients send to commands and shells is recorded, passwords typed there too.
    pub record_input: bool,
    /// How long reaching the host may take.
    pub timeout: Duration,
}

impl SshConfig {
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let accounts = self.accounts.iter();
        accounts
            .map(|account| match &account.login {
                SshLogin::Key { key, .. } => ("accounts.key", key),
                SshLogin::Password(password) => ("accounts.password", password),
            })
            .collect()
    }

    pub(super) fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        let certificates = self.accounts.iter().filter_map(|account| match &account.login {
            SshLogin::Key { certificate, .. } => certificate.as_ref(),
            SshLogin::Password(_) => None,
        });
        certificates.map(|path| ("accounts.certificate", path)).collect()
    }

    /// Returns the account of this name, or the first where none is named.
    #[must_use]
    pub fn account(&self, name: Option<&str>) -> Option<&SshAccount> {
        match name {
            Some(name) => self.accounts.iter().find(|account| account.name == name),
            None => self.accounts.first(),
        }
    }

    /// Returns whether a variable of this name goes with a command.
    #[must_use]
    pub fn passes(&self, variable: &str) -> bool {
        self.environment
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(start) => variable.starts_with(start),
                None => known == variable,
            })
    }
}

/// An account on the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SshAccount {
    /// Its name there, by which clients ask for it too.
    pub name: String,
    /// How the gateway proves itself.
    pub login: SshLogin,
}

/// How the gateway proves itself to a host. The client never learns it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SshLogin {
    /// A private key in OpenSSH's format, without a passphrase, maybe with a certificate for it.
    Key {
        /// The key.
        key: SecretRef,
        /// The certificate file.
        certificate: Option<PathBuf>,
    },
    /// A password.
    Password(SecretRef),
}

/// The default of `environment`: languages, and git's version of its protocol.
const ENVIRONMENT: [&str; 3] = ["LANG", "LC_*", "GIT_PROTOCOL"];

/// Variables that make a host run other code, whatever else is allowed.
const NEVER: [&str; 6] = ["LD_", "DYLD_", "BASH_", "PYTHON", "PERL", "GIT_SSH"];
const NEVER_EXACTLY: [&str; 8] = [
    "PATH",
    "ENV",
    "SHELLOPTS",
    "IFS",
    "HOME",
    "SHELL",
    "PROMPT_COMMAND",
    "*",
];

/// The default of `timeout`: a slow network and a slow name server, not a dead host.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest line of a public key, in bytes: RSA keys of 16,384 bits have some 2,800.
const KEY_LINE_BYTES_MAX: usize = 16 << 10;

pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<SshConfig> {
    let upstream = section.require("upstream", "write ssh://HOST:PORT", address);
    let host_keys = section.list("host_keys", public_key);
    let host_authorities = section.list("host_authorities", public_key);
    if !section.has("host_keys") && !section.has("host_authorities") {
        let remedy = "name what `ssh-keyscan HOST` shows, once you have compared it with the host itself";
        section.fault(
            "host_keys",
            problem("is missing: nobody would know the host from another", remedy),
        );
    }
    let accounts: Vec<_> = section.tables("accounts");
    if accounts.is_empty() {
        let remedy = "write accounts = [{ name = \"deploy\", key = \"file:deploy.key\" }]";
        section.fault(
            "accounts",
            problem("is missing: nobody could log in there", remedy),
        );
    }
    let accounts: Vec<_> = accounts
        .into_iter()
        .map(|section| account(section, folder))
        .collect();
    let exec_only = section.flag("exec_only");
    let forward = section.list("forward", target);
    let environment = section.list("environment", variable);
    let scan_untagged = section.flag("scan_untagged");
    let contents = [("refuse", UnknownContent::Refuse), ("pass", UnknownContent::Pass)];
    let unknown_content = section.parse("unknown_content", choice(&contents));
    let record_input = section.flag("record_input");
    let range = Duration::from_secs(1)..=Duration::from_mins(5);
    let timeout = section.parse("timeout", duration(range));
    let (host, port) = upstream?;
    Some(SshConfig {
        host,
        port,
        host_keys,
        host_authorities,
        accounts: accounts.into_iter().collect::<Option<_>>()?,
        exec_only,
        forward,
        environment: if section.has("environment") {
            environment
        } else {
            ENVIRONMENT.map(str::to_owned).to_vec()
        },
        scan_untagged,
        unknown_content: unknown_content.unwrap_or(UnknownContent::Refuse),
        record_input,
        timeout: timeout.unwrap_or(TIMEOUT),
    })
}

fn account(section: Section<'_>, folder: &Path) -> Option<SshAccount> {
    let reference = |value: &str| secret(value, folder);
    let name = section.require("name", "name the account on the host", text);
    let certificate = section.parse("certificate", |value| text(value).map(|value| folder.join(value)));
    let login = match (section.has("key"), section.has("password")) {
        (true, false) => section.parse("key", reference).map(|key| SshLogin::Key {
            key,
            certificate: certificate.clone(),
        }),
        (false, true) if certificate.is_none() => {
            section.parse("password", reference).map(SshLogin::Password)
        }
        _ => {
            section.fault(
                "key",
                problem(
                    "is none or several of the ways to log in",
                    "set key = \"file:…\", with certificate = \"…\" if the host asks for one, or password = \"env:…\"",
                ),
            );
            section.pass_over();
            None
        }
    };
    section.finish();
    name.zip(login).map(|(name, login)| SshAccount { name, login })
}

fn address(text: &str) -> Result<(String, u16), Problem> {
    let shape = "write ssh://HOST:PORT";
    let url = Url::parse(text).map_err(|error| problem(format!("is not a URL: {error}"), shape))?;
    let bare = url.username().is_empty() && url.password().is_none();
    let ends = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if url.scheme() != "ssh" || !bare || !ends {
        return Err(problem("is more or less than the address of a host", shape));
    }
    let host = url.host_str().unwrap_or("");
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(problem("names no host", shape));
    }
    Ok((host.to_owned(), url.port().unwrap_or(22)))
}

fn public_key(line: &str) -> Result<PublicKey, Problem> {
    let remedy = "write it as it stands in a .pub file: \"ssh-ed25519 AAAA…\"";
    if line.len() > KEY_LINE_BYTES_MAX {
        return Err(problem("is too long for a public key", remedy));
    }
    PublicKey::from_openssh(line).map_err(|error| problem(format!("is not a public key: {error}"), remedy))
}

fn target(text: &str) -> Result<(String, u16), Problem> {
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() && port > 0 => Ok((host.to_ascii_lowercase(), port)),
        _ => Err(problem(
            "is not a target",
            "write HOST:PORT, e.g. \"db.internal:5432\"",
        )),
    }
}

fn variable(name: &str) -> Result<String, Problem> {
    let bare = name.strip_suffix('*').unwrap_or(name);
    let plain = !bare.is_empty()
        && bare
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain {
        return Err(problem(
            format!("\"{name}\" is not a variable"),
            "write e.g. \"LANG\" or \"LC_*\"",
        ));
    }
    let reaches = |start: &str| bare.starts_with(start) || name.ends_with('*') && start.starts_with(bare);
    if NEVER.iter().any(|start| reaches(start)) || NEVER_EXACTLY.contains(&bare) {
        return Err(problem(
            format!("\"{name}\" can make the host run other code"),
            "leave it out",
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_maybe_a_port() {
        assert_eq!(address("ssh://box").ok(), Some(("box".into(), 22)));
        assert_eq!(address("ssh://[::1]:2222").ok(), Some(("::1".into(), 2222)));
        for bad in [
            "box",
            "ssh://",
            "ssh://root@box",
            "ssh://root:x@box",
            "ssh://box/x",
            "http://box",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_that_run_code_are_never_let_through() {
        for bad in [
            "",
            "*",
            "A B",
            "PATH",
            "LD_PRELOAD",
            "LD_*",
            "L*",
            "BASH_ENV",
            "GIT_SSH_COMMAND",
            "G*",
        ] {
            assert!(variable(bad).is_err(), "{bad}");
        }
        for good in ["LANG", "LC_*", "GIT_PROTOCOL", "DEPLOY_ID"] {
            assert!(variable(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_target_has_a_host_and_a_port() {
        assert_eq!(target("DB:5432").ok(), Some(("db".into(), 5432)));
        for bad in ["db", "db:", ":1", "db:0", "db:70000"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
