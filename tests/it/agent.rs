//! `logship agent`: the cases that agents are known to fail in.

use crate::{
    agent_world::{World, message, until_stored},
    harness::{Agent, logship, port, search, signal, until},
};
use std::{fs, io::Write as _, net::TcpStream, process::Command};

#[test]
fn what_the_spool_has_needs_neither_its_file_nor_its_process() {
    let mut world = World::new("*.log");
    world.write("app.log", "app", 2_000);
    world.start_agent();
    until_stored(&world, b"app says line 1999 of many");
    world.kill_agent();
    fs::remove_file(world.path("app.log")).unwrap();
    world.start_server();
    world.start_agent();
    world.arrived();
    world.write("app.log", "app again", 10);
    world.exactly_once();
}

#[test]
fn a_server_that_is_away_costs_no_line() {
    let mut world = World::running("*.log");
    for round in 0..3 {
        world.write("app.log", &format!("app {round}"), 100);
        world.arrived();
        world.kill_server();
        world.write("app.log", &format!("app {round}"), 100);
        until_stored(&world, format!("app {round} says line 199 of many").as_bytes());
        if round == 1 {
            world.kill_agent();
        }
        world.start_server();
        world.start_agent();
    }
    world.exactly_once();
}

/// Renames a file, and those before it, and writes to a new one of its name.
fn rotate_and_create(pattern: &str) {
    let mut world = World::running(pattern);
    for turn in 0..6 {
        world.write("app.log", &format!("app {turn}"), 50);
        // What was never seen under a name that the pattern means is nobody's.
        if turn % 2 == 0 || pattern == "app.log" {
            world.arrived();
        }
        if turn == 3 {
            world.kill_agent();
        }
        world.write("app.log", &format!("app {turn}"), 20);
        for old in (1..=turn).rev() {
            world.rename(&format!("app.log.{old}"), &format!("app.log.{}", old + 1));
        }
        world.rename("app.log", "app.log.1");
        // A program that has not heard of it yet.
        world.write("app.log.1", &format!("app {turn}"), 3);
        world.start_agent();
    }
    world.write("app.log", "app last", 50);
    world.exactly_once();
}

#[test]
fn files_that_rotation_renames_are_read_once_where_only_the_first_is_named() {
    rotate_and_create("app.log");
}

#[test]
fn files_that_rotation_renames_are_read_once_where_all_are_named() {
    rotate_and_create("app.log*");
}

/// Copies a file and truncates it.
fn copy_and_truncate(pattern: &str) {
    let mut world = World::running(pattern);
    for turn in 0..6 {
        world.write("app.log", &format!("app {turn}"), 50);
        if turn % 2 == 0 || pattern == "app.log" {
            world.arrived();
        }
        if turn == 4 {
            world.kill_agent();
        }
        world.write("app.log", &format!("app {turn}"), 20);
        world.copy_and_truncate("app.log", &format!("app.log.2026010{turn}"));
        world.start_agent();
    }
    world.write("app.log", "app last", 50);
    world.exactly_once();
}

#[test]
fn copies_of_truncated_files_are_not_read_again_where_only_the_original_is_named() {
    copy_and_truncate("app.log");
}

#[test]
fn copies_of_truncated_files_are_not_read_again_where_they_are_named() {
    copy_and_truncate("app.log*");
}

#[test]
fn a_truncated_file_begins_anew() {
    let mut world = World::running("*.log");
    // Shorter than what was there, as long, and longer.
    for (turn, lines) in [100, 20, 20, 300, 1].into_iter().enumerate() {
        world.write("app.log", &format!("app {turn}"), lines);
        world.arrived();
        world.truncate("app.log");
    }
    world.write("app.log", "app last", 100);
    world.exactly_once();
}

#[test]
fn a_deleted_file_is_read_anew_under_its_old_name_and_number() {
    let mut world = World::running("*.log");
    for turn in 0..4 {
        world.write("app.log", &format!("app {turn}"), 40);
        world.arrived();
        fs::remove_file(world.path("app.log")).unwrap();
    }
    world.write("app.log", "app last", 40);
    world.exactly_once();
}

#[test]
fn a_hangup_ends_nothing() {
    let mut world = World::running("*.log");
    for _ in 0..5 {
        world.write("app.log", "app", 40);
        signal(&world.agent.as_ref().unwrap().child, "HUP");
    }
    world.arrived();
    signal(&world.agent.as_ref().unwrap().child, "HUP");
    world.write("app.log", "app", 40);
    world.exactly_once();
}

/// Waits for so many events and gives them.
fn events(world: &World, count: u64) -> Vec<serde_json::Value> {
    until("all is there", || (world.server().count("*") == count).then_some(()));
    search(&world.data("server"), &[])
}

/// A line of Docker's `json-file`.
fn docker(stream: &str, second: usize, text: &str) -> String {
    let time = format!("2026-01-02T03:04:{second:02}.123456789Z");
    serde_json::json!({"log": text, "stream": stream, "time": time}).to_string() + "\n"
}

