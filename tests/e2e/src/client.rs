//! Real clients: stock programs and drivers, each doing the same things and printing what it saw.
//!
//! A client's transcript is compared with its own direct run: what the gateway may change is
//! only what the lines beginning with `masked` show.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::Postgres;
use crate::service::{START_WAIT_MAX, until};
use crate::tools;

/// Where a client connects to, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database; through the gateway, the resource.
    pub database: String,
    /// The user; through the gateway, any word.
    pub user: String,
    /// The password; through the gateway, the token.
    pub password: String,
    /// Whether and how TLS is checked.
    pub tls: Tls,
}

/// Whether and how a client checks the server.
#[derive(Clone, Debug)]
pub enum Tls {
    /// No TLS at all.
    Off,
    /// The server's certificate and name are checked against this authority.
    Verify(PathBuf),
}

impl Target {
    /// Returns a command with the environment that libpq and most drivers read.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for name in [
            "PGSERVICE",
            "PGHOSTADDR",
            "PGOPTIONS",
            "PGPASSFILE",
            "PGAPPNAME",
            "PGCLIENTENCODING",
        ] {
            command.env_remove(name);
        }
        command
            .env("PGHOST", &self.host)
            .env("PGPORT", self.port.to_string())
            .env("PGDATABASE", &self.database)
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "30")
            .env("PGGSSENCMODE", "disable");
        match &self.tls {
            Tls::Off => command.env("PGSSLMODE", "disable").env_remove("PGSSLROOTCERT"),
            Tls::Verify(authority) => command
                .env("PGSSLMODE", "verify-full")
                .env("PGSSLROOTCERT", authority),
        };
        command
    }

    /// Runs SQL with psql and returns everything it showed, errors included.
    ///
    /// # Errors
    /// When psql cannot be started; a refused statement is in the answer.
    pub fn psql(&self, sql: &str) -> Result<Answer> {
        let mut command = self.command(&tools::postgres_client("psql")?);
        let done = command
            .args(["-XqAt", "-v", "VERBOSITY=verbose", "-c", sql])
            .output()?;
        Ok(Answer::of(&done))
    }

    /// Returns this target with another database: through the gateway, another resource.
    #[must_use]
    pub fn resource(&self, name: &str) -> Self {
        Self {
            database: name.to_owned(),
            ..self.clone()
        }
    }

    /// Returns a command that runs a few lines of Python, which has psycopg 3.
    ///
    /// # Errors
    /// When set-up has not run.
    pub fn python(&self, lines: &str) -> Result<Command> {
        let mut command = self.command(&tools::python()?);
        command.args(["-c", lines]);
        Ok(command)
    }
}

/// What a client showed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it ended well.
    pub ok: bool,
    /// Standard output: psql's rows, unaligned, one a line.
    pub rows: String,
    /// Standard error: refusals, errors and notices.
    pub errors: String,
}

impl Answer {
    /// Returns what an ended client showed.
    #[must_use]
    pub fn of(done: &Output) -> Self {
        Self {
            ok: done.status.success(),
            rows: String::from_utf8_lossy(&done.stdout).into_owned(),
            errors: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Returns everything it showed.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.rows, self.errors)
    }
}

/// A client that tests run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Client {
    /// Python's asyncpg: binary format, statement cache.
    Asyncpg,
    /// Java's JDBC driver.
    Jdbc,
    /// Node's `pg`.
    Node,
    /// pgbench in its three modes, and with pipelines.
    Pgbench,
    /// psql.
    Psql,
    /// Python's psycopg 3, with pipelines.
    Psycopg,
}

impl Client {
    /// Every client.
    pub const ALL: [Self; 6] = [
        Self::Asyncpg,
        Self::Jdbc,
        Self::Node,
        Self::Pgbench,
        Self::Psql,
        Self::Psycopg,
    ];

