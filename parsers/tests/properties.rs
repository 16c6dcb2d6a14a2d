//! What holds for any input: no panic, nothing lost, what is printed is read back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use logship_parsers::join::{Decision, Joiner};
use logship_parsers::json::{LEAVES_MAX, TOO_DEEP_TAG, TOO_MANY_TAG, parse_value};
use logship_parsers::line::detect::Detector;
use logship_parsers::line::{Context, FORMATS, by_name};
use logship_parsers::time::{Stamp, any, civil_from_days, days_from_civil};
use logship_parsers::{Field, Fields, Value, template};
use proptest::prelude::*;
use std::borrow::Cow;

/// Text that gets past the first bytes of the formats: their own words and separators in any order.
fn line_like() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "API: GetObject(bucket=a, object=",
        "1.767323045e+09\tinfo\t",
        "3:04PM INF ",
        "INFO[0003] ",
        "  app:http ",
        " +3ms",
        "77/78 shop info ",
        "03:04:05.678 module=Shop line=7 [info] ",
        "467 INFO main::work 12> ",
        "03:04:05 web INFO shop - ",
        ":INFO:oejs.Server:main: ",
        "(shop on web-1): ",
        "(a.B:7) ",
        "[info] [orders] ",
        "http: GET / ",
        "WARN> a.pl:1 main::a - ",
        "W orders: ",
        " a=\"b\" c='d' e={1} f=[2",
        "2026-01-02T03:04:05.678901Z [info     ] ",
        "pid=7 tid=x INFO: ",
        "[I 260102 03:04:05 web:1] 200 GET / (::1) 1ms",
        "Main |03:04:05 INFO: ",
        "[2026-01-02 03:04:05] app.INFO: ",
        " {\"a\":1} []",
        "2026-01-02T03:04:05.678901Z  INFO ",
        "span{a=1}:b{",
        "GET / 200 1.2 ms - 5",
        "02-Jan-2026 03:04:05.678 ",
        "queries: info: client @0x1 192.0.2.7#53 (a): query: a IN A",
        "INFO [main] a.b.c text",
        "[1767323045] unbound[7:0] info: 192.0.2.7 a. A IN",
        "Jan 02 03:04:05 imap(ann)<7><s>: Info: Login: user=<ann>, rip=192.0.2.7, lip=::1,",
        "2026-01-02 03:04:05 us=1 ann/192.0.2.7:1194 WARNING: ",
        "2026-01-02 03:04:05,678 CRIT ",
        "2026-01-02 03:04:05: (server.c.7) ",
        "h proftpd[7] ::1 (a[192.0.2.7]): USER ann: Login successful.",
        "Fri Jan  2 03:04:05 2026 1 192.0.2.7 5 /a b _ o r ann ftp 0 * c",
        "6957361d.2bc0796f 0x7f conn=1 fd=1 ACCEPT from IP=[::1]:1 (IP=",
        "[02-Jan-2026 03:04:05 UTC] PHP Warning:  a in /b on line 7",
        "Jan  2 03:04:05 h postfix/smtpd[7]: 4F0A1B2C3D: reject: RCPT from a[192.0.2.7]: to=<",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "=",
        " ",
        "-",
        "<34>",
        "<34>1 ",
        "1",
        "12",
        "0.5",
        "e9",
        "true",
        "null",
        "\\u00e9",
        "\\ud83d",
        "level",
        "msg=",
        "time",
        "\"ts\":",
        "2026-01-02T03:04:05.678Z",
        "Jan  2 03:04:05",
        "[02/Jan/2026:03:04:05 +0000]",
        "\"GET / HTTP/1.1\"",
        "I0102 03:04:05.000001 7 a.go:1] ",
        "web-1 ",
        "web-1  | ",
        "[pod/web-7d9c5/app] ",
        "2026-01-02T03:04:05.678901234Z stdout F ",
        "{\"log\":\"",
        "\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
        "sshd[77]: ",
        "02-Jan-2026 03:04:05.678 INFO [main] a.B.c ",
        "2026-01-02 03:04:05,678 | INFO  | ",
        " | a.B | main",
        "2026-01-02 03:04:05,678 INFO [main] a.B (B.java:c(7)) - ",
        "467 [main] INFO a.B - ",
        "[ns_server:info,2026-01-02T03:04:05.678Z,a@b:<0.1.0>:m:f:42]",
        "2026-01-02 03:04:05.678+0000 INFO  [neo4j/1a2b3c4d] [o.n.k.d.D] ",
        "id:7 - 4 ms: ",
        "\t\t    8 Query\t",
        "260102  3:04:05\t    8 Quit\t",
        "77:signal-handler (1767323045) ",
        "raft2026/01/02 03:04:05 INFO: ",
        "[77] [INF] ",
        "kernel: ",
        "2026-01-02T03:04:05.678901+01:00 ",
        "77: *Jan  2 03:04:05.678: ",
        "%SYS-5-CONFIG_I: ",
        "Failed password for ",
        "invalid user ",
        " from 192.0.2.7 port 50122",
        "pam_unix(sshd:session): session opened for user ",
        "ann : TTY=pts/0 ; ",
        "COMMAND=",
        "last message repeated 3 times",
        "[12345.678901] ",
        "[UFW BLOCK] IN=eth0 OUT= ",
        "SRC=192.0.2.7 ",
        "CEF:0|a|b|1|2|c|3|",
        "LEEF:2.0|a|b|1|2|^|",
        "|",
        "^",
        "msg=a b ",
        "type=PATH msg=audit(1767323045.678:123): ",
        "name=2F74 ",
        "\u{1d}",
        "'",
        "- 1767323045 2026.01.02 n7 ",
        "2026-01-02-03.04.05.678901 n7 RAS KERNEL INFO ",
        "134681 node-7 unix.hw up 1767323045 1 ",
        "2026-01-02 03:04:05, Info                  CBS    ",
        "01-02 03:04:05.678  1234  5678 I ",
        "I/Tag( 77): ",
        "2026-01-02 03:04:05 status installed vim:amd64 1",
        "Start-Date: 2026-01-02  03:04:05",
        "2026-01-02 03:04:05.678901+0100 0x1a2b     Default     0x0                  77     0    ",
        "launchd: ",
        "<Event xmlns='a'>",
        "<EventID>7</EventID>",
        "<Data Name='a'>",
        "</Event>",
        "&amp;",
        "MSWinEventLog\t1\tSecurity\t7\tFri Jan 02 03:04:05 2026\t4624\t",
        "ERROR",
        "\n",
        "\r",
        "\tat a.B.c(D.java:1)",
        "Traceback (most recent call last):",
        "panic: ",
        "goroutine 1 [running]:",
        "é",
        "日",
        "thread 'main' panicked at ",
        "a.rb:1:in 'x': y (E)",
        "\u{1b}[32m",
        "\u{feff}",
        "a.b.CException: d",
        "2026-01-02 03:04:05,678 ",
        "03:04:05.678 ",
        "260102 030405 ",
        "01.02 03:04:05",
        "Jan 02, 2026 3:04:05\u{202f}AM ",
        "@4000000069573539286b7f88 ",
        "1767323045.678 ",
        "[main] ",
        "[QuorumPeer[myid=1]:A@7] ",
        "(Shop.java:33)",
        "<0.1.0>",
        "[req-1 - -] ",
        " --- [a] [b] ",
        "c.e.Shop",
        " - ",
        " : ",
        "|",
        "WARN",
        "D/Tag( 7): ",
        "info: Shop[0]",
        "sshd[77]: ",
        "E, [",
        "=INFO REPORT==== ",
        "- 1767323045 2026.01.02 R02 ",
        "PHP Warning: ",
        "main.go:12: ",
        "ThreadId(01)",
        "2026-01-02 03:04:05.678 UTC [77] ",
        "2026-01-02 03:04:05.678 UTC,",
        "2026-01-02 03:04:05 UTC:192.0.2.7(5):ann@shop:[77]:",
        "LOG:  ",
        "user=ann,db=shop ",
        "duration: 1.5 ms  statement: ",
        "ERROR,00000,",
        "{\"timestamp\":\"2026-01-02 03:04:05.678 UTC\"",
        ",\"error_severity\":\"LOG\"",
        "77:M 02 Jan 2026 03:04:05.678 * ",
        "2026-01-02T03:04:05.678901Z 0 [Note] ",
        "[MY-010116] [Server] ",
        "2026-01-02T03:04:05.678901Z\t    8 Query\t",
        "# Query_time: 1.5  Lock_time: ",
        "# User@Host: a[a] @  [",
        "SET timestamp=",
        "{\"t\":{\"$date\":\"2026-01-02T03:04:05.678Z\"},\"s\":\"I\"",
        ",\"attr\":{",
        "2026-01-02T03:04:05.678Z I  NETWORK  [a] ",
        "[2026-01-02T03:04:05,678][INFO ][",
        "took_millis[",
        "INFO  [main] ",
        "A.java:77 - ",
        "2026.01.02 03:04:05.678901 [ 77 ] {} <Error> ",
        "executeQuery: (from ",
        "2026-01-02 03:04:05.678901 I | ",
        "[2026-01-02 03:04:05,678] INFO ",
        " (a.b)",
        "[myid:1] - INFO  [",
        ":A@7] - ",
        "2026-01-02 03:04:05.678901 [info] <0.1.0> ",
        "=INFO REPORT==== 2-Jan-2026::03:04:05 ===",
        "[77] 2026/01/02 03:04:05.678901 [INF] ",
        "260102 030405 77 INFO ",
        "26/01/02 03:04:05 INFO a.B: ",
        " (main) [c:a x:b] o.a.s ",
        "2026-01-02T03:04:05.678Z [INFO]  a: ",
        ": k=v",
        "I260102 03:04:05.678901 77 a.go:1 ",
        "shop.example:443 192.0.2.7 - - ",
        "2026/01/02 03:04:05 [error] 7#7: *1 ",
        ", client: 192.0.2.7, server: x, request: \"GET / HTTP/1.1\"",
        "[Fri Jan 02 03:04:05.000001 2026] [core:error] [pid 7:tid 8] ",
        "[client 192.0.2.7:5] AH00001: ",
        "192.0.2.7:5 [02/Jan/2026:03:04:05.678] web shop/shop-1 ",
        "1/0/1/2/3 200 5 - - ---- 1/1/1/1/0 0/0 ",
        "1/2/3 5 -- 1/1/1/1/0 0/0",
        "[2026-01-02T03:04:05.678Z] \"GET / HTTP/1.1\" 200 - ",
        "0 5 1 1 \"-\" \"-\" \"-\" \"x\" \"-\"",
        "1767323045.678      1 192.0.2.7 TCP_MISS/200 5 GET / - HIER_NONE/- -",
        "https 2026-01-02T03:04:05.678901Z app/x/1 192.0.2.7:5 - -1 -1 -1 200 - 1 2 ",
        "2 123456789012 eni-1 - - - - - - - 1 2 - NODATA",
        "2026-01-02 03:04:05 10.0.0.2 GET / - 80 - 192.0.2.7 - - 200 0 0 1",
        "#Fields: date time",
        "\t",
        "time:[02/Jan/2026:03:04:05 +0000]\t",
        "status:200",
    ]);
    let piece = prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any_text(3)];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn any_text(max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::char::any(), 0..max).prop_map(|chars| chars.into_iter().collect())
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        prop::bool::ANY.prop_map(Into::into),
        prop::num::i64::ANY.prop_map(Into::into),
        prop::num::f64::NORMAL.prop_map(Into::into),
        any_text(12).prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any_text(6), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        (Value::Int(ours), serde_json::Value::Number(theirs)) => theirs.as_i64() == Some(*ours),
        (Value::Float(ours), serde_json::Value::Number(theirs)) => theirs.as_f64() == Some(*ours),
        (Value::Str(ours), serde_json::Value::String(theirs)) => ours == theirs,
        (Value::List(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Map(ours), serde_json::Value::Object(theirs)) => {
            let pairs = ours.iter().zip(theirs);
            ours.len() == theirs.len()
                && pairs.into_iter().all(|(ours, theirs)| ours.0 == *theirs.0 && same(&ours.1, theirs.1))
        }
        _ => false,
    }
}

