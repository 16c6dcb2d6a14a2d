//! `syslog { port => 514 }`: syslog over UDP and TCP on one port, read by a grok pattern.
//!
//! The pattern (`grok_pattern`) reads `syslog_field` and takes priority, time, host, program and message from it; the filters
//! `grok` and `date` do the work, so that it means what it means there. What it does not match is a message of priority 13
//! (user, notice), as RFC 3164 says, tagged `_grokparsefailure_sysloginput`; Logstash means the same and writes 0. A time that
//! cannot be read is tagged `_dateparsefailure`. Line ends of datagrams are no part of a message.

use super::{
    Decoding, Entrance, Fields, InputError, InputKind, Kept, Source,
    connection::Connection,
    sockets::{self, Server, host_and_port},
    udp::Datagrams,
};
use crate::{
    codecs::plugins::Reading,
    config::{Ecs, Options, Role},
    event::{Event, Value, syslog::DEFAULT_PRIORITY},
    filters::{self, Filter, Scratch},
    flow::Stop,
    inputs::address::Address,
};
use bytes::Bytes;
use logship_parsers::config::{
    FieldRef, Span,
    ast::{self, Attribute, Entry, Name, Plugin, SpanIgnored, Text, ValueKind},
    typed,
};
use std::{io, net::SocketAddr, thread};

pub(super) const KIND: InputKind = InputKind {
    name: "syslog",
    summary: "Syslog over UDP and TCP",
    options: &[
        "facility_labels",
        "grok_pattern",
        "host",
        "locale",
        "port",
        "proxy_protocol",
        "severity_labels",
        "syslog_field",
        "timezone",
        "use_labels",
    ],
    codec: "plain",
    needs_log: true,
    host: None,
    path: None,
    build,
};

/// The port of syslog.
const PORT: u16 = 514;
/// The type of the service that sends syslog, by the schema.
const SERVICE: &str = "system";
/// What is told of messages that the pattern does not match.
const FAILURE: &str = "_grokparsefailure_sysloginput";
const TIME_FORMATS: [&str; 4] = ["MMM dd HH:mm:ss", "MMM  d HH:mm:ss", "MMM d HH:mm:ss", "ISO8601"];
/// Other names than those of the filter and the output: so it is in Logstash.
const FACILITIES: [&str; 24] = [
    "kernel",
    "user-level",
    "mail",
    "system",
    "security/authorization",
    "syslogd",
    "line printer",
    "network news",
    "UUCP",
    "clock",
    "security/authorization",
    "FTP",
    "NTP",
    "log audit",
    "log alert",
    "clock",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];
const SEVERITIES: [&str; 8] =
    ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

struct Syslog {
    server: Server,
    datagrams: Datagrams,
    is_proxied: bool,
    host: FieldRef,
    relay: Option<Relay>,
}

/// What is done to each message.
struct Relay {
    ecs: Ecs,
    field: FieldRef,
    grok: Box<dyn Filter>,
    date: Box<dyn Filter>,
    names: Names,
    /// Facilities and severities, where labels are asked for.
    labels: Option<[Vec<String>; 2]>,
}

/// Where the parts of a priority go.
struct Names {
    priority: FieldRef,
    codes: [FieldRef; 2],
    labels: [FieldRef; 2],
}

fn field(path: &str) -> FieldRef {
    FieldRef { parts: path.split('.').map(str::to_owned).collect() }
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let host = options.text("host").unwrap_or_else(|| "0.0.0.0".to_owned());
    let port = options.or("port", sockets::port, PORT);
    let is_proxied = options.flag("proxy_protocol", false);
    let relay = relay(options);
    let name = if options.ecs().is_on() { "host.ip" } else { "host" };
    Some(Box::new(Syslog {
        server: Server::new(Address::Tcp(host_and_port(&host, port)), None),
        datagrams: Datagrams::new(&host, port),
        is_proxied,
        host: field(name),
        relay: Some(relay?),
    }))
}

