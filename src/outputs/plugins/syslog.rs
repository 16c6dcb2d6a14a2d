//! `syslog { host => "..." port => 514 }`: events as messages of RFC 3164 or RFC 5424, by datagrams, over TCP or TLS.
//!
//! Each ends with a line end, as Logstash writes them, over TCP without a count of octets. Line ends inside of a message are written
//! as `\n`; blanks and control characters in what stands before it become `_`, so that no value can make a message of its own.
//!
//! Other than in Logstash, the sender is `%{[host][name]}` where the Elastic Common Schema is on: `%{host}` is an object there.

use super::{
    Encoded, Output, OutputKind, Sink,
    connection::{Connection, Way},
    tcp::{self, Client},
    tls::Tls,
    udp::{Aim, Datagrams},
};
use crate::{
    codecs::plugins::{self, Encoder},
    config::Options,
    event::{
        Event, Timestamp,
        render::{render, rendered},
        syslog::{DEFAULT_PRIORITY, FACILITIES, PRIORITY_MAX, SEVERITIES},
    },
};
use logship_parsers::config::{Diagnostic, Template, ast::Value, typed};
use std::{fmt::Write as _, io, sync::Arc, time::Duration};

pub(super) const KIND: OutputKind = OutputKind {
    name: "syslog",
    summary: "A syslog server",
    options: &[
        "appname",
        "facility",
        "host",
        "message",
        "msgid",
        "port",
        "priority",
        "procid",
        "protocol",
        "reconnect_interval",
        "rfc",
        "severity",
        "sourcehost",
        "ssl_cacert",
        "ssl_cert",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_cipher_suites",
        "ssl_crl_check",
        "ssl_crl_path",
        "ssl_key",
        "ssl_key_passphrase",
        "ssl_supported_protocols",
        "ssl_verify",
        "structured_data",
        "use_labels",
    ],
    needs_log: true,
    build,
};

struct Syslog {
    head: Head,
    message: Message,
    transport: Transport,
}

struct Head {
    is_new: bool,
    priority: Priority,
    time: Template,
    sourcehost: Template,
    appname: Template,
    procid: Template,
    msgid: Template,
    structured_data: Template,
}

enum Priority {
    Labels { facility: Template, severity: Template },
    Number(Template),
}

enum Message {
    Template(Template),
    Codec(Box<dyn Encoder>),
}

enum Transport {
    Datagrams(Arc<Aim>),
    Stream(Arc<Way>),
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let transport = transport(options);
    let head = head(options);
    let message = options.or("message", typed::template, template("%{message}")?);
    let message = if options.is_given("codec") {
        Message::Codec(plugins::encoder(options, "plain")?)
    } else {
        Message::Template(message)
    };
    Some(Box::new(Syslog { head: head?, message, transport: transport? }))
}

fn template(text: &str) -> Option<Template> {
    Template::parse(text).ok()
}

fn head(options: &mut Options<'_>) -> Option<Head> {
    let is_new =
        options.or("rfc", |value| typed::choice(value, &["rfc3164", "rfc5424"]).map(|rfc| rfc == "rfc5424"), false);
    let host = if options.ecs().is_on() { "%{[host][name]}" } else { "%{host}" };
    let mut or = |name, default| Some(options.or(name, typed::template, template(default)?));
    let (facility, severity) = (or("facility", "user-level")?, or("severity", "notice")?);
    let number = or("priority", "%{syslog_pri}")?;
    let (sourcehost, appname) = (or("sourcehost", host)?, or("appname", "LOGSTASH")?);
    let (procid, msgid) = (or("procid", "-")?, or("msgid", "-")?);
    let structured_data = or("structured_data", "-")?;
    let has_labels = options.flag("use_labels", true);
    let priority = if has_labels { Priority::Labels { facility, severity } } else { Priority::Number(number) };
    let time = template(if is_new { "%{+YYYY-MM-dd'T'HH:mm:ss.SSSZZ}" } else { "%{+MMM dd HH:mm:ss}" })?;
    Some(Head { is_new, priority, time, sourcehost, appname, procid, msgid, structured_data })
}

