//! Pipelines with programs that others wrote: rsyslog, syslog-ng, python-logstash-async and curl. `make peers` fetches the first
//! three; where one is not there, its test is skipped, and says so.

use crate::{
    harness::{folder, pipe, port, signal, until, wait},
    pipelines_live::Live,
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// The program, if it is there.
fn found(path: &str) -> Option<PathBuf> {
    let path = peers().join(path);
    if !path.exists() {
        println!("skipped: no {}: `make peers` fetches it", path.display());
    }
    path.exists().then_some(path)
}

fn tls(name: &str) -> String {
    format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Waits until somebody holds the port, by what the system says: a try to connect would be a connection, one to bind in the way.
fn held(protocol: &str, port: u16) {
    let is_held = || {
        let sockets = fs::read_to_string(format!("/proc/net/{protocol}")).unwrap();
        let local = format!(":{port:04X}");
        // TCP sockets listen (0A), UDP sockets have no state (07).
        let state = if protocol == "tcp" { "0A" } else { "07" };
        let mut lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.any(|fields| fields[1].ends_with(&local) && fields[3] == state).then_some(())
    };
    until(&format!("{protocol} port {port} is held"), is_held);
}

/// The parts of its log that a pipeline has not delivered.
fn waiting(data: &Path) -> usize {
    fs::read_dir(data.join("pipelines/main/log")).unwrap().count()
}

/// A pipeline with one input; what it makes of it is read event by event.
struct Pipeline {
    live: Live,
    data: PathBuf,
    port: u16,
}

impl Pipeline {
    /// The input listens; of two protocols, `protocol` is the last.
    fn start(home: &Path, input: &str, protocol: &str) -> Pipeline {
        let (data, conf, port) = (home.join("data"), home.join("logship.conf"), port());
        let input = input.replace("TO", &format!("host => '127.0.0.1' port => {port}"));
        fs::write(&conf, format!("input {{ {input} }} output {{ stdout {{ codec => json_lines }} }}")).unwrap();
        let live = Live::start(&data, &["-f", conf.to_str().unwrap()]);
        held(protocol, port);
        Pipeline { live, data, port }
    }

    fn event(&mut self) -> Value {
        serde_json::from_str(&self.live.line()).unwrap()
    }

    /// Ends it: nothing else came, and nothing of what came still waits.
    fn stop(self) {
        let rest = self.live.stop();
        assert!(rest.is_empty(), "{rest:?}");
        assert_eq!(waiting(&self.data), 0, "something still waits");
    }
}

/// A syslog daemon.
#[derive(Clone, Copy, Debug)]
enum Daemon {
    Rsyslog,
    SyslogNg,
}

impl Daemon {
    /// Starts it, unprivileged, with all of its files in that folder.
    fn start(self, home: &Path, conf: &str) -> Running {
        let root = peers().join("syslog/usr");
        let inside = |folder: &str, is_it: fn(&str) -> bool| {
            let mut names = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap());
            names.find(|entry| is_it(entry.file_name().to_str().unwrap())).unwrap().path()
        };
        let machine = inside("lib", |name| name.contains("-linux-"));
        let (path, modules) = (home.join("daemon.conf"), inside("lib/syslog-ng", |name| name.starts_with(['3', '4'])));
        let conf = conf.replace("HOME", home.to_str().unwrap());
        let at = |name: &str| home.join(name).into_os_string();
        let mut command;
        match self {
            Daemon::Rsyslog => {
                fs::write(&path, format!("global(workDirectory=\"{}\")\n{conf}\n", home.display())).unwrap();
                command = Command::new(root.join("sbin/rsyslogd"));
                command.arg("-n").arg("-M").arg(machine.join("rsyslog")).arg("-f").arg(&path);
                command.arg("-i").arg(at("daemon.pid"));
            }
            Daemon::SyslogNg => {
                let options = "options { keep-hostname(yes); time-zone(\"UTC\"); stats-freq(0); };";
                fs::write(&path, format!("@version: current\n{options}\n{conf}\n")).unwrap();
                command = Command::new(root.join("sbin/syslog-ng"));
                command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(&path);
                command.arg(format!("--module-path={}", modules.display())).arg("-R").arg(at("daemon.persist"));
                command.arg("-p").arg(at("daemon.pid")).arg("-c").arg(at("daemon.ctl"));
            }
        }
        let libraries = std::env::join_paths([root.join("lib/syslog-ng"), machine]).unwrap();
        let said = fs::File::create(home.join("daemon.said")).unwrap();
        command.env("LD_LIBRARY_PATH", libraries).env("TZ", "UTC").stdin(Stdio::null());
        Running(command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap())
    }
}

/// A test that fails leaves no process behind.
struct Running(Child);

impl Running {
    /// It sends or writes what it has, then it ends.
    fn stop(mut self) {
        signal(&self.0, "TERM");
        assert!(wait(&mut self.0).success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What comes in, in the form that keeps the most of it.
const MESSAGES: [&str; 2] =
    ["<165>2026-02-03T04:05:06.789Z web1 app[42]: hällo [one]", "<34>2026-02-03T04:05:07.123Z web1 su: two \"x\""];

/// What the daemon makes of [`MESSAGES`] and sends becomes these events. Times have no year in the older format.
fn sends(daemon: Daemon, input: &str, protocol: &str, conf: &str, expected: [Value; 2]) {
    let home = folder();
    let mut pipeline = Pipeline::start(home.path(), input, protocol);
    let running = daemon.start(home.path(), &conf.replace("PORT", &pipeline.port.to_string()));
    let socket = UnixDatagram::unbound().unwrap();
    until("the daemon reads", || socket.connect(home.path().join("log.sock")).ok());
    MESSAGES.iter().for_each(|message| _ = socket.send(message.as_bytes()).unwrap());
    let events = [(); 2].map(|()| {
        let mut event = pipeline.event();
        if input.starts_with("tcp") {
            event.as_object_mut().unwrap().remove("@timestamp").unwrap();
        } else {
            let time = event["@timestamp"].as_str().unwrap()[4..].to_owned();
            event["@timestamp"] = time.into();
        }
        event
    });
    assert_eq!(events, expected, "{daemon:?}: {input}: {conf}");
    running.stop();
    pipeline.stop();
}

/// The events of the input `syslog`, for two times and texts.
fn parsed(messages: [(&str, &str, &str); 2]) -> [Value; 2] {
    let priority = [
        json!({"priority": 165, "facility": {"code": 20, "name": "local4"}, "severity": {"code": 5, "name": "Notice"}}),
        json!({
            "priority": 34, "facility": {"code": 4, "name": "security/authorization"},
            "severity": {"code": 2, "name": "Critical"},
        }),
    ];
    let process = [json!({"name": "app", "pid": 42}), json!({"name": "su"})];
    [0, 1].map(|n| {
        let (time, original, message) = messages[n];
        json!({
            "@timestamp": time, "@version": "1", "message": message, "event": {"original": original},
            "log": {"syslog": priority[n]}, "process": process[n], "host": {"hostname": "web1", "ip": "127.0.0.1"},
            "service": {"type": "system"},
        })
    })
}

/// Messages of the older format.
fn of_old() -> [Value; 2] {
    parsed([
        ("-02-03T04:05:06.000Z", "<165>Feb  3 04:05:06 web1 app[42]: hällo [one]", "hällo [one]"),
        ("-02-03T04:05:07.000Z", "<34>Feb  3 04:05:07 web1 su: two \"x\"", "two \"x\""),
    ])
}

/// Lines that nothing is read of.
fn lines(originals: [&str; 2]) -> [Value; 2] {
    originals.map(|line| json!({"@version": "1", "message": line, "event": {"original": line}}))
}

const SYSLOG: &str = "syslog { TO timezone => 'UTC' }";

#[test]
fn rsyslog_sends_messages() {
    let Some(_) = found("syslog/unpacked") else { return };
    let check = |input: &str, protocol: &str, action: &str, expected: [Value; 2]| {
        let conf = format!(
            "global(DefaultNetstreamDriverCAFile=\"{}\")
             module(load=\"imuxsock\" SysSock.Use=\"off\")
             input(type=\"imuxsock\" Socket=\"HOME/log.sock\" UseSpecialParser=\"off\" ParseHostname=\"on\"
                   UseSysTimeStamp=\"off\" IgnoreTimestamp=\"off\")
             action(type=\"omfwd\" target=\"127.0.0.1\" port=\"PORT\" {action})",
            tls("ca.pem")
        );
        sends(Daemon::Rsyslog, input, protocol, &conf, expected);
    };
    check(SYSLOG, "tcp", "protocol=\"tcp\"", of_old());
    check(SYSLOG, "udp", "protocol=\"udp\"", of_old());
    let precise = parsed([
        ("-02-03T04:05:06.789Z", MESSAGES[0], "hällo [one]"),
        ("-02-03T04:05:07.123Z", MESSAGES[1], "two \"x\""),
    ]);
    check(SYSLOG, "udp", "protocol=\"udp\" template=\"RSYSLOG_ForwardFormat\"", precise);
    // Its template has a blank, and so has a text that came in the older form.
    let whole = lines([
        "<165>1 2026-02-03T04:05:06.789Z web1 app 42 - -  hällo [one]",
        "<34>1 2026-02-03T04:05:07.123Z web1 su - - -  two \"x\"",
    ]);
    let new = "protocol=\"tcp\" template=\"RSYSLOG_SyslogProtocol23Format\"";
    check("tcp { TO }", "tcp", new, whole.clone());
    let secure =
        "protocol=\"tcp\" template=\"RSYSLOG_SyslogProtocol23Format\" StreamDriver=\"ossl\" StreamDriverMode=\"1\"
        StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"localhost\"";
    let input = format!(
        "tcp {{ TO ssl_enabled => true ssl_client_authentication => none ssl_certificate => '{}' ssl_key => '{}' }}",
        tls("server.pem"),
        tls("server.key")
    );
    check(&input, "tcp", secure, whole);
}

#[test]
fn syslog_ng_sends_messages() {
    let Some(_) = found("syslog/unpacked") else { return };
    let check = |input: &str, protocol: &str, options: &str, expected: [Value; 2]| {
        let conf = format!(
            "source s {{ unix-dgram(\"HOME/log.sock\" flags(expect-hostname)); }};
             destination d {{ network(\"127.0.0.1\" port(PORT) {options}); }};
             log {{ source(s); destination(d); }};"
        );
        sends(Daemon::SyslogNg, input, protocol, &conf, expected);
    };
    check(SYSLOG, "tcp", "transport(tcp)", of_old());
    check(SYSLOG, "udp", "transport(udp)", of_old());
    let precise = parsed([
        ("-02-03T04:05:06.789Z", "<165>2026-02-03T04:05:06.789+00:00 web1 app[42]: hällo [one]", "hällo [one]"),
        ("-02-03T04:05:07.123Z", "<34>2026-02-03T04:05:07.123+00:00 web1 su: two \"x\"", "two \"x\""),
    ]);
    check(SYSLOG, "tcp", r#"transport(tcp) frac-digits(3) template("<$PRI>$ISODATE $HOST $MSGHDR$MSG\n")"#, precise);
    let whole = lines([
        "<165>1 2026-02-03T04:05:06.789+00:00 web1 app 42 - [meta sequenceId=\"1\"] hällo [one]",
        "<34>1 2026-02-03T04:05:07.123+00:00 web1 su - - [meta sequenceId=\"2\"] two \"x\"",
    ]);
    check("tcp { TO }", "tcp", "transport(tcp) flags(syslog-protocol) frac-digits(3)", whole);
}

/// What a daemon hears of the output `syslog`: priority, time, host, program, process and message.
fn hears(daemon: Daemon, protocol: &str, conf: &str, output: &str, expected: [&str; 2]) {
    let (home, port) = (folder(), port());
    let running = daemon.start(home.path(), &conf.replace("PORT", &port.to_string()));
    held(protocol, port);
    let output = output.replace("TO", &format!("host => '127.0.0.1' port => {port}"));
    let filled = "sourcehost => '%{[host][name]}' appname => '%{app}' procid => '%{pid}' severity => '%{level}'";
    let conf = format!("input {{ stdin {{ codec => json_lines }} }} output {{ syslog {{ {filled} {output} }} }}");
    let events = [
        json!({"@timestamp": "2026-02-03T04:05:06.789Z", "message": "hällo [one]", "host": {"name": "web1"},
               "app": "app", "pid": 42, "level": "error"}),
        json!({"@timestamp": "2026-02-03T04:05:07.123Z", "message": "two\n<13>1 \"x\"", "host": {"name": "web 1"},
               "app": "su", "pid": "-", "level": "none"}),
    ];
    let input: String = events.iter().map(|event| format!("{event}\n")).collect();
    let data = home.path().join("data");
    let ended = pipe(&data, &["-e", &conf], input.as_bytes());
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(waiting(&data), 0, "{output}: something still waits");
    let heard = home.path().join("heard");
    let text = until("both are written", || {
        fs::read_to_string(&heard).ok().filter(|text| text.lines().count() >= events.len())
    });
    running.stop();
    assert_eq!(fs::read_to_string(&heard).unwrap(), text, "more was heard");
    // The older format has no year.
    let lines: Vec<_> = text.lines().map(|line| format!("{}{}", &line[..3], &line[8..])).collect();
    assert_eq!(lines, expected, "{daemon:?}: {output}");
}

/// The messages of the output `syslog` in the older format, and in the newer one.
const HEARD: [[&str; 2]; 2] = [
    ["11|02-03T04:05:06+00:00|web1|app|42| hällo [one]", "13|02-03T04:05:07+00:00|web_1|su|-| two\\n<13>1 \"x\""],
    ["11|02-03T04:05:06.789+00:00|web1|app|42|hällo [one]", "13|02-03T04:05:07.123+00:00|web_1|su|-|two\\n<13>1 \"x\""],
];

#[test]
fn rsyslog_hears_messages() {
    let Some(_) = found("syslog/unpacked") else { return };
    let columns = ["%pri%", "%timereported:::date-rfc3339%", "%hostname%", "%programname%", "%procid%", "%msg%"];
    let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(tls);
    let check = |module: &str, options: &str, output: &str, expected: [&str; 2]| {
        let conf = format!(
            "global(DefaultNetstreamDriverCAFile=\"{ca}\" DefaultNetstreamDriverCertFile=\"{certificate}\"
                    DefaultNetstreamDriverKeyFile=\"{key}\")
             module(load=\"{module}\" {options})
             template(name=\"columns\" type=\"string\" string=\"{}\\n\")
             ruleset(name=\"heard\") {{ action(type=\"omfile\" file=\"HOME/heard\" template=\"columns\") }}
             input(type=\"{module}\" port=\"PORT\" address=\"127.0.0.1\" ruleset=\"heard\")",
            columns.join("|")
        );
        hears(Daemon::Rsyslog, &module[2..], &conf, output, expected);
    };
    check("imudp", "", "TO", HEARD[0]);
    check("imudp", "", "TO rfc => rfc5424", HEARD[1]);
    check("imtcp", "", "TO protocol => tcp", HEARD[0]);
    check("imtcp", "", "TO protocol => tcp rfc => rfc5424", HEARD[1]);
    let secure = "StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\"";
    let output = format!("TO protocol => 'ssl-tcp' ssl_verify => true ssl_cacert => '{ca}' rfc => rfc5424");
    check("imtcp", secure, &output, HEARD[1]);
}

#[test]
fn syslog_ng_hears_messages() {
    let Some(_) = found("syslog/unpacked") else { return };
    let check = |options: &str, protocol: &str, output: &str, expected: [&str; 2]| {
        let conf = format!(
            "source s {{ network(ip(\"127.0.0.1\") port(PORT) {options}); }};
             destination d {{ file(\"HOME/heard\" template(\"$PRI|$ISODATE|$HOST|$PROGRAM|$PID|$MSG\\n\") frac-digits(3)); }};
             log {{ source(s); destination(d); }};"
        );
        hears(Daemon::SyslogNg, protocol, &conf, output, expected);
    };
    let of_old = [
        "11|02-03T04:05:06.000+00:00|web1|app|42|hällo [one]",
        "13|02-03T04:05:07.000+00:00|web_1|su|-|two\\n<13>1 \"x\"",
    ];
    let of_new = [HEARD[1][0], &HEARD[1][1].replace("|su|-|", "|su||")];
    check("transport(udp)", "udp", "TO", of_old);
    check("transport(tcp)", "tcp", "TO protocol => tcp", of_old);
    check("transport(tcp) flags(syslog-protocol)", "tcp", "TO protocol => tcp rfc => rfc5424", of_new);
}

/// A program that logs twice.
const SHOP: &str = r#"
import json, logging, sys
from logstash_async.handler import AsynchronousLogstashHandler

transport, port, options = sys.argv[1:]
transport = "logstash_async.transport." + transport
handler = AsynchronousLogstashHandler("localhost", int(port), None, transport, **json.loads(options))
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
logger.addHandler(handler)
logger.info("hällo %s", "one", extra={"order": 7, "colours": ["red", None]})
try:
    raise ValueError("no such\norder")
except ValueError:
    logger.exception("failed")
logging.shutdown()
"#;

/// What is in both events, and what is in each.
fn shop(home: &Path, pid: u32, added: &Value) -> [Value; 2] {
    let path = home.join("shop.py").to_str().unwrap().to_owned();
    let trace = format!(
        "Traceback (most recent call last):\n  File \"{path}\", line 13, in <module>\n    \
         raise ValueError(\"no such\\norder\")\nValueError: no such\norder\n"
    );
    let each = [
        ("ERROR", "failed", json!({"line": 15, "error_type": "ValueError", "stack_trace": trace})),
        ("INFO", "hällo one", json!({"line": 11, "order": 7, "colours": ["red", null]})),
    ];
    each.map(|(level, message, of_its_own)| {
        let mut extra = json!({
            "func_name": "<module>", "logger_name": "shop", "logstash_async_version": "4.1.0", "path": path,
            "process_name": "MainProcess", "thread_name": "MainThread",
        });
        extra.as_object_mut().unwrap().extend(of_its_own.as_object().unwrap().clone());
        let mut event = json!({
            "@version": "1", "level": level, "message": message, "pid": pid, "program": path, "type": "python-logstash",
            "extra": extra,
        });
        event.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
        if event["tags"] == json!(["beats_input_codec_plain_applied"]) {
            event["event"] = json!({"original": message});
        }
        event
    })
}

#[test]
fn python_logs() {
    let Some(python) = found("python/bin/python") else { return };
    let check = |input: &str, transport: &str, options: Value, added: Value| {
        let home = folder();
        let mut pipeline = Pipeline::start(home.path(), input, "tcp");
        let path = home.path().join("shop.py");
        fs::write(&path, SHOP).unwrap();
        let mut command = Command::new(&python);
        command.arg(&path).args([transport, &pipeline.port.to_string(), &options.to_string()]).stdin(Stdio::null());
        let mut child = Running(command.spawn().unwrap());
        let pid = child.0.id();
        let mut events = [(); 2].map(|()| pipeline.event());
        assert!(wait(&mut child.0).success());
        // It does not promise an order.
        events.sort_by_key(|event| event["level"].as_str().unwrap().to_owned());
        for event in &mut events {
            let fields = event.as_object_mut().unwrap();
            assert_eq!(fields.remove("host"), fields.remove("logsource"));
            assert!(fields.remove("@timestamp").is_some());
            let extra = fields["extra"].as_object_mut().unwrap();
            assert!(extra.remove("interpreter").is_some() && extra.remove("interpreter_version").is_some());
            // A task of asyncio, where there is one.
            extra.remove("task_name");
            if let Some(agent) = fields.remove("user_agent") {
                assert!(agent["original"].as_str().unwrap().starts_with("python-requests/"), "{agent}");
                assert_eq!(fields["url"].as_object_mut().unwrap().remove("port"), Some(pipeline.port.into()));
                assert!(fields["http"]["request"].as_object_mut().unwrap().remove("body").is_some());
            }
        }
        assert_eq!(events, shop(home.path(), pid, &added), "{input}");
        pipeline.stop();
    };
    let secure = format!("ssl_certificate => '{}' ssl_key => '{}'", tls("server.pem"), tls("server.key"));
    let trusting = json!({"ssl_enable": true, "ca_certs": tls("ca.pem")});
    let applied = json!({"tags": ["beats_input_codec_plain_applied"]});
    check("tcp { TO codec => json_lines }", "TcpTransport", json!({}), json!({}));
    let input =
        format!("tcp {{ TO codec => json_lines ssl_enabled => true ssl_client_authentication => none {secure} }}");
    check(&input, "TcpTransport", trusting.clone(), json!({}));
    check("beats { TO }", "BeatsTransport", json!({}), applied.clone());
    check(&format!("beats {{ TO ssl_enabled => true {secure} }}"), "BeatsTransport", trusting, applied);
    let request = json!({
        "http": {"method": "POST", "version": "HTTP/1.1", "request": {"mime_type": "application/json"}},
        "url": {"domain": "localhost", "path": "/"},
    });
    let login = json!({"username": "ann", "password": "secret", "ssl_enable": false});
    check("http { TO user => ann password => secret }", "HttpTransport", login, request);
}

#[test]
fn curl_sends_bodies() {
    let home = folder();
    let mut pipeline = Pipeline::start(home.path(), "http { TO user => ann password => 'se:cret' }", "tcp");
    let long = "x".repeat(2 << 20);
    fs::write(home.path().join("long"), &long).unwrap();
    fs::write(home.path().join("body"), "{\"a\":1}\n").unwrap();
    assert!(Command::new("gzip").arg(home.path().join("body")).status().unwrap().success());
    let url = format!("http://127.0.0.1:{}/in?x=1", pipeline.port);
    let curl = |args: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "-A", "curl", "-w", "|%{http_code}|%header{www-authenticate}\n"]);
        let output = command.args(args).arg(&url).current_dir(home.path()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut check = |args: &[&str], content: &str, length: Option<&str>, expected: Value| {
        assert_eq!(curl(&[&["-u", "ann:se:cret"], args].concat()), "ok|200|\n", "{args:?}");
        let mut event = pipeline.event();
        assert!(event.as_object_mut().unwrap().remove("@timestamp").is_some());
        let version = if args.contains(&"--http1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
        let mut request = json!({"mime_type": content});
        if let Some(length) = length {
            request["body"] = json!({"bytes": length});
        }
        let mut all = json!({
            "@version": "1", "host": {"ip": "127.0.0.1"}, "user_agent": {"original": "curl"},
            "http": {"method": "POST", "version": version, "request": request},
            "url": {"domain": "127.0.0.1", "path": "/in?x=1", "port": pipeline.port},
        });
        all.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        assert_eq!(event, all, "{args:?}");
    };
    let text = |text: &str| json!({"message": text, "event": {"original": text}});
    let (json_type, form) = ("application/json", "application/x-www-form-urlencoded");
    let as_json = ["-H", "Content-Type: application/json"];
    let object = |text: &str| json!({"a": 1, "event": {"original": text}});
    check(&["--json", "{\"a\":1}"], json_type, Some("7"), object("{\"a\":1}"));
    check(&["-d", "a=1", "-d", "b=%C3%A4+b"], form, Some("14"), text("a=1&b=%C3%A4+b"));
    let gzipped = fs::metadata(home.path().join("body.gz")).unwrap().len().to_string();
    let gzip = ["-H", "Content-Encoding: gzip", "--data-binary", "@body.gz"];
    check(&[&as_json[..], &gzip].concat(), json_type, Some(&gzipped), object("{\"a\":1}\n"));
    check(&["--http1.0", "-d", "hi"], form, Some("2"), text("hi"));
    check(&["-H", "Transfer-Encoding: chunked", "-d", "hi"], form, None, text("hi"));
    // It asks before it sends.
    check(&["-H", "Expect: 100-continue", "-d", "@long"], form, Some(&long.len().to_string()), text(&long));
    for args in [&["-d", "hi"][..], &["-u", "ann:wrong", "-d", "hi"], &["-H", "Expect: 100-continue", "-d", "@long"]] {
        let answer = curl(args);
        assert!(answer.contains("|401|Basic"), "{args:?}: {answer}");
    }
    pipeline.stop();
}
