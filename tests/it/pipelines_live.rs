//! Pipelines that go on: several in a process, reloads, signals, kills.

use crate::harness::{each_balanced, folder, get, logship, pipe, signal, stderr, until, wait};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Stdio},
    sync::{Arc, Condvar, Mutex},
};

/// A pipeline whose output is read line by line.
pub struct Live {
    pub child: Child,
    out: BufReader<ChildStdout>,
}

impl Live {
    pub fn start(data: &Path, args: &[&str]) -> Live {
        let mut command = logship(data, args);
        let stderr = File::create(data.with_extension("stderr")).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Live { child, out }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended");
        line.trim_end().to_owned()
    }

    pub fn stop(mut self) -> Vec<String> {
        signal(&self.child, "TERM");
        let rest = self.out.lines().map(Result::unwrap).collect();
        assert!(wait(&mut self.child).success());
        rest
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A config that prints the lines of a file with a mark.
fn marked(file: &Path, mark: &str) -> String {
    let file = file.display();
    format!(
        "input {{ file {{ path => '{file}' start_position => beginning }} }}
         output {{ stdout {{ codec => line {{ format => '{mark} %{{message}}' }} }} }}"
    )
}

#[test]
fn pipelines_send_to_each_other() {
    let home = folder();
    let settings = "- pipeline.id: front
  config.string: \"input { stdin { } } output { if [message] == 'b' { pipeline { send_to => [back] } } else { pipeline { send_to => [back, side] } } }\"
- pipeline.id: back
  config.string: \"input { pipeline { address => back } } output { stdout { codec => line { format => 'back %{message}' } } }\"
- pipeline.id: side
  config.string: \"input { pipeline { address => side } } output { stdout { codec => line { format => 'side %{message}' } } }\"
";
    fs::write(home.path().join("pipelines.yml"), settings).unwrap();
    let data = home.path().join("data");
    let output = pipe(&data, &["--path.settings", home.path().to_str().unwrap()], b"a\nb\nc\n");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Each output of a pipeline keeps the order; two of them know nothing of each other.
    let of = |name: &str| {
        let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!((of("back"), of("side")), (vec!["back a", "back b", "back c"], vec!["side a", "side c"]));
    for id in ["back", "side"] {
        let left = fs::read_dir(data.join("pipelines").join(id).join("log")).unwrap().count();
        assert_eq!(left, 0, "{id} keeps what nobody needs");
    }
}

#[test]
fn a_reload_loses_and_doubles_nothing_and_a_wrong_config_changes_nothing() {
    let home = folder();
    let (file, conf) = (home.path().join("app.log"), home.path().join("x.conf"));
    append(&file, "1\n");
    fs::write(&conf, marked(&file, "old")).unwrap();
    let mut live = Live::start(&home.path().join("data"), &["-f", conf.to_str().unwrap()]);
    assert_eq!(live.line(), "old 1");
    fs::write(&conf, "inputt {").unwrap();
    signal(&live.child, "HUP");
    let stderr = home.path().join("data.stderr");
    crate::harness::until("the mistake is told", || {
        fs::read_to_string(&stderr).unwrap().contains("what runs goes on as it is").then_some(())
    });
    append(&file, "2\n");
    assert_eq!(live.line(), "old 2");
    fs::write(&conf, marked(&file, "new")).unwrap();
    append(&file, "3\n");
    signal(&live.child, "HUP");
    let third = live.line();
    assert!(third == "old 3" || third == "new 3", "{third}");
    crate::harness::until("the new config is there", || {
        append(&file, "x\n");
        (live.line() == "new x").then_some(())
    });
    append(&file, "4\n");
    let rest: Vec<String> = std::iter::from_fn(|| Some(live.line())).take_while(|line| line != "new 4").collect();
    assert!(rest.iter().all(|line| line == "new x"), "{rest:?}");
    assert!(live.stop().is_empty());
}

#[test]
fn a_sincedb_says_where_to_go_on_and_without_it_files_are_new() {
    let home = folder();
    let (file, conf, sincedb) = (home.path().join("app.log"), home.path().join("x.conf"), home.path().join("sincedb"));
    let options = format!("delimiter => ';' sincedb_path => '{}' start_position =>", sincedb.display());
    fs::write(&conf, marked(&file, "got").replace("start_position =>", &options)).unwrap();
    append(&file, "1;2;");
    let start = |data: &str| Live::start(&home.path().join(data), &["-f", conf.to_str().unwrap()]);
    let mut first = start("data");
    assert_eq!([first.line(), first.line()], ["got 1", "got 2"]);
    assert!(first.stop().is_empty());
    // Another log, which knows nothing, and then the first, which knows less.
    for (data, number) in [("other", 3), ("data", 4)] {
        append(&file, &format!("{number};"));
        let mut next = start(data);
        assert_eq!(next.line(), format!("got {number}"), "{data}");
        assert!(next.stop().is_empty());
        let text = fs::read_to_string(&sincedb).unwrap();
        assert!(text.contains(&format!(" {} ", number * 2)) && text.trim_end().ends_with("/app.log"), "{text}");
    }
    fs::remove_file(&sincedb).unwrap();
    let mut anew = start("data");
    assert_eq!([anew.line(), anew.line(), anew.line(), anew.line()], ["got 1", "got 2", "got 3", "got 4"]);
    assert!(anew.stop().is_empty());
}

#[test]
fn a_killed_pipeline_goes_on_where_it_was() {
    const LINES: usize = 3_000;
    let home = folder();
    let (file, conf, data) = (home.path().join("app.log"), home.path().join("x.conf"), home.path().join("data"));
    fs::write(&conf, marked(&file, "got")).unwrap();
    let mut seen = BTreeSet::new();
    for part in 0..3 {
        let lines = part * LINES / 3..(part + 1) * LINES / 3;
        append(&file, &lines.map(|number| format!("{number}\n")).collect::<String>());
        let mut live = Live::start(&data, &["-f", conf.to_str().unwrap()]);
        // Killed with some of it on its way, and read again: at least once.
        for _ in 0..LINES / 6 {
            seen.insert(live.line());
        }
        live.child.kill().unwrap();
        wait(&mut live.child);
        // Half a line is none.
        let mut line = String::new();
        while live.out.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            seen.insert(line.trim_end().to_owned());
            line.clear();
        }
    }
    let mut live = Live::start(&data, &["-f", conf.to_str().unwrap()]);
    append(&file, "end\n");
    loop {
        let line = live.line();
        if line == "got end" {
            break;
        }
        seen.insert(line);
    }
    assert!(live.stop().is_empty());
    let missing: Vec<_> = (0..LINES).filter(|number| !seen.contains(&format!("got {number}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // What was stopped in order is not delivered again.
    let mut again = Live::start(&data, &["-f", conf.to_str().unwrap()]);
    append(&file, "last\n");
    assert_eq!(again.line(), "got last");
    again.stop();
}

#[test]
fn what_stands_in_the_way_of_a_start_is_said() {
    let home = folder();
    let said = |settings: &str| {
        fs::write(home.path().join("pipelines.yml"), settings).unwrap();
        let args = ["--path.settings", home.path().to_str().unwrap()];
        let output = logship(&home.path().join("data"), &args).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, text) = said("- pipeline.id: a\n  path.config: /nowhere/*.conf\n");
    assert!(code == Some(2) && text.contains("/nowhere"), "{text}");
    let twice = "- {pipeline.id: a, config.string: 'input { pipeline { address => x } }'}\n- {pipeline.id: b, config.string: 'input { pipeline { address => x } }'}\n";
    let (code, text) = said(twice);
    assert!(code == Some(1) && text.contains("another pipeline listens at the address `x`"), "{text}");
}

#[test]
fn a_reload_refuses_no_connection() {
    let (home, port) = (folder(), crate::harness::port());
    let (conf, data) = (home.path().join("x.conf"), home.path().join("data"));
    let write = |mark: usize| {
        let text = format!(
            "input {{ tcp {{ host => '127.0.0.1' port => {port} }} }}
             output {{ stdout {{ codec => line {{ format => '{mark} %{{message}}' }} }} }}"
        );
        fs::write(&conf, text).unwrap();
    };
    write(0);
    let mut live = Live::start(&data, &["-f", conf.to_str().unwrap()]);
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port));
    crate::harness::until("it listens", || connect().ok());
    for number in 1..=10 {
        write(number);
        signal(&live.child, "HUP");
        for part in ["a", "b", "c"] {
            let mut client = connect().unwrap();
            client.write_all(format!("{number}{part}\n").as_bytes()).unwrap();
        }
        let mut seen: Vec<String> = (0..3).map(|_| live.line().split_once(' ').unwrap().1.to_owned()).collect();
        seen.sort_unstable();
        assert_eq!(seen, ["a", "b", "c"].map(|part| format!("{number}{part}")));
    }
    assert!(live.stop().is_empty());
}

#[test]
fn monitors_see_what_pipelines_do() {
    let home = folder();
    let config = "output { if [message] =~ 'b' { stdout { id => printed codec => line { format => '%{message}' } } } }";
    let args = ["-e", config, "--queue.type", "persisted", "--api.http.port", "0", "--log.level", "info"];
    let mut command = logship(home.path(), &args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = said.find_map(|line| Some(line.split_once("pipelines are at ")?.1.to_owned())).unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a\nb\nbb\n").unwrap();
    assert_eq!((printed.next().unwrap(), printed.next().unwrap()), ("b".into(), "bb".into()));
    // What is printed is counted a moment later.
    let stats = until("all is counted", || {
        let (status, text) = get(&format!("{url}_node/stats/pipelines/main"));
        assert_eq!(status, 200, "{text}");
        let stats: Value = serde_json::from_str(&text).unwrap();
        (stats["pipelines"]["main"]["plugins"]["outputs"][0]["events"]["out"] == 2).then_some(stats)
    });
    let main = &stats["pipelines"]["main"];
    assert_eq!(main["events"], json!({"in": 3, "filtered": 3, "out": 3}), "{stats}");
    assert_eq!(main["plugins"]["outputs"][0]["id"], "printed", "{stats}");
    assert_eq!((&stats["status"], &main["queue"]["type"]), (&json!("green"), &json!("persisted")), "{stats}");
    each_balanced(&serde_json::from_str(&get(&format!("{url}api/v1/status")).1).unwrap());
    let (_, metrics) = get(&format!("{url}metrics"));
    assert!(metrics.contains("logship_pipeline_received_events_total{pipeline=\"main\"} 3\n"), "{metrics}");
    assert_eq!(get(&format!("{url}_node/stats/pipelines/other")).0, 404);
    drop(stdin);
    assert!(wait(&mut child).success());
}

/// An HTTP server that answers once it may; what it was sent. Ends with the test.
struct Slow {
    url: String,
    answers: Arc<(Mutex<bool>, Condvar)>,
    bodies: Arc<Mutex<String>>,
}

impl Slow {
    fn start() -> Slow {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answers, bodies) = (Arc::<(Mutex<bool>, Condvar)>::default(), Arc::<Mutex<String>>::default());
        let slow = Slow { url, answers: answers.clone(), bodies: bodies.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, bodies) = (answers.clone(), bodies.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &bodies));
            }
        });
        slow
    }

    fn answer(&self) {
        *self.answers.0.lock().unwrap() = true;
        self.answers.1.notify_all();
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, (may_answer, told): &(Mutex<bool>, Condvar), bodies: &Mutex<String>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        drop(told.wait_while(may_answer.lock().unwrap(), |may| !*may).unwrap());
        bodies.lock().unwrap().push_str(&String::from_utf8(body).unwrap());
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}

