//! What whole processes cost, Linux only: `app | logship --format none` beside `gzip -1` of the same file, whose CPU time is
//! the unit (machines differ, the ratio hardly), the time to the first line, and the memory of idle processes. Run with
//! `cargo bench --bench pipe`; needs gzip and script. Where the project has set itself a bar, the row names it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod lines;
mod proc;

use lines::Numbers;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    thread::sleep,
    time::{Duration, UNIX_EPOCH},
};

/// Lines whose CPU time is measured.
const LINES: usize = 300_000;
const PAIRS: usize = 5;
const STARTS: usize = 11;
/// Events of the store whose processes' memory is measured.
const EVENTS: usize = 1_000_000;
/// A process is idle so long before its memory is read.
const IDLE: Duration = Duration::from_secs(15);
const LINES_PER_SECOND: usize = 10;
/// Path and query of the requests between two readings of memory: what the page asks for.
const QUESTIONS: [(&str, &str); 10] = [
    ("search", ""),
    ("search", "curl"),
    ("search", "status:503"),
    ("search", "\"Windows NT 10.0\" -status:200"),
    ("search", "path:/api/v1/orders/* http.response.body.bytes:>50000"),
    ("search", "method:(POST OR PUT) status:[400 TO 599]"),
    ("search", "/Chrome\\/9[0-9]/"),
    ("histogram", "status:>=400"),
    ("fields", ""),
    ("fields/values?field=http.response.status_code", "users"),
];

fn row(name: &str, bar: &str, figure: &str) {
    println!("{name:62} {bar:>10}  {figure}");
}

fn write_lines(path: &Path, count: usize) -> u64 {
    let (mut file, numbers) = (std::io::BufWriter::new(File::create(path).unwrap()), &mut Numbers(1));
    for n in 0..count {
        writeln!(file, "{}", lines::access(numbers, n / LINES_PER_SECOND)).unwrap();
    }
    file.into_inner().unwrap().metadata().unwrap().len()
}

fn logship(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logship"));
    command.arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]).args(more).stdout(Stdio::null());
    command
}

