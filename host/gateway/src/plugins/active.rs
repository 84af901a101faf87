//! The plugins in use, and which of them serve which resource: exchanged as one, while sessions
//! run. Whoever began with one set finishes with it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::mask::{MaskFault, Shape};
use model::{Assessment, PluginName, ResourceName, Tag};
use plugin::{ActivePlan, Approver, ClassifyRequest, Exporter, PluginFault, Plugins};
use tokio::sync::watch;

use super::{Composition, compose};
use crate::config::{Config, PluginKind};

/// The plugins in use.
pub struct ActivePlugins {
    current: ArcSwap<PluginSet>,
    changes: watch::Sender<()>,
}

/// One set of plugins.
pub struct PluginSet {
    /// The plugins.
    pub plugins: Plugins,
    /// How many sets were in use before: part of the key of whatever is kept of a set's work.
    pub generation: u64,
    /// The exporters.
    pub exporters: Vec<PluginName>,
    chains: HashMap<ResourceName, Chain>,
}

/// What serves one resource, in configured order.
struct Chain {
    maskers: Vec<PluginName>,
    classifiers: Vec<PluginName>,
}

impl ActivePlugins {
    /// Takes the first set into use.
    #[must_use]
    pub fn new(plugins: Plugins, config: &Config) -> Self {
        Self {
            current: ArcSwap::from_pointee(PluginSet::new(plugins, config, 0)),
            changes: watch::Sender::new(()),
        }
    }

    /// Returns the set in use now.
    #[must_use]
    pub fn current(&self) -> Arc<PluginSet> {
        self.current.load_full()
    }

    /// Returns which set is in use now.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.current.load().generation
    }

    /// Returns the exporter that has this name now, whichever was loaded last under it.
    ///
    /// # Errors
    /// There is none.
    pub fn exporter(&self, name: &PluginName) -> Result<Arc<Exporter>, PluginFault> {
        let exporter = self.current().plugins.exporter(name).cloned();
        exporter.ok_or_else(|| PluginFault::missing(name))
    }

    /// Returns the approver that has this name now, likewise.
    ///
    /// # Errors
    /// There is none.
    pub fn approver(&self, name: &PluginName) -> Result<Arc<Approver>, PluginFault> {
        let approver = self.current().plugins.approver(name).cloned();
        approver.ok_or_else(|| PluginFault::missing(name))
    }

    /// Tells when another set is in use.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Takes another set into use. One at a time: the caller sees to that.
    pub(super) fn exchange(&self, plugins: Plugins, config: &Config) {
        let set = PluginSet::new(plugins, config, self.generation() + 1);
        self.current.store(Arc::new(set));
        self.changes.send_replace(());
    }
}

impl PluginSet {
    fn new(plugins: Plugins, config: &Config, generation: u64) -> Self {
        let chains = config.resources.iter().map(|resource| {
            let chain = Chain {
                maskers: resource.maskers.clone(),
                classifiers: resource.classifiers.clone(),
            };
            (resource.name.clone(), chain)
        });
        let exporters = config.plugins.iter();
        let exporters = exporters.filter(|plugin| plugin.kind == PluginKind::Exporter);
        Self {
            plugins,
            generation,
            exporters: exporters.map(|plugin| plugin.name.clone()).collect(),
            chains: chains.collect(),
        }
    }

    /// Returns whether anybody classifies what is done to the resource.
    #[must_use]
    pub fn has_classifiers(&self, resource: &ResourceName) -> bool {
        !self.classifiers(resource).is_empty()
    }

    fn classifiers(&self, resource: &ResourceName) -> &[PluginName] {
        let chain = self.chains.get(resource);
        chain.map_or(&[], |chain| &chain.classifiers)
    }

    /// Asks the resource's classifiers.
    ///
    /// # Errors
    /// One of them failed.
    pub fn classify(
        &self,
        resource: &ResourceName,
        request: &ClassifyRequest<'_>,
    ) -> Result<Assessment, PluginFault> {
        let classifiers = self.plugins.classifiers();
        classifiers.classify(self.classifiers(resource), request)
    }

    /// Describes the resource's plugins for fields with these tags.
    #[must_use]
    pub fn composition(&self, resource: &ResourceName, tags: &[Tag]) -> Composition {
        let maskers = self.chains.get(resource).map_or(&[][..], |chain| &chain.maskers);
        compose(&self.plugins, self.classifiers(resource), maskers, tags)
    }

    /// Returns the plan of the resource's maskers for results of this shape.
    ///
    /// # Errors
    /// One of them failed.
    pub fn plan(&self, resource: &ResourceName, shape: &Shape) -> Result<Arc<ActivePlan>, MaskFault> {
        let chain = self.chains.get(resource);
        let maskers = chain.map_or(&[][..], |chain| &chain.maskers);
        self.plugins.maskers().plan(maskers, shape)
    }
}
