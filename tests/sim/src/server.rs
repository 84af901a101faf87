//! A model of a PostgreSQL server: statements, portals, transactions, COPY, and what it skips.
//!
//! Knows a handful of statements: `rows N`, `insert`, `fail`, `begin`, `commit`, `rollback`,
//! `set`, `copyin`, `copyout`, `prepare NAME as …`, `execute NAME`, `deallocate NAME`, and lists of
//! them with `;` in simple queries. Answers wait in its buffer until a Flush, a ReadyForQuery
//! or the beginning of a COPY, as they do in a real server.

use std::collections::BTreeMap;

use proto::postgres::frame::{Body, frontend_header};
use proto::postgres::mask::{FieldDescription, Format, write_row_description};

use crate::wire::{error, message, strings};

/// A server that answers one client.
#[derive(Debug, Default)]
pub struct Server {
    input: Vec<u8>,
    buffered: Vec<u8>,
    flushed: Vec<u8>,
    statements: BTreeMap<String, Prepared>,
    portals: BTreeMap<String, Portal>,
    transaction: Transaction,
    skipping: bool,
    copying: Option<Copying>,
    /// Makes statements that contain this word fail with this message.
    pub marked: Option<(&'static str, Vec<u8>)>,
    /// Makes statements of exactly this text fail with this message.
    pub refused: BTreeMap<String, Vec<u8>>,
    /// The source of every statement that ran, in order.
    pub executed: Vec<String>,
}

#[derive(Clone, Debug)]
struct Prepared {
    sql: String,
}

#[derive(Clone, Debug)]
struct Portal {
    prepared: Prepared,
    rows_sent: usize,
    done: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Transaction {
    #[default]
    None,
    Open,
    Failed,
}

/// A COPY that reads the client's data, and what runs after it.
#[derive(Debug)]
enum Copying {
    Extended,
    Simple(Vec<String>, String),
}

/// Why a message fails.
struct Failure(Vec<u8>);

fn failed<T>(code: &str, text: &str) -> Result<T, Failure> {
    Err(Failure(error(code, text)))
}

impl Server {
    /// Takes in what the client sent; answers are in [`Server::output`].
    ///
    /// # Panics
    /// On anything that the protocol does not allow here: the tests never send it.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Some(header) = frontend_header(&self.input).expect("a well-formed client") {
            if self.input.len() < header.total {
                return;
            }
            let frame: Vec<u8> = self.input.drain(..header.total).collect();
            self.on_frame(&frame);
        }
    }

