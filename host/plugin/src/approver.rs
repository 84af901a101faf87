//! Approvers: a question carried to humans outside, and their answer back.
//!
//! Nothing here approves anything: the answers are claims of a plugin, which the caller maps to
//! principals and counts.

use model::PluginName;
use wasmtime::Store;
use wasmtime::component::{Instance as Linked, InstancePre};

use crate::bindings::approver::exports::tidegate::approver::approver as wit;
use crate::bindings::approver::tidegate::base::types::{Error as WireError, Principal as WirePrincipal};
use crate::fault::{FaultKind, GuestError, PluginFault};
use crate::pool::{Pool, World};
use crate::session::SessionInfo;
use crate::store::State;
use crate::text;

/// The contract's limits.
const EXTERNAL_ID_BYTES_MAX: usize = 512;
const STATE_BYTES_MAX: usize = 16 << 10;
const POLL_AFTER_MS_MIN: u32 = 1_000;
const COMMENT_BYTES_MAX: usize = 4 << 10;
const EVIDENCE_BYTES_MAX: usize = 16 << 10;
const NAME_BYTES_MAX: usize = 512;
const UPDATES_MAX: usize = 64;
const REPLY_BYTES_MAX: usize = 64 << 10;
const REASON_BYTES_MAX: usize = 500;

/// One loaded approver.
pub struct Approver {
    pool: Pool<ApproverWorld>,
}

/// The question.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Names the approval and makes submitting idempotent.
    pub approval_id: &'a str,
    /// Who wants to do it, on what.
    pub session: &'a SessionInfo,
    /// One line.
    pub title: &'a str,
    /// What would run and what was found, in Markdown; at most 64 KiB.
    pub body_markdown: &'a str,
    /// The assessment's score.
    pub score: u8,
    /// Who may answer, as the policy names them.
    pub reviewers: &'a [String],
    /// When the question expires, in milliseconds of Unix time.
    pub expires_ms: u64,
    /// Where people can answer with the gateway itself; may be empty.
    pub url: &'a str,
    /// Where the outside system may report answers; may be empty.
    pub callback_url: &'a str,
}

/// A question as the outside system knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// The outside system's own id.
    pub external_id: String,
    /// Where a human finds it.
    pub url: Option<String>,
    /// When to ask first or next, in milliseconds from now. `None`: never.
    pub poll_after_ms: Option<u32>,
    /// What the plugin wants back with the ticket.
    pub state: Vec<u8>,
}

/// One human's answer, as the outside system tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vote {
    /// Who answered, as the outside system names them.
    pub by: String,
    /// When, in milliseconds of Unix time.
    pub at_ms: u64,
    /// Their words.
    pub comment: String,
    /// What proves it.
    pub evidence: Vec<u8>,
}

/// How a question stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Not answered.
    Pending,
    /// Someone agrees.
    Approved(Vote),
    /// Someone refuses.
    Denied(Vote),
    /// The outside system let it expire.
    Expired,
    /// The outside system no longer has it.
    Withdrawn,
}

/// News of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Update {
    /// Which one; the caller drops what it did not ask this plugin.
    pub approval_id: String,
    /// How it stands.
    pub decision: Decision,
    /// The ticket, where it changed.
    pub ticket: Option<Ticket>,
}

/// A request to the plugin's callback address.
#[derive(Clone, Debug)]
pub struct Message {
    /// In upper case.
    pub method: String,
    /// What follows the callback address, query included.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// The answer to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// `content-type` and `retry-after` only.
    pub headers: Vec<(String, String)>,
    /// At most 64 KiB.
    pub body: Vec<u8>,
}

pub(crate) struct ApproverWorld(wit::Guest);

impl World for ApproverWorld {
    type Indices = wit::GuestIndices;

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices> {
        wit::GuestIndices::new(pre)
    }

    fn bind(indices: &Self::Indices, store: &mut Store<State>, linked: &Linked) -> wasmtime::Result<Self> {
        Ok(Self(indices.load(store, linked)?))
    }
}

/// Makes one call of the guest: takes an instance, bounds the call, checks the answer with a
/// function that names the broken rule, gives the instance back.
macro_rules! call {
    ($pool:expr, $function:ident($($argument:expr),*), $check:expr) => {{
        let pool: &Pool<ApproverWorld> = $pool;
        let budget = pool.profile.limits.deadline;
        let mut lease = pool.take_async(budget).await?;
        lease.begin(budget);
        let instance = &mut *lease;
        let calling = instance.world.0.$function(&mut instance.store, $($argument),*);
        let Ok(answer) = tokio::time::timeout(budget, calling).await else {
            return Err(lease.late());
        };
        let answer: Result<_, WireError> = lease.end(answer)?;
        let checked = match answer {
            Ok(answer) => $check(answer).map_err(FaultKind::Contract),
            Err(error) => Err(FaultKind::Refused(GuestError::from(error))),
        };
        match checked {
            Ok(checked) => {
                lease.give_back();
                Ok(checked)
            }
            Err(kind) => Err(lease.fail(kind)),
        }
    }};
}

impl Approver {
    pub(crate) const fn new(pool: Pool<ApproverWorld>) -> Self {
        Self { pool }
    }

