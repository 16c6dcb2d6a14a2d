//! `logship -e` and `-f`: pipelines of the language of Logstash, by the real binary.

use crate::harness::{folder, logship, pipe, stderr};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Output, Stdio},
};

/// What a pipeline prints, without the time and this machine's name.
fn printed(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let line = |line: &str| {
        let mut event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        assert!(event.remove("@timestamp").is_some(), "{line}");
        assert!(event.remove("host").is_some(), "{line}");
        event.into()
    };
    text.lines().map(line).collect()
}

fn check(args: &[&str], input: &str, expected: &[serde_json::Value]) {
    let home = folder();
    let output = pipe(&home.path().join("data"), args, input.as_bytes());
    assert!(output.status.success(), "{args:?}: {output:?}");
    assert_eq!(printed(&output), expected, "{args:?}");
    assert!(!home.path().join("data").exists(), "nothing is stored");
}

const JSON: &str = "output { stdout { codec => json_lines } }";

#[test]
fn lines_become_events() {
    let event = serde_json::json!({"@version": "1", "event": {"original": "a b"}, "message": "a b"});
    check(&["-e", &format!("input {{ stdin {{ }} }} {JSON}")], "a b\r\n", std::slice::from_ref(&event));
    check(&["-e", &format!("input {{ stdin {{ }} }} {JSON}"), "-w", "3"], "a b\na b", &[event.clone(), event]);
    let plain = serde_json::json!({"@version": "1", "message": "a"});
    let args = ["--pipeline.ecs_compatibility", "disabled", "-e", &format!("input {{ stdin {{ }} }} {JSON}")];
    check(&args, "a\n", &[plain]);
    let read = serde_json::json!({"a": 1, "@version": "1"});
    let failed = serde_json::json!({"message": "{", "@version": "1", "tags": ["_jsonparsefailure"]});
    check(&["-e", &format!("input {{ stdin {{ codec => json }} }} {JSON}")], "{\"a\":1}\n\n{\n", &[read, failed]);
}

#[test]
fn outputs_have_conditions() {
    let conf = "input { generator { count => 4 lines => ['a', 'b'] codec => plain } }
        filter { if [message] == 'b' and [event][sequence] < 3 { drop { } } mutate { remove_field => ['event'] } }
        output { if [message] == 'b' { stdout { codec => line { format => '%{message}!' } } } else { stdout { codec => dots } } }";
    let home = folder();
    for workers in ["1", "4"] {
        let output = pipe(home.path(), &["-e", conf, "-w", workers], b"");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "....b!\n", "{output:?}");
    }
}

