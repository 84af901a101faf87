//! The inbox: what waits for an answer.

use askama::Template;
use model::approval::{Approval, Case, Standing};

use super::shell::Shell;
use super::text::{Moment, Risk, Text, who};

/// Which questions are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// Those that this person can answer now.
    Decide,
    /// Those that this person asked.
    Asked,
    /// All that this person may see, answered or not.
    All,
}

impl View {
    const EVERY: [Self; 3] = [Self::Decide, Self::Asked, Self::All];

    /// Reads the view that an address names.
    pub(crate) fn parse(word: Option<&str>) -> Self {
        match word {
            Some("asked") => Self::Asked,
            Some("all") => Self::All,
            _ => Self::Decide,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Decide => "/console",
            Self::Asked => "/console?view=asked",
            Self::All => "/console?view=all",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Decide => "To decide",
            Self::Asked => "Asked by me",
            Self::All => "All",
        }
    }

    const fn empty(self) -> (&'static str, &'static str) {
        match self {
            Self::Decide => (
                "Nothing waits for you.",
                "When policy asks for your approval, it shows here by itself.",
            ),
            Self::Asked => (
                "You have asked nothing.",
                "What your own sessions wait for, and the grants you ask for, show here.",
            ),
            Self::All => (
                "Nobody has asked anything.",
                "Questions come from statements that policy lets people ask for, and from grants.",
            ),
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "inbox.html")]
pub(crate) struct InboxPage {
    pub(crate) shell: Shell,
    views: Vec<ViewTab>,
    latest: String,
    caption: &'static str,
    empty: (&'static str, &'static str),
    rows: Vec<Row>,
    next: Option<String>,
}

struct ViewTab {
    name: &'static str,
    path: &'static str,
    here: bool,
    count: Option<String>,
}

/// One question.
pub(crate) struct Row {
    id: String,
    title: Text,
    who: Text,
    resource: Text,
    risk: Risk,
    /// Whether an operation waits at this moment.
    waits: bool,
    asked: Moment,
    decide_by: Option<Moment>,
    state: &'static str,
}

impl Row {
    /// Shows one question as it stands at `now_us`.
    pub(crate) fn of(approval: &Approval, case: &Case, now_us: u64) -> Self {
        let standing = approval.standing_at(now_us);
        let pending = standing == Standing::Pending;
        Self {
            id: approval.id.to_string(),
            title: Text::line(&case.title),
            who: who(&approval.requester.key()).0,
            resource: Text::line(approval.resource.as_str()),
            risk: Risk {
                score: case.assessment.score,
            },
            waits: pending && approval.waiting.is_some(),
            asked: Moment(approval.asked_us),
            decide_by: pending.then_some(Moment(approval.decide_by_us)),
            state: standing.label(),
        }
    }
}

impl InboxPage {
    /// Shows `rows`, the newest first; `next` is where older ones are.
    pub(crate) fn of(shell: Shell, view: View, rows: Vec<Row>, next: Option<String>) -> Self {
        let waiting = shell.waiting;
        let tab = |own: View| ViewTab {
            name: own.name(),
            path: own.path(),
            here: own == view,
            count: (own == View::Decide && waiting > 0).then(|| super::shell::count(waiting)),
        };
        Self {
            views: View::EVERY.into_iter().map(tab).collect(),
            latest: rows.first().map(|row| row.id.clone()).unwrap_or_default(),
            caption: view.name(),
            empty: view.empty(),
            shell,
            rows,
            next,
        }
    }
}
