//! Exporters: entries of the journal on their way out.

use crate::Error;
pub use crate::bindings::exporter::exports::tidegate::exporter::exporter::{Ack, Batch, Reject};
use crate::plugin::Plugin;

/// The encoding of batches: one JSON object and a line feed per entry.
pub const NDJSON: &str = "tidegate+ndjson/1";

/// An exporter. Retries and their back-off are the host's.
pub trait Exporter: Plugin {
    /// Delivers a batch. The same entries may come again: doubles must be harmless.
    ///
    /// # Errors
    /// When nothing of it was delivered for sure; the host offers all of it again if the code
    /// says so.
    fn deliver(&self, batch: &Batch) -> Result<Ack, Error>;

    /// Checks address and credential without delivering anything.
    ///
    /// # Errors
    /// What an operator should know before relying on it.
    fn probe(&self) -> Result<(), Error>;
}

impl Batch {
    /// Returns each entry with its number, without its line feed.
    ///
    /// # Errors
    /// An encoding other than [`NDJSON`], or ends that are not in order.
    pub fn entries(&self) -> Result<impl Iterator<Item = (u64, &[u8])>, Error> {
        if self.encoding != NDJSON {
            return Err(Error::new(
                crate::Code::Unsupported,
                "an encoding this plugin does not know",
            ));
        }
        if !self.ends.is_sorted()
            || self
                .ends
                .last()
                .is_none_or(|end| *end as usize != self.data.len())
        {
            return Err(Error::invalid_input("the host sent a malformed batch"));
        }
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        Ok(starts
            .zip(&self.ends)
            .zip(self.first_seq..)
            .map(|((start, end), seq)| {
                let entry = &self.data[start as usize..*end as usize];
                (seq, entry.strip_suffix(b"\n").unwrap_or(entry))
            }))
    }

    /// Returns the number of the last entry.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.first_seq + (self.ends.len() as u64).saturating_sub(1)
    }
}

impl Ack {
    /// Everything up to here was taken.
    #[must_use]
    pub const fn through(seq: u64) -> Self {
        Self {
            through_seq: seq,
            rejects: Vec::new(),
        }
    }

    /// Except this entry, which will never be taken.
    #[must_use]
    pub fn but(mut self, seq: u64, reason: impl Into<String>) -> Self {
        self.rejects.push(Reject {
            seq,
            reason: reason.into(),
        });
        self
    }
}

/// Makes a type that implements [`Exporter`] the component's exporter. Once per crate; does
/// nothing outside wasm.
#[macro_export]
macro_rules! export_exporter {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: $crate::plugin::Instance<$plugin> =
                    const { $crate::plugin::Instance::new() };
            }
            struct Guest;
            $crate::__export_plugin!(Guest, $plugin);
            impl $crate::bindings::exporter::exports::tidegate::exporter::exporter::Guest for Guest {
                fn deliver(
                    batch: $crate::exporter::Batch,
                ) -> ::std::result::Result<$crate::exporter::Ack, $crate::Error> {
                    INSTANCE.with(|instance| $crate::exporter::Exporter::deliver(instance.plugin()?, &batch))
                }
                fn probe() -> ::std::result::Result<(), $crate::Error> {
                    INSTANCE.with(|instance| $crate::exporter::Exporter::probe(instance.plugin()?))
                }
            }
            $crate::bindings::exporter::export_exporter_half!(
                Guest with_types_in $crate::bindings::exporter
            );
        };
    };
}
