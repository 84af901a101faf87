//! The configuration file of a gateway on the stage.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};

use crate::issuer::{AUDIENCE, ISSUER, Issuer};
use crate::postgres::{DATABASE, Postgres};
use crate::ssh::BOX;
use crate::tools;

/// The resource's name, which clients give as the database.
pub const RESOURCE: &str = "customers";

/// The HTTP resource's name, which clients give as the first segment of the path.
pub const WEB: &str = "web";

/// The credential of the HTTP resource, which no client may ever see.
pub const WEB_TOKEN: &str = "stage-web-credential-7c1e";

/// What the group `agents` may do over HTTP in most tests.
pub const WEB_POLICY: &str = r#"permit (
  principal in Group::"agents",
  action in [Action::"connect", Action::"execute"],
  resource == Resource::"web"
);
"#;

/// What the group `agents` may do over SSH in most tests.
pub const SSH_POLICY: &str = r#"permit (
  principal in Group::"agents",
  action in [Action::"connect", Action::"execute"],
  resource == Resource::"box"
);
"#;

/// What the group `agents` may do in most tests: everything but see tagged data.
pub const AGENT_POLICY: &str = r#"permit (
  principal in Group::"agents",
  action in [Action::"connect", Action::"execute"],
  resource == Resource::"customers"
);
"#;

/// A console on the stage.
#[derive(Clone, Debug)]
pub struct ConsoleOf {
    /// The port of the admin listener: the provider must know it before the gateway starts.
    pub port: u16,
    /// The issuer that people log in with; as an identity it is called `people`.
    pub issuer: String,
    /// Further lines of that identity.
    pub identity: String,
}

/// What a gateway on the stage is configured with.
#[derive(Clone, Debug)]
pub struct Configuration<'a> {
    /// The server behind it; `None` where no PostgreSQL is.
    pub server: Option<&'a Postgres>,
    /// Whose tokens it takes.
    pub issuer: &'a Issuer,
    /// The policy set.
    pub policy: String,
    /// Tag names, each with the columns that carry it (`schema.table.column`).
    pub tags: Vec<(&'static str, Vec<&'static str>)>,
    /// The plugins.
    pub plugins: Vec<Plugin>,
    /// Further lines of the resource.
    pub resource: String,
    /// The HTTP service behind it as well, with further lines of its resource [`WEB`].
    pub web: Option<(u16, String)>,
    /// Whether there is an HTTP listener for a resource of `further`.
    pub listens_http: bool,
    /// Tags of the HTTP service, each with a place in its JSON: those of `tags` take it on, too.
    pub web_tags: Vec<(&'static str, &'static str)>,
    /// The host behind it as well: the lines of its resource [`BOX`].
    pub ssh: Option<String>,
    /// Further tables at the end.
    pub further: String,
    /// The console, if there is one.
    pub console: Option<ConsoleOf>,
    /// Whether clients speak plaintext on the loopback instead of TLS.
    pub plaintext: bool,
    /// Where the journal lies, if not in the gateway's folder.
    pub journal: Option<PathBuf>,
    /// The program, if not the one [`tools::gateway`] finds.
    pub binary: Option<PathBuf>,
    /// Further variables of the environment.
    pub environment: Vec<(String, String)>,
    /// The least grave line that the gateway logs.
    pub log_level: &'static str,
}

/// One plugin as configured.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name: that of the first-party component, e.g. `redact`, unless `guest` says otherwise.
    pub name: String,
    /// The component of the broken guests that it is, e.g. `masker`.
    pub guest: Option<&'static str>,
    /// The component's file, where it is neither.
    pub file: Option<PathBuf>,
    /// `masker`, `classifier`, `approver` or `exporter`.
    pub kind: &'static str,
    /// Its own configuration, as a TOML value.
    pub config: String,
    /// Further lines, e.g. grants.
    pub lines: String,
    /// The resource that it alone works for; [`RESOURCE`] has all plugins without one.
    pub resource: Option<String>,
}

