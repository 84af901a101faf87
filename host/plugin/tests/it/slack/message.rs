//! A message as Slack takes it: every member known, every text within its limit.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) channel: String,
    pub(super) ts: Option<String>,
    text: String,
    blocks: Vec<Block>,
    metadata: Option<Metadata>,
    parse: Option<String>,
    #[serde(rename = "mrkdwn")]
    _mrkdwn: Option<bool>,
    #[serde(rename = "unfurl_links")]
    _unfurl_links: Option<bool>,
    #[serde(rename = "unfurl_media")]
    _unfurl_media: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    event_type: String,
    event_payload: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Block {
    Header {
        text: Text,
    },
    Section {
        text: Option<Text>,
        #[serde(default)]
        fields: Vec<Text>,
    },
    Input {
        block_id: String,
        label: Text,
        element: Element,
        #[serde(rename = "optional")]
        _optional: bool,
    },
    Actions {
        block_id: String,
        elements: Vec<Element>,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Text {
    PlainText {
        text: String,
        #[serde(rename = "emoji")]
        _emoji: bool,
    },
    Mrkdwn {
        text: String,
        #[serde(rename = "verbatim")]
        _verbatim: bool,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Element {
    Button {
        action_id: String,
        style: String,
        text: Text,
        value: String,
    },
    PlainTextInput {
        action_id: String,
        max_length: usize,
    },
}

impl Message {
    /// Checks the limits that Slack documents, and the one it does not: the characters of all
    /// blocks together.
    pub(super) fn check(&self) -> Result<(), String> {
        within("text", &self.text, 40_000)?;
        expect((1..=50).contains(&self.blocks.len()), "1 to 50 blocks")?;
        let parse = self.parse.as_deref().unwrap_or("none");
        expect(["none", "full"].contains(&parse), "parse: none or full")?;
        if let Some(metadata) = &self.metadata {
            within("event_type", &metadata.event_type, 255)?;
            expect(!metadata.event_payload.is_empty(), "an event's payload")?;
        }
        let mut characters = 0;
        let mut ids = Vec::new();
        for block in &self.blocks {
            characters += block.check(&mut ids)?;
        }
        expect(characters <= 13_000, "blocks of at most 13,000 characters")?;
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        expect(ids.len() == count, "each id once")
    }
}

impl Block {
    /// Returns how many characters it has.
    fn check<'a>(&'a self, ids: &mut Vec<&'a str>) -> Result<usize, String> {
        match self {
            Self::Header { text } => text.plain("a header", 150),
            Self::Section { text, fields } => {
                expect(
                    text.is_some() || !fields.is_empty(),
                    "a section with text or fields",
                )?;
                expect(fields.len() <= 10, "at most 10 fields")?;
                let mut characters = text.as_ref().map_or(Ok(0), |text| text.any("a section", 3_000))?;
                for field in fields {
                    characters += field.any("a field", 2_000)?;
                }
                Ok(characters)
            }
            Self::Input {
                block_id,
                label,
                element,
                ..
            } => {
                ids.push(block_id);
                let is_field = matches!(element, Element::PlainTextInput { .. });
                expect(is_field, "an input that can be written in")?;
                Ok(label.plain("a label", 2_000)? + element.check()?)
            }
            Self::Actions { block_id, elements } => {
                ids.push(block_id);
                expect((1..=25).contains(&elements.len()), "1 to 25 elements")?;
                let mut characters = 0;
                for element in elements {
                    let Element::Button { action_id, .. } = element else {
                        return Err("buttons only".to_owned());
                    };
                    ids.push(action_id);
                    characters += element.check()?;
                }
                Ok(characters)
            }
        }
    }
}

impl Element {
    fn check(&self) -> Result<usize, String> {
        match self {
            Self::Button {
                action_id,
                style,
                text,
                value,
            } => {
                within("an action's id", action_id, 255)?;
                within("a value", value, 2_000)?;
                expect(["primary", "danger"].contains(&style.as_str()), "a known style")?;
                Ok(text.plain("a button", 75)? + value.len())
            }
            Self::PlainTextInput {
                action_id,
                max_length,
            } => {
                expect((1..=3_000).contains(max_length), "a length of 1 to 3,000")?;
                within("an action's id", action_id, 255)
            }
        }
    }
}

impl Text {
    fn any(&self, what: &str, max: usize) -> Result<usize, String> {
        let (Self::PlainText { text, .. } | Self::Mrkdwn { text, .. }) = self;
        within(what, text, max)
    }

    fn plain(&self, what: &str, max: usize) -> Result<usize, String> {
        expect(matches!(self, Self::PlainText { .. }), "plain text")?;
        self.any(what, max)
    }
}

/// Returns how many characters a text has: at least one, at most so many.
fn within(what: &str, text: &str, max: usize) -> Result<usize, String> {
    let characters = text.encode_utf16().count();
    match (1..=max).contains(&characters) && !text.trim().is_empty() {
        true => Ok(characters),
        false => Err(format!("{what} of 1 to {max} characters, not {characters}")),
    }
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(format!("not {what}")),
    }
}
