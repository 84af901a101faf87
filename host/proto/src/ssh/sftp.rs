//! SFTP, version 3, between a client and a host: what names a path is an operation of its own.
//!
//! The client's bytes go on as they are, one request at a time, once the driver says so; reads and
//! writes on what is open belong to the operation that opened it. Of the host's bytes only heads
//! are read, but for the offer of extensions, of which those remain that are known here, and the
//! handles, by which later requests name what is open. Where files are masked, the gateway reads
//! them itself, and clients read what the mask lets out ([`Sftp::masking`]); their names, sizes and
//! what is written to them stay as they are.
//!
//! A path is what policy sees: absolute, made so by the account's home on the host. One with `..`
//! in it is refused, because behind a symbolic link it leads elsewhere than it reads. Symbolic
//! links themselves cannot be seen from here: what a path leads to is the host's to say.

mod masked;
mod packet;
mod path;
mod reading;

use std::collections::HashMap;

use model::{Access, OperationKind};

pub use self::masked::FileMask;
use self::packet::{Buffer, Fields, Kind, status};
pub use self::packet::{PACKET_BYTES_MAX, SftpError};
use self::reading::{Own, Readings};

/// How many requests may be without an answer: many times what clients send ahead.
const REQUESTS_MAX: usize = 4_096;

/// How many files and folders may be open.
const HANDLES_MAX: usize = 1_024;

/// The number of the gateway's own question where home is.
const OWN: u32 = u32::MAX;

/// The numbers of the gateway's own requests. A client that uses one is refused that request.
const OWN_NUMBERS: std::ops::RangeInclusive<u32> = OWN - 1_024..=OWN;

/// The extensions that hosts may offer and clients may use.
const EXTENSIONS: [&str; 8] = [
    "expand-path@openssh.com",
    "fstatvfs@openssh.com",
    "fsync@openssh.com",
    "hardlink@openssh.com",
    "limits@openssh.com",
    "lsetstat@openssh.com",
    "posix-rename@openssh.com",
    "statvfs@openssh.com",
];

/// Status codes of the protocol.
const END_OF_FILE: u32 = 1;
const PERMISSION_DENIED: u32 = 3;
const FAILURE: u32 = 4;
const UNSUPPORTED: u32 = 8;

/// A request that names a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileOperation {
    /// What is asked, e.g. `read`, `write`, `remove`.
    pub verb: &'static str,
    /// What that comes to.
    pub kind: OperationKind,
    /// Each path, absolute, and how it is used.
    pub paths: Vec<(String, Access)>,
}

/// An SFTP session between a client and a host.
#[derive(Debug, Default)]
pub struct Sftp {
    client: Buffer,
    server: Buffer,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// The account's home: `None` until the host has said it.
    home: Option<Home>,
    /// The request that waits for the driver.
    asked: Option<Asked>,
    /// Requests without an answer, by their number.
    open: HashMap<u32, Open>,
    handles: HashMap<Vec<u8>, Handle>,
    /// Files that are read masked; `None` where nothing is.
    readings: Option<Readings>,
    answered: Vec<(u64, bool)>,
}

/// What is open.
#[derive(Debug)]
struct Handle {
    path: String,
    /// Whether it is a file that was opened to be read, and for nothing else.
    reads: bool,
}

#[derive(Debug)]
enum Home {
    At(String),
    /// The host would not say: only absolute paths mean anything.
    Unknown,
}

#[derive(Debug)]
struct Asked {
    id: u32,
    packet: Vec<u8>,
    operation: FileOperation,
}

#[derive(Debug, Default)]
struct Open {
    /// The driver's name for the operation.
    token: Option<u64>,
    /// What the answer's handle will stand for.
    opens: Option<Handle>,
}

/// What a request comes to.
enum Meaning {
    Pass,
    Ask(FileOperation),
    /// A file that is masked is read: by its handle, where, and how much.
    Read(Vec<u8>, u64, u32),
    /// It stands for a file that is open; nothing else is to be asked.
    Refuse(u32, &'static str),
}

impl Sftp {
    /// Begins a session in which each file that is read gets a mask from `masks`.
    #[must_use]
    pub fn masking(masks: Box<dyn Fn() -> Box<dyn FileMask> + Send>) -> Self {
        Self {
            readings: Some(Readings::new(masks)),
            ..Self::default()
        }
    }

    /// Returns how much was masked, in lines.
    #[must_use]
    pub fn masked(&self) -> u64 {
        self.readings.as_ref().map_or(0, Readings::masked)
    }

