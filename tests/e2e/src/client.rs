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
use crate::tools::{self, Version};

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
            "PGMINPROTOCOLVERSION",
            "PGMAXPROTOCOLVERSION",
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
    /// The same of PostgreSQL 18, in protocol 3.2 and without TLS.
    PgbenchEighteen,
    /// psql.
    Psql,
    /// The same of PostgreSQL 18, in protocol 3.2 and without TLS.
    PsqlEighteen,
    /// Python's psycopg 3, with pipelines.
    Psycopg,
    /// The same in protocol 3.2.
    PsycopgLatest,
}

impl Client {
    /// Every client, in the version the machine has and the protocol it speaks unasked: 3.0.
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
            Self::Pgbench | Self::PgbenchEighteen => "pgbench",
            Self::Psql | Self::PsqlEighteen => "psql",
            Self::Psycopg | Self::PsycopgLatest => "psycopg",
        }
    }

    /// Tells whether this client has TLS.
    #[must_use]
    pub const fn speaks_tls(self) -> bool {
        !matches!(self, Self::PgbenchEighteen | Self::PsqlEighteen)
    }

    /// Returns the line of the transcript that says that protocol 3.2 was spoken, for a client
    /// that asks for it and can tell.
    #[must_use]
    pub const fn protocol_line(self) -> Option<&'static str> {
        match self {
            Self::PsqlEighteen => Some("Protocol Version|3.2"),
            Self::PsycopgLatest => Some("protocol | 30002"),
            _ => None,
        }
    }

    /// Does everything this client does in tests and returns its transcript. `server` is the
    /// server behind `target`, asked only whether a statement to be cancelled is running.
    ///
    /// # Errors
    /// When the client is missing or ends badly; the error carries what it wrote.
    pub fn run(self, target: &Target, server: &Postgres) -> Result<String> {
        match self {
            Self::Asyncpg => tools::output(self.command(target)?.arg(program("asyncpg_client.py"))),
            Self::Jdbc => self.jdbc(target),
            Self::Node => self.node(target),
            Self::Pgbench | Self::PgbenchEighteen => self.pgbench(target),
            Self::Psql | Self::PsqlEighteen => self.psql(target, server),
            Self::Psycopg | Self::PsycopgLatest => {
                tools::output(self.command(target)?.arg(program("psycopg_client.py")))
            }
        }
    }

    /// Returns a command that starts the program that this client is.
    fn command(self, target: &Target) -> Result<Command> {
        let program = match self {
            Self::Asyncpg | Self::Psycopg | Self::PsycopgLatest => tools::python()?,
            Self::Jdbc => tools::on_path("java")?,
            Self::Node => tools::on_path("node")?,
            Self::Pgbench | Self::Psql => tools::postgres_client(self.name())?,
            Self::PgbenchEighteen | Self::PsqlEighteen => Version::Eighteen.programs()?.join(self.name()),
        };
        let mut command = target.command(&program);
        if matches!(
            self,
            Self::PgbenchEighteen | Self::PsqlEighteen | Self::PsycopgLatest
        ) {
            command.env("PGMAXPROTOCOLVERSION", "latest");
        }
        Ok(command)
    }

    fn node(self, target: &Target) -> Result<String> {
        let mut command = self.command(target)?;
        tools::output(
            command
                .env("NODE_PATH", tools::node()?.join("node_modules"))
                .arg(program("node_client.js")),
        )
    }

    fn jdbc(self, target: &Target) -> Result<String> {
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
        tools::output(self.command(target)?.args(["-cp", &path, "JdbcClient"]))
    }

    /// pgbench's own account of what it did; times are left out.
    fn pgbench(self, target: &Target) -> Result<String> {
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
            let mut command = self.command(target)?;
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

    fn psql(self, target: &Target, server: &Postgres) -> Result<String> {
        let mut command = self.command(target)?;
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
        if self == Self::PsqlEighteen {
            transcript.push(self.protocol(target)?);
        }
        transcript.push(self.interrupted(target, server)?);
        Ok(transcript.join("\n"))
    }

    /// What psql 18 says of the protocol that was agreed on.
    fn protocol(self, target: &Target) -> Result<String> {
        let said = tools::output(self.command(target)?.args(["-XAt", "-c", "\\conninfo"]))?;
        let line = said.lines().find(|line| line.starts_with("Protocol Version"));
        Ok(line.context("psql names no protocol")?.to_owned())
    }

    /// Interrupts psql as Ctrl-C does while its statement runs; returns what it said of it.
    fn interrupted(self, target: &Target, server: &Postgres) -> Result<String> {
        let mark = crate::postgres::random_word("sleep")?;
        let mut command = self.command(target)?;
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
}

fn program(name: &str) -> PathBuf {
    tools::repository().join("tests/e2e/clients").join(name)
}
