//! What the admin says to a server to make a session's role and to get rid of it. Text only.

use super::lease::Lease;
use crate::cli::terminal::moment;

/// How many connections a session's role may have: the session, and one that asks how many
/// rows a statement would touch.
const CONNECTIONS_MAX: u8 = 2;

/// How long the server waits for a terminated backend to be gone, in milliseconds.
const TERMINATION_MS: u32 = 3_000;

/// The first version in which a membership says whether it is inherited.
const GRANT_OPTIONS_SINCE: u32 = 16;

/// Stands for the verifier in the journal.
const SECRET: &str = "***";

/// The most roles that are looked at in one sweep, oldest first: more than a server has sessions.
const SWEPT_MAX: u32 = 10_000;

/// A role to be made.
pub(super) struct Draft<'a> {
    pub(super) name: &'a str,
    pub(super) template: &'a str,
    /// Until when its password is good, in seconds of Unix time.
    pub(super) until: u64,
    pub(super) lease: &'a Lease,
}

impl Draft<'_> {
    /// Returns what makes the role, given what the server checks its password against.
    ///
    /// One simple query, and so one transaction: no role without its lease is ever there. It
    /// has no rights of its own and inherits none; it acts as the template from its login on.
    pub(super) fn statement(&self, verifier: &str) -> String {
        let (name, template) = (identifier(self.name), identifier(self.template));
        let (verifier, comment) = (literal(verifier), literal(&self.lease.to_string()));
        let until = literal(&moment(self.until.saturating_mul(1_000_000)));
        format!(
            "CREATE ROLE {name} LOGIN NOINHERIT PASSWORD {verifier} VALID UNTIL {until} \
             CONNECTION LIMIT {CONNECTIONS_MAX} IN ROLE {template}; \
             ALTER ROLE {name} SET role TO {template}; \
             COMMENT ON ROLE {name} IS {comment}"
        )
    }

    /// Returns the same for the journal.
    pub(super) fn shown(&self) -> String {
        self.statement(SECRET)
    }
}

/// Returns what keeps a role from logging in again, and gives the admin the role's own rights
/// over its sessions and belongings.
pub(super) fn retire(name: &str, version: u32) -> String {
    let name = identifier(name);
    let options = if version >= GRANT_OPTIONS_SINCE {
        " WITH INHERIT TRUE, SET FALSE"
    } else {
        ""
    };
    format!("ALTER ROLE {name} NOLOGIN; GRANT {name} TO CURRENT_USER{options}")
}

/// Returns what ends the sessions a role still has; it does not return before they are gone,
/// or the time is over.
pub(super) fn terminate(name: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_terminate_backend(a.pid, {TERMINATION_MS}) \
         FROM pg_catalog.pg_stat_activity a WHERE a.usename = {}",
        literal(name)
    )
}

/// Returns what drops a role: in one transaction, so that nothing is lost where it fails.
///
/// What it owns goes to the template, never to the admin: of a function that runs with its
/// owner's rights the admin's would be the greater ones.
pub(super) fn remove(name: &str, template: &str) -> String {
    let (name, template) = (identifier(name), identifier(template));
    format!("REASSIGN OWNED BY {name} TO {template}; DROP OWNED BY {name}; DROP ROLE {name}")
}

/// Returns what lists the roles of all gateways on the server, with their comments.
pub(super) fn list() -> String {
    format!(
        "SELECT r.rolname, pg_catalog.shobj_description(r.oid, 'pg_authid') \
         FROM pg_catalog.pg_roles r WHERE r.rolname LIKE 'gwe\\_%' ORDER BY r.rolname LIMIT {SWEPT_MAX}"
    )
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Strings conform to the standard on every connection of the gateway: a backslash is one.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_made_with_all_it_needs_in_one_statement() {
        let lease = Lease {
            node: "tidegate/00ff".to_owned(),
            resource: "customers".to_owned(),
            until: 1_782_864_000,
        };
        let draft = Draft {
            name: "gwe_1",
            template: "app\"ro",
            until: 1_782_864_000,
            lease: &lease,
        };
        assert_eq!(
            draft.statement("SCRAM-SHA-256$4096:a'b"),
            "CREATE ROLE \"gwe_1\" LOGIN NOINHERIT PASSWORD 'SCRAM-SHA-256$4096:a''b' \
             VALID UNTIL '2026-07-01T00:00:00.000000Z' CONNECTION LIMIT 2 IN ROLE \"app\"\"ro\"; \
             ALTER ROLE \"gwe_1\" SET role TO \"app\"\"ro\"; \
             COMMENT ON ROLE \"gwe_1\" IS 'tidegate node=tidegate/00ff resource=customers until=1782864000'"
        );
        assert!(draft.shown().contains("PASSWORD '***'"));
    }

    #[test]
    fn the_options_of_a_membership_are_only_for_servers_that_know_them() {
        assert!(!retire("gwe_1", 15).contains("INHERIT"));
        assert!(retire("gwe_1", 16).ends_with("WITH INHERIT TRUE, SET FALSE"));
    }
}
