//! `logship run -- CMD`: what the program, whoever started it and whoever searches later see of it.

use crate::{
    bad_input::{Disk, noise},
    harness::{
        Server, balanced, folder, logship, messages, run, run_by, search, signal, stderr, under_strace, until, wait,
    },
};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// `logship run OPTIONS -- WORDS`, with everything piped.
fn wrapped(data: &Path, options: &[&str], words: &[&str]) -> Command {
    let mut command = logship(data, &["run", "--listen", "127.0.0.1:0"]);
    command.args(options).arg("--").args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A shell script, run to its end without input.
fn script(data: &Path, options: &[&str], script: &str) -> Output {
    wrapped(data, options, &["sh", "-c", script]).stdin(Stdio::null()).output().unwrap()
}

/// The next line; panics at the end.
fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert_ne!(from.read_line(&mut line).unwrap(), 0, "it ended");
    line.trim_end().to_owned()
}

/// Whether a process is gone, or waits for nothing but a parent that asks how it ended.
fn is_dead(process: &str) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X'])
}

#[test]
fn it_ends_as_its_program_does() {
    let data = folder();
    for code in [0, 1, 7, 127, 255] {
        let output = script(data.path(), &[], &format!("exit {code}"));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    for (name, number) in [("KILL", 9), ("TERM", 15), ("INT", 2), ("SEGV", 11), ("ABRT", 6), ("PIPE", 13), ("USR1", 10)]
    {
        let output = script(data.path(), &["--quiet"], &format!("kill -{name} $$"));
        assert_eq!(output.status.signal(), Some(number), "{name} {output:?}");
        assert_eq!(stderr(&output), "", "{name}");
    }
}

#[test]
fn a_program_that_cannot_be_run_starts_nothing() {
    let home = folder();
    let data = home.path().join("data");
    let file = |name: &str, text: &str, mode: u32| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = file("plain", "echo no\n", 0o644);
    let no_interpreter = file("no_interpreter", "#!/nosuch/interpreter\n", 0o755);
    let nosuch = home.path().join("nosuch").to_str().unwrap().to_owned();
    let check = |options: &[&str], program: &str, code: i32, said: &str| {
        let output = wrapped(&data, options, &[program]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(stderr(&output).contains(said), "{output:?}");
    };
    check(&[], "logship-nosuch-program", 127, "cannot run logship-nosuch-program: no program of that name in PATH");
    check(&[], &nosuch, 127, "there is no such file");
    check(&[], &no_interpreter, 127, "the interpreter or loader that it names is not there");
    check(&[], &plain, 126, "Permission denied");
    check(&[], "/", 126, "Permission denied");
    check(&["--drain", "soon"], "true", 2, "--drain soon: expected an age");
    check(&["--as", "nonsense"], "true", 2, "there is no line format");
    let output = logship(&data, &["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!data.exists());
}

#[test]
fn both_streams_pass_unchanged_and_are_stored() {
    let home = folder();
    let file = |name: &str| {
        let path = home.path().join(name);
        let lines: Vec<_> = noise(150_000).lines().map(|line| format!("{name} {line}")).collect();
        let mut bytes = lines.chunks(20).map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n").into_bytes();
        bytes.extend_from_slice(b"\xff\x00 no line end");
        fs::write(&path, &bytes).unwrap();
        (path.to_str().unwrap().to_owned(), bytes)
    };
    let ((out_path, out), (err_path, err)) = (file("out"), file("err"));
    assert!(out.len() > 10_000_000);
    let data = home.path().join("data");
    let both = format!("cat {err_path} >&2 & cat {out_path}; wait");
    let output = script(&data, &["--quiet", "--drain", "60s"], &both);
    assert!(output.status.success());
    assert!(output.stdout == out, "{} bytes", output.stdout.len());
    assert!(output.stderr == err, "{} {}", output.stderr.len(), String::from_utf8_lossy(&output.stderr[err.len()..]));
    for stream in ["stdout", "stderr"] {
        assert_eq!(run(&data, &["search", "-c", &format!("log.iostream:{stream}")]), "7500\n");
    }
}

#[test]
fn signals_reach_the_program_once() {
    let data = folder();
    let names = ["INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT", "TERM"];
    let traps: String = names.iter().map(|name| format!("trap 'echo got {name}' {name}; ")).collect();
    let body = format!("{traps} echo ready; until [ -e {}/end ]; do sleep 0.01; done; exit 3", data.path().display());
    let mut child = wrapped(&data.path().join("data"), &["--quiet"], &["sh", "-c", &body]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut stdout), "ready");
    for name in names {
        signal(&child, name);
        assert_eq!(line(&mut stdout), format!("got {name}"));
    }
    fs::write(data.path().join("end"), "").unwrap();
    assert_eq!(wait(&mut child).code(), Some(3));
    assert_eq!(stdout.lines().count(), 0, "each came once");
}

#[test]
fn ctrl_c_on_a_terminal_reaches_the_program_once() {
    let home = folder();
    let body = home.path().join("body");
    let text = "trap 'echo interrupted' INT\necho ready\nuntil [ -e end ]; do sleep 0.01; done\necho over\nexit 4\n";
    fs::write(&body, text).unwrap();
    let data = home.path().join("data");
    let inner = wrapped(&data, &["--quiet"], &["sh", "body"]);
    let words: Vec<_> =
        [inner.get_program()].into_iter().chain(inner.get_args()).map(|word| word.to_str().unwrap()).collect();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &format!("exec {}", words.join(" ")), "/dev/null"]).current_dir(home.path());
    terminal.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut terminal = terminal.spawn().unwrap();
    let mut stdout = BufReader::new(terminal.stdout.take().unwrap());
    let mut keys = terminal.stdin.take().unwrap();
    assert_eq!(line(&mut stdout), "ready");
    keys.write_all(b"\x03").unwrap();
    keys.flush().unwrap();
    assert_eq!(line(&mut stdout).trim_start_matches("^C"), "interrupted");
    fs::write(home.path().join("end"), "").unwrap();
    assert_eq!(line(&mut stdout), "over");
    assert_eq!(wait(&mut terminal).code(), Some(4));
    drop(keys);
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let data = folder();
    let inner = wrapped(data.path(), &["--quiet"], &["sh", "-c", "kill -HUP $$; exit 3"]);
    let mut outer = Command::new("sh");
    outer.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    assert_eq!(run_by(outer, &inner).output().unwrap().status.code(), Some(3));
}

#[test]
fn the_last_words_of_a_crash_are_found() {
    let data = folder();
    let output = script(data.path(), &["--quiet"], "echo fine; echo 'panic: lost it' >&2; printf half; kill -9 $$");
    assert_eq!(output.status.signal(), Some(9));
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"fine\nhalf"[..], &b"panic: lost it\n"[..]));
    let check = |query: &str, stream: &str| {
        let found = search(data.path(), &[query]);
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        assert_eq!((&found[0]["log"]["iostream"], &found[0]["service"]["name"]), (&stream.into(), &"sh".into()));
    };
    check("fine", "stdout");
    check("half", "stdout");
    check("lost", "stderr");
}

