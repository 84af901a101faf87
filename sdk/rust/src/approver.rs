//! Approvers: a question to people outside, and their answer back.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::Error;
pub use crate::bindings::approver::exports::tidegate::approver::approver::{
    Ask, Decision, Message, Reply, Ticket, Update, Vote,
};
pub use crate::bindings::plugin::tidegate::base::types::Principal;
use crate::plugin::Plugin;

/// An approver. The host decides what a vote is worth; any call may come on any instance.
pub trait Approver: Plugin {
    /// Puts a question. The same `approval_id` may come again and must not ask twice.
    ///
    /// # Errors
    /// When it was not put for sure.
    fn submit(&self, ask: &Ask) -> Result<Ticket, Error>;

    /// Asks how a question stands.
    ///
    /// # Errors
    /// When the outside system does not say.
    fn poll(&self, approval_id: &str, ticket: &Ticket) -> Result<Update, Error>;

    /// Takes in what the outside system reports. A message that is not proved genuine gets
    /// status 401 and no updates.
    ///
    /// # Errors
    /// Faults of the plugin's own; the host answers 500.
    fn callback(&self, message: &Message) -> Result<(Vec<Update>, Reply), Error>;

    /// Says that an answer is no longer wanted.
    ///
    /// # Errors
    /// When the outside system was not reached.
    fn withdraw(&self, approval_id: &str, ticket: &Ticket, reason: &str) -> Result<(), Error>;
}

impl Message {
    /// Returns the first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the value of this header (name in lower case) if it came exactly once. What
    /// proves a message is read with this: of two values, another reader may take the other.
    #[must_use]
    pub fn sole_header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Returns what proves this message later on: these headers, an empty line, the body. Of a
    /// body that does not fit, its length and SHA-256 stand among the headers and its
    /// beginning follows. At most 16 KiB, as [`Vote::evidence`] may have.
    #[must_use]
    pub fn evidence(&self, names: &[&str]) -> Vec<u8> {
        let mut head = String::new();
        for name in names {
            let _ = writeln!(head, "{name}: {}", self.header(name).unwrap_or(""));
        }
        head.truncate(head.floor_char_boundary(PROOF_HEADERS_BYTES_MAX));
        if head.len() + 1 + self.body.len() > EVIDENCE_BYTES_MAX {
            let _ = write!(head, "body-bytes: {}\nbody-sha256: ", self.body.len());
            for byte in Sha256::digest(&self.body) {
                let _ = write!(head, "{byte:02x}");
            }
            head.push('\n');
        }
        head.push('\n');
        let mut evidence = head.into_bytes();
        let room = EVIDENCE_BYTES_MAX - evidence.len();
        evidence.extend_from_slice(&self.body[..self.body.len().min(room)]);
        evidence
    }
}

/// The contract's limit for [`Vote::evidence`].
const EVIDENCE_BYTES_MAX: usize = 16 << 10;

/// What headers may take of it, so that there is always room for a digest: signatures are a
/// few hundred bytes.
const PROOF_HEADERS_BYTES_MAX: usize = 8 << 10;

impl Reply {
    /// A reply without a body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A reply of plain text.
    pub fn text(status: u16, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Self {
            status,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }
}

/// Makes a type that implements [`Approver`] the component's approver. Once per crate; does
/// nothing outside wasm.
#[macro_export]
macro_rules! export_approver {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: $crate::plugin::Instance<$plugin> =
                    const { $crate::plugin::Instance::new() };
            }
            struct Guest;
            $crate::__export_plugin!(Guest, $plugin);
            impl $crate::bindings::approver::exports::tidegate::approver::approver::Guest for Guest {
                fn submit(
                    ask: $crate::approver::Ask,
                ) -> ::std::result::Result<$crate::approver::Ticket, $crate::Error> {
                    INSTANCE.with(|instance| $crate::approver::Approver::submit(instance.plugin()?, &ask))
                }
                fn poll(
                    approval_id: ::std::string::String,
                    ticket: $crate::approver::Ticket,
                ) -> ::std::result::Result<$crate::approver::Update, $crate::Error> {
                    INSTANCE.with(|instance| {
                        $crate::approver::Approver::poll(instance.plugin()?, &approval_id, &ticket)
                    })
                }
                fn callback(
                    message: $crate::approver::Message,
                ) -> ::std::result::Result<
                    (
                        ::std::vec::Vec<$crate::approver::Update>,
                        $crate::approver::Reply,
                    ),
                    $crate::Error,
                > {
                    INSTANCE
                        .with(|instance| $crate::approver::Approver::callback(instance.plugin()?, &message))
                }
                fn withdraw(
                    approval_id: ::std::string::String,
                    ticket: $crate::approver::Ticket,
                    reason: ::std::string::String,
                ) -> ::std::result::Result<(), $crate::Error> {
                    INSTANCE.with(|instance| {
                        $crate::approver::Approver::withdraw(
                            instance.plugin()?,
                            &approval_id,
                            &ticket,
                            &reason,
                        )
                    })
                }
            }
            $crate::bindings::approver::export_approver_half!(
                Guest with_types_in $crate::bindings::approver
            );
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[(&str, &str)], body: &[u8]) -> Message {
        Message {
            method: "POST".to_owned(),
            path: String::new(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.to_vec(),
        }
    }

    #[test]
    fn a_header_that_came_twice_is_none_where_one_is_asked_for() {
        let twice = message(&[("a", "1"), ("b", "2"), ("a", "1")], b"");
        assert_eq!(twice.sole_header("b"), Some("2"));
        assert_eq!(twice.sole_header("a"), None);
        assert_eq!(twice.sole_header("c"), None);
    }

    #[test]
    fn evidence_is_whole_where_it_fits_and_says_what_it_leaves_out() {
        let whole = message(&[("sig", "x")], b"body").evidence(&["sig", "at"]);
        assert_eq!(whole, b"sig: x\nat: \n\nbody");
        let fits = message(&[("sig", "x")], &[b'a'; (16 << 10) - 8]).evidence(&["sig"]);
        assert_eq!((fits.len(), fits.starts_with(b"sig: x\n\na")), (16 << 10, true));
        let cut = message(&[("sig", "x")], &[b'a'; (16 << 10) - 7]).evidence(&["sig"]);
        let head = "sig: x\nbody-bytes: 16377\nbody-sha256: ";
        assert_eq!((cut.len(), cut.starts_with(head.as_bytes())), (16 << 10, true));
        assert_eq!(cut[head.len() + 64..][..3], *b"\n\na");
        let long = "é".repeat(16 << 10);
        assert_eq!(
            message(&[("sig", &long)], &[b'a'; 99_999])
                .evidence(&["sig"])
                .len(),
            16 << 10
        );
    }
}
