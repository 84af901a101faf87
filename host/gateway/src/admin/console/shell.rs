//! What surrounds every page: the bar above, the line below.

use super::settings::{Settings, Theme};
use super::text::Text;

/// Past this many, a count only says that there are more.
pub(crate) const COUNT_MAX: usize = 99;

/// What every page knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell {
    /// The page's title.
    pub(crate) title: String,
    /// Who is logged in.
    pub(crate) person: Option<Person>,
    /// The page's address, to come back to.
    pub(crate) path: String,
    /// What every form carries: proof that it comes from this session.
    pub(crate) token: String,
    /// How many questions wait for this person.
    pub(crate) waiting: usize,
    pub(crate) theme: Theme,
    pub(crate) keys: bool,
}

/// Who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: Text,
}

/// One entry of the bar.
pub(crate) struct Tab {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) here: bool,
    pub(crate) count: Option<String>,
}

/// The bar's pages.
const TABS: [(&str, &str); 7] = [
    ("Inbox", "/console"),
    ("Sessions", "/console/sessions"),
    ("Grants", "/console/grants"),
    ("Locks", "/console/locks"),
    ("Journal", "/console/journal"),
    ("Plugins", "/console/plugins"),
    ("Explain", "/console/explain"),
];

impl Shell {
    /// The surroundings of a page for nobody in particular.
    pub(crate) fn of(title: impl Into<String>, settings: Settings) -> Self {
        Self {
            title: title.into(),
            theme: settings.theme,
            keys: settings.keys,
            ..Self::default()
        }
    }

    pub(crate) fn tabs(&self) -> Vec<Tab> {
        let path = self.path.split('?').next().unwrap_or_default();
        let tab = |(name, own): (&'static str, &'static str)| Tab {
            name,
            path: own,
            here: match own {
                "/console" => path == own || path.starts_with("/console/approvals"),
                _ => path.starts_with(own),
            },
            count: (own == "/console").then(|| count(self.waiting)),
        };
        TABS.into_iter().map(tab).collect()
    }
}

/// Returns a count as it is shown: nothing for none, and capped.
pub(crate) fn count(number: usize) -> String {
    match number {
        0 => String::new(),
        1..=COUNT_MAX => number.to_string(),
        _ => format!("{COUNT_MAX}+"),
    }
}
