//! The messages that go out: a question, and what becomes of it.

use serde::{Deserialize, Serialize};
use tidegate_sdk::Error;
use tidegate_sdk::approver::Ask;

use crate::blocks::{Block, Button, Input, Text, cut, escaped, shown, split};
use crate::signature::Action;

/// A message for `chat.postMessage`.
#[derive(Debug, Serialize)]
pub(crate) struct Question<'a> {
    channel: &'a str,
    text: String,
    mrkdwn: bool,
    parse: &'static str,
    unfurl_links: bool,
    unfurl_media: bool,
    blocks: Vec<Block>,
    metadata: Metadata<'a>,
}

/// What lets an operator find the messages of one approval.
#[derive(Debug, Serialize)]
struct Metadata<'a> {
    event_type: &'static str,
    event_payload: Payload<'a>,
}

#[derive(Debug, Serialize)]
struct Payload<'a> {
    approval_id: &'a str,
}

/// A message for `chat.update`.
#[derive(Debug, Serialize)]
pub(crate) struct Closed<'a> {
    channel: &'a str,
    ts: &'a str,
    text: String,
    parse: &'static str,
    blocks: Vec<Block>,
}

/// What a ticket remembers, so that a closed question still says what it was.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Remembered {
    title: String,
    target: String,
}

/// Makes the question. `seal` gives the value of the button that does this.
pub(crate) fn message<'a>(
    channel: &'a str,
    ask: &'a Ask,
    seal: impl Fn(Action) -> Result<String, Error>,
) -> Result<Question<'a>, Error> {
    let mut blocks = vec![header(&ask.title), Block::fields(facts(ask))];
    let (body, is_whole) = body(&ask.body_markdown);
    blocks.extend(body);
    if !is_whole {
        let warning =
            "Cut: this is not all of it. It can be denied here, and approved only where all of it is seen.";
        blocks.push(Block::section(Text::plain(warning, SECTION_CHARACTERS_MAX)));
    }
    if let Some(link) = link(&ask.url) {
        blocks.push(Block::section(link));
    }
    blocks.push(Block::Input {
        block_id: COMMENT,
        optional: true,
        label: Text::plain("Comment", LABEL_CHARACTERS_MAX),
        element: Input {
            r#type: "plain_text_input",
            action_id: COMMENT,
            max_length: COMMENT_CHARACTERS_MAX,
        },
    });
    let mut elements = Vec::new();
    if is_whole {
        elements.push(button(Action::Approve, "Approve", "primary", &seal)?);
    }
    elements.push(button(Action::Deny, "Deny", "danger", &seal)?);
    blocks.push(Block::Actions {
        block_id: "tidegate_answer",
        elements,
    });
    Ok(Question {
        channel,
        text: notification("Approval asked", &ask.title),
        mrkdwn: false,
        parse: "none",
        unfurl_links: false,
        unfurl_media: false,
        blocks,
        metadata: Metadata {
            event_type: "tidegate_approval",
            event_payload: Payload {
                approval_id: &ask.approval_id,
            },
        },
    })
}

/// Makes what stands in the question's place once no answer is wanted: without buttons.
pub(crate) fn closed<'a>(channel: &'a str, ts: &'a str, state: &[u8], reason: &str) -> Closed<'a> {
    // A state that does not read is another version's; the reason is what matters.
    let remembered: Remembered = serde_json::from_slice(state).unwrap_or_default();
    let title = match remembered.title.as_str() {
        "" => "A question",
        title => title,
    };
    let mut blocks = vec![header(title)];
    if !remembered.target.is_empty() {
        blocks.push(Block::fields(vec![fact("Resource", &remembered.target)]));
    }
    let reason = format!("Closed: {reason}");
    blocks.push(Block::section(Text::plain(&reason, SECTION_CHARACTERS_MAX)));
    Closed {
        channel,
        ts,
        text: notification("Closed", title),
        parse: "none",
        blocks,
    }
}

/// Returns the state of a ticket for this question.
pub(crate) fn remembered(ask: &Ask) -> Vec<u8> {
    let remembered = Remembered {
        title: cut(&ask.title, HEADER_CHARACTERS_MAX),
        target: cut(&ask.target, FACT_CHARACTERS_MAX),
    };
    serde_json::to_vec(&remembered).unwrap_or_default()
}

