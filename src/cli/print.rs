//! Events on stdout in the form that was asked for.

use super::{
    Failure,
    args::{Output, Print},
    is_read, settings,
};
use crate::{
    event::{Event, Value, json},
    outputs::terminal::Look,
};
use std::io::{IsTerminal, Write};

/// Prints events.
pub struct Printer<W: Write> {
    out: std::io::BufWriter<W>,
    output: Output,
    fields: Vec<String>,
    look: Look,
    header_due: bool,
}

impl<W: Write> Printer<W> {
    pub fn new(out: W, asked: &Print) -> Printer<W> {
        let color = std::io::stdout().is_terminal() && settings::colors();
        let look = Look { color, zone: jiff::tz::TimeZone::system(), date: true };
        let Print { output, fields } = asked.clone();
        Printer { out: std::io::BufWriter::new(out), output, fields, look, header_due: output == Output::Csv }
    }

    /// Prints one event, given as JSON; whether anybody still reads.
    pub fn row(&mut self, row: &str) -> Result<bool, Failure> {
        let mut text = String::new();
        if self.output == Output::Json {
            text.push_str(row);
            text.push('\n');
        } else {
            let (event, _) =
                json::read_event(row).map_err(|why| Failure::failed(format!("an event cannot be read: {why}")))?;
            match self.output {
                Output::Raw => raw(&mut text, &event),
                Output::Csv => self.csv(&mut text, &event),
                Output::Text | Output::Json => self.look.event(&mut text, &event),
            }
        }
        is_read(self.out.write_all(text.as_bytes()))
    }

    /// Shows what was printed; whether anybody still reads.
    pub fn flush(&mut self) -> Result<bool, Failure> {
        is_read(self.out.flush())
    }

    /// Shows all, the header of an empty csv, too.
    pub fn finish(&mut self) -> Result<(), Failure> {
        let mut text = String::new();
        self.header(&mut text);
        is_read(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush())).map(drop)
    }

    fn header(&mut self, text: &mut String) {
        if std::mem::take(&mut self.header_due) {
            csv_line(text, self.fields.iter().map(String::as_str));
        }
    }

    fn csv(&mut self, text: &mut String, event: &Event) {
        self.header(text);
        let cells: Vec<String> = self.fields.iter().map(|name| cell(event, name)).collect();
        csv_line(text, cells.iter().map(String::as_str));
    }
}

/// The line as it came, as far as it was kept: `event.original`, else the message, else the event as JSON.
fn raw(text: &mut String, event: &Event) {
    let original = event.fields.path("event.original").and_then(Value::as_str);
    match original.or_else(|| event.message()) {
        Some(line) => text.push_str(line),
        None => json::write_event(text, event, None),
    }
    text.push('\n');
}

fn cell(event: &Event, name: &str) -> String {
    if name == "@timestamp" {
        return event.time.to_string();
    }
    match event.fields.path(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::Str(text)) => text.to_string(),
        Some(value) => {
            let mut text = String::new();
            json::write_value(&mut text, value);
            text
        }
    }
}

/// RFC 4180, with line feeds.
fn csv_line<'c>(text: &mut String, cells: impl Iterator<Item = &'c str>) {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"@timestamp":"2026-01-01T00:00:00.000Z","message":"a, \"b\"\nc","log":{"level":"warn"},"n":[1,2],"_id":"x"}"#;

    fn check(output: Output, rows: &[&str], expected: &str) {
        let fields = ["@timestamp", "log.level", "n", "message", "absent"].map(str::to_owned).to_vec();
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, &Print { output, fields });
        for row in rows {
            assert!(printer.row(row).unwrap());
        }
        printer.finish().unwrap();
        drop(printer);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn every_form() {
        check(Output::Json, &[ROW], &format!("{ROW}\n"));
        check(Output::Raw, &[ROW], "a, \"b\"\nc\n");
        let header = "@timestamp,log.level,n,message,absent\n";
        check(Output::Csv, &[], header);
        check(Output::Csv, &[ROW], &format!("{header}2026-01-01T00:00:00.000Z,warn,\"[1,2]\",\"a, \"\"b\"\"\nc\",\n"));
    }
}
