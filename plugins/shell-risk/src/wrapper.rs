//! Commands that run another command: what of their words is that command.

use crate::tree::Flat;

/// A wrapper and what stands between its name and the command.
struct Wrapper {
    name: &'static str,
    /// Options that take a value of their own word.
    valued: &'static [&'static str],
    /// Options that take none.
    bare: &'static [&'static str],
    /// How many further words come before the command.
    before: usize,
}

const fn wrapper(
    name: &'static str,
    valued: &'static [&'static str],
    bare: &'static [&'static str],
    before: usize,
) -> Wrapper {
    Wrapper {
        name,
        valued,
        bare,
        before,
    }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper("builtin", &[], &[], 0),
    wrapper("command", &[], &["-p"], 0),
    wrapper("chroot", &[], &[], 1),
    wrapper("doas", &["-u", "-C"], &["-n"], 0),
    wrapper(
        "env",
        &["-u", "--unset", "-C", "--chdir"],
        &["-", "-i", "--ignore-environment", "-0"],
        0,
    ),
    wrapper("exec", &["-a"], &["-c", "-l"], 0),
    wrapper("flock", &["-w", "--timeout"], &["-n", "-x", "-s"], 1),
    wrapper("ionice", &["-c", "-n", "-p"], &["-t"], 0),
    wrapper("nice", &["-n", "--adjustment"], &[], 0),
    wrapper("nohup", &[], &[], 0),
    wrapper("nsenter", &["-t"], &["-a", "-m", "-n", "-p", "-u", "-i"], 0),
    wrapper("runuser", &["-u", "-g"], &["-"], 0),
    wrapper("setsid", &[], &["-f", "-w", "-c"], 0),
    wrapper("stdbuf", &["-i", "-o", "-e"], &[], 0),
    wrapper(
        "sudo",
        &["-u", "-g", "-p", "-C", "-h", "-r", "-t", "-D"],
        &["-n", "-E", "-H", "-S", "-k", "-b", "-i", "-s"],
        0,
    ),
    wrapper(
        "systemd-run",
        &["-p", "--unit", "-u"],
        &["--user", "--scope", "--wait", "--pipe", "-q"],
        0,
    ),
    wrapper("time", &["-o", "-f"], &["-p", "-v", "-a"], 0),
    wrapper(
        "timeout",
        &["-s", "--signal", "-k", "--kill-after"],
        &["--foreground", "--preserve-status", "-v"],
        1,
    ),
    wrapper(
        "unshare",
        &[],
        &["-m", "-n", "-p", "-u", "-i", "-U", "-r", "-f"],
        0,
    ),
    wrapper(
        "watch",
        &["-n", "--interval"],
        &["-d", "-t", "-b", "-e", "-g", "-x"],
        0,
    ),
    wrapper(
        "xargs",
        &["-I", "-n", "-P", "-L", "-d", "-a", "-E", "-s"],
        &["-0", "-r", "-t", "-p", "-x"],
        0,
    ),
    wrapper("busybox", &[], &[], 0),
    wrapper("parallel", &["-j", "--jobs"], &["-k", "-0"], 0),
];

/// What is inside a wrapper.
#[derive(Debug)]
pub(crate) enum Inside<'a> {
    /// It is no wrapper.
    None,
    /// It runs these words.
    Command(&'a [Flat]),
    /// It runs something that cannot be told.
    Unclear,
}

/// Returns what a command runs, if it is a wrapper.
pub(crate) fn inside<'a>(name: &str, words: &'a [Flat]) -> Inside<'a> {
    let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) else {
        return Inside::None;
    };
    let mut rest = &words[1..];
    let mut before = wrapper.before;
    while let [word, after @ ..] = rest {
        let option = word.text.as_str();
        if word.expands && before == 0 {
            break;
        }
        if option == "--" {
            rest = after;
            break;
        }
        if option.starts_with('-') {
            // `-n5`, `--signal=KILL`
            let joined = wrapper.valued.iter().any(|known| {
                let long = known.starts_with("--");
                option
                    .strip_prefix(known)
                    .is_some_and(|value| !value.is_empty() && (!long || value.starts_with('=')))
            });
            rest = if wrapper.bare.contains(&option) || joined {
                after
            } else if wrapper.valued.contains(&option) {
                after.get(1..).unwrap_or_default()
            } else {
                return Inside::Unclear;
            };
        } else if matches!(name, "env" | "sudo" | "doas") && option.contains('=') {
            rest = after;
        } else if before > 0 {
            before -= 1;
            rest = after;
        } else {
            break;
        }
    }
    Inside::Command(rest)
}
