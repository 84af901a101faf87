//! The compatibility kit of `sdk/tck`: what a guest in any language must give for what.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

/// One of its plugins: the vectors, and a configuration that is none of their refused ones.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    vectors: &'static str,
    config: &'static str,
}

/// A masker whose guest masks the cells.
pub const ACCOUNT: Reference = Reference {
    vectors: "account.json",
    config: r#"{"tag": "pii.account", "keep": 4}"#,
};

/// A masker whose cells the host searches.
pub const BADGES: Reference = Reference {
    vectors: "badges.json",
    config: "{}",
};

/// A classifier.
pub const WATCHED: Reference = Reference {
    vectors: "watched.json",
    config: r#"{"watched": ["salaries"]}"#,
};

impl Reference {
    /// Has `tidegate plugin check` hold a component to the vectors. Findings begin with the
    /// plugin's name, so the kit's is put right first.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn hold(self, component: &Path) -> Result<()> {
        let name = component.file_stem().context("a file")?.to_string_lossy();
        let kit = tools::repository().join("sdk/tck").join(self.vectors);
        let vectors = fs::read_to_string(&kit).with_context(|| kit.display().to_string())?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("vectors.json");
        fs::write(
            &file,
            vectors.replace("watched.watched", &format!("{name}.watched")),
        )?;
        let mut check = Command::new(tools::gateway()?);
        check.args(["plugin", "check", "--config", self.config, "--vectors"]);
        let said = tools::output(check.arg(&file).arg(component))?;
        ensure!(said.starts_with("ok: "), "{said}");
        Ok(())
    }
}
