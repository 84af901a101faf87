//! What the story plays on: an issuer, a server, a receiver of evidence, and the gateway.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use e2e::client::{Answer, Target, Tls};
use e2e::gateway::{Configuration, Gateway, Plugin};
use e2e::issuer::{Issuer, unix_now};
use e2e::postgres::Postgres;
use e2e::receiver::Receiver;
use e2e::ssh::Sshd;
use e2e::tools::Version;
use serde_json::json;

use crate::story::Story;
use crate::web;

/// What agents may do in the story: connect, run what is not risky, and ask to delete. Nothing is
/// revealed.
const POLICY: &str = r#"// Support agents may connect, and run what the classifiers find harmless.
permit (
  principal in Group::"support-agents",
  action == Action::"connect",
  resource == Resource::"customers"
);
permit (
  principal in Group::"support-agents",
  action == Action::"execute",
  resource == Resource::"customers"
)
when { context.risk < 50 && !context.operation.verbs.contains("delete") };

// They may ask to delete what they can name: a human looks first.
permit (
  principal in Group::"support-agents",
  action == Action::"request",
  resource == Resource::"customers"
)
when { context.operation.verbs.contains("delete") && context.operation.bounded };

// The same for the HTTP service: reads at once, orders once a human agrees.
permit (
  principal in Group::"support-agents",
  action == Action::"connect",
  resource == Resource::"web"
);
permit (
  principal in Group::"support-agents",
  action == Action::"execute",
  resource == Resource::"web"
)
when { context.risk < 50 && context.operation.kind == "read" };
permit (
  principal in Group::"support-agents",
  action == Action::"request",
  resource == Resource::"web"
)
when { context.operation.verbs.contains("post") && context.risk < 50 };
permit (principal in Group::"dba", action == Action::"approve", resource == Resource::"web");

// On the host: what shell-risk finds harmless.
permit (
  principal in Group::"support-agents",
  action == Action::"connect",
  resource == Resource::"box"
);
permit (
  principal in Group::"support-agents",
  action == Action::"execute",
  resource == Resource::"box"
)
when { context.risk < 50 };

// Database administrators answer, and look after the gateway itself.
permit (
  principal in Group::"dba",
  action == Action::"approve",
  resource == Resource::"customers"
);
permit (
  principal in Group::"dba",
  action == Action::"execute",
  resource == Resource::"tidegate"
);
"#;

/// Everything the story needs, running.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) gateway: Gateway,
    pub(crate) receiver: Receiver,
    pub(crate) server: Postgres,
    /// The HTTP service.
    pub(crate) service: Receiver,
    /// The host.
    pub(crate) host: Sshd,
    agent: Target,
    /// The token of a database administrator.
    administrator: String,
}

impl Setting {
    /// Starts everything.
    pub(crate) fn build(story: &mut Story) -> Result<Self> {
        story.step("A PostgreSQL with made-up customers, an issuer of tokens, and the gateway between them");
        let begun = Instant::now();
        let issuer = Issuer::new()?;
        let server = Postgres::start(Version::any()).context("PostgreSQL")?;
        let receiver = Receiver::start()?;
        let mut configuration = Configuration::new(&server, &issuer).policy(POLICY);
        configuration
            .plugins
            .insert(1, Plugin::new("pii-scan", "masker", "{}"));
        configuration.plugins.push(Plugin::splunk_hec(receiver.address()));
        configuration.resource = "scan_untagged = true".to_owned();
        let service = web::service()?;
        configuration
            .plugins
            .push(Plugin::new("http-risk", "classifier", "{}"));
        configuration.web = Some((service.address().port(), "scan_untagged = true".to_owned()));
        let host = Sshd::start().context("OpenSSH")?;
        configuration
            .plugins
            .push(Plugin::new("shell-risk", "classifier", "{}"));
        configuration.ssh = Some(format!("{}scan_untagged = true\n", host.resource()?));
        configuration.web_tags = vec![("pii.ssn", "$..ssn")];
        configuration
            .environment
            .push(("STAGE_HEC_TOKEN".to_owned(), "a-made-up-token".to_owned()));
        let gateway = Gateway::start(&configuration)?;
        let mut claims = issuer.claims("support-bot-7", &["support-agents"]);
        claims["exp"] = json!(unix_now() + TOKEN_LIFE_S);
        claims["act"] = json!({ "sub": "maria@example.com" });
        let agent = gateway.target(&issuer.sign(&claims)?);
        story.note(&format!(
            "PostgreSQL on 127.0.0.1:{}, the gateway on {}:{}",
            server.port(),
            agent.host,
            agent.port
        ));
        story.note(
            "plugins: redact and pii-scan (masks), sql-risk, http-risk and shell-risk (classifiers), splunk-hec (export)",
        );
        story.note("the agent's password is its OIDC token; the server's password stays with the gateway");
        story.claim(
            &format!("ready after {:.1} s", begun.elapsed().as_secs_f64()),
            true,
        )?;
        Ok(Self {
            gateway,
            receiver,
            server,
            service,
            host,
            agent,
            administrator: issuer.person("dana@example.com", &["dba"])?,
        })
    }

