//! `tidegate plugin`: for those who write plugins, and those who load them. All but `list` works on
//! files; no gateway needs to run.

mod bench;
mod build;
mod check;
mod inspect;
mod list;
mod new;
mod pack;
mod registry;
mod run;
mod sign;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::remote::{Remote, exit_status};
use super::terminal::Failure;
use crate::config::PluginKind;
use crate::plugins::oci::Reference;

/// What to do with a plugin.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Make a project for a plugin, with tests and a README.
    #[command(after_help = NEW_HELP)]
    New(NewArgs),
    /// Build the project in a folder and pack its component.
    #[command(after_help = BUILD_HELP)]
    Build(BuildArgs),
    /// Show what a component is, imports and wants, without running anything of it.
    #[command(after_help = INSPECT_HELP)]
    Inspect(InspectArgs),
    /// Ask a component once what it is, and write the answer into its file.
    #[command(after_help = PACK_HELP)]
    Pack(PackArgs),
    /// Vouch for a component with a private key.
    #[command(after_help = SIGN_HELP)]
    Sign(SignArgs),
    /// Tell whether one of these keys vouches for a component.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// List what a running gateway has loaded, and how it does.
    #[command(after_help = LIST_HELP)]
    List(ListArgs),
    /// Load a component as the gateway would; say "ok" or the first thing that is wrong.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Bring a component to a registry.
    #[command(after_help = PUSH_HELP)]
    Push(PushArgs),
    /// Fetch a component from a registry into a file.
    #[command(after_help = PULL_HELP)]
    Pull(PullArgs),
    /// Fetch components from registries into one archive, for a site that reaches none.
    #[command(after_help = SAVE_HELP)]
    Save(SaveArgs),
    /// Put the components of an archive into a gateway's store, or into a registry.
    #[command(after_help = LOAD_HELP)]
    Load(LoadArgs),
    /// Show what a masker makes of rows, or a classifier of statements, before and after.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Measure what calls of a masker or a classifier cost.
    #[command(after_help = BENCH_HELP)]
    Bench(BenchArgs),
}

const NEW_HELP: &str = "\
The project uses the SDK in the folder sdk of Tidegate's sources.

Exit status: 0, 1 if the folder is there already, 64 for a bad command line, 74 if a file could not be written.

Examples:
  tidegate plugin new iban-mask --kind masker
  tidegate plugin new siem --kind exporter --path plugins/siem --sdk ../tidegate/sdk
  tidegate plugin new watch --kind classifier --lang python";

const BUILD_HELP: &str = "\
Calls the language's own tool and packs what it makes, with the project's vectors.json, into NAME.wasm in the project's \
folder. What is missing is fetched first: for Rust the target wasm32-wasip2 by rustup, for Python componentize-py by pip \
into build/tools, for JavaScript the project's packages by npm.

Exit status: 0, 1 if it does not build, 64 for a bad command line, 74 if a file could not be written.

Examples:
  tidegate plugin build
  tidegate plugin build --path iban-mask --output plugins/iban-mask.wasm
  tidegate plugin build -- --offline --locked      # what follows -- is cargo's";

const INSPECT_HELP: &str = "\
Exit status: 0, or 1 if the file is no plugin of any kind or could not be loaded.

Examples:
  tidegate plugin inspect redact.wasm
  tidegate plugin inspect redact.wasm --json";

const PACK_HELP: &str = "\
A gateway reads the manifest of a packed component as data: it runs nothing of the guest to learn its name, what \
it wants or how it is configured. Packing again replaces the manifest; the component itself stays as it is. Vectors are \
run now and at each load: sdk/README.md has their form.

Exit status: 0, or 1 if the component can't say what it is, 74 if a file could not be written.

Examples:
  tidegate plugin pack target/wasm32-wasip2/release/account.wasm --output account.wasm
  tidegate plugin pack account.wasm --vectors vectors.json        # in place";

const CHECK_HELP: &str = "\
Checks that it is a component of one kind, imports nothing its kind may not have, compiles, has a manifest that is \
its own, does what its self-test vectors say, and takes the configuration. What it wants to reach is listed: nothing is \
granted by a check, but what --gateway grants.

Exit status: 0 if it could be loaded, 1 if not, 64 for a bad command line.

Examples:
  tidegate plugin check redact.wasm --config '{\"pii.ssn\": \"keep-last-4\"}'
  tidegate plugin check splunk-hec.wasm --config @splunk.json --json
  tidegate plugin check plugins/pii.wasm --gateway /etc/tidegate/tidegate.toml
  tidegate plugin check ours.wasm --vectors vectors.json";

