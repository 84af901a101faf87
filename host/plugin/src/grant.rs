//! What a plugin gets: what it wants and its operator grants. Neither alone is enough: a plugin
//! can't be given what its manifest does not ask for, so that a swapped component with other
//! wants is noticed by what it can't do.

use crate::config::Grants;
use crate::manifest::Want;

/// Returns the part of the grants that is wanted.
pub(crate) fn effective(grants: &Grants, wants: &[Want]) -> Grants {
    let wanted = |kind: &str, value: &str| wants.iter().any(|want| want.is(kind, value));
    let secrets = grants.secrets.iter().filter(|(name, _)| wanted("secret", name));
    let secret = |(name, secret): (&String, &crate::config::Secret)| {
        let mut secret = secret.clone();
        secret.reveal &= wanted("reveal", name);
        (name.clone(), secret)
    };
    let egress = grants.egress.iter().filter(|origin| wanted("egress", origin));
    Grants {
        egress: egress.cloned().collect(),
        allow_private: grants.allow_private.clone(),
        ca_file: grants.ca_file.clone(),
        secrets: secrets.map(secret).collect(),
        kv_bytes: grants
            .kv_bytes
            .filter(|_| wants.iter().any(|want| want.kind == "kv")),
        log: grants.log && wants.iter().any(|want| want.kind == "log"),
    }
}

/// Returns what is granted and was not asked for, as `KIND VALUE`.
pub(crate) fn unwanted(grants: &Grants, effective: &Grants) -> Vec<String> {
    let mut left = Vec::new();
    let egress = grants
        .egress
        .iter()
        .filter(|origin| !effective.egress.contains(origin));
    left.extend(egress.map(|origin| format!("egress {origin}")));
    for (name, secret) in &grants.secrets {
        match effective.secrets.get(name) {
            None => left.push(format!("secret {name}")),
            Some(got) if secret.reveal && !got.reveal => left.push(format!("reveal {name}")),
            Some(_) => {}
        }
    }
    if grants.kv_bytes.is_some() && effective.kv_bytes.is_none() {
        left.push("kv".to_owned());
    }
    if grants.log && !effective.log {
        left.push("log".to_owned());
    }
    left
}

impl Want {
    /// Returns whether this asks for such a thing; `*` in its value stands for anything.
    fn is(&self, kind: &str, value: &str) -> bool {
        if self.kind != kind {
            return false;
        }
        let Some((first, pattern)) = self.value.split_once('*') else {
            return self.value == value;
        };
        let Some(mut rest) = value.strip_prefix(first) else {
            return false;
        };
        let mut parts = pattern.split('*');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Returns whether an operator grants it. What the configuration decides counts as granted
    /// once anything of its kind is.
    #[must_use]
    pub fn is_granted(&self, grants: &Grants) -> bool {
        match self.kind.as_str() {
            "egress" => grants.egress.iter().any(|origin| self.is("egress", origin)),
            "secret" => grants.secrets.keys().any(|name| self.is("secret", name)),
            "reveal" => grants
                .secrets
                .iter()
                .any(|(name, secret)| secret.reveal && self.is("reveal", name)),
            "kv" => grants.kv_bytes.is_some(),
            "log" => grants.log,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn want(kind: &str, value: &str) -> Want {
        Want {
            kind: kind.to_owned(),
            value: value.to_owned(),
            reason: String::new(),
        }
    }

    #[test]
    fn a_want_stands_for_what_it_names() {
        for (pattern, value, fits) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example:444", false),
            ("*", "https://a.example", true),
            ("https://*.example", "https://b.example", true),
            ("https://*.example", "https://b.example.evil", false),
            ("https://*.a.*", "https://x.a.b", true),
            ("ab*ba", "aba", false),
            ("", "x", false),
        ] {
            assert_eq!(
                want("egress", pattern).is("egress", value),
                fits,
                "{pattern} {value}"
            );
        }
        assert!(!want("egress", "*").is("secret", "token"));
    }

    #[test]
    fn nothing_is_given_that_is_not_both_wanted_and_granted() {
        let mut secret = Secret::new("v");
        secret.reveal = true;
        let grants = Grants {
            egress: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
            secrets: [("token".to_owned(), secret.clone()), ("other".to_owned(), secret)].into(),
            kv_bytes: Some(1024),
            log: true,
            ..Grants::default()
        };
        assert_eq!(effective(&grants, &[]), Grants::default());
        let wants = [
            want("egress", "https://a.example"),
            want("secret", "token"),
            want("kv", "4096"),
        ];
        let got = effective(&grants, &wants);
        assert_eq!(got.egress, ["https://a.example"]);
        assert_eq!(got.secrets.keys().collect::<Vec<_>>(), ["token"]);
        assert!(!got.secrets["token"].reveal && !got.log);
        assert_eq!(got.kv_bytes, Some(1024));
        assert_eq!(
            unwanted(&grants, &got),
            ["egress https://b.example", "secret other", "reveal token", "log"]
        );
        assert!(wants.iter().all(|want| want.is_granted(&grants)));
        assert!(!want("egress", "https://c.example").is_granted(&grants));
        assert!(!want("reveal", "*").is_granted(&got));
    }
}
