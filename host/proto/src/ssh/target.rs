//! Whom a client means by the user name it gives.
//!
//! Who somebody is, their credential says alone. The user name says where to: `RESOURCE`,
//! `ACCOUNT@RESOURCE` or `ACCOUNT+RESOURCE`, split at the last `@`, else at the last `+`. A colon
//! is no separator, because `scp`, `rsync` and git take what stands before it for the host.

/// The longest user name that is looked at, in bytes: two names of hosts.
const BYTES_MAX: usize = 512;

/// Where a session is to lead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    /// The account on the host; `None` for the usual one.
    pub account: Option<&'a str>,
    /// The name of the resource.
    pub resource: &'a str,
}

impl<'a> Target<'a> {
    /// Reads a user name; `None` if it means nothing.
    #[must_use]
    pub fn parse(user: &'a str) -> Option<Self> {
        if user.len() > BYTES_MAX || user.chars().any(char::is_control) {
            return None;
        }
        let split = user.rsplit_once('@').or_else(|| user.rsplit_once('+'));
        let (account, resource) = match split {
            Some((account, resource)) => (Some(account), resource),
            None => (None, user),
        };
        let named = !resource.is_empty() && account != Some("");
        named.then_some(Self { account, resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_says_where_to() {
        for (user, account, resource) in [
            ("box", None, "box"),
            ("deploy@box", Some("deploy"), "box"),
            ("deploy+box", Some("deploy"), "box"),
            ("a+b@box", Some("a+b"), "box"),
            ("a@b@box", Some("a@b"), "box"),
            ("a+b+box", Some("a+b"), "box"),
        ] {
            assert_eq!(Target::parse(user), Some(Target { account, resource }), "{user}");
        }
        for bad in [
            "",
            "@",
            "@box",
            "deploy@",
            "+box",
            "deploy+",
            "a\nb",
            &"x".repeat(513),
        ] {
            assert_eq!(Target::parse(bad), None, "{bad:?}");
        }
    }
}