fn print_logfmt(fields: &[(String, Value<'static>)]) -> String {
    let print = |value: &Value<'_>| match value {
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Str(text) => serde_json::to_string(text).unwrap(),
        other => unreachable!("{other:?}"),
    };
    fields.iter().map(|(name, value)| format!("{name}={}", print(value))).collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_parser_panics_and_text_keeps_the_line(line in prop_oneof![line_like(), any_text(60)], received: i64, offset in -86_400..86_400) {
        let context = Context { received, utc_offset_s: offset, ..Context::default() };
        for format in FORMATS {
            let _ = format.read(&line, &context);
        }
        let (id, fields) = Detector::parse(None, &line, &context);
        if id.format().name == "plain" {
            let said = fields.get("message").and_then(Value::as_str).unwrap();
            let whole = line.trim_end_matches(['\n', '\r']);
            // What is parsed of the text, had colours, or ends with a duration of its own is no end of the line.
            let of_debug = fields.get("debug.diff").is_some();
            let as_written = !of_debug && !line.contains(['{', '=', '\u{1b}', '\n']);
            prop_assert!(!as_written || whole.ends_with(said), "{said:?}");
            prop_assert!(!as_written || fields.items.len() > 1 || fields.time.is_some() || whole == said, "{said:?}");
        }
    }

    #[test]
    fn the_joiner_takes_any_bytes(lines in prop::collection::vec(prop_oneof![
        prop::collection::vec(prop::num::u8::ANY, 0..20),
        line_like().prop_map(String::into_bytes),
    ], 1..20)) {
        let mut joiner = Joiner::default();
        prop_assert_eq!(joiner.push(&lines[0]), Decision::Starts);
        for line in &lines[1..] {
            let decision = joiner.push(line);
            let object = matches!(line[..], [b'{'] | [b'{', b'"' | b'}' | b' ', ..]);
            prop_assert!(!object || decision == Decision::Starts);
        }
    }

    #[test]
    fn json_is_read_as_serde_reads_it(value in any_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let (ours, _) = parse_value(&text).unwrap();
        prop_assert!(same(&ours, &value), "{text}\n{ours:?}");
    }

    #[test]
    fn json_that_serde_takes_is_taken(text in line_like()) {
        if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text) {
            let (ours, _) = parse_value(&text).unwrap();
            prop_assert!(same(&ours, &theirs) || text.contains("\\u"), "{text}");
        }
    }

    #[test]
    fn logfmt_is_read_as_printed(values in prop::collection::vec(prop_oneof![
        prop::num::i64::ANY.prop_map(Value::Int),
        prop::bool::ANY.prop_map(Value::Bool),
        any_text(12).prop_map(|text| Value::Str(Cow::Owned(text))),
    ], 2..20)) {
        let named: Vec<_> = values.into_iter().enumerate().map(|(n, value)| (format!("key_{n}.x"), value)).collect();
        let line = print_logfmt(&named);
        let fields = by_name("logfmt").unwrap().read(&line, &Context::default()).unwrap();
        let expected = named.into_iter().map(|(name, value)| Field { name: name.into(), value }).collect();
        prop_assert_eq!(fields, Fields { items: expected, ..Fields::default() });
    }

    #[test]
    fn days_are_counted_both_ways(days in -3_000_000_i64..3_000_000) {
        let (year, month, day) = civil_from_days(days);
        prop_assert_eq!(days_from_civil(year, month, day), days);
        let (next_year, next_month, next_day) = civil_from_days(days + 1);
        prop_assert!((next_year, next_month, next_day) > (year, month, day));
    }

    #[test]
    fn stamps_are_read_as_printed(nanos: i64, offset_minutes in -1_439_i32..1_440) {
        let local = i128::from(nanos) + i128::from(offset_minutes) * 60_000_000_000;
        let (seconds, fraction) = (local.div_euclid(1_000_000_000) as i64, local.rem_euclid(1_000_000_000));
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let (sign, minutes) = (if offset_minutes < 0 { '-' } else { '+' }, offset_minutes.abs());
        let text = format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:09}{sign}{:02}:{:02}",
            second / 3_600, second / 60 % 60, second % 60, minutes / 60, minutes % 60,
        );
        prop_assert_eq!(any(&text, &Context::default()), Some(Stamp::At(nanos)), "{}", text);
    }
}