impl Plugin {
    /// Returns a first-party plugin with a configuration and no grants.
    #[must_use]
    pub fn new(name: &str, kind: &'static str, config: &str) -> Self {
        Self {
            name: name.to_owned(),
            guest: None,
            file: None,
            kind,
            config: config.to_owned(),
            lines: String::new(),
            resource: None,
        }
    }

    /// Returns a broken guest that behaves as `behaviour` says (`tests/guests`), and is named so.
    #[must_use]
    pub fn guest(kind: &'static str, behaviour: &str) -> Self {
        let mut plugin = Self::new(behaviour, kind, &format!("{{ behaviour = \"{behaviour}\" }}"));
        plugin.guest = Some(kind);
        plugin
    }

    /// Returns the plugin for a resource of its own, on the same server.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Returns the plugin under another name, with further lines.
    #[must_use]
    pub fn renamed(mut self, name: &str, lines: &str) -> Self {
        name.clone_into(&mut self.name);
        lines.clone_into(&mut self.lines);
        self
    }

    /// Returns the plugin with a component that was built elsewhere.
    #[must_use]
    pub fn built(mut self, component: PathBuf) -> Self {
        self.file = Some(component);
        self
    }

    fn component(&self) -> Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        self.guest
            .map_or_else(|| tools::component(&self.name), tools::guest)
    }

    /// Returns the exporter to a receiver on the stage; its token is in `STAGE_HEC_TOKEN`.
    #[must_use]
    pub fn splunk_hec(receiver: SocketAddr) -> Self {
        let mut plugin = Self::new(
            "splunk-hec",
            "exporter",
            &format!("{{ url = \"http://{receiver}\", token = \"secret://token\" }}"),
        );
        plugin.lines = format!(
            "egress = [\"http://{receiver}\"]\nallow_private = true\nsecrets = {{ token = \"env:STAGE_HEC_TOKEN\" }}"
        );
        plugin
    }
}

impl<'a> Configuration<'a> {
    /// Returns the tests' configuration: redact and sql-risk, the SSN, card and e-mail tagged,
    /// agents allowed to run everything and to see none of the three.
    #[must_use]
    pub fn new(server: &'a Postgres, issuer: &'a Issuer) -> Self {
        let masks = r#"{ "pii.ssn" = "keep-last-4", "pii.card" = "keep-last-4", "pii.email" = "null" }"#;
        Self {
            server: Some(server),
            tags: vec![
                ("pii.ssn", vec!["public.customers.ssn"]),
                ("pii.card", vec!["public.customers.card"]),
                ("pii.email", vec!["public.customers.email"]),
            ],
            plugins: vec![
                Plugin::new("redact", "masker", masks),
                Plugin::new("sql-risk", "classifier", "{}"),
            ],
            ..Self::bare(issuer, AGENT_POLICY)
        }
    }

    /// Returns a configuration with nothing behind it.
    fn bare(issuer: &'a Issuer, policy: &str) -> Self {
        Self {
            server: None,
            issuer,
            policy: policy.to_owned(),
            tags: Vec::new(),
            plugins: Vec::new(),
            resource: String::new(),
            web: None,
            listens_http: false,
            web_tags: Vec::new(),
            ssh: None,
            further: String::new(),
            console: None,
            plaintext: false,
            journal: None,
            binary: None,
            environment: Vec::new(),
            log_level: "info",
        }
    }

    /// Returns a configuration with an HTTP service at `port` and nothing else behind it.
    #[must_use]
    pub fn web(port: u16, issuer: &'a Issuer, lines: &str) -> Self {
        Self {
            web: Some((port, lines.to_owned())),
            ..Self::bare(issuer, WEB_POLICY)
        }
    }

    /// Returns a configuration with a host and nothing else behind it.
    #[must_use]
    pub fn ssh(lines: &str, issuer: &'a Issuer) -> Self {
        Self {
            ssh: Some(lines.to_owned()),
            ..Self::bare(issuer, SSH_POLICY)
        }
    }

    /// Returns the configuration with other policies.
    #[must_use]
    pub fn policy(mut self, policy: &str) -> Self {
        policy.clone_into(&mut self.policy);
        self
    }

