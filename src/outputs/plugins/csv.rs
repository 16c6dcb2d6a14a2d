//! `csv { path => "/tmp/a.csv" fields => ["a", "[b][c]"] }`: some fields of each event as a row, in files as [`file`](super::file)
//! has them, by the rules of Ruby's CSV.
//!
//! Objects are JSON, lists are in brackets. A text that begins with `=` gets a quote in front unless `spreadsheet_safe` is off:
//! spreadsheets would run it.

use super::{Encoded, Output, OutputKind, Sink, file::Target};
use crate::{
    config::Options,
    event::{Event, Timestamp, Value, json, render::write_text},
};
use logship_parsers::config::{Diagnostic, FieldRef, ast, typed};
use std::io;

pub(super) const KIND: OutputKind = OutputKind {
    name: "csv",
    summary: "Rows of comma-separated values in files",
    options: &[
        "create_if_deleted",
        "csv_options",
        "dir_mode",
        "fields",
        "file_mode",
        "filename_failure",
        "flush_interval",
        "gzip",
        "path",
        "spreadsheet_safe",
        "stale_cleanup_interval",
        "write_behavior",
    ],
    needs_log: true,
    build,
};

struct Csv {
    target: Target,
    fields: Vec<FieldRef>,
    style: Style,
    is_safe: bool,
}

/// How rows are written.
struct Style {
    col_sep: String,
    row_sep: String,
    quote: char,
    force_quotes: bool,
    quote_empty: bool,
    /// Names that come before each row: Ruby's CSV makes each one anew.
    headers: Vec<String>,
    writes_headers: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let target = Target::read(options);
    let fields = options.required("fields", |_| Ok(())).map(|()| options.each("fields", typed::field));
    let is_safe = options.flag("spreadsheet_safe", true);
    let style = options.get("csv_options", style);
    let style = if options.is_given("csv_options") { style? } else { Style::default() };
    Some(Box::new(Csv { target: target?, fields: fields?, style, is_safe }))
}

impl Default for Style {
    fn default() -> Style {
        Style {
            col_sep: ",".into(),
            row_sep: "\n".into(),
            quote: '"',
            force_quotes: false,
            quote_empty: true,
            headers: Vec::new(),
            writes_headers: false,
        }
    }
}

/// A separator as it is meant: the documentation of Logstash writes `"\t"` and `"\r\n"`, which without `config.support_escapes` are
/// backslashes and letters, and nobody separates by these.
fn separator(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\r", "\r").replace("\\n", "\n")
}

fn style(value: &ast::Value) -> typed::Read<Style> {
    let mut style = Style::default();
    for entry in &*typed::hash(value)? {
        match typed::text(&entry.key)? {
            "col_sep" => style.col_sep = separator(typed::text(&entry.value)?),
            "row_sep" => style.row_sep = separator(typed::text(&entry.value)?),
            "force_quotes" => style.force_quotes = typed::boolean(&entry.value)?,
            "quote_empty" => style.quote_empty = typed::boolean(&entry.value)?,
            "headers" => {
                let names = typed::list(&entry.value).iter().map(|name| typed::text(name).map(str::to_owned));
                style.headers = names.collect::<typed::Read<_>>()?;
            }
            "write_headers" => style.writes_headers = typed::boolean(&entry.value)?,
            "quote_char" => {
                let mut chars = typed::text(&entry.value)?.chars();
                let (Some(quote), None) = (chars.next(), chars.next()) else {
                    return Err(Diagnostic::error(entry.value.span.0, "a quote is one character"));
                };
                style.quote = quote;
            }
            _ => {
                let known =
                    ["col_sep", "row_sep", "quote_char", "force_quotes", "quote_empty", "headers", "write_headers"];
                return typed::choice(&entry.key, &known).map(|_| style);
            }
        }
    }
    Ok(style)
}

impl Output for Csv {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        let row = out.text_mut();
        self.style.write_headers(row);
        let mut text = String::new();
        for (n, field) in self.fields.iter().enumerate() {
            if n > 0 {
                row.push_str(&self.style.col_sep);
            }
            let value = event.get(field);
            let value = value.as_deref().filter(|value| **value != Value::Null);
            text.clear();
            if let Some(value) = value {
                self.write(value, &mut text);
            }
            self.style.write(row, value.map(|_| text.as_str()));
        }
        row.push_str(&self.style.row_sep);
        self.target.end(event, now, out);
    }

    fn shares(&self) -> Option<String> {
        Some(self.target.shares())
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(self.target.open())
    }
}

