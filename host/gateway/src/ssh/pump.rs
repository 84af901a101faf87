//! Moves the bytes of one channel between a client and a host, both ways, until it is over.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use journal::recording::Direction;
use model::{Fault, Refusal, Rule};
use proto::ssh::record::Part;
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client, server};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::channel::Control;
use super::output::{ChannelTape, ERRORS, InputTape, Output, record};
use super::transport::{Flow, Waiting};
use crate::stay::Stay;

/// How long output is held back for a mask where somebody may be looking: a prompt has no end of
/// line, and this is not noticed.
const SHOWN_WITHIN: Duration = Duration::from_millis(25);

/// The kind of extended data that is a stream of errors.
const STDERR: u32 = 1;

/// One side of a channel.
pub(super) struct Side<S: From<(ChannelId, ChannelMsg)>> {
    read: ChannelReadHalf,
    pub(super) write: Arc<Sender<S>>,
    waiting: Arc<Waiting>,
}

/// Sends to one side; it can be kept by whoever has something to say.
pub(super) struct Sender<S: From<(ChannelId, ChannelMsg)>> {
    pub(super) half: ChannelWriteHalf<S>,
    flow: Arc<Flow>,
}

impl<S: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static> Sender<S> {
    /// Sends bytes, as the other side takes them.
    pub(super) async fn send(&self, stream: u8, bytes: Bytes) -> Result<(), russh::Error> {
        let _sending = self.flow.sending();
        match stream {
            ERRORS => self.half.extended_data_bytes(STDERR, bytes).await,
            _ => self.half.data_bytes(bytes).await,
        }
    }
}

impl<S: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static> Side<S> {
    pub(super) fn new(channel: Channel<S>, flow: &Arc<Flow>, waiting: Arc<Waiting>) -> Self {
        let (read, half) = channel.split();
        let flow = Arc::clone(flow);
        Self {
            read,
            write: Arc::new(Sender { half, flow }),
            waiting,
        }
    }

    /// Waits for what comes next; bytes of it count as waiting until [`Side::taken`].
    pub(super) async fn wait(&mut self) -> Option<ChannelMsg> {
        self.read.wait().await
    }

    /// Takes note of bytes that were taken.
    pub(super) fn taken(&self, bytes: usize) {
        self.waiting.taken(bytes);
    }

    pub(super) fn id(&self) -> ChannelId {
        self.write.half.id()
    }

    /// Waits for the answer to a request.
    pub(super) async fn agrees(&mut self) -> bool {
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Success) => return true,
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                // Nothing else comes before a command is begun.
                _ => return false,
            }
        }
    }
}

/// How a channel ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The status with which the command ended.
    pub(super) status: Option<u32>,
    /// The signal that ended it.
    pub(super) signal: Option<Sig>,
    /// Why the gateway ended it, if it did.
    pub(super) refusal: Option<Refusal>,
    /// Whether the client went first.
    pub(super) client_left: bool,
}

/// One channel at work.
pub(super) struct Pump {
    pub(super) near: Side<server::Msg>,
    pub(super) far: Side<client::Msg>,
    pub(super) handle: server::Handle,
    pub(super) controls: mpsc::Receiver<Control>,
    /// Of output and of errors.
    pub(super) outputs: [Output; 2],
    pub(super) tape: ChannelTape,
    /// What the client sends is recorded, too.
    pub(super) input: Option<InputTape>,
    /// The session and the channel's number, if there is a terminal.
    pub(super) terminal: Option<(Arc<Stay>, u64)>,
    pub(super) received: AtomicU64,
}

impl Pump {
    /// Runs until one side closes, or `ended` says that nothing may go on.
    pub(super) async fn run(&mut self, ended: CancellationToken, ending: impl Fn() -> Refusal) -> Ended {
        let (near, far) = (&mut self.near, &mut self.far);
        let (near_write, far_write) = (Arc::clone(&near.write), Arc::clone(&far.write));
        let (near_waiting, far_waiting) = (Arc::clone(&near.waiting), Arc::clone(&far.waiting));
        let input = (self.input.as_mut(), &self.received);
        let up = std::pin::pin!(up(&mut near.read, &near_waiting, &far_write, input));
        let terminal = self.terminal.as_ref();
        let controls = std::pin::pin!(control(&mut self.controls, &far_write, terminal));
        let mut down = Down {
            read: &mut far.read,
            waiting: &far_waiting,
            write: &near_write,
            handle: &self.handle,
            outputs: &mut self.outputs,
            tape: &mut self.tape,
            hurries: terminal.is_some(),
            status: None,
            signal: None,
        };
        let (refusal, client_left) = tokio::select! {
            done = down.run() => (done.err(), false),
            done = up => {
                let refusal = done.err();
                let client_left = refusal.is_none();
                (refusal, client_left)
            }
            () = controls => (None, true),
            () = ended.cancelled() => (Some(ending()), false),
            () = near_waiting.overrun() => (Some(too_far_ahead("the client", Fault::Client)), false),
            () = far_waiting.overrun() => (Some(too_far_ahead("the host", Fault::Upstream)), false),
        };
        Ended {
            status: down.status,
            signal: down.signal.take(),
            refusal,
            client_left,
        }
    }
}

fn too_far_ahead(who: &str, fault: Fault) -> Refusal {
    let message = format!("{who} sent far more than the other side took");
    Refusal::new(Rule::ProtocolRefused, fault, message).hint("read what comes while sending")
}