    /// Returns the file's text for a gateway that lives in `folder`.
    ///
    /// # Errors
    /// When a plugin is not built.
    pub fn render(&self, folder: &Path) -> Result<String> {
        let mut text = String::new();
        self.write_listeners(&mut text, folder)?;
        let resources = self.resources();
        if let Some(server) = self.server {
            for name in &resources {
                self.write_resource(&mut text, name, server)?;
            }
        }
        if let Some((port, lines)) = &self.web {
            let upstream = format!("upstream = \"http://127.0.0.1:{port}\"");
            let login = "login = { bearer = \"env:STAGE_WEB_TOKEN\" }";
            self.write_other(&mut text, (WEB, "http"), &format!("{upstream}\n{login}\n{lines}"))?;
        }
        if let Some(lines) = &self.ssh {
            self.write_other(&mut text, (BOX, "ssh"), lines)?;
        }
        for (name, columns) in &self.tags {
            let mut placed = Vec::new();
            for resource in &resources {
                placed.extend(columns.iter().map(|column| format!("{resource}:{column}")));
            }
            writeln!(text, "[[tag]]\nname = {}\ncolumns = {placed:?}", quoted(name))?;
            let paths = self.web_tags.iter().filter(|(tag, _)| tag == name);
            let paths: Vec<String> = paths.map(|(_, path)| format!("{WEB}:{path}")).collect();
            writeln!(text, "paths = {paths:?}\n")?;
        }
        for plugin in &self.plugins {
            write_plugin(&mut text, plugin, folder)?;
        }
        writeln!(text, "{}\n", self.further)?;
        writeln!(text, "[policy]\nfiles = [\"policy/*.cedar\"]\n")?;
        writeln!(text, "[log]\nlevel = {}", quoted(self.log_level))?;
        Ok(text)
    }

    /// Returns the folder of the journal of a gateway that lives in `folder`.
    #[must_use]
    pub fn journal_in(&self, folder: &Path) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| folder.join("var/journal"))
    }

    fn write_listeners(&self, text: &mut String, folder: &Path) -> Result<()> {
        let admin = self.console.as_ref().map_or(0, |console| console.port);
        writeln!(text, "[listen]\nadmin = \"127.0.0.1:{admin}\"")?;
        if self.server.is_some() {
            writeln!(text, "postgres = \"127.0.0.1:0\"")?;
        }
        if self.web.is_some() || self.listens_http {
            writeln!(text, "http = \"127.0.0.1:0\"")?;
        }
        if self.ssh.is_some() {
            writeln!(text, "ssh = \"127.0.0.1:0\"")?;
        }
        match self.plaintext {
            true => writeln!(text, "insecure_plaintext = true\n")?,
            false => writeln!(
                text,
                "\n[tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n"
            )?,
        }
        let journal = self.journal_in(folder);
        writeln!(text, "[state]\ndatabase = \"sqlite:var/tidegate.db\"")?;
        writeln!(
            text,
            "journal = {}\nrecordings = \"file:var/recordings\"\n",
            quoted(&journal.to_string_lossy())
        )?;
        writeln!(
            text,
            "[[identity]]\nname = \"corp\"\nissuer = {}\njwks = \"file:jwks.json\"",
            quoted(ISSUER)
        )?;
        writeln!(text, "audience = {}\ngroups = \"groups\"", quoted(AUDIENCE))?;
        writeln!(
            text,
            "person_when = {{ claim = \"kind\", equals = \"person\" }}\n"
        )?;
        if let Some(console) = &self.console {
            write_console(text, console)?;
        }
        Ok(())
    }

    /// The resources' names, each once; all are the same server.
    fn resources(&self) -> Vec<&str> {
        let mut names = vec![RESOURCE];
        for name in self
            .plugins
            .iter()
            .filter_map(|plugin| plugin.resource.as_deref())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Writes a resource that has all plugins but the classifiers of other protocols.
    fn write_other(&self, text: &mut String, (name, kind): (&str, &str), lines: &str) -> Result<()> {
        writeln!(text, "[[resource]]\nname = \"{name}\"\nkind = \"{kind}\"")?;
        let own = if kind == "ssh" { "shell-risk" } else { "http-risk" };
        for (key, kind) in [("maskers", "masker"), ("classifiers", "classifier")] {
            let plugins = self.plugins.iter().filter(|plugin| plugin.kind == kind);
            let names = plugins.map(|plugin| plugin.name.as_str());
            let names: Vec<&str> = names.filter(|name| judges(name, own)).collect();
            writeln!(text, "{key} = {names:?}")?;
        }
        writeln!(text, "{lines}\n")?;
        Ok(())
    }

    fn write_resource(&self, text: &mut String, name: &str, server: &Postgres) -> Result<()> {
        let port = server.port();
        let authority = server.authority();
        let upstream = match authority {
            Some(_) => format!("postgres://localhost:{port}/{DATABASE}?sslmode=verify-full"),
            None => format!("postgres://127.0.0.1:{port}/{DATABASE}?sslmode=disable"),
        };
        let user = quoted(&server.login().user);
        writeln!(text, "[[resource]]\nname = {}\nkind = \"postgres\"", quoted(name))?;
        writeln!(text, "upstream = {}", quoted(&upstream))?;
        if let Some(authority) = authority {
            writeln!(
                text,
                "root_certificate = {}",
                quoted(&authority.to_string_lossy())
            )?;
        }
        writeln!(
            text,
            "login = {{ user = {user}, password = \"env:STAGE_UPSTREAM_PASSWORD\" }}"
        )?;
        writeln!(text, "maskers = {:?}", self.names(name, "masker"))?;
        writeln!(text, "classifiers = {:?}", self.names(name, "classifier"))?;
        let further = if name == RESOURCE {
            self.resource.as_str()
        } else {
            ""
        };
        writeln!(text, "{further}\n")?;
        Ok(())
    }

    fn names(&self, resource: &str, kind: &str) -> Vec<&str> {
        let works_for = |plugin: &&Plugin| plugin.resource.as_deref().unwrap_or(RESOURCE) == resource;
        self.plugins
            .iter()
            .filter(|plugin| plugin.kind == kind && works_for(plugin))
            .map(|plugin| plugin.name.as_str())
            .filter(|name| judges(name, "sql-risk"))
            .collect()
    }
}