    /// Takes what the server has sent so far.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.flushed)
    }

    /// Whether the server waits for nothing and owes nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.input.is_empty() && self.buffered.is_empty() && self.copying.is_none()
    }

    fn on_frame(&mut self, frame: &[u8]) {
        if self.copying.is_some() {
            return self.on_copy_frame(frame);
        }
        if self.skipping && !matches!(frame[0], b'S' | b'X') {
            return;
        }
        match frame[0] {
            b'Q' => {
                let sql = text(&mut Body::of(frame));
                self.on_query(&sql);
            }
            b'S' => {
                self.skipping = false;
                self.end_implicit();
                self.ready();
            }
            b'H' => self.flush(),
            // The end of a COPY that is over, or never began; a goodbye.
            b'd' | b'c' | b'f' | b'X' => {}
            _ => {
                if let Err(Failure(error)) = self.on_extended(frame) {
                    self.send(&error);
                    // A server keeps no error back.
                    self.flush();
                    self.fail();
                    self.skipping = true;
                }
            }
        }
    }

    fn on_copy_frame(&mut self, frame: &[u8]) {
        match frame[0] {
            b'd' | b'S' | b'H' => {}
            b'c' => {
                self.send(&complete("COPY 1"));
                match self.copying.take() {
                    Some(Copying::Simple(rest, source)) => self.run_list(rest, source),
                    Some(Copying::Extended) | None => {}
                }
            }
            b'f' => {
                self.send(&error("57014", "COPY from stdin failed"));
                self.fail();
                match self.copying.take() {
                    Some(Copying::Simple(..)) => {
                        self.end_implicit();
                        self.ready();
                    }
                    Some(Copying::Extended) | None => {
                        self.flush();
                        self.skipping = true;
                    }
                }
            }
            kind => panic!("message {kind} amid COPY"),
        }
    }

    fn on_query(&mut self, sql: &str) {
        self.statements.remove("");
        if let Some(refusal) = self.refusal(sql) {
            self.send(&refusal);
            self.fail();
            self.end_implicit();
            return self.ready();
        }
        if sql.starts_with("EXECUTE ") {
            // Only the relay writes it so, for a name that cannot exist.
            self.send(&error("26000", "prepared statement does not exist"));
            self.fail();
            self.end_implicit();
            return self.ready();
        }
        self.executed.push(sql.to_owned());
        let list: Vec<String> = sql.split(';').map(|part| part.trim().to_owned()).collect();
        if sql.trim().is_empty() {
            self.send(&message(b'I', &[]));
            self.end_implicit();
            return self.ready();
        }
        self.run_list(list, sql.to_owned());
    }

    fn run_list(&mut self, mut list: Vec<String>, source: String) {
        while !list.is_empty() {
            let sql = list.remove(0);
            if is_copy_in(&sql) && self.transaction != Transaction::Failed {
                self.copying = Some(Copying::Simple(list, source));
                self.send(&message(b'G', &[0, 0, 0]));
                return self.flush();
            }
            if let Err(Failure(error)) = self.run(&sql, true) {
                self.send(&error);
                self.fail();
                break;
            }
        }
        self.end_implicit();
        self.ready();
    }

    /// Runs one statement; `describe` says whether its rows are described first.
    fn run(&mut self, sql: &str, describe: bool) -> Result<(), Failure> {
        self.check_transaction(sql)?;
        let words: Vec<&str> = sql.split_whitespace().collect();
        match words[..] {
            ["rows", count, ..] => {
                let count: usize = count.parse().expect("a number");
                if describe {
                    self.send(&columns());
                }
                (0..count).for_each(|number| self.send(&row(number)));
                self.send(&complete(&format!("SELECT {count}")));
            }
            ["set", ..] => self.send(&complete("SET")),
            ["insert", ..] => self.send(&complete("INSERT 0 1")),
            ["fail", ..] => return failed("22012", "division by zero"),
            ["begin", ..] => {
                self.transaction = Transaction::Open;
                self.send(&complete("BEGIN"));
            }
            ["commit" | "rollback", ..] => {
                let rolls_back = words[0] == "rollback" || self.transaction == Transaction::Failed;
                self.transaction = Transaction::None;
                self.portals.clear();
                self.send(&complete(if rolls_back { "ROLLBACK" } else { "COMMIT" }));
            }
            ["copyout"] => {
                self.send(&message(b'H', &[0, 0, 0]));
                self.send(&message(b'd', b"1\n"));
                self.send(&message(b'c', &[]));
                self.send(&complete("COPY 1"));
            }
            ["prepare", name, "as", ..] => {
                let inner = sql.split_once(" as ").map_or("", |(_, inner)| inner);
                if self.statements.contains_key(name) {
                    return failed("42P05", &format!("prepared statement \"{name}\" already exists"));
                }
                let prepared = Prepared {
                    sql: inner.to_owned(),
                };
                self.statements.insert(name.to_owned(), prepared);
                self.send(&complete("PREPARE"));
            }
            ["execute", name] => {
                let prepared = self.statement(name)?.clone();
                let kind = prepared.sql.split_whitespace().next();
                if !matches!(kind, Some("rows" | "insert" | "fail")) {
                    // A real server runs some of them; the relay lets none through.
                    return failed("0A000", "not a query");
                }
                self.run(&prepared.sql, describe)?;
            }
            ["deallocate", name] => {
                self.statement(name)?;
                self.statements.remove(name);
                self.send(&complete("DEALLOCATE"));
            }
            _ => return failed("42601", "syntax error"),
        }
        Ok(())
    }

    fn on_extended(&mut self, frame: &[u8]) -> Result<(), Failure> {
        let mut body = Body::of(frame);
        match frame[0] {
            b'P' => {
                let (name, sql) = (text(&mut body), text(&mut body));
                if name.is_empty() {
                    self.statements.remove("");
                }
                self.check_transaction(&sql)?;
                if self.statements.contains_key(&name) {
                    return failed("42P05", &format!("prepared statement \"{name}\" already exists"));
                }
                if sql.starts_with("bad") {
                    return failed("42601", "syntax error");
                }
                self.statements.insert(name, Prepared { sql });
                self.send(&message(b'1', &[]));
            }
            b'B' => self.on_bind(&mut body)?,
            b'C' => {
                match (body.byte(), text(&mut body)) {
                    (Ok(b'S'), name) => drop(self.statements.remove(&name)),
                    (_, name) => drop(self.portals.remove(&name)),
                }
                self.send(&message(b'3', &[]));
            }
            b'D' => self.on_describe(&mut body)?,
            b'E' => self.on_execute(&mut body)?,
            kind => panic!("message {kind} from the client"),
        }
        Ok(())
    }

    fn on_bind(&mut self, body: &mut Body<'_>) -> Result<(), Failure> {
        let (name, statement) = (text(body), text(body));
        let prepared = self.statement(&statement)?.clone();
        if let Some(refusal) = self.refusal(&prepared.sql) {
            return Err(Failure(refusal));
        }
        self.check_transaction(&prepared.sql)?;
        if !name.is_empty() && self.portals.contains_key(&name) {
            return failed("42P03", &format!("cursor \"{name}\" already exists"));
        }
        self.portals.insert(
            name,
            Portal {
                prepared,
                rows_sent: 0,
                done: false,
            },
        );
        self.send(&message(b'2', &[]));
        Ok(())
    }

    fn on_describe(&mut self, body: &mut Body<'_>) -> Result<(), Failure> {
        let (kind, name) = (body.byte(), text(body));
        let sql = if kind == Ok(b'S') {
            let sql = self.statement(&name)?.sql.clone();
            self.check_transaction(&sql)?;
            self.send(&message(b't', &[0, 0]));
            sql
        } else {
            let sql = self.portal(&name)?.prepared.sql.clone();
            self.check_transaction(&sql)?;
            sql
        };
        let inner = sql
            .strip_prefix("execute ")
            .and_then(|name| self.statements.get(name));
        if inner.map_or(&sql, |inner| &inner.sql).starts_with("rows") {
            self.send(&columns());
        } else {
            self.send(&message(b'n', &[]));
        }
        Ok(())
    }

    fn on_execute(&mut self, body: &mut Body<'_>) -> Result<(), Failure> {
        let name = text(body);
        let limit = usize::try_from(body.i32().expect("a limit")).expect("not negative");
        let portal = self.portal(&name)?.clone();
        let sql = portal.prepared.sql.clone();
        self.check_transaction(&sql)?;
        self.executed.push(portal.prepared.sql.clone());
        if let ["rows", count, ..] = sql.split_whitespace().collect::<Vec<_>>()[..] {
            let count: usize = count.parse().expect("a number");
            let left = count - portal.rows_sent;
            let sent = if limit == 0 { left } else { left.min(limit) };
            (0..sent).for_each(|number| self.send(&row(portal.rows_sent + number)));
            if let Some(portal) = self.portals.get_mut(&name) {
                portal.rows_sent += sent;
            }
            // Whether there is more is only found out by looking for it.
            if limit != 0 && sent == limit {
                self.send(&message(b's', &[]));
            } else {
                self.send(&complete(&format!("SELECT {sent}")));
            }
            return Ok(());
        }
        if portal.done {
            return failed("55000", &format!("portal \"{name}\" cannot be run"));
        }
        if let Some(portal) = self.portals.get_mut(&name) {
            portal.done = true;
        }
        if is_copy_in(&sql) {
            self.copying = Some(Copying::Extended);
            self.send(&message(b'G', &[0, 0, 0]));
            self.flush();
            return Ok(());
        }
        self.run(&sql, false)
    }

    fn refusal(&self, sql: &str) -> Option<Vec<u8>> {
        let marked = self.marked.as_ref().filter(|(word, _)| sql.contains(word));
        marked
            .map(|(_, refusal)| refusal)
            .or_else(|| self.refused.get(sql))
            .cloned()
    }

    fn statement(&self, name: &str) -> Result<&Prepared, Failure> {
        let missing = || match name {
            "" => "unnamed prepared statement does not exist".to_owned(),
            name => format!("prepared statement \"{name}\" does not exist"),
        };
        self.statements
            .get(name)
            .ok_or_else(|| Failure(error("26000", &missing())))
    }

    fn portal(&self, name: &str) -> Result<&Portal, Failure> {
        let missing = || format!("portal \"{name}\" does not exist");
        self.portals
            .get(name)
            .ok_or_else(|| Failure(error("34000", &missing())))
    }

    fn check_transaction(&self, sql: &str) -> Result<(), Failure> {
        if self.transaction == Transaction::Failed && !ends_transaction(sql) {
            return failed("25P02", "current transaction is aborted");
        }
        Ok(())
    }

    fn fail(&mut self) {
        match self.transaction {
            Transaction::None => self.portals.clear(),
            Transaction::Open | Transaction::Failed => self.transaction = Transaction::Failed,
        }
    }

    fn end_implicit(&mut self) {
        if self.transaction == Transaction::None {
            self.portals.clear();
        }
    }

    fn ready(&mut self) {
        let status = match self.transaction {
            Transaction::None => b'I',
            Transaction::Open => b'T',
            Transaction::Failed => b'E',
        };
        self.send(&message(b'Z', &[status]));
        self.flush();
    }

    fn send(&mut self, message: &[u8]) {
        self.buffered.extend_from_slice(message);
    }

    fn flush(&mut self) {
        self.flushed.append(&mut self.buffered);
    }
}

/// `copyin`, with any number behind it: a marked one is another statement, which fails.
fn is_copy_in(sql: &str) -> bool {
    let number = sql.strip_prefix("copyin");
    number.is_some_and(|rest| rest.trim().chars().all(|digit| digit.is_ascii_digit()))
}

fn ends_transaction(sql: &str) -> bool {
    matches!(sql.split_whitespace().next(), Some("commit" | "rollback"))
}

fn text(body: &mut Body<'_>) -> String {
    String::from_utf8_lossy(body.string().expect("a string")).into_owned()
}

fn complete(tag: &str) -> Vec<u8> {
    strings(b'C', &[tag], &[])
}

fn columns() -> Vec<u8> {
    let field = FieldDescription {
        name: b"n".to_vec(),
        table_oid: 0,
        attnum: 0,
        type_oid: 25,
        type_size: -1,
        type_modifier: -1,
        format: Format::Text,
    };
    let mut out = Vec::new();
    write_row_description(&[field], &mut out);
    out
}

fn row(number: usize) -> Vec<u8> {
    let number = number.to_string();
    let length = u32::try_from(number.len()).expect("a few digits");
    let mut body = vec![0, 1];
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(number.as_bytes());
    message(b'D', &body)
}
