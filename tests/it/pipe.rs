//! `app | logship`, as an app sees it and as the person beside it does.

use crate::harness::{
    Server, files, folder, logship, messages, outcome, pipe, run, search, signal, spawn_pipe, stderr, tells_of_losses,
    under_strace, until, wait,
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

#[test]
fn lines_are_passed_on_stored_and_found() {
    let data = folder();
    let output = pipe(data.path(), &[], b"level=error msg=\"boom\"\nplain text\n");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"level=error msg=\"boom\"\nplain text\n");
    assert!(stderr(&output).contains("logship: http://127.0.0.1:"), "{output:?}");
    let found = search(data.path(), &["boom"]);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["message"], &found[0]["log"]["level"]), (&"boom".into(), &"error".into()));
    assert_eq!(run(data.path(), &["search", "-c", ""]), "2\n");
}

#[test]
fn bytes_pass_before_they_are_framed() {
    let data = folder();
    let mut child = spawn_pipe(data.path(), &[]);
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(b"no line end yet").unwrap();
    let mut seen = [0; 15];
    stdout.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"no line end yet");
    drop(stdin);
    assert!(wait(&mut child).success());
    assert_eq!(messages(&search(data.path(), &[])), ["no line end yet"]);
}

#[test]
fn a_closed_stdout_stops_the_printing_not_the_storing() {
    let data = folder();
    let mut child = spawn_pipe(data.path(), &[]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..1_000 {
        writeln!(stdin, "line {number}").unwrap();
    }
    drop(stdin);
    assert!(wait(&mut child).success());
    assert_eq!(run(data.path(), &["search", "-c", "line"]), "1000\n");
}

#[test]
fn formats_of_stdout() {
    let line = b"time=2026-01-02T03:04:05Z level=warn service=api msg=\"slow query\" took=12\n";
    let check = |format: &str, expected: &str| {
        let output = pipe(folder().path(), &["--format", format], line);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{format}");
    };
    check("none", "");
    check("raw", std::str::from_utf8(line).unwrap());
    check("pretty", "03:04:05.000 WARN  api      slow query took=12\n");
    check(
        "json",
        "{\"@timestamp\":\"2026-01-02T03:04:05.000Z\",\"message\":\"slow query\",\"log\":{\"level\":\"warn\"},\
         \"service\":{\"name\":\"api\"},\"took\":12}\n",
    );
}

#[test]
fn a_stack_trace_is_one_event() {
    let data = folder();
    let lines = b"2026-01-02 03:04:05 ERROR pay failed\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n\
                  Caused by: java.io.IOException: gone\n\t... 1 more\n2026-01-02 03:04:06 INFO next\n";
    assert!(pipe(data.path(), &[], lines).status.success());
    let found = search(data.path(), &["failed"]);
    assert_eq!(found.len(), 1);
    assert!(found[0]["error"]["stack_trace"].as_str().unwrap().contains("Caused by"), "{found:?}");
    assert_eq!(found[0]["error"]["type"], "java.lang.IllegalStateException");
    assert_eq!(run(data.path(), &["search", "-c", ""]), "2\n");
}

#[test]
fn a_second_pipe_joins_and_takes_over() {
    let data = folder();
    let mut first = Server::of(spawn_pipe(data.path(), &[]));
    let mut first_stdin = first.stdin();
    let mut second = spawn_pipe(data.path(), &[]);
    let mut second_stdin = second.stdin.take().unwrap();
    let mut second_stderr = BufReader::new(second.stderr.take().unwrap());
    let mut said = String::new();
    second_stderr.read_line(&mut said).unwrap();
    assert_eq!(said.trim().trim_end_matches('/'), format!("logship: {}", first.url), "it names the owner's page");

    writeln!(second_stdin, "from the second").unwrap();
    until("the owner has the other's line", || (first.count("second") == 1).then_some(()));
    writeln!(first_stdin, "from the first").unwrap();
    drop(first_stdin);
    assert!(wait(&mut first.child).success());

    said.clear();
    second_stderr.read_line(&mut said).unwrap();
    assert!(said.starts_with("logship: http://"), "the second has taken over: {said}");
    writeln!(second_stdin, "alone now").unwrap();
    drop(second_stdin);
    assert!(wait(&mut second).success());
    let mut all = messages(&search(data.path(), &[]));
    all.sort();
    assert_eq!(all, ["alone now", "from the first", "from the second"]);
}

#[test]
fn ctrl_c_reads_to_the_end_and_the_second_stops() {
    let data = folder();
    let mut server = Server::of(spawn_pipe(data.path(), &[]));
    let mut stdin = server.stdin();
    signal(&server.child, "INT");
    writeln!(stdin, "said while ending").unwrap();
    until("the line is there", || (server.count("ending") == 1).then_some(()));
    signal(&server.child, "INT");
    assert!(
        wait(&mut server.child).success(),
        "the app still holds the pipe open, but the second Ctrl-C is for logship"
    );
    assert_eq!(messages(&search(data.path(), &[])), ["said while ending"]);
    drop(stdin);
}

/// Longest from the signal to the exit: five seconds are promised, a busy machine may take some more.
const STOP_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_stopped_pipe_has_stored_what_it_showed() {
    let data = folder();
    let mut child = spawn_pipe(data.path(), &[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut shown = String::new();
    stdin.write_all(b"before the signal\n").unwrap();
    stdout.read_line(&mut shown).unwrap();
    // An app that does not care; it ends when nobody reads any more.
    let app = std::thread::spawn(move || while stdin.write_all(b"and on\n").is_ok() {});
    let reading = std::thread::spawn(move || stdout.read_to_string(&mut shown).map(|_| shown));
    let begun = Instant::now();
    // Again and again, because signals that come together are one.
    let status = until("it stops", || {
        signal(&child, "INT");
        child.try_wait().unwrap()
    });
    assert!(begun.elapsed() < STOP_MAX, "{:?}", begun.elapsed());
    app.join().unwrap();
    let shown = reading.join().unwrap().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{said}");
    assert!(said.contains("stopped before the input ended; everything read until then is stored"), "{said}");
    let count = run(data.path(), &["search", "-c", ""]).trim().parse::<usize>().unwrap();
    assert_eq!(count, shown.lines().count());
}

#[test]
fn a_terminated_pipe_ends_though_its_input_stays_open() {
    let data = folder();
    let mut child = spawn_pipe(data.path(), &[]);
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut shown = String::new();
    writeln!(stdin, "before").unwrap();
    stdout.read_line(&mut shown).unwrap();
    let begun = Instant::now();
    signal(&child, "TERM");
    writeln!(stdin, "its last words").unwrap();
    stdout.read_line(&mut shown).unwrap();
    let status = wait(&mut child);
    assert!(begun.elapsed() < STOP_MAX, "{:?}", begun.elapsed());
    assert!(status.success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("stopped before the input ended; everything read until then is stored"), "{said}");
    assert_eq!(messages(&search(data.path(), &[])), ["before", "its last words"]);
    drop(stdin);
}

#[test]
fn serve_keeps_the_page_up() {
    let data = folder();
    let mut server = Server::of(spawn_pipe(data.path(), &["--serve"]));
    let mut stdin = server.stdin();
    writeln!(stdin, "only line").unwrap();
    drop(stdin);
    until("the line is there", || (server.count("only") == 1).then_some(()));
    server.stop();
}

#[test]
fn a_taken_port_is_no_obstacle_for_a_pipe_but_for_a_server() {
    let (data, other) = (folder(), folder());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = logship(data.path(), &["--listen", &address]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut server = Server::of(child);
    assert_ne!(server.url, format!("http://{address}"));
    drop(server.stdin());
    assert!(wait(&mut server.child).success());

    let refused = outcome(other.path(), &["server", "--listen", &address]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&address) && stderr(&refused).lines().count() == 1, "{refused:?}");
}

#[test]
fn a_data_directory_that_cannot_be_written_costs_no_line_of_output() {
    let data = folder();
    // A file in its place fails for root, too.
    let blocked = data.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let output = pipe(&blocked.join("below"), &[], b"a\nb\n");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"a\nb\n"[..], Some(1)));
    assert!(stderr(&output).contains("2 lines passed on, not stored"), "{output:?}");
}

#[test]
fn an_input_that_cannot_be_read_is_a_failure() {
    let data = folder();
    // Its first page is nobody's, so that reading it fails.
    let unreadable = std::fs::File::open("/proc/self/mem").unwrap();
    let mut command = logship(data.path(), &["--listen", "127.0.0.1:0", "--quiet"]);
    let output = command.stdin(unreadable).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.starts_with("logship: cannot read stdin to its end: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_disk_that_stalls_costs_no_line_unsaid() {
    const LINES: usize = 8;
    let data = folder();
    // Each thread's first sync takes longer than a pipe waits, the one at the start too, and more comes than queues hold.
    let inner = logship(data.path(), &["--listen", "127.0.0.1:0", "--quiet"]);
    let mut command = under_strace(&inner, "fdatasync", "delay_enter=3000000:when=1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..LINES {
        let mut line = format!("line {number} ").into_bytes();
        line.resize(1_000_000, b'x');
        line.extend_from_slice(b" end\n");
        stdin.write_all(&line).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lost = said.trim().strip_prefix("logship: ").and_then(|text| text.split_once(" lines passed on, not stored"));
    let (lost, why) = lost.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(why, " (storing took longer than 2 s)");
    let (told, found): (Vec<_>, Vec<_>) = search(data.path(), &[]).into_iter().partition(tells_of_losses);
    assert_eq!(told.iter().filter_map(|event| event["logship"]["lost"].as_u64()).sum::<u64>().to_string(), lost);
    let whole = found.iter().filter(|event| event["tags"].is_null()).count();
    assert_eq!(whole + lost.parse::<usize>().unwrap(), LINES, "{said}");
    for event in &found {
        let text = event["message"].as_str().unwrap();
        let one = text.matches("line ").count() <= 1 && text.matches(" end").count() <= 1;
        assert!(one && (event["tags"][0] == "_truncated" || text.len() == 1_000_004), "{} bytes", text.len());
    }
}

#[test]
fn a_stdout_that_nobody_reads_delays_no_storing() {
    const LINES: u64 = 60;
    for format in ["json", "pretty"] {
        let data = folder();
        let mut child = spawn_pipe(data.path(), &["--format", format]);
        let mut stdout = child.stdout.take().unwrap();
        let mut server = Server::of(child);
        let mut stdin = server.stdin();
        // More than the pipe and the queue hold.
        for number in 0..LINES {
            let words = format!("word{number} ").repeat(20_000);
            writeln!(stdin, "line {}", &words[..100_000]).unwrap();
        }
        writeln!(stdin, "{format} last").unwrap();
        until("all is searchable", || (server.count("line") == LINES).then_some(()));
        drop(stdin);
        let mut shown = String::new();
        stdout.read_to_string(&mut shown).unwrap();
        let (status, said) = server.ended();
        assert!(status.success(), "{said}");
        let missed = said.trim().strip_prefix("logship: ").and_then(|text| text.split_once(" lines were not shown"));
        let missed: u64 = missed.unwrap_or_else(|| panic!("{said}")).0.parse().unwrap();
        let shown = shown.lines().count() as u64;
        assert!(missed > 0 && shown > 0 && (LINES..=LINES + 2).contains(&(shown + missed)), "{shown} and {missed}");
    }
}

#[test]
fn a_free_port_is_used_as_asked() {
    let data = folder();
    // Bound and let go, so that it is free; nothing else here asks for a port by number.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = logship(data.path(), &["--listen", &address]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut server = Server::of(child);
    assert_eq!(server.url, format!("http://{address}"));
    drop(server.stdin());
    assert!(wait(&mut server.child).success());
}

#[test]
fn an_ended_pipe_leaves_no_log_behind() {
    let data = folder();
    assert!(pipe(data.path(), &[], b"a\n").status.success());
    assert!(files(&data.path().join("log"), ".seg").is_empty());
    assert!(!data.path().join("server.json").exists());
}

#[test]
fn without_input_and_command_there_is_help() {
    let data = folder();
    let output = outcome(data.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Usage: logship") && said.contains("nothing to read on stdin"), "{output:?}");
}
