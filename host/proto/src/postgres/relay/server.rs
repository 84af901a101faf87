//! From the upstream: rows through their mask, answers to the frames that caused them, and
//! nothing that could carry what a mask hides.

use std::sync::PoisonError;

use bytes::BytesMut;

use super::expected::Expected;
use super::masks::{Host, SharedMask};
use super::refusal::put_denial;
use super::{Fatal, Relay};
use crate::postgres::frame::{self, Body, FrameError, HEADER_BYTES};
use crate::postgres::mask::{
    FieldDescription, ROW_BYTES_MAX, error_fields, parse_row_description, scrub_error, with_formats,
};
use model::{Fault, OperationKind, Refusal, Rule};

/// The largest message kept whole, apart from rows: a description of 1,600 columns or a long
/// error takes far less.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What becomes of the rows at hand.
enum Rows {
    Pass,
    Mask(SharedMask),
}

impl Relay {
    /// Takes what it can from the front of the upstream's buffer.
    ///
    /// # Errors
    /// [`Fatal`] ends the session; call [`Relay::end`] with it.
    pub fn on_upstream(
        &mut self,
        input: &mut BytesMut,
        host: &mut dyn Host,
        now_us: u64,
    ) -> Result<(), Fatal> {
        let mut at = 0;
        let result = self.take_messages(input, &mut at, host, now_us);
        frame::discard(input, at);
        result
    }

    fn take_messages(
        &mut self,
        input: &mut BytesMut,
        at: &mut usize,
        host: &mut dyn Host,
        now_us: u64,
    ) -> Result<(), Fatal> {
        loop {
            if self.upstream_pass > 0 {
                let passed = self.upstream_pass.min(input.len() - *at);
                self.pass_rows(&input[*at..*at + passed], 0, host);
                self.upstream_pass -= passed;
                *at += passed;
            }
            let rest = &input[*at..];
            let Some(header) = frame::backend_header(rest).map_err(upstream_frame)? else {
                return Ok(());
            };
            let whole = rest.len() >= header.total;
            match header.kind {
                b'D' => match self.row_treatment(host)? {
                    Rows::Pass if whole => *at += self.pass_run(rest, host),
                    Rows::Pass => self.begin_pass(header.total, 1),
                    Rows::Mask(_) if header.total > ROW_BYTES_MAX => {
                        return Err(Fatal::new(
                            "54000",
                            Fault::Client,
                            "a row with masked columns is larger than the gateway can mask",
                        ));
                    }
                    Rows::Mask(mask) if whole => *at += self.mask_run(rest, &mask, host)?,
                    Rows::Mask(_) => return Ok(want(input, *at + header.total)),
                },
                b'd' if self.copying_out => self.begin_pass(header.total, 1),
                b'd' => return Err(Fatal::upstream("the upstream sent copy data out of turn")),
                _ if header.total > MESSAGE_BYTES_MAX => {
                    return Err(Fatal::upstream("the upstream sent an oversized message"));
                }
                _ if !whole => return Ok(want(input, *at + header.total)),
                _ => {
                    self.on_message(&rest[..header.total], host, now_us)?;
                    *at += header.total;
                }
            }
        }
    }

    /// Streams a frame whose content nobody needs to see.
    fn begin_pass(&mut self, total: usize, rows: u64) {
        self.upstream_pass = total;
        if let Some(run) = self.running() {
            run.rows += rows;
        }
    }

    fn pass_rows(&mut self, bytes: &[u8], rows: u64, host: &mut dyn Host) {
        let mut before = 0;
        if let Some(run) = self.running() {
            before = run.bytes;
            run.rows += rows;
            run.bytes += bytes.len() as u64;
        }
        self.to_client.push(bytes);
        host.rows_to_client(bytes, before);
    }

    /// Forwards the run of whole rows at the front of `rest`; returns its length.
    fn pass_run(&mut self, rest: &[u8], host: &mut dyn Host) -> usize {
        let (length, rows) = run_of_rows(rest);
        self.pass_rows(&rest[..length], rows, host);
        length
    }

