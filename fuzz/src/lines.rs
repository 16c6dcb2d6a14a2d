//! Lines: the formats one by one, their detection in a stream, syslog, and the joining of lines.

use super::{check_fields, context};
use logship_parsers::join::{Decision, JOINED_BYTES_MAX, JOINED_LINES_MAX, Joiner};
use logship_parsers::line::detect::{Detector, day_comes_first, names_columns};
use logship_parsers::line::{Context, FORMATS, Format, by_name, explain};
use logship_parsers::{Fields, Value, time};

/// Any line as any format: what is read passed its probe and begins with a byte that the format names, an error lies inside
/// of the line, and fields hold what the line says.
pub fn formats(input: &[u8]) {
    let (context, line) = context(input);
    for format in FORMATS {
        match format.read(&line, &context) {
            Ok(fields) => {
                assert!((format.probe)(line.as_bytes()), "{} reads what it does not expect", format.name);
                let begins = line.as_bytes().first().is_none_or(|first| format.starts.has(*first));
                assert!(begins, "{} reads what it never begins with", format.name);
                check_fields(&line, &fields);
            }
            Err(error) => assert!(error.offset as usize <= line.len(), "{}: {error}", format.name),
        }
    }
}

/// A stream of lines, read as the pipeline reads it: joined, detected with what the lines before told.
pub fn detect(input: &[u8]) {
    let (mut context, text) = context(input);
    let mut detector = Detector::default();
    let records = joined(text.as_bytes());
    for record in &records {
        let record = String::from_utf8_lossy(record);
        let (id, fields) = Detector::parse(detector.hint(), &record, &context);
        check_fields(&record, &fields);
        // Who knows the format already reads the same.
        assert_eq!(Detector::parse(Some(id), &record, &context), (id, fields));
        let unhinted = Detector::parse(None, &record, &context);
        let explained = explain::explain(&record, &context);
        assert_eq!((explained.format, &explained.fields), (unhinted.0, &unhinted.1), "explained otherwise");
        if !record.trim_end_matches(['\n', '\r']).contains('\n') {
            assert_eq!(Detector::parse_as(unhinted.0, &record, &context), unhinted, "forced to its own format");
        }
        if unhinted.0.format().name == "plain" {
            check_plain(&record, &unhinted.1);
        }
        detector.observe(id);
        context.day_first = day_comes_first(record.as_bytes()).unwrap_or(context.day_first);
    }
    // A stream's header outlives its record in the pipeline; here it lives as long as the records.
    let header =
        records.iter().rev().find(|record| names_columns(record)).and_then(|record| str::from_utf8(record).ok());
    let last = records.last().map(|record| String::from_utf8_lossy(record)).unwrap_or_default();
    check_fields(&last, &Detector::parse(None, &last, &Context { header, ..context }).1);
}

/// The text that no format takes keeps its end, as far as it was not rebuilt.
fn check_plain(record: &str, fields: &Fields<'_>) {
    let message = fields.get("message").and_then(Value::as_str).unwrap_or_default();
    let whole = record.trim_end_matches(['\n', '\r']);
    let rebuilt = record.contains(['{', '=', '\u{1b}', '\n']);
    assert!(rebuilt || whole.ends_with(message), "{message:?} is not the end of {whole:?}");
    assert!(rebuilt || fields.items.len() > 1 || fields.time.is_some() || message == whole, "lost from {whole:?}");
}

/// The records of a stream, by the rules that [`Joiner`] asks of its caller.
fn joined(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut joiner = Joiner::default();
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut lines = 0;
    for line in stream.split(|byte| *byte == b'\n') {
        let decision = joiner.push(line);
        match records.last_mut() {
            Some(open)
                if decision == Decision::Continues
                    && lines < JOINED_LINES_MAX
                    && open.len() + 1 + line.len() <= JOINED_BYTES_MAX =>
            {
                open.push(b'\n');
                open.extend_from_slice(line);
                lines += 1;
            }
            _ => {
                records.push(line.to_vec());
                lines = 1;
            }
        }
    }
    records
}

