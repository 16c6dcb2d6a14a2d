//! `logship grok PATTERN < lines`: what a pattern takes from each line, and how far it gets in those that it does not match.
//! `--suggest` makes a pattern of the lines instead.

use super::{Failure, is_read, pipelines::EcsMode, say::say};
use crate::{
    codecs::plugins::framing::{Cut, Cutter, Framing, Piece},
    config::grok_files,
    event::{Event, Timestamp, Value, json},
    pipeline::cases::Paint,
};
use clap::Args;
use logship_parsers::{
    config::{Diagnostic, FieldRef, Source, Span},
    grok::{self, FieldNames, Grok, GrokError, Kind, Library, Options as Matching, Outcome, Scratch},
};
use std::{
    fmt::Write as _,
    io::{self, BufWriter, IsTerminal as _, Write},
    path::PathBuf,
};

/// Lines that are explained; of further ones is only said that they do not match, for explaining compiles patterns.
const EXPLAINED_MAX: usize = 50;
/// Lines that are shown which a suggestion does not match.
const SHOWN_MAX: usize = 10;
/// Bytes of samples that a pattern is made from.
const SAMPLE_BYTES_MAX: usize = 16 << 20;
/// How often a pattern's definition takes the place of its name in an explanation.
const DEFINITIONS_MAX: usize = 8;
/// Colours of fields, one after the other.
const COLOURS: [&str; 6] = ["32", "36", "33", "35", "34", "31"];

/// `logship grok`
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The pattern, such as '%{IP:client} %{WORD:verb}'
    #[arg(value_name = "PATTERN", required_unless_present = "suggest")]
    pub pattern: Option<String>,
    /// Make a pattern of the lines, and say which it does not match
    #[arg(long, conflicts_with = "pattern")]
    pub suggest: bool,
    /// A file of patterns, `NAME expression` a line, or a folder of such files
    #[arg(long, value_name = "DIR")]
    pub patterns_dir: Vec<PathBuf>,
    /// Which names the standard patterns give to fields [default: v8]
    #[arg(long, value_enum, value_name = "MODE")]
    pub ecs: Option<EcsMode>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Reads lines and shows what a pattern takes from them.
pub fn run(options: &Options) -> Result<(), Failure> {
    let is_ecs = options.ecs.is_none_or(|mode| mode.mode().is_on());
    let mut library = Library::standard(if is_ecs { FieldNames::Ecs } else { FieldNames::Legacy });
    for path in &options.patterns_dir {
        let texts = grok_files(path, None)
            .map_err(|cause| Failure::usage(format!("cannot read the patterns of {}: {cause}", path.display())))?;
        texts.iter().for_each(|text| library.define_file(text));
    }
    let Some(pattern) = &options.pattern else { return suggest(&library, is_ecs, options.json) };
    let compiled = Grok::compile(&[pattern], &library, Matching::default());
    let grok = compiled.map_err(|error| Failure::usage(shown(pattern, &error)))?;
    let fields: Vec<FieldRef> = (grok.fields().iter())
        .map(|field| FieldRef::parse(&field.name).unwrap_or_else(|_| FieldRef { parts: vec![field.name.to_string()] }))
        .collect();
    let mut shower = Shower {
        pattern,
        library: &library,
        grok,
        fields,
        scratch: Scratch::default(),
        json: options.json,
        paint: super::test::paint(),
        text: String::new(),
        matched: 0,
        unmatched: 0,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    lines(|line| {
        shower.line(line);
        is_read(out.write_all(shower.text.as_bytes()))
    })?;
    let count = shower.matched + shower.unmatched;
    let noun = if count == 1 { "line" } else { "lines" };
    let summary = format!("{count} {noun}: {} matched, {} did not", shower.matched, shower.unmatched);
    if options.json {
        say(&summary);
    } else {
        is_read(writeln!(out, "{summary}"))?;
    }
    is_read(out.flush())?;
    if shower.unmatched == 0 { Ok(()) } else { Err(Failure::failed(String::new())) }
}

/// Hands over each line of stdin as text, until nobody wants more.
fn lines(mut take: impl FnMut(&str) -> Result<bool, Failure>) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        say("reading lines from the terminal; Ctrl-D ends them");
    }
    let mut cutter = Cutter::new(&Framing::Lines(b"\n"[..].into()));
    let mut input = io::stdin().lock();
    loop {
        let read = cutter.read_from(&mut input).map_err(|c| Failure::failed(format!("cannot read stdin: {c}")))?;
        let is_end = read.is_none();
        let pieces = read.unwrap_or_else(|| cutter.finish());
        for Cut { text, .. } in pieces.into_iter().flat_map(Piece::into_lines) {
            if !take(&String::from_utf8_lossy(&text))? {
                return Ok(());
            }
        }
        if is_end {
            return Ok(());
        }
    }
}