/// A mebibyte of any one piece is one pass: quadratic work would take minutes, and deep recursion the stack.
#[test]
fn hostile_lines_are_linear() {
    const BYTES: usize = 1 << 18;
    let leads = [
        "",
        "{\"a\":",
        "<34>1 ",
        "<34>",
        "Jan  2 03:04:05 ",
        "Jan  2 03:04:05 web-1 kernel: IN=",
        "CEF:0|a|b|1|2|c|3|",
        "LEEF:1.0|a|b|1|2|",
        "type=PATH msg=audit(1767323045.678:123): ",
        "01-02 03:04:05.678  1234  5678 I ",
        "<Event a='",
        "a=1 ",
        "1.2.3.4 - - [02/Jan/2026:03:04:05 +0000] \"",
        "2026-01-02 03:04:05 ",
        "2026-01-02 03:04:05 INFO ",
        "03:04:05 ",
        "I, [2026-01-02T03:04:05 #1] ",
        "=INFO REPORT==== ",
        "I/",
        "2026-01-02 03:04:05.678 UTC,",
        "2026-01-02 03:04:05.678 UTC [77] ",
        "# Time: 2",
        "# Query_time: ",
        "2026-01-02T03:04:05.678Z [INFO]  a: ",
        "{\"t\":{\"$date\":\"2026-01-02T03:04:05.678Z\"},\"s\":\"I\",\"c\":",
        "[2026-01-02 03:04:05,678] INFO ",
        "2026-01-02 03:04:05.678 INFO  (main) [a:",
        "2026/01/02 03:04:05 [error] 7#7: *1 ",
        "[Fri Jan 02 03:04:05 2026] [error] ",
        "1.2.3.4:5 [02/Jan/2026:03:04:05.678] web shop/shop-1 1/0/1/2/3 200 5 - - ---- 1/1/1/1/0 0/0 {",
        "2026-01-02\t03:04:05\t",
        "time:1\t",
    ];
    let pieces = [
        "{",
        "[",
        "{\"a\":",
        "[{\"a\":[",
        "=",
        "a?=",
        "a|",
        "\\=",
        "a=",
        "a=1 ",
        "a=\"",
        "\"",
        "\\",
        "\\\"",
        "\"\\",
        "<",
        "<34>",
        "[a b=\"",
        "[a]",
        " ",
        "-",
        "1",
        "1,",
        "é",
        "\n",
        "\n\tat ",
        "a.rb:1:in ",
        "': ",
        "Error: ",
        "panic serving ",
        "\nTraceback (most recent call last):",
        "\n*** Aborted at ",
        "\n# A fatal error has been detected by the Java",
        "\n=ERROR REPORT====",
        "\na.b\n\t/a.go:",
        "\n# User@Host: a[a] @ b [192.0.2.7]",
        "Error [",
        "[object] (",
        "\n",
        "</a",
        "\u{1b}[",
        "\u{1b}[1m ",
        "2026-01-02 ",
        "null,",
        "\"a\":1,",
        "[a[",
        "[main] ",
        "INFO ",
        "7 ",
        "a.b.C ",
        "a.b.C: ",
        "- ",
        "\t{",
        "| ",
        "a:1\t",
        ", client: ",
        "host:1\t",
    ];
    for lead in leads {
        for piece in pieces {
            let line = format!("{lead}{}", piece.repeat(BYTES / piece.len()));
            let (_, fields) = Detector::parse(None, &line, &Context::default());
            assert!(fields.items.len() <= LEAVES_MAX + 8, "{lead}{piece}");
            let mut joiner = Joiner::default();
            joiner.push(line.as_bytes());
            joiner.push(line.as_bytes());
        }
    }
}