/// The records of a stream are the stream, each within its limits, and each is what it is whatever came before it: only prose
/// may need what the stream has shown so far to continue a record.
pub fn join(input: &[u8]) {
    let records = joined(input);
    assert_eq!(records.join(&b'\n'), input, "bytes were lost");
    let mut joiner = Joiner::default();
    for record in &records {
        let mut alone = Joiner::default();
        let lines: Vec<&[u8]> = record.split(|byte| *byte == b'\n').collect();
        assert!(lines.len() <= JOINED_LINES_MAX && (lines.len() == 1 || record.len() <= JOINED_BYTES_MAX));
        // A record that ended at a limit goes on in the next one, which only the stream's joiner knows.
        let mut apart = joiner.push(lines[0]) == Decision::Continues;
        assert_eq!(alone.push(lines[0]), Decision::Starts, "a fresh stream continues nothing");
        for line in &lines[1..] {
            let decision = joiner.push(line);
            if !apart && alone.push(line) != decision {
                let prose =
                    decision == Decision::Continues && line.first().is_some_and(|first| !first.is_ascii_whitespace());
                assert!(prose, "depends on the record before");
                apart = true;
            }
            assert!(!always_starts(line), "continues with what always starts: {:?}", String::from_utf8_lossy(line));
        }
        let mut settled = joiner;
        settled.reset();
        assert_eq!(settled.push(b"\tat a.B.c(D.java:1)"), Decision::Starts, "continues what has ended");
    }
}

/// JSON, a syslog priority, a date and a time with a blank behind them.
fn always_starts(line: &[u8]) -> bool {
    let digits = |byte: &u8| if byte.is_ascii_digit() { b'9' } else { *byte };
    match line {
        [b'{', ..] | [b'<', b'0'..=b'9', ..] => true,
        [b'2', b'0', tail @ ..] if tail.iter().take(18).map(digits).eq(*b"99-99-99 99:99:99 ") => {
            str::from_utf8(&line[..19]).is_ok_and(|stamp| time::any(stamp, &Context::default()).is_some())
        }
        _ => false,
    }
}

/// Any line as either syslog, and lines made of the input's pieces, which must be read as they were written.
pub fn syslog(input: &[u8]) {
    let (context, line) = context(input);
    let (Some(older), Some(newer)) = (by_name("syslog3164"), by_name("syslog5424")) else { panic!("no syslog") };
    for format in [older, newer] {
        if let Ok(fields) = format.read(&line, &context) {
            check_fields(&line, &fields);
            check_priority(&fields);
        }
    }
    assert!(older.read(&line, &context).is_err() || newer.read(&line, &context).is_err(), "both syslogs take the line");
    let mut pieces = line.split('\u{0}');
    let mut next = || pieces.next().unwrap_or_default();
    written_5424(
        newer,
        input.first().map_or(0, |byte| byte % 192),
        [next(), next(), next(), next()],
        next(),
        next(),
        next(),
        &context,
    );
}

fn check_priority(fields: &Fields<'_>) {
    let number = |name: &str| match fields.get(name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    if let Some(priority) = number("log.syslog.priority") {
        assert!((0..192).contains(&priority), "the priority {priority}");
        assert_eq!(number("log.syslog.facility.code"), Some(priority / 8));
        assert_eq!(number("log.syslog.severity.code"), Some(priority % 8));
    }
}

/// A line by RFC 5424 made of words, a parameter and a text.
#[allow(clippy::too_many_arguments, reason = "the parts of a line")]
fn written_5424(
    format: &Format,
    priority: u8,
    words: [&str; 4],
    name: &str,
    value: &str,
    text: &str,
    context: &Context<'_>,
) {
    let word = |text: &str, max: usize| {
        let printable = text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"'));
        let word: String = printable.take(max).collect();
        if word.is_empty() { "x".to_owned() } else { word }
    };
    let [host, app, process, id] = words.map(|text| word(text, 32));
    let name = word(name, 32);
    let mut escaped = String::new();
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    // No format of another kind begins like this.
    let text = format!("~ {text}");
    let line = format!(
        "<{priority}>1 2026-01-02T03:04:05.678Z {host} {app} {process} {id} [{id} {name}=\"{escaped}\"] {text}"
    );
    let fields = match format.read(&line, context) {
        Ok(fields) => fields,
        Err(error) => panic!("{error}: {line}"),
    };
    check_fields(&line, &fields);
    let read = |name: &str| fields.get(name).and_then(Value::as_str);
    let unless_nil = |word: &str| (word != "-").then(|| word.to_owned());
    assert_eq!(read("host.name").map(str::to_owned), unless_nil(&host), "{line}");
    assert_eq!(read(&format!("log.syslog.structured_data.{id}.{name}")), Some(value), "{line}");
    if app != "kernel" {
        assert_eq!(read("message"), Some(&*text), "{line}");
    }
    assert_eq!(fields.get("log.syslog.priority"), Some(&Value::Int(i64::from(priority))));
}