const PUSH_HELP: &str = "\
The layout is that of the CNCF's Wasm OCI artifact. Signatures in FILE.sig go with it. Prints the reference that a \
configuration names: by digest, since a tag may be another component tomorrow. Credentials are those that docker login \
wrote; registries on this machine are spoken to without TLS.

Exit status: 0, 1 if the component or the registry is at fault, 64 for a bad command line, 74 if a file could not be read.

Examples:
  tidegate plugin push redact.wasm oci://registry.corp/gate/redact:1.0.0";

const PULL_HELP: &str = "\
Signatures go into FILE.sig.

Exit status: 0, 1 if the registry or what it gives is at fault, 64 for a bad command line, 74 if a file could not be \
written.

Examples:
  tidegate plugin pull oci://registry.corp/gate/redact:1.0.0 --output redact.wasm
  tidegate plugin pull oci://registry.corp/gate/redact@sha256:9f86... --output redact.wasm";

const SAVE_HELP: &str = "\
The archive is a tar of the OCI image layout.

Exit status: 0, 1 if a registry or what it gives is at fault, 64 for a bad command line, 74 if a file could not be \
written.

Examples:
  tidegate plugin save oci://registry.corp/gate/redact:1.0.0 oci://registry.corp/gate/pii:2.1.0 --output plugins.tar";

const LOAD_HELP: &str = "\
A gateway that finds a component in its store does not ask the registry: its configuration stays as it is, with the \
registry's name and the digest. Every part is held to its digest.

Exit status: 0, 1 if the archive or a registry is at fault, 64 for a bad command line, 74 if a file could not be read or \
written.

Examples:
  tidegate plugin load plugins.tar --config /etc/tidegate/tidegate.toml
  tidegate plugin load plugins.tar --to oci://registry.inside/gate/plugins";

/// The arguments of `plugin push`.
#[derive(Args, Debug)]
pub struct PushArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where it goes.
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
}

/// The arguments of `plugin pull`.
#[derive(Args, Debug)]
pub struct PullArgs {
    /// Where it is.
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// The component's file.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// The arguments of `plugin save`.
#[derive(Args, Debug)]
pub struct SaveArgs {
    /// Where they are.
    #[arg(value_name = "REFERENCE", required = true)]
    pub references: Vec<Reference>,
    /// The archive.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// The arguments of `plugin load`.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// The archive.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The configuration of the gateway into whose store they go.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "tidegate.toml",
        conflicts_with = "to"
    )]
    pub config: PathBuf,
    /// The repository into which they go instead.
    #[arg(long, value_name = "REFERENCE")]
    pub to: Option<Reference>,
}

const RUN_HELP: &str = "\
Rows are CSV with a header, or a JSON array of objects; statements are PostgreSQL, one a line. Fields are tagged with \
--tag, as [[tag]] does it in a gateway. Rows that do not change are not shown, but with --json. The component must be \
packed.

Exit status: 0, 1 if the plugin fails or refuses, 64 for a bad command line, 74 if a file could not be read.

Examples:
  tidegate plugin run redact.wasm --config '{\"pii.ssn\": \"keep-last-4\"}' --tag ssn=pii.ssn --input rows.csv
  psql -c 'COPY notes TO STDOUT CSV HEADER' | tidegate plugin run pii-scan.wasm --input -
  tidegate plugin run sql-risk.wasm --input statements.sql --json";

const BENCH_HELP: &str = "\
Calls the plugin through the sandbox with all checks, as a gateway does, for some seconds. Figures are of one thread. \
Without --input it gets lines of prose and numbers.

Exit status: 0, 1 if the plugin fails or no cell enters it, 64 for a bad command line, 74 if a file could not be read.

Examples:
  tidegate plugin bench pii-scan.wasm
  tidegate plugin bench iban-mask.wasm --config '{\"tag\": \"pii.account\", \"keep\": 4}' --tag text=pii.account
  tidegate plugin bench sql-risk.wasm --input statements.sql --seconds 10 --json";

const LIST_HELP: &str = exit_status!(
    "  tidegate plugin list --token-file ops.token
  tidegate plugin list --json --token-file ops.token"
);

/// The arguments of `plugin list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Language {
    /// Rust, the fastest.
    Rust,
    /// Python, by componentize-py.
    Python,
    /// JavaScript, by componentize-js.
    Js,
}

impl Language {
    /// Returns its name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Js => "JavaScript",
        }
    }
}

