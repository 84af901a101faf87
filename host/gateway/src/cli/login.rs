//! `tidegate login`: what logs in over SSH in the place of a token.
//!
//! OpenSSH cuts passwords after 1023 bytes, and tokens are longer. So the gateway certifies a key
//! made here, for an hour at the most, and everything `ssh`, `scp`, `sftp`, `rsync` and git need
//! to find it is written beside it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Certificate, PrivateKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::remote::{Remote, exit_status, print_json, text};
use super::terminal::{Failure, escape};
use super::{EXIT_FAILED, EXIT_IO, EXIT_USAGE};
use crate::clock;
use crate::services::random;

/// A certificate that ends within this time, in seconds, is as good as over.
const FRESH_SECONDS: u64 = 60;

/// The files of the folder.
const KEY: &str = "id";
const CERTIFICATE: &str = "id-cert.pub";
const KNOWN_HOSTS: &str = "known_hosts";
const CONFIG: &str = "config";

/// The arguments of `login`.
#[derive(Args, Clone, Debug)]
#[command(after_help = LOGIN_HELP)]
pub struct LoginArgs {
    /// The folder of the key and what belongs to it [default: ~/.config/tidegate/ssh].
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// The name by which this machine reaches the gateway over SSH [default: that of its address].
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Do nothing if the certificate still holds for a minute.
    #[arg(long)]
    pub ensure: bool,
    /// Say nothing when all is well.
    #[arg(long)]
    pub quiet: bool,
    /// Put the key into the running ssh-agent as well, until the certificate ends.
    #[arg(long)]
    pub agent: bool,
    /// Print a password for one login to this resource instead, for clients without certificates.
    #[arg(long, value_name = "RESOURCE", conflicts_with_all = ["ensure", "agent", "dir"])]
    pub ticket: Option<String>,
    /// Print the token itself instead: a password command for PostgreSQL clients.
    #[arg(long, conflicts_with_all = ["ensure", "agent", "dir", "ticket"])]
    pub password: bool,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

const LOGIN_HELP: &str = exit_status!(
    "  tidegate login --url https://gateway.example:8443 --token-file me.token
  ssh -F ~/.config/tidegate/ssh/config box.tidegate uptime
  echo 'Include ~/.config/tidegate/ssh/config' >> ~/.ssh/config      # then: ssh box.tidegate
  tidegate login --ensure --quiet --url https://gateway.example:8443 --token-file me.token
  tidegate login --ticket box --url https://gateway.example:8443 --token-file me.token
  PGPASSWORD=\"$(tidegate login --password --token-file me.token)\" psql …"
);

/// Carries out `login`; returns the exit status.
pub async fn login(args: LoginArgs) -> u8 {
    let done = run(&args).await;
    done.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

async fn run(args: &LoginArgs) -> Result<(), Failure> {
    if args.password {
        let token = args.remote.token()?;
        return say(&token);
    }
    if let Some(resource) = &args.ticket {
        let gateway = args.remote.gateway()?;
        let given = gateway
            .post("/api/v1/ssh/tickets", &json!({ "resource": resource }))
            .await?;
        if gateway.json {
            return print_json(&given);
        }
        return say(&text(&given["ticket"]));
    }
    let folder = folder(args.dir.as_deref())?;
    if args.ensure && is_fresh(&folder.join(CERTIFICATE)) {
        return Ok(());
    }
    let given = certify(args, &folder).await?;
    if args.agent {
        fill_agent(&folder, given["expires_unix"].as_u64().unwrap_or(0))?;
    }
    if args.remote.json {
        return print_json(&given);
    }
    if args.quiet {
        return Ok(());
    }
    tell(&folder, &given)
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", escape(line)).map_err(|error| Failure::of_output(&error))
}

/// Has the key certified, and writes everything.
async fn certify(args: &LoginArgs, folder: &Path) -> Result<Value, Failure> {
    let key = key(folder)?;
    let public = key.public_key().to_openssh();
    let public = public.map_err(|error| Failure::of(EXIT_FAILED, &error))?;
    let gateway = args.remote.gateway()?;
    let given = gateway
        .post("/api/v1/ssh/certificates", &json!({ "public_key": public }))
        .await?;
    let host = match &args.host {
        Some(host) => host.clone(),
        None => args.remote.host()?,
    };
    let (certificate, host_key) = (text(&given["certificate"]), text(&given["host_key"]));
    // What goes into these files is read by programs: it must be what it should be.
    let one_line = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    let named = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    };
    let resources: Vec<&str> = given["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let port = given["port"].as_u64().filter(|port| (1..=65_535).contains(port));
    let sound = Certificate::from_openssh(&certificate).is_ok()
        && one_line(&certificate)
        && one_line(&host_key)
        && named(&host)
        && resources.iter().all(|name| named(name));
    let Some(port) = port.filter(|_| sound) else {
        return Err(Failure::new(
            EXIT_FAILED,
            "the gateway's answer is no certificate; is it a gateway?",
        ));
    };
    write(folder, CERTIFICATE, &format!("{certificate}\n"))?;
    write(folder, KNOWN_HOSTS, &format!("[{host}]:{port} {host_key}\n"))?;
    write(folder, CONFIG, &config(folder, (&host, port), &resources))?;
    Ok(given)
}

/// Returns what OpenSSH's clients read: a host for each resource.
fn config(folder: &Path, (host, port): (&str, u64), resources: &[&str]) -> String {
    let mut config = "# Written by `tidegate login`; changed by its next run.\n".to_owned();
    let place = |name: &str| format!("\"{}\"", folder.join(name).display());
    for resource in resources {
        // Writing to memory cannot fail.
        let _ = write!(
            config,
            "\nHost {resource}.tidegate\n  HostName {host}\n  Port {port}\n  User {resource}\n  \
             IdentityFile {}\n  CertificateFile {}\n  UserKnownHostsFile {}\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  ForwardAgent no\n  StrictHostKeyChecking yes\n  \
             PreferredAuthentications publickey\n",
            place(KEY),
            place(CERTIFICATE),
            place(KNOWN_HOSTS),
        );
    }
    config
}

/// Returns the key of the folder; makes it if there is none.
fn key(folder: &Path) -> Result<PrivateKey, Failure> {
    let path = folder.join(KEY);
    match fs::read_to_string(&path) {
        Ok(held) => PrivateKey::from_openssh(Zeroizing::new(held).as_str())
            .map_err(|error| Failure::new(EXIT_IO, format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = PrivateKey::from(Ed25519Keypair::from_seed(&Zeroizing::new(random())));
            let text = key.to_openssh(LineEnding::LF);
            write(
                folder,
                KEY,
                &text.map_err(|error| Failure::of(EXIT_FAILED, &error))?,
            )?;
            Ok(key)
        }
        Err(error) => Err(Failure::new(EXIT_IO, format!("{}: {error}", path.display()))),
    }
}

fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match given {
        Some(given) => std::path::absolute(given).map_err(|error| Failure::of(EXIT_IO, &error))?,
        None => {
            let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
            let config = config.map(PathBuf::from).or_else(|| {
                let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
                Some(PathBuf::from(home).join(".config"))
            });
            let wanted = "--dir: name a folder; there is neither HOME nor XDG_CONFIG_HOME";
            config
                .ok_or_else(|| Failure::new(EXIT_USAGE, wanted))?
                .join("tidegate/ssh")
        }
    };
    if folder.to_string_lossy().contains(['"', '\n', '%', '$']) {
        return Err(Failure::new(
            EXIT_USAGE,
            "--dir: OpenSSH cannot be told of such a path",
        ));
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| Failure::new(EXIT_IO, format!("{}: {error}", folder.display())))?;
    Ok(folder)
}

/// Writes a file whole, for its owner alone.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let (path, draft) = (folder.join(name), folder.join(format!(".{name}.new")));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&draft, &path));
    written.map_err(|error| Failure::new(EXIT_IO, format!("{}: {error}", path.display())))
}

fn is_fresh(certificate: &Path) -> bool {
    let held = fs::read_to_string(certificate).ok();
    let held = held.and_then(|held| Certificate::from_openssh(held.trim()).ok());
    held.is_some_and(|held| held.valid_before() > clock::unix_seconds() + FRESH_SECONDS)
}

fn fill_agent(folder: &Path, until: u64) -> Result<(), Failure> {
    let left = until.saturating_sub(clock::unix_seconds()).max(1);
    let added = Command::new("ssh-add")
        .args(["-q", "-t", &left.to_string()])
        .arg(folder.join(KEY))
        .status();
    match added {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::new(
            EXIT_FAILED,
            "ssh-add did not take the key; does an agent run?",
        )),
        Err(error) => Err(Failure::new(EXIT_IO, format!("ssh-add: {error}"))),
    }
}

