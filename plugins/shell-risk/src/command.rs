//! What one simple command could do.

use crate::tree::Flat;
use crate::wrapper::{Inside, inside};
use crate::{Findings, text};

/// Whether a command's input is what another one prints, or text of the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Piped {
    Yes,
    No,
}

const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh", "rbash",
];

/// Interpreters, with the options behind which their code stands.
const INTERPRETERS: &[(&str, &[&str])] = &[
    ("python", &["-c"]),
    ("perl", &["-e", "-E"]),
    ("ruby", &["-e"]),
    ("node", &["-e", "--eval", "-p"]),
    ("php", &["-r"]),
    ("lua", &["-e"]),
    ("osascript", &["-e"]),
    ("pwsh", &["-c", "-Command", "-EncodedCommand"]),
    ("psql", &[]),
    ("gdb", &["-ex", "-x"]),
];

const EVAL: &[&str] = &[
    "eval", "source", ".", "trap", "alias", "exec", "enable", "bind", "complete", "hash", "builtin",
];

const NETWORK: &[&str] = &[
    "curl", "wget", "nc", "ncat", "netcat", "socat", "telnet", "ftp", "tftp", "ssh", "scp", "sftp", "rsync",
    "aria2c", "lynx", "w3m", "mail", "sendmail", "dig", "nslookup", "nmap", "git", "aws", "gcloud", "az",
];

const PRIVILEGE: &[&str] = &[
    "sudo", "su", "doas", "runuser", "pkexec", "passwd", "chpasswd", "useradd", "userdel", "usermod",
    "adduser", "deluser", "groupadd", "gpasswd", "visudo", "setcap", "chown", "chgrp", "newgrp", "login",
];

const SYSTEM: &[&str] = &[
    "reboot",
    "shutdown",
    "poweroff",
    "halt",
    "init",
    "telinit",
    "mkfs",
    "fdisk",
    "parted",
    "wipefs",
    "mount",
    "umount",
    "swapoff",
    "iptables",
    "ip6tables",
    "nft",
    "ufw",
    "sysctl",
    "modprobe",
    "insmod",
    "rmmod",
    "systemctl",
    "service",
    "kill",
    "killall",
    "pkill",
    "nsenter",
    "chroot",
    "docker",
    "podman",
    "kubectl",
    "crictl",
    "ctr",
    "setenforce",
    "hwclock",
    "dmsetup",
    "lvremove",
    "apt",
    "apt-get",
    "dpkg",
    "yum",
    "dnf",
    "rpm",
    "apk",
    "pacman",
    "pip",
    "npm",
    "gem",
];

const REMOVE: &[&str] = &["rm", "rmdir", "unlink", "shred", "truncate"];

const WRITE: &[&str] = &[
    "tee", "cp", "mv", "install", "ln", "dd", "touch", "mkdir", "chmod", "patch", "tar", "unzip",
];

const LATER: &[&str] = &["crontab", "at", "batch", "systemd-run"];

/// Where things are run from later.
const RUN_LATER: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".kshrc",
    ".inputrc",
    "authorized_keys",
    ".ssh/rc",
    ".ssh/config",
    "/etc/cron",
    "/var/spool/cron",
    "/etc/systemd",
    "/lib/systemd",
    ".config/systemd",
    "/etc/profile",
    "/etc/ld.so",
    "/etc/rc",
    "/etc/init",
    "/etc/sudoers",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/pam",
    "/etc/ssh",
    ".git/hooks",
    ".gitconfig",
    "/etc/bash",
    "/.config/autostart",
];

const SECRETS: &[&str] = &[
    "/etc/shadow",
    "/etc/gshadow",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    ".aws/",
    ".kube/config",
    ".docker/config",
    ".netrc",
    ".pgpass",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    "/proc/self/environ",
    ".env",
    "/run/secrets",
    "/var/run/secrets",
    ".gnupg",
    "shadow-",
    "ssh_host_",
    "private.key",
    ".vault-token",
    "history",
];

/// Variables by which other code is run.
const VARIABLES: &[&str] = &[
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LESSOPEN",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_EDITOR",
    "GIT_PAGER",
    "GIT_EXTERNAL_DIFF",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYOPT",
    "NODE_OPTIONS",
    "HOME",
    "SHELL",
];

