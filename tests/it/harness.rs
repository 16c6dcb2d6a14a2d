//! Real processes on temporary data directories. Waiting is always for something: an exit, a line, an answer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Longest that anything here waits; reached only when something is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A `logship` command on that data directory, deaf to the environment of whoever runs the tests.
pub fn logship(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logship"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOGSHIP_") || name.starts_with("XDG_")) {
        command.env_remove(name);
    }
    command.args(args).arg("--data").arg(data).args(["--free-disk", "1MiB"]).env("NO_COLOR", "1").env("TZ", "UTC");
    // Its own port is one for all agents of a machine.
    command.env("LOGSHIP_STATUS_LISTEN", "127.0.0.1:0");
    command
}

/// Runs `input | logship ARGS` to its end.
pub fn pipe(data: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = spawn_pipe(data, args);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A thread, because a full pipe on either side would wait for the other.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// Starts `.. | logship ARGS` with everything piped.
pub fn spawn_pipe(data: &Path, args: &[&str]) -> Child {
    let mut all = vec!["--listen", "127.0.0.1:0"];
    all.extend(args);
    let mut command = logship(data, &all);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a command without input; panics with its output unless it ends with 0.
pub fn run(data: &Path, args: &[&str]) -> String {
    let output = outcome(data, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command without input.
pub fn outcome(data: &Path, args: &[&str]) -> Output {
    logship(data, args).stdin(Stdio::null()).output().unwrap()
}

/// The same command with faults injected into a system call. Counts of calls are kept for each thread.
pub fn under_strace(inner: &Command, call: &str, fault: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
    command.arg("-e").arg(format!("inject={call}:{fault}"));
    run_by(command, inner)
}

/// Another program that is given a command as its last arguments, and its environment.
pub fn run_by(mut outer: Command, inner: &Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// The events that a search prints as JSON.
pub fn search(data: &Path, args: &[&str]) -> Vec<serde_json::Value> {
    let mut all = vec!["search", "-o", "json", "--limit", "1000000"];
    all.extend(args);
    run(data, &all).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text after exit, for messages.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running process with a page.
pub struct Server {
    pub child: Child,
    pub url: String,
    /// What it said before it served.
    said: String,
    stderr: BufReader<ChildStderr>,
}

impl Server {
    /// `logship server` on a free port.
    pub fn start(data: &Path, args: &[&str]) -> Server {
        Server::at(data, 0, args)
    }

    /// The same on a port of [`port`], where it can be started again.
    pub fn at(data: &Path, port: u16, args: &[&str]) -> Server {
        let address = format!("127.0.0.1:{port}");
        let mut all = vec!["server", "--listen", &address];
        all.extend(args);
        Server::of(
            logship(data, &all).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap(),
        )
    }

    /// A process that prints where its page is.
    pub fn of(mut child: Child) -> Server {
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let from = said.len();
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "it ended before it served: {said}");
            if let Some(url) = said[from..].trim().strip_prefix("logship: http") {
                let url = url.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
                return Server { child, url: format!("http{url}"), said, stderr };
            }
        }
    }

    /// One whose words have been read so far.
    pub fn with(child: Child, url: String, stderr: BufReader<ChildStderr>) -> Server {
        Server { child, url, said: String::new(), stderr }
    }

    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended");
        line.trim_end().to_owned()
    }

    /// A GET request: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(&format!("{}{path}", self.url))
    }

    /// A POST request with headers: status and body.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        post(&self.url, path, headers, body)
    }

    /// A POST request of text: status, the header Retry-After, and body.
    pub fn post_text(&self, path: &str, text: &str) -> (u16, Option<String>, String) {
        let sent = agent().post(format!("{}{path}", self.url)).header("Content-Type", "text/plain").send(text);
        let header = sent.as_ref().ok().and_then(|response| response.headers().get("Retry-After"));
        let again = header.map(|value| value.to_str().unwrap().to_owned());
        let (status, body) = request(sent);
        (status, again, body)
    }

    /// The status object, once everything durable is searchable.
    pub fn settled(&self) -> serde_json::Value {
        until("everything is searchable", || {
            let (_, body) = self.get("/api/v1/status");
            let status: serde_json::Value = serde_json::from_str(&body).ok()?;
            (status["idle"] == true).then_some(status)
        })
    }

    /// How many events match.
    pub fn count(&self, query: &str) -> u64 {
        let (status, body) = self.get(&format!("/api/v1/search?limit=0&q={}", query.replace(' ', "%20")));
        assert_eq!(status, 200, "{body}");
        let trailer: serde_json::Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
        trailer["_trailer"]["matched"].as_u64().unwrap()
    }

    /// Asks it to end, and checks that every counter balances: all that it said.
    pub fn stop(mut self) -> String {
        balanced(&self.settled());
        signal(&self.child, "TERM");
        let status = wait(&mut self.child);
        self.stderr.read_to_string(&mut self.said).unwrap();
        assert!(status.success(), "{status}: {}", self.said);
        std::mem::take(&mut self.said)
    }

    /// Waits for its end; what it said after it served.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (wait(&mut self.child), rest)
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A test that fails leaves no process behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `logship agent`, whose words are gathered as they come.
pub struct Agent {
    pub child: Child,
    said: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

impl Agent {
    /// One that ships what it finds by a pattern; it follows files already.
    pub fn start(data: &Path, server: &str, files: &str, args: &[&str]) -> Agent {
        let mut all = vec!["agent", "--server", server, "--files", files];
        all.extend(args);
        Agent::of(&mut logship(data, &all))
    }

    /// A command that becomes one.
    pub fn of(command: &mut Command) -> Agent {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        let reading = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *heard.lock().unwrap() += &(line + "\n");
            }
        });
        let agent = Agent { child, said, reading: Some(reading) };
        agent.until_said("logship: follows");
        agent
    }

    /// All that it said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said something that contains this; panics if it ends before.
    pub fn until_said(&self, text: &str) {
        until(&format!("it says {text}"), || {
            let ended = self.reading.as_ref().is_none_or(JoinHandle::is_finished);
            let said = self.said();
            assert!(!ended || said.contains(text), "it ended before it said {text}: {said}");
            said.contains(text).then_some(())
        });
    }

    /// Asks it to end: all that it said.
    pub fn stop(mut self) -> String {
        signal(&self.child, "TERM");
        let status = wait(&mut self.child);
        self.reading.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {}", self.said());
        self.said()
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A test that fails leaves no process behind.
impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has and the system gives to nobody else, so that a server can come back to it.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 200 * 100).unwrap();
    loop {
        let port = 11_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// In every component in = out + dropped + queued, what goes out of one comes into the next, and nothing is queued where
/// everything is searchable but not committed.
pub fn balanced(status: &serde_json::Value) {
    each_balanced(status);
    let components = status["components"].as_array().unwrap();
    let of = |name: &str, which: &str| {
        components.iter().find(|component| component["name"] == name).unwrap()[which].as_u64().unwrap()
    };
    let inputs = components.iter().filter(|component| component["name"].as_str().unwrap().starts_with("input."));
    let appended: u64 = inputs.map(|input| input["out"].as_u64().unwrap()).sum();
    // Logs of earlier and of other processes are read, too.
    assert!(of("parse", "in") >= appended, "{status}");
    assert_eq!(of("parse", "out"), of("store", "in"), "{status}");
}

/// In every component in = out + dropped + queued, and nothing but what is not committed is queued.
pub fn each_balanced(status: &serde_json::Value) {
    for component in status["components"].as_array().unwrap() {
        let number = |name: &str| component[name].as_u64().unwrap();
        let dropped: u64 =
            component["dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(number("in"), number("out") + dropped + number("queued"), "{component}");
        if component["name"] != "store" {
            assert_eq!(number("queued"), 0, "{component}");
        }
    }
}

/// A GET request: status and body; status 0 where nobody answers.
pub fn get(url: &str) -> (u16, String) {
    request(agent().get(url).call())
}

/// Where the owner of the store serves, if it says so.
pub fn owner(data: &Path) -> Option<String> {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("server.json")).ok()?).ok()?;
    Some(file["url"].as_str()?.trim_end_matches('/').to_owned())
}

/// A POST request with headers: status and body, or 0 if there is no answer.
pub fn post(url: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let mut request_ = agent().post(format!("{url}{path}"));
    for (name, value) in headers {
        request_ = request_.header(*name, *value);
    }
    request(request_.send(body))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().new_agent()
}

fn request(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    match response {
        Ok(mut response) => {
            let body = response.body_mut().with_config().limit(256 << 20).read_to_string().unwrap_or_default();
            (response.status().as_u16(), body)
        }
        Err(cause) => (0, cause.to_string()),
    }
}

/// Waits until `ready` has something.
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end of a process.
pub fn wait(child: &mut Child) -> ExitStatus {
    until("the process ends", || child.try_wait().unwrap())
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

/// A folder that goes with the test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Whether an event says that others were lost, as it is told.
pub fn tells_of_losses(event: &serde_json::Value) -> bool {
    event["event"]["action"] == "lines-lost"
}

/// The messages of events, in order.
pub fn messages(events: &[serde_json::Value]) -> Vec<String> {
    events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The files below a folder whose names end so.
pub fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![below.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