/// Whether a plugin has a say where `own` judges: the other protocols' classifiers know nothing there.
fn judges(name: &str, own: &str) -> bool {
    name == own || !["sql-risk", "http-risk", "shell-risk"].contains(&name)
}

fn write_console(text: &mut String, console: &ConsoleOf) -> Result<()> {
    writeln!(
        text,
        "[[identity]]\nname = \"people\"\nissuer = {}\naudience = {}\nkind = \"person\"\n{}\n",
        quoted(&console.issuer),
        quoted(AUDIENCE),
        console.identity
    )?;
    let url = format!("http://127.0.0.1:{}", console.port);
    writeln!(
        text,
        "[console]\nurl = {}\nidentity = \"people\"\nclient_id = \"console\"\nscopes = [\"groups\"]\n\
         client_secret = \"env:STAGE_CONSOLE_SECRET\"\n",
        quoted(&url)
    )?;
    Ok(())
}

/// Writes a plugin's part, and puts a copy of its component beside it: whoever builds plugins
/// while a gateway runs does not change what it starts with the next time.
fn write_plugin(text: &mut String, plugin: &Plugin, folder: &Path) -> Result<()> {
    let component = std::fs::read(plugin.component()?)?;
    let file = format!("{}.wasm", plugin.name);
    std::fs::write(folder.join(&file), &component)?;
    let sha256 = hex::encode(digest(&SHA256, &component));
    writeln!(
        text,
        "[[plugin]]\nname = {}\nkind = {}",
        quoted(&plugin.name),
        quoted(plugin.kind)
    )?;
    writeln!(
        text,
        "source = \"file:{file}\"\nsha256 = \"{sha256}\"\nconfig = {}\n{}\n",
        plugin.config, plugin.lines
    )?;
    Ok(())
}

/// A TOML basic string: for what the stage writes, Rust's own quoting is the same.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}
