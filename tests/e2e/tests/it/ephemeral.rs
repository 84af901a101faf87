//! A role of its own for each session, on real servers: what it is, what leaving its template
//! gains, and that nothing of it stays.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result, ensure};
use e2e::client::Target;
use e2e::gateway::{Configuration, Gateway};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::postgres::{Options, Postgres, random_word};
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::Version;

/// The role that sessions act as.
const TEMPLATE: &str = "app_template";

/// What lists the roles of sessions.
const ROLES: &str = r"select rolname from pg_roles where rolname like 'gwe\_%' order by 1";

/// Both servers whose rules for making roles differ.
const BOTH: [Version; 2] = [Version::Packaged, Version::Eighteen];

/// A server with a template and an admin of roles, and a gateway that makes them.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) issuer: Issuer,
    pub(crate) server: Postgres,
}

impl Stage {
    pub(crate) fn with(
        version: Version,
        change: impl FnOnce(Configuration<'_>) -> Configuration<'_>,
    ) -> Result<Self> {
        Self::on(&Options::of(version), change)
    }

    fn on(options: &Options, change: impl FnOnce(Configuration<'_>) -> Configuration<'_>) -> Result<Self> {
        let server = Postgres::start_with(options)?;
        let issuer = Issuer::new()?;
        let password = random_word("admin-secret")?;
        let membership = match options.version {
            Version::Packaged => "with admin option",
            Version::Eighteen => "with admin true, inherit true, set true",
        };
        server.query(&format!(
            "create role {TEMPLATE} nologin;
             grant select, insert, update, delete on customers, orders, scratch to {TEMPLATE};
             create role gw login createrole password '{password}';
             grant {TEMPLATE} to gw {membership}"
        ))?;
        let mut configuration = change(Configuration::new(&server, &issuer));
        configuration.resource.push_str(&format!(
            "\nephemeral = {{ template = \"{TEMPLATE}\", admin = {{ user = \"gw\", password = \"env:STAGE_ROLES_PASSWORD\" }} }}"
        ));
        let variable = ("STAGE_ROLES_PASSWORD".to_owned(), password);
        configuration.environment.push(variable);
        let gateway = Gateway::start(&configuration)?;
        Ok(Self {
            gateway,
            issuer,
            server,
        })
    }

    pub(crate) fn agent(&self) -> Result<Target> {
        Ok(self.gateway.target(&self.issuer.token("agent-7", &["agents"])?))
    }

    fn roles(&self) -> Result<Vec<String>> {
        Ok(self.server.query(ROLES)?.lines().map(str::to_owned).collect())
    }

    fn wait_until_no_roles_are_left(&self) -> Result<()> {
        let server = &self.server;
        until(START_WAIT_MAX, "the roles of ended sessions to be gone", || {
            Ok(server.query(ROLES)?.trim().is_empty().then_some(()))
        })
        .with_context(|| self.gateway.home().log().unwrap_or_default())
    }

    /// Opens a door that the gateway keeps shut: the role's own login, past the gateway.
    fn directly_as(&self, role: &str) -> Result<Target> {
        let password = random_word("known")?;
        self.server.query(&format!(
            "alter role {role} password '{password}' connection limit 9"
        ))?;
        Ok(Target {
            user: role.to_owned(),
            password,
            ..self.server.direct()
        })
    }
}

/// A session that stays open until it is dropped or closed.
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    /// Connects, and returns once the session has said who it is.
    fn open(target: &Target) -> Result<(Self, String)> {
        let lines = "import psycopg, sys\n\
            with psycopg.connect(autocommit=True) as c:\n    \
            print(*c.execute('select session_user, current_user').fetchone(), flush=True)\n    \
            sys.stdin.read()\n";
        let mut child = target
            .python(lines)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("its output")?;
        let mut session = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        let mut said = String::new();
        session.stdout.read_line(&mut said)?;
        Ok((session, said.trim().to_owned()))
    }

    fn close(mut self) -> Result<()> {
        drop(self.stdin.take());
        let status = self.child.wait()?;
        ensure!(status.success(), "the client ended with {status}");
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_session_has_a_role_of_its_own_that_acts_as_the_template_and_ends_with_it() -> Result<()> {
    for version in BOTH {
        let stage = Stage::with(version, |configuration| configuration)?;
        let claims = stage.issuer.claims("agent-7", &["agents"]);
        let target = stage.gateway.target(&stage.issuer.sign(&claims)?);
        let (first, first_says) = Session::open(&target)?;
        let (second, second_says) = Session::open(&target)?;
        let roles = stage.roles()?;
        let [one, two] = &roles[..] else {
            anyhow::bail!("two sessions have the roles {roles:?}");
        };
        let mut says = [first_says, second_says];
        says.sort();
        assert_eq!(says, [format!("{one} {TEMPLATE}"), format!("{two} {TEMPLATE}")]);

        let ends = r"select distinct extract(epoch from rolvaliduntil)::bigint, rolinherit, rolconnlimit
                     from pg_roles where rolname like 'gwe\_%'";
        let expected = format!("{}|f|2", claims["exp"]);
        assert_eq!(stage.server.query(ends)?.trim(), expected, "{version:?}");
        // What a session makes is the template's, and its shared account is not there.
        let shared = format!(
            "select count(*) from pg_stat_activity where usename = '{}' and application_name like 'tidegate:%'",
            stage.server.login().user
        );
        assert_eq!(stage.server.query(&shared)?.trim(), "0");

        first.close()?;
        let server = &stage.server;
        until(START_WAIT_MAX, "the first role to be gone", || {
            Ok((server.query(ROLES)?.lines().count() == 1).then_some(()))
        })?;
        second.close()?;
        stage.wait_until_no_roles_are_left()?;
    }
    Ok(())
}

#[test]
fn leaving_the_template_gains_nothing() -> Result<()> {
    for version in BOTH {
        let stage = Stage::with(version, |configuration| configuration)?;
        let (session, _) = Session::open(&stage.agent()?)?;
        let role = stage.roles()?.pop().context("a role")?;
        let direct = stage.directly_as(&role)?;
        let answer = direct.psql("select session_user, current_user; reset role; select current_user")?;
        assert_eq!(
            answer.rows,
            format!("{role}|{TEMPLATE}\n{TEMPLATE}\n"),
            "{}",
            answer.errors
        );
        let shared = &stage.server.login().user;
        for leave in [
            "set role none; select count(*) from customers".to_owned(),
            "set role gw".to_owned(),
            format!("set role {shared}"),
            format!("set session authorization {TEMPLATE}"),
            "set role none; create table own_table (a integer)".to_owned(),
            "set role none; create role another".to_owned(),
            format!("set role none; grant {TEMPLATE} to {shared}"),
        ] {
            let answer = direct.psql(&leave)?;
            assert!(
                !answer.ok && answer.errors.contains("42501"),
                "{version:?}: {leave}: {}",
                answer.all()
            );
        }
        session.close()?;
        stage.wait_until_no_roles_are_left()?;
    }
    Ok(())
}

#[test]
fn nothing_is_made_upstream_for_whoever_has_only_asked() -> Result<()> {
    let mut options = Options::of(Version::Packaged);
    options.settings.push(("log_statement", "ddl".to_owned()));
    options.settings.push(("log_connections", "on".to_owned()));
    let stage = Stage::on(&options, |configuration| {
        configuration.policy(crate::grants::POLICY)
    })?;
    let before = stage.server.log()?.len();
    let answer = stage.agent()?.psql("select 1")?;
    assert!(
        !answer.ok && answer.errors.contains("nobody has answered yet"),
        "{}",
        answer.errors
    );
    let log = stage.server.log()?;
    let since = log.get(before..).unwrap_or_default();
    for made in ["CREATE ROLE", "user=gwe_"] {
        assert!(!since.contains(made), "{since}");
    }
    assert!(stage.roles()?.is_empty());
    Ok(())
}

#[test]
fn a_role_whose_time_is_over_cannot_log_in() -> Result<()> {
    let stage = Stage::with(Version::Eighteen, |configuration| configuration)?;
    let (session, _) = Session::open(&stage.agent()?)?;
    let role = stage.roles()?.pop().context("a role")?;
    let direct = stage.directly_as(&role)?;
    assert!(direct.psql("select 1")?.ok);
    stage
        .server
        .query(&format!("alter role {role} valid until '2001-01-01'"))?;
    let answer = direct.psql("select 1")?;
    assert!(
        answer.errors.contains("password authentication failed"),
        "{}",
        answer.all()
    );
    session.close()
}

#[test]
fn what_a_killed_gateway_left_is_swept_at_its_next_start() -> Result<()> {
    for version in BOTH {
        let stage = Stage::with(version, |configuration| configuration)?;
        let (session, _) = Session::open(&stage.agent()?)?;
        assert_eq!(stage.roles()?.len(), 1);
        // Somebody else's role of such a name, with a comment that is none of ours.
        stage
            .server
            .query("create role gwe_of_somebody_else; comment on role gwe_of_somebody_else is 'keep'")?;
        let Stage {
            gateway,
            issuer,
            server,
        } = stage;
        let home = gateway.kill()?;
        drop(session);
        assert_eq!(
            server.query(ROLES)?.lines().count(),
            2,
            "a killed gateway drops nothing"
        );
        let gateway = home.start()?;
        until(START_WAIT_MAX, "the role to be swept", || {
            Ok((server.query(ROLES)?.trim() == "gwe_of_somebody_else").then_some(()))
        })
        .with_context(|| gateway.home().log().unwrap_or_default())?;
        let agent = gateway.target(&issuer.token("agent-7", &["agents"])?);
        assert!(agent.psql("select 1")?.ok);
    }
    Ok(())
}

#[test]
fn what_a_role_came_to_own_is_the_templates_and_one_that_cannot_be_dropped_cannot_log_in() -> Result<()> {
    for version in BOTH {
        let stage = Stage::with(version, |configuration| configuration)?;
        let (session, _) = Session::open(&stage.agent()?)?;
        let role = stage.roles()?.pop().context("a role")?;
        let direct = stage.directly_as(&role)?;
        let answer = direct.psql("set role none; select lo_create(4711)")?;
        assert!(answer.ok, "{}", answer.all());
        // A right that the admin has not given and so cannot take back.
        let grants = format!("grant connect on database customers to {role}");
        stage.server.query(&grants)?;
        session.close()?;
        let server = &stage.server;
        until(START_WAIT_MAX, "the role to lose its login", || {
            let login = format!("select rolcanlogin from pg_roles where rolname = '{role}'");
            Ok((server.query(&login)?.trim() == "f").then_some(()))
        })?;
        let log = || stage.gateway.home().log();
        until(START_WAIT_MAX, "the server to refuse to drop it", || {
            Ok(server.log()?.contains("cannot be dropped").then_some(()))
        })
        .with_context(|| log().unwrap_or_default())?;
        assert!(!direct.psql("select 1")?.ok, "a stuck role logs in no more");
        assert_eq!(stage.roles()?, std::slice::from_ref(&role));

        // Whoever gave the right takes it back; the next start finishes the work.
        server.query(&format!("revoke connect on database customers from {role}"))?;
        let Stage { gateway, server, .. } = stage;
        let (_, home) = gateway.stop()?;
        let _gateway = home.start()?;
        until(START_WAIT_MAX, "the role to be dropped", || {
            Ok(server.query(ROLES)?.trim().is_empty().then_some(()))
        })?;
        let owner = "select lomowner::regrole from pg_largeobject_metadata where oid = 4711";
        assert_eq!(server.query(owner)?.trim(), TEMPLATE, "{version:?}");
    }
    Ok(())
}

#[test]
fn neither_the_role_nor_its_template_is_named_in_what_the_server_says() -> Result<()> {
    for version in BOTH {
        let stage = Stage::with(version, |configuration| configuration)?;
        let agent = stage.agent()?;
        for sql in [
            "select session_user::text::integer",
            "select current_user::text::integer",
            "do $$ begin raise exception 'I am % as %', session_user, current_user; end $$",
            "grant app_template to session_user",
        ] {
            let answer = agent.psql(sql)?;
            assert!(!answer.ok, "{sql} fails");
            for name in ["gwe_", TEMPLATE] {
                assert!(!answer.errors.contains(name), "{sql}: {}", answer.errors);
            }
        }
    }
    Ok(())
}

#[test]
fn what_the_gateway_does_with_roles_is_in_the_journal_without_any_secret() -> Result<()> {
    let stage = Stage::with(Version::Eighteen, |configuration| configuration)?;
    assert!(stage.agent()?.psql("select 1")?.ok);
    stage.wait_until_no_roles_are_left()?;
    let log = stage.server.log()?;
    let verifiers: Vec<&str> = log
        .match_indices("SCRAM-SHA-256$4096:")
        .map(|(at, found)| &log[at..at + found.len() + 20])
        .collect();
    assert!(!verifiers.is_empty(), "the server is given a verifier");
    let entries = journal::entries(stage.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    for begun in [
        "CREATE ROLE",
        "ALTER ROLE",
        "SELECT pg_catalog.pg_terminate_backend",
        "REASSIGN OWNED BY",
    ] {
        let found = intents.iter().any(|intent| {
            let text = intent.to_string();
            text.contains(begun) && text.contains("tidegate.ephemeral") && text.contains("gwe_")
        });
        assert!(found, "{begun}: {intents:?}");
    }
    let all = format!("{entries:?}{}", stage.gateway.home().log()?);
    assert!(!all.contains("SCRAM-SHA-256$"), "no verifier is written down");
    Ok(())
}

#[test]
fn a_session_that_gets_no_role_is_told_only_that_there_is_no_resource() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration)?;
    stage.server.query("alter role gw nologin")?;
    let answer = stage.agent()?.psql("select 1")?;
    assert!(!answer.ok);
    assert!(
        answer.errors.contains("the resource cannot be reached"),
        "{}",
        answer.errors
    );
    for secret in ["gw", TEMPLATE] {
        let said = answer.errors.replace("tidegate", "");
        assert!(!said.contains(secret), "{}", answer.errors);
    }
    assert!(stage.roles()?.is_empty());
    Ok(())
}

#[test]
fn a_server_that_asks_the_roles_for_no_password_gets_no_session() -> Result<()> {
    let mut options = Options::of(Version::Packaged);
    options.authentication = "trust";
    let stage = Stage::on(&options, |configuration| configuration)?;
    let answer = stage.agent()?.psql("select 1")?;
    assert!(
        answer.errors.contains("the resource cannot be reached"),
        "{}",
        answer.all()
    );
    let log = stage.gateway.home().log()?;
    assert!(log.contains("in without its password"), "{log}");
    stage.wait_until_no_roles_are_left()
}
