//! What the upstream reports: errors and notices, without what may quote tagged data, and
//! without what names the upstream; and what an error ends.

use model::OperationKind;

use super::super::expected::Expected;
use super::super::masks::Host;
use super::super::refusal::put_denial;
use super::super::{Fatal, Relay};
use crate::postgres::frame::{self, HEADER_BYTES};
use crate::postgres::mask::{error_fields, scrub_error};

impl Relay {
    pub(super) fn on_error(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        let code = sqlstate_of(&message[HEADER_BYTES..]);
        self.note_failure();
        if let Some(Expected::Denied { denial, .. }) = self.expected.front()
            && !is_fatal(&message[HEADER_BYTES..])
        {
            let start = self.to_client.buffer().len();
            put_denial(self.to_client.buffer(), denial);
            host.to_client(&self.to_client.buffer()[start..]);
        } else {
            self.emit_report(message, host);
        }
        self.upstream_ended |= is_fatal(&message[HEADER_BYTES..]);
        self.copying_out = false;
        self.query_mask = None;
        match self.expected.front() {
            // Only ReadyForQuery ends these; an error while the server is idle concerns nobody.
            None | Some(Expected::Sync | Expected::Denied { query: true, .. }) => {}
            Some(Expected::Query { .. }) => {
                if let Some(run) = self.expected.running() {
                    run.sqlstate = code;
                    run.failed = true;
                }
                self.copying_in = false;
            }
            Some(_) => self.skip_to_sync(code, now_us),
        }
        Ok(())
    }

    /// Drops what the server now skips: everything up to the next Sync.
    fn skip_to_sync(&mut self, code: Option<[u8; 5]>, now_us: u64) {
        self.copying_in = false;
        if let Some(run) = self.expected.failing() {
            run.sqlstate = code;
        }
        if let Some(Expected::Parse { name, .. }) = self.expected.front()
            && name.is_empty()
        {
            self.names.drop_unnamed_statement();
        }
        let mut result = "error";
        while !matches!(self.expected.front(), Some(Expected::Sync)) {
            let Some(entry) = self.expected.pop() else {
                self.skipping = true;
                return;
            };
            self.finish(entry, result, now_us);
            result = "skipped";
        }
    }

    pub(super) fn on_notice(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        if let Some(Expected::Denied { .. }) = self.expected.front() {
            // It would speak of a frame that the client never sent.
            return Ok(());
        }
        self.emit_report(message, host);
        Ok(())
    }

    /// Passes an error or notice on without what may quote tagged data, and without what names
    /// the upstream.
    fn emit_report(&mut self, message: &[u8], host: &mut dyn Host) {
        let scrub = self.must_scrub(&message[HEADER_BYTES..]);
        let out = self.to_client.buffer();
        let start = out.len();
        if scrub {
            frame::put(out, message[0], |body| {
                scrub_error(&message[HEADER_BYTES..], body)
            });
        } else {
            out.extend_from_slice(message);
        }
        self.options.disguise.cover_report(out, start);
        host.to_client(&self.to_client.buffer()[start..]);
    }

    /// Whether an error or notice with this body may quote tagged data.
    fn must_scrub(&self, body: &[u8]) -> bool {
        self.options.masking && (is_about_rows(body) || self.is_tagged() && !is_about_text(body))
    }

    /// Whether what the server says is about a statement that touches tagged data, or about the
    /// end of a transaction, where deferred checks speak up.
    fn is_tagged(&self) -> bool {
        match self.expected.front() {
            Some(Expected::Execute { run, .. } | Expected::Query { run }) => {
                let conduct = &run.judged.analysis;
                conduct.touches_tagged
                    || conduct
                        .facts
                        .statements
                        .iter()
                        .any(|s| s.kind == OperationKind::Transaction)
            }
            // Binding plans the statement, and planning runs some of its functions.
            Some(Expected::Bind { portal, .. }) => portal
                .statement
                .judged()
                .is_none_or(|judged| judged.analysis.touches_tagged),
            Some(Expected::Sync) => true,
            _ => false,
        }
    }
}

/// Whether an error quotes whole rows: a violated constraint does, and a statement on one table
/// can violate those of another, behind a view or a foreign key.
fn is_about_rows(body: &[u8]) -> bool {
    let code = error_fields(body).code;
    code.is_some_and(|code| code.starts_with(b"23") || code.starts_with(b"44"))
}

/// Whether an error is about the statement's text and not about any row: a syntax or name error
/// that points into the text. Those raised while rows are read point nowhere.
fn is_about_text(body: &[u8]) -> bool {
    let fields = error_fields(body);
    fields.position.is_some() && fields.code.is_some_and(|code| code.starts_with(b"42"))
}

/// Returns the code of an error, where it is one.
fn sqlstate_of(body: &[u8]) -> Option<[u8; 5]> {
    error_fields(body).code?.try_into().ok()
}

/// Whether an error ends the session.
fn is_fatal(body: &[u8]) -> bool {
    matches!(error_fields(body).severity, Some(b"FATAL" | b"PANIC"))
}
