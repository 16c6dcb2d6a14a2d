//! `app | logship` on a terminal: a pseudoterminal of `script`.

use crate::harness::{folder, logship, outcome, until};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

const LINES: &str = "2026-01-02 03:04:05 ERROR pay failed\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n";

/// Starts `logship ARGS < INPUT` on a terminal of its own.
fn on_terminal(data: &Path, args: &[&str], environment: &[(&str, &str)], input: &Path) -> Child {
    let mut all = vec!["--listen", "127.0.0.1:0", "--quiet"];
    all.extend(args);
    let inner = logship(data, &all);
    let words: Vec<_> =
        [inner.get_program()].into_iter().chain(inner.get_args()).map(|word| word.to_str().unwrap()).collect();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("exec {} < {}", words.join(" "), input.display()), "/dev/null"]);
    for (name, value) in inner.get_envs().filter(|(name, _)| *name != "NO_COLOR") {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env_remove("NO_COLOR").env("TERM", "xterm").env("SHELL", "/bin/sh").envs(environment.iter().copied());
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    started.unwrap_or_else(|cause| panic!("tests need script: {cause} (on Debian: sudo apt-get install bsdutils)"))
}

#[test]
fn the_look_of_a_terminal() {
    let home = folder();
    let input = home.path().join("input");
    std::fs::write(&input, LINES).unwrap();
    let check = |args: &[&str], environment: &[(&str, &str)], expected: &str| {
        let data = folder();
        let output = on_terminal(data.path(), args, environment, &input).wait_with_output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
        assert_eq!(shown, expected, "{args:?} {environment:?}");
        assert!(output.status.success());
    };
    let colored = "\x1b[2m03:04:05.000\x1b[0m \x1b[1;31mERROR\x1b[0m pay failed\n\
                   \x1b[2m    java.lang.IllegalStateException: no\x1b[0m\n\x1b[2m    \tat a.B.c(B.java:1)\x1b[0m\n";
    let plain = "03:04:05.000 ERROR pay failed\n    java.lang.IllegalStateException: no\n    \tat a.B.c(B.java:1)\n";
    check(&[], &[], colored);
    check(&[], &[("NO_COLOR", "1")], plain);
    check(&[], &[("NO_COLOR", "")], colored);
    check(&[], &[("TERM", "dumb")], plain);
    check(&["--format", "pretty"], &[], colored);
    check(&["--format", "raw"], &[], LINES);
    check(&["--format", "none"], &[], "");
}

#[test]
fn a_closed_terminal_stops_no_storing() {
    let data = folder();
    let input = data.path().join("input");
    assert!(Command::new("mkfifo").arg(&input).status().unwrap().success());
    let mut terminal = on_terminal(&data.path().join("data"), &[], &[], &input);
    let mut app = std::fs::OpenOptions::new().write(true).open(&input).unwrap();
    writeln!(app, "before").unwrap();
    let mut shown = String::new();
    BufReader::new(terminal.stdout.take().unwrap()).read_line(&mut shown).unwrap();
    assert!(shown.contains("before"), "{shown}");
    // Its end is the end of the terminal.
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    writeln!(app, "after").unwrap();
    drop(app);
    let data = data.path().join("data");
    until("both lines are stored", || (outcome(&data, &["search", "-c", ""]).stdout == b"2\n").then_some(()));
    until("it has ended", || (!data.join("server.json").exists()).then_some(()));
}