#[test]
fn an_output_whose_server_stalls_holds_up_no_other() {
    const LINES: usize = 40_000;
    let (home, slow) = (folder(), Slow::start());
    let (data, file) = (home.path().join("data"), home.path().join("out.log"));
    let conf = format!(
        "input {{ stdin {{ }} }} output {{
           http {{ url => '{}' http_method => post format => json_batch mapping => {{ m => '<%{{message}}>' }} }}
           file {{ path => '{}' codec => line {{ format => '%{{message}}' }} }}
         }}",
        slow.url,
        file.display()
    );
    let mut live = Live::start(&data, &["-e", &conf]);
    let mut stdin = live.child.stdin.take().unwrap();
    let pad = "x".repeat(100);
    for number in 0..LINES {
        writeln!(stdin, "{number} {pad}").unwrap();
    }
    stdin.flush().unwrap();
    let count = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    crate::harness::until("the file has all", || (count() == LINES).then_some(()));
    assert!(slow.bodies.lock().unwrap().is_empty());
    // The end of the input waits for it.
    drop(stdin);
    slow.answer();
    assert!(wait(&mut live.child).success());
    let bodies = slow.bodies.lock().unwrap();
    let seen: Vec<usize> = bodies.split('<').skip(1).map(|m| m.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (LINES, LINES));
    let said = fs::read_to_string(data.with_extension("stderr")).unwrap();
    assert!(said.contains("http.0: it is behind") && said.contains("http.0: it has caught up"), "{said}");
}
