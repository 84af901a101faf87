//! One configured host and what is known of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::Result;
use model::mask::Plan;
use model::{Fault, Refusal, ResourceName, Rule};
use plugin::ActivePlan;
use proto::mask::FieldMask;
use russh::keys::PublicKey;
use russh::server;

use super::credentials::Credentials;
use super::keys::own_key;
use super::settings;
use crate::config::{Config, ResourceConfig, SshConfig};
use crate::gate::Aim;
use crate::maskers::{Cells, plan_field};
use crate::mutex::lock;
use crate::seats::Seats;
use crate::services::Services;
use crate::stay::Ground;

/// One host.
pub(crate) struct Upstream {
    pub(super) name: ResourceName,
    pub(super) config: SshConfig,
    pub(super) hold_for: Duration,
    pub(super) idle_timeout: Option<Duration>,
    decide_within: Duration,
    use_within: Duration,
    seats: Arc<Seats>,
    /// The mask of what comes out, and under which version it was planned.
    mask: Mutex<Option<(u128, Arc<Mask>)>>,
}

/// What masks the output of one host.
pub(super) struct Mask {
    pub(super) field: Arc<[FieldMask; 1]>,
    plans: Vec<Option<Arc<ActivePlan>>>,
}

impl Mask {
    /// Returns the guests for one stream.
    pub(super) fn cells(&self) -> Cells {
        Cells::of(&self.plans)
    }
}

impl Upstream {
    fn new(resource: &ResourceConfig, ssh: &SshConfig) -> Self {
        Self {
            name: resource.name.clone(),
            config: ssh.clone(),
            hold_for: resource.hold_for,
            idle_timeout: resource.idle_timeout,
            decide_within: resource.decide_within,
            use_within: resource.use_within,
            seats: Seats::new(resource.max_sessions),
            mask: Mutex::default(),
        }
    }

    /// What a judgement is about.
    pub(super) fn aim(&self) -> Aim<'_> {
        Aim {
            resource: &self.name,
            protocol: "ssh",
        }
    }

    /// What a session is on.
    pub(super) fn ground(&self) -> Ground {
        Ground {
            resource: self.name.clone(),
            protocol: "ssh",
            seats: Arc::clone(&self.seats),
            decide_within: self.decide_within,
            use_within: self.use_within,
        }
    }

    /// Returns what masks output; `None` where nothing is to be masked.
    pub(super) fn mask(&self, services: &Services) -> Result<Option<Arc<Mask>>, Refusal> {
        if !self.config.scan_untagged {
            return Ok(None);
        }
        let version = services.gate.version(0);
        let mut known = lock(&self.mask);
        if let Some((_, mask)) = known.as_ref().filter(|(known, _)| *known == version) {
            return Ok(Some(Arc::clone(mask)));
        }
        let mask = self.plan(services).map_err(|error| {
            tracing::error!(resource = %self.name, error, "output cannot be masked");
            let message = "what comes back could not be masked, so nothing is run";
            Refusal::new(Rule::MaskerFailed, Fault::Plugin, message)
                .hint("the operator finds the reason in the gateway's log")
        })?;
        let mask = Arc::new(mask);
        *known = Some((version, Arc::clone(&mask)));
        Ok(Some(mask))
    }

    fn plan(&self, services: &Services) -> Result<Mask, String> {
        let (action, plan) = plan_field(services, &self.name, None)?;
        let actions = Plan {
            actions: vec![action],
        };
        let fields = FieldMask::compile_all(&actions, &services.pseudonym_key);
        let field = fields.map_err(|error| error.to_string())?.pop();
        Ok(Mask {
            field: Arc::new([field.ok_or("a plan without a field")?]),
            plans: vec![plan],
        })
    }
}

/// All hosts, and what the gateway shows clients.
#[derive(Default)]
pub(crate) struct Upstreams {
    by_name: HashMap<String, Arc<Upstream>>,
    pub(super) server: Option<Arc<server::Config>>,
    /// What clients log in with that cannot send a token; `None` without a listener.
    pub(crate) credentials: Option<Credentials>,
    /// The gateway's host key, as clients keep it.
    pub(crate) host_key: Option<PublicKey>,
    /// Where it listens, once it does.
    pub(crate) port: OnceLock<u16>,
}

impl Upstreams {
    /// Prepares what is configured.
    ///
    /// # Errors
    /// The gateway's own keys cannot be had.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let resources = config.resources.iter();
        let hosts = resources.filter_map(|resource| Some((resource, resource.ssh()?)));
        let by_name = hosts.map(|(resource, ssh)| {
            let upstream = Upstream::new(resource, ssh);
            (resource.name.as_str().to_owned(), Arc::new(upstream))
        });
        let by_name = by_name.collect();
        let mut upstreams = Self {
            by_name,
            ..Self::default()
        };
        if config.listen.ssh.is_some() {
            let host_key = own_key(&config.ssh.host_key)?;
            upstreams.host_key = Some(host_key.public_key().clone());
            upstreams.server = Some(Arc::new(settings::server(host_key)));
            upstreams.credentials = Some(Credentials::new(own_key(&config.ssh.authority)?));
        }
        Ok(upstreams)
    }

    /// Returns the names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.by_name.values().map(|upstream| &upstream.name)
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Upstream>> {
        self.by_name.get(name).cloned()
    }
}
