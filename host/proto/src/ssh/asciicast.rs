//! Terminal sessions as asciicast v3, which players of terminal recordings read.
//!
//! A cast is a view of the recording, made from its parts; the recording itself, hashed in the
//! journal, is the evidence. Each event has the time since the one before it; rounding is carried
//! on, so that a long session does not drift. A cast is UTF-8: characters that output cuts are
//! joined again, and what is none becomes U+FFFD.

use serde_json::json;

use super::record::Part;

/// Writes the cast of one channel.
#[derive(Debug)]
pub struct Cast {
    channel: u64,
    /// When it began, and how much of the time since then is written, in microseconds.
    began_us: u64,
    written_us: u64,
    /// The beginning of a character, of input, of output and of errors.
    cut: [Vec<u8>; 3],
}

impl Cast {
    /// Begins a cast with a channel that has a terminal; `None` for any other part. `t_us` is in
    /// microseconds of Unix time. Appends the first line.
    #[must_use]
    pub fn begin(t_us: u64, part: &Part, out: &mut Vec<u8>) -> Option<Self> {
        let Part::Open {
            channel,
            command,
            environment,
            term: Some(term),
            columns,
            rows,
            ..
        } = part
        else {
            return None;
        };
        let header = json!({
            "version": 3,
            "term": { "cols": size(*columns), "rows": size(*rows), "type": term },
            "timestamp": t_us / 1_000_000,
            "command": command,
            "env": environment,
        });
        line(out, &header);
        Some(Self {
            channel: *channel,
            began_us: t_us,
            written_us: 0,
            cut: Default::default(),
        })
    }

    /// Appends what a part of the same channel comes to; returns whether it was the last.
    pub fn part(&mut self, t_us: u64, part: &Part, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        match part {
            Part::Output { channel, stream } if *channel == self.channel => {
                let text = self.text(1 + usize::from(*stream > 1), bytes);
                if !text.is_empty() {
                    self.event(t_us, "o", &text, out);
                }
            }
            Part::Input { channel } if *channel == self.channel => {
                let text = self.text(0, bytes);
                if !text.is_empty() {
                    self.event(t_us, "i", &text, out);
                }
            }
            Part::Resize {
                channel,
                columns,
                rows,
            } if *channel == self.channel => {
                let text = format!("{}x{}", size(*columns), size(*rows));
                self.event(t_us, "r", &text, out);
            }
            Part::End {
                channel,
                status,
                signal,
                ..
            } if *channel == self.channel => {
                let text = match (status, signal) {
                    (Some(status), _) => status.to_string(),
                    (None, Some(signal)) => signal.clone(),
                    (None, None) => String::new(),
                };
                self.event(t_us, "x", &text, out);
                return true;
            }
            _ => {}
        }
        false
    }

    fn event(&mut self, t_us: u64, code: &str, text: &str, out: &mut Vec<u8>) {
        let now_us = t_us.saturating_sub(self.began_us);
        // In milliseconds, from what was written so far: the rest of the rounding is not lost.
        let interval_ms = now_us.saturating_sub(self.written_us) / 1_000;
        self.written_us += interval_ms * 1_000;
        let interval = format!("{}.{:03}", interval_ms / 1_000, interval_ms % 1_000);
        out.extend_from_slice(format!("[{interval}, \"{code}\", ").as_bytes());
        // Serialising a text into memory has no way to fail.
        out.extend_from_slice(&serde_json::to_vec(text).unwrap_or_default());
        out.extend_from_slice(b"]\n");
    }

    /// Decodes bytes; the beginning of a character waits for its rest.
    fn text(&mut self, stream: usize, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.cut[stream]);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut rest = all.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    return text;
                }
                Err(error) => {
                    let (whole, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    let Some(bad) = error.error_len() else {
                        self.cut[stream] = after.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[bad..];
                }
            }
        }
    }
}

/// A client may say any size; players want one that can be shown.
fn size(of: u32) -> u32 {
    of.clamp(1, 1_000)
}

fn line(out: &mut Vec<u8>, value: &serde_json::Value) {
    out.extend_from_slice(&serde_json::to_vec(value).unwrap_or_default());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    fn open(term: Option<&str>) -> Part {
        Part::Open {
            channel: 2,
            what: "shell".to_owned(),
            command: None,
            account: "deploy".to_owned(),
            environment: BTreeMap::new(),
            term: term.map(str::to_owned),
            columns: 80,
            rows: 0,
        }
    }

    fn output(bytes: &[u8]) -> (Part, Vec<u8>) {
        let part = Part::Output {
            channel: 2,
            stream: 1,
        };
        (part, bytes.to_vec())
    }

    #[test]
    fn a_session_is_a_header_and_events_with_the_time_between_them() {
        let mut out = Vec::new();
        let began = 1_800_000_000_000_000;
        let mut cast = Cast::begin(began, &open(Some("xterm")), &mut out).expect("a terminal");
        let resize = Part::Resize {
            channel: 2,
            columns: 100,
            rows: 5_000,
        };
        let end = Part::End {
            channel: 2,
            status: Some(3),
            signal: None,
            received: 0,
            sent: 0,
            kept: 0,
            sha256: String::new(),
        };
        let other = Part::Output {
            channel: 3,
            stream: 1,
        };
        let (first, bytes) = output("$ \u{e9}".as_bytes());
        assert!(!cast.part(began + 1_500, &first, &bytes[..3], &mut out));
        cast.part(began + 3_200, &first, &bytes[3..], &mut out);
        cast.part(began + 3_300, &other, b"not here", &mut out);
        cast.part(began + 4_000, &first, b"\xff!", &mut out);
        cast.part(began + 5_000, &resize, b"", &mut out);
        cast.part(began + 5_000, &Part::Input { channel: 2 }, b"\xc3", &mut out);
        cast.part(began + 6_000, &Part::Input { channel: 2 }, b"\xa9\r", &mut out);
        assert!(cast.part(began + 1_000_000, &end, b"", &mut out));
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0]["version"], 3);
        assert_eq!(
            lines[0]["term"],
            json!({ "cols": 80, "rows": 1, "type": "xterm" })
        );
        assert_eq!(
            lines[1..],
            [
                json!([0.001, "o", "$ "]),
                json!([0.002, "o", "\u{e9}"]),
                json!([0.001, "o", "\u{fffd}!"]),
                json!([0.001, "r", "100x1000"]),
                json!([0.001, "i", "\u{e9}\r"]),
                json!([0.994, "x", "3"]),
            ]
        );
    }

    #[test]
    fn only_a_terminal_makes_a_cast() {
        assert!(Cast::begin(0, &open(None), &mut Vec::new()).is_none());
    }
}