fn transport(options: &mut Options<'_>) -> Option<Transport> {
    let host = options.required("host", |value| typed::text(value).map(str::to_owned));
    let port = options.required("port", tcp::port);
    let seconds = |value: &Value| typed::duration(value, Duration::from_secs(1));
    let pause = options.or("reconnect_interval", seconds, Duration::from_secs(1));
    let protocol = |value: &Value| typed::choice(value, &["tcp", "udp", "ssl-tcp"]).map(str::to_owned);
    let protocol = options.or("protocol", protocol, "udp".to_owned());
    let tls = Tls::read(options, false)?;
    if protocol == "udp" {
        let aim = Aim { host: host?, port: port?.to_string(), attempts: 1, pause };
        return Some(Transport::Datagrams(Arc::new(aim)));
    }
    let config = match protocol.as_str() {
        "ssl-tcp" => {
            if !tls.verifies() {
                let warning = Diagnostic::warning(options.place(), "anyone may take the place of this server");
                options.report(warning.help("add `ssl_verify => true`: without it, Logstash does not look either"));
            }
            match tls.client() {
                Ok(config) => Some(config),
                Err(cause) => {
                    options.report(Diagnostic::error(options.place(), cause.to_string()));
                    return None;
                }
            }
        }
        _ => None,
    };
    Some(Transport::Stream(Arc::new(Way { host: host?, port: port?, tls: config, pause })))
}

impl Output for Syslog {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        let text = out.text_mut();
        self.head.write(event, now, text);
        let from = text.len();
        match &self.message {
            Message::Template(message) => render(message, event, now, text),
            Message::Codec(codec) => codec.encode(event, now, text),
        }
        text.truncate(from + text.get(from..).unwrap_or_default().trim_end().len());
        if text.get(from..).is_some_and(|message| message.contains('\n')) {
            let message = text.split_off(from).replace("\r\n", "\n").replace('\n', "\\n");
            text.push_str(&message);
        }
        text.push('\n');
        out.end("", None);
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(match &self.transport {
            Transport::Datagrams(aim) => Box::new(Datagrams::new(aim.clone())),
            Transport::Stream(way) => Box::new(Client(Connection::new(way.clone()))),
        })
    }
}

impl Head {
    fn write(&self, event: &Event, now: Timestamp, out: &mut String) {
        _ = write!(out, "<{}>{}", self.priority.of(event, now), if self.is_new { "1 " } else { "" });
        render(&self.time, event, now, out);
        let word = |template: &Template, out: &mut String| {
            let from = out.len();
            render(template, event, now, out);
            let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
            if out.len() == from {
                out.push('-');
            } else if !out.get(from..).unwrap_or_default().chars().all(is_plain) {
                let text = out.split_off(from);
                out.extend(text.chars().map(|c| if is_plain(c) { c } else { '_' }));
            }
        };
        out.push(' ');
        word(&self.sourcehost, out);
        out.push(' ');
        word(&self.appname, out);
        if !self.is_new {
            out.push('[');
            word(&self.procid, out);
            return out.push_str("]: ");
        }
        for template in [&self.procid, &self.msgid] {
            out.push(' ');
            word(template, out);
        }
        out.push(' ');
        let data = rendered(&self.structured_data, event, now);
        out.extend(data.chars().map(|c| if c.is_control() { '_' } else { c }));
        out.push(' ');
    }
}