#[test]
fn json_in_docker_json_is_unwrapped() {
    let world = World::running("*.log");
    let inner = r#"{"level":"error","msg":"boom","order":{"id":7}}"#;
    world.append("0a1b-json.log", docker("stderr", 5, &format!("{inner}\n")));
    world.append("0a1b-json.log", docker("stdout", 6, "plain words\n"));
    let events = events(&world, 2);
    assert_eq!(events[0]["message"], "boom", "{events:?}");
    assert_eq!(events[0]["order"]["id"], 7, "{events:?}");
    assert_eq!(events[0]["log"]["level"], "error", "{events:?}");
    assert_eq!(events[0]["log"]["iostream"], "stderr", "{events:?}");
    assert_eq!(events[0]["@timestamp"], "2026-01-02T03:04:05.123456789Z", "{events:?}");
    assert_eq!((message(&events[1]), &events[1]["log"]["iostream"]), ("plain words", &"stdout".into()), "{events:?}");
}

#[test]
fn a_label_says_what_the_format_is_and_where_records_begin() {
    let world = World::running("**/*.log");
    let id = "0123456789abcdef".repeat(4);
    fs::create_dir(world.path(&id)).unwrap();
    let labels = r#"{"logship.parser":"plain","logship.multiline.pattern":"^step \\d+","logship.service":"steps"}"#;
    let config = format!(r#"{{"Name":"/runner","Config":{{"Image":"ci","Labels":{labels}}}}}"#);
    fs::write(world.path(&id).join("config.v2.json"), config).unwrap();
    let lines = ["step 1\n", "{\"level\":\"error\"}\n", "done\n", "step 2\n", "{}\n", "step 3\n"];
    let all: String = lines.iter().map(|line| docker("stdout", 5, line)).collect();
    world.append(&format!("{id}/{id}-json.log"), all);
    let events = events(&world, 3);
    let said: Vec<_> = events.iter().map(|event| (message(event), event["service"]["name"].as_str())).collect();
    let service = Some("steps");
    let expected = [("step 1\n{\"level\":\"error\"}\ndone", service), ("step 2\n{}", service), ("step 3", service)];
    assert_eq!(said, expected, "{events:?}");
}

#[test]
fn only_containers_that_ask_for_it_are_read_where_that_is_wanted() {
    let mut world = World::new("**/*.log");
    world.start_server();
    for (digit, label) in [("a", "include"), ("b", "other"), ("c", "include=no")] {
        let id = digit.repeat(64);
        fs::create_dir(world.path(&id)).unwrap();
        let config = format!(r#"{{"Name":"/{digit}","Config":{{"Labels":{{"logship.{label}":"true"}}}}}}"#);
        fs::write(world.path(&id).join("config.v2.json"), config).unwrap();
        world.append(&format!("{id}/{id}-json.log"), docker("stdout", 5, &format!("of {digit}\n")));
    }
    world.append("of-no-container.log", "of none\n");
    let config = world.data("agent.toml");
    fs::write(&config, "only-included = true\n").unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let pattern = world.path("**/*.log");
    let agent = Agent::start(&world.data("agent"), &world.route, pattern.to_str().unwrap(), &arguments);
    let said = |count: u64| -> Vec<_> {
        let mut said: Vec<_> = events(&world, count).iter().map(|event| message(event).to_owned()).collect();
        said.sort();
        said
    };
    assert_eq!(said(2), ["of a", "of none"]);
    // Without it all are read, as long as nobody excludes them.
    fs::write(&config, "").unwrap();
    signal(&agent.child, "HUP");
    assert_eq!(said(4), ["of a", "of b", "of c", "of none"]);
    agent.stop();
}

/// Long lines in pieces, as the engines write them, of two streams in turns, with a crash between the pieces.
fn pieces(name: &str, piece: impl Fn(&str, usize, &str, bool) -> String) {
    let mut world = World::running("*.log");
    let long = |stream: &str, turn: usize| format!("{stream} {turn} {}", "0123456789abcdef".repeat(2_500));
    for turn in 0..4 {
        let lines = ["stdout", "stderr"].map(|stream| (stream, long(stream, turn)));
        for at in (0..lines[0].1.len()).step_by(16 << 10) {
            for (stream, line) in &lines {
                let part = &line[at..line.len().min(at + (16 << 10))];
                world.append(name, piece(stream, turn, part, at + part.len() == line.len()));
            }
            if turn == 2 && at == 0 {
                world.kill_agent();
                world.start_agent();
            }
        }
    }
    world.append(name, piece("stdout", 9, "short", true));
    let events = events(&world, 9);
    for (turn, pair) in events.chunks(2).take(4).enumerate() {
        let mut said: Vec<_> = pair.iter().map(message).collect();
        said.sort_unstable();
        assert!(said == [long("stderr", turn), long("stdout", turn)], "{turn}: {:?}", said.map_lengths());
    }
    assert_eq!(message(&events[8]), "short");
    world.stop_agent();
    assert_eq!(world.server().settled()["idle"], true);
    assert_eq!(world.server().count("*"), 9);
}

/// Lengths instead of long texts, for messages.
trait Lengths {
    fn map_lengths(&self) -> Vec<(usize, String)>;
}

impl Lengths for Vec<&str> {
    fn map_lengths(&self) -> Vec<(usize, String)> {
        self.iter().map(|text| (text.len(), text.chars().take(20).collect())).collect()
    }
}

#[test]
fn pieces_of_docker_become_lines() {
    pieces("0a1b-json.log", |stream, second, text, is_last| {
        docker(stream, second, &format!("{text}{}", if is_last { "\n" } else { "" }))
    });
}

#[test]
fn pieces_of_the_container_runtime_interface_become_lines() {
    pieces("web_shop_app-0a1b.log", |stream, second, text, is_last| {
        let tag = if is_last { "F" } else { "P" };
        format!("2026-01-02T03:04:{second:02}.123456789Z {stream} {tag} {text}\n")
    });
}

#[test]
fn a_program_writes_while_its_file_is_rotated_by_others() {
    let mut world = World::running("app.log*");
    let script = r#"
        i=0; exec 3>>app.log
        while [ $i -lt 2000 ]; do
            echo "shell says line $i of many" >&3; i=$((i+1))
            if [ $((i % 500)) -eq 0 ]; then mv app.log app.log.$i; exec 3>>app.log; fi
        done"#;
    let lines = (0..2_000).map(|n| format!("shell says line {n} of many")).collect();
    let status = Command::new("sh").args(["-c", script]).current_dir(world.path("")).status().unwrap();
    assert!(status.success());
    world.written.insert("shell".to_owned(), lines);
    world.arrived();
    let wrong = world.differences(&world.events());
    // Four files: in order within each alone.
    assert!(wrong.iter().all(|wrong| wrong == "shell: not in order"), "{wrong:?}");
}

/// A config file that is changed under a running agent.
#[test]
fn settings_are_read_again_without_losing_a_byte() {
    let mut world = World::new("*.log");
    world.start_server();
    let config = world.data("agent.toml");
    let socket = format!("127.0.0.1:{}", port());
    let settings = |files: &[&str], more: &str| {
        let files: Vec<_> = files.iter().map(|name| world.path(name)).collect();
        let text = format!("files = {files:?}\nserver = \"{}\"\nsyslog = [\"tcp://{socket}\"]\n{more}", world.route);
        fs::write(&config, text).unwrap();
    };
    settings(&["a.log"], "");
    let arguments = ["agent", "--status-listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let agent = Agent::of(&mut logship(&world.data("agent"), &arguments));
    let mut app = TcpStream::connect(&socket).unwrap();
    let mut say =
        |n: usize| writeln!(app, "<14>1 2026-01-02T03:04:05Z web app - - - socket says line {n} of many").unwrap();
    world.append("a.log", "a says line 0 of many\n");
    world.append("b.log", "b says line 0 of many\nb says user@shop.example of many\n");
    say(0);
    let count = |of: u64| until("all has arrived", || (world.server().count("*") == of).then_some(()));
    count(2);
    // Another file, while the first goes on; the connection is not disturbed.
    settings(&["a.log", "b.log"], "quiet = false");
    world.append("a.log", "a says line 1 of many\n");
    signal(&agent.child, "HUP");
    agent.until_said("settings are read again");
    say(1);
    world.append("a.log", "a says line 2 of many\n");
    count(7);
    // What is wrong changes nothing.
    settings(&["c.log"], "redact = [\"name\"]");
    signal(&agent.child, "HUP");
    agent.until_said("settings stay as they are: --redact name: expected ");
    fs::write(&config, "fils = 3").unwrap();
    signal(&agent.child, "HUP");
    agent.until_said("settings stay as they are: config file ");
    assert!(agent.said().contains("unknown option `fils`"), "{}", agent.said());
    say(2);
    world.append("b.log", "b says line 2 of many\n");
    count(9);
    // Rules are before every input: sockets begin again with them.
    settings(&["b.log"], "redact = [\"emails\"]");
    signal(&agent.child, "HUP");
    until("they are read", || (agent.said().matches("settings are read again").count() == 2).then_some(()));
    world.append("b.log", "b says other@shop.example of many\n");
    count(10);
    let messages: Vec<_> = world.events().iter().map(|event| message(event).to_owned()).collect();
    assert!(messages.iter().any(|message| message == "b says user@shop.example of many"), "{messages:?}");
    assert!(messages.iter().any(|message| message == "b says [redacted:email] of many"), "{messages:?}");
    agent.stop();
}
