//! The packets of SFTP: a length, a kind, and fields.

/// The largest packet, in bytes, without its length: what OpenSSH takes, with room for the head
/// of a write.
pub const PACKET_BYTES_MAX: usize = (256 << 10) + 1_024;

/// Why an SFTP session can't be gone on with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SftpError {
    /// A packet is longer than [`PACKET_BYTES_MAX`], or empty.
    #[error("a packet of {length} bytes is none that SFTP has")]
    Length {
        /// What stood there for its length.
        length: usize,
    },
    /// A field goes beyond its packet.
    #[error("a packet ends within a field")]
    Short,
    /// The host answers what nobody asked, or in a way that is no answer.
    #[error("the host answered what nobody asked")]
    Answer,
    /// More is open than is kept track of.
    #[error("too many files are open")]
    Handles,
}

/// The kind of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const INIT: Self = Self(1);
    pub(super) const VERSION: Self = Self(2);
    pub(super) const OPEN: Self = Self(3);
    pub(super) const CLOSE: Self = Self(4);
    pub(super) const READ: Self = Self(5);
    pub(super) const WRITE: Self = Self(6);
    pub(super) const LSTAT: Self = Self(7);
    pub(super) const FSTAT: Self = Self(8);
    pub(super) const SETSTAT: Self = Self(9);
    pub(super) const FSETSTAT: Self = Self(10);
    pub(super) const OPENDIR: Self = Self(11);
    pub(super) const READDIR: Self = Self(12);
    pub(super) const REMOVE: Self = Self(13);
    pub(super) const MKDIR: Self = Self(14);
    pub(super) const RMDIR: Self = Self(15);
    pub(super) const REALPATH: Self = Self(16);
    pub(super) const STAT: Self = Self(17);
    pub(super) const RENAME: Self = Self(18);
    pub(super) const READLINK: Self = Self(19);
    pub(super) const SYMLINK: Self = Self(20);
    pub(super) const STATUS: Self = Self(101);
    pub(super) const HANDLE: Self = Self(102);
    pub(super) const DATA: Self = Self(103);
    pub(super) const NAME: Self = Self(104);
    pub(super) const ATTRS: Self = Self(105);
    pub(super) const EXTENDED: Self = Self(200);
    pub(super) const EXTENDED_REPLY: Self = Self(201);

    /// Returns the kind of a whole packet.
    pub(super) fn of(packet: &[u8]) -> Self {
        Self(packet.get(LENGTH_BYTES).copied().unwrap_or(0))
    }
}

const LENGTH_BYTES: usize = 4;

/// Bytes of one side that are no whole packet yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// How many of them are done with.
    done: usize,
}

impl Buffer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.done));
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next packet with its length, once it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, SftpError> {
        let rest = &self.bytes[self.done..];
        let Some((length, _)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > PACKET_BYTES_MAX {
            return Err(SftpError::Length { length });
        }
        let whole = rest.get(..LENGTH_BYTES + length).map(<[u8]>::to_vec);
        self.done += whole.as_ref().map_or(0, Vec::len);
        Ok(whole)
    }

    /// Whether the next packet is of this kind, as far as can be told.
    pub(super) fn begins_with(&self, kind: Kind) -> bool {
        let rest = &self.bytes[self.done..];
        rest.len() > LENGTH_BYTES && Kind::of(rest) == kind
    }
}

/// The fields of a packet, from behind its kind on.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(packet: &'a [u8]) -> Self {
        Self(packet.get(LENGTH_BYTES + 1..).unwrap_or_default())
    }

    pub(super) fn number(&mut self) -> Result<u32, SftpError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(SftpError::Short)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    pub(super) fn long(&mut self) -> Result<u64, SftpError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(SftpError::Short)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*number))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], SftpError> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SftpError::Short)?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn put(kind: Kind, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.push(kind.0);
    fields(out);
    let length = u32::try_from(out.len() - start - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends an answer of the gateway's own.
pub(super) fn status(id: u32, code: u32, message: &str, out: &mut Vec<u8>) {
    put(Kind::STATUS, out, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&code.to_be_bytes());
        put_bytes(message.as_bytes(), out);
        put_bytes(b"en", out);
    });
}

/// Appends bytes of a file.
pub(super) fn data(id: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put(Kind::DATA, out, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        put_bytes(bytes, out);
    });
}

/// Appends a read of the gateway's own.
pub(super) fn read(id: u32, handle: &[u8], offset: u64, length: u32, out: &mut Vec<u8>) {
    put(Kind::READ, out, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        put_bytes(handle, out);
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
    });
}

/// Appends a question of the gateway's own.
pub(super) fn realpath(id: u32, path: &str, out: &mut Vec<u8>) {
    put(Kind::REALPATH, out, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        put_bytes(path.as_bytes(), out);
    });
}

/// Appends the host's version with those of its extensions that are known.
pub(super) fn version(fields: &mut Fields<'_>, known: &[&str], out: &mut Vec<u8>) -> Result<(), SftpError> {
    let version = fields.number()?;
    let mut kept = Vec::new();
    while !fields.0.is_empty() {
        let (name, data) = (fields.bytes()?, fields.bytes()?);
        if known.iter().any(|known| known.as_bytes() == name) {
            put_bytes(name, &mut kept);
            put_bytes(data, &mut kept);
        }
    }
    put(Kind::VERSION, out, |out| {
        out.extend_from_slice(&version.min(3).to_be_bytes());
        out.extend_from_slice(&kept);
    });
    Ok(())
}