impl Csv {
    fn write(&self, value: &Value, out: &mut String) {
        match value {
            Value::Str(text) if self.is_safe && text.starts_with('=') => {
                out.push('\'');
                out.push_str(text);
            }
            Value::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n > 0 { ", " } else { "" });
                    json::write_value(out, item);
                }
                out.push(']');
            }
            value => write_text(out, value),
        }
    }
}

impl Style {
    fn write_headers(&self, row: &mut String) {
        if !self.writes_headers || self.headers.is_empty() {
            return;
        }
        for (n, name) in self.headers.iter().enumerate() {
            row.push_str(if n > 0 { &self.col_sep } else { "" });
            self.write(row, Some(name));
        }
        row.push_str(&self.row_sep);
    }

    fn write(&self, row: &mut String, field: Option<&str>) {
        let is_special =
            |text: &str| text.contains(['\r', '\n', self.quote]) || text.contains(|c: char| self.col_sep.contains(c));
        let is_quoted = match field {
            None => self.force_quotes,
            Some(text) => self.force_quotes || (self.quote_empty && text.is_empty()) || is_special(text),
        };
        let text = field.unwrap_or_default();
        if !is_quoted {
            return row.push_str(text);
        }
        row.push(self.quote);
        for (n, piece) in text.split(self.quote).enumerate() {
            if n > 0 {
                row.push(self.quote);
                row.push(self.quote);
            }
            row.push_str(piece);
        }
        row.push(self.quote);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn rows_have_the_fields() {
        let folder = tempfile::tempdir().unwrap();
        let check = |options: &str, event: &str, expected: &str| {
            let path = folder.path().join("rows");
            let output = built(&format!("csv {{ path => \"{}\" {options} }}", path.display()));
            deliver(&*output, &mut *output.open().unwrap(), &[event]);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "{options} {event}");
            std::fs::remove_file(&path).unwrap();
        };
        let abc = "fields => [a, \"[b][c]\", d]";
        check(abc, r#"{"a":"x","b":{"c":1.5},"d":true}"#, "x,1.5,true\n");
        check(abc, r#"{"a":"","d":null}"#, "\"\",,\n");
        check(
            abc,
            r#"{"a":"x,y","b":{"c":"say \"hi\""},"d":"two\nlines"}"#,
            "\"x,y\",\"say \"\"hi\"\"\",\"two\nlines\"\n",
        );
        check(abc, r#"{"a":{"k":"v"},"d":["p",1]}"#, "\"{\"\"k\"\":\"\"v\"\"}\",,\"[\"\"p\"\", 1]\"\n");
        check("fields => [a, d]", r#"{"a":"=1+1","d":"-1"}"#, "'=1+1,-1\n");
        check("fields => a spreadsheet_safe => false", r#"{"a":"=1+1"}"#, "=1+1\n");
        let tabs = r#"fields => [a, d] csv_options => { "col_sep" => "	" "row_sep" => "|" "force_quotes" => true }"#;
        check(tabs, r#"{"a":"x"}"#, "\"x\"\t\"\"|");
        let named = "fields => [a, d] csv_options => { write_headers => true headers => ['A', 'the D'] }";
        check(named, r#"{"a":"x","d":1}"#, "A,the D\nx,1\n");
        check(&named.replace("true", "false"), r#"{"a":"x","d":1}"#, "x,1\n");
        let windows = r#"fields => [a, d] csv_options => { "col_sep" => "\t" "row_sep" => "\r\n" }"#;
        check(windows, r#"{"a":"x","d":1}"#, "x\t1\r\n");
        check(
            "fields => a csv_options => { quote_char => \"'\" quote_empty => false }",
            r#"{"a":"it's"}"#,
            "'it''s'\n",
        );
    }

    #[test]
    fn wrong_options_are_told() {
        assert!(errors("csv { path => \"/a\" }").contains("needs the option `fields`"));
        assert!(
            errors("csv { path => \"/a\" fields => a csv_options => { converters => all } }").contains("cannot stand")
        );
        assert!(
            errors("csv { path => \"/a\" fields => a csv_options => { quote_char => \"ab\" } }").contains("one char")
        );
    }
}
