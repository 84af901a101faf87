//! What is known of an operation over SSH before it runs.
//!
//! What a command line would do is for classifiers to say, which read it with a shell's grammar in
//! the sandbox. Here stands only what the protocol itself tells: the channel, the account, the
//! program's own verbs where a client always sends the same (`scp`, `rsync`, git).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::sftp::FileOperation;
use model::{Access, CommandFacts, Facts, OperationKind, RelationUse, StatementFacts};

/// What a client asks of the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Start {
    /// A command line, as sent.
    Exec(Vec<u8>),
    /// A shell.
    Shell,
    /// The subsystem `sftp`.
    Sftp,
    /// A connection to another host.
    Forward {
        /// Whither.
        host: String,
        /// The port there.
        port: u16,
    },
}

impl Start {
    /// Returns the word policies know it by.
    #[must_use]
    pub const fn channel(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Shell => "shell",
            Self::Sftp => "sftp",
            Self::Forward { .. } => "forward",
        }
    }

    /// Returns the command line as text; what is no UTF-8 is written as escapes.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Exec(line) => Some(match std::str::from_utf8(line) {
                Ok(line) => Cow::Borrowed(line),
                Err(_) => Cow::Owned(line.escape_ascii().to_string()),
            }),
            Self::Shell | Self::Sftp | Self::Forward { .. } => None,
        }
    }

    /// Whether it is a command with which a client's own program carries files, in a protocol in
    /// which nothing can be masked.
    #[must_use]
    pub fn carries_files(&self) -> bool {
        self.text().is_some_and(|line| transfer(&line).is_some())
    }

    /// Returns what people and the journal are shown of it: nothing in it moves a cursor, turns
    /// the direction of writing or is invisible.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Exec(_) => visible(&self.text().unwrap_or_default()),
            Self::Shell => "(a shell)".to_owned(),
            Self::Sftp => "(file transfer by sftp)".to_owned(),
            Self::Forward { host, port } => format!("(a connection to {}:{port})", visible(host)),
        }
    }

    /// Returns the operation's exact bytes, to which an approval is bound.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.channel().as_bytes().to_vec();
        bytes.push(0);
        match self {
            Self::Exec(line) => bytes.extend_from_slice(line),
            Self::Shell | Self::Sftp => {}
            Self::Forward { host, port } => bytes.extend_from_slice(format!("{host}:{port}").as_bytes()),
        }
        bytes
    }
}

/// What goes with an operation.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The account on the host.
    pub account: &'a str,
    /// Whether there is a terminal.
    pub terminal: bool,
    /// The variables that are passed on.
    pub environment: &'a BTreeMap<String, String>,
}

/// Returns the facts of an operation.
///
/// Nobody can tell what a command or a shell does: their kind is the gravest. A command that only a
/// client's own program sends, and that by itself only reads, is a read.
#[must_use]
pub fn facts(start: &Start, around: Around<'_>) -> Facts {
    let text = start.text();
    let mut paths = Vec::new();
    let (verb, kind, writes) = match start {
        Start::Exec(_) => match transfer(text.as_deref().unwrap_or_default()) {
            Some(Transfer { verb, reads, of }) => {
                paths = of;
                match reads {
                    true => (verb, OperationKind::Read, false),
                    false => (verb, OperationKind::Write, true),
                }
            }
            None => ("exec", OperationKind::Privilege, true),
        },
        Start::Shell => ("shell", OperationKind::Privilege, true),
        Start::Sftp => ("sftp", OperationKind::Session, false),
        Start::Forward { .. } => ("forward", OperationKind::Write, true),
    };
    let target = match start {
        Start::Forward { host, port } => Some(format!("{host}:{port}")),
        Start::Exec(_) | Start::Shell | Start::Sftp => None,
    };
    let access = if writes { Access::Write } else { Access::Read };
    let relations = target.iter().chain(&paths).map(|name| RelationUse {
        schema: None,
        name: name.clone(),
        access,
        tags: Vec::new(),
    });
    Facts {
        statements: vec![StatementFacts {
            verb: verb.to_owned(),
            writes,
            utility: true,
            relations: relations.collect(),
            ..StatementFacts::bare(kind)
        }],
        request: None,
        command: Some(CommandFacts {
            account: around.account.to_owned(),
            channel: start.channel().to_owned(),
            text: text.map(Cow::into_owned),
            terminal: around.terminal,
            environment: around.environment.clone(),
            paths: paths.clone(),
            target,
        }),
    }
}

/// Returns the facts of a request over SFTP that names paths.
#[must_use]
pub fn file_facts(operation: &FileOperation, around: Around<'_>) -> Facts {
    let relations = operation.paths.iter().map(|(path, access)| RelationUse {
        schema: None,
        name: path.clone(),
        access: *access,
        tags: Vec::new(),
    });
    let mut facts = facts(&Start::Sftp, around);
    facts.statements = vec![StatementFacts {
        verb: format!("sftp {}", operation.verb),
        writes: operation.kind > OperationKind::Read,
        utility: true,
        relations: relations.collect(),
        ..StatementFacts::bare(operation.kind)
    }];
    if let Some(command) = &mut facts.command {
        command.paths = operation.paths.iter().map(|(path, _)| path.clone()).collect();
    }
    facts
}

