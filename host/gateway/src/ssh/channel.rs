//! What a channel begins with, from the request to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use model::{Fault, OperationId, Refusal, Rule};
use proto::ssh::facts::{Around, Start, facts};
use proto::ssh::record::Part;
use proto::ssh::sftp::Sftp;
use russh::server::{self, ChannelOpenHandle};
use russh::{ChannelId, ChannelOpenFailure, Pty, Sig, client};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::{Entered, Open};
use super::errand::{Errand, Spent, bind};
use super::files::Files;
use super::output::{ChannelTape, ERRORS, InputTape, Output};
use super::pump::{Ended, Pump, Sender, Side};
use super::upstream::Mask;
use crate::clock;
use crate::config::UnknownContent;

/// The status of a command that was refused: found, and not run.
const REFUSED: u32 = 126;

/// The status of a command of which nobody knows how it ended.
const LOST: u32 = 255;

/// The client's terminal.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    pub(super) term: String,
    /// Columns, rows, width and height in pixels.
    pub(super) size: [u32; 4],
    pub(super) modes: Vec<(Pty, u32)>,
}

/// What overtakes the bytes of a channel.
#[derive(Debug)]
pub(super) enum Control {
    Signal(Sig),
    /// Columns, rows, width and height in pixels.
    Resize([u32; 4]),
}

/// What a client asks on a channel.
pub(super) struct Ask {
    pub(super) entered: Arc<Entered>,
    pub(super) start: Start,
    pub(super) side: Side<server::Msg>,
    pub(super) open: Open,
    pub(super) handle: server::Handle,
    pub(super) terminal: Option<Terminal>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) controls: mpsc::Receiver<Control>,
    /// Cancelled when the client has closed the channel.
    pub(super) closed: CancellationToken,
}

/// An operation with leave to run.
struct Released {
    operation: OperationId,
    mask: Option<Arc<Mask>>,
}

impl Ask {
    /// Takes what is asked along the road, and runs it.
    pub(super) async fn run(self) {
        let closed = self.closed.clone();
        let released = tokio::select! {
            released = self.travel() => released,
            // Whoever waits for people and goes withdraws the question.
            () = closed.cancelled() => return,
        };
        match released {
            Ok(released) => self.go(released).await,
            Err(refusal) => {
                end(&self.side.write, &told(&refusal), REFUSED).await;
            }
        }
    }

    async fn travel(&self) -> Result<Released, Refusal> {
        let entered = &self.entered;
        let around = Around {
            account: &entered.account.name,
            terminal: self.terminal.is_some(),
            environment: &self.environment,
        };
        let mask = entered.upstream.mask(&entered.stay.services)?;
        let errand = Errand {
            shown: self.start.shown(),
            facts: facts(&self.start, around),
            bound: self.bound(),
            impossible: self.impossible(mask.as_deref()),
        };
        let operation = errand.travel(entered, &self.side.write).await?;
        Ok(Released { operation, mask })
    }

    /// What exactly an approval is for: the operation, the account, the terminal, what goes with
    /// it.
    fn bound(&self) -> Vec<u8> {
        let mut bound = self.start.bytes();
        bind(&mut bound, self.entered.account.name.as_bytes());
        bind(&mut bound, &[u8::from(self.terminal.is_some())]);
        for (name, value) in &self.environment {
            bind(&mut bound, name.as_bytes());
            bind(&mut bound, value.as_bytes());
        }
        bound
    }

    /// Whether the resource cannot do this, whoever asks.
    fn impossible(&self, mask: Option<&Mask>) -> Option<Refusal> {
        let config = &self.entered.upstream.config;
        let refuse = |rule, message: &'static str, hint: &'static str| {
            Some(Refusal::new(rule, Fault::Client, message).hint(hint))
        };
        let opaque = mask.is_some() && config.unknown_content == UnknownContent::Refuse;
        match &self.start {
            Start::Shell if config.exec_only => refuse(
                Rule::ProtocolRefused,
                "this resource runs commands, and no shell",
                "write the command behind the host: ssh HOST COMMAND",
            ),
            Start::Forward { host, port } if !config.forward.contains(&(host.clone(), *port)) => refuse(
                Rule::ProtocolRefused,
                "connections are not forwarded there",
                "to reach another host, log in to it by its own name: ssh ACCOUNT@RESOURCE@GATEWAY",
            ),
            Start::Forward { .. } if opaque => refuse(
                Rule::TaggedUse,
                "what this carries cannot be masked, and this resource has data to be masked",
                "use commands whose output is text",
            ),
            start if opaque && start.carries_files() => refuse(
                Rule::TaggedUse,
                "what this carries cannot be masked, and this resource has data to be masked",
                "carry files by sftp, which scp does unless it is told -O",
            ),
            _ => None,
        }
    }

