//! The few parts of Slack's Block Kit that a question needs, and the text that goes into them.
//!
//! What others wrote goes into `plain_text`, where Slack looks for no link, mention or format.
//! The one `mrkdwn` there is holds our own words and addresses, escaped.

use std::fmt::Write as _;

use serde::Serialize;

/// A message's part, by Slack's names.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Header {
        text: Text,
    },
    Section {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Text>,
    },
    Input {
        block_id: &'static str,
        optional: bool,
        label: Text,
        element: Input,
    },
    Actions {
        block_id: &'static str,
        elements: Vec<Button>,
    },
}

/// A text object.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Text {
    PlainText { text: String, emoji: bool },
    Mrkdwn { text: String, verbatim: bool },
}

/// A field to write in.
#[derive(Debug, Serialize)]
pub(crate) struct Input {
    pub(crate) r#type: &'static str,
    pub(crate) action_id: &'static str,
    pub(crate) max_length: usize,
}

/// A button.
#[derive(Debug, Serialize)]
pub(crate) struct Button {
    pub(crate) r#type: &'static str,
    pub(crate) action_id: &'static str,
    pub(crate) style: &'static str,
    pub(crate) text: Text,
    pub(crate) value: String,
}

impl Text {
    /// Text that is shown as it is, at most this many characters of it.
    pub(crate) fn plain(text: &str, characters_max: usize) -> Self {
        Self::PlainText {
            text: cut(&shown(text), characters_max),
            emoji: false,
        }
    }

    /// Text in Slack's format; `verbatim`, so that nothing in it becomes a link by itself.
    pub(crate) const fn mrkdwn(text: String) -> Self {
        Self::Mrkdwn { text, verbatim: true }
    }
}

impl Block {
    pub(crate) const fn section(text: Text) -> Self {
        Self::Section {
            text: Some(text),
            fields: Vec::new(),
        }
    }

    pub(crate) const fn fields(fields: Vec<Text>) -> Self {
        Self::Section { text: None, fields }
    }
}

/// Escapes the three letters that mean something to Slack; with them go mentions, `<!channel>`
/// and links.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Makes letters visible that would hide or reorder others, so that what is read is what
/// would run.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => {
                hex(&mut shown, letter)
            }
            '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => hex(&mut shown, letter),
            letter if letter.is_control() => hex(&mut shown, letter),
            letter => shown.push(letter),
        }
    }
    shown
}

fn hex(shown: &mut String, letter: char) {
    let _ = write!(shown, "\\u{{{:x}}}", u32::from(letter));
}

/// Cuts a text to so many characters, as Slack counts them at worst: in UTF-16.
pub(crate) fn cut(text: &str, characters_max: usize) -> String {
    let (piece, rest) = split(text, characters_max);
    if rest.is_empty() {
        return piece.to_owned();
    }
    format!("{}…", split(text, characters_max - 1).0)
}

/// Splits a text after so many characters.
pub(crate) fn split(text: &str, characters_max: usize) -> (&str, &str) {
    let mut count = 0;
    let over = text.char_indices().find(|(_, letter)| {
        count += letter.len_utf16();
        count > characters_max
    });
    text.split_at(over.map_or(text.len(), |(at, _)| at))
}