fn header(title: &str) -> Block {
    // Slack refuses a header without text.
    let title = if title.trim().is_empty() {
        "Approval asked"
    } else {
        title
    };
    Block::Header {
        text: Text::plain(title, HEADER_CHARACTERS_MAX),
    }
}

fn facts(ask: &Ask) -> Vec<Text> {
    let requester = &ask.requester;
    let mut facts = vec![
        fact("Requester", &format!("{} ({})", requester.id, requester.kind)),
        fact("Resource", &ask.target),
        fact("Risk", &format!("{} of 100", ask.score)),
        expiry(ask.expires_ms),
    ];
    if !requester.delegation.is_empty() {
        facts.push(fact("Through", &requester.delegation.join(", ")));
    }
    if !ask.reviewers.is_empty() {
        facts.push(fact("May answer", &ask.reviewers.join(", ")));
    }
    facts
}

fn fact(name: &str, value: &str) -> Text {
    Text::plain(&format!("{name}\n{value}"), FACT_CHARACTERS_MAX)
}

/// The time as each reader's own clock has it.
fn expiry(expires_ms: u64) -> Text {
    let seconds = expires_ms / 1000;
    let date = "{date_short_pretty} {time_secs}";
    Text::mrkdwn(format!(
        "Expires\n<!date^{seconds}^{date}|{seconds} s of Unix time>"
    ))
}

fn link(url: &str) -> Option<Text> {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    // A bar would end the address.
    let is_plain = url.len() <= URL_BYTES_MAX && url.bytes().all(|b| b.is_ascii_graphic() && b != b'|');
    (is_web && is_plain).then(|| Text::mrkdwn(format!("<{}|Answer in the console>", escaped(url))))
}

/// Cuts the body into sections, between lines where there are any, and says whether that is
/// all of it.
fn body(markdown: &str) -> (Vec<Block>, bool) {
    let whole = shown(markdown);
    let (mut rest, left_out) = split(whole.trim_end(), BODY_CHARACTERS_MAX);
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = split(rest, SECTION_CHARACTERS_MAX);
        let end = match piece.rfind('\n') {
            Some(at) if !after.is_empty() => at + 1,
            _ => piece.len(),
        };
        let (piece, after) = rest.split_at(end);
        // Slack refuses a section without text.
        if !piece.trim().is_empty() {
            sections.push(Block::section(Text::plain(piece, SECTION_CHARACTERS_MAX)));
        }
        rest = after;
    }
    (sections, left_out.is_empty())
}

fn button(
    action: Action,
    name: &str,
    style: &'static str,
    seal: impl Fn(Action) -> Result<String, Error>,
) -> Result<Button, Error> {
    Ok(Button {
        r#type: "button",
        action_id: action.id(),
        style,
        text: Text::plain(name, LABEL_CHARACTERS_MAX),
        value: seal(action)?,
    })
}

/// The line that notifications and screen readers have instead of the blocks.
fn notification(what: &str, title: &str) -> String {
    escaped(&format!("{what}: {}", cut(&shown(title), HEADER_CHARACTERS_MAX)))
}

/// The id of the field for a comment, and of its block.
pub(crate) const COMMENT: &str = "tidegate_comment";

/// Slack's limits: of a section's text, of one of its fields, of a header, of a label.
const SECTION_CHARACTERS_MAX: usize = 3_000;
const FACT_CHARACTERS_MAX: usize = 500;
const HEADER_CHARACTERS_MAX: usize = 150;
const LABEL_CHARACTERS_MAX: usize = 75;

/// How much of the body is shown. Slack refuses messages whose blocks have more than some
/// 13,000 characters together, which it does not document; six facts may take 3,000 of them.
const BODY_CHARACTERS_MAX: usize = 9_000;

/// So that it has at most the contract's 4 KiB, at up to four bytes each.
const COMMENT_CHARACTERS_MAX: usize = 1_000;

/// What browsers agree on as an address, and what still fits into a section.
const URL_BYTES_MAX: usize = 2 << 10;
