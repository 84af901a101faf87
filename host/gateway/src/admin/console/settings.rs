//! What a person chose for their own browser: colours and single keys. Not a credential, and
//! nothing depends on it, so it lives in a cookie and nowhere else.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;

use super::Console;
use super::cookie::Cookie;
use super::form::Form;
use crate::identity::login::return_to;

/// How long a browser keeps what was chosen, in seconds: a year.
const KEPT: u64 = 365 * 24 * 3_600;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Returns its word.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads its word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.label() == word)
    }
}

/// What a person chose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    pub(crate) theme: Theme,
    /// Whether single keys do something.
    pub(crate) keys: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            keys: true,
        }
    }
}

impl Settings {
    /// Reads a cookie's value; what it does not say is as by default.
    pub(crate) fn parse(value: &str) -> Self {
        let mut settings = Self::default();
        for word in value.split('.') {
            if let Some(theme) = Theme::parse(word) {
                settings.theme = theme;
            }
            if word == "silent" {
                settings.keys = false;
            }
        }
        settings
    }

    /// Returns the cookie's value.
    pub(crate) fn value(self) -> String {
        let keys = if self.keys { "" } else { ".silent" };
        format!("{}{keys}", self.theme.label())
    }
}

/// `POST /console/settings`: changes what the form names, keeps the rest.
pub(super) async fn save(State(console): State<Console>, form: Form) -> Response {
    let mut settings = form.here.settings;
    if let Some(theme) = form.one("theme").ok().and_then(Theme::parse) {
        settings.theme = theme;
    }
    match form.one("keys") {
        Ok("on") => settings.keys = true,
        Ok("off") => settings.keys = false,
        _ => {}
    }
    let cookie = Cookie::Settings.set(&settings.value(), KEPT, &console.config);
    let back = Redirect::to(&return_to(form.one("page").ok()));
    ([(SET_COOKIE, cookie)], back).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_cookie_and_nonsense_is_the_default() {
        for theme in Theme::ALL {
            for keys in [true, false] {
                let settings = Settings { theme, keys };
                assert_eq!(Settings::parse(&settings.value()), settings);
            }
        }
        assert_eq!(Settings::parse("<script>"), Settings::default());
    }
}