    /// Masks the run of whole rows at the front of `rest`; returns its length.
    fn mask_run(&mut self, rest: &[u8], mask: &SharedMask, host: &mut dyn Host) -> Result<usize, Fatal> {
        let (length, _) = run_of_rows(rest);
        let mut mask = mask.lock().unwrap_or_else(PoisonError::into_inner);
        let mask = &mut *mask;
        let start = self.to_client.buffer().len();
        let cells = mask
            .cells
            .as_deref_mut()
            .map(|cells| cells as &mut dyn model::mask::CellMasker);
        let masked = mask
            .rows
            .mask_rows(&rest[..length], cells, self.to_client.buffer())
            .map_err(|error| {
                Fatal::new(
                    "58000",
                    error.fault(),
                    format!("the result was withheld: {error}"),
                )
            })?;
        let emitted = self.to_client.buffer().len() - start;
        let mut before = 0;
        if let Some(run) = self.running() {
            before = run.bytes;
            run.rows += masked.rows;
            run.bytes += emitted as u64;
            run.masked += masked.cells;
        }
        host.rows_to_client(&self.to_client.buffer()[start..], before);
        Ok(length)
    }

    /// Decides what becomes of rows; they pass unseen only where nothing could be masked.
    fn row_treatment(&mut self, host: &mut dyn Host) -> Result<Rows, Fatal> {
        if !matches!(
            self.expected.front(),
            Some(Expected::Execute { .. } | Expected::Query { .. })
        ) {
            return Err(Fatal::upstream("the upstream sent a row out of turn"));
        }
        if !self.options.masking {
            return Ok(Rows::Pass);
        }
        let mask = match self.expected.front() {
            Some(Expected::Execute { portal, .. }) => match portal.mask() {
                Some(mask) => Some(mask),
                None => {
                    let fields = portal.statement.as_ref().and_then(|statement| statement.fields());
                    let (portal, Some(fields)) = (std::sync::Arc::clone(portal), fields) else {
                        return Err(unknown_shape());
                    };
                    let mut fields = fields.to_vec();
                    with_formats(&mut fields, &portal.formats).map_err(|_| unknown_shape())?;
                    let mask = self.masks.find(&fields, host).map_err(withheld)?;
                    portal.set_mask(mask.clone());
                    Some(mask)
                }
            },
            _ => self.query_mask.clone(),
        };
        match mask {
            Some(Some(mask)) => Ok(Rows::Mask(mask)),
            Some(None) => Ok(Rows::Pass),
            None => Err(unknown_shape()),
        }
    }

    fn on_message(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        // The end of copy data that the server had no use for is answered by nothing.
        while matches!(self.expected.front(), Some(Expected::CopyEnd)) {
            self.expected.pop_front();
        }
        match message[0] {
            b'1' | b'2' | b'3' => self.on_confirmation(message, host),
            b't' => self.on_parameters(message, host),
            b'T' => self.on_description(message, host),
            b'n' => self.on_no_data(message, host),
            b'C' | b'I' => self.on_complete(message, host, now_us),
            b's' => self.on_suspended(message, host, now_us),
            b'E' => self.on_error(message, host, now_us),
            b'N' => self.on_notice(message, host),
            b'Z' => self.on_ready(message, host, now_us),
            b'S' => self.on_parameter_status(message, host),
            b'A' => self.emit(message, host),
            b'G' => self.on_copy_in(message, host),
            b'H' => self.on_copy_out(message, host),
            b'c' if self.copying_out => self.emit(message, host),
            _ => Err(Fatal::upstream("the upstream sent an unexpected message")),
        }
    }

    fn emit(&mut self, bytes: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        self.to_client.push(bytes);
        host.to_client(bytes);
        Ok(())
    }

    fn on_confirmation(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        Body::of(message).end().map_err(upstream_frame)?;
        match (message[0], self.expected.pop_front()) {
            (b'1', Some(Expected::Parse { name, statement })) => {
                self.names.confirm_statement(name, statement)
            }
            (b'2', Some(Expected::Bind { name, portal })) => self.names.confirm_portal(name, portal),
            (b'3', Some(Expected::Close { kind, name })) => self.names.close(kind, &name),
            _ => return Err(out_of_turn()),
        }
        self.emit(message, host)
    }

    fn on_parameters(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        match self.expected.front() {
            Some(Expected::DescribeStatement { .. }) => self.emit(message, host),
            _ => Err(out_of_turn()),
        }
    }

