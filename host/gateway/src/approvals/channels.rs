//! Carries questions to people through approver plugins, and their answers back.
//!
//! Plugins carry messages and decide nothing. Whoever a plugin says has answered is a name of an
//! outside system; the configuration says which principal that is, the principal's last token
//! says in which groups it is, and the answer then goes the way every answer goes.
//!
//! A question on a channel is a row in the state database that says what is to be done next.
//! It is looked at when its approval changes, when its time comes, and at the start; each look
//! compares what should be with what is. So nothing is lost in a crash: at worst something is
//! said twice, with the same id.

mod agenda;
mod answers;
mod entry;
mod line;
mod question;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use model::PluginName;
use plugin::{Ask, Message, PluginFault, Reply, Ticket, Update};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Approvals;
use crate::access::Access;
use crate::config::{ChannelConfig, Config, PluginKind};
use crate::locks::Locks;
use crate::plugins::ActivePlugins;
use crate::running::Running;
pub(crate) use answers::{Brought, Told};
pub(crate) use entry::{Entry, Stage};
use line::Line;

/// The largest body of a message to a callback address, in bytes, as the contract has it.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// The largest headers of such a message, in bytes, likewise.
pub const MESSAGE_HEADERS_BYTES_MAX: usize = 64 << 10;

/// How long an outside system should wait with what cannot be taken in now.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Carries messages: a plugin, or a script in tests.
pub trait Carrier: Send + Sync + 'static {
    /// Puts a question.
    fn submit<'a>(&'a self, ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Ticket, PluginFault>>;

    /// Asks how it stands.
    fn poll<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Update, PluginFault>>;

    /// Takes in what the outside system reports.
    fn callback<'a>(
        &'a self,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(Vec<Update>, Reply), PluginFault>>;

    /// Says that an answer is no longer wanted.
    fn withdraw<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), PluginFault>>;
}

/// The approver that has a name now, whichever was loaded last under it.
struct Current {
    plugins: Arc<ActivePlugins>,
    name: PluginName,
}

impl Carrier for Current {
    fn submit<'a>(&'a self, ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Ticket, PluginFault>> {
        Box::pin(async move { self.plugins.approver(&self.name)?.submit(ask).await })
    }

    fn poll<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Update, PluginFault>> {
        Box::pin(async move { self.plugins.approver(&self.name)?.poll(approval, ticket).await })
    }

    fn callback<'a>(
        &'a self,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(Vec<Update>, Reply), PluginFault>> {
        Box::pin(async move { self.plugins.approver(&self.name)?.callback(message).await })
    }

    fn withdraw<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), PluginFault>> {
        Box::pin(async move {
            self.plugins
                .approver(&self.name)?
                .withdraw(approval, ticket, reason)
                .await
        })
    }
}

/// One channel as it is set up.
#[derive(Clone)]
pub struct Channel {
    /// What it tells, and who is who.
    pub config: ChannelConfig,
    /// What carries its messages.
    pub carrier: Arc<dyn Carrier>,
    /// The resources whose questions it carries.
    pub resources: Vec<model::ResourceName>,
}

impl Channel {
    /// Returns a channel for each approver plugin that is configured.
    #[must_use]
    pub fn all(config: &Config, plugins: &Arc<ActivePlugins>) -> Vec<Self> {
        let approvers = config
            .plugins
            .iter()
            .filter(|plugin| plugin.kind == PluginKind::Approver);
        let channels = approvers.map(|approver| {
            let name = &approver.name;
            let own = config.channels.iter().find(|channel| channel.plugin == *name);
            let carried = config.resources.iter().filter(|resource| {
                let channels = resource.channels.as_ref();
                channels.is_none_or(|channels| channels.contains(name))
            });
            Self {
                config: own
                    .cloned()
                    .unwrap_or_else(|| ChannelConfig::silent(name.clone())),
                carrier: Arc::new(Current {
                    plugins: Arc::clone(plugins),
                    name: name.clone(),
                }),
                resources: carried.map(|resource| resource.name.clone()).collect(),
            }
        });
        channels.collect()
    }
}

