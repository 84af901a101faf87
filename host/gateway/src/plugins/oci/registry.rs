//! Fetches artifacts from registries and brings them there.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use plugin::COMPONENT_BYTES_MAX;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWrite;
use tokio::time::timeout;

use super::artifact::{Artifact, MANIFEST_BYTES_MAX, MANIFEST_TYPE, Outline};
use super::{OciError, Reference};

/// How long a component may take to come or go: the largest over a slow line.
const TRANSFER_SECONDS_MAX: u64 = 300;

/// How long a registry may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Registries that are spoken to without TLS: those of this very machine.
const PLAIN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A client of registries.
pub(crate) struct Registry {
    client: Client,
    auth: RegistryAuth,
    reference: Reference,
}

impl Registry {
    /// Makes a client for the registry of a reference. Credentials are those that `docker login`
    /// wrote, if there are any.
    pub(crate) fn of(reference: &Reference) -> Self {
        // Without one in place its TLS can't be set up; where there is one already, that serves.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let host = reference.0.registry().to_owned();
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        let protocol = if PLAIN.contains(&name) {
            ClientProtocol::HttpsExcept(vec![host.clone()])
        } else {
            ClientProtocol::Https
        };
        Self {
            client: Client::new(ClientConfig {
                protocol,
                read_timeout: Some(SILENCE_MAX),
                connect_timeout: Some(SILENCE_MAX),
                ..ClientConfig::default()
            }),
            auth: credentials(&host),
            reference: reference.clone(),
        }
    }

    /// Fetches the artifact.
    ///
    /// # Errors
    /// When the registry fails, or what it gives is not what was named.
    pub(crate) async fn pull(&self) -> Result<Artifact, OciError> {
        self.within(self.fetch()).await
    }

    async fn fetch(&self) -> Result<Artifact, OciError> {
        let reference = &self.reference.0;
        let pulled = self
            .client
            .pull_manifest_raw(reference, &self.auth, &[MANIFEST_TYPE])
            .await;
        let (manifest, _) = pulled.map_err(|error| self.failed(&error))?;
        if let Some(pinned) = self.reference.digest() {
            let found = hex::encode(Sha256::digest(&manifest));
            if found != pinned {
                let problem = format!("{}: the manifest has the digest {found}", self.reference);
                return Err(OciError::Unfit(problem));
            }
        }
        let outline = Outline::of(&manifest)?;
        let config = self.blob(&outline.config, MANIFEST_BYTES_MAX as u64).await?;
        let wasm = self.blob(&outline.layer, COMPONENT_BYTES_MAX).await?;
        Artifact::of(manifest.to_vec(), config, wasm)
    }

    async fn blob(&self, descriptor: &OciDescriptor, bytes_max: u64) -> Result<Vec<u8>, OciError> {
        let mut bounded = Bounded {
            bytes: Vec::new(),
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        };
        let pulled = self
            .client
            .pull_blob(&self.reference.0, descriptor, &mut bounded)
            .await;
        pulled.map_err(|error| self.failed(&error))?;
        Ok(bounded.bytes)
    }

    /// Brings an artifact to the registry; returns where it is, by its digest.
    ///
    /// # Errors
    /// When the registry fails or refuses.
    pub(crate) async fn push(&self, artifact: &Artifact) -> Result<Reference, OciError> {
        self.within(self.bring(artifact)).await?;
        Ok(self.reference.at(&artifact.digest()))
    }

    async fn bring(&self, artifact: &Artifact) -> Result<(), OciError> {
        let reference = &self.reference.0;
        let authorised = self
            .client
            .auth(reference, &self.auth, oci_client::RegistryOperation::Push)
            .await;
        authorised.map_err(|error| self.failed(&error))?;
        self.client
            .store_auth_if_needed(reference.resolve_registry(), &self.auth)
            .await;
        let outline = Outline::of(&artifact.manifest)?;
        for (bytes, descriptor) in [
            (&artifact.wasm, &outline.layer),
            (&artifact.config, &outline.config),
        ] {
            let pushed = self
                .client
                .push_blob(reference, bytes.clone(), &descriptor.digest)
                .await;
            pushed.map_err(|error| self.failed(&error))?;
        }
        let media_type = http::HeaderValue::from_static(MANIFEST_TYPE);
        let pushed = self
            .client
            .push_manifest_raw(reference, artifact.manifest.clone(), media_type)
            .await;
        pushed.map(drop).map_err(|error| self.failed(&error))
    }

    async fn within<T>(&self, transfer: impl Future<Output = Result<T, OciError>>) -> Result<T, OciError> {
        let limit = Duration::from_secs(TRANSFER_SECONDS_MAX);
        timeout(limit, transfer).await.unwrap_or_else(|_| {
            Err(OciError::Late {
                reference: self.reference.to_string(),
                seconds: TRANSFER_SECONDS_MAX,
            })
        })
    }

    fn failed(&self, error: &oci_client::errors::OciDistributionError) -> OciError {
        let mut problem = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            problem = format!("{problem}: {cause}");
            source = cause.source();
        }
        OciError::Registry {
            reference: self.reference.to_string(),
            problem,
        }
    }
}

/// Takes what comes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Poll::Ready(Err(std::io::Error::other(
                "more came than the manifest's limit allows",
            )));
        }
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What `docker login` and its like write.
#[derive(Default, Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: std::collections::HashMap<String, DockerAuth>,
}

#[derive(Deserialize)]
struct DockerAuth {
    /// `USER:PASSWORD` in base64.
    auth: Option<String>,
}

/// Returns the credentials for a registry out of `$DOCKER_CONFIG/config.json`, else
/// `~/.docker/config.json`. Helpers of the system are not asked.
fn credentials(host: &str) -> RegistryAuth {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let text = folder.and_then(|folder| std::fs::read(folder.join("config.json")).ok());
    text.and_then(|text| login(&text, host))
        .unwrap_or(RegistryAuth::Anonymous)
}

fn login(config: &[u8], host: &str) -> Option<RegistryAuth> {
    let config: DockerConfig = serde_json::from_slice(config).ok()?;
    let auth = config.auths.get(host)?.auth.as_deref()?;
    let decoded = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_registry_and_no_other() {
        let config = format!(
            r#"{{"auths": {{"registry.corp": {{"auth": "{}"}}}}}}"#,
            STANDARD.encode("ada:s:3")
        );
        let found = login(config.as_bytes(), "registry.corp");
        assert_eq!(
            found,
            Some(RegistryAuth::Basic("ada".to_owned(), "s:3".to_owned()))
        );
        assert_eq!(login(config.as_bytes(), "registry.corp.evil"), None);
        assert_eq!(login(b"{", "registry.corp"), None);
    }
}
