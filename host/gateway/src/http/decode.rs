//! Takes the coding off a body, so that it can be masked. Bounded in what comes of it: a few
//! kilobytes can stand for gigabytes.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};

use super::body::BodyError;

/// How many times its size a body may become, beyond [`FREE_BYTES`]. Texts reach 20; what is
/// beyond is a bomb or cannot be told from one.
const RATIO_MAX: u64 = 100;

/// How much may come of a body however small.
const FREE_BYTES: u64 = 1 << 20;

/// The base-2 logarithm of the largest window of zstd: 8 MiB, as RFC 8878 recommends.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The buffer of the brotli decoder.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

/// Decodes one body.
pub(super) struct Decoder {
    coding: Coding,
    taken: u64,
    given: u64,
}

enum Coding {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Box<ZlibDecoder<Sink>>),
    Brotli(Box<brotli::DecompressorWriter<Sink>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Sink>>),
}

/// Where decoded bytes go, up to what is left of the limit.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    room: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        if length > self.room {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.room -= length;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// Makes the decoder for a `Content-Encoding`; `None` for one that is not known, or several.
    pub(super) fn of(coding: &[u8]) -> Option<Self> {
        let coding = match coding.to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(Sink::default()))),
            b"deflate" => Coding::Deflate(Box::new(ZlibDecoder::new(Sink::default()))),
            b"br" => Coding::Brotli(Box::new(brotli::DecompressorWriter::new(
                Sink::default(),
                BROTLI_BUFFER_BYTES,
            ))),
            b"zstd" => {
                let mut decoder = zstd::stream::write::Decoder::new(Sink::default()).ok()?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).ok()?;
                Coding::Zstd(Box::new(decoder))
            }
            _ => return None,
        };
        Some(Self {
            coding,
            taken: 0,
            given: 0,
        })
    }

    /// Decodes what has come; returns what came of it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Bytes, BodyError> {
        self.taken += bytes.len() as u64;
        let room = (FREE_BYTES + self.taken.saturating_mul(RATIO_MAX)).saturating_sub(self.given);
        self.sink().room = room;
        let written = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Coding::Deflate(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Coding::Brotli(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Coding::Zstd(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
        };
        written.map_err(|error| fault(&error))?;
        let decoded = std::mem::take(&mut self.sink().bytes);
        self.given += decoded.len() as u64;
        Ok(decoded.into())
    }

    /// Takes note that all has come; returns the rest. What is cut short is an error.
    pub(super) fn finish(mut self) -> Result<Bytes, BodyError> {
        let room = (FREE_BYTES + self.taken.saturating_mul(RATIO_MAX)).saturating_sub(self.given);
        self.sink().room = room;
        let finished = match &mut self.coding {
            Coding::Gzip(decoder) => decoder.try_finish(),
            Coding::Deflate(decoder) => decoder.try_finish(),
            Coding::Brotli(decoder) => decoder.close(),
            // A frame that is cut short leaves its decoder waiting.
            Coding::Zstd(decoder) => decoder.flush(),
        };
        finished.map_err(|error| fault(&error))?;
        Ok(std::mem::take(&mut self.sink().bytes).into())
    }

    fn sink(&mut self) -> &mut Sink {
        match &mut self.coding {
            Coding::Gzip(decoder) => decoder.get_mut(),
            Coding::Deflate(decoder) => decoder.get_mut(),
            Coding::Brotli(decoder) => decoder.get_mut(),
            Coding::Zstd(decoder) => decoder.get_mut(),
        }
    }
}

fn fault(error: &io::Error) -> BodyError {
    if error.kind() == io::ErrorKind::FileTooLarge {
        BodyError::Coding("it becomes too large")
    } else {
        BodyError::Coding("it is malformed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn decode(coding: &[u8], bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
        let mut decoder = Decoder::of(coding).expect("a known coding");
        let mut out = Vec::new();
        for byte in bytes {
            out.extend_from_slice(&decoder.feed(&[*byte])?);
        }
        out.extend_from_slice(&decoder.finish()?);
        Ok(out)
    }

    #[test]
    fn every_coding_comes_out_as_it_went_in_byte_by_byte() {
        let text = b"the same text, the same text, the same text".repeat(20);
        let mut brotli = Vec::new();
        brotli::BrotliCompress(&mut text.as_slice(), &mut brotli, &Default::default()).expect("in memory");
        let zstd = zstd::encode_all(text.as_slice(), 3).expect("in memory");
        for (coding, bytes) in [(&b"gzip"[..], gzip(&text)), (b"br", brotli), (b"zstd", zstd)] {
            assert_eq!(decode(coding, &bytes).expect("whole"), text);
        }
    }

    #[test]
    fn a_bomb_is_stopped() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let mut decoder = Decoder::of(b"gzip").expect("known");
        assert!(decoder.feed(&bomb).is_err());
    }

    #[test]
    fn what_is_unknown_or_layered_is_not_decoded() {
        for coding in [&b"compress"[..], b"gzip, gzip", b"", b"identity, gzip"] {
            assert!(Decoder::of(coding).is_none());
        }
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(decode(b"gzip", b"not gzip at all").is_err());
    }
}
