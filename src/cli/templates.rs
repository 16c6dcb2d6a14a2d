//! `logship parse --templates`: what the messages have in common is known only at the end of the input, so events wait in
//! a temporary file, and memory holds the templates alone.

use super::{Failure, args::Templates as Asked, is_read};
use crate::{
    clock,
    event::{Event, Key, Value, json},
    inputs::stdin::CHUNK_BYTES,
};
use logship_parsers::template::{
    self,
    merge::{Pattern, Patterns, TEMPLATES_MAX, Templates},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    os::unix::fs::OpenOptionsExt,
};

/// The templates of the events so far, and the events where they are to be printed.
pub struct Gathered {
    templates: Templates,
    /// Events that have no message, and so no template.
    silent: u64,
    waiting: Option<BufWriter<File>>,
}

impl Gathered {
    /// For what was asked; nothing where templates were not.
    pub fn new(asked: Asked) -> Result<Option<Gathered>, Failure> {
        let waiting = match asked {
            Asked::Off => return Ok(None),
            Asked::On => {
                let file = unnamed_file().map_err(|cause| no_file(&cause))?;
                Some(BufWriter::with_capacity(CHUNK_BYTES, file))
            }
            Asked::Count => None,
        };
        Ok(Some(Gathered { templates: Templates::default(), silent: 0, waiting }))
    }

    /// Takes one event.
    pub fn take(&mut self, event: &Event, text: &mut String) -> io::Result<()> {
        match event.message() {
            Some(message) => self.templates.add(template::id(message), message),
            None => self.silent += 1,
        }
        let Some(file) = &mut self.waiting else { return Ok(()) };
        text.clear();
        json::write_event(text, event, None);
        text.push('\n');
        file.write_all(text.as_bytes())
    }

    /// Prints the events with the text of their template, or the table of templates.
    pub fn print(self, out: &mut impl Write) -> Result<(), Failure> {
        let patterns = self.templates.merged();
        let Some(waiting) = self.waiting else {
            return is_read(print_table(&patterns, self.silent, out)).map(drop);
        };
        let mut file = waiting.into_inner().map_err(|cause| no_file(cause.error()))?;
        file.rewind().map_err(|cause| no_file(&cause))?;
        let mut text = String::new();
        for line in BufReader::with_capacity(CHUNK_BYTES, file).lines() {
            let line = line.map_err(|cause| no_file(&cause))?;
            let (mut event, _) = json::read_event(&line).map_err(|cause| no_file(&io::Error::other(cause)))?;
            add_text(&mut event, &patterns);
            text.clear();
            json::write_event(&mut text, &event, None);
            text.push('\n');
            if !is_read(out.write_all(text.as_bytes()))? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Events could not wait.
pub fn no_file(cause: &io::Error) -> Failure {
    let folder = std::env::temp_dir();
    Failure::failed(format!(
        "cannot keep the events in a temporary file in {}: {cause} (TMPDIR chooses another folder)",
        folder.display()
    ))
}

/// A file that is gone when this process is.
fn unnamed_file() -> io::Result<File> {
    let name = format!("logship-parse-{}-{}", std::process::id(), clock::now().as_nanos());
    let path = std::env::temp_dir().join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn add_text(event: &mut Event, patterns: &Patterns) {
    let Some(pattern) = event.message().and_then(|message| patterns.of(template::id(message))) else { return };
    let Some(Value::Map(log)) = event.fields.get_mut("log") else { return };
    if let Some(Value::Map(template)) = log.get_mut("template") {
        template.insert(Key::from("text"), Value::from(pattern.text.as_str()));
    }
}

fn print_table(patterns: &Patterns, silent: u64, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:>10}  {:16}  template", "count", "id")?;
    for Pattern { id, text, count } in &patterns.patterns {
        writeln!(out, "{count:>10}  {id:016x}  {text}")?;
    }
    if patterns.other > 0 {
        writeln!(out, "{:>10}  {:16}  (more than {TEMPLATES_MAX} templates: the rest together)", patterns.other, "-")?;
    }
    if silent > 0 {
        writeln!(out, "{silent:>10}  {:16}  (events without a message)", "-")?;
    }
    Ok(())
}
