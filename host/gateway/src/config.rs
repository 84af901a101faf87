//! The configuration: one TOML file in, a checked [`Config`] or every fault of it out.
//!
//! Read once, at the start. What leaves this module is valid as far as the file alone can
//! say; secrets stay references until somebody asks for them.

mod channel;
mod console;
mod ephemeral;
mod identity;
mod introspection;
mod listen;
mod plugin;
mod quantity;
mod report;
mod resource;
mod section;
mod settings;
mod state;
mod tag;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use model::{PluginName, ResourceName, Tag};
use toml::de::DeTable;

pub use channel::{ChannelConfig, ChannelUser, Detail};
pub use console::ConsoleConfig;
pub use ephemeral::Ephemeral;
pub(crate) use ephemeral::PREFIX as EPHEMERAL_PREFIX;
pub use identity::{HttpKeys, IdentityConfig, KeySource, KindRule};
pub use introspection::IntrospectionConfig;
pub use listen::{ListenConfig, TlsConfig};
pub use plugin::{OnFailure, PluginConfig, PluginKind, PluginLimits, PluginsConfig, Source};
pub use report::{ConfigFault, ConfigFaults};
pub use resource::{
    HttpConfig, HttpLogin, Login, PostgresConfig, ResourceConfig, ResourceKind, SshAccount, SshConfig,
    SshLogin, UnknownContent,
};
pub use settings::{
    JournalConfig, LimitsConfig, LogConfig, LogFormat, LogLevel, MaskingKey, ServeConfig, SshKeys,
    StatementDetail,
};
pub use state::StateConfig;
pub use tag::{BodyPath, ColumnName, TagConfig};
pub use upstream::{SslMode, Upstream};

pub(crate) use report::nearest;
use report::{Report, problem};
use section::Section;

/// The largest configuration file, in bytes: thousands of resources, and no accident.
pub const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Everything the operator decided, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Where clients connect.
    pub listen: ListenConfig,
    /// The server's own certificate; absent only where plain text was asked for.
    pub tls: Option<TlsConfig>,
    /// How people log in to the console; `None` where there is none.
    pub console: Option<ConsoleConfig>,
    /// Where the gateway keeps what it must remember.
    pub state: StateConfig,
    /// Who may vouch for principals; at least one.
    pub identities: Vec<IdentityConfig>,
    /// The upstreams.
    pub resources: Vec<ResourceConfig>,
    /// Which columns hold what class of data.
    pub tags: Vec<TagConfig>,
    /// The components to load.
    pub plugins: Vec<PluginConfig>,
    /// Who vouches for them.
    pub vouching: PluginsConfig,
    /// What approver plugins tell, and whose the answers are that they bring.
    pub channels: Vec<ChannelConfig>,
    /// The policy files, wild cards resolved, sorted; none refuses everything.
    pub policy_files: Vec<PathBuf>,
    /// What is written to the journal.
    pub journal: JournalConfig,
    /// The key of the pseudonyms.
    pub masking_key: MaskingKey,
    /// The gateway's own keys of SSH.
    pub ssh: SshKeys,
    /// How much of everything at once.
    pub limits: LimitsConfig,
    /// How the gateway logs.
    pub log: LogConfig,
    /// How the gateway runs.
    pub serve: ServeConfig,
    /// What is allowed but unwise.
    pub warnings: Vec<ConfigFault>,
}

impl Config {
    /// Reads and checks the configuration in `file`. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// Every fault of the file at once, in its order.
    pub fn load(file: &Path) -> Result<Self, ConfigFaults> {
        match read_text(file) {
            Ok(text) => Self::parse(&text, file),
            Err(what) => Err(ConfigFaults(vec![ConfigFault {
                file: file.to_owned(),
                line: 0,
                key: String::new(),
                problem: what,
                remedy: "name a readable TOML file with --config".to_owned(),
            }])),
        }
    }