    /// Takes bytes of the client's.
    ///
    /// # Errors
    /// [`SftpError`]: the client is to blame, and the channel can't be gone on with.
    pub fn feed_client(&mut self, bytes: &[u8]) -> Result<(), SftpError> {
        self.client.push(bytes);
        self.go_on()
    }

    /// Takes bytes of the host's.
    ///
    /// # Errors
    /// [`SftpError`]: the host is to blame, and the channel can't be gone on with.
    pub fn feed_server(&mut self, bytes: &[u8]) -> Result<(), SftpError> {
        self.server.push(bytes);
        while let Some(packet) = self.server.next()? {
            self.answer(packet)?;
        }
        self.go_on()
    }

    /// Returns the operation that waits for the driver; nothing else of the client's is read
    /// meanwhile.
    #[must_use]
    pub fn asks(&self) -> Option<&FileOperation> {
        self.asked.as_ref().map(|asked| &asked.operation)
    }

    /// Lets the operation that waits go on; its outcome will be told under `token`.
    ///
    /// # Errors
    /// As [`Sftp::feed_client`], of what came behind it.
    pub fn allow(&mut self, token: u64) -> Result<(), SftpError> {
        if let Some(asked) = self.asked.take() {
            let opens = matches!(asked.operation.verb, "read" | "write" | "list");
            let path = asked.operation.paths.first().filter(|_| opens);
            let open = Open {
                token: Some(token),
                opens: path.map(|(path, _)| Handle {
                    path: path.clone(),
                    reads: asked.operation.verb == "read",
                }),
            };
            self.open.insert(asked.id, open);
            self.to_server.extend_from_slice(&asked.packet);
        }
        self.go_on()
    }

    /// Refuses the operation that waits; the client reads `why`.
    ///
    /// # Errors
    /// As [`Sftp::feed_client`], of what came behind it.
    pub fn refuse(&mut self, why: &str) -> Result<(), SftpError> {
        if let Some(asked) = self.asked.take() {
            status(asked.id, PERMISSION_DENIED, why, &mut self.to_client);
        }
        self.go_on()
    }

    /// Takes what is to be sent to the client.
    pub fn take_to_client(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_client)
    }

