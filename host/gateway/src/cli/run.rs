//! Carries out the commands: reads, asks, prints, and returns the exit status.

use std::fmt::Display;
use std::io::Write as _;

use model::{Assessment, Facts, Fault, Principal, Refusal, ResourceName, Rule};
use plugin::{ClassifyRequest, Plugins, SessionInfo};
use proto::postgres::sql::Limits;
use serde::Serialize;

use super::explain::{Question, explain, who};
use super::{CheckArgs, Command, EXIT_USAGE, ExplainArgs, ServeArgs};
use crate::config::{Config, ResourceConfig};
use crate::identity::Identity;
use crate::policy::{Names, Policy, SCHEMA};
use crate::postgres::Upstream;
use crate::{clock, log, plugins};

/// Said of an explanation whose upstream could not be asked.
pub(crate) const NO_CATALOG: &str = "the upstream's catalog could not be read, so tags, masking and what views and functions do \
are not taken into account";

/// Carries out a command; returns the exit status.
#[must_use]
pub fn command(command: Command) -> u8 {
    // One provider for all of TLS; a second installation is the first one's business.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, super::EXIT_FAILED),
    };
    runtime.block_on(async {
        match command {
            Command::Serve(args) => serve(&args).await,
            Command::Check(args) => check(&args).await,
            Command::Explain(args) => explain_statement(&args).await,
            Command::Journal(command) => super::journal::command(command).await,
            Command::Replay(args) => super::replay::command(args).await,
            Command::Approvals(args) => super::approvals::list(args).await,
            Command::Approve(args) => super::approvals::approve(args).await,
            Command::Deny(args) => super::approvals::deny(args).await,
            Command::Request(args) => super::grants::request(args).await,
            Command::Grants(args) => super::grants::list(args).await,
            Command::Login(args) => super::login::login(args).await,
            Command::Revoke(args) => super::revoke::revoke(args).await,
            Command::Locks(args) => super::revoke::list(args).await,
            Command::Lift(args) => super::revoke::lift(args).await,
            Command::Reload(args) => super::reload::reload(args).await,
            Command::Sessions(args) => super::sessions::list(args).await,
            Command::Plugin(command) => super::plugin::command(command).await,
            Command::Access(command) => super::access::command(command).await,
        }
    })
}

/// Threads for everything but sessions, which have their own.
const THREADS: usize = 2;

/// Runs `tidegate serve`; returns the exit status.
async fn serve(args: &ServeArgs) -> u8 {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(faults) => return fail(&faults, EXIT_USAGE),
    };
    log::start(config.log);
    for warning in &config.warnings {
        tracing::warn!(%warning, "configuration");
    }
    match crate::serve::serve(config).await {
        Ok(()) => 0,
        // A fault of the configuration that only showed when it was put to use.
        Err(error) => fail(&format_args!("{error:#}"), EXIT_USAGE),
    }
}

fn fail(reason: &dyn Display, status: u8) -> u8 {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "tidegate: {reason}");
    status
}

/// Runs `tidegate check`; returns the exit status.
pub async fn check(args: &CheckArgs) -> u8 {
    if args.schema {
        return print(SCHEMA, SCHEMA, false, 0);
    }
    let report = super::check::check(&args.config, clock::unix_seconds()).await;
    let status = if report.ok { 0 } else { EXIT_USAGE };
    print(&report, &report, args.json, status)
}

/// Runs `tidegate explain`; returns the exit status: 0 once there is an explanation, whatever
/// the verdict.
pub async fn explain_statement(args: &ExplainArgs) -> u8 {
    match explanation(args).await {
        Ok(explanation) => print(&explanation, &explanation, args.json, 0),
        Err(reason) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr().lock(), "{reason}");
            EXIT_USAGE
        }
    }
}

async fn explanation(args: &ExplainArgs) -> Result<super::explain::Explanation, String> {
    let mut config = Config::load(&args.config).map_err(|faults| faults.to_string())?;
    let policy =
        Policy::load(&config.policy_files, &Names::of(&config)).map_err(|faults| faults.to_string())?;
    let identity = Identity::new(&config.identities).map_err(|error| error.to_string())?;
    let now = clock::unix_seconds();
    let principal = who(&identity, &args.principal, now)
        .await
        .map_err(|error| error.to_string())?;
    let resource = config
        .resource(&args.resource)
        .cloned()
        .ok_or_else(|| unknown_resource(&config, &args.resource))?;
    let postgres = resource
        .postgres()
        .cloned()
        .ok_or_else(|| format!("--resource: \"{}\" runs no SQL", resource.name))?;
    // Only what is asked is loaded: compiling a component takes a moment.
    config.plugins.retain(|plugin| {
        resource.classifiers.contains(&plugin.name) || resource.maskers.contains(&plugin.name)
    });
    let plugins = plugins::load(&config)
        .await
        .map_err(|error| format!("{error:#}"))?;
    let limits = Limits {
        bytes_max: usize::try_from(config.limits.statement).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let question = Question {
        principal: &principal,
        resource: &resource.name,
        sql: &args.sql,
        now,
    };
    let classify = |facts: &Facts| classify(&plugins, &resource, &principal, &args.sql, facts);
    let upstream = Upstream::new(&resource, &postgres, &config).map_err(|error| error.to_string())?;
    let notes = match upstream.read_catalog(None).await {
        Ok(()) => Vec::new(),
        Err(error) => vec![format!("{NO_CATALOG}: {error}")],
    };
    let catalogs = upstream.catalogs(&principal, &policy);
    Ok(
        explain(question, &policy, &catalogs.own, &limits, classify, notes)
            .composed(|tags| plugins::compose(&plugins, &resource.classifiers, &resource.maskers, tags)),
    )
}

fn unknown_resource(config: &Config, name: &str) -> String {
    let known: Vec<&str> = config
        .resources
        .iter()
        .map(|resource| ResourceName::as_str(&resource.name))
        .collect();
    format!(
        "--resource: there is no resource \"{name}\"; configured: {}",
        known.join(", ")
    )
}

fn classify(
    plugins: &Plugins,
    resource: &ResourceConfig,
    principal: &Principal,
    sql: &str,
    facts: &Facts,
) -> Result<Assessment, Refusal> {
    let failed = |reason: String| Refusal::new(Rule::ClassifierFailed, Fault::Plugin, reason);
    let json = serde_json::to_string(facts).map_err(|error| failed(error.to_string()))?;
    let session = SessionInfo::new(principal, resource.name.clone(), "postgres");
    let request = ClassifyRequest {
        session: &session,
        statement: sql,
        facts: &json,
    };
    plugins
        .classifiers()
        .classify(&resource.classifiers, &request)
        .map_err(|fault| failed(fault.to_string()))
}

/// Prints a result as text or JSON. What cannot be printed did not happen for whoever asked.
fn print(text: impl Display, json: impl Serialize, as_json: bool, status: u8) -> u8 {
    let mut out = std::io::stdout().lock();
    let written = if as_json {
        serde_json::to_writer_pretty(&mut out, &json)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        write!(out, "{text}")
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) => status,
        Err(_) => super::EXIT_FAILED,
    }
}
