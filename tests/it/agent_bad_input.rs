//! What is wrong around an agent: strange files, a damaged spool, servers that are none. One clear message each, a counter,
//! no spinning; what heals is shipped, once.

use crate::{
    agent_world::World,
    bad_input::Disk,
    harness::{Agent, Server, files, folder, get, logship, outcome, port, signal, until, wait},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::symlink,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const TOKEN: &str = "the-token-of-this-server";

/// What a running agent tells of itself.
fn status(world: &World) -> serde_json::Value {
    let agent = fs::read(world.data("agent").join("agent.json")).unwrap();
    let agent: serde_json::Value = serde_json::from_slice(&agent).unwrap();
    let (code, body) = get(&format!("{}api/v1/status", agent["url"].as_str().unwrap()));
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until the status has this number at a place.
fn until_counted(world: &World, place: &str, expected: u64) {
    until(&format!("{place} is {expected}"), || (status(world).pointer(place)?.as_u64()? == expected).then_some(()));
}

/// The processor time that a process has used.
fn cpu(agent: &Agent) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent.child.id())).unwrap();
    let behind = stat.rsplit_once(") ").unwrap().1;
    let ticks: Vec<u64> = behind.split(' ').skip(11).take(2).map(|text| text.parse().unwrap()).collect();
    Duration::from_millis((ticks[0] + ticks[1]) * 10)
}

