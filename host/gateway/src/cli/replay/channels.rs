//! Makes sense of the parts of channels over SSH (`proto/ssh/record.rs` says what they are). Pure.

use std::collections::BTreeMap;

use journal::recording::{Direction, Event};
use proto::ssh::record::Part;

use super::shown::Shown;

/// How many channels may be without their end at once; the gateway allows fewer.
const OPEN_MAX: usize = 4_096;

/// How much of what a channel sent is shown together.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// The stream of what the client sent; output is 1, errors are 2.
const INPUT: u8 = 0;

/// What has not been shown, of one stream of one channel.
struct Gathered {
    t_us: u64,
    bytes: Vec<u8>,
}

/// Takes in a recording, event by event.
#[derive(Default)]
pub(super) struct Channels {
    gathered: BTreeMap<(u64, u8), Gathered>,
    shown: Vec<(u64, Shown)>,
}

impl Channels {
    /// Takes in an event; returns its time.
    pub(super) fn event(&mut self, event: &Event<'_>) -> u64 {
        let (t_us, direction, bytes) = match *event {
            Event::Bytes {
                t_us,
                direction,
                bytes,
            } => (t_us, direction, bytes),
            // Parts are recorded whole.
            Event::Truncated { t_us, .. } => return t_us,
        };
        match Part::decode(bytes) {
            Some((part, bytes)) => self.part(t_us, part, bytes),
            None => {
                let side = match direction {
                    Direction::FromClient => "client",
                    Direction::ToClient => "server",
                };
                let reason = "a part that is none".to_owned();
                self.shown.push((t_us, Shown::Broken { side, reason }));
            }
        }
        t_us
    }

    fn part(&mut self, t_us: u64, part: Part, bytes: &[u8]) {
        match part {
            Part::Open {
                channel,
                what,
                command,
                account,
                term,
                ..
            } => self.shown.push((
                t_us,
                Shown::Command {
                    channel,
                    what,
                    command,
                    account,
                    terminal: term.is_some(),
                },
            )),
            Part::Output { channel, stream } => self.gather(t_us, (channel, stream), bytes),
            Part::Input { channel } => self.gather(t_us, (channel, INPUT), bytes),
            Part::Resize { .. } => {}
            Part::End {
                channel,
                status,
                signal,
                sent,
                kept,
                sha256,
                ..
            } => {
                self.let_out(|(of, _)| of == channel);
                let shown = Shown::Ended {
                    channel,
                    status,
                    signal,
                    bytes: sent,
                    bytes_not_kept: sent.saturating_sub(kept),
                    sha256,
                };
                self.shown.push((t_us, shown));
            }
        }
    }

    /// What comes in pieces is shown in lines, or once it is much.
    fn gather(&mut self, t_us: u64, key: (u64, u8), bytes: &[u8]) {
        if self.gathered.len() >= OPEN_MAX {
            self.let_out(|_| true);
        }
        let bytes_before = Vec::new();
        let gathered = self.gathered.entry(key).or_insert(Gathered {
            t_us,
            bytes: bytes_before,
        });
        gathered.bytes.extend_from_slice(bytes);
        let line_ends = bytes.ends_with(b"\n") || key.1 == INPUT && bytes.ends_with(b"\r");
        if line_ends || gathered.bytes.len() >= OUTPUT_BYTES_MAX {
            self.let_out(|of| of == key);
        }
    }

    fn let_out(&mut self, which: impl Fn((u64, u8)) -> bool) {
        for ((channel, stream), gathered) in self.gathered.extract_if(.., |key, _| which(*key)) {
            let shown = Shown::Text {
                channel,
                stream: match stream {
                    INPUT => "input",
                    1 => "output",
                    _ => "errors",
                },
                text: String::from_utf8_lossy(&gathered.bytes).into_owned(),
            };
            self.shown.push((gathered.t_us, shown));
        }
    }

    /// Takes what can be shown by now.
    pub(super) fn shown(&mut self) -> Vec<(u64, Shown)> {
        std::mem::take(&mut self.shown)
    }

    /// The recording ends here.
    pub(super) fn finish(&mut self) {
        self.let_out(|_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_shown_by_lines_and_at_the_end() {
        let mut channels = Channels::default();
        let mut feed = |part: &str, bytes: &str| {
            let bytes = format!("{part}\n{bytes}");
            channels.event(&Event::Bytes {
                t_us: 1,
                direction: Direction::ToClient,
                bytes: bytes.as_bytes(),
            });
        };
        let output = r#"{"part":"output","channel":0,"stream":1}"#;
        feed(output, "a");
        feed(output, "b\n");
        feed(output, "rest");
        feed(
            r#"{"part":"end","channel":0,"status":7,"signal":null,"received":0,"sent":9,"kept":7,"sha256":"aa"}"#,
            "",
        );
        feed("{}", "");
        let shown: Vec<Shown> = channels.shown().into_iter().map(|(_, shown)| shown).collect();
        let output = |text: &str| Shown::Text {
            channel: 0,
            stream: "output",
            text: text.to_owned(),
        };
        let ended = Shown::Ended {
            channel: 0,
            status: Some(7),
            signal: None,
            bytes: 9,
            bytes_not_kept: 2,
            sha256: "aa".to_owned(),
        };
        assert_eq!(shown[..3], [output("ab\n"), output("rest"), ended]);
        assert!(matches!(shown[3], Shown::Broken { side: "server", .. }));
    }
}