/// An error of a pattern with its place.
fn shown(pattern: &str, error: &GrokError) -> String {
    let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    let span = Span { file: 0, start: at(error.span.start), end: at(error.span.end) };
    Diagnostic::error(span, error.to_string()).render(&[Source::new("pattern", pattern)])
}

/// What is shown of each line.
struct Shower<'p> {
    pattern: &'p str,
    library: &'p Library,
    grok: Grok,
    fields: Vec<FieldRef>,
    scratch: Scratch,
    json: bool,
    paint: Paint,
    text: String,
    matched: usize,
    unmatched: usize,
}

impl Shower<'_> {
    fn line(&mut self, line: &str) {
        self.text.clear();
        let is_match = matches!(self.grok.matches(line, &mut self.scratch), Outcome::Match { .. });
        match is_match {
            true => self.matched += 1,
            false => self.unmatched += 1,
        }
        let failed = (!is_match && self.unmatched <= EXPLAINED_MAX).then(|| how_far(self.pattern, self.library, line));
        match (self.json, is_match) {
            (true, _) => self.object(line, is_match, failed.flatten()),
            (false, true) => self.fields(line),
            (false, false) => self.failure(line, failed.flatten()),
        }
    }

    /// The line and its fields in colours.
    fn fields(&mut self, line: &str) {
        let colour = |field: usize| COLOURS[field % COLOURS.len()];
        let captures = self.scratch.captures();
        let mut at = 0;
        self.text.push_str(&self.paint.green("+ "));
        for capture in captures {
            // One inside of another is shown below only.
            if let Some(before) = line.get(at..capture.start) {
                self.text.push_str(before);
                self.text.push_str(&self.paint.with(colour(capture.field), capture.of(line)));
                at = capture.end;
            }
        }
        self.text.push_str(line.get(at..).unwrap_or_default());
        self.text.push('\n');
        let filled = || captures.iter().filter(|capture| capture.end > capture.start);
        let name = |field: usize| self.grok.fields().get(field).map_or("", |field| &field.name);
        let width = filled().map(|capture| name(capture.field).chars().count()).max().unwrap_or_default();
        for capture in filled() {
            let padded = format!("{:width$}", name(capture.field));
            let padded = self.paint.with(colour(capture.field), &padded);
            _ = writeln!(self.text, "    {padded}  {}", capture.of(line));
        }
    }

    fn failure(&mut self, line: &str, far: Option<HowFar>) {
        let Some(far) = far else {
            _ = writeln!(self.text, "{}{line}", self.paint.red("- "));
            return;
        };
        let (before, matched, rest) = (&line[..far.from], &line[far.from..far.to], &line[far.to..]);
        let matched = self.paint.green(matched);
        _ = writeln!(self.text, "{}{before}{matched}{}", self.paint.red("- "), self.paint.red(rest));
        if !far.matched.is_empty() {
            _ = writeln!(self.text, "    matches  {}", self.paint.green(&far.matched));
        }
        let column = line[..far.to].chars().count() + 1;
        let failed = format!("`{}`", far.failed);
        _ = writeln!(self.text, "    fails    {} at column {column}", self.paint.red(&failed));
    }

    fn object(&mut self, line: &str, is_match: bool, far: Option<HowFar>) {
        let mut event = Event::new(Timestamp::default());
        event.has_time = false;
        event.fields.insert("line".into(), Value::from(line));
        event.fields.insert("matched".into(), Value::Bool(is_match));
        let mut found = Event::new(Timestamp::default());
        for capture in self.scratch.captures().iter().filter(|capture| is_match && capture.end > capture.start) {
            let (Some(field), Some(known)) = (self.fields.get(capture.field), self.grok.fields().get(capture.field))
            else {
                continue;
            };
            let text = capture.of(line);
            // A number with more than digits stays a text here.
            let value = match known.kind {
                Kind::Text => Value::from(text),
                Kind::Int => text.parse().map_or_else(|_| Value::from(text), Value::Int),
                Kind::Float => text.parse().map_or_else(|_| Value::from(text), Value::Float),
            };
            let value = match found.get(field).map(|there| there.into_owned()) {
                None => value,
                Some(Value::List(mut items)) => {
                    items.push(value);
                    Value::List(items)
                }
                Some(there) => Value::List(vec![there, value]),
            };
            // What is in the way is shown instead.
            _ = found.set(field, value);
        }
        if is_match {
            event.fields.insert("fields".into(), Value::Map(found.fields));
        }
        if let Some(far) = far {
            event.fields.insert("matches".into(), Value::from(far.matched));
            event.fields.insert("fails".into(), Value::from(far.failed));
            let column = line[..far.to].chars().count() + 1;
            event.fields.insert("column".into(), Value::Int(i64::try_from(column).unwrap_or(i64::MAX)));
        }
        json::write_event(&mut self.text, &event, None);
        self.text.push('\n');
    }
}

