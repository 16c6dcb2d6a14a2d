//! `app | logship agent --stdin`.

use crate::{
    agent_world::{World, message, until_stored},
    harness::{logship, port, signal, spawn_pipe, stderr, until, wait},
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Output},
};

/// An agent of the world's that reads stdin.
fn reading(world: &World, drain: &str, args: &[&str]) -> Child {
    let mut all = vec!["agent", "--stdin", "--server", &world.route, "--service", "shop"];
    all.extend(["--drain", drain]);
    all.extend(args);
    spawn_pipe(&world.data("agent"), &all)
}

/// Feeds lines that the world knows of then.
fn say(world: &mut World, child: &mut Child, content: &str, lines: usize) {
    let known = world.written.entry(content.to_owned()).or_default();
    let new: Vec<_> = (known.len()..known.len() + lines).map(|n| format!("{content} says line {n} of many")).collect();
    known.extend(new.iter().cloned());
    child.stdin.as_mut().unwrap().write_all((new.join("\n") + "\n").as_bytes()).unwrap();
}

fn ended(mut child: Child) -> Output {
    drop(child.stdin.take());
    child.wait_with_output().unwrap()
}

#[test]
fn the_end_of_stdin_ends_an_agent_that_reads_nothing_else() {
    let mut world = World::new("*.log");
    world.start_server();
    let mut child = reading(&world, "30s", &[]);
    say(&mut world, &mut child, "app", 50_000);
    let output = ended(child);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(world.server().settled()["idle"], true);
    let events = world.events();
    assert_eq!(world.differences(&events), Vec::<String>::new());
    assert_eq!(events[0]["service"]["name"], "shop", "{}", events[0]);
    assert!(events[0]["host"]["name"].is_string(), "{}", events[0]);
    assert!(stderr(&output).contains("reads stdin and ships to http"), "{output:?}");
}

#[test]
fn what_no_server_took_waits_in_the_spool() {
    let mut world = World::new("*.log");
    let mut child = reading(&world, "0s", &[]);
    say(&mut world, &mut child, "app", 2_000);
    let output = ended(child);
    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).contains("not everything is shipped"), "{output:?}");
    // The next one takes it along, whatever it reads itself, and whatever ends it.
    let mut child = reading(&world, "30s", &[]);
    say(&mut world, &mut child, "app", 2_000);
    until_stored(&world, b"app says line 3999 of many");
    child.kill().unwrap();
    child.wait().unwrap();
    world.exactly_once();
}

#[test]
fn stdin_is_one_input_among_others() {
    let mut world = World::new("*.log");
    world.start_server();
    let pattern = world.path("*.log");
    let mut child = reading(&world, "30s", &["--files", pattern.to_str().unwrap()]);
    say(&mut world, &mut child, "app", 100);
    drop(child.stdin.take());
    world.arrived();
    world.write("file.log", "file", 100);
    world.arrived();
    assert!(child.try_wait().unwrap().is_none(), "its end ends nothing");
    signal(&child, "TERM");
    assert!(wait(&mut child).success());
    world.exactly_once();
}

#[test]
fn a_stop_reads_what_is_there_and_waits_for_no_end() {
    let mut world = World::new("*.log");
    world.start_server();
    let mut child = reading(&world, "30s", &["--quiet"]);
    say(&mut world, &mut child, "app", 10);
    world.arrived();
    signal(&child, "INT");
    // What the app says of its own end.
    say(&mut world, &mut child, "app", 10);
    world.arrived();
    signal(&child, "TERM");
    assert!(wait(&mut child).success(), "the second one is for us, though stdin is open");
    world.exactly_once();
}

#[test]
fn the_config_file_names_it_and_the_rules_before_it() {
    let mut world = World::new("*.log");
    world.start_server();
    let config = world.data("agent.toml");
    let settings = |redact: &str| fs::write(&config, format!("stdin = true\nredact = [{redact}]\n")).unwrap();
    settings("\"emails\"");
    let arguments = ["agent", "--config", config.to_str().unwrap(), "--server", &world.route];
    let mut child = spawn_pipe(&world.data("agent"), &arguments);
    let count = |of: u64| until("it has arrived", || (world.server().count("*") == of).then_some(()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one user@shop.example of many\nand half a ").unwrap();
    count(1);
    settings("");
    signal(&child, "HUP");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("settings are read again")));
    stdin.write_all(b"line\nuser@shop.example\n").unwrap();
    count(3);
    drop(stdin);
    let output = ended(child);
    assert!(output.status.success(), "{output:?}");
    let messages: Vec<_> = world.events().iter().map(|event| message(event).to_owned()).collect();
    assert_eq!(messages, ["one [redacted:email] of many", "and half a line", "user@shop.example"]);
}

#[test]
fn lost_lines_are_said_and_fail_it() {
    let mut world = World::new("*.log");
    world.route = format!("http://127.0.0.1:{}", port());
    let arguments = ["agent", "--stdin", "--server", &world.route, "--spool-size", "64KiB", "--drain", "0s"];
    let mut child = logship(&world.data("agent"), &arguments);
    child.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    say(&mut world, &mut child, "app", 20_000);
    let output = ended(child);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains(" lines of stdin are lost (no room is left in the log)"), "{said}");
}