#[test]
fn lines_of_both_streams_keep_their_order_and_the_page_is_up() {
    let data = folder();
    let body = "while read a; do echo \"out $a\"; read b; echo \"err $b\" >&2; done; exit 9";
    let command = wrapped(data.path(), &["--service", "turns"], &["sh", "-c", body]).spawn().unwrap();
    let mut server = Server::of(command);
    let (mut stdin, mut stdout) = (server.stdin(), BufReader::new(server.child.stdout.take().unwrap()));
    let mut expected = Vec::new();
    for turn in 0..20 {
        writeln!(stdin, "{turn}").unwrap();
        assert_eq!(line(&mut stdout), format!("out {turn}"));
        writeln!(stdin, "{turn}").unwrap();
        assert_eq!(server.line(), format!("err {turn}"));
        expected.extend([format!("out {turn}"), format!("err {turn}")]);
    }
    until("all are there", || (server.count("service:turns") == 40).then_some(()));
    let status = server.settled();
    balanced(&status);
    assert!(status["components"].as_array().unwrap().iter().any(|component| component["name"] == "input.process"));
    drop(stdin);
    assert_eq!(server.ended().0.code(), Some(9));
    assert_eq!(messages(&search(data.path(), &[])), expected);
}

#[test]
fn formats_of_both_streams() {
    let data = folder();
    let output = script(data.path(), &["--quiet", "--format", "json"], "echo level=warn msg=a; echo b >&2");
    let message = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["message"].clone();
    assert_eq!((message(&output.stdout), message(&output.stderr)), ("a".into(), "b".into()), "{output:?}");
    let output = script(data.path(), &["--quiet", "--format", "none"], "echo a; echo b >&2");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_program_that_closes_its_streams_is_waited_for() {
    let data = folder();
    let output = script(data.path(), &["--quiet"], "echo before; exec >&- 2>&-; sleep 0.3; exit 6");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(6), &b"before\n"[..]));
}