    fn on_description(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        let fields = if self.options.masking {
            Some(self.fields_of(message)?)
        } else {
            None
        };
        let mut ours = false;
        match self.expected.front() {
            Some(Expected::DescribeStatement { .. }) => {
                if let Some(Expected::DescribeStatement {
                    statement: Some(statement),
                }) = self.expected.pop_front()
                    && let Some(fields) = fields
                {
                    statement.set_fields(fields);
                }
            }
            Some(Expected::DescribePortal { .. }) => {
                if let Some(Expected::DescribePortal {
                    portal,
                    ours: asked_by_us,
                }) = self.expected.pop_front()
                {
                    ours = asked_by_us;
                    if let (Some(portal), Some(fields)) = (portal, fields) {
                        portal.set_mask(self.masks.find(&fields, host).map_err(withheld)?);
                    }
                }
            }
            Some(Expected::Query { .. }) => {
                if let Some(fields) = fields {
                    self.query_mask = Some(self.masks.find(&fields, host).map_err(withheld)?);
                }
            }
            _ => return Err(out_of_turn()),
        }
        if ours { Ok(()) } else { self.emit(message, host) }
    }

    fn fields_of(&self, message: &[u8]) -> Result<Vec<FieldDescription>, Fatal> {
        parse_row_description(&message[HEADER_BYTES..])
            .map_err(|_| Fatal::upstream("the upstream sent a malformed row description"))
    }

    fn on_no_data(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        match self.expected.pop_front() {
            Some(Expected::DescribePortal { ours: true, .. }) => Ok(()),
            Some(Expected::DescribeStatement { .. } | Expected::DescribePortal { .. }) => {
                self.emit(message, host)
            }
            _ => Err(out_of_turn()),
        }
    }

    fn on_complete(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        self.copying_out = false;
        self.query_mask = None;
        match self.expected.front_mut() {
            Some(Expected::Execute { run, .. } | Expected::Query { run }) => {
                let index = run.completed;
                run.completed += 1;
                let (judged, statement) = (run.judged.clone(), run.statement.clone());
                if let Some(change) = judged.analysis.names.get(index) {
                    self.names.apply(change, &statement.sql, &judged);
                }
            }
            _ => return Err(out_of_turn()),
        }
        if let Some(Expected::Execute { .. }) = self.expected.front()
            && let Some(entry) = self.expected.pop_front()
        {
            self.finish(entry, "ok", now_us);
        }
        self.emit(message, host)
    }

    fn on_suspended(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        match self.expected.pop_front() {
            Some(entry @ Expected::Execute { .. }) => self.finish(entry, "ok", now_us),
            _ => return Err(out_of_turn()),
        }
        self.emit(message, host)
    }

    fn on_error(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        let code = sqlstate_of(&message[HEADER_BYTES..]);
        let start = self.to_client.buffer().len();
        if let Some(Expected::Denied { denial, .. }) = self.expected.front() {
            put_denial(self.to_client.buffer(), denial);
        } else if self.must_scrub() {
            frame::put(self.to_client.buffer(), b'E', |body| {
                scrub_error(&message[HEADER_BYTES..], body)
            });
        } else {
            self.to_client.push(message);
        }
        host.to_client(&self.to_client.buffer()[start..]);
        self.copying_out = false;
        self.query_mask = None;
        match self.expected.front_mut() {
            // Only ReadyForQuery ends these; an error while the server is idle concerns nobody.
            None | Some(Expected::Sync | Expected::Denied { query: true, .. }) => {}
            Some(Expected::Query { run }) => {
                run.sqlstate = code;
                self.copying_in = false;
            }
            Some(_) => self.skip_to_sync(code, now_us),
        }
        Ok(())
    }

    /// Drops what the server now skips: everything up to the next Sync.
    fn skip_to_sync(&mut self, code: Option<[u8; 5]>, now_us: u64) {
        self.copying_in = false;
        if let Some(run) = self.running() {
            run.sqlstate = code;
        }
        let mut result = "error";
        while let Some(entry) = self.expected.pop_front() {
            if matches!(entry, Expected::Sync) {
                self.expected.push_front(entry);
                return;
            }
            if let Expected::Parse { name, .. } = &entry
                && name.is_empty()
            {
                self.names.drop_unnamed_statement();
            }
            self.finish(entry, result, now_us);
            result = "skipped";
        }
        self.skipping = true;
    }

    fn on_notice(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        if !self.must_scrub() {
            return self.emit(message, host);
        }
        let start = self.to_client.buffer().len();
        frame::put(self.to_client.buffer(), b'N', |body| {
            scrub_error(&message[HEADER_BYTES..], body)
        });
        host.to_client(&self.to_client.buffer()[start..]);
        Ok(())
    }