    /// Runs it on the host.
    async fn go(self, released: Released) {
        let entered = Arc::clone(&self.entered);
        let stay = &entered.stay;
        let began_us = clock::unix_us();
        stay.runs(true);
        // A command at work may be quiet; what waits for its user is idle.
        let _busy = matches!(self.start, Start::Exec(_)).then(|| entered.busy());
        let spent = match self.begin_there().await {
            Ok(far) => self.pump(far, released.mask.as_ref()).await,
            Err(refusal) => {
                end(&self.side.write, &told(&refusal), LOST).await;
                Spent::of("error")
            }
        };
        stay.runs(false);
        spent.write_down(&entered, released.operation, began_us);
    }

    /// Begins it on the host; what is wrong with the host is only logged.
    async fn begin_there(&self) -> Result<Side<client::Msg>, Refusal> {
        let resource = &self.entered.upstream.name;
        let reached = self.entered.reach().await.map_err(|error| {
            tracing::error!(%resource, %error, "a host cannot be used");
            Refusal::new(Rule::UpstreamUnavailable, error.fault(), error.for_client())
                .hint("try again later; the operator finds the reason in the gateway's log")
        })?;
        let failed = |error: russh::Error| {
            tracing::warn!(%resource, %error, "a host did not take a channel");
            Refusal::new(
                Rule::UpstreamUnavailable,
                Fault::Upstream,
                "the host did not take it",
            )
            .hint("try again later, or with fewer channels at once")
        };
        if let Start::Forward { host, port } = &self.start {
            return reached.open_forward(host, *port).await.map_err(failed);
        }
        let mut far = reached.open_session().await.map_err(failed)?;
        let began = self.request(&mut far).await.map_err(failed)?;
        began.then_some(far).ok_or_else(|| {
            Refusal::new(
                Rule::UpstreamUnavailable,
                Fault::Upstream,
                "the host refused to begin it",
            )
            .hint("the account there may not do this")
        })
    }

    async fn request(&self, far: &mut Side<client::Msg>) -> Result<bool, russh::Error> {
        let write = Arc::clone(&far.write);
        if let Some(Terminal { term, size, modes }) = &self.terminal {
            let [columns, rows, width, height] = *size;
            write
                .half
                .request_pty(true, term, columns, rows, width, height, modes)
                .await?;
            if !far.agrees().await {
                return Ok(false);
            }
        }
        for (name, value) in &self.environment {
            // A host that does not take one goes without, as it would from the client itself.
            write.half.set_env(false, name.as_str(), value.as_str()).await?;
        }
        match &self.start {
            Start::Exec(line) => write.half.exec(true, line.clone()).await?,
            Start::Shell => write.half.request_shell(true).await?,
            Start::Sftp => write.half.request_subsystem(true, "sftp").await?,
            Start::Forward { .. } => return Ok(true),
        }
        Ok(far.agrees().await)
    }

    async fn pump(self, far: Side<client::Msg>, mask: Option<&Arc<Mask>>) -> Spent {
        let Self {
            entered,
            start,
            side,
            open,
            handle,
            terminal,
            environment,
            controls,
            closed: _,
        } = self;
        let (stay, number) = (&entered.stay, entered.channel());
        let [columns, rows, ..] = terminal.as_ref().map_or([0; 4], |terminal| terminal.size);
        let opened = Part::Open {
            channel: number,
            what: start.channel().to_owned(),
            command: match &start {
                Start::Exec(_) => start.text().map(Into::into),
                Start::Forward { host, port } => Some(format!("{host}:{port}")),
                Start::Shell | Start::Sftp => None,
            },
            account: entered.account.name.clone(),
            environment,
            term: terminal.as_ref().map(|terminal| terminal.term.clone()),
            columns,
            rows,
        };
        let unknown = entered.upstream.config.unknown_content;
        // What a connection carries is not masked, and not looked at: it was refused where that
        // matters.
        let mask = mask.filter(|_| !matches!(start, Start::Forward { .. }));
        let (near, there) = (Arc::clone(&side.write), far.id());
        let tape = ChannelTape::begin(stay, number, &opened);
        if matches!(start, Start::Sftp) {
            let sftp = sftp(mask, unknown);
            let carried = transfer(&entered, (side, far), tape, sftp).await;
            let Carried { ended, tape, .. } = carried;
            let spent = conclude(&entered, (&near, there), (&ended, &start), &tape, carried.masked).await;
            tape.end(ended.status, None, carried.received);
            drop(open);
            return spent;
        }
        let recorded = entered.upstream.config.record_input && !matches!(start, Start::Forward { .. });
        let mut pump = Pump {
            near: side,
            far,
            handle,
            controls,
            outputs: [
                Output::new(mask.map(Arc::as_ref), unknown),
                Output::new(mask.map(Arc::as_ref), unknown),
            ],
            tape,
            input: recorded.then(|| InputTape::new(stay, number, terminal.is_some())),
            terminal: terminal.is_some().then(|| (Arc::clone(stay), number)),
            received: AtomicU64::new(0),
        };
        let ended = pump.run(stay.ended(), || stay.ending()).await;
        let _ = pump.far.write.half.close().await;
        let Pump {
            outputs,
            tape,
            received,
            ..
        } = pump;
        let masked = outputs.iter().map(Output::masked).sum();
        let spent = conclude(&entered, (&near, there), (&ended, &start), &tape, masked).await;
        let signal = ended.signal.map(|signal| format!("{signal:?}"));
        tape.end(ended.status, signal, received.load(Ordering::Relaxed));
        drop(open);
        spent
    }
}

