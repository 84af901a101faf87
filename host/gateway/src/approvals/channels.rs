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

use futures_util::future::BoxFuture;
use model::PluginName;
use plugin::{Approver, Ask, Message, PluginFault, Plugins, Reply, Ticket, Update};
use tokio_util::sync::CancellationToken;

use super::Approvals;
use crate::access::Access;
use crate::config::{ChannelConfig, Config, PluginKind};
use crate::locks::Locks;
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

impl Carrier for Approver {
    fn submit<'a>(&'a self, ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Ticket, PluginFault>> {
        Box::pin(Self::submit(self, ask))
    }

    fn poll<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Update, PluginFault>> {
        Box::pin(Self::poll(self, approval, ticket))
    }

    fn callback<'a>(
        &'a self,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(Vec<Update>, Reply), PluginFault>> {
        Box::pin(Self::callback(self, message))
    }

    fn withdraw<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), PluginFault>> {
        Box::pin(Self::withdraw(self, approval, ticket, reason))
    }
}

/// One channel as it is set up.
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
    pub fn all(config: &Config, plugins: &Plugins) -> Vec<Self> {
        let approvers = config
            .plugins
            .iter()
            .filter(|plugin| plugin.kind == PluginKind::Approver);
        let channels = approvers.filter_map(|approver| {
            let name = &approver.name;
            let own = config.channels.iter().find(|channel| channel.plugin == *name);
            let carried = config.resources.iter().filter(|resource| {
                let channels = resource.channels.as_ref();
                channels.is_none_or(|channels| channels.contains(name))
            });
            Some(Self {
                config: own
                    .cloned()
                    .unwrap_or_else(|| ChannelConfig::silent(name.clone())),
                carrier: Arc::clone(plugins.approver(name)?) as _,
                resources: carried.map(|resource| resource.name.clone()).collect(),
            })
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
pub struct Channels {
    lines: Arc<HashMap<PluginName, Arc<Line>>>,
}

impl Channels {
    /// Sets the channels up; nothing is carried before [`Self::run`].
    #[must_use]
    pub fn new(footing: &Footing, channels: Vec<Channel>) -> Self {
        let lines = channels.into_iter().map(|channel| {
            let name = channel.config.plugin.clone();
            (name, Arc::new(Line::new(footing.clone(), channel)))
        });
        Self {
            lines: Arc::new(lines.collect()),
        }
    }

    /// Carries questions and answers until told to stop. What is under way then is done again
    /// after the next start.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = tokio::task::JoinSet::new();
        for line in self.lines.values() {
            tasks.spawn(Arc::clone(line).run(stop.clone()));
        }
        tasks.join_all().await;
    }

    /// Takes in what came to the callback address of `plugin`, and returns what to answer. The
    /// message is the outside system's: nothing of it has been checked.
    pub async fn callback(&self, plugin: &str, message: &Message) -> Reply {
        match self.lines.get(&PluginName::new(plugin)) {
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
