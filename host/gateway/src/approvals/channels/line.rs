//! One channel at work: looks at its questions, and does what is to be done.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::approval::Standing;
use model::{ApprovalId, PluginName, ResourceName};
use plugin::{Ask, Message, PluginFault, Reply, SessionInfo, Ticket, Update};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::super::time::micros;
use super::agenda::Agenda;
use super::entry::{Call, Entry, Moment, patience};
use super::rate::Rate;
use super::{Carrier, Channel, Footing, MESSAGE_BYTES_MAX, MESSAGE_HEADERS_BYTES_MAX, question, reply};
use crate::approvals::Kept;
use crate::config::ChannelConfig;
use crate::services::random;
use crate::state::StateError;

/// How many questions of a channel are looked at at once: a slow outside system delays few, and
/// is not stormed when it comes back.
const LOOKS_MAX: usize = 4;

/// How many messages to a callback address are taken in at once. A plugin has instances for
/// few; more would only wait.
const MESSAGES_MAX: usize = 4;

/// How long to wait with what the database failed at.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How long to wait where nothing is due; anything that happens ends the wait.
const IDLE: Duration = Duration::from_hours(1);

pub(super) struct Line {
    pub(super) footing: Footing,
    pub(super) config: ChannelConfig,
    carrier: Arc<dyn Carrier>,
    resources: HashSet<ResourceName>,
    /// Held while a row is read, changed and written.
    changing: tokio::sync::Mutex<()>,
    /// Held while an answer is taken in: the same one that comes twice at once counts once.
    pub(super) answering: tokio::sync::Mutex<()>,
    rate: Mutex<Rate>,
    messages: Semaphore,
}

/// When a question is to be looked at next, and whether all are to wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Next {
    pub(super) due_us: Option<u64>,
    pub(super) pause: Option<Duration>,
}

impl Line {
    pub(super) fn new(footing: Footing, channel: Channel) -> Self {
        Self {
            footing,
            config: channel.config,
            carrier: channel.carrier,
            resources: channel.resources.into_iter().collect(),
            changing: tokio::sync::Mutex::default(),
            answering: tokio::sync::Mutex::default(),
            rate: Mutex::new(Rate::new()),
            messages: Semaphore::new(MESSAGES_MAX),
        }
    }

    /// Returns whether it is set up as the channel says.
    pub(super) fn is_set_up_as(&self, channel: &Channel) -> bool {
        self.config == channel.config
            && self.resources.len() == channel.resources.len()
            && channel.resources.iter().all(|name| self.resources.contains(name))
    }

    pub(super) fn plugin(&self) -> &PluginName {
        &self.config.plugin
    }

