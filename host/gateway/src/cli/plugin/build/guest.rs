//! A plugin in Python or JavaScript: its project says of what kind it is and where the SDK is; the
//! SDK has the contract in WIT and calls the language's tool.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::cli::plugin::trial::read;
use crate::cli::terminal::Failure;
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

/// What turns Python into a component, pinned: each release links its own Python.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// What WASI is called while Python's own need of it is stubbed: the stubs take whatever is called
/// `wasi:`, the plugin's requests included. As long as the true name, so that it can be put into
/// its place in the component.
const ALIAS: (&str, &str) = ("w4si:", "wasi:");

/// The largest file that describes a project.
const PROJECT_BYTES_MAX: u64 = 1 << 20;

/// What a project says of itself.
#[derive(Debug, Deserialize)]
struct Own {
    kind: String,
    sdk: PathBuf,
}

#[derive(Debug, Deserialize)]
struct PyProject {
    project: Named,
    tool: Tool,
}

#[derive(Debug, Deserialize)]
struct Tool {
    tidegate: Own,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    tidegate: Own,
}

/// The languages that are no Rust.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tongue {
    Python,
    Js,
}

/// A project in Python or JavaScript.
#[derive(Debug)]
pub(super) struct Project {
    folder: PathBuf,
    name: String,
    own: Own,
    tongue: Tongue,
}

impl Project {
    /// Reads the project in a folder, if one of these is there.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Failure> {
        let project = |file: &str| folder.join(file);
        let (name, own, tongue) = if project("pyproject.toml").is_file() {
            let read: PyProject = parsed(&project("pyproject.toml"), |text| toml::from_str(text))?;
            (read.project.name, read.tool.tidegate, Tongue::Python)
        } else if project("package.json").is_file() {
            let read: Package = parsed(&project("package.json"), |text| serde_json::from_str(text))?;
            (read.name, read.tidegate, Tongue::Js)
        } else {
            return Ok(None);
        };
        let folder = std::fs::canonicalize(folder).map_err(|error| Failure::of_file(folder, &error))?;
        Ok(Some(Self {
            folder,
            name,
            own,
            tongue,
        }))
    }

    /// Builds the project; returns the component and its name.
    pub(super) fn component(&self) -> Result<(PathBuf, String), Failure> {
        let wit = self.contract()?;
        let output = self.folder.join("build").join(format!("{}.wasm", self.name));
        match self.tongue {
            Tongue::Python => self.python(&wit, &output)?,
            Tongue::Js => self.js(&wit, &output)?,
        }
        Ok((output, self.name.clone()))
    }

    /// Puts the contract and what guests need of WASI into one folder, as the tools want it.
    fn contract(&self) -> Result<PathBuf, Failure> {
        let sdk = self.folder.join(&self.own.sdk);
        let contract = sdk.join("../wit");
        if !contract.join("worlds.wit").is_file() {
            let why = format!(
                "{}: this is not the folder sdk of Tidegate's sources",
                sdk.display()
            );
            return Err(Failure::new(EXIT_USAGE, why));
        }
        let wit = self.folder.join("build/wit");
        if wit.exists() {
            std::fs::remove_dir_all(&wit).map_err(|error| Failure::of_file(&wit, &error))?;
        }
        copy(&sdk.join("wit"), &wit)?;
        if self.tongue == Tongue::Python {
            for file in ["worlds.wit", "deps/http/http.wit", "deps/io/io.wit"] {
                replace(&wit.join(file), ALIAS.1, ALIAS.0)?;
            }
        }
        copy(&contract.join("deps"), &wit.join("deps"))?;
        let worlds = wit.join("deps/contract");
        std::fs::create_dir_all(&worlds)
            .and_then(|()| std::fs::copy(contract.join("worlds.wit"), worlds.join("worlds.wit")))
            .map_err(|error| Failure::of_file(&worlds, &error))?;
        Ok(wit)
    }

    fn world(&self) -> String {
        format!("tidegate:guest/{}", self.own.kind)
    }

    fn python(&self, wit: &Path, output: &Path) -> Result<(), Failure> {
        let mut componentize = Command::new(self.componentize_py()?);
        componentize
            .arg("-d")
            .arg(wit)
            .args(["-w", &self.world(), "componentize"]);
        // Without this it wants files and sockets, which no plugin has.
        componentize.args(["--stub-wasi", "app", "-p", "."]);
        componentize
            .arg("-p")
            .arg(self.folder.join(&self.own.sdk).join("python"));
        componentize.arg("-o").arg(output);
        self.step("componentize-py", &mut componentize)?;
        // With the package's name, so that no text of the plugin's own is met.
        for package in ["http/", "io/"] {
            let [alias, name] = [ALIAS.0, ALIAS.1].map(|namespace| format!("{namespace}{package}"));
            replace(output, &alias, &name)?;
        }
        Ok(())
    }

    /// Returns the tool: the project's own, else that of the path, else it is fetched.
    fn componentize_py(&self) -> Result<PathBuf, Failure> {
        let tools = self.folder.join("build/tools");
        let own = tools.join("bin/componentize-py");
        if own.is_file() {
            return Ok(own);
        }
        let version = COMPONENTIZE_PY.replace("==", " ");
        let on_path = Command::new("componentize-py").arg("--version").output();
        if on_path.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim() == version) {
            return Ok("componentize-py".into());
        }
        say(&format!("fetching {version} with pip into {}", tools.display()));
        self.step(
            "python3 -m venv",
            Command::new("python3").args(["-m", "venv"]).arg(&tools),
        )?;
        let mut pip = Command::new(tools.join("bin/pip"));
        pip.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            COMPONENTIZE_PY,
        ]);
        self.step("pip install", &mut pip)?;
        Ok(own)
    }

    fn js(&self, wit: &Path, output: &Path) -> Result<(), Failure> {
        let build = self.folder.join("node_modules/tidegate-sdk/build.mjs");
        if !build.is_file() {
            say("fetching the project's packages with npm");
            self.step("npm install", Command::new("npm").args(["install", "--silent"]))?;
        }
        let mut node = Command::new("node");
        node.arg(build)
            .arg("app.js")
            .arg(wit)
            .arg(self.world())
            .arg(output);
        self.step("componentize-js", &mut node)
    }

    fn step(&self, what: &str, command: &mut Command) -> Result<(), Failure> {
        let failed = |why: String| Failure::new(EXIT_FAILED, format!("{what}: {why}"));
        let done = command.current_dir(&self.folder).output();
        let done = done.map_err(|error| failed(format!("it can't be run: {error}")))?;
        if done.status.success() {
            return Ok(());
        }
        // Tools of other languages speak on both.
        say(&String::from_utf8_lossy(&done.stdout));
        say(&String::from_utf8_lossy(&done.stderr));
        Err(failed("it failed: see above".to_owned()))
    }
}

fn parsed<T, E: std::fmt::Display>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    let text = read(file, PROJECT_BYTES_MAX)?;
    parse(&String::from_utf8_lossy(&text)).map_err(|error| {
        let why = format!(
            "{}: {error}; make a project with `tidegate plugin new`",
            file.display()
        );
        Failure::new(EXIT_USAGE, why)
    })
}

/// Replaces a text by another one wherever it stands in a file.
fn replace(file: &Path, from: &str, to: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of_file(file, &error);
    let bytes = std::fs::read(file).map_err(failed)?;
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let Some(at) = memchr::memmem::find(rest, from.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    std::fs::write(file, replaced).map_err(failed)
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of_file(from, &error);
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(failed)?;
        }
    }
    Ok(())
}

/// Tells the author, who may have closed standard error.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}
