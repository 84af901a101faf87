//! A registry of the Open Container Initiative on the stage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::service::Service;
use crate::tools;

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    address: String,
    folder: TempDir,
    service: Service,
}

impl Registry {
    /// Starts an empty registry on a free loopback port.
    ///
    /// # Errors
    /// When it is not on the machine or does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-registry-").tempdir()?;
        let config = folder.path().join("config.yml");
        let data = folder.path().join("data");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: info, formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: '127.0.0.1:0'}}\n",
                data.display()
            ),
        )?;
        let mut command = Command::new(tools::on_path("docker-registry")?);
        command.arg("serve").arg(&config);
        let log = folder.path().join("log");
        let mut service = Service::start("docker-registry", &mut command, &log, Signal::TERM)?;
        let address = service.wait_for(0, "the registry to listen", |log| {
            let (_, rest) = log.split_once("listening on ")?;
            let (address, _) = rest.split_once('"')?;
            Some(address.to_owned())
        })?;
        Ok(Self {
            address,
            folder,
            service,
        })
    }

    /// Returns a reference to something in it.
    #[must_use]
    pub fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }

    /// Returns the file of the blob that is told by its content.
    ///
    /// # Errors
    /// When its folder can't be read.
    pub fn blob_of(&self, is_it: impl Fn(&[u8]) -> bool) -> Result<PathBuf> {
        let root = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        let blobs = folders(&root)?.into_iter().map(|folder| folders(&folder));
        for blob in blobs.collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            let data = blob.join("data");
            if is_it(&fs::read(&data)?) {
                return Ok(data);
            }
        }
        Err(anyhow::anyhow!("no such blob in the registry"))
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.service.stop().map(drop)
    }
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?)
}