/// What every channel stands on.
#[derive(Clone)]
pub struct Footing {
    /// The questions.
    pub approvals: Approvals,
    /// Who was here with which groups.
    pub access: Access,
    /// Who is shut out.
    pub locks: Locks,
    /// Where people and outside systems reach the gateway: an origin without a slash at its
    /// end. Without one, questions carry no address to answer at.
    pub url: Option<String>,
}

/// All channels of this gateway. Cheap to clone.
#[derive(Clone)]
pub struct Channels(Arc<Inner>);

struct Inner {
    footing: Footing,
    lines: ArcSwap<Lines>,
    changes: watch::Sender<()>,
}

type Lines = HashMap<PluginName, Arc<Line>>;

impl Channels {
    /// Sets the channels up; nothing is carried before [`Self::run`].
    #[must_use]
    pub fn new(footing: &Footing, channels: Vec<Channel>) -> Self {
        let this = Self(Arc::new(Inner {
            footing: footing.clone(),
            lines: ArcSwap::default(),
            changes: watch::Sender::new(()),
        }));
        this.renew(channels);
        this
    }

    /// Carries over these channels from now on. One that was there and is set up the same goes on
    /// as it is; what is under way on any other is taken up again by its successor.
    pub fn renew(&self, channels: Vec<Channel>) {
        let before = self.0.lines.load();
        let lines = channels.into_iter().map(|channel| {
            let name = channel.config.plugin.clone();
            let same = before.get(&name).filter(|line| line.is_set_up_as(&channel));
            let fresh = || Arc::new(Line::new(self.0.footing.clone(), channel.clone()));
            (name, same.map_or_else(fresh, Arc::clone))
        });
        self.0.lines.store(Arc::new(lines.collect()));
        self.0.changes.send_replace(());
    }

    /// Carries questions and answers until told to stop. What is under way then is done again
    /// after the next start.
    pub async fn run(self, stop: CancellationToken) {
        let mut changes = self.0.changes.subscribe();
        let mut running: HashMap<PluginName, (Arc<Line>, Running)> = HashMap::new();
        loop {
            changes.mark_unchanged();
            let lines = self.0.lines.load_full();
            let goes_on = |name: &PluginName, own: &Arc<Line>| {
                let line = lines.get(name);
                line.is_some_and(|line| Arc::ptr_eq(line, own))
            };
            // Ended before another begins: two lines of one channel would say everything twice.
            for (_, (_, old)) in running.extract_if(|name, (own, _)| !goes_on(name, own)) {
                old.end().await;
            }
            for (name, line) in &*lines {
                running.entry(name.clone()).or_insert_with(|| {
                    let own = Arc::clone(line);
                    (Arc::clone(line), Running::begin(&stop, |stop| own.run(stop)))
                });
            }
            tokio::select! {
                () = stop.cancelled() => break,
                // The sender lives as long as this does.
                _ = changes.changed() => {}
            }
        }
        for (_, (_, old)) in running {
            old.end().await;
        }
    }

    fn line(&self, plugin: &str) -> Option<Arc<Line>> {
        self.0.lines.load().get(&PluginName::new(plugin)).cloned()
    }

    /// Takes in what came to the callback address of `plugin`, and returns what to answer. The
    /// message is the outside system's: nothing of it has been checked.
    pub async fn callback(&self, plugin: &str, message: &Message) -> Reply {
        match self.line(plugin) {
            Some(line) => line.callback(message).await,
            None => reply(404, "there is no such channel\n"),
        }
    }
}

fn reply(status: u16, text: &str) -> Reply {
    let mut headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
    if matches!(status, 429 | 503) {
        headers.push(("retry-after".to_owned(), RETRY_AFTER.as_secs().to_string()));
    }
    Reply {
        status,
        headers,
        body: text.as_bytes().to_vec(),
    }
}