/// A message with words, values of all kinds, and punctuation that quotes, opens and separates.
fn message_like() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        " ",
        " ",
        "failed",
        "user",
        "a",
        "f0",
        "12",
        "0x1f",
        "-",
        "+",
        ".",
        ",",
        ":",
        "::",
        "=",
        "==",
        "/",
        "\\",
        "'",
        "\"",
        "`",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "*",
        "@",
        "#",
        "%",
        "_",
        "&",
        "|",
        "blk_-160",
        "10.0.0.1:80",
        "fe80::1",
        "http://",
        "C:\\",
        "ms",
        "Jan",
        "Mon",
        "true",
        "\t",
        "\n",
        "\u{e9}",
        "\u{1f600}",
    ]);
    prop::collection::vec(prop_oneof![8 => pieces.prop_map(str::to_owned), 1 => any_text(3)], 0..30)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn templates_are_one_line_and_no_longer_than_the_message(message in prop_oneof![message_like(), any_text(60)]) {
        let masked = template::masked(&message);
        // `a=` is written as `a=*`.
        prop_assert!(masked.len() <= 2 * message.len() + 1);
        prop_assert!(!masked.contains(['\n', '\t']) && !masked.starts_with(' ') && !masked.contains("  "), "{masked:?}");
        if !message.trim_start().is_empty() {
            prop_assert_eq!(template::id(&message), template::id(&format!("  {message}\n and more")));
        }
    }

    #[test]
    fn values_do_not_change_the_template(
        number in 0..u64::MAX, fraction in 0..1_000_000u32, ip: [u8; 4], six: [u16; 8], port in 1u16.., path in "(/[a-z0-9_.]{0,8}[a-z0-9]){1,5}",
        place in 0..8usize,
    ) {
        let six = six.map(|group| format!("{group:x}")).join(":");
        let place = [
            "took V to end", "V", "size=V, next", "(V)", "[a] V: refused", "from V", "at V, then V.", "<<V>> of \"x\"",
        ][place];
        let check = |value: &str, other: &str| {
            prop_assert_eq!(template::masked(&place.replace('V', value)), template::masked(&place.replace('V', other)));
            Ok(())
        };
        check(&number.to_string(), "7")?;
        check(&format!("-{number}.{fraction}"), "7")?;
        check(&format!("{number:#x}"), "0x1")?;
        check(&format!("{}.{}.{}.{}", ip[0], ip[1], ip[2], ip[3]), "10.0.0.1")?;
        check(&format!("{}.{}.{}.{}:{port}", ip[0], ip[1], ip[2], ip[3]), "10.0.0.1:80")?;
        if six.bytes().any(|byte| byte.is_ascii_digit()) {
            check(&six, "fe80::1")?;
        }
        check(&path, "/srv/www")?;
    }
}