/// The arguments of `plugin new`.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// The plugin's name: lower-case letters, digits and -.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is for.
    #[arg(long, value_enum)]
    pub kind: PluginKind,
    /// In which language.
    #[arg(long, value_enum, default_value = "rust")]
    pub lang: Language,
    /// The project's folder; without it, one with the plugin's name.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// The SDK's folder; without it, the one of the sources this is run in.
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// The arguments of `plugin build`.
#[derive(Args, Debug)]
pub struct BuildArgs {
    /// The project's folder.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub path: PathBuf,
    /// Where the packed component goes; without it, into the project's folder.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What cargo is told beside; only for Rust.
    #[arg(last = true, value_name = "CARGO")]
    pub cargo: Vec<String>,
}

const SIGN_HELP: &str = "\
What is signed is the payload of cosign's simple signing, which names the component's SHA-256. The signature goes \
into FILE.sig beside the component; signatures of other keys that are there stay. Keys are PKCS#8 PEM files, not \
encrypted, Ed25519 or ECDSA on P-256.

Exit status: 0, 1 if it could not be signed, 74 if a file could not be read or written.

Examples:
  openssl genpkey -algorithm ed25519 -out plugins.key
  openssl pkey -in plugins.key -pubout -out plugins.pem
  tidegate plugin sign redact.wasm --key plugins.key";

const VERIFY_HELP: &str = "\
A gateway does the same at each load, with the keys of [plugins] trusted_keys.

Exit status: 0 if a key vouches for it, 1 if none does, 64 for a key that is none, 74 if a file could not be read.

Examples:
  tidegate plugin verify redact.wasm --key plugins.pem
  tidegate plugin verify redact.wasm --key ours.pem --key vendor.pem";

/// The arguments of `plugin sign`.
#[derive(Args, Debug)]
pub struct SignArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The private key.
    #[arg(long, value_name = "PEM")]
    pub key: PathBuf,
}

/// The arguments of `plugin verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A public key; may be given again.
    #[arg(long, required = true, value_name = "PEM")]
    pub key: Vec<PathBuf>,
}

/// The arguments of `plugin inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `plugin pack`.
#[derive(Args, Debug)]
pub struct PackArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the packed component goes; without it, into its own place.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Self-test vectors to freeze with it, JSON.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
}

/// The arguments of `plugin check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The configuration as JSON, or @FILE with it.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub config: String,
    /// A gateway's configuration that has the file as a source: its configuration, limits and grants
    /// are those that count.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub gateway: Option<PathBuf>,
    /// Vectors to hold it to beside its own.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The arguments of `plugin run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The configuration as JSON, or @FILE with it.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub config: String,
    /// The rows or statements; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// A tag of a field; may be given again.
    #[arg(long, value_name = "FIELD=TAG", value_parser = table::tag)]
    pub tag: Vec<(String, model::Tag)>,
    /// Whether to colour what changed.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Colour,
    /// Print JSON: all rows as they come out.
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `plugin bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// The component.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The configuration as JSON, or @FILE with it.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub config: String,
    /// The rows or statements; they are repeated until a batch is full.
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// A tag of a field; may be given again.
    #[arg(long, value_name = "FIELD=TAG", value_parser = table::tag)]
    pub tag: Vec<(String, model::Tag)>,
    /// Rows in one call.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=8192), value_name = "N")]
    pub batch_rows: u32,
    /// For how long.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600), value_name = "N")]
    pub seconds: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints what a command found. The text is fit for a terminal.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of_output(&error))
}

/// Carries out a `plugin` command; returns the exit status.
pub async fn command(command: PluginCommand) -> u8 {
    let done = match command {
        PluginCommand::New(args) => new::run(&args),
        PluginCommand::Build(args) => build::run(&args).await,
        PluginCommand::Inspect(args) => inspect::run(&args),
        PluginCommand::Pack(args) => pack::run(&args).await,
        PluginCommand::List(args) => list::run(&args).await,
        PluginCommand::Sign(args) => sign::sign(&args),
        PluginCommand::Verify(args) => sign::verify(&args),
        PluginCommand::Check(args) => check::run(&args).await,
        PluginCommand::Push(args) => registry::push(&args).await,
        PluginCommand::Pull(args) => registry::pull(&args).await,
        PluginCommand::Save(args) => registry::save(&args).await,
        PluginCommand::Load(args) => registry::load(&args).await,
        PluginCommand::Run(args) => run::run(&args).await,
        PluginCommand::Bench(args) => bench::run(&args).await,
    };
    done.map_or_else(|failure: Failure| failure.say(), |()| 0)
}
