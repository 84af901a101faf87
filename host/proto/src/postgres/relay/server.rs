//! From the upstream: rows through their mask, answers to the frames that caused them, and
//! nothing that could carry what a mask hides.

mod report;

use std::borrow::Cow;

use bytes::BytesMut;

use super::expected::Expected;
use super::masks::Host;
use super::rows::Rows;
use super::{Fatal, Relay};
use crate::postgres::frame::{self, Body, FrameError, HEADER_BYTES};
use crate::postgres::mask::{FieldDescription, ROW_BYTES_MAX, parse_row_description};
use model::{Fault, Refusal, Rule};

/// The largest message kept whole, apart from rows: a description of 1,600 columns or a long
/// error takes far less.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

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
        self.settle_hold(now_us);
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
                        )
                        .rule(Rule::MaskerFailed)
                        .hint("leave the large columns out, or select parts of them"));
                    }
                    Rows::Mask(mask) if whole => *at += self.mask_run(rest, &mask, host)?,
                    Rows::Mask(_) => {
                        want(input, at, header.total);
                        return Ok(());
                    }
                },
                b'd' if self.copying_out => self.begin_pass(header.total, 1),
                b'd' => return Err(Fatal::upstream("the upstream sent copy data out of turn")),
                _ if header.total > MESSAGE_BYTES_MAX => {
                    return Err(Fatal::upstream("the upstream sent an oversized message"));
                }
                _ if !whole => {
                    want(input, at, header.total);
                    return Ok(());
                }
                _ => {
                    self.on_message(&rest[..header.total], host, now_us)?;
                    *at += header.total;
                }
            }
        }
    }

    fn on_message(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        self.expected.drop_copy_ends();
        self.answer(message, host, now_us)?;
        self.expected.drop_copy_ends();
        Ok(())
    }

    fn answer(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        if let b'n' | b's' | b'I' | b'c' = message[0] {
            Body::of(message).end().map_err(upstream_frame)?;
        }
        match message[0] {
            b'1' | b'2' | b'3' => self.on_confirmation(message, host, now_us),
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

    fn on_confirmation(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        Body::of(message).end().map_err(upstream_frame)?;
        match (message[0], self.expected.pop()) {
            (b'1', Some(Expected::Parse { name, statement })) => {
                self.names.confirm_statement(name, statement)
            }
            (b'2', Some(Expected::Bind { name, portal, run })) => {
                if let Some(run) = run {
                    self.outcomes.push(run.outcome("ok", now_us));
                }
                self.names.confirm_portal(name, portal);
            }
            (b'3', Some(Expected::Close { kind, name })) => self.names.close(kind, &name),
            _ => return Err(out_of_turn()),
        }
        self.emit(message, host)
    }

    fn on_parameters(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        match self.expected.front() {
            Some(Expected::DescribeStatement { statement }) => {
                let mut body = Body::of(message);
                let count = body.u16().map_err(upstream_frame)?;
                let types = body.bytes(4 * usize::from(count)).map_err(upstream_frame)?;
                body.end().map_err(upstream_frame)?;
                if let Some(statement) = statement {
                    statement.set_types(types);
                }
                self.emit(message, host)
            }
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
                }) = self.expected.pop()
                    && let Some(fields) = fields
                {
                    statement.describe(Some(fields));
                }
            }
            Some(Expected::DescribePortal { .. }) => {
                if let Some(Expected::DescribePortal {
                    portal,
                    ours: asked_by_us,
                }) = self.expected.pop()
                {
                    ours = asked_by_us;
                    if let (Some(portal), Some(fields)) = (portal, fields) {
                        portal.describe(Some(self.masks.find(&fields, host).map_err(withheld)?));
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
        let ours = match self.expected.pop() {
            Some(Expected::DescribeStatement { statement }) => {
                if let Some(statement) = statement {
                    statement.describe(None);
                }
                false
            }
            Some(Expected::DescribePortal { portal, ours }) => {
                if let Some(portal) = portal {
                    portal.describe(None);
                }
                ours
            }
            _ => return Err(out_of_turn()),
        };
        if ours { Ok(()) } else { self.emit(message, host) }
    }

    fn on_complete(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        self.copying_out = false;
        self.query_mask = None;
        let Some(run) = self.expected.running() else {
            return Err(out_of_turn());
        };
        let index = run.completed;
        run.completed += 1;
        if let Some(change) = run.name_change(index) {
            self.names.apply(change);
        }
        if let Some(Expected::Execute { .. }) = self.expected.front()
            && let Some(entry) = self.expected.pop()
        {
            self.finish(entry, "ok", now_us);
        }
        self.emit(message, host)
    }

    fn on_suspended(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        match self.expected.pop() {
            Some(entry @ Expected::Execute { .. }) => self.finish(entry, "ok", now_us),
            _ => return Err(out_of_turn()),
        }
        self.emit(message, host)
    }

    fn on_ready(&mut self, message: &[u8], host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        let mut body = Body::of(message);
        let status = body.byte().map_err(upstream_frame)?;
        body.end().map_err(upstream_frame)?;
        if !matches!(status, b'I' | b'T' | b'E') {
            return Err(Fatal::upstream("the upstream sent an unknown transaction status"));
        }
        match self.expected.pop() {
            Some(entry @ Expected::Query { .. }) => {
                let failed = matches!(&entry, Expected::Query { run } if run.failed);
                self.finish(entry, if failed { "error" } else { "ok" }, now_us);
                self.names.drop_unnamed_statement();
            }
            Some(Expected::Denied { query: true, .. }) => self.names.drop_unnamed_statement(),
            Some(Expected::Sync) => {}
            _ => return Err(out_of_turn()),
        }
        self.status = status;
        self.copying_in = false;
        let touches = |entry: &Expected| entry.run().is_some_and(|run| run.judged.analysis.touches_tagged);
        self.tagged = self.tagged && self.expected.iter().any(touches);
        if status == b'I' {
            self.names.close_all_portals();
            // Nothing can undo it any more, unless what is on its way does.
            self.unsettled &= !self.expected.is_empty();
            // Only now does anyone else see what the transaction did to the catalog.
            self.catalog_stale |= std::mem::take(&mut self.catalog_changed);
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
            )
            .rule(Rule::ProtocolRefused)
            .hint("leave client_encoding, standard_conforming_strings and the session's user as they are"));
        }
        // A setting made from tagged data would carry it.
        if self.options.masking && self.tagged {
            return Ok(());
        }
        match self.options.disguise.parameter(name, value) {
            Cow::Borrowed(_) => self.emit(message, host),
            Cow::Owned(value) => {
                let mut covered = Vec::with_capacity(message.len());
                frame::put(&mut covered, b'S', |body| {
                    frame::put_string(body, name);
                    frame::put_string(body, &value);
                });
                self.emit(&covered, host)
            }
        }
    }

    fn on_copy_in(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        if self.expected.running().is_none() {
            return Err(out_of_turn());
        }
        // While it reads copy data the server ignores Sync: those sent before the data's end
        // are never answered.
        self.copying_in = !self.expected.begin_copy_in();
        self.emit(message, host)
    }

    fn on_copy_out(&mut self, message: &[u8], host: &mut dyn Host) -> Result<(), Fatal> {
        if self.expected.running().is_none() {
            return Err(out_of_turn());
        }
        self.copying_out = true;
        self.emit(message, host)
    }
}