fn relay(options: &mut Options<'_>) -> Option<Relay> {
    let ecs = options.ecs();
    let name = |schema: &str, own: &str| field(if ecs.is_on() { schema } else { own });
    let names = Names {
        priority: name("log.syslog.priority", "priority"),
        codes: [name("log.syslog.facility.code", "facility"), name("log.syslog.severity.code", "severity")],
        labels: [
            name("log.syslog.facility.name", "facility_label"),
            name("log.syslog.severity.name", "severity_label"),
        ],
    };
    let labels = [labels(options, "facility_labels", &FACILITIES), labels(options, "severity_labels", &SEVERITIES)];
    let use_labels = options.flag("use_labels", true);
    let place = options.place();
    let default = match ecs.is_on() {
        true => "<%{POSINT:[log][syslog][priority]:int}>%{SYSLOGLINE}",
        false => "<%{POSINT:priority}>%{SYSLOGLINE}",
    };
    let pattern = options.value("grok_pattern").cloned().unwrap_or_else(|| text(default, place));
    let source = options.value("syslog_field").cloned().unwrap_or_else(|| text("message", place));
    let match_of_grok = ValueKind::Hash(vec![Entry { key: source.clone(), value: pattern }]);
    let grok = filter(
        options,
        "grok",
        vec![
            ("match", value(match_of_grok, place)),
            ("overwrite", source.clone()),
            ("tag_on_failure", text(FAILURE, place)),
        ],
    );
    let formats = ["timestamp"].iter().chain(&TIME_FORMATS).map(|format| text(format, place)).collect();
    let mut settings = vec![("match", value(ValueKind::Array(formats), place))];
    for name in ["locale", "timezone"] {
        settings.extend(options.value(name).map(|value| (name, value.clone())));
    }
    let date = filter(options, "date", settings);
    let field = typed::field(&source).ok()?;
    Some(Relay { ecs, field, grok: grok?, date: date?, names, labels: use_labels.then_some(labels) })
}

fn labels(options: &mut Options<'_>, name: &str, standard: &[&str]) -> Vec<String> {
    match options.is_given(name) {
        true => options.each(name, |value| typed::text(value).map(str::to_owned)),
        false => standard.iter().map(|&label| label.to_owned()).collect(),
    }
}

/// A filter as a config would have it. What is wrong with it is told at the places of these values.
fn filter(options: &mut Options<'_>, name: &str, settings: Vec<(&str, ast::Value)>) -> Option<Box<dyn Filter>> {
    let kind = filters::find(name)?;
    let span = SpanIgnored(options.place());
    let named = |text: &str| Name { text: text.to_owned(), span };
    let mode = text(Ecs::NAMES[options.ecs() as usize], span.0);
    let attributes = settings.into_iter().chain([("ecs_compatibility", mode)]);
    let attributes = attributes.map(|(name, value)| Attribute { name: named(name), value }).collect();
    let plugin = Plugin { name: named(name), attributes, span, intact: true };
    let (settings, diagnostics) = options.inside();
    (kind.build)(&mut Options::new(&plugin, (Role::Filter, kind.options), settings, diagnostics))
}

fn text(text: &str, place: Span) -> ast::Value {
    value(ValueKind::String(Text { raw: text.to_owned(), text: text.to_owned() }), place)
}

fn value(kind: ValueKind, place: Span) -> ast::Value {
    ast::Value { kind, span: SpanIgnored(place), variable: None }
}

impl Decoding for Relay {
    fn decode(&self, mut record: Bytes, codec: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>) {
        let ends = record.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
        record.truncate(record.len() - ends);
        let before = out.len();
        codec.decode(record, scratch.received, out);
        out[before..].iter_mut().for_each(|event| self.read(event, scratch));
    }
}

