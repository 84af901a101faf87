//! Paths as policies see them.

/// The longest path, in bytes: what hosts take.
const BYTES_MAX: usize = 4_096;

/// Returns a path as an absolute one, with one slash between its parts and none at its end.
///
/// # Errors
/// Why it does not mean one thing, in words for the client.
pub(super) fn absolute(home: Option<&str>, path: &[u8]) -> Result<String, &'static str> {
    let path = std::str::from_utf8(path).map_err(|_| "a path that is no text cannot be judged")?;
    if path.len() > BYTES_MAX || path.chars().any(char::is_control) {
        return Err("a path that is too long or holds controls cannot be judged");
    }
    let (from, path) = match (path.strip_prefix('/'), home) {
        (Some(path), _) => ("", path),
        (None, Some(home)) => (home, path),
        (None, None) => return Err("a relative path cannot be judged here: write an absolute one"),
    };
    let mut out = String::with_capacity(from.len() + path.len() + 1);
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => return Err("a path with .. in it cannot be judged: write it without"),
            part => {
                out.push('/');
                out.push_str(part);
            }
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form_or_none() {
        let home = Some("/users/me");
        for (path, expected) in [
            ("", "/users/me"),
            (".", "/users/me"),
            ("a/b", "/users/me/a/b"),
            ("./a//b/", "/users/me/a/b"),
            ("/", "/"),
            ("//srv/./x", "/srv/x"),
            ("/a/..b/...", "/a/..b/..."),
        ] {
            assert_eq!(absolute(home, path.as_bytes()).as_deref(), Ok(expected), "{path}");
        }
        for bad in [
            &b"../x"[..],
            b"/a/../b",
            b"/..",
            b"a\0b",
            b"a\nb",
            b"\xff",
            &[b'a'; 5_000],
        ] {
            assert!(absolute(home, bad).is_err(), "{bad:?}");
        }
        assert!(absolute(None, b"x").is_err());
        assert_eq!(absolute(None, b"/x").as_deref(), Ok("/x"));
    }
}
