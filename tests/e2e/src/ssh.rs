//! A host of the stage that speaks SSH, and OpenSSH's own clients on their way through the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::service::{Account, Service, free_port};
use crate::tools;

/// The resource's name.
pub const BOX: &str = "box";

/// A running OpenSSH server with keys of its own.
#[derive(Debug)]
pub struct Sshd {
    port: u16,
    service: Service,
    folder: TempDir,
    account: String,
}

impl Sshd {
    /// Starts a server on the loopback, into which whoever runs the stage can log in.
    ///
    /// # Errors
    /// When OpenSSH is missing or does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-sshd-").tempdir()?;
        let place = folder.path();
        make_key(&place.join("host_key"))?;
        make_key(&place.join("account_key"))?;
        fs::copy(place.join("account_key.pub"), place.join("authorized_keys"))?;
        // The server insists on this folder, and makes it nowhere but in its start script.
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd")?;
        }
        let port = free_port()?;
        let config = place.join("sshd_config");
        let here = place.display();
        fs::write(
            &config,
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {here}/host_key\nPidFile none\n\
                 AuthorizedKeysFile {here}/authorized_keys\nUsePAM no\nStrictModes no\n\
                 PermitRootLogin yes\nPasswordAuthentication no\nMaxSessions 100\nMaxStartups 200\n\
                 AcceptEnv LANG LC_* GIT_PROTOCOL DEPLOY_ID\nSubsystem sftp internal-sftp\n\
                 AllowAgentForwarding yes\nX11Forwarding yes\nBanner {here}/banner\nLogLevel ERROR\n"
            ),
        )?;
        fs::write(place.join("banner"), "stage-banner-of-the-host\n")?;
        let mut command = Account::Own.command(&sshd()?)?;
        command.args(["-D", "-e", "-f"]).arg(&config);
        let mut service = Service::start("sshd", &mut command, &place.join("sshd.log"), Signal::TERM)?;
        crate::service::until(crate::service::START_WAIT_MAX, "sshd", || {
            service.check_running()?;
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })?;
        Ok(Self {
            port,
            service,
            account: tools::output(Command::new("id").arg("-un"))?.trim().to_owned(),
            folder,
        })
    }

    /// Returns its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the account that clients log in to.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns a file of its folder, where tests may write.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the public host key, as one line.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn host_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.file("host_key.pub"))?.trim().to_owned())
    }

    /// Returns the lines of a resource that leads here.
    ///
    /// # Errors
    /// As [`Self::host_key`].
    pub fn resource(&self) -> Result<String> {
        Ok(format!(
            "upstream = \"ssh://127.0.0.1:{}\"\nhost_keys = [{:?}]\naccounts = [{{ name = {:?}, key = \"file:{}\" }}]\n",
            self.port,
            self.host_key()?,
            self.account,
            self.file("account_key").display()
        ))
    }

    /// Kills it and everything it runs for its clients.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        let pid = self.service.pid().to_string();
        let sessions = Command::new("pgrep").args(["-P", &pid]).output()?;
        for session in String::from_utf8_lossy(&sessions.stdout).split_whitespace() {
            Command::new("kill").args(["-KILL", session]).status()?;
        }
        self.service.kill()
    }
}

fn sshd() -> Result<PathBuf> {
    // Not on the path of ordinary users, and it wants to be called by its whole path.
    let usual = Path::new("/usr/sbin/sshd");
    if usual.exists() {
        return Ok(usual.to_owned());
    }
    tools::on_path("sshd")
}

fn make_key(path: &Path) -> Result<()> {
    let mut command = Command::new(tools::on_path("ssh-keygen")?);
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "stage", "-f"]);
    tools::output(command.arg(path)).map(drop)
}

/// A client's own folder: it knows the gateway by its key, and gives a token as its password.
#[derive(Debug)]
pub struct SshClient {
    folder: TempDir,
    gateway: SocketAddr,
}

impl SshClient {
    /// Makes ready for a gateway that shows the key in `host_key` (OpenSSH's private format).
    ///
    /// # Errors
    /// When the key is none.
    pub fn new(gateway: SocketAddr, host_key: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-ssh-").tempdir()?;
        let public = Command::new(tools::on_path("ssh-keygen")?)
            .args(["-y", "-f"])
            .arg(host_key)
            .output()?;
        let public = String::from_utf8(public.stdout)?;
        let port = gateway.port();
        fs::write(
            folder.path().join("known_hosts"),
            format!("[127.0.0.1]:{port} {public}"),
        )?;
        let here = folder.path().display();
        fs::write(
            folder.path().join("config"),
            format!(
                "Host gw\n  HostName 127.0.0.1\n  Port {port}\n  UserKnownHostsFile {here}/known_hosts\n  \
                 StrictHostKeyChecking yes\n  PubkeyAuthentication no\n  IdentityAgent none\n  \
                 NumberOfPasswordPrompts 1\n  PreferredAuthentications password,keyboard-interactive\n  \
                 LogLevel ERROR\n  ControlPath {here}/%C\n"
            ),
        )?;
        fs::write(
            folder.path().join("ask"),
            "#!/bin/sh\nprintf '%s\\n' \"$STAGE_TOKEN\"\n",
        )?;
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder.path().join("ask"), fs::Permissions::from_mode(0o700))?;
        Ok(Self { folder, gateway })
    }

    /// Returns a command of OpenSSH (`ssh`, `scp`, `sftp`) that goes through the gateway, with
    /// `gw` as the name of the host.
    ///
    /// # Errors
    /// When it is missing.
    pub fn command(&self, program: &str, token: &str) -> Result<Command> {
        let mut command = Command::new(tools::on_path(program)?);
        command.arg("-F").arg(self.config());
        self.environment(&mut command, token);
        Ok(command)
    }

    /// Gives a command what OpenSSH needs to log in.
    pub fn environment(&self, command: &mut Command, token: &str) {
        command
            .env("SSH_ASKPASS", self.folder.path().join("ask"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("STAGE_TOKEN", token)
            .current_dir(self.folder.path());
    }

    /// Returns the configuration of the client.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// Returns a folder of the client's own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the gateway's public host key, as one line.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn host_key(&self) -> Result<String> {
        let known = fs::read_to_string(self.folder.path().join("known_hosts"))?;
        let (_, key) = known.trim().split_once(' ').context("a known host")?;
        Ok(key.to_owned())
    }

    /// Returns where the gateway listens.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Runs `ssh` to its end.
    ///
    /// # Errors
    /// When it is missing.
    pub fn ssh(&self, token: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command("ssh", token)?;
        command.args(arguments).stdin(std::process::Stdio::null());
        command.output().context("ssh")
    }
}