    pub(crate) const fn pool(&self) -> &Pool<ApproverWorld> {
        &self.pool
    }

    /// Returns the configured name.
    #[must_use]
    pub fn name(&self) -> &PluginName {
        &self.pool.profile.name
    }

    /// Puts a question.
    ///
    /// # Errors
    /// When the plugin fails, reports an error or breaks the contract; the question may have
    /// been put all the same, so a retry uses the same id.
    pub async fn submit(&self, ask: &Ask<'_>) -> Result<Ticket, PluginFault> {
        let wire = wit::Ask {
            approval_id: ask.approval_id.to_owned(),
            requester: WirePrincipal {
                id: ask.session.principal.clone(),
                kind: ask.session.kind.to_owned(),
                groups: ask.session.groups.clone(),
                delegation: ask.session.delegation.clone(),
            },
            target: ask.session.resource.as_str().to_owned(),
            title: ask.title.to_owned(),
            body_markdown: ask.body_markdown.to_owned(),
            score: ask.score,
            reviewers: ask.reviewers.to_vec(),
            expires_ms: ask.expires_ms,
            url: ask.url.to_owned(),
            callback_url: ask.callback_url.to_owned(),
            attrs: Vec::new(),
        };
        call!(&self.pool, call_submit(&wire), ticket)
    }

    /// Asks how a question stands.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn poll(&self, approval_id: &str, ticket: &Ticket) -> Result<Update, PluginFault> {
        let ticket = to_wit(ticket);
        call!(&self.pool, call_poll(approval_id, &ticket), update)
    }

    /// Hands over a request to the callback address. The caller has checked its size.
    ///
    /// # Errors
    /// As [`Self::submit`]; the answer is then status 500.
    pub async fn callback(&self, message: &Message) -> Result<(Vec<Update>, Reply), PluginFault> {
        let message = wit::Message {
            method: message.method.clone(),
            path: message.path.clone(),
            headers: message.headers.clone(),
            body: message.body.clone(),
        };
        call!(&self.pool, call_callback(&message), callback)
    }

    /// Says that an answer is no longer wanted.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn withdraw(
        &self,
        approval_id: &str,
        ticket: &Ticket,
        reason: &str,
    ) -> Result<(), PluginFault> {
        let (ticket, reason) = (to_wit(ticket), text::one_line(reason, REASON_BYTES_MAX));
        call!(&self.pool, call_withdraw(approval_id, &ticket, &reason), |()| Ok(
            ()
        ))
    }
}

fn to_wit(ticket: &Ticket) -> wit::Ticket {
    wit::Ticket {
        external_id: ticket.external_id.clone(),
        url: ticket.url.clone(),
        poll_after_ms: ticket.poll_after_ms,
        state: ticket.state.clone(),
    }
}

fn ticket(ticket: wit::Ticket) -> Result<Ticket, &'static str> {
    if ticket.external_id.len() > EXTERNAL_ID_BYTES_MAX {
        return Err("an external id of at most 512 bytes");
    }
    if ticket.state.len() > STATE_BYTES_MAX {
        return Err("a ticket's state of at most 16 KiB");
    }
    Ok(Ticket {
        external_id: ticket.external_id,
        url: ticket.url,
        poll_after_ms: ticket.poll_after_ms.map(|ms| ms.max(POLL_AFTER_MS_MIN)),
        state: ticket.state,
    })
}

fn vote(vote: wit::Vote) -> Result<Vote, &'static str> {
    if vote.evidence.len() > EVIDENCE_BYTES_MAX {
        return Err("evidence of at most 16 KiB");
    }
    if vote.comment.len() > COMMENT_BYTES_MAX || vote.by.len() > NAME_BYTES_MAX {
        return Err("a comment of at most 4 KiB, a name of at most 512 bytes");
    }
    Ok(Vote {
        by: vote.by,
        at_ms: vote.at_ms,
        comment: vote.comment,
        evidence: vote.evidence,
    })
}

fn update(update: wit::Update) -> Result<Update, &'static str> {
    Ok(Update {
        approval_id: update.approval_id,
        decision: match update.decision {
            wit::Decision::Pending => Decision::Pending,
            wit::Decision::Approved(given) => Decision::Approved(vote(given)?),
            wit::Decision::Denied(given) => Decision::Denied(vote(given)?),
            wit::Decision::Expired => Decision::Expired,
            wit::Decision::Withdrawn => Decision::Withdrawn,
        },
        ticket: update.ticket.map(ticket).transpose()?,
    })
}

fn callback((updates, reply): (Vec<wit::Update>, wit::Reply)) -> Result<(Vec<Update>, Reply), &'static str> {
    if updates.len() > UPDATES_MAX {
        return Err("at most 64 updates");
    }
    if !(200..=599).contains(&reply.status) {
        return Err("a status from 200 to 599");
    }
    if reply.body.len() > REPLY_BYTES_MAX {
        return Err("a reply of at most 64 KiB");
    }
    let passed = |(name, _): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") || name.eq_ignore_ascii_case("retry-after")
    };
    let reply = Reply {
        status: reply.status,
        headers: reply.headers.into_iter().filter(passed).collect(),
        body: reply.body,
    };
    Ok((updates.into_iter().map(update).collect::<Result<_, _>>()?, reply))
}