    /// Checks the configuration in `text` as if it stood in `file`.
    ///
    /// # Errors
    /// Every fault of the text at once, in its order.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigFaults> {
        let report = Report::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let remedy = "mend the TOML here; what follows is checked once it reads";
            report.fault(
                error.span(),
                "",
                problem(format!("not valid TOML: {}", error.message()), remedy),
            );
        }
        // A half-read file would only add faults that are not there.
        let config = errors.is_empty().then(|| {
            let root = Section::root(&report, &table);
            let config = read(&root, file);
            root.finish();
            config
        });
        let warnings = report.close()?;
        match config.flatten() {
            Some(config) => Ok(Self { warnings, ..config }),
            None => Err(ConfigFaults(vec![ConfigFault {
                file: file.to_owned(),
                line: 0,
                key: String::new(),
                problem: "could not be understood".to_owned(),
                remedy: "compare it with the example of the manual".to_owned(),
            }])),
        }
    }

    /// Returns the resource of this name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&ResourceConfig> {
        self.resources
            .iter()
            .find(|resource| resource.name.as_str() == name)
    }

    /// Returns the plugin of this name.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<&PluginConfig> {
        self.plugins.iter().find(|plugin| plugin.name.as_str() == name)
    }
}

fn read_text(file: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| format!("could not be opened: {error}"))?;
    opened
        .take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("could not be read: {error}"))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(format!("is larger than {CONFIG_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn read(root: &Section<'_>, file: &Path) -> Option<Config> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let plugins = unique(root, "plugin", |section| plugin::read(section, folder));
    let known = resource::KnownPlugins {
        plugins: &plugins,
        names: root.names("plugin"),
    };
    let resources = unique(root, "resource", |section| {
        resource::read(section, folder, &known)
    });
    // As written: a resource with a fault of its own must not make its tags look wrong too.
    let resource_names = root.names("resource");
    let tags = unique(root, "tag", |section| tag::read(section, &resource_names));
    let mut identities = unique(root, "identity", |section| identity::read(section, folder));
    identity::check_issuers(root, &identities);
    introspection::check_opaque(root, &identities);
    let channels = channel::read(root, &known, &identities);
    if !root.has("identity") {
        root.fault(
            "identity",
            problem(
                "is missing: nobody could log in",
                "add an [[identity]] with name, issuer and audience",
            ),
        );
    }
    let tls = root.table("tls").and_then(|section| listen::tls(section, folder));
    let listen = listen::read(root, root.has("tls"));
    let console = console::read(root, folder, &identities, listen.as_ref());
    if let Some(console) = &console {
        // Who logged in to the console logs out of everything.
        let own = identities.iter_mut().filter(|own| own.name == console.identity);
        own.for_each(|own| own.logout_clients.push(console.client_id.clone()));
    }
    let state = state::read(root, folder);
    let policy_files = state::policy_files(root, folder);
    let masking_key = settings::masking_key(root, folder, &state);
    let ssh = settings::ssh(root, folder, &state);
    let config = Config {
        file: file.to_owned(),
        listen: listen?,
        tls,
        console,
        masking_key,
        ssh,
        state,
        identities,
        resources,
        tags,
        plugins,
        vouching: plugin::all(root, folder),
        channels,
        policy_files,
        journal: settings::journal(root),
        limits: settings::limits(root),
        log: settings::log(root),
        serve: settings::serve(root),
        warnings: Vec::new(),
    };
    Some(config)
}

/// A thing that other parts of the file name.
trait Named {
    fn name(&self) -> &str;
}

/// Reads the tables `[[key]]` and refuses a name that is taken.
fn unique<T: Named>(
    root: &Section<'_>,
    key: &'static str,
    mut read: impl FnMut(Section<'_>) -> Option<T>,
) -> Vec<T> {
    let mut taken = HashSet::new();
    let mut out = Vec::new();
    for section in root.tables(key) {
        let (report, place, span) = (section.report, section.key("name"), section.span_of("name"));
        let Some(thing) = read(section) else { continue };
        if taken.insert(thing.name().to_owned()) {
            out.push(thing);
        } else {
            let what = format!("the name \"{}\" is taken", thing.name());
            report.fault(
                Some(span),
                place,
                problem(what, format!("give each {key} a name of its own")),
            );
        }
    }
    out
}

impl Named for IdentityConfig {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for PluginConfig {
    fn name(&self) -> &str {
        PluginName::as_str(&self.name)
    }
}

impl Named for ResourceConfig {
    fn name(&self) -> &str {
        ResourceName::as_str(&self.name)
    }
}

impl Named for TagConfig {
    fn name(&self) -> &str {
        Tag::as_str(&self.name)
    }
}
