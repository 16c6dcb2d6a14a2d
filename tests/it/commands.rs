//! Commands for people: `parse`, `search`, `demo`.

use crate::harness::{Server, folder, logship, outcome, pipe, signal, stderr, until, wait};
use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

const LINE: &[u8] = b"time=2026-01-02T03:04:05Z level=warn msg=\"slow query\" took=12\n";
const PARSED: &str = "{\"@timestamp\":\"2026-01-02T03:04:05.000Z\",\"message\":\"slow query\",\"log\":{\"level\":\"warn\"},\"took\":12}\n";

/// Runs a command that reads `input`.
fn fed(data: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut command = logship(data, args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn parse_reads_stdin_and_files() {
    let home = folder();
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(LINE).unwrap();
    let plain = file("a.log", LINE);
    let gzip = file("a.log.gz", &gzip.finish().unwrap());
    let zstd = file("a.log.zst", &zstd::encode_all(LINE, 1).unwrap());
    let cut = file("cut.gz", &std::fs::read(&gzip).unwrap()[..10]);
    let missing = home.path().join("missing").to_str().unwrap().to_owned();
    let data = home.path().join("data");
    let check = |args: &[&str], input: &[u8], expected: &str, code: i32, said: &str| {
        let output = fed(&data, &[&["parse"], args].concat(), input);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{args:?} {output:?}");
        assert_eq!(output.status.code(), Some(code), "{args:?} {output:?}");
        let words = stderr(&output);
        assert!(words.contains(said) && words.is_empty() == said.is_empty(), "{args:?} {words}");
    };
    check(&[], LINE, PARSED, 0, "");
    check(&[], &std::fs::read(&gzip).unwrap(), PARSED, 0, "");
    check(&[], b"", "", 0, "");
    check(&[&plain], b"", PARSED, 0, "");
    check(&[&plain, &gzip, &zstd], b"", &PARSED.repeat(3), 0, "");
    check(&[&missing, &plain], b"", PARSED, 1, &format!("cannot read {missing}: "));
    check(&[&cut], b"", "", 1, &format!("cannot read {cut}: "));
    check(&["--as", "logfmt"], LINE, PARSED, 0, "");
    check(&["--as", "nonsense"], LINE, "", 2, "there is no line format `nonsense` (`logship formats` lists all)");
    check(&["--as", "logfnt"], LINE, "", 2, "did you mean `logfmt`?");
    check(&["--explain", "--templates=count"], LINE, "", 2, "choose one");
    check(&["-", &plain], LINE, &PARSED.repeat(2), 0, "");
    assert!(!data.exists(), "parsing stores nothing");
}

#[test]
fn a_full_disk_is_no_reader_who_went_away() {
    let home = folder();
    let many = LINE.repeat(20_000);
    for args in [&["parse"][..], &["parse", "--templates"], &["parse", "--templates=count"], &["formats"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let input = home.path().join("input");
        std::fs::write(&input, &many).unwrap();
        let mut command = logship(home.path(), args);
        let output = command.stdin(std::fs::File::open(input).unwrap()).stdout(full).stderr(Stdio::piped()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?} {output:?}");
        assert!(stderr(&output).contains("cannot write to stdout: "), "{args:?} {output:?}");
    }
}

#[test]
fn parse_explains_what_it_reads() {
    let home = folder();
    let check = |args: &[&str], line: &str, expected: &str| {
        let output = fed(home.path(), &[&["parse", "--explain"], args].concat(), line.as_bytes());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{args:?} {output:?}");
    };
    let json = "{\"level\":\"warn\"}\n";
    let found = String::from_utf8(fed(home.path(), &["parse", "--explain"], json.as_bytes()).stdout).unwrap();
    assert!(found.starts_with(&format!("1: json\n  {json}  {:28}  converted  warn\n", "log.level")), "{found}");
    check(&["--as", "plain"], json, &format!("1: plain\n  {json}  {:28} {:>10}  {json}", "message", "0..16"));
    let why = "does not begin like one";
    check(
        &["--as", "clf"],
        json,
        &format!("1: plain\n  {json}  {:28} {:>10}  {json}  not clf: {why}\n", "message", "0..16"),
    );
    let zoned = ["--as", "plain", "--timezone", "Europe/Berlin"];
    let output = fed(
        home.path(),
        &[&["parse", "--explain"], &zoned[..]].concat(),
        b"2026-01-20 12:00:00 a\n2026-07-20 12:00:00 b\n",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("2026-01-20T11:00:00.000Z") && text.contains("2026-07-20T10:00:00.000Z"), "{text}");
}

#[test]
fn help_shows_what_matters() {
    let home = folder();
    let check = |command: &str, shown: &[&str], unshown: &[&str]| {
        let help = String::from_utf8(outcome(home.path(), &[command, "--help"]).stdout).unwrap();
        assert!(shown.iter().all(|option| help.contains(option)), "{help}");
        assert!(!unshown.iter().any(|option| help.contains(option)), "{help}");
    };
    check("parse", &["--as", "--timezone", "--templates", "--quiet"], &["--data", "--listen", "--retention-age"]);
    check("formats", &["--quiet"], &["--data", "--timezone"]);
    check("search", &["--data", "--server"], &[]);
    let unshown = outcome(home.path(), &["formats", "--retention-age", "1d", "json"]);
    assert!(unshown.status.success(), "{unshown:?}");
}

#[test]
fn parse_finds_templates() {
    let home = folder();
    let check = |args: &[&str], expected: &str, code: i32| {
        let lines = b"level=warn msg=\"took 12 ms\"\nlevel=info msg=\"took 7 ms\"\nlevel=info msg=done\nlevel=info\n";
        let output = fed(home.path(), &[&["parse"], args].concat(), lines);
        let shown: Vec<_> = str::from_utf8(&output.stdout)
            .unwrap()
            .lines()
            .map(|line| line.split_once("Z\",").map_or(line, |(_, rest)| rest))
            .collect();
        assert_eq!(shown.join("\n"), expected, "{args:?} {output:?}");
        assert_eq!(output.status.code(), Some(code), "{args:?} {output:?}");
    };
    let took = r#""template":{"id":"TOOK","text":"took *"}"#;
    let events = [
        format!(r#""message":"took 12 ms","log":{{"level":"warn",{took}}}}}"#),
        format!(r#""message":"took 7 ms","log":{{"level":"info",{took}}}}}"#),
        r#""message":"done","log":{"level":"info","template":{"id":"DONE","text":"done"}}}"#.to_owned(),
        r#""log":{"level":"info"}}"#.to_owned(),
    ]
    .join("\n");
    let table = "     count  id                template\n         2  TOOK  took *\n         1  DONE  done\n         1  -                 (events without a message)";
    let ids = [("TOOK", "took *"), ("DONE", "done")];
    let named = |text: &str| {
        ids.iter().fold(text.to_owned(), |text, (name, template)| {
            text.replace(name, &format!("{:016x}", logship_parsers::template::id(template)))
        })
    };
    check(&["--templates"], &named(&events), 0);
    check(&["--templates=on"], &named(&events), 0);
    check(&["--templates=count"], &named(table), 0);
    check(&["--templates=nonsense"], "", 2);
    let misused = fed(home.path(), &["--templates=count"], b"");
    assert_eq!(misused.status.code(), Some(2), "{misused:?}");
}

#[test]
fn a_forced_format_reads_what_detection_would_not() {
    let home = folder();
    let check = |args: &[&str], fields: &[(&str, &str)]| {
        let output = fed(home.path(), &[&["parse"], args].concat(), b"{\"a\":\"1\"}\n");
        let event: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for (name, value) in fields {
            assert_eq!(event[name], *value, "{args:?} {event}");
        }
    };
    check(&[], &[("a", "1")]);
    check(&["--as", "plain"], &[("message", "{\"a\":\"1\"}")]);
}

#[test]
fn search_prints_every_form_with_and_without_a_server() {
    let data = folder();
    let lines = b"time=2026-01-02T03:04:05Z level=warn service=api msg=\"slow, very\" took=12\n\
                  time=2026-01-02T03:04:06Z level=error service=api msg=boom\nplain text\n";
    assert!(pipe(data.path(), &["--format", "none"], lines).status.success());
    let check = |args: &[&str], expected: &str| {
        let output = outcome(data.path(), &[&["search"], args].concat());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{args:?} {output:?}");
        assert!(output.status.success(), "{args:?} {output:?}");
    };
    let all = || {
        let header = "@timestamp,log.level,service.name,message\n";
        let rows = "2026-01-02T03:04:05.000Z,warn,api,\"slow, very\"\n2026-01-02T03:04:06.000Z,error,api,boom\n";
        check(&["-o", "csv", "service:api"], &format!("{header}{rows}"));
        check(&["-o", "csv", "absent"], header);
        check(&["-o", "csv", "--fields", "took,message", "took:12"], "took,message\n12,\"slow, very\"\n");
        check(
            &["-o", "text", "service:api"],
            "2026-01-02 03:04:05.000 WARN  api      slow, very took=12\n2026-01-02 03:04:06.000 ERROR api      boom\n",
        );
        check(&["service:api", "-n", "1"], "2026-01-02 03:04:06.000 ERROR api      boom\n");
        check(&["-o", "raw", "service:api"], "slow, very\nboom\n");
        check(&["-o", "raw", "plain"], "plain text\n");
        check(&["-c", "service:api"], "2\n");
        check(&["-c", ""], "3\n");
        check(&["-c", "absent"], "0\n");
        check(&["absent"], "");
        let wrong = outcome(data.path(), &["search", "level:("]);
        assert_eq!((wrong.status.code(), wrong.stdout.as_slice()), (Some(2), &b""[..]), "{wrong:?}");
    };
    all();
    let server = Server::start(data.path(), &[]);
    server.settled();
    all();
    server.stop();
}

#[test]
fn the_demo_serves_and_leaves_nothing_behind() {
    let (data, home) = (folder(), folder());
    let mut command = logship(data.path(), &["demo", "--rate", "2", "--listen", "127.0.0.1:0"]);
    command.env("TMPDIR", home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Server::of(command.spawn().unwrap());
    until("events are there", || (server.count("") > 100).then_some(()));
    assert_eq!(server.get("/").0, 200);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "its data is where temporary files are");
    signal(&server.child, "INT");
    assert!(wait(&mut server.child).success());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "its data is gone");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "the user's data was not touched");
}
