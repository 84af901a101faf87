//! `ephemeral = { … }` of a resource: a role of its own for each session.

use std::path::Path;

use super::quantity::text;
use super::report::{Problem, problem};
use super::resource::postgres::{Login, account};
use super::section::Section;

/// What PostgreSQL keeps of a role's name, in bytes.
const ROLE_BYTES_MAX: usize = 63;

/// How the roles of sessions begin.
pub(crate) const PREFIX: &str = "gwe_";

/// A role for each session instead of one account for all.
///
/// A session logs in as `gwe_<session>`, a role without any rights of its own that acts as the
/// template (`session_user` is the one, `current_user` the other). Nobody but the gateway ever
/// knows its password; it can log in until the token or the grant ends at the latest, and is
/// dropped with the session. What a crash leaves behind is dropped within a minute of the next
/// start.
///
/// What the server needs, once:
/// ```sql
/// CREATE ROLE app_ro NOLOGIN;               -- the template: grant it what sessions may do
/// CREATE ROLE gw LOGIN CREATEROLE PASSWORD '…';
/// -- PostgreSQL 16 and later:
/// GRANT app_ro TO gw WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;
/// -- PostgreSQL 15 and earlier:
/// GRANT app_ro TO gw WITH ADMIN OPTION;
/// ```
/// Up to PostgreSQL 15, `CREATEROLE` is nearly a superuser: it may change the password of any
/// role that is none, and put itself into `pg_read_all_data`. There the admin's password must be
/// guarded like a superuser's; from 16 on it can do no more than the template, and make roles.
///
/// The server must ask these roles for a password (`scram-sha-256` in `pg_hba.conf`): the time
/// until which a role is good holds for passwords only, and a role without one is anybody's.
/// Where it does not ask, there is no session. Settings that `ALTER ROLE … SET` gave to
/// the template are not those of its sessions: the server takes them from the role that logs in.
///
/// Whatever a session comes to own under its own role (it has to leave the template for that)
/// goes to the template when the session ends. Where that fails, because somebody else has
/// given the role rights that the admin cannot take back, it stays, without a login, and is
/// told once in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ephemeral {
    /// The role that sessions act as.
    pub template: String,
    /// The account that makes and drops their roles.
    pub admin: Login,
}

pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<Ephemeral> {
    let ephemeral = section.table("ephemeral")?;
    let template = ephemeral.require("template", "name the role that sessions act as", template);
    let admin = account(
        &ephemeral,
        "admin",
        "set admin = { user = \"…\", password = \"env:NAME\" }",
        folder,
    );
    ephemeral.finish();
    Some(Ephemeral {
        template: template?,
        admin: admin?,
    })
}

fn template(name: &str) -> Result<String, Problem> {
    let remedy = "name the role that sessions act as";
    if name.contains('\0') || name.len() > ROLE_BYTES_MAX {
        let what = format!("holds a NUL, or more than {ROLE_BYTES_MAX} bytes");
        return Err(problem(what, remedy));
    }
    // Words that PostgreSQL reads as something else than a role's name even in quotes.
    if matches!(name, "none" | "public") || name.starts_with("pg_") || name.starts_with(PREFIX) {
        return Err(problem(
            format!("\"{name}\" is no role to act as"),
            "make a role of your own for it, without a login",
        ));
    }
    text(name)
}