impl Relay {
    fn read(&self, event: &mut Event, scratch: &mut Scratch) {
        if self.ecs.is_on()
            && let Some(original) = event.get(&self.field).map(|value| value.into_owned())
        {
            _ = event.set(&field("event.original"), original);
        }
        let priority = match self.apply(&*self.grok, event, scratch) {
            false => DEFAULT_PRIORITY,
            true => {
                let timestamp = field("timestamp");
                if !self.ecs.is_on()
                    && let Some(time) = event.get(&field("timestamp8601")).map(|value| value.into_owned())
                {
                    _ = event.set(&timestamp, time);
                }
                self.apply(&*self.date, event, scratch);
                if self.ecs.is_on() {
                    event.remove(&timestamp);
                }
                number(event.get(&self.names.priority).as_deref())
            }
        };
        self.set_priority(event, priority);
        let service = field("service.type");
        if self.ecs.is_on() && !event.contains(&service) {
            _ = event.set(&service, Value::from(SERVICE));
        }
    }

    /// Whether a filter did not fail.
    fn apply(&self, filter: &dyn Filter, event: &mut Event, scratch: &mut Scratch) -> bool {
        let failed = filter.apply(event, scratch).err();
        failed.iter().flat_map(|failure| &failure.tags).for_each(|tag| event.tag(tag));
        failed.is_none()
    }

    fn set_priority(&self, event: &mut Event, priority: i64) {
        let parts = [priority >> 3, priority & 7];
        _ = event.set(&self.names.priority, Value::Int(priority));
        for (part, code) in parts.into_iter().enumerate() {
            _ = event.set(&self.names.codes[part], Value::Int(code));
            let label = self.labels.as_ref().zip(usize::try_from(code).ok());
            if let Some(label) = label.and_then(|(labels, code)| labels[part].get(code)) {
                _ = event.set(&self.names.labels[part], Value::from(label.as_str()));
            }
        }
    }
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Int(number)) => *number,
        Some(Value::Str(digits)) => digits.parse().unwrap_or(DEFAULT_PRIORITY),
        _ => DEFAULT_PRIORITY,
    }
}