/// Options of common programs behind which a command stands.
const ESCAPES: &[(&str, &[&str])] = &[
    (
        "find",
        &[
            "-exec", "-execdir", "-ok", "-okdir", "-fprintf", "-fprint", "-fls",
        ],
    ),
    (
        "tar",
        &[
            "--checkpoint-action",
            "--to-command",
            "-I",
            "--use-compress-program",
            "--rsh-command",
        ],
    ),
    ("ssh", &["ProxyCommand", "LocalCommand", "KnownHostsCommand"]),
    ("scp", &["-S", "ProxyCommand"]),
    ("rsync", &["-e", "--rsh", "--rsync-path"]),
    (
        "git",
        &[
            "core.",
            "alias.",
            "-c",
            "--upload-pack",
            "--receive-pack",
            "--exec-path",
        ],
    ),
    ("vi", &["-c", "+!", "--cmd"]),
    ("vim", &["-c", "+!", "--cmd"]),
    ("ed", &["!"]),
    ("sed", &["-i", "e", "w"]),
    ("make", &["-f", "--eval", "SHELL="]),
    ("zip", &["-TT", "-T"]),
    ("man", &["-P"]),
    ("less", &["+!"]),
];

/// Judges a command by its words, of which there is one at least.
pub(crate) fn judge(words: &[Flat], piped: Piped, depth: usize, findings: &mut Findings) {
    let Some(first) = words.first() else { return };
    if first.expands || (first.quoted && !first.text.contains(['/', ' '])) {
        findings.add(
            "shell.dynamic-name",
            "the name of a command is made by the shell, or written so that it cannot be seen for what it is.",
        );
    }
    if !first.text.is_ascii() {
        findings.add(
            "shell.hidden",
            "the name of a command has letters that look like others.",
        );
    }
    let name = first.text.rsplit('/').next().unwrap_or_default();
    let arguments = &words[1..];
    by_name(name, arguments, piped, findings);
    interpreter(name, arguments, piped, depth, findings);
    for word in arguments {
        file(word, false, findings);
    }
    if let Some((_, options)) = ESCAPES.iter().find(|(known, _)| *known == name) {
        let escapes = |word: &&Flat| {
            options
                .iter()
                .any(|option| option.len() > 1 && word.text.contains(option))
        };
        if let Some(word) = arguments.iter().find(escapes) {
            let message = format!(
                "`{name}` can run a command that stands behind `{}`.",
                shown(&word.text)
            );
            findings.add("shell.eval", message);
        }
        if name == "find" {
            within_find(arguments, depth, findings);
        }
    }
    match inside(name, words) {
        Inside::None => {}
        Inside::Command([]) => {}
        Inside::Command(rest) => judge(rest, piped, depth + 1, findings),
        Inside::Unclear => findings.add(
            "shell.wrapper",
            format!("`{name}` runs another command, with options that are not known here."),
        ),
    }
}

fn by_name(name: &str, arguments: &[Flat], piped: Piped, findings: &mut Findings) {
    let has = |flag: char| {
        arguments.iter().any(|word| {
            let text = word.text.as_str();
            text.starts_with('-') && !text.starts_with("--") && text[1..].contains(flag)
        })
    };
    let long = |option: &str| arguments.iter().any(|word| word.text.starts_with(option));
    if EVAL.contains(&name) {
        findings.add("shell.eval", format!("`{name}` runs text as a command."));
    }
    if NETWORK.contains(&name) {
        findings.add("shell.network", format!("`{name}` talks to other machines."));
    }
    if PRIVILEGE.contains(&name) {
        findings.add(
            "shell.privilege",
            format!("`{name}` changes whose rights are used, or who has which."),
        );
    }
    if name == "chmod"
        && arguments
            .iter()
            .any(|word| word.text.contains("+s") || is_setuid(&word.text))
    {
        findings.add(
            "shell.privilege",
            "`chmod` makes a program run with its owner's rights.",
        );
    }
    if SYSTEM.contains(&name) || name.starts_with("mkfs.") {
        findings.add("shell.system", format!("`{name}` changes the machine itself."));
    }
    if name == "dd" && long("of=/dev/") {
        findings.add("shell.system", "`dd` writes to a device.");
    }
    if REMOVE.contains(&name) {
        let recursive = has('r') || has('R') || long("--recursive");
        let wide =
            |word: &Flat| word.expands || matches!(word.text.trim_end_matches('/'), "" | "~" | "." | "..");
        let targets = || arguments.iter().filter(|word| !word.text.starts_with('-'));
        if recursive && targets().any(|word| wide(word) || is_near_the_root(&word.text)) {
            findings.add(
                "shell.delete-tree",
                "it removes a whole tree, and what that is may be very much.",
            );
        }
        findings.add("shell.delete", format!("`{name}` removes."));
    }
    if WRITE.contains(&name) {
        findings.add("shell.write", format!("`{name}` writes."));
        arguments.iter().for_each(|word| file(word, true, findings));
    }
    if LATER.contains(&name) {
        findings.add("shell.persistence", format!("`{name}` has something run later."));
    }
    let decodes = match name {
        "base64" | "base32" => has('d') || has('D') || long("--decode"),
        "xxd" => has('r'),
        "openssl" => arguments.iter().any(|word| word.text == "-d"),
        "gunzip" | "zcat" | "uudecode" | "rev" => piped == Piped::Yes,
        _ => false,
    };
    if decodes {
        findings.add(
            "shell.decode",
            format!("`{name}` unfolds text that cannot be read here."),
        );
    }
    if matches!(
        name,
        "export" | "declare" | "typeset" | "readonly" | "local" | "env"
    ) {
        for word in arguments {
            if let Some((variable_name, _)) = word.text.split_once('=') {
                variable(variable_name, findings);
            }
        }
    }
    if matches!(name, "awk" | "gawk" | "mawk")
        && arguments
            .iter()
            .any(|word| word.text.contains("system(") || word.text.contains('|'))
    {
        findings.add("shell.interpreter", format!("`{name}` runs other commands."));
    }
}