    /// Whether what the server says may quote tagged data: it is about a statement that
    /// touches some, or about the end of a transaction, where deferred checks speak up.
    fn must_scrub(&self) -> bool {
        if !self.options.masking {
            return false;
        }
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
            Some(Expected::Sync) => true,
            _ => false,
        }
    }

    fn on_ready(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        let mut body = Body::of(message);
        let status = body.byte().map_err(upstream_frame)?;
        body.end().map_err(upstream_frame)?;
        if !matches!(status, b'I' | b'T' | b'E') {
            return Err(Fatal::upstream("the upstream sent an unknown transaction status"));
        }
        match self.expected.pop_front() {
            Some(entry @ Expected::Query { .. }) => {
                let failed = matches!(&entry, Expected::Query { run } if run.sqlstate.is_some());
                self.finish(entry, if failed { "error" } else { "ok" }, now_us);
            }
            Some(Expected::Sync | Expected::Denied { query: true, .. }) => {}
            _ => return Err(out_of_turn()),
        }
        self.status = status;
        self.copying_in = false;
        if status == b'I' {
            self.names.end_transaction();
        }
        self.emit(message, host)
    }

    fn on_parameter_status(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        let mut body = Body::of(message);
        let (name, value) = (
            body.string().map_err(upstream_frame)?,
            body.string().map_err(upstream_frame)?,
        );
        body.end().map_err(upstream_frame)?;
        let pinned = match name {
            b"client_encoding" | b"server_encoding" => value.eq_ignore_ascii_case(b"UTF8"),
            b"standard_conforming_strings" => value == b"on",
            b"session_authorization" | b"is_superuser" => false,
            _ => true,
        };
        if !pinned {
            return Err(Fatal::new(
                "0A000",
                Fault::Client,
                "a setting that the gateway relies on was changed; the session ends",
            ));
        }
        // A setting made from tagged data would carry it.
        if self.options.masking
            && self
                .running()
                .is_some_and(|run| run.judged.analysis.touches_tagged)
        {
            return Ok(());
        }
        self.emit(message, host)
    }

    fn on_copy_in(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        if self.running().is_none() {
            return Err(out_of_turn());
        }
        // While it reads copy data the server ignores Sync: those sent before the data's end
        // are never answered.
        let end = self
            .expected
            .iter()
            .position(|entry| matches!(entry, Expected::CopyEnd));
        self.copying_in = end.is_none();
        let mut index = 0;
        self.expected.retain(|entry| {
            let before_end = end.is_none_or(|end| index <= end);
            index += 1;
            !(before_end && matches!(entry, Expected::Sync | Expected::CopyEnd))
        });
        self.emit(message, host)
    }

    fn on_copy_out(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        if self.running().is_none() {
            return Err(out_of_turn());
        }
        self.copying_out = true;
        self.emit(message, host)
    }
}

/// Returns the length of the run of whole rows at the front of `bytes`, and how many they are.
fn run_of_rows(bytes: &[u8]) -> (usize, u64) {
    let (mut length, mut rows) = (0, 0);
    while let Some(&[b'D', a, b, c, d]) = bytes[length..].first_chunk() {
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        // A wrong length ends the run; the header is checked when its turn comes.
        if total < HEADER_BYTES || bytes.len() - length < total {
            break;
        }
        length += total;
        rows += 1;
    }
    (length, rows)
}

/// Returns the code of an error, where it is one.
fn sqlstate_of(body: &[u8]) -> Option<[u8; 5]> {
    error_fields(body).code?.try_into().ok()
}

/// Makes room for a frame that is not whole yet.
fn want(input: &mut BytesMut, length: usize) {
    input.reserve(length.saturating_sub(input.len()));
}

fn upstream_frame(_: FrameError) -> Fatal {
    Fatal::upstream("the upstream sent a malformed message")
}

fn out_of_turn() -> Fatal {
    Fatal::upstream("the upstream sent a message out of turn")
}

fn unknown_shape() -> Fatal {
    Fatal::new(
        "58000",
        Fault::Gateway,
        "the result was withheld: its columns are not known",
    )
}

fn withheld(refusal: Refusal) -> Fatal {
    debug_assert!(matches!(
        refusal.rule,
        Rule::MaskerFailed | Rule::TaggedUse | Rule::PolicyError
    ));
    Fatal::new(
        super::sqlstate(refusal.rule),
        refusal.fault,
        format!("the result was withheld: {}", refusal.message),
    )
}
