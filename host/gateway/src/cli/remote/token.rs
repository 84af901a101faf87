//! Where a command's token comes from.

use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::super::EXIT_USAGE;
use super::super::terminal::Failure;
use crate::identity::TOKEN_BYTES_MAX;

/// The variable that carries a token where no file is named.
const VARIABLE: &str = "TIDEGATE_TOKEN";

/// A token, wiped when dropped.
pub(super) type Token = Zeroizing<String>;

/// Reads the token from `file`, from standard input for `-`, or from the environment.
pub(super) fn read(file: Option<&Path>) -> Result<Token, Failure> {
    let text = match file {
        Some(path) if path.as_os_str() == "-" => of(&mut std::io::stdin().lock(), "standard input")?,
        Some(path) => {
            let shown = path.display().to_string();
            let mut file = std::fs::File::open(path).map_err(|error| unreadable(&shown, &error))?;
            of(&mut file, &shown)?
        }
        None => Zeroizing::new(std::env::var(VARIABLE).map_err(|_| {
            Failure::new(
                EXIT_USAGE,
                format!("there is no token: name a file with --token-file, or set {VARIABLE}"),
            )
        })?),
    };
    let token = text.trim();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Failure::new(
            EXIT_USAGE,
            "what should be the token is none: a JWT is one line without spaces",
        ));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn of(source: &mut dyn Read, name: &str) -> Result<Token, Failure> {
    let mut text = Zeroizing::new(String::new());
    // Some bytes more, so that a token that is too long is told as such.
    source
        .take(TOKEN_BYTES_MAX as u64 + 16)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(name, &error))?;
    Ok(text)
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        EXIT_USAGE,
        format!("--token-file: could not read {name}: {error}"),
    )
}