#[test]
fn order_is_kept() {
    let home = folder();
    let input: String = (0..200_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let conf = "input { stdin { codec => json_lines } } output { stdout { codec => line { format => '%{n}' } } }";
    let output = pipe(home.path(), &["-e", conf, "-w", "4"], input.as_bytes());
    let expected: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    assert!(output.stdout == expected.as_bytes(), "{} bytes, {}", output.stdout.len(), stderr(&output));
}

#[test]
fn an_event_is_out_before_the_next_line_is_there() {
    let home = folder();
    let mut command = logship(home.path(), &["-e", "output { stdout { codec => line { format => '%{message}' } } }"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut printed = String::new();
        stdout.read_line(&mut printed).unwrap();
        assert_eq!(printed, line);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn all_that_is_wrong_is_said() {
    let home = folder();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("1.conf", "filter { mutat { } }\n");
    write(
        "2.conf",
        "filter {\n  json { sorce => \"x\" }\n  grk { }\n}\noutput { stdot { codec => jsn } stdout { codec => jsn } }\n",
    );
    let path = home.path().to_str().unwrap();
    for path in [path.to_owned(), format!("{path}/*.conf")] {
        let output = logship(&home.path().join("data"), &["-t", "-f", &path]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in [
            "1.conf:1:10: error: there is no filter `mutat`",
            "2.conf:2:10: error: the filter `json` has no option `sorce`",
            "help: did you mean `source`?",
            "2.conf:2:3: error: `json` needs the option `source`",
            "2.conf:5:10: error: there is no output `stdot`",
            "error: there is no codec `jsn`",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
    let good = logship(&home.path().join("data"), &["-t", "-e", "filter { drop { } }"]).output().unwrap();
    assert_eq!((good.status.code(), stderr(&good).contains("Configuration OK")), (Some(0), true), "{good:?}");
    write("good.txt", "filter { }");
    let last = logship(&home.path().join("data"), &["-t", "-f", "/nowhere.conf", "-f", &format!("{path}/good.*")]);
    assert_eq!({ last }.output().unwrap().status.code(), Some(0), "the last -f counts");
    let none = logship(&home.path().join("data"), &["-f", "/nowhere.conf"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

/// What a pipeline prints with these arguments behind a config that prints the message and a field.
fn printed_with(folder: &std::path::Path, args: &[&str]) -> String {
    let conf = "filter { mutate { add_field => { 'x' => '1\\t2' } } }
        output { stdout { codec => line { format => '%{message} %{x} %{host}' } } }";
    let output = pipe(&folder.join("data"), &[&["-e", conf][..], args].concat(), b"a\n");
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_command_line_of_logstash_is_taken() {
    let home = folder();
    let plain = printed_with(home.path(), &[]);
    for args in [
        "-b 10 -u 5 -w 2 -n node -l /var/log/logstash -p /plugins --path.plugins /others",
        "--node.name node --path.logs /logs --log.level fatal --log.format json --config.debug --verbose --debug",
        "--pipeline.unsafe_shutdown --pipeline.ordered auto --pipeline.id x --no-config.reload.automatic",
        "--pipeline.workers 3 -w 2 --pipeline.id a --pipeline.id b -t --no-config.test_and_exit",
        "--no-api.enabled --http.host 127.0.0.1 --http.port 9600 --no-config.test_and_exit --pipeline.buffer.type heap",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        assert_eq!(printed_with(home.path(), &args), plain, "{args:?}");
    }
    for args in ["--no-such", "-w 0", "-b x", "--pipeline.ordered maybe", "--field-reference-escape-style percent"] {
        let args: Vec<&str> = ["-e", "filter { }"].into_iter().chain(args.split(' ')).collect();
        let output = pipe(home.path(), &args, b"a\n");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
}

#[test]
fn settings_hold_for_a_config_of_the_command_line() {
    let home = folder();
    let path = home.path().to_str().unwrap();
    let settings = |text: &str| std::fs::write(home.path().join("logstash.yml"), text).unwrap();
    settings("config.support_escapes: true\npipeline.ecs_compatibility: disabled\nnode.name: a\n");
    let printed = printed_with(home.path(), &["--path.settings", path]);
    assert!(printed.starts_with("a 1\t2 ") && !printed.contains('{'), "{printed}");
    settings("pipeline.worker: 1\nqueue.type: paper\n");
    let output = pipe(home.path(), &["-e", "filter { }", "--path.settings", path], b"a\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["did you mean `pipeline.workers`?", "`queue.type` cannot be `paper`; expected `memory`, `persisted`"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn a_generator_makes_what_codecs_join_and_what_stdin_says() {
    let home = folder();
    let check = |generator: &str, expected: &str| {
        let conf = format!(
            "input {{ generator {{ {generator} }} }} output {{ stdout {{ codec => line {{ format => '%{{message}}|' }} }} }}"
        );
        let output = pipe(home.path(), &["-e", &conf], b"first\nsecond\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
    };
    check("count => 2 message => stdin", "first|\nfirst|\n");
    check("count => 1 lines => [a, ' b', c] codec => multiline { pattern => '^ ' what => previous }", "a\n b|\nc|\n");
}