impl Priority {
    fn of(&self, event: &Event, now: Timestamp) -> i64 {
        let place = |names: &[&str], template: &Template, default: usize| {
            let name = rendered(template, event, now);
            names.iter().position(|known| *known == name).unwrap_or(default)
        };
        match self {
            Priority::Labels { facility, severity } => {
                let number = place(&FACILITIES, facility, 1) * 8 + place(&SEVERITIES, severity, 5);
                i64::try_from(number).unwrap_or(DEFAULT_PRIORITY)
            }
            Priority::Number(template) => {
                let number = rendered(template, event, now).trim().parse().ok();
                number.filter(|number| (0..=PRIORITY_MAX).contains(number)).unwrap_or(DEFAULT_PRIORITY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use rustls::{ServerConnection, StreamOwned};
    use std::{
        io::Read as _,
        net::{TcpListener, UdpSocket},
        thread,
    };

    #[test]
    fn messages_have_their_head() {
        let check = |options: &str, event: &str, expected: &str| {
            let output = built(&format!("syslog {{ host => a port => 1 {options} }}"));
            assert_eq!(encoded(&*output, &[event]).text(), expected, "{options}");
        };
        let event = r#"{"@timestamp":"2026-02-03T04:05:06.789Z","message":"one\r\ntwo\n","host":{"name":"web 1"},"sev":"error","pri":"165"}"#;
        check("", event, "<13>Feb 03 04:05:06 web_1 LOGSTASH[-]: one\\ntwo\n");
        check("rfc => rfc5424", event, "<13>1 2026-02-03T04:05:06.789+00:00 web_1 LOGSTASH - - - one\\ntwo\n");
        let all = "rfc => rfc5424 facility => local7 severity => \"%{sev}\" appname => \"a\nb\" procid => 7 msgid => m \
                   structured_data => '[x@1 a=\"b c\"]' message => \"%{[host][name]}\" sourcehost => \"\"";
        check(all, event, "<187>1 2026-02-03T04:05:06.789+00:00 - a_b 7 m [x@1 a=\"b c\"] web 1\n");
        check(
            "use_labels => false priority => \"%{pri}\"",
            event,
            "<165>Feb 03 04:05:06 web_1 LOGSTASH[-]: one\\ntwo\n",
        );
        let none = r#"{"@timestamp":"2026-02-03T04:05:06.789Z","host":"h"}"#;
        check("use_labels => false", none, "<13>Feb 03 04:05:06 %{[host][name]} LOGSTASH[-]: %{message}\n");
        check(
            "severity => bad facility => clock ecs_compatibility => disabled",
            none,
            "<77>Feb 03 04:05:06 h LOGSTASH[-]: %{message}\n",
        );
        check("codec => json", none, &format!("<13>Feb 03 04:05:06 %{{[host][name]}} LOGSTASH[-]: {}\n", none));
    }

    const EVENTS: [&str; 2] = [r#"{"message":"a"}"#, r#"{"message":"b"}"#];

    #[test]
    fn messages_go_by_all_protocols() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = format!("host => \"127.0.0.1\" port => {}", socket.local_addr().unwrap().port());
        let output = built(&format!("syslog {{ {to} sourcehost => h }}"));
        deliver(&*output, &mut *output.open().unwrap(), &EVENTS);
        for end in ["h LOGSTASH[-]: a\n", "h LOGSTASH[-]: b\n"] {
            let mut datagram = [0; 100];
            let length = socket.recv(&mut datagram).unwrap();
            assert!(datagram[..length].ends_with(end.as_bytes()));
        }
        for is_secure in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let protocol = match is_secure {
                true => format!("protocol => \"ssl-tcp\" ssl_verify => true ssl_cacert => \"{}\"", tls("ca.pem")),
                false => "protocol => tcp".to_owned(),
            };
            let serve = move || {
                let (mut socket, mut text) = (listener.accept().unwrap().0, String::new());
                if is_secure {
                    let connection = ServerConnection::new(server_config(false)).unwrap();
                    _ = StreamOwned::new(connection, socket).read_to_string(&mut text);
                } else {
                    socket.read_to_string(&mut text).unwrap();
                }
                text
            };
            let server = thread::Builder::new().spawn(serve).unwrap();
            let output = built(&format!("syslog {{ host => localhost port => {port} {protocol} }}"));
            deliver(&*output, &mut *output.open().unwrap(), &EVENTS);
            let text = server.join().unwrap();
            let ends: Vec<&str> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
            assert_eq!(ends, ["a", "b"]);
        }
    }

    #[test]
    fn options_are_told() {
        assert!(errors("syslog { host => a port => 1 protocol => tls }").contains("cannot stand here"));
        assert!(read("syslog { host => a port => 1 protocol => \"ssl-tcp\" }").1[0].contains("anyone"));
    }
}
