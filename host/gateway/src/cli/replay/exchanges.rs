//! Makes sense of the parts of exchanges over HTTP (`http/record.rs` says what they are). Pure.
//!
//! A message is shown once its body has ended, or the recording has: exchanges run side by side,
//! and their parts would be hard to tell apart.

use std::collections::BTreeMap;

use journal::recording::{Direction, Event};
use serde::Deserialize;

use super::shown::{Body, Shown};

/// How many messages may be without their end at once; the gateway allows fewer per connection.
const OPEN_MAX: usize = 4_096;

/// How much of a body is kept to be shown.
const BODY_BYTES_MAX: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(tag = "part", rename_all = "lowercase")]
enum Part {
    Request {
        exchange: u64,
        method: String,
        target: String,
        headers: Vec<(String, String)>,
    },
    Response {
        exchange: u64,
        status: u16,
        headers: Vec<(String, String)>,
    },
    Body {
        exchange: u64,
    },
    End {
        exchange: u64,
        bytes: u64,
        sha256: String,
    },
}

/// A message that has not ended.
struct Open {
    t_us: u64,
    shown: Shown,
    bytes: Vec<u8>,
}

/// Takes in a recording, event by event.
#[derive(Default)]
pub(super) struct Exchanges {
    /// By exchange, and whether it is the answer.
    open: BTreeMap<(u64, bool), Open>,
    shown: Vec<(u64, Shown)>,
}

impl Exchanges {
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
        let is_answer = direction == Direction::ToClient;
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(bytes.len());
        match serde_json::from_slice(&bytes[..end]) {
            Ok(part) => self.part(t_us, is_answer, part, bytes.get(end + 1..).unwrap_or_default()),
            Err(_) => self.shown.push((
                t_us,
                Shown::Broken {
                    side: if is_answer { "server" } else { "client" },
                    reason: "a part that is none".to_owned(),
                },
            )),
        }
        t_us
    }

    fn part(&mut self, t_us: u64, is_answer: bool, part: Part, bytes: &[u8]) {
        match part {
            Part::Request {
                exchange,
                method,
                target,
                headers,
            } => {
                let body = Body::default();
                let shown = Shown::Request {
                    exchange,
                    method,
                    target,
                    headers,
                    body,
                };
                self.begin(t_us, (exchange, false), shown);
            }
            Part::Response {
                exchange,
                status,
                headers,
            } => {
                // Nothing more comes of the request.
                self.end((exchange, false), Some(0), None);
                let body = Body::default();
                let shown = Shown::Response {
                    exchange,
                    status,
                    headers,
                    body,
                };
                self.begin(t_us, (exchange, true), shown);
            }
            Part::Body { exchange } => {
                if let Some(open) = self.open.get_mut(&(exchange, is_answer)) {
                    let room = BODY_BYTES_MAX.saturating_sub(open.bytes.len());
                    open.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
            }
            Part::End {
                exchange,
                bytes,
                sha256,
            } => self.end((exchange, is_answer), Some(bytes), Some(sha256)),
        }
    }

    fn begin(&mut self, t_us: u64, key: (u64, bool), shown: Shown) {
        if self.open.len() >= OPEN_MAX
            && let Some((&oldest, _)) = self.open.first_key_value()
        {
            self.end(oldest, None, None);
        }
        let bytes = Vec::new();
        self.open.insert(key, Open { t_us, shown, bytes });
    }

    fn end(&mut self, key: (u64, bool), length: Option<u64>, hash: Option<String>) {
        let Some(mut open) = self.open.remove(&key) else {
            return;
        };
        if let Shown::Request { body, .. } | Shown::Response { body, .. } = &mut open.shown {
            *body = Body {
                text: String::from_utf8_lossy(&open.bytes).into_owned(),
                bytes: length.map(|length| length.max(open.bytes.len() as u64)),
                sha256: hash,
            };
        }
        self.shown.push((open.t_us, open.shown));
    }

    /// Takes what can be shown by now.
    pub(super) fn shown(&mut self) -> Vec<(u64, Shown)> {
        std::mem::take(&mut self.shown)
    }

    /// The recording ends here.
    pub(super) fn finish(&mut self) {
        let open: Vec<_> = self.open.keys().copied().collect();
        for key in open {
            self.end(key, None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(exchanges: &mut Exchanges, direction: Direction, text: &str) {
        exchanges.event(&Event::Bytes {
            t_us: 1,
            direction,
            bytes: text.as_bytes(),
        });
    }

    #[test]
    fn an_exchange_is_shown_as_a_request_and_its_answer() {
        use Direction::{FromClient, ToClient};

        let mut exchanges = Exchanges::default();
        for (direction, text) in [
            (
                FromClient,
                r#"{"part":"request","exchange":0,"method":"POST","target":"/a","headers":[["x","y"]]}"#,
            ),
            (FromClient, "{\"part\":\"body\",\"exchange\":0}\nhello"),
            (
                FromClient,
                r#"{"part":"end","exchange":0,"bytes":5,"kept":5,"sha256":"aa"}"#,
            ),
            (
                ToClient,
                r#"{"part":"response","exchange":0,"status":200,"headers":[]}"#,
            ),
            (ToClient, "{\"part\":\"body\",\"exchange\":0}\nwor"),
        ] {
            feed(&mut exchanges, direction, text);
        }
        exchanges.finish();
        let shown = exchanges.shown();
        let [
            (_, Shown::Request { body: sent, .. }),
            (
                _,
                Shown::Response {
                    status, body: got, ..
                },
            ),
        ] = shown.as_slice()
        else {
            panic!("{shown:?}");
        };
        assert_eq!((sent.text.as_str(), sent.bytes), ("hello", Some(5)));
        assert_eq!((*status, got.text.as_str(), got.bytes), (200, "wor", None));
    }

    #[test]
    fn what_is_no_part_is_said_to_be_none() {
        let mut exchanges = Exchanges::default();
        feed(&mut exchanges, Direction::ToClient, "\u{1b}[2J");
        assert!(matches!(
            exchanges.shown().as_slice(),
            [(1, Shown::Broken { side: "server", .. })]
        ));
    }
}