/// CPU seconds of a whole process.
fn run(command: &mut Command, input: &Path) -> f64 {
    let before = proc::cpu_seconds(true);
    let status = command.stdin(File::open(input).unwrap()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    proc::cpu_seconds(true) - before
}

/// A process that has printed its URL.
struct Running {
    child: Child,
    url: String,
    /// Kept open, so that its messages have somewhere to go.
    _stderr: BufReader<ChildStderr>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "{command:?} ended without an address");
        }
        let url = line[line.find("http://").unwrap()..].trim_end().to_owned();
        Running { child, url, _stderr: stderr }
    }

    fn get(&self, path: &str, query: &str) -> String {
        let mut request = ureq::get(format!("{}api/v1/{path}", self.url));
        if !query.is_empty() {
            request = request.query("q", query);
        }
        request.call().unwrap().body_mut().read_to_string().unwrap()
    }

    fn wait_for_events(&self, count: usize) {
        loop {
            let status: serde_json::Value = serde_json::from_str(&self.get("status", "")).unwrap();
            if status["events"] == count && status["idle"] == true {
                return;
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// MiB of anonymous memory after a while in which nothing was asked.
    fn idle_memory(&self) -> String {
        sleep(IDLE);
        format!("{:.1}", self.memory("RssAnon:"))
    }

    fn memory(&self, name: &str) -> f64 {
        proc::memory(&self.child.id().to_string(), name)
    }

    fn stop(mut self) {
        let kill = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Milliseconds from the start of the process to the first byte that a terminal gets of a line that waits for it.
fn first_line(data: &Path) -> f64 {
    let logship = logship(data, &["--quiet"]);
    let words: Vec<_> = std::iter::once(logship.get_program()).chain(logship.get_args()).collect();
    let words: Vec<String> = words.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    // The shell tells when it begins: what reads the terminal may come late.
    let line = format!("date +%s.%N; echo level=info msg=hello | {}", words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("the bench needs script (on Debian: sudo apt-get install bsdutils)");
    let mut terminal = BufReader::new(child.stdout.take().unwrap());
    let (mut begun, mut shown) = (String::new(), String::new());
    terminal.read_line(&mut begun).unwrap();
    terminal.fill_buf().unwrap();
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    terminal.read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success() && shown.contains("hello"), "{shown}");
    (now - begun.trim().parse::<f64>().unwrap()) * 1e3
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |path: PathBuf| if path.is_dir() { disk_bytes(&path) } else { path.metadata().unwrap().len() };
    entries.map(|entry| size(entry.path())).sum()
}

/// Least, middle and most.
fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    format!("{:.2} / {:.2} / {:.2}", figures[0], figures[figures.len() / 2], figures[figures.len() - 1])
}

fn cost(folder: &Path) {
    let input = folder.join("access.log");
    let bytes = write_lines(&input, LINES);
    row("access lines, MB", "", &format!("{LINES}, {:.1}", bytes as f64 / 1e6));
    let (mut ratios, mut units) = (Vec::new(), Vec::new());
    let mut stored = PathBuf::new();
    for pair in 0..PAIRS {
        units.push(run(Command::new("gzip").args(["-1", "-c"]), &input));
        stored = folder.join(format!("data-{pair}"));
        ratios.push(run(&mut logship(&stored, &["--quiet", "--format", "none"]), &input) / units[pair]);
    }
    row("gzip -1, CPU seconds: min / median / max", "", &spread(units));
    row("stored and searchable, CPU in units of gzip -1", "10", &spread(ratios));
    row("bytes on disk, MB", "", &format!("{:.1}", disk_bytes(&stored) as f64 / 1e6));
}

/// A pipeline with the groks of these services, each behind a condition and before another.
fn groks(services: std::ops::Range<usize>) -> String {
    let steps = services.map(|n| {
        let pattern = format!("^svc{n}-%{{WORD:a{n}}} took %{{NUMBER:n{n}}} ms from %{{IP:ip{n}}}$");
        let grok = format!(r#"grok {{ match => {{ "message" => "{pattern}" }} tag_on_failure => [] }}"#);
        format!(r#"if [kind] != "z{n}" {{ {grok} }} if [nope{n}] == "x" {{ drop {{ }} }}"#)
    });
    let steps: Vec<String> = steps.collect();
    format!("input {{ stdin {{ }} }} filter {{ {} }} output {{ stdout {{ codec => json_lines }} }}", steps.join("\n"))
}

/// What steps cost that an event has nothing for.
fn pipelines(folder: &Path) {
    let input = folder.join("services.log");
    let line = |n: usize| format!("svc50-w{} took {} ms from 10.1.{}.{}\n", n % 97, n % 5000, n % 250, n % 199);
    fs::write(&input, (0..LINES).map(line).collect::<String>()).unwrap();
    let configs = [("one.conf", 50..51), ("hundred.conf", 0..100)].map(|(name, services)| {
        fs::write(folder.join(name), groks(services)).unwrap();
        folder.join(name)
    });
    let (mut seconds, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let [one, hundred] = configs.each_ref().map(|config| {
            let data = folder.join("pipelines");
            run(Command::new(env!("CARGO_BIN_EXE_logship")).arg("--data").arg(&data).arg("-f").arg(config), &input)
        });
        seconds.push(one);
        ratios.push(hundred / one);
    }
    row("a pipeline of one grok, CPU seconds: min / median / max", "", &spread(seconds));
    row("  of 100 groks and 200 conditions, in units of that", "2", &spread(ratios));
}

fn idle_memory(folder: &Path) {
    let empty = Running::start(logship(&folder.join("empty"), &[]).arg("server"));
    row("an idle empty server, anonymous MiB", "", &empty.idle_memory());
    empty.stop();

    let (input, data) = (folder.join("million.log"), folder.join("million"));
    write_lines(&input, EVENTS);
    let mut pipe = logship(&data, &["--format", "none", "--serve"]);
    let pipe = Running::start(pipe.stdin(File::open(&input).unwrap()));
    pipe.wait_for_events(EVENTS);
    row("idle after it took 1 M events, anonymous MiB", "", &pipe.idle_memory());
    row("  its peak, resident MiB", "", &format!("{:.1}", pipe.memory("VmHWM:")));
    pipe.stop();

    let server = Running::start(logship(&data, &[]).arg("server"));
    server.wait_for_events(EVENTS);
    row("an idle fresh server on 1 M events, anonymous MiB", "40", &server.idle_memory());
    for (path, query) in QUESTIONS {
        server.get(path, query);
    }
    row("  the same after ten queries", "", &server.idle_memory());
    server.stop();
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    row("", "bar", "");
    cost(folder.path());
    pipelines(folder.path());
    let starts = (0..STARTS).map(|start| first_line(&folder.path().join(format!("start-{start}")))).collect();
    row("first line on a terminal, ms after start: min / median / max", "50", &spread(starts));
    idle_memory(folder.path());
}