/// From the client to the host; ends when the client closes the channel.
async fn up(
    read: &mut ChannelReadHalf,
    waiting: &Waiting,
    far: &Sender<client::Msg>,
    (mut input, received): (Option<&mut InputTape>, &AtomicU64),
) -> Result<(), Refusal> {
    loop {
        match read.wait().await {
            Some(ChannelMsg::Data { data }) => {
                let length = data.len();
                received.fetch_add(length as u64, Ordering::Relaxed);
                if let Some(input) = &mut input {
                    input.input(&data)?;
                }
                // A host that takes no more is heard of on the way down.
                let _ = far.send(1, data).await;
                waiting.taken(length);
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => waiting.taken(data.len()),
            Some(ChannelMsg::Eof) => {
                let _ = far.half.eof().await;
            }
            Some(ChannelMsg::Close) | None => return Ok(()),
            Some(_) => {}
        }
    }
}

/// Signals and sizes overtake the bytes; never ends by itself.
async fn control(
    controls: &mut mpsc::Receiver<Control>,
    far: &Sender<client::Msg>,
    terminal: Option<&(Arc<Stay>, u64)>,
) {
    while let Some(control) = controls.recv().await {
        let _ = match (control, terminal) {
            (Control::Signal(signal), _) => far.half.signal(signal).await,
            (Control::Resize([columns, rows, width, height]), Some((stay, channel))) => {
                let part = Part::Resize {
                    channel: *channel,
                    columns,
                    rows,
                };
                record(stay, Direction::FromClient, &part, &[]);
                far.half.window_change(columns, rows, width, height).await
            }
            (Control::Resize(_), None) => Ok(()),
        };
    }
    std::future::pending().await
}

/// From the host to the client.
struct Down<'a> {
    read: &'a mut ChannelReadHalf,
    waiting: &'a Waiting,
    write: &'a Sender<server::Msg>,
    handle: &'a server::Handle,
    outputs: &'a mut [Output; 2],
    tape: &'a mut ChannelTape,
    /// Whether somebody may be looking.
    hurries: bool,
    status: Option<u32>,
    signal: Option<Sig>,
}

impl Down<'_> {
    async fn run(&mut self) -> Result<(), Refusal> {
        let mut shown_by = None;
        loop {
            let next = match shown_by {
                Some(shown_by) => tokio::time::timeout_at(shown_by, self.read.wait()).await,
                None => Ok(self.read.wait().await),
            };
            let Ok(message) = next else {
                shown_by = None;
                self.let_out(Output::flush).await?;
                continue;
            };
            match message {
                Some(ChannelMsg::Data { data }) => self.pass(1, data).await?,
                Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => self.pass(ERRORS, data).await?,
                Some(ChannelMsg::ExtendedData { data, .. }) => self.waiting.taken(data.len()),
                Some(ChannelMsg::Eof) => {
                    self.let_out(Output::finish).await?;
                    let _ = self.write.half.eof().await;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.let_out(Output::finish).await?;
                    self.status = Some(exit_status);
                    let _ = self.write.half.exit_status(exit_status).await;
                }
                Some(ChannelMsg::ExitSignal {
                    signal_name,
                    core_dumped,
                    ..
                }) => {
                    self.let_out(Output::finish).await?;
                    self.signal = Some(signal_name.clone());
                    // What the host says of it is its own text, and may be anything.
                    let id = self.write.half.id();
                    let told = self.handle.exit_signal_request(
                        id,
                        signal_name,
                        core_dumped,
                        String::new(),
                        String::new(),
                    );
                    let _ = told.await;
                }
                Some(ChannelMsg::Close) | None => return self.let_out(Output::finish).await,
                Some(_) => {}
            }
            let holds = self.hurries && self.outputs.iter().any(Output::holds);
            shown_by = holds.then(|| shown_by.unwrap_or_else(|| Instant::now() + SHOWN_WITHIN));
        }
    }

    async fn pass(&mut self, stream: u8, data: Bytes) -> Result<(), Refusal> {
        let length = data.len();
        let passed = self.output(stream).feed(data);
        let sent = match passed {
            Ok(out) => self.send(stream, out).await,
            Err(refusal) => Err(refusal),
        };
        self.waiting.taken(length);
        sent
    }

    fn output(&mut self, stream: u8) -> &mut Output {
        let [output, errors] = &mut *self.outputs;
        if stream == ERRORS { errors } else { output }
    }

    async fn let_out(&mut self, what: impl Fn(&mut Output) -> Result<Bytes, Refusal>) -> Result<(), Refusal> {
        for stream in [1, ERRORS] {
            let out = what(self.output(stream))?;
            self.send(stream, out).await?;
        }
        Ok(())
    }

    /// What cannot be recorded is not sent.
    fn send(&mut self, stream: u8, out: Bytes) -> impl Future<Output = Result<(), Refusal>> + Send + use<'_> {
        self.tape.output(stream, &out);
        let unrecorded = self.tape.unrecorded();
        let write = self.write;
        async move {
            if let Some(refusal) = unrecorded {
                return Err(refusal);
            }
            if !out.is_empty() {
                // A client that has gone is heard of on the way up.
                let _ = write.send(stream, out).await;
            }
            Ok(())
        }
    }
}
