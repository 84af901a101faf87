//! Carries out the commands: reads, asks, prints, and returns the exit status.

use std::fmt::Display;
use std::io::Write as _;

use model::{Assessment, Facts, Fault, Principal, Refusal, ResourceName, Rule};
use plugin::{ClassifyRequest, Plugins, SessionInfo};
use proto::postgres::catalog::Catalog;
use proto::postgres::sql::Limits;
use serde::Serialize;

use super::explain::{Question, explain, who};
use super::{CheckArgs, EXIT_USAGE, ExplainArgs};
use crate::config::{Config, ResourceConfig};
use crate::identity::Identity;
use crate::policy::{Names, Policy, SCHEMA};
use crate::{clock, plugins};

/// Said of every explanation: it does not connect to the upstream.
const NO_CATALOG: &str = "the upstream's catalog was not read: tags, masking and what views and functions do are not \
taken into account";

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
    // Only what is asked is loaded: compiling a component takes a moment.
    config
        .plugins
        .retain(|plugin| resource.classifiers.contains(&plugin.name));
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
    let notes = vec![NO_CATALOG.to_owned()];
    Ok(explain(
        question,
        &policy,
        &Catalog::default(),
        &limits,
        classify,
        notes,
    ))
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