    /// Takes what is to be sent to the host.
    pub fn take_to_server(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_server)
    }

    /// Takes the outcomes of operations: each by its token, and whether it went well.
    pub fn take_answered(&mut self) -> Vec<(u64, bool)> {
        std::mem::take(&mut self.answered)
    }

    /// Takes the operations that no answer came to: the channel has ended.
    pub fn take_unanswered(&mut self) -> Vec<u64> {
        self.open.drain().filter_map(|(_, open)| open.token).collect()
    }

    /// Reads the client's requests until one waits for the driver, or for the host's first words.
    fn go_on(&mut self) -> Result<(), SftpError> {
        while self.asked.is_none() {
            if self.home.is_none() && !self.client.begins_with(Kind::INIT) {
                return Ok(());
            }
            let Some(packet) = self.client.next()? else {
                return Ok(());
            };
            self.request(packet)?;
        }
        Ok(())
    }

    fn request(&mut self, packet: Vec<u8>) -> Result<(), SftpError> {
        let kind = Kind::of(&packet);
        if kind == Kind::INIT {
            self.to_server.extend_from_slice(&packet);
            return Ok(());
        }
        let mut fields = Fields::of(&packet);
        let id = fields.number()?;
        if OWN_NUMBERS.contains(&id) || self.open.contains_key(&id) || self.open.len() >= REQUESTS_MAX {
            status(
                id,
                FAILURE,
                "too many requests, or one of a number in use",
                &mut self.to_client,
            );
            return Ok(());
        }
        match self.meaning(kind, &mut fields)? {
            Meaning::Pass => {
                self.open.insert(id, Open::default());
                self.to_server.extend_from_slice(&packet);
            }
            Meaning::Ask(operation) => {
                self.asked = Some(Asked {
                    id,
                    packet,
                    operation,
                });
            }
            Meaning::Read(handle, offset, length) => {
                self.open.insert(id, Open::default());
                if let Some(readings) = &mut self.readings {
                    readings.want(&handle, (id, offset, length));
                }
                self.read_on(&handle);
            }
            Meaning::Refuse(code, why) => status(id, code, why, &mut self.to_client),
        }
        Ok(())
    }

    /// Answers what can be answered of a file that is read masked, and reads on.
    fn read_on(&mut self, handle: &[u8]) {
        let Some(readings) = &mut self.readings else {
            return;
        };
        for id in readings.go_on(handle, &mut self.to_client, &mut self.to_server) {
            self.open.remove(&id);
        }
    }

    fn meaning(&mut self, kind: Kind, fields: &mut Fields<'_>) -> Result<Meaning, SftpError> {
        use Access::{Define, Read, Write};

        Ok(match kind {
            Kind::OPEN => {
                let path = fields.bytes()?;
                let flags = fields.number()?;
                // All but the flag to read change something.
                match flags & !1 {
                    0 if !self.has_room() => Meaning::Refuse(FAILURE, "too many files are open at once"),
                    0 => self.ask("read", OperationKind::Read, &[(path, Read)]),
                    _ if flags & 1 != 0 && self.readings.is_some() => Meaning::Refuse(
                        PERMISSION_DENIED,
                        "what is read is masked: open it to read, or to write",
                    ),
                    _ => self.ask("write", OperationKind::Write, &[(path, Write)]),
                }
            }
            Kind::CLOSE => {
                let handle = fields.bytes()?;
                self.handles.remove(handle);
                if let Some(readings) = &mut self.readings {
                    for id in readings.close(handle, &mut self.to_client) {
                        self.open.remove(&id);
                    }
                }
                Meaning::Pass
            }
            Kind::READ if let Some(readings) = &self.readings => {
                let (handle, offset, length) = (fields.bytes()?, fields.long()?, fields.number()?);
                match readings.reads(handle) {
                    true => Meaning::Read(handle.to_vec(), offset, length),
                    false => Meaning::Refuse(FAILURE, "nothing is open to be read by this handle"),
                }
            }
            Kind::READ | Kind::WRITE | Kind::FSTAT | Kind::READDIR | Kind::REALPATH => Meaning::Pass,
            Kind::LSTAT | Kind::STAT | Kind::READLINK => {
                self.ask("stat", OperationKind::Read, &[(fields.bytes()?, Read)])
            }
            Kind::OPENDIR => self.ask("list", OperationKind::Read, &[(fields.bytes()?, Read)]),
            Kind::SETSTAT => self.ask("setstat", OperationKind::Write, &[(fields.bytes()?, Define)]),
            Kind::FSETSTAT => match self.handles.get(fields.bytes()?) {
                Some(open) => Meaning::Ask(FileOperation {
                    verb: "setstat",
                    kind: OperationKind::Write,
                    paths: vec![(open.path.clone(), Define)],
                }),
                None => Meaning::Refuse(FAILURE, "nothing is open by this handle"),
            },
            Kind::REMOVE => self.ask("remove", OperationKind::Write, &[(fields.bytes()?, Define)]),
            Kind::MKDIR => self.ask("mkdir", OperationKind::Write, &[(fields.bytes()?, Define)]),
            Kind::RMDIR => self.ask("rmdir", OperationKind::Write, &[(fields.bytes()?, Define)]),
            Kind::RENAME => {
                let paths = [(fields.bytes()?, Define), (fields.bytes()?, Define)];
                self.ask("rename", OperationKind::Write, &paths)
            }
            Kind::SYMLINK => {
                let paths = [(fields.bytes()?, Read), (fields.bytes()?, Define)];
                self.ask("symlink", OperationKind::Write, &paths)
            }
            Kind::EXTENDED => self.extended(fields)?,
            _ => Meaning::Refuse(UNSUPPORTED, "the gateway does not know this request"),
        })
    }

    /// Whether one more file may be opened to be read.
    fn has_room(&self) -> bool {
        let opening = |open: &&Open| open.opens.as_ref().is_some_and(|handle| handle.reads);
        let opening = self.open.values().filter(opening);
        self.readings
            .as_ref()
            .is_none_or(|readings| readings.has_room(opening.count()))
    }

    fn extended(&self, fields: &mut Fields<'_>) -> Result<Meaning, SftpError> {
        use Access::{Define, Read};

        Ok(match fields.bytes()? {
            b"posix-rename@openssh.com" => {
                let paths = [(fields.bytes()?, Define), (fields.bytes()?, Define)];
                self.ask("rename", OperationKind::Write, &paths)
            }
            b"hardlink@openssh.com" => {
                let paths = [(fields.bytes()?, Read), (fields.bytes()?, Define)];
                self.ask("link", OperationKind::Write, &paths)
            }
            b"lsetstat@openssh.com" => {
                self.ask("setstat", OperationKind::Write, &[(fields.bytes()?, Define)])
            }
            b"statvfs@openssh.com" => self.ask("stat", OperationKind::Read, &[(fields.bytes()?, Read)]),
            b"expand-path@openssh.com"
            | b"fstatvfs@openssh.com"
            | b"fsync@openssh.com"
            | b"limits@openssh.com" => Meaning::Pass,
            _ => Meaning::Refuse(UNSUPPORTED, "the gateway does not know this request"),
        })
    }

    fn ask(&self, verb: &'static str, kind: OperationKind, paths: &[(&[u8], Access)]) -> Meaning {
        let home = match &self.home {
            Some(Home::At(home)) => Some(home.as_str()),
            Some(Home::Unknown) | None => None,
        };
        let absolute = paths
            .iter()
            .map(|(path, access)| Ok((path::absolute(home, path)?, *access)));
        match absolute.collect::<Result<Vec<_>, &'static str>>() {
            Ok(paths) => Meaning::Ask(FileOperation { verb, kind, paths }),
            Err(why) => Meaning::Refuse(PERMISSION_DENIED, why),
        }
    }

    fn answer(&mut self, packet: Vec<u8>) -> Result<(), SftpError> {
        let kind = Kind::of(&packet);
        let mut fields = Fields::of(&packet);
        if kind == Kind::VERSION {
            if self.home.is_some() {
                return Err(SftpError::Answer);
            }
            packet::version(&mut fields, &EXTENSIONS, &mut self.to_client)?;
            packet::realpath(OWN, ".", &mut self.to_server);
            return Ok(());
        }
        let id = fields.number()?;
        if id == OWN && self.home.is_none() {
            self.home = Some(match home(kind, &mut fields) {
                Some(home) => Home::At(home),
                None => Home::Unknown,
            });
            return Ok(());
        }
        if let Some(own) = self.readings.as_mut().and_then(|readings| readings.is_own(id)) {
            return self.own_answer(own, kind, &mut fields);
        }
        let open = self.open.remove(&id).ok_or(SftpError::Answer)?;
        let well = match kind {
            Kind::STATUS => fields.number()? <= END_OF_FILE,
            Kind::HANDLE => {
                if let Some(handle) = open.opens {
                    self.is_open(fields.bytes()?, handle)?;
                }
                true
            }
            // Where files are masked, clients' reads never reach the host.
            Kind::DATA if self.readings.is_some() => return Err(SftpError::Answer),
            Kind::DATA | Kind::NAME | Kind::ATTRS | Kind::EXTENDED_REPLY => true,
            _ => return Err(SftpError::Answer),
        };
        if let Some(token) = open.token {
            self.answered.push((token, well));
        }
        self.to_client.extend_from_slice(&packet);
        Ok(())
    }

    /// Takes note of what is open by a handle.
    fn is_open(&mut self, handle: &[u8], open: Handle) -> Result<(), SftpError> {
        if self.handles.len() >= HANDLES_MAX {
            return Err(SftpError::Handles);
        }
        if let Some(readings) = self.readings.as_mut().filter(|_| open.reads) {
            readings.open(handle)?;
        }
        match self.handles.insert(handle.to_vec(), open) {
            None => Ok(()),
            Some(_) => Err(SftpError::Answer),
        }
    }

    fn own_answer(&mut self, own: Own, kind: Kind, fields: &mut Fields<'_>) -> Result<(), SftpError> {
        // A file that was closed meanwhile wants nothing any more.
        let Own {
            handle: Some(handle),
            offset,
        } = own
        else {
            return Ok(());
        };
        let Some(masked) = self.readings.as_mut().and_then(|readings| readings.file(&handle)) else {
            return Ok(());
        };
        match kind {
            Kind::DATA => masked.take(offset, fields.bytes()?),
            Kind::STATUS => masked.ends(offset, fields.number()?),
            _ => return Err(SftpError::Answer),
        }
        self.read_on(&handle);
        Ok(())
    }
}

/// Reads the home out of the answer to the gateway's own request.
fn home(kind: Kind, fields: &mut Fields<'_>) -> Option<String> {
    if kind != Kind::NAME || fields.number().ok()? != 1 {
        return None;
    }
    let home = std::str::from_utf8(fields.bytes().ok()?).ok()?;
    let plain = home.starts_with('/') && !home.chars().any(char::is_control);
    plain.then(|| home.to_owned())
}

#[cfg(test)]
mod tests;
