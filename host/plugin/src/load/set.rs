//! The plugins of one set, and what is taken over from the set before.

use std::collections::HashMap;
use std::sync::Arc;

use model::PluginName;

use super::Loaded;
use crate::approver::Approver;
use crate::classifier::ClassifierWorld;
use crate::config::{Kind, PluginConfig};
use crate::exporter::Exporter;
use crate::masker::Masker;
use crate::pool::{Pool, World};

/// All plugins of a set, by kind.
#[derive(Default)]
pub(super) struct Set {
    pub(super) maskers: HashMap<PluginName, Arc<Masker>>,
    pub(super) classifiers: HashMap<PluginName, Arc<Pool<ClassifierWorld>>>,
    pub(super) exporters: HashMap<PluginName, Arc<Exporter>>,
    pub(super) approvers: HashMap<PluginName, Arc<Approver>>,
    pub(super) loaded: Vec<Loaded>,
}

impl Set {
    /// Takes a plugin over from another set; returns whether that has one that is just like it.
    pub(super) fn take_over(&mut self, before: &Self, config: &PluginConfig, sha256: &[u8; 32]) -> bool {
        let name = &config.name;
        let same = |loaded: &&Loaded| loaded.sha256 == *sha256 && *loaded.config == *config;
        let Some(loaded) = before.loaded.iter().find(same) else {
            return false;
        };
        let taken = match config.kind {
            Kind::Masker => take(&mut self.maskers, &before.maskers, name, |masker| &masker.pool),
            Kind::Classifier => take(&mut self.classifiers, &before.classifiers, name, |pool| pool),
            Kind::Exporter => take(&mut self.exporters, &before.exporters, name, Exporter::pool),
            Kind::Approver => take(&mut self.approvers, &before.approvers, name, Approver::pool),
        };
        if taken {
            self.loaded.push(Loaded {
                kept: true,
                ..loaded.clone()
            });
        }
        taken
    }
}

/// Takes one plugin over, unless it is in quarantine.
fn take<T, W: World>(
    to: &mut HashMap<PluginName, Arc<T>>,
    from: &HashMap<PluginName, Arc<T>>,
    name: &PluginName,
    pool: fn(&T) -> &Pool<W>,
) -> bool {
    let Some(plugin) = from.get(name).filter(|plugin| !pool(plugin).is_quarantined()) else {
        return false;
    };
    to.insert(name.clone(), Arc::clone(plugin));
    true
}
