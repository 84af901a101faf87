//! An identity provider that nobody here wrote says that a token is over or that somebody has
//! logged out, or says nothing at all.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::client::Answer;
use e2e::gateway::{Configuration, ConsoleOf, Gateway};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::postgres::Postgres;
use e2e::provider::{Person, Provider};
use e2e::service::{START_WAIT_MAX, free_port, until};
use e2e::tools::Version;
use rustix::process::Signal;

use crate::holds::{approvals, begin, id, json, tidegate};

/// Whoever comes from the provider reads, and asks people before anything is changed.
const POLICY: &str = r#"
permit (principal in Group::"people/agents", action in [Action::"connect", Action::"request"], resource == Resource::"customers");
permit (principal in Group::"people/agents", action == Action::"execute", resource == Resource::"customers")
when { context.operation.kind == "read" };
permit (principal in Group::"people/dba", action in [Action::"connect", Action::"execute"], resource == Resource::"customers");
permit (principal in Group::"corp/dba", action == Action::"approve", resource == Resource::"customers");
permit (principal in Group::"corp/dba", action == Action::"execute", resource == Resource::"tidegate");
"#;

/// How long the gateway may take to hear that a token is over: it asks every ten seconds.
const HEARD_WITHIN: Duration = Duration::from_secs(25);

/// A gateway that asks the provider about its tokens.
struct Stage {
    gateway: Gateway,
    server: Postgres,
    issuer: Issuer,
    provider: Provider,
    console: String,
}

impl Stage {
    /// Starts one that asks as often as `every` says.
    fn asking(every: &str) -> Result<Self> {
        let port = free_port()?;
        let console = format!("http://127.0.0.1:{port}");
        let provider = Provider::start(&console)?;
        let (server, issuer) = (Postgres::start(Version::Packaged)?, Issuer::new()?);
        let mut configuration = Configuration::new(&server, &issuer).policy(POLICY);
        configuration.console = Some(ConsoleOf {
            port,
            issuer: provider.issuer().to_owned(),
            identity: format!(
                "introspection = {{ client_id = \"gateway\", client_secret = \"env:STAGE_GATEWAY_SECRET\", \
                 every = \"{every}\", opaque = true }}"
            ),
        });
        let gateway = Gateway::start(&configuration)?;
        Ok(Self {
            gateway,
            server,
            issuer,
            provider,
            console,
        })
    }

    /// Starts a statement that runs for longer than anybody waits, and waits until it runs.
    fn runs(&self, token: &str) -> Result<Child> {
        let psql = begin(&self.gateway.target(token), "select pg_sleep(600)")?;
        let running = "select count(*) from pg_stat_activity where state = 'active' \
                       and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()";
        until(START_WAIT_MAX, "the statement to run", || {
            Ok((self.server.query(running)?.trim() == "1").then_some(()))
        })?;
        Ok(psql)
    }

    fn dba(&self) -> Result<String> {
        self.issuer.person("dana", &["dba"])
    }
}

fn ended(psql: Child) -> Result<String> {
    let answer = Answer::of(&psql.wait_with_output()?);
    ensure!(!answer.ok, "it ran: {}", answer.rows);
    Ok(answer.errors)
}

#[test]
fn a_session_ends_when_the_provider_says_that_its_token_is_over() -> Result<()> {
    let stage = Stage::asking("10s")?;
    let token = stage.provider.agent_token()?;
    let (psql, other) = (stage.runs(&token)?, stage.provider.agent_token()?);
    let since = Instant::now();
    stage.provider.revoke(&token)?;
    let errors = ended(psql)?;
    assert!(
        errors.contains("57P01") && errors.contains("your token does not hold any more"),
        "{errors}"
    );
    assert!(since.elapsed() < HEARD_WITHIN, "{:?}", since.elapsed());
    let refused = stage.gateway.target(&token).psql("select 1")?;
    assert!(
        refused.errors.contains("the token was not accepted"),
        "{}",
        refused.errors
    );
    let answer = stage.gateway.target(&other).psql("select 1")?;
    assert!(
        answer.ok,
        "another token of the same agent holds: {}",
        answer.errors
    );
    let entries = journal::entries(stage.gateway.home())?;
    let over = journal::of_kind(&entries, "identity.token-ended");
    assert!(over.iter().any(|entry| entry["why"] == "inactive"), "{over:?}");
    Ok(())
}

#[test]
fn what_people_agreed_to_does_not_run_by_a_token_that_is_over_or_that_nobody_can_ask_about() -> Result<()> {
    let stage = Stage::asking("1h")?;
    let dba = stage.dba()?;
    let sql = "delete from orders where id = 31";
    let left = || stage.server.query("select count(*) from orders where id = 31");

    // The provider stands still while people agree: nothing runs, and nothing is lost.
    let token = stage.provider.agent_token()?;
    let psql = begin(&stage.gateway.target(&token), sql)?;
    let first = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
    stage.provider.signal(Signal::STOP)?;
    json(&tidegate(&stage.gateway, &dba, &["approve", &first])?)?;
    let errors = ended(psql)?;
    assert!(
        errors.contains("could not be asked whether your token still holds"),
        "{errors}"
    );
    assert_eq!(left()?.trim(), "1");
    assert_eq!(id(&approvals(&stage.gateway, &dba, "approved", 1)?[0])?, first);
    stage.provider.signal(Signal::CONT)?;
    let again = stage.gateway.target(&token).psql(sql)?;
    assert!(
        again.ok,
        "sent again, it runs without a second question: {}",
        again.errors
    );
    assert_eq!(left()?.trim(), "0");

    // The token is taken back while people think: nobody acts by it any more.
    let psql = begin(&stage.gateway.target(&token), "delete from orders where id = 32")?;
    let second = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
    stage.provider.revoke(&token)?;
    json(&tidegate(&stage.gateway, &dba, &["approve", &second])?)?;
    let errors = ended(psql)?;
    assert!(errors.contains("your token does not hold any more"), "{errors}");
    let kept = stage.server.query("select count(*) from orders where id = 32")?;
    assert_eq!(kept.trim(), "1");
    Ok(())
}

#[test]
fn whoever_logs_out_at_the_provider_is_out_of_everything() -> Result<()> {
    let stage = Stage::asking("1h")?;
    let mut alice = Person::start(&stage.console, &stage.provider)?;
    assert_eq!(alice.does("login")?, "200");
    assert_eq!(alice.does("look")?, "200");
    let token = alice.does("token")?;
    let psql = stage.runs(&token)?;
    let agent = stage.provider.agent_token()?;

    assert_eq!(alice.does("logout")?, "303");
    let errors = ended(psql)?;
    assert!(
        errors.contains("57P01") && errors.contains("the identity provider ended your login"),
        "{errors}"
    );
    let log = stage.provider.log()?;
    assert!(
        log.contains("backchannel.success") && !log.contains("backchannel.error"),
        "{log}"
    );
    // The console sends her away to sign in.
    assert_eq!(alice.does("look")?, "303");
    assert!(!stage.gateway.target(&token).psql("select 1")?.ok);
    let other = stage.gateway.target(&agent).psql("select 1")?;
    assert!(other.ok, "others are not touched: {}", other.errors);

    let entries = journal::entries(stage.gateway.home())?;
    let logouts = journal::of_kind(&entries, "identity.logout");
    let logout = logouts.first().context("it is written down")?;
    assert_eq!((logouts.len(), &logout["subject"]), (1, &"alice".into()));
    Ok(())
}