/// Begins to carry files, masked or not.
fn sftp(mask: Option<&Arc<Mask>>, unknown: UnknownContent) -> Sftp {
    let Some(mask) = mask.map(Arc::clone) else {
        return Sftp::default();
    };
    Sftp::masking(Box::new(move || Box::new(Output::new(Some(&mask), unknown))))
}

/// What came of carrying files.
struct Carried {
    ended: Ended,
    tape: ChannelTape,
    received: u64,
    masked: u64,
}

/// Carries files until the channel is over.
async fn transfer(
    entered: &Entered,
    (mut near, mut far): (Side<server::Msg>, Side<client::Msg>),
    mut tape: ChannelTape,
    sftp: Sftp,
) -> Carried {
    let mut files = Files {
        entered,
        near: &mut near,
        far: &mut far,
        tape: &mut tape,
        received: 0,
        status: None,
        sftp,
        running: HashMap::new(),
        last: 0,
    };
    let ended = files.run(entered.stay.ended()).await;
    let (received, masked) = (files.received, files.sftp.masked());
    let _ = far.write.half.close().await;
    Carried {
        ended,
        tape,
        received,
        masked,
    }
}

/// Ends both sides of a channel.
async fn conclude(
    entered: &Entered,
    (near, there): (&Sender<server::Msg>, ChannelId),
    (ended, start): (&Ended, &Start),
    tape: &ChannelTape,
    masked: u64,
) -> Spent {
    close(near, ended, start).await;
    if let Ok(reached) = entered.reach().await {
        reached.forget(there);
    }
    Spent {
        result: result(ended, start),
        status: ended.status,
        sent: tape.sent(),
        masked,
    }
}

fn result(ended: &Ended, start: &Start) -> &'static str {
    let by_itself = matches!(start, Start::Sftp | Start::Forward { .. });
    match (ended.status, &ended.signal) {
        _ if ended.refusal.is_some() => "error",
        (Some(0), _) => "ok",
        (Some(_), _) | (None, Some(_)) => "error",
        // A client closes these when it is done.
        (None, None) if by_itself => "ok",
        (None, None) => "lost",
    }
}

/// Ends the client's side of a channel that was at work.
async fn close(near: &Sender<server::Msg>, ended: &Ended, start: &Start) {
    if ended.client_left {
        let _ = near.half.close().await;
        return;
    }
    let is_session = !matches!(start, Start::Forward { .. });
    match &ended.refusal {
        Some(refusal) => end(near, &told(refusal), LOST).await,
        None if is_session && ended.status.is_none() && ended.signal.is_none() => {
            end(near, "tidegate: the connection to the host was lost\n", LOST).await;
        }
        None => {
            let _ = near.half.close().await;
        }
    }
}

/// Says why nothing more comes, and ends the channel with a status. Waits no longer for a client
/// that does not take it.
async fn end(near: &Sender<server::Msg>, text: &str, status: u32) {
    let said = near.send(ERRORS, Bytes::copy_from_slice(text.as_bytes()));
    let _ = tokio::time::timeout(Duration::from_millis(200), said).await;
    let _ = near.half.exit_status(status).await;
    let _ = near.half.eof().await;
    let _ = near.half.close().await;
}

/// Returns a refusal as lines for people.
pub(super) fn told(refusal: &Refusal) -> String {
    let mut text = format!("tidegate: {} [{}]\n", refusal.message, refusal.rule.label());
    if let Some(hint) = &refusal.hint {
        text.push_str(&format!("tidegate: {hint}\n"));
    }
    if let Some(approval) = &refusal.approval {
        text.push_str(&format!("tidegate: approval {approval}\n"));
    }
    text
}

/// Returns a refusal as one line: what clients show of it is one.
pub(super) fn line(refusal: &Refusal) -> String {
    told(refusal).trim_end().replace('\n', "; ")
}

/// Takes a forward along the road; its channel is opened only if it may run.
pub(super) async fn forward(ask: Ask, reply: ChannelOpenHandle) {
    let closed = ask.closed.clone();
    let released = tokio::select! {
        released = ask.travel() => released,
        () = closed.cancelled() => return,
    };
    match released {
        Ok(released) => {
            reply.accept().await;
            ask.go(released).await;
        }
        Err(refusal) => {
            tracing::info!(rule = refusal.rule.label(), "a forward was refused");
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        }
    }
}
