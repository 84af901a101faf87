//! What only a PostgreSQL resource has.

use std::path::{Path, PathBuf};

use super::super::ephemeral::{self, Ephemeral};
use super::super::quantity::text;
use super::super::report::{Problem, problem};
use super::super::section::Section;
use super::super::settings::secret;
use super::super::upstream::{self, Upstream};
use crate::secret::SecretRef;

/// What only a PostgreSQL resource has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostgresConfig {
    /// Where it is.
    pub upstream: Upstream,
    /// Authorities that vouch for its certificate, in PEM; `None` for the system's own.
    pub root_certificate: Option<PathBuf>,
    /// The account the gateway uses there: for reading the catalog, and for sessions unless
    /// they have roles of their own. Where it is left out with `ephemeral`, the catalog is read
    /// by the account that makes the roles.
    pub login: Login,
    /// A role of its own for each session; `None` for the shared account.
    pub ephemeral: Option<Ephemeral>,
    /// Whether people who are asked about a statement are told how many rows the upstream
    /// expects it to touch. Off unless set: planning a statement evaluates immutable and stable
    /// functions in it, under the session's account and before anybody has agreed.
    pub estimate: bool,
    /// Whether text columns without a tag go to the maskers as well.
    pub scan_untagged: bool,
    /// Functions, `name` or `schema.name`, that may be called although the parser can't tell
    /// what they do.
    pub trusted_functions: Vec<String>,
}

impl PostgresConfig {
    pub(super) fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let own = self
            .login
            .password
            .as_ref()
            .map(|password| ("login.password", password));
        let admin = self.ephemeral.as_ref().map(|ephemeral| &ephemeral.admin);
        let admin = admin.and_then(|admin| admin.password.as_ref());
        let admin = admin.map(|password| ("ephemeral.admin.password", password));
        own.into_iter().chain(admin).collect()
    }
}

/// The account used on an upstream. The client never learns it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is; `None` where the upstream asks for none.
    pub password: Option<SecretRef>,
}

pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<PostgresConfig> {
    let insecure = section.flag("insecure");
    let upstream = section.require(
        "upstream",
        "write postgres://HOST:PORT/DATABASE?sslmode=verify-full",
        |text| upstream::parse(text, insecure),
    );
    let root_certificate = section.parse("root_certificate", |path| {
        text(path).map(|path| folder.join(path))
    });
    let ephemeral = ephemeral::read(section, folder);
    let login = login(section, folder, ephemeral.as_ref());
    let estimate = section.flag("estimate");
    let scan_untagged = section.flag("scan_untagged");
    let trusted_functions = section.list("trusted_functions", function);
    Some(PostgresConfig {
        upstream: upstream?,
        root_certificate,
        login: login?,
        ephemeral,
        estimate,
        scan_untagged,
        trusted_functions,
    })
}

fn login(section: &Section<'_>, folder: &Path, ephemeral: Option<&Ephemeral>) -> Option<Login> {
    match ephemeral {
        Some(ephemeral) if !section.has("login") => {
            // So that it counts among the keys known here.
            let _ = section.table("login");
            Some(ephemeral.admin.clone())
        }
        _ => account(
            section,
            "login",
            "set login = { user = \"…\", password = \"env:NAME\" }",
            folder,
        ),
    }
}

/// Reads an account; its absence is a fault, with `remedy`.
pub(in crate::config) fn account(
    section: &Section<'_>,
    key: &'static str,
    remedy: &str,
    folder: &Path,
) -> Option<Login> {
    if !section.has(key) {
        section.fault(key, problem("is missing", remedy));
    }
    let login = section.table(key)?;
    let user = login.require("user", "name the account on the upstream", |user| {
        // NUL ends a text in PostgreSQL's startup message.
        if user.contains('\0') {
            return Err(problem("holds a NUL", "name the account on the upstream"));
        }
        text(user)
    });
    let password = login.parse("password", |reference| secret(reference, folder));
    login.finish();
    Some(Login {
        user: user?,
        password,
    })
}

fn function(text: &str) -> Result<String, Problem> {
    let parts: Vec<&str> = text.split('.').collect();
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    if parts.len() <= 2 && parts.iter().all(|part| plain(part)) {
        Ok(text.to_owned())
    } else {
        Err(problem(
            format!("\"{text}\" is not a function's name"),
            "write name or schema.name in lower case, without ()",
        ))
    }
}
