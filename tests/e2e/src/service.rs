//! A process the stage started: its log, its signals, its end.
//!
//! A service dies with its owner. It is also told to die with the thread that started it, so
//! that a test that is itself killed leaves nothing running: start a service on the thread
//! that keeps it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a service may take to start on a busy machine of two cores.
pub const START_WAIT_MAX: Duration = Duration::from_secs(180);

/// How long a service may take to end after it was asked to.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often something outside is looked at again: short against the starts it waits for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks at something outside until it is there, and returns it.
///
/// # Errors
/// When `limit` has passed; the error names `what` was waited for.
pub fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} in vain for {what}");
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// As whom a service runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Account {
    /// As whoever runs the stage.
    Own,
    /// PostgreSQL and pgbouncer refuse to run as root: another account, if the stage is root.
    Unprivileged,
}

impl Account {
    /// Returns the user and group ids to switch to, if any.
    ///
    /// # Errors
    /// When the stage is root and the machine has neither `postgres` nor `nobody`.
    pub fn ids(self) -> Result<Option<(u32, u32)>> {
        if self == Self::Own || !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd")?;
        let ids = |name: &str| {
            let line = accounts
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let found = ids("postgres").or_else(|| ids("nobody"));
        Ok(Some(found.context(
            "the machine has neither an account `postgres` nor `nobody`",
        )?))
    }

    /// Gives a file or folder, and all below it, to this account.
    ///
    /// # Errors
    /// When the account or the file system does not allow it.
    pub fn own(self, path: &Path) -> Result<()> {
        let Some((user, group)) = self.ids()? else {
            return Ok(());
        };
        std::os::unix::fs::lchown(path, Some(user), Some(group))?;
        if path.is_dir() {
            for entry in path.read_dir()? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }

    /// Returns a command that runs `program` as this account, with the same process id
    /// throughout, and ends with the thread that starts it.
    ///
    /// # Errors
    /// As [`Self::ids`].
    pub fn command(self, program: &Path) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some((user, group)) = self.ids()? {
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={group}"))
                .arg("--clear-groups");
        }
        command.arg("--").arg(program);
        Ok(command)
    }
}

/// A process the stage started.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    child: Child,
    log: PathBuf,
    stop: Signal,
}

impl Service {
    /// Starts a command with its output appended to `log`; `stop` is the signal that ends it in order.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, log: &Path, stop: Signal) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
            stop,
        })
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns everything it has written so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        self.log_from(0)
    }

    /// Returns what it has written from byte `from` on.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_from(&self, from: u64) -> Result<String> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns how much it has written so far.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_bytes(&self) -> Result<u64> {
        Ok(fs::metadata(&self.log)?.len())
    }

    /// Waits until `look` finds something in the log from byte `from` on, and returns it.
    ///
    /// # Errors
    /// When the service ends first or [`START_WAIT_MAX`] passes; the error carries the log's end.
    pub fn wait_for<T>(&mut self, from: usize, what: &str, look: impl Fn(&str) -> Option<T>) -> Result<T> {
        let result = until(START_WAIT_MAX, what, || {
            if let Some(found) = self.log()?.get(from..).and_then(&look) {
                return Ok(Some(found));
            }
            match self.child.try_wait()? {
                Some(status) => Err(anyhow!("{} ended with {status}", self.name)),
                None => Ok(None),
            }
        });
        result.with_context(|| format!("{} did not start; its log ends:\n{}", self.name, self.log_end()))
    }

    /// Checks that it has not ended by itself.
    ///
    /// # Errors
    /// When it has; the error carries the log's end.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended with {status}; its log ends:\n{}",
                self.name,
                self.log_end()
            ),
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Asks it to end in order and waits for it.
    ///
    /// # Errors
    /// When it does not end within [`STOP_WAIT_MAX`].
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(self.stop)?;
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within [`STOP_WAIT_MAX`].
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        until(STOP_WAIT_MAX, &what, || Ok(self.child.try_wait()?))
    }

    /// Kills it on the spot.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn log_end(&self) -> String {
        let log = self.log().unwrap_or_default();
        let start = log.floor_char_boundary(log.len().saturating_sub(LOG_END_BYTES));
        log[start..].to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nobody is left to be told; the kill is for those that would not go.
        if self.stop().is_err() {
            let _ = self.kill();
        }
    }
}

/// How much of a log an error shows: a screenful.
const LOG_END_BYTES: usize = 3_000;

/// Returns a port of the loopback interface that was free a moment ago.
///
/// # Errors
/// When the operating system has none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