#[test]
fn a_daemon_that_holds_the_streams_holds_nobody_up() {
    let data = folder();
    let check = |options: &[&str], body: &str, most: u64| {
        let begun = Instant::now();
        let mut child = wrapped(data.path(), &[&["--quiet"], options].concat(), &["sh", "-c", body]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let daemon = line(&mut stdout);
        let draining = std::thread::spawn(move || stdout.lines().count());
        assert_eq!(wait(&mut child).code(), Some(2), "{body}");
        assert!(begun.elapsed() < Duration::from_secs(most), "{:?} {body}", begun.elapsed());
        let _ = Command::new("kill").args(["-KILL", &daemon]).stderr(Stdio::null()).status();
        until("the daemon is dead", || is_dead(&daemon).then_some(()));
        draining.join().unwrap();
    };
    // A second of silence each, and time for slow machines.
    check(&[], "sleep 600 & echo $!; exit 2", 15);
    check(&["--drain", "2s"], "while :; do echo again; sleep 0.01; done & echo $!; exit 2", 15);
    assert!(run(data.path(), &["search", "-c", "again"]).trim().parse::<u64>().unwrap() > 0);
}

#[test]
fn a_second_signal_ends_the_waiting_for_a_daemon() {
    let data = folder();
    let body = "while :; do echo again; sleep 0.01; done & echo $!; exit 2";
    let mut child = wrapped(data.path(), &["--quiet", "--drain", "600s"], &["sh", "-c", body]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let daemon = line(&mut stdout);
    let draining = std::thread::spawn(move || stdout.lines().count());
    // One that comes before the program's end is the program's.
    let ended = until("it ends", || {
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
        child.try_wait().unwrap()
    });
    assert!(matches!(ended.code(), Some(2)) || ended.signal() == Some(15), "{ended}");
    until("the daemon is dead", || is_dead(&daemon).then_some(()));
    draining.join().unwrap();
}

#[test]
fn a_full_disk_stops_no_byte_and_changes_no_exit_code() {
    let Some(disk) = Disk::mount("3m") else { return };
    let (home, text) = (folder(), noise(60_000));
    fs::write(home.path().join("lines"), &text).unwrap();
    let body = format!("cat {}; exit 5", home.path().join("lines").display());
    let output = script(&disk.0.join("data"), &[], &body);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(output.stdout == text.as_bytes());
    assert!(stderr(&output).contains("lines passed on, not stored"), "{}", stderr(&output));
}

#[test]
fn a_disk_that_hangs_holds_nobody_up() {
    let data = folder();
    let inner = wrapped(data.path(), &["--drain", "1s"], &["sh", "-c", "echo $PPID; exit 5"]);
    let mut command = under_strace(&inner, "fdatasync,fsync", "delay_enter=50000000");
    let mut tracer = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let pid = line(&mut BufReader::new(tracer.stdout.take().unwrap()));
    assert_eq!(
        line(&mut BufReader::new(tracer.stderr.take().unwrap())),
        "logship: the last lines may not be stored: that took longer than --drain 1s"
    );
    // The tracer itself outlasts it by what is left of the delay.
    until("it ends", || is_dead(&pid).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    tracer.kill().unwrap();
    tracer.wait().unwrap();
}

#[test]
fn an_unusable_data_directory_stops_nothing() {
    let home = folder();
    let data = home.path().join("file");
    fs::write(&data, "").unwrap();
    let output = script(&data, &[], "echo said; exit 5");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(5), &b"said\n"[..]));
    assert!(stderr(&output).contains("1 lines passed on, not stored"), "{}", stderr(&output));
}

#[test]
fn killed_itself_it_takes_the_program_with_it_and_keeps_what_was_durable() {
    let data = folder();
    let body = "echo $$; echo first; while :; do echo more; sleep 0.01; done";
    let mut server = Server::of(wrapped(data.path(), &[], &["sh", "-c", body]).spawn().unwrap());
    let program = line(&mut BufReader::new(server.child.stdout.take().unwrap()));
    until("a line is there", || (server.count("first") == 1).then_some(()));
    server.kill();
    // Its next write finds nobody who reads.
    until("the program is dead", || is_dead(&program).then_some(()));
    assert_eq!(messages(&search(data.path(), &["first"])), ["first"]);
}

/// The same command as PID 1 of a namespace, where that is allowed.
fn as_pid_1(inner: &Command) -> Option<Child> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["-r", "--fork", "--pid", "--mount-proc"]);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        println!("not tested: this user cannot make namespaces");
        return None;
    }
    let mut command = run_by(unshare(), inner);
    Some(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn as_pid_1_it_reaps_forwards_and_has_the_exit_code() {
    let data = folder();
    let orphans = "for i in 1 2 3; do sh -c 'sh -c \"exit 3\" & echo $!'; done > orphans; \
                   while read pid; do while [ -e /proc/$pid ]; do sleep 0.01; done; done < orphans; echo reaped; ";
    let check = |body: &str, expected: &str, code: i32| {
        let body = format!("cd {}; {body}", data.path().display());
        let inner = wrapped(&data.path().join("data"), &["--quiet"], &["sh", "-c", &body]);
        let Some(mut child) = as_pid_1(&inner) else { return };
        let status = wait(&mut child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
        assert_eq!(status.code(), Some(code), "{output:?}");
    };
    check(&format!("{orphans} exit 7"), "reaped\n", 7);
    check("kill -KILL $$", "", 137);
    check("trap 'echo got; exit 8' TERM; kill -TERM 1; while :; do sleep 0.01; done", "got\n", 8);
}