#[test]
fn templates_take_linear_time() {
    for piece in [
        "a", "'", "\"", "'a ", "\"a", "a:", "a::", "1:", "f:", "f::", "/", "a/", "a\\", "a@", "1@", "=", "a=", "a=.",
        "-", "a-", "1-", "1.", "(1", "<1", "(", "a=(", "1 ", "1, ", "Jan ", "Mon, ", "0x", "http://", "*", "* ", "_1",
        ".1", " ", "\u{e9}",
    ] {
        let line = piece.repeat(200_000 / piece.len());
        assert_ne!(template::id(&line), template::id(&format!("over {line}x")));
    }
}

#[test]
fn too_many_and_too_deep_are_cut_and_tagged() {
    let members: Vec<String> = (0..LEAVES_MAX + 500).map(|n| format!("\"k{n}\":{n}")).collect();
    let line = format!("{{{}}}", members.join(","));
    let (_, fields) = Detector::parse(None, &line, &Context::default());
    assert_eq!(fields.items.len(), LEAVES_MAX);
    assert_eq!(fields.tags.as_slice(), [TOO_MANY_TAG]);

    let line = format!("{{\"list\":[{}0],\"after\":1}}", "1,".repeat(5_000));
    let (_, fields) = Detector::parse(None, &line, &Context::default());
    assert!(matches!(fields.get("list"), Some(Value::List(items)) if items.len() == LEAVES_MAX));
    assert_eq!(fields.tags.as_slice(), [TOO_MANY_TAG]);

    let line = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let (_, fields) = Detector::parse(None, &line, &Context::default());
    assert_eq!(fields.tags.as_slice(), [TOO_DEEP_TAG]);

    let line: String = (0..LEAVES_MAX + 500).map(|n| format!("k{n}={n} ")).collect();
    let (_, fields) = Detector::parse(None, &line, &Context::default());
    assert_eq!((fields.items.len(), fields.tags.as_slice()), (LEAVES_MAX, &[TOO_MANY_TAG][..]));
}
