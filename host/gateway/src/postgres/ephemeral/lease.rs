//! What the comment of a session's role says: whose it is, and until when nobody else may
//! clear it away.

use std::fmt;

/// The label of a session's role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Lease {
    /// The gateway that made it, by the name of its journal.
    pub(super) node: String,
    /// The resource it was made for.
    pub(super) resource: String,
    /// When its session has ended at the latest, in seconds of Unix time.
    pub(super) until: u64,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            resource,
            until,
        } = self;
        write!(f, "tidegate node={node} resource={resource} until={until}")
    }
}

impl Lease {
    /// Reads a comment; `None` for anybody else's.
    pub(super) fn parse(comment: &str) -> Option<Self> {
        let mut words = comment.split(' ');
        let lease = (words.next()? == "tidegate").then_some(Self {
            node: words.next()?.strip_prefix("node=")?.to_owned(),
            resource: words.next()?.strip_prefix("resource=")?.to_owned(),
            until: words.next()?.strip_prefix("until=")?.parse().ok()?,
        });
        lease.filter(|_| words.next().is_none())
    }

    /// Whether a role with this label, of which `node` knows no living session, is for `node`
    /// to clear away at `now`: its own at once, those of others once their time is over. Only
    /// who serves the same resource reaches what the role may own.
    pub(super) fn is_over(&self, node: &str, resource: &str, now: u64) -> bool {
        self.resource == resource && (self.node == node || self.until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            node: "tidegate/00ff".to_owned(),
            resource: "customers".to_owned(),
            until: 1_000,
        }
    }

    #[test]
    fn a_lease_reads_as_it_was_written() {
        assert_eq!(Lease::parse(&lease().to_string()), Some(lease()));
    }

    #[test]
    fn a_comment_of_somebody_else_is_no_lease() {
        for comment in [
            "",
            "tidegate",
            "tidegate node=a resource=b",
            "tidegate node=a resource=b until=soon",
            "tidegate node=a resource=b until=1 more",
            "other node=a resource=b until=1",
        ] {
            assert_eq!(Lease::parse(comment), None, "{comment}");
        }
    }

    #[test]
    fn the_roles_of_others_are_left_until_their_time_is_over() {
        let lease = lease();
        assert!(
            lease.is_over("tidegate/00ff", "customers", 0),
            "its own, whenever"
        );
        assert!(!lease.is_over("tidegate/1234", "customers", 999));
        assert!(lease.is_over("tidegate/1234", "customers", 1_000));
        assert!(
            !lease.is_over("tidegate/00ff", "orders", 2_000),
            "another resource"
        );
    }
}
