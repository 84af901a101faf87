//! Talks to a running gateway's API for the commands.
//!
//! A token is never an argument, where everybody on the machine could read it, and goes in clear
//! text to this machine only. What comes back is from outside: nothing of it reaches the
//! terminal raw.

mod exchange;
mod table;
mod token;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde_json::Value;
use url::{Host, Url};

use self::exchange::{Answer, Connection};
pub(super) use self::table::{print_json, table, text, when};
use super::terminal::Failure;
use super::{EXIT_FAILED, EXIT_USAGE};
use crate::config::Config;

/// The exit status when policy, or a person, says no (`EX_NOPERM` of sysexits.h).
pub const EXIT_DENIED: u8 = 77;

/// The exit status when nobody has answered in time (`EX_TEMPFAIL` of sysexits.h).
pub const EXIT_PENDING: u8 = 75;

/// What the help of every command over the API says of its exit status.
macro_rules! exit_status {
    ($rest:literal) => {
        concat!(
            "Exit status: 0 when it was done, 1 when it could not be, 64 for a bad command line or configuration, 75 \
             when nobody has answered yet, 77 when policy or a person says no.\n\nThe token is read from \
             --token-file, else from the variable TIDEGATE_TOKEN; --token-file - reads standard input.\n\nExamples:\n",
            $rest
        )
    };
}
pub(super) use exit_status;

/// Where the gateway is, and who asks.
#[derive(Args, Clone, Debug)]
pub struct Remote {
    /// The gateway's address, e.g. `https://gateway.example:8443`. Without it, the configuration's.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The configuration file that names the admin listener.
    #[arg(long, default_value = "tidegate.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// A file with the token; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate authorities that vouch for the gateway, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Print JSON, as the API gives it.
    #[arg(long)]
    pub json: bool,
}

/// A gateway that can be asked.
pub(crate) struct Gateway {
    connection: Connection,
    pub(crate) json: bool,
}

impl Remote {
    /// Finds the gateway and the token; asks nothing yet.
    pub(crate) fn gateway(&self) -> Result<Gateway, Failure> {
        let url = self.base()?;
        let local = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(Failure::new(
                EXIT_USAGE,
                "--url: a token goes over https://, or to this machine over http://",
            ));
        }
        let token = token::read(self.token_file.as_deref())?;
        Ok(Gateway {
            connection: Connection::new(url, token, self.ca.as_deref())?,
            json: self.json,
        })
    }

    /// Returns the token, without asking anybody.
    pub(crate) fn token(&self) -> Result<token::Token, Failure> {
        token::read(self.token_file.as_deref())
    }

    /// Returns the gateway's name.
    pub(crate) fn host(&self) -> Result<String, Failure> {
        let url = self.base()?;
        let host = url.host_str().unwrap_or_default();
        Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
    }

    fn base(&self) -> Result<Url, Failure> {
        let wrong = |reason: String| Failure::new(EXIT_USAGE, reason);
        let text = match &self.url {
            Some(url) => url.clone(),
            None => {
                let config = Config::load(&self.config).map_err(|faults| Failure::of(EXIT_USAGE, &faults))?;
                of_listener(&config).ok_or_else(|| {
                    wrong("the configuration has no [listen] admin; name the gateway with --url".to_owned())
                })?
            }
        };
        let url = Url::parse(&text).map_err(|error| wrong(format!("--url: {error}")))?;
        if url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("--url: write https://HOST:PORT".to_owned()));
        }
        Ok(url)
    }
}

/// Returns the address of the configured admin listener, as it is reached from this machine.
fn of_listener(config: &Config) -> Option<String> {
    let mut address = config.listen.admin?;
    if address.ip().is_unspecified() {
        address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    let scheme = if config.listen.admin_tls { "https" } else { "http" };
    Some(format!("{scheme}://{address}"))
}

impl Gateway {
    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None, None).await
    }

    /// Has something done.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body), None).await
    }

    /// Has something done if it still stands at `revision`.
    pub(crate) async fn post_at(&self, path: &str, body: &Value, revision: u64) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body), Some(revision)).await
    }

    /// Has something taken away.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::DELETE, path, None, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: Option<u64>,
    ) -> Result<Value, Failure> {
        let Answer { status, body } = self.connection.ask(method, path, body, revision).await?;
        let value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).map_err(|_| {
                Failure::new(EXIT_FAILED, "the gateway's answer is not JSON; is it a gateway?")
            })?
        };
        if (200..300).contains(&status) {
            return Ok(value);
        }
        Err(refused(status, &value))
    }
}

/// Puts a problem into words.
fn refused(status: u16, problem: &Value) -> Failure {
    let exit = match status {
        401 | 403 => EXIT_DENIED,
        _ => EXIT_FAILED,
    };
    let member = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![match member("detail") {
        detail if detail.is_empty() => format!("the gateway answered with status {status}"),
        detail => detail,
    }];
    for (name, value) in [("hint", member("hint")), ("request", member("request_id"))] {
        if !value.is_empty() {
            lines.push(format!("{name}: {value}"));
        }
    }
    // Each is escaped where it is printed; a line break in one must not look like another.
    let lines: Vec<String> = lines
        .into_iter()
        .map(|line| line.replace(['\n', '\r'], " "))
        .collect();
    Failure::new(exit, lines.join("\n"))
}

/// Writes a text so that it can stand as one part of a path.
pub(super) fn part(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// Writes parameters after a path; those without a value are left out.
pub(super) fn with_parameters(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests;