/// What a file-transfer client asks for by itself.
struct Transfer {
    verb: &'static str,
    /// Whether it only reads.
    reads: bool,
    /// The paths, as sent.
    of: Vec<String>,
}

/// Reads a command that a file-transfer client sends by itself. What a shell would make anything
/// else of is not taken for one.
fn transfer(line: &str) -> Option<Transfer> {
    let special = |c: char| c.is_control() || "\"'\\`$;&|<>(){}*?[]~#!".contains(c);
    let (program, rest) = line.split_once(' ')?;
    // Git quotes its only argument.
    let quoted = rest
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .is_some_and(|path| !path.contains('\'') && !path.chars().any(char::is_control));
    if quoted {
        let (verb, reads) = match program {
            "git-upload-pack" => ("git upload-pack", true),
            "git-upload-archive" => ("git upload-archive", true),
            "git-receive-pack" => ("git receive-pack", false),
            _ => return None,
        };
        let of = vec![rest.trim_matches('\'').to_owned()];
        return Some(Transfer { verb, reads, of });
    }
    if rest.contains(special) {
        return None;
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let (verb, reads) = match program {
        "scp" if words.contains(&"-f") => ("scp download", true),
        "scp" if words.contains(&"-t") => ("scp upload", false),
        "rsync" if words.contains(&"--server") => {
            // These have the other side run or remove something.
            let plain = !words
                .iter()
                .any(|word| word.starts_with("--rsync-path") || word.starts_with("--remove"));
            match words.contains(&"--sender") && plain {
                true => ("rsync download", true),
                false => ("rsync upload", false),
            }
        }
        _ => return None,
    };
    // rsync writes a dot where its options end.
    let paths = words
        .iter()
        .filter(|word| !word.starts_with('-') && **word != ".");
    let of = paths.map(|path| (*path).to_owned()).collect();
    Some(Transfer { verb, reads, of })
}

/// Returns text in which everything can be seen for what it is.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}'
                | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
        if hidden {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(line: &str) -> (String, OperationKind) {
        let around = Around {
            account: "deploy",
            terminal: false,
            environment: &BTreeMap::new(),
        };
        let facts = facts(&Start::Exec(line.as_bytes().to_vec()), around);
        (facts.statements[0].verb.clone(), facts.kind())
    }

    #[test]
    fn what_transfer_clients_send_is_known_by_its_verb() {
        use OperationKind::{Privilege, Read, Write};
        for (line, verb, kind) in [
            ("scp -f /var/log/app.log", "scp download", Read),
            ("scp -r -p -t /srv/app", "scp upload", Write),
            (
                "rsync --server --sender -vlogDtpre.iLsfxCIvu . /srv",
                "rsync download",
                Read,
            ),
            (
                "rsync --server -vlogDtpre.iLsfxCIvu . /srv",
                "rsync upload",
                Write,
            ),
            ("git-upload-pack '/srv/repository.git'", "git upload-pack", Read),
            (
                "git-receive-pack '/srv/repository.git'",
                "git receive-pack",
                Write,
            ),
            ("uptime", "exec", Privilege),
            ("scp -f x; rm -rf /", "exec", Privilege),
            ("scp -f $(reboot)", "exec", Privilege),
            ("git-upload-pack 'x'; reboot 'y'", "exec", Privilege),
            ("git-upload-pack 'x\ny'", "exec", Privilege),
            (
                "rsync --server --sender --remove-source-files . /srv",
                "rsync upload",
                Write,
            ),
        ] {
            assert_eq!(kind_of(line), (verb.to_owned(), kind), "{line}");
        }
    }

    #[test]
    fn a_transfer_names_its_paths() {
        let around = Around {
            account: "deploy",
            terminal: false,
            environment: &BTreeMap::new(),
        };
        for (line, path) in [
            ("scp -r -f /srv/app", "/srv/app"),
            ("rsync --server --sender -vlogDtpre.iLsfxCIvu . /srv", "/srv"),
            ("git-upload-pack '/srv/a b.git'", "/srv/a b.git"),
        ] {
            let facts = facts(&Start::Exec(line.as_bytes().to_vec()), around);
            assert_eq!(facts.command.expect("a command").paths, [path], "{line}");
            assert_eq!(facts.statements[0].relations[0].name, path, "{line}");
        }
    }

    #[test]
    fn what_people_are_shown_hides_nothing() {
        let start = Start::Exec("echo \u{202e}oops\x1b[2K\u{200b}\rls".as_bytes().to_vec());
        assert_eq!(start.shown(), r"echo \u{202e}oops\u{1b}[2K\u{200b}\u{d}ls");
        let start = Start::Exec(b"cat \xff".to_vec());
        assert_eq!(start.shown(), r"cat \xff");
    }

    #[test]
    fn operations_that_differ_have_different_bytes() {
        let starts = [
            Start::Exec(b"ls".to_vec()),
            Start::Exec(b"ls ".to_vec()),
            Start::Shell,
            Start::Sftp,
            Start::Forward {
                host: "db".to_owned(),
                port: 1,
            },
            Start::Forward {
                host: "db".to_owned(),
                port: 2,
            },
        ];
        for (index, one) in starts.iter().enumerate() {
            assert!(starts[..index].iter().all(|other| other.bytes() != one.bytes()));
        }
    }
}
