//! What a plugin's instances share, made of its operator's configuration and its own wants.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{LoadProblem, key};
use crate::config::{DEADLINE_MAX, Grants, INSTANCES_MAX, MEMORY_BYTES_MAX, PluginConfig};
use crate::egress::{self, Origin, Policy};
use crate::grant;
use crate::kv::Store as KvStore;
use crate::manifest::Want;
use crate::meter::Meter;
use crate::profile::{Profile, Voice};
use crate::store;

/// The largest configuration. The contract says so.
const CONFIG_BYTES_MAX: usize = 1 << 20;

/// The least memory that makes sense: a Rust guest starts with about 1 MiB.
const MEMORY_BYTES_MIN: usize = 1 << 20;

/// Checks everything that can be checked without the component.
pub(super) fn profile(config: &PluginConfig, kv: &Arc<dyn KvStore>) -> Result<Profile, Vec<LoadProblem>> {
    let mut problems = Vec::new();
    let limits = config.limits;
    if !(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&limits.memory_bytes) {
        problems.push(key("limits.memory", "from 1 MiB to 256 MiB"));
    }
    if !(Duration::from_millis(1)..=DEADLINE_MAX).contains(&limits.deadline) {
        problems.push(key("limits.deadline", "from 1 ms to 5 minutes"));
    }
    if !(1..=INSTANCES_MAX).contains(&limits.instances) {
        problems.push(key("limits.instances", "from 1 to 64"));
    }
    if limits.faults == 0 {
        problems.push(key("limits.faults", "at least 1"));
    }
    let json = match &config.config {
        serde_json::Value::Null => "{}".to_owned(),
        object @ serde_json::Value::Object(_) => object.to_string(),
        _ => {
            problems.push(key("config", "an object is expected"));
            String::new()
        }
    };
    if json.len() > CONFIG_BYTES_MAX {
        problems.push(key("config", "at most 1 MiB"));
    }
    let grants = &config.grants;
    let reaches = !grants.egress.is_empty() || !grants.secrets.is_empty() || grants.kv_bytes.is_some();
    if reaches && !store::waits(config.kind) {
        problems.push(key(
            "grant",
            &format!("a {} reaches nothing: no egress, secrets or kv", config.kind),
        ));
    }
    let tls = egress::tls_config(grants.ca_file.as_deref())
        .map_err(|error| problems.push(key("grant.ca_file", &error.to_string())));
    let Ok(tls) = tls else { return Err(problems) };
    let policy = policy(grants.clone(), tls).map_err(|found| problems.extend(found));
    let Ok(policy) = policy else { return Err(problems) };
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Profile {
        name: config.name.clone(),
        kind: config.kind,
        limits,
        config: json,
        policy: Arc::new(policy),
        kv: Arc::clone(kv),
        kv_bytes: grants.kv_bytes,
        meter: Meter::new(&config.name, config.kind),
        declared: OnceLock::new(),
        words: grants.log || store::waits(config.kind),
        voice: Voice::default(),
    })
}

impl Profile {
    /// Leaves of what is granted what is wanted, too.
    pub(super) fn narrow(&mut self, granted: &Grants, wants: &[Want]) -> Result<(), Vec<LoadProblem>> {
        let effective = grant::effective(granted, wants);
        let unwanted = grant::unwanted(granted, &effective);
        if !unwanted.is_empty() {
            let (plugin, granted) = (self.name.as_str(), unwanted.join(", "));
            tracing::warn!(
                plugin,
                granted,
                "not given: the plugin's manifest does not ask for it"
            );
        }
        self.kv_bytes = effective.kv_bytes;
        self.words = effective.log || store::waits(self.kind);
        self.policy = Arc::new(policy(effective, Arc::clone(&self.policy.tls))?);
        Ok(())
    }
}

fn policy(grants: Grants, tls: Arc<rustls::ClientConfig>) -> Result<Policy, Vec<LoadProblem>> {
    let mut origins = Vec::new();
    let mut problems = Vec::new();
    for origin in &grants.egress {
        match Origin::parse(origin) {
            Ok(origin) => origins.push(origin),
            Err(error) => problems.push(key("grant.egress", &format!("{origin}: {error}"))),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Policy {
        origins,
        allow_private: grants.allow_private,
        secrets: grants.secrets,
        tls,
    })
}
