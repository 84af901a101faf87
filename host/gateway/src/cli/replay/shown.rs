//! What a replay shows, and how: lines for people, or JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::find::Session;
use super::text;

/// Something that is shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Shown {
    /// The client sent a simple query.
    Query { statement: String },
    /// The client prepared a statement.
    Prepare { name: String, statement: String },
    /// The client bound values to a statement.
    Bind {
        name: String,
        statement: Option<String>,
        values: Vec<Option<String>>,
    },
    /// The client sent copy data, all of it together.
    CopyIn {
        bytes: u64,
        bytes_not_kept: u64,
        complete: bool,
    },
    /// The client did something else.
    Client { what: &'static str },
    /// The client was shown rows.
    Rows(Rows),
    /// The client was told that a statement without rows was done.
    Done { tag: String },
    /// The client was shown an error.
    Error(Said),
    /// The client was shown a notice.
    Notice(Said),
    /// The client was notified.
    Notification { channel: String, payload: String },
    /// The client got copy data, all of it together.
    CopyOut { bytes: u64, bytes_not_kept: u64 },
    /// The client sent a request.
    Request {
        exchange: u64,
        method: String,
        target: String,
        headers: Vec<(String, String)>,
        body: Body,
    },
    /// The client got an answer.
    Response {
        exchange: u64,
        status: u16,
        headers: Vec<(String, String)>,
        body: Body,
    },
    /// The client had something begun on a host.
    Command {
        channel: u64,
        what: String,
        command: Option<String>,
        account: String,
        terminal: bool,
    },
    /// The client got output or errors, or sent input.
    Text {
        channel: u64,
        stream: &'static str,
        text: String,
    },
    /// What was begun on a host has ended.
    Ended {
        channel: u64,
        status: Option<u32>,
        signal: Option<String>,
        bytes: u64,
        bytes_not_kept: u64,
        sha256: String,
    },
    /// What else one side sent was not kept.
    NotKept {
        side: &'static str,
        bytes: u64,
        sha256: String,
    },
    /// A message too large to be shown.
    Large { side: &'static str, bytes: usize },
    /// From here on nothing can be made of what one side sent.
    Broken { side: &'static str, reason: String },
}

/// A result.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    /// The first rows.
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// How many rows were recorded, shown or not.
    pub(super) recorded: u64,
    /// Row bytes that went to the client and were not kept.
    pub(super) bytes_not_kept: u64,
    /// The server's words; `None` if the result did not end in order.
    pub(super) tag: Option<String>,
}

/// A body, as far as it was kept.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Body {
    /// As text; what is no UTF-8 is replaced.
    pub(super) text: String,
    /// How long it was; `None` if it did not end in order.
    pub(super) bytes: Option<u64>,
    /// The SHA-256 of all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

/// What a server says in an error or a notice.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Said {
    pub(super) severity: String,
    pub(super) sqlstate: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

#[derive(Serialize)]
struct Begin<'a> {
    event: &'static str,
    session: &'a str,
    subject: &'a str,
    issuer: &'a str,
    resource: &'a str,
    began_us: u64,
    segments_checked: u64,
}

#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    ended_us: Option<u64>,
    reason: Option<&'a str>,
    operations: Option<u64>,
}

#[derive(Serialize)]
struct Timed<'a> {
    t_us: u64,
    #[serde(flatten)]
    what: &'a Shown,
}

/// Shows a replay.
pub(super) struct Show<'a> {
    out: &'a mut dyn Write,
    json: bool,
    began_us: u64,
}

impl<'a> Show<'a> {
    pub(super) fn new(out: &'a mut dyn Write, json: bool) -> Self {
        Self {
            out,
            json,
            began_us: 0,
        }
    }

    pub(super) fn begin(&mut self, session: &Session, segments: u64) -> io::Result<()> {
        self.began_us = session.began_us;
        if !self.json {
            return text::begin(self.out, session, segments);
        }
        self.line(&Begin {
            event: "session",
            session: &session.id,
            subject: &session.subject,
            issuer: &session.issuer,
            resource: &session.resource,
            began_us: session.began_us,
            segments_checked: segments,
        })
    }

    pub(super) fn event(&mut self, t_us: u64, what: &Shown) -> io::Result<()> {
        if self.json {
            self.line(&Timed { t_us, what })
        } else {
            text::event(self.out, t_us.saturating_sub(self.began_us), what)
        }
    }

    pub(super) fn end(&mut self, session: &Session) -> io::Result<()> {
        if !self.json {
            return text::end(self.out, session);
        }
        let ended = session.ended.as_ref();
        self.line(&End {
            event: "end",
            ended_us: ended.map(|(t_us, ..)| *t_us),
            reason: ended.map(|(_, reason, _)| reason.as_str()),
            operations: ended.map(|(.., operations)| *operations),
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(value)?;
        // The same values, but nothing that a terminal obeys.
        writeln!(self.out, "{}", super::super::terminal::safe_json(&json))
    }
}