fn times(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn what_is_no_file_is_told_once_and_healed() {
    let mut world = World::new("*.log");
    fs::create_dir(world.path("folder.log")).unwrap();
    symlink("/dev/zero", world.path("device.log")).unwrap();
    symlink("loop.log", world.path("loop.log")).unwrap();
    symlink("nowhere", world.path("dangling.log")).unwrap();
    let made = Command::new("mkfifo").arg(world.path("fifo.log")).status().unwrap();
    assert!(made.success());
    world.write("app.log", "app", 10);
    world.start_server();
    world.start_agent();
    world.arrived();
    let agent = world.agent.as_ref().unwrap();
    ["folder.log", "device.log", "loop.log", "fifo.log"].iter().for_each(|name| agent.until_said(name));
    let problems = status(&world)["files_unreadable"].as_u64().unwrap();
    assert!((4..=5).contains(&problems), "{problems}: {}", agent.said());
    // Nothing is tried in a hurry, and nothing is said again.
    let (before, begun) = (cpu(agent), Instant::now());
    until("a few looks have passed", || (begun.elapsed() > Duration::from_secs(4)).then_some(()));
    let used = cpu(agent) - before;
    assert!(used < Duration::from_secs(1), "{used:?} of 4 s");
    let said = agent.said();
    for name in ["folder.log", "device.log", "loop.log", "fifo.log"] {
        assert_eq!(times(&said, name), 1, "{name}: {said}");
    }
    fs::remove_dir(world.path("folder.log")).unwrap();
    fs::remove_file(world.path("fifo.log")).unwrap();
    world.write("folder.log", "was a folder", 5);
    world.write("fifo.log", "was a pipe", 5);
    world.arrived();
    until_counted(&world, "/files_unreadable", problems - 2);
    world.exactly_once();
}

#[test]
fn a_full_disk_is_said_once_waited_for_and_drained() {
    let Some(disk) = Disk::mount("8m") else { return };
    let mut world = World::new("*.log");
    symlink(&disk.0, world.data("agent")).unwrap();
    let filler = disk.0.join("filler");
    // Less is free than is to stay free.
    fs::write(&filler, vec![0; 15 << 19]).unwrap();
    world.write("app.log", "app", 50);
    world.start_server();
    world.start_agent();
    let agent = world.agent.as_ref().unwrap();
    agent.until_said("--free-disk keeps 1.0 MiB free");
    let data = world.data("agent");
    let shown = || {
        let output = outcome(&data, &["status"]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let counted = until("what waits is counted", || Some(shown()).filter(|(_, text)| !text.contains("files: 0 in")));
    assert_eq!(counted.0, Some(1));
    // The last line may still wait for one that continues it.
    for part in ["s: degraded\nthe disk of ", " in, 0 out, ", "not tried yet"] {
        assert!(counted.1.contains(part), "{part}: {}", counted.1);
    }
    fs::remove_file(&filler).unwrap();
    world.arrived();
    agent.until_said("the spool takes lines in again");
    let (code, text) = shown();
    assert!(code == Some(0) && text.contains("50 in, 50 out, 0 queued"), "{text}");
    assert_eq!(times(&agent.said(), "--free-disk keeps"), 1, "{}", agent.said());
    // One that starts without room for a log of its own ships what the one before left.
    world.kill_server();
    world.write("app.log", "app", 50);
    until("they are in the spool", || (shown().1.contains("100 in, 100 out")).then_some(()));
    world.kill_agent();
    let mut rest = fs::File::create(&filler).unwrap();
    [1 << 16, 1 << 12, 1].iter().for_each(|size| while rest.write_all(&vec![0; *size]).is_ok() {});
    drop(rest);
    world.start_agent();
    world.start_server();
    world.arrived();
    world.agent.as_ref().unwrap().until_said(" is full, ");
    fs::remove_file(&filler).unwrap();
    world.write("app.log", "app", 50);
    world.exactly_once();
}

#[test]
fn a_wrong_token_loses_nothing_until_it_is_right() {
    let mut world = World::new("*.log");
    let token = world.data("token");
    fs::write(&token, "not-the-token-of-it\n").unwrap();
    let mut command = logship(&world.data("server"), &["server", "--listen", &format!("127.0.0.1:{}", world.port)]);
    let child = command.env("LOGSHIP_TOKEN", TOKEN).stdout(Stdio::null());
    let server = Server::of(child.stderr(Stdio::piped()).spawn().unwrap());
    world.write("app.log", "app", 50);
    let (pattern, token_file) = (world.path("*.log"), token.to_str().unwrap());
    let arguments = ["--token-file", token_file, "--status-listen", "127.0.0.1:0"];
    let agent = Agent::start(&world.data("agent"), &world.route, pattern.to_str().unwrap(), &arguments);
    agent.until_said("401");
    let said = agent.said();
    assert!(said.contains("token"), "{said}");
    until("it is counted", || {
        let status = status(&world);
        (status["ship"]["retries"].as_u64()? > 0 && status["ship"]["reachable"] == false).then_some(())
    });
    assert_eq!(times(&agent.said(), "401"), 1, "{}", agent.said());
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    signal(&agent.child, "HUP");
    until_counted(&world, "/ship/records", 50);
    agent.stop();
    signal(&server.child, "TERM");
    let (ended, _) = server.ended();
    assert!(ended.success(), "{ended}");
    let wrong = world.differences(&world.events());
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Somebody else's web server.
struct Html {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Html {
    fn at(port: u16) -> Html {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut requests = 0;
            while !stopping.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                let _ = stream.read(&mut [0; 64 << 10]);
                let body = "<!doctype html><title>Welcome</title><h1>It works!</h1>";
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: ";
                let _ = write!(stream, "{head}{}\r\n\r\n{body}", body.len());
                requests += 1;
            }
            requests
        });
        Html { stop, thread }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_server_that_answers_html_gets_nothing_confirmed() {
    let mut world = World::new("*.log");
    let html = Html::at(world.port);
    world.write("app.log", "app", 30);
    world.start_agent();
    let agent = world.agent.as_ref().unwrap();
    agent.until_said("waits in the spool");
    let begun = Instant::now();
    until("it had time to ask again", || (begun.elapsed() > Duration::from_secs(3)).then_some(()));
    let status = status(&world);
    assert_eq!(status["ship"]["records"], 0, "{status}");
    assert_eq!(times(&agent.said(), "waits in the spool"), 1, "{}", agent.said());
    let requests = html.end();
    assert!((1..20).contains(&requests), "{requests} requests in 3 s");
    world.exactly_once();
}

#[test]
fn a_damaged_note_of_what_was_shipped_doubles_nothing() {
    for damage in ["", "{\"v\":1,\"logs\":", "{\"v\":99,\"logs\":{}}", "\0\0\0"] {
        let mut world = World::running("*.log");
        world.write("app.log", "app", 100);
        world.arrived();
        world.kill_agent();
        fs::write(world.data("agent").join("ship.json"), damage).unwrap();
        world.start_agent();
        world.write("app.log", "app", 10);
        world.arrived();
        let said = world.agent.as_ref().unwrap().said();
        assert_eq!(times(&said, "ship.json"), 1, "{said}");
        world.exactly_once();
    }
}

/// Starts an agent that cannot start.
fn refused(world: &World) -> Output {
    let pattern = world.path("*.log");
    let arguments = ["agent", "--server", &world.route, "--files", pattern.to_str().unwrap()];
    let mut command = logship(&world.data("agent"), &arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(1));
    child.wait_with_output().unwrap()
}

#[test]
fn a_spool_of_a_later_version_is_left_alone() {
    let mut world = World::new("*.log");
    world.write("app.log", "app", 100);
    world.start_agent();
    crate::agent_world::until_stored(&world, b"app says line 99 of many");
    world.kill_agent();
    let segment = files(&world.data("agent").join("spool"), ".seg").pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let ours = bytes.clone();
    bytes[8..10].copy_from_slice(&99_u16.to_le_bytes());
    let sum = crc32c::crc32c(&bytes[..32]);
    bytes[32..36].copy_from_slice(&sum.to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let output = refused(&world);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("log format 99") && said.contains(segment.to_str().unwrap()), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(fs::read(&segment).unwrap(), bytes, "it was left alone");
    fs::write(&segment, &ours).unwrap();
    world.exactly_once();
}

#[test]
fn a_second_agent_with_the_same_data_says_so() {
    let world = World::running("*.log");
    let said = String::from_utf8(refused(&world).stderr).unwrap();
    assert!(said.contains("another agent follows files with"), "{said}");
}

#[test]
fn what_cannot_be_is_said_before_anything_starts() {
    let place = folder();
    let server = format!("http://127.0.0.1:{}", port());
    let check = |arguments: &[&str], words: &[&str]| {
        let mut all = vec!["agent", "--status-listen", "none"];
        all.extend(arguments);
        let output = logship(place.path(), &all).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {} {said}", output.status);
        words.iter().for_each(|word| assert!(said.contains(word), "{word}: {said}"));
        assert!(!said.contains("panicked"), "{said}");
    };
    let files = ["--files", "*.log"];
    check(&["--server", &server], &["nothing to ship", "--files"]);
    check(&files, &["no server to ship to", "--server URL"]);
    check(&[&files[..], &["--server", "logs.example:7447"]].concat(), &["logs.example:7447", "expected a URL"]);
    check(&["--files", "[", "--server", &server], &["["]);
    check(&[&files[..], &["--server", &server, "--ca", "/nowhere.pem"]].concat(), &["/nowhere.pem", "No such file"]);
    check(&[&files[..], &["--server", &server, "--spool-size", "much"]].concat(), &["spool-size", "much"]);
    check(&["--syslog", "tcp://127.0.0.1", "--server", &server], &["tcp://127.0.0.1"]);
    check(&[&files[..], &["--server", &server, "--redact-pattern", "("]].concat(), &["("]);
    check(&[&files[..], &["--server", &server, "--as", "jsn"]].concat(), &["jsn", "json"]);
}
