//! Lists in pages. Where the next page begins is told in a text that only this gateway makes,
//! for one list, one filter and one principal: nobody can use it to look elsewhere.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::problem::Problem;
use crate::services::random;

/// How many items a page has where the caller does not say.
const LIMIT: usize = 50;

/// How many it has at the most.
pub(crate) const LIMIT_MAX: usize = 200;

/// The longest cursor that is looked at, in bytes.
const CURSOR_BYTES_MAX: usize = 512;

/// The length of a cursor's code, in bytes: half of SHA-256.
const CODE_BYTES: usize = 16;

/// Returns how many items a page has.
///
/// # Errors
/// More or fewer than there may be.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::bad_request(
            "invalid-parameters",
            format!("limit is a number from 1 to {LIMIT_MAX}"),
        )),
    }
}

/// Makes and reads cursors. They end with the process.
pub(crate) struct Cursors(hmac::Key);

impl Cursors {
    pub(crate) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()))
    }

    /// Returns a cursor at `position` of a list. `list` is everything that the list depends on:
    /// what it is of, its filter, who asks.
    pub(crate) fn seal(&self, list: &[&str], position: &str) -> String {
        let mut bytes = self.code(list, position).as_ref()[..CODE_BYTES].to_vec();
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the position in a cursor of the same list.
    ///
    /// # Errors
    /// It is of another list, of another process, or nobody's.
    pub(crate) fn open(&self, list: &[&str], cursor: &str) -> Result<String, Problem> {
        let wrong = || {
            Problem::bad_request("invalid-cursor", "this cursor is not of this list")
                .hint("begin again without a cursor")
        };
        if cursor.len() > CURSOR_BYTES_MAX {
            return Err(wrong());
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
        let (code, position) = bytes.split_at_checked(CODE_BYTES).ok_or_else(wrong)?;
        let position = std::str::from_utf8(position).map_err(|_| wrong())?;
        let expected = self.code(list, position);
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..CODE_BYTES], code);
        same.map_err(|_| wrong())?;
        Ok(position.to_owned())
    }

    fn code(&self, list: &[&str], position: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in list.iter().copied().chain([position]) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_the_list_it_was_made_for() {
        let cursors = Cursors::new();
        let list = ["approvals", "pending", "issuer|alice"];
        let cursor = cursors.seal(&list, "17");
        assert_eq!(cursors.open(&list, &cursor).as_deref(), Ok("17"));
        for other in [
            ["approvals", "pending", "issuer|bob"],
            ["approvals", "", "issuer|alice"],
            ["approval", "spending", "issuer|alice"],
        ] {
            assert!(cursors.open(&other, &cursor).is_err(), "{other:?}");
        }
        assert!(Cursors::new().open(&list, &cursor).is_err(), "another process");
        for nonsense in ["", "x", "AAAA", &"A".repeat(1_000), "\u{1}"] {
            assert!(cursors.open(&list, nonsense).is_err(), "{nonsense}");
        }
        let mut forged = URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
        forged.truncate(CODE_BYTES);
        forged.extend_from_slice(b"18");
        assert!(cursors.open(&list, &URL_SAFE_NO_PAD.encode(forged)).is_err());
    }

    #[test]
    fn a_page_has_its_bounds() {
        assert_eq!(limit(None), Ok(LIMIT));
        assert_eq!(limit(Some(LIMIT_MAX)), Ok(LIMIT_MAX));
        assert!(limit(Some(0)).is_err() && limit(Some(LIMIT_MAX + 1)).is_err());
    }
}
