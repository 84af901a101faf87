//! pgbouncer in session mode: the measure for what a plain relay costs.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{Target, Tls};
use crate::postgres::{DATABASE, Postgres};
use crate::service::{Account, START_WAIT_MAX, Service, free_port, until};
use crate::tools;

/// A running pgbouncer before a server.
#[derive(Debug)]
pub struct Pgbouncer {
    /// Held for its end: it stops when dropped.
    _service: Service,
    _folder: TempDir,
    target: Target,
}

impl Pgbouncer {
    /// Starts pgbouncer: session mode, plaintext on the loopback, SCRAM on both sides.
    ///
    /// # Errors
    /// When it is not on the machine or does not start.
    pub fn start(server: &Postgres) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-pgbouncer-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let login = server.login();
        let users = folder.path().join("users");
        fs::write(&users, format!("\"{}\" \"{}\"\n", login.user, login.password))?;
        fs::set_permissions(&users, fs::Permissions::from_mode(0o600))?;
        let port = free_port()?;
        let settings = folder.path().join("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n{DATABASE} = host=127.0.0.1 port={} dbname={DATABASE}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 pool_mode = session\nauth_type = scram-sha-256\nauth_file = {}\n\
                 max_client_conn = 500\ndefault_pool_size = 150\nserver_tls_sslmode = disable\n\
                 ignore_startup_parameters = extra_float_digits\nlog_connections = 0\nlog_disconnections = 0\n",
                server.port(),
                users.display(),
            ),
        )?;
        Account::Unprivileged.own(folder.path())?;
        let mut command = Account::Unprivileged.command(&tools::on_path("pgbouncer")?)?;
        command.arg(&settings).current_dir(folder.path());
        let service = Service::start("pgbouncer", &mut command, &folder.path().join("log"), Signal::INT)?;
        let open = || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()));
        until(START_WAIT_MAX, "pgbouncer to listen", open)?;
        let target = Target {
            host: "127.0.0.1".to_owned(),
            port,
            tls: Tls::Off,
            ..server.direct()
        };
        Ok(Self {
            _service: service,
            _folder: folder,
            target,
        })
    }

    /// Returns how a client reaches the server through it.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }
}