fn tell(folder: &Path, given: &Value) -> Result<(), Failure> {
    let config = folder.join(CONFIG);
    let config = escape(&config.to_string_lossy());
    let first = given["resources"]
        .as_array()
        .and_then(|names| names.first()?.as_str());
    let mut lines = format!("a certificate until {}", escape(&text(&given["expires"])));
    match first {
        Some(first) => {
            let _ = write!(lines, "\n  ssh -F {config} {}.tidegate", escape(first));
            let _ = write!(
                lines,
                "\nor, with \"Include {config}\" in ~/.ssh/config:\n  ssh {}.tidegate",
                escape(first)
            );
        }
        None => lines.push_str("; policy lets you connect to no host yet"),
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{lines}").map_err(|error| Failure::of_output(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_is_a_host_of_its_own() {
        let config = config(Path::new("/users/me/ssh"), ("gw.example", 2222), &["box", "db"]);
        for line in [
            "Host box.tidegate\n  HostName gw.example\n  Port 2222\n  User box\n",
            "Host db.tidegate\n",
            "CertificateFile \"/users/me/ssh/id-cert.pub\"",
            "StrictHostKeyChecking yes",
        ] {
            assert!(config.contains(line), "{config}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let (Ok(made), Ok(again)) = (key(folder.path()), key(folder.path())) else {
            panic!("a key is made, and read again");
        };
        assert_eq!(made.public_key(), again.public_key());
        let mode = fs::metadata(folder.path().join(KEY))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!is_fresh(&folder.path().join(CERTIFICATE)));
    }
}