/// Makes room for a frame of `length` bytes that begins at `at` and is not whole yet. What lies
/// before it is dropped first: otherwise the buffer grows with every frame that a read cuts.
fn want(input: &mut BytesMut, at: &mut usize, length: usize) {
    frame::discard(input, std::mem::take(at));
    input.reserve(length.saturating_sub(input.len()));
}

fn upstream_frame(_: FrameError) -> Fatal {
    Fatal::upstream("the upstream sent a malformed message")
}

fn out_of_turn() -> Fatal {
    Fatal::upstream("the upstream sent a message out of turn")
}

/// Ends the session over a result that cannot be let out: the client may already have its
/// description, and nothing but its rows may follow.
pub(super) fn withheld(refusal: Refusal) -> Fatal {
    debug_assert!(matches!(
        refusal.rule,
        Rule::MaskerFailed | Rule::TaggedUse | Rule::PolicyError
    ));
    let fault = refusal.fault;
    let mut fatal = Fatal::from(refusal);
    fatal.message = format!("the result was withheld: {}", fatal.message).into();
    let hint = match fault {
        Fault::Client => "leave the masked columns out",
        Fault::Plugin | Fault::Operator | Fault::Gateway => {
            "connect again and leave the masked columns out; the operator finds the reason in the gateway's log"
        }
        Fault::Upstream => "connect again and repeat the statement",
    };
    fatal.hint.get_or_insert(hint.into());
    fatal
}
