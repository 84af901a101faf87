//! File transfer: each request that names a path is an operation; the rest passes.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Fault, OperationId, Refusal, Rule};
use proto::ssh::facts::{Around, file_facts};
use proto::ssh::sftp::{FileOperation, Sftp, SftpError};
use russh::{ChannelMsg, client, server};
use tokio_util::sync::CancellationToken;

use super::connection::Entered;
use super::errand::{Errand, Spent, bind};
use super::output::ChannelTape;
use super::pump::{Ended, Side};
use crate::clock;

/// One channel of file transfer.
pub(super) struct Files<'a> {
    pub(super) entered: &'a Entered,
    pub(super) near: &'a mut Side<server::Msg>,
    pub(super) far: &'a mut Side<client::Msg>,
    pub(super) tape: &'a mut ChannelTape,
    pub(super) received: u64,
    /// The status with which the host's side ended.
    pub(super) status: Option<u32>,
    pub(super) sftp: Sftp,
    /// What runs, by the name the core knows it by, and when it began.
    pub(super) running: HashMap<u64, (OperationId, u64)>,
    pub(super) last: u64,
}

/// Why a channel of file transfer ends.
enum End {
    /// One side closed it.
    Closed {
        client_left: bool,
    },
    Refused(Refusal),
}

impl From<(SftpError, Fault)> for End {
    fn from((error, fault): (SftpError, Fault)) -> Self {
        let refusal = Refusal::new(
            Rule::ProtocolRefused,
            fault,
            format!("file transfer ended: {error}"),
        );
        Self::Refused(refusal)
    }
}

impl Files<'_> {
    /// Runs until one side closes, or `ended` says that nothing may go on.
    pub(super) async fn run(&mut self, ended: CancellationToken) -> Ended {
        let end = tokio::select! {
            end = self.work() => end,
            () = ended.cancelled() => End::Refused(self.entered.stay.ending()),
        };
        for token in self.sftp.take_unanswered() {
            self.answered(token, "lost");
        }
        let (refusal, client_left) = match end {
            End::Closed { client_left } => (None, client_left),
            End::Refused(refusal) => (Some(refusal), false),
        };
        Ended {
            status: self.status,
            signal: None,
            refusal,
            client_left,
        }
    }

    async fn work(&mut self) -> End {
        loop {
            let turn = match self.sftp.asks().cloned() {
                Some(operation) => self.judge(&operation).await,
                None => self.turn().await,
            };
            let turn = match turn {
                Ok(()) => self.send().await,
                Err(end) => Err(end),
            };
            if let Err(end) = turn {
                return end;
            }
        }
    }

    /// Takes what comes first, from either side.
    async fn turn(&mut self) -> Result<(), End> {
        tokio::select! {
            message = self.near.wait() => match message {
                Some(ChannelMsg::Data { data }) => {
                    self.received += data.len() as u64;
                    self.near.taken(data.len());
                    self.sftp.feed_client(&data).map_err(|error| (error, Fault::Client).into())
                }
                Some(ChannelMsg::Eof) => {
                    let _ = self.far.write.half.eof().await;
                    Ok(())
                }
                Some(ChannelMsg::Close) | None => Err(End::Closed { client_left: true }),
                Some(_) => Ok(()),
            },
            message = self.far.wait() => match message {
                Some(ChannelMsg::Data { data }) => {
                    self.far.taken(data.len());
                    self.sftp.feed_server(&data).map_err(|error| (error, Fault::Upstream).into())
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    self.far.taken(data.len());
                    Ok(())
                }
                Some(ChannelMsg::Eof) => {
                    let _ = self.near.write.half.eof().await;
                    Ok(())
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.status = Some(exit_status);
                    let _ = self.near.write.half.exit_status(exit_status).await;
                    Ok(())
                }
                Some(ChannelMsg::Close) | None => Err(End::Closed { client_left: false }),
                Some(_) => Ok(()),
            },
        }
    }

    /// Takes the operation that waits along the road. Answers to what runs wait meanwhile.
    async fn judge(&mut self, operation: &FileOperation) -> Result<(), End> {
        let entered = self.entered;
        let around = Around {
            account: &entered.account.name,
            terminal: false,
            environment: &std::collections::BTreeMap::new(),
        };
        let paths: Vec<&str> = operation.paths.iter().map(|(path, _)| path.as_str()).collect();
        let mut bound = b"sftp".to_vec();
        bind(&mut bound, entered.account.name.as_bytes());
        bind(&mut bound, operation.verb.as_bytes());
        paths.iter().for_each(|path| bind(&mut bound, path.as_bytes()));
        let errand = Errand {
            shown: format!("sftp {} {}", operation.verb, paths.join(" ")),
            facts: file_facts(operation, around),
            bound,
            impossible: None,
        };
        let near = Arc::clone(&self.near.write);
        let decided = match errand.travel(entered, &near).await {
            Ok(id) => {
                self.last += 1;
                self.running.insert(self.last, (id, clock::unix_us()));
                self.sftp.allow(self.last)
            }
            Err(refusal) => self.sftp.refuse(&super::channel::line(&refusal)),
        };
        decided.map_err(|error| (error, Fault::Client).into())
    }

    /// Sends what is to be sent, and writes down what is answered.
    async fn send(&mut self) -> Result<(), End> {
        for (token, well) in self.sftp.take_answered() {
            self.answered(token, if well { "ok" } else { "error" });
        }
        let (up, down) = (self.sftp.take_to_server(), self.sftp.take_to_client());
        if !up.is_empty() {
            // A host that takes no more closes the channel, which is heard of.
            let _ = self.far.write.send(1, up.into()).await;
        }
        if !down.is_empty() {
            self.tape.output(1, &down);
            if let Some(refusal) = self.tape.unrecorded() {
                return Err(End::Refused(refusal));
            }
            let _ = self.near.write.send(1, down.into()).await;
        }
        Ok(())
    }

    fn answered(&mut self, token: u64, result: &'static str) {
        if let Some((operation, began_us)) = self.running.remove(&token) {
            Spent::of(result).write_down(self.entered, operation, began_us);
        }
    }
}
