//! What is recorded of a session over SSH.
//!
//! Channels run side by side, so the recording holds parts. Each is one line of JSON and then, in
//! parts with bytes, those bytes:
//!
//! | `part`   | further members                                                    | from, to |
//! |----------|--------------------------------------------------------------------|----------|
//! | `open`   | `what`, `command`, `account`, `environment`, `term`, `columns`, `rows` | client |
//! | `output` | `stream` (1 output, 2 errors); then the bytes the client got       | client   |
//! | `input`  | none; then the bytes that the client sent                          | client   |
//! | `resize` | `columns`, `rows`                                                  | client   |
//! | `end`    | `status`, `signal`, `received`, `sent`, `kept`, `sha256`           | client   |
//!
//! `channel` counts from 0 within the session. What the client types is there only where the
//! operator asked for it: nobody between can tell a password from a command. Of output without a
//! terminal, and of input without one, the first [`OUTPUT_BYTES_KEPT_MAX`] bytes are kept;
//! `sha256` is that of everything sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many bytes of one channel's output are kept where there is no terminal.
pub const OUTPUT_BYTES_KEPT_MAX: u64 = 1 << 20;

/// One part; bytes, where it has some, follow its line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "part", rename_all = "lowercase")]
pub enum Part {
    /// A channel was asked for and let through.
    Open {
        /// Which.
        channel: u64,
        /// `exec`, `shell`, `sftp` or `forward`.
        what: String,
        /// The command line, or whither.
        command: Option<String>,
        /// The account on the host.
        account: String,
        /// What goes with it.
        environment: BTreeMap<String, String>,
        /// The terminal's kind, e.g. `xterm-256color`; `None` where there is no terminal.
        term: Option<String>,
        /// The terminal's width in characters.
        columns: u32,
        /// Its height.
        rows: u32,
    },
    /// Bytes that the client got.
    Output {
        /// Which.
        channel: u64,
        /// 1 for output, 2 for errors.
        stream: u8,
    },
    /// Bytes that the client sent.
    Input {
        /// Which.
        channel: u64,
    },
    /// The terminal has another size.
    Resize {
        /// Which.
        channel: u64,
        /// Its width in characters.
        columns: u32,
        /// Its height.
        rows: u32,
    },
    /// The channel has ended.
    End {
        /// Which.
        channel: u64,
        /// The status with which the command ended.
        status: Option<u32>,
        /// The signal that ended it.
        signal: Option<String>,
        /// Bytes from the client.
        received: u64,
        /// Bytes to the client.
        sent: u64,
        /// How many of these are in the recording.
        kept: u64,
        /// SHA-256 of all bytes to the client, in hex.
        sha256: String,
    },
}

impl Part {
    /// Writes the part with the bytes that belong to it.
    #[must_use]
    pub fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        // Serialising this into memory has no way to fail.
        let mut out = serde_json::to_vec(self).unwrap_or_default();
        out.push(b'\n');
        out.extend_from_slice(bytes);
        out
    }

    /// Reads a part and the bytes that belong to it; `None` if it is none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        let part = serde_json::from_slice(&bytes[..line]).ok()?;
        Some((part, &bytes[line + 1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_reads_back_with_its_bytes() {
        let part = Part::Output {
            channel: 3,
            stream: 2,
        };
        let bytes = part.encode(b"a\nb\0");
        assert_eq!(Part::decode(&bytes), Some((part, &b"a\nb\0"[..])));
        assert_eq!(Part::decode(b"{}\n"), None);
        assert_eq!(Part::decode(b"no line"), None);
    }
}