    /// Returns the word under which set-up may have left it out.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asyncpg => "asyncpg",
            Self::Jdbc => "jdbc",
            Self::Node => "node",
            Self::Pgbench => "pgbench",
            Self::Psql => "psql",
            Self::Psycopg => "psycopg",
        }
    }

    /// Does everything this client does in tests and returns its transcript. `server` is the
    /// server behind `target`, asked only whether a statement to be cancelled is running.
    ///
    /// # Errors
    /// When the client is missing or ends badly; the error carries what it wrote.
    pub fn run(self, target: &Target, server: &Postgres) -> Result<String> {
        match self {
            Self::Asyncpg => tools::output(
                target
                    .command(&tools::python()?)
                    .arg(program("asyncpg_client.py")),
            ),
            Self::Jdbc => jdbc(target),
            Self::Node => node(target),
            Self::Pgbench => pgbench(target),
            Self::Psql => psql(target, server),
            Self::Psycopg => tools::output(
                target
                    .command(&tools::python()?)
                    .arg(program("psycopg_client.py")),
            ),
        }
    }
}

fn program(name: &str) -> PathBuf {
    tools::repository().join("tests/e2e/clients").join(name)
}

fn node(target: &Target) -> Result<String> {
    let mut command = target.command(&tools::on_path("node")?);
    tools::output(
        command
            .env("NODE_PATH", tools::node()?.join("node_modules"))
            .arg(program("node_client.js")),
    )
}

fn jdbc(target: &Target) -> Result<String> {
    let classes = tempfile::tempdir()?;
    let driver = tools::jdbc()?;
    let mut compiler = Command::new(tools::on_path("javac")?);
    tools::output(
        compiler
            .arg("-cp")
            .arg(&driver)
            .arg("-d")
            .arg(classes.path())
            .arg(program("JdbcClient.java")),
    )?;
    let path = format!("{}:{}", driver.display(), classes.path().display());
    tools::output(
        target
            .command(&tools::on_path("java")?)
            .args(["-cp", &path, "JdbcClient"]),
    )
}

/// pgbench's own account of what it did; times are left out.
fn pgbench(target: &Target) -> Result<String> {
    let pgbench = tools::postgres_client("pgbench")?;
    let mut transcript = String::new();
    let point = program("point_select.pgbench");
    let pipeline = program("pipeline.pgbench");
    let runs = [
        ("simple", &point),
        ("extended", &point),
        ("prepared", &point),
        ("extended", &pipeline),
        ("prepared", &pipeline),
    ];
    for (mode, script) in runs {
        let mut command = target.command(&pgbench);
        command
            .args(["-n", "-M", mode, "-c", "4", "-j", "2", "-t", "100", "-f"])
            .arg(script);
        let report = tools::output(&mut command)?;
        let counts = report.lines().filter(|line| line.starts_with("number of"));
        let name = script
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        transcript.push_str(&format!("{name} {mode}\n"));
        counts.for_each(|line| transcript.push_str(&format!("{line}\n")));
    }
    Ok(transcript)
}

fn psql(target: &Target, server: &Postgres) -> Result<String> {
    let mut command = target.command(&tools::postgres_client("psql")?);
    let done = command.args(["-XAt", "-f"]).arg(program("script.sql")).output()?;
    ensure!(
        done.status.success(),
        "psql: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let seen = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    // psql names its script in front of each error and a process id behind each notification.
    let line = |line: &str| match (line.find("ERROR:"), line.find(" received from server process")) {
        (Some(at), _) => line[at..].to_owned(),
        (None, Some(at)) => line[..at].to_owned(),
        (None, None) => line.to_owned(),
    };
    let mut transcript: Vec<String> = seen.lines().map(line).collect();
    transcript.push(interrupted(target, server)?);
    Ok(transcript.join("\n"))
}

/// Interrupts psql as Ctrl-C does while its statement runs; returns what it said of it.
fn interrupted(target: &Target, server: &Postgres) -> Result<String> {
    let mark = crate::postgres::random_word("sleep")?;
    let mut command = target.command(&tools::postgres_client("psql")?);
    let sql = format!("select pg_sleep(60) as {mark}");
    let child = command
        .args(["-XAt", "-c", &sql])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let running = format!(
        "select count(*) from pg_stat_activity where state = 'active' and query like '%{mark}%' and pid <> pg_backend_pid()"
    );
    until(START_WAIT_MAX, "the statement to run", || {
        Ok((server.query(&running)?.trim() == "1").then_some(()))
    })?;
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("process id")?;
    kill_process(pid, Signal::INT)?;
    let done = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&done.stderr);
    let Some(error) = errors.lines().find(|line| line.contains("ERROR:")) else {
        bail!("an interrupted psql said: {errors}");
    };
    Ok(format!("interrupted {error}"))
}