    pub(super) fn now_us(&self) -> u64 {
        self.footing.approvals.inner.clock.now_us()
    }

    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.footing.approvals.changes();
        let mut agenda = Agenda::default();
        let mut looks = JoinSet::new();
        let mut busy: HashMap<Id, ApprovalId> = HashMap::new();
        let mut everything = true;
        loop {
            if everything {
                everything = !self.look_up(&mut agenda).await;
            }
            while looks.len() < LOOKS_MAX
                && let Some(id) = agenda.take(self.now_us())
            {
                let this = Arc::clone(&self);
                let task = looks.spawn(async move { this.look(id).await });
                busy.insert(task.id(), id);
            }
            let wait = if everything {
                AGAIN_AFTER
            } else {
                self.wait(&agenda, looks.len())
            };
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => match change {
                    Ok(id) => agenda.poke(id, self.now_us()),
                    Err(RecvError::Lagged(_)) => everything = true,
                    Err(RecvError::Closed) => return,
                },
                Some(done) = looks.join_next_with_id() => {
                    let task = done.as_ref().map_or_else(|error| error.id(), |(task, _)| *task);
                    let next = done.map_or_else(|_| self.again(), |(_, next)| next);
                    if let Some(id) = busy.remove(&task) {
                        let now_us = self.now_us();
                        agenda.done(id, next.due_us, now_us);
                        agenda.pause(next.pause.map_or(0, |pause| now_us.saturating_add(micros(pause))));
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn wait(&self, agenda: &Agenda, looks: usize) -> Duration {
        match agenda.next_us() {
            Some(next_us) if looks < LOOKS_MAX => {
                Duration::from_micros(next_us.saturating_sub(self.now_us()))
            }
            _ => IDLE,
        }
    }

    /// Puts everything that may need a look on the agenda; returns whether that could be read.
    async fn look_up(&self, agenda: &mut Agenda) -> bool {
        let state = &self.footing.approvals.inner.state;
        let now_us = self.now_us();
        match (
            state.open_approvals().await,
            state.unfinished_tickets(self.plugin()).await,
        ) {
            (Ok(open), Ok(unfinished)) => {
                let ids = open.into_iter().map(|open| open.id).chain(unfinished);
                ids.for_each(|id| agenda.poke(id, now_us));
                true
            }
            (Err(error), _) | (_, Err(error)) => {
                self.unkept(&error);
                false
            }
        }
    }

    /// Looks at a question: puts it, asks how it stands or says that it is over, whatever is
    /// due; returns when it is to be looked at next.
    pub(super) async fn look(&self, id: ApprovalId) -> Next {
        match self.try_look(id).await {
            Ok(next) => next,
            Err(error) => {
                self.unkept(&error);
                self.again()
            }
        }
    }

    fn again(&self) -> Next {
        Next {
            due_us: Some(self.now_us().saturating_add(micros(AGAIN_AFTER))),
            pause: None,
        }
    }

    fn unkept(&self, error: &StateError) {
        let error: &dyn std::error::Error = error;
        tracing::error!(error, plugin = %self.plugin(), "questions on a channel cannot be kept");
    }

    async fn try_look(&self, id: ApprovalId) -> Result<Next, StateError> {
        let Some(kept) = self.footing.approvals.get(id).await? else {
            return Ok(Next::default());
        };
        let Some(entry) = self.begin(&kept).await? else {
            return Ok(Next::default());
        };
        let pause = match entry.call(self.now_us()) {
            None => None,
            Some(Call::Submit) => self.submit(&kept).await?,
            Some(Call::Poll(ticket)) => self.poll(id, &ticket).await?,
            Some(Call::Withdraw(ticket)) => self.withdraw(&kept, &ticket).await?,
        };
        // It may have ended while the outside system was spoken to.
        let kept = self.footing.approvals.get(id).await?;
        let entry = match kept {
            Some(kept) => self.begin(&kept).await?,
            None => None,
        };
        Ok(Next {
            due_us: entry.and_then(|entry| entry.next_us),
            pause,
        })
    }

    /// Returns how far a question has got here, as it should be by how it stands; `None` where
    /// it is none of this channel's.
    async fn begin(&self, kept: &Kept) -> Result<Option<Entry>, StateError> {
        let (id, now_us) = (kept.approval.id, self.now_us());
        let pending = kept.approval.standing == Standing::Pending;
        let _changing = self.changing.lock().await;
        let state = &self.footing.approvals.inner.state;
        let known = state.ticket(self.plugin(), id).await?;
        let mut entry = match &known {
            Some(entry) => entry.clone(),
            None if pending && self.resources.contains(&kept.approval.resource) => Entry::new(id, now_us),
            None => return Ok(None),
        };
        if !pending {
            entry.over(now_us);
        }
        if known.as_ref() != Some(&entry) {
            state.save_ticket(self.plugin(), &entry).await?;
        }
        Ok(Some(entry))
    }

    /// Changes a question's row, unless there is none.
    pub(super) async fn change(
        &self,
        id: ApprovalId,
        change: impl FnOnce(&mut Entry, Moment),
    ) -> Result<Option<Entry>, StateError> {
        let _changing = self.changing.lock().await;
        let state = &self.footing.approvals.inner.state;
        let Some(mut entry) = state.ticket(self.plugin(), id).await? else {
            return Ok(None);
        };
        let before = entry.clone();
        let moment = Moment {
            now_us: self.now_us(),
            random: u32::from_ne_bytes(random()),
        };
        change(&mut entry, moment);
        if entry != before {
            state.save_ticket(self.plugin(), &entry).await?;
        }
        Ok(Some(entry))
    }

    async fn submit(&self, kept: &Kept) -> Result<Option<Duration>, StateError> {
        let approval = &kept.approval;
        let id = approval.id.to_string();
        let session = SessionInfo::new(
            &approval.requester,
            approval.resource.clone(),
            protocol(&kept.case.protocol),
        );
        let groups = approval.quorum.shares.iter();
        let reviewers: Vec<String> = groups.filter_map(|share| share.group.clone()).collect();
        let address = |path: &str, of: &str| {
            let url = self.footing.url.as_ref();
            url.map(|url| format!("{url}/{path}/{of}")).unwrap_or_default()
        };
        let ask = Ask {
            approval_id: &id,
            session: &session,
            title: &question::title(&kept.case),
            body_markdown: &question::body(approval, &kept.case, self.config.detail),
            score: kept.case.assessment.score,
            reviewers: &reviewers,
            expires_ms: approval.decide_by_us / 1_000,
            url: &address("console/approvals", &id),
            callback_url: &address("channels", self.plugin().as_str()),
        };
        let result = self.carrier.submit(&ask).await;
        let fault = self.note("submit", approval.id, result.as_ref().err());
        let changed = |entry: &mut Entry, moment| entry.submitted(result.as_ref().cloned(), moment);
        self.change(approval.id, changed).await?;
        Ok(fault)
    }

    async fn poll(&self, id: ApprovalId, ticket: &Ticket) -> Result<Option<Duration>, StateError> {
        let mut result = self.carrier.poll(&id.to_string(), ticket).await;
        if let Ok(update) = &mut result
            && update.approval_id != id.to_string()
        {
            self.not_asked(&update.approval_id);
            *update = Update {
                approval_id: id.to_string(),
                decision: plugin::Decision::Pending,
                ticket: None,
            };
        }
        let pause = self.note("poll", id, result.as_ref().err());
        self.change(id, |entry, moment| entry.polled(result.as_ref(), moment))
            .await?;
        if let Ok(update) = result {
            // What cannot be kept is told again by the next poll.
            self.take(update).await;
        }
        Ok(pause)
    }

    async fn withdraw(&self, kept: &Kept, ticket: &Ticket) -> Result<Option<Duration>, StateError> {
        let id = kept.approval.id;
        let reason = match kept.approval.standing {
            Standing::Approved | Standing::Used => "it was approved",
            Standing::Denied => "it was denied",
            Standing::Expired => "nobody answered in time",
            Standing::Withdrawn | Standing::Pending => "nobody waits for it any more",
        };
        let result = self.carrier.withdraw(&id.to_string(), ticket, reason).await;
        let pause = self.note("withdraw", id, result.as_ref().err());
        self.change(id, |entry, moment| {
            entry.withdrawn(result.as_ref().copied(), moment);
        })
        .await?;
        Ok(pause)
    }

    /// Logs what a plugin failed at; returns how long it asks everybody to wait.
    fn note(&self, call: &str, id: ApprovalId, fault: Option<&PluginFault>) -> Option<Duration> {
        let fault = fault?;
        let message = match &fault.kind {
            plugin::FaultKind::Refused(error) => error.message.as_str(),
            _ => "",
        };
        tracing::warn!(%fault, message, call, approval = %id, "a channel failed");
        patience(fault)
    }

    /// Takes in a message to the callback address.
    pub(super) async fn callback(&self, message: &Message) -> Reply {
        let headers = message.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        if headers > MESSAGE_HEADERS_BYTES_MAX {
            return reply(431, "the headers are too large\n");
        }
        if message.body.len() > MESSAGE_BYTES_MAX {
            return reply(413, "the body is too large\n");
        }
        let taken = {
            let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
            rate.take(self.now_us())
        };
        if !taken {
            return reply(429, "too many messages\n");
        }
        let Ok(_turn) = self.messages.try_acquire() else {
            return reply(503, "too many messages at once\n");
        };
        let (updates, answer) = match self.carrier.callback(message).await {
            Ok(answer) => answer,
            Err(fault) => {
                tracing::warn!(%fault, "a message to a channel could not be taken in");
                return reply(500, "");
            }
        };
        let mut kept = true;
        for update in updates {
            kept &= self.told(update).await;
        }
        // The outside system is to say it again: what was kept already counts once.
        if kept { answer } else { reply(503, "") }
    }

    /// Takes in an update that nobody asked for; returns whether it could be kept.
    async fn told(&self, update: Update) -> bool {
        let Some(id) = ApprovalId::parse(&update.approval_id) else {
            return self.not_asked(&update.approval_id);
        };
        let told = self.change(id, |entry, moment| entry.told(&update, moment.now_us));
        match told.await {
            Ok(Some(_)) => self.take(update).await,
            Ok(None) => self.not_asked(&update.approval_id),
            Err(error) => {
                self.unkept(&error);
                false
            }
        }
    }

    /// Drops what a plugin tells of a question that was not put to it.
    fn not_asked(&self, approval: &str) -> bool {
        let approval = &approval[..approval.floor_char_boundary(64)];
        tracing::warn!(plugin = %self.plugin(), approval, "a channel told of a question that was not put to it");
        true
    }
}

fn protocol(label: &str) -> &'static str {
    ["postgres", "http", "ssh", "grant"]
        .into_iter()
        .find(|known| *known == label)
        .unwrap_or("")
}