    /// Sends a request as the agent, and shows both sides of it.
    pub(crate) fn request(&self, story: &Story, arguments: &[&str], path: &str) -> Result<e2e::web::Answer> {
        let url = self.gateway.web(path);
        let method = arguments.iter().skip_while(|argument| **argument != "-X").nth(1);
        story.sent(&format!("{} {url}", method.unwrap_or(&"GET")));
        let bearer = format!("Authorization: Bearer {}", self.agent.password);
        let authority = self.gateway.authority().map(|path| path.display().to_string());
        let mut all = vec!["-H", bearer.as_str()];
        if let Some(authority) = &authority {
            all.extend(["--cacert", authority]);
        }
        all.extend(arguments);
        all.push(&url);
        let answer = e2e::web::curl(&all)?;
        story.note(&format!("agent gets     {} {}", answer.status, answer.body));
        Ok(answer)
    }

    /// Begins to run SQL as the agent, and does not wait for it.
    pub(crate) fn begin(&self, story: &Story, sql: &str) -> Result<Child> {
        story.sent(sql);
        let mut psql = self.agent.command(&e2e::tools::postgres_client("psql")?);
        psql.args(["-XqAt", "-v", "VERBOSITY=verbose", "-c", sql])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(psql.spawn()?)
    }

    /// Returns where the agent keeps what it logs in with over SSH.
    pub(crate) fn ssh_folder(&self) -> PathBuf {
        self.gateway.home().folder().join("agent-ssh")
    }

    /// Runs a command of the gateway's as the agent.
    pub(crate) fn as_agent(&self, arguments: &[&str]) -> Result<Output> {
        self.run_as(&self.agent.password, arguments)
    }

    /// Runs a command of the gateway's as the administrator.
    pub(crate) fn administer(&self, arguments: &[&str]) -> Result<Output> {
        self.run_as(&self.administrator, arguments)
    }

    fn run_as(&self, token: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = self.gateway.home().command(arguments);
        command
            .args(["--url", &format!("http://{}", self.gateway.admin())])
            .env("TIDEGATE_TOKEN", token);
        Ok(command.output()?)
    }

    /// Runs SQL as the agent, and shows both sides of it.
    pub(crate) fn ask(&self, story: &Story, sql: &str) -> Result<Answer> {
        story.sent(sql);
        let answer = self.agent.psql(sql)?;
        story.got(&answer);
        Ok(answer)
    }

    /// Runs several statements in one session of the agent, and shows both sides of it.
    pub(crate) fn ask_each(&self, story: &Story, statements: &[&str]) -> Result<Answer> {
        let mut psql = self.agent.command(&e2e::tools::postgres_client("psql")?);
        psql.args(["-XqAt", "-v", "VERBOSITY=verbose"]);
        for sql in statements {
            story.sent(sql);
            psql.args(["-c", sql]);
        }
        let answer = Answer::of(&psql.output()?);
        story.got(&answer);
        Ok(answer)
    }

    /// Prints the commands to try by hand.
    pub(crate) fn show_by_hand(&self) -> Result<()> {
        let home = self.gateway.home();
        let token = home.folder().join("agent.token");
        fs::write(&token, &self.agent.password)?;
        let administrator = home.folder().join("dba.token");
        fs::write(&administrator, &self.administrator)?;
        let binary = home.binary().display().to_string();
        let config = home.config().display().to_string();
        println!("\nIt stays up for you to try. Ctrl-C stops it and removes everything. By hand:\n");
        println!("  export PGPASSWORD=\"$(cat {})\"", token.display());
        if let Tls::Verify(authority) = &self.agent.tls {
            println!(
                "  export PGSSLMODE=verify-full PGSSLROOTCERT={}",
                authority.display()
            );
        }
        println!(
            "  export PGHOST={} PGPORT={} PGUSER=agent",
            self.agent.host, self.agent.port
        );
        println!(
            "  psql {} -c 'select name, ssn, notes from customers limit 5'",
            self.agent.database
        );
        println!("  psql {} -c 'delete from orders'", self.agent.database);
        let authority = self
            .gateway
            .authority()
            .map(|path| format!("--cacert {} ", path.display()));
        println!(
            "  curl {}-H \"Authorization: Bearer $PGPASSWORD\" {}\n",
            authority.unwrap_or_default(),
            self.gateway.web("/customers/3")
        );
        println!(
            "  ssh -F {} box.tidegate uptime\n",
            self.ssh_folder().join("config").display()
        );
        let api = format!(
            "--url http://{} --token-file {}",
            self.gateway.admin(),
            administrator.display()
        );
        println!(
            "  psql {} -c 'delete from orders where id = 18' &   # waits for a human",
            self.agent.database
        );
        println!("  {binary} approvals {api}");
        println!("  {binary} approve ID {api}");
        println!("  {binary} sessions {api}\n");
        println!("  {binary} journal tail --config {config}");
        println!("  {binary} journal verify --config {config}");
        println!(
            "  {binary} explain --config {config} --as \"$PGPASSWORD\" --resource customers --sql 'drop table orders'"
        );
        println!("  curl http://{}/metrics", self.gateway.admin());
        println!(
            "  less {} {}",
            config,
            home.folder().join("policy/policy.cedar").display()
        );
        Ok(())
    }
}

/// How long the agent's token lasts: a working day of trying things out.
const TOKEN_LIFE_S: u64 = 8 * 3_600;