impl Source for Syslog {
    /// TCP first: where its port is chosen, UDP has the same.
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        self.server.open(kept)?;
        if let Some(at) = self.server.local() {
            self.datagrams.address = Address::Udp(at.to_string());
        }
        self.datagrams.open(kept)
    }

    fn local(&self) -> Option<SocketAddr> {
        self.server.local()
    }

    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        self.relay.take().map(|relay| Box::new(relay) as Box<dyn Decoding>)
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Syslog { server, datagrams, is_proxied, host, .. } = *self;
        let (to, asked, name) = (entrance.clone(), stop.clone(), host.clone());
        let udp = thread::Builder::new()
            .name("syslog-udp".to_owned())
            .spawn(move || datagrams.read_into(&mut to.stream([]), &name, &asked))?;
        let (entrance, asked) = (entrance.clone(), stop.clone());
        let served = server.serve(stop, move |mut connection: Connection| {
            let proxied = is_proxied.then(|| connection.proxied(&asked)).transpose()?;
            let peer = proxied.map(|proxied| proxied.client.0);
            let peer = peer.or_else(|| connection.peer.map(|peer| peer.ip().to_string()));
            let fields: Fields = peer.map(|peer| (host.clone(), Value::from(peer))).into_iter().collect();
            connection.read_into(&mut entrance.stream(fields), &asked, None)
        });
        let received = udp.join().unwrap_or(Ok(()));
        served.and(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::configured::testing::{mistakes, shown, start};
    use std::{
        io::Write as _,
        net::{TcpStream, UdpSocket},
    };

    const LINE: &str = "<34>Oct 11 22:14:15 web1 su[42]: failed for ann";

    /// What a message becomes, over UDP and over TCP.
    fn check(options: &str, ecs: Ecs, message: &str, expected: &str) {
        let running = start(&format!("syslog {{ host => '127.0.0.1' port => 0 timezone => UTC {options} }}"), ecs);
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.send_to(format!("{message}\n").as_bytes(), running.at.unwrap()).unwrap();
        assert_eq!(running.json(), expected, "{options}");
        let mut tcp = TcpStream::connect(running.at.unwrap()).unwrap();
        writeln!(tcp, "{message}").unwrap();
        assert_eq!(running.json(), expected, "{options}");
        assert!(running.end().is_empty());
    }

    #[test]
    fn messages_have_the_names_of_the_schema() {
        let syslog = concat!(
            r#""log":{"syslog":{"priority":34,"facility":{"code":4,"name":"security/authorization"},"#,
            r#""severity":{"code":2,"name":"Critical"}}}"#
        );
        let host = r#""host":{"hostname":"web1","ip":"127.0.0.1"}"#;
        let process = r#""process":{"name":"su","pid":42},"service":{"type":"system"}"#;
        let expected =
            format!(r#"{{"message":"failed for ann","event":{{"original":"{LINE}"}},{syslog},{host},{process}}}"#);
        check("", Ecs::V8, LINE, &expected);
    }

    #[test]
    fn messages_have_names_of_old() {
        let names = concat!(
            r#""timestamp":"Oct 11 22:14:15","logsource":"web1","program":"su","pid":"42","facility":4"#,
            r#","facility_label":"security/authorization","severity":2,"severity_label":"Critical","host":"127.0.0.1""#
        );
        let expected = format!(r#"{{"message":"failed for ann","priority":34,{names}}}"#);
        check("", Ecs::Disabled, LINE, &expected);
        let plain = r#"{"message":"boom","priority":13,"timestamp":"Oct 11 22:14:15","logsource":"a","#;
        let plain = format!(r#"{plain}"program":"b","facility":1,"severity":5,"host":"127.0.0.1"}}"#);
        check("use_labels => false", Ecs::Disabled, "<13>Oct 11 22:14:15 a b: boom", &plain);
    }

    #[test]
    fn what_is_no_syslog_is_tagged() {
        let expected = concat!(
            r#"{"message":"hello","tags":["_grokparsefailure_sysloginput"],"priority":13,"facility":1,"#,
            r#""facility_label":"user-level","severity":5,"severity_label":"Notice","host":"127.0.0.1"}"#
        );
        check("", Ecs::Disabled, "hello", expected);
        let pattern = r#"grok_pattern => "<%{POSINT:priority}>%{WORD:timestamp} %{GREEDYDATA:message}""#;
        let expected = concat!(
            r#"{"message":"hi","priority":14,"timestamp":"now","tags":["_dateparsefailure"],"facility":1,"#,
            r#""facility_label":"user-level","severity":6,"severity_label":"Informational","host":"127.0.0.1"}"#
        );
        check(pattern, Ecs::Disabled, "<14>now hi", expected);
    }

    #[test]
    fn times_are_read_in_their_zone() {
        let time = |message: &str| {
            let input = "syslog { host => '127.0.0.1' port => 0 timezone => 'Europe/Berlin' }";
            let running = start(input, Ecs::V8);
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            udp.send_to(message.as_bytes(), running.at.unwrap()).unwrap();
            let event = running.event();
            running.end();
            let time = event.time.to_string();
            assert!(!shown(event).contains("timestamp"));
            time
        };
        assert_eq!(time("<13>Feb  3 22:14:15 a b: x"), "2026-02-03T21:14:15.000Z");
        assert_eq!(time("<13>2024-10-11T22:14:15.003Z a b: x"), "2024-10-11T22:14:15.003Z");
    }

    #[test]
    fn mistakes_are_told() {
        let check = |input: &str, expected: &str| {
            let told: Vec<_> = mistakes(input).into_iter().map(|diagnostic| diagnostic.message).collect();
            assert!(told.len() == 1 && told[0].contains(expected), "{input}: {told:?}");
        };
        check("syslog { grok_pattern => '%{NOPE:x}' }", "NOPE");
        check("syslog { timezone => 'Europe/Nowhere' }", "there is no time zone");
    }
}