/// How far a pattern gets in a line.
#[derive(Debug, PartialEq, Eq)]
struct HowFar {
    /// The bytes of the line that its beginning matches.
    from: usize,
    to: usize,
    matched: String,
    failed: String,
}

/// Explains, with definitions in the place of names where those fail as a whole.
fn how_far(pattern: &str, library: &Library, line: &str) -> Option<HowFar> {
    let mut pattern = pattern.to_owned();
    for _ in 0..DEFINITIONS_MAX {
        let found = grok::explain(&pattern, library, Matching::default(), line).ok()?;
        let failed = found.failed.clone()?;
        let definition = pattern[failed.clone()].strip_prefix("%{").and_then(|rest| rest.strip_suffix('}'));
        let definition = definition.and_then(|name| library.definition(name.split(':').next()?));
        match definition.filter(|definition| is_sequence(definition)) {
            Some(definition) => pattern.replace_range(failed, definition),
            None => {
                return Some(HowFar {
                    from: found.text.start,
                    to: found.text.end,
                    matched: pattern[found.matched].to_owned(),
                    failed: pattern[failed].to_owned(),
                });
            }
        }
    }
    None
}

/// Whether an expression of several parts has no branches, so that it means the same among others.
fn is_sequence(expression: &str) -> bool {
    let (mut depth, mut is_escaped, mut parts) = (0_usize, false, 0);
    for c in expression.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return false,
            '%' if depth == 0 => parts += 1,
            _ => {}
        }
    }
    parts > 0
}

/// Makes a pattern of the lines of stdin.
fn suggest(library: &Library, is_ecs: bool, is_json: bool) -> Result<(), Failure> {
    let (mut samples, mut bytes) = (Vec::new(), 0);
    lines(|line| {
        bytes += line.len();
        samples.push(line.to_owned());
        Ok(bytes < SAMPLE_BYTES_MAX)
    })?;
    let samples: Vec<&str> = samples.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    let Some(found) = grok::suggest(&samples, library, is_ecs) else {
        return Err(Failure::usage("there are no lines on stdin to make a pattern of"));
    };
    let printed = match is_json {
        true => serde_json::json!({ "pattern": found.pattern, "lines": samples.len(), "unmatched": found.unmatched })
            .to_string(),
        false => found.pattern,
    };
    is_read(writeln!(io::stdout().lock(), "{printed}"))?;
    if found.unmatched.is_empty() {
        say(format!("it matches all {} lines", samples.len()));
        return Ok(());
    }
    say(format!("it does not match {} of {} lines, such as:", found.unmatched.len(), samples.len()));
    found.unmatched.iter().take(SHOWN_MAX).filter_map(|n| samples.get(*n)).for_each(say);
    Err(Failure::failed(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_explained() {
        let library = Library::standard(FieldNames::Ecs);
        let check = |pattern: &str, line: &str, matched: &str, failed: &str, at: usize| {
            let found = how_far(pattern, &library, line).unwrap();
            assert_eq!((&*found.matched, &*found.failed, found.to), (matched, failed, at), "{pattern} {line}");
        };
        check("%{IP:ip} %{INT:n}", "10.0.0.1 x", "%{IP:ip} ", "%{INT:n}", 9);
        check("^%{WORD:a}=%{INT}$", "a=1b", "^%{WORD:a}=%{INT}", "$", 3);
        check("%{TIME:t}!", "10:20", "%{HOUR}:%{MINUTE}", ":", 5);
        assert!(how_far("%{WORD}", &library, "a").is_none());
    }
}