/// Shells and languages: with code on the line, or with code that comes in.
fn interpreter(name: &str, arguments: &[Flat], piped: Piped, depth: usize, findings: &mut Findings) {
    let shell = SHELLS.contains(&name);
    let language = INTERPRETERS
        .iter()
        .find(|(known, _)| name == *known || name.strip_prefix(known).is_some_and(is_version));
    if !shell && language.is_none() {
        return;
    }
    let script = arguments
        .iter()
        .find(|word| !word.text.starts_with('-') || word.text.len() < 2);
    if piped == Piped::Yes && name != "psql" {
        findings.add("shell.pipe-to-shell", format!("`{name}` runs what comes in."));
    }
    if shell {
        let code = arguments.iter().position(|word| {
            let text = word.text.as_str();
            text.starts_with('-') && !text.starts_with("--") && text.ends_with('c')
        });
        if let Some(code) = code {
            findings.add(
                "shell.interpreter",
                format!("`{name}` runs a command line of its own."),
            );
            match arguments.get(code + 1) {
                Some(line) if !line.expands => text::parsed(&line.text, depth + 1, findings),
                _ => findings.add(
                    "shell.dynamic-name",
                    "the command line that a shell runs is made by the shell.",
                ),
            }
            return;
        }
    }
    let code = language.is_some_and(|(_, options)| {
        arguments
            .iter()
            .any(|word| options.iter().any(|option| word.text.starts_with(option)))
    });
    if code || shell || script.is_none_or(|word| word.expands) {
        findings.add(
            "shell.interpreter",
            format!("`{name}` runs code that is not looked into."),
        );
    }
}

/// The command behind `find -exec`.
fn within_find(arguments: &[Flat], depth: usize, findings: &mut Findings) {
    if arguments.iter().any(|word| word.text == "-delete") {
        findings.add("shell.delete-tree", "`find` removes everything that it finds.");
    }
    let mut rest = arguments;
    while let Some(at) = rest
        .iter()
        .position(|word| matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"))
    {
        rest = &rest[at + 1..];
        let end = rest
            .iter()
            .position(|word| matches!(word.text.as_str(), ";" | "+"));
        let command = &rest[..end.unwrap_or(rest.len())];
        if depth < text::DEPTH_MAX {
            judge(command, Piped::No, depth + 1, findings);
        }
        rest = &rest[command.len()..];
    }
}

/// Judges a file that is named: read, or written.
pub(crate) fn file(word: &Flat, writes: bool, findings: &mut Findings) {
    let path = word.text.as_str();
    if writes && !matches!(path, "/dev/null" | "/dev/stdout" | "/dev/stderr" | "") && !path.starts_with('-') {
        findings.add("shell.write", "it writes a file.");
        if RUN_LATER.iter().any(|place| path.contains(place)) {
            findings.add(
                "shell.persistence",
                format!("it writes to `{}`, which decides what runs later.", shown(path)),
            );
        }
        if path.starts_with("/dev/") && !path.starts_with("/dev/fd") {
            findings.add("shell.system", "it writes to a device.");
        }
    }
    if path.contains("/dev/tcp/") || path.contains("/dev/udp/") {
        findings.add("shell.network", "it opens a connection by the shell itself.");
    }
    if SECRETS.iter().any(|secret| path.contains(secret)) {
        findings.add(
            "shell.secrets",
            format!("`{}` may hold credentials.", shown(path)),
        );
    }
}

/// Judges a variable that is set.
pub(crate) fn variable(name: &str, findings: &mut Findings) {
    if VARIABLES.contains(&name) || name.starts_with("LD_") || name.starts_with("DYLD_") {
        findings.add(
            "shell.environment",
            format!("it sets `{name}`, by which other code can be run."),
        );
    }
}

fn is_version(rest: &str) -> bool {
    !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_setuid(mode: &str) -> bool {
    mode.len() == 4 && mode.chars().all(|c| c.is_digit(8)) && matches!(mode.as_bytes()[0], b'2'..=b'7')
}

/// Whether a path is a directory directly below the root, or a home.
fn is_near_the_root(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    path.starts_with('/') && (parts.next().is_none() || parts.next().is_none())
}

/// Cuts what is quoted from the command in a message.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
