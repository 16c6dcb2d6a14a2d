//! `logship parse --templates`: what the messages have in common is known only at the end of the input, so events wait in
//! a temporary file, and memory holds the templates alone.

use super::{Failure, args::Templates as Asked, is_read};
use crate::{
    clock,
    event::{Value, json, layout::Layouts},
    flow::Frame,
    inputs::stdin::CHUNK_BYTES,
    plan::{Hint, Plan},
};
use logship_parsers::template::{
    self,
    merge::{Pattern, Patterns, TEMPLATES_MAX, Templates},
};
use memchr::memmem;
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
    /// The events of a frame as JSON.
    text: String,
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
        Ok(Some(Gathered { templates: Templates::default(), silent: 0, waiting, text: String::new() }))
    }

    /// Takes the events of a frame.
    pub fn gather(&mut self, plan: &Plan, frame: &Frame, hint: &Hint, layouts: &mut Layouts) -> io::Result<()> {
        let Gathered { templates, silent, waiting, text } = self;
        let mut add = |message: Option<&str>| {
            let id = message.map(|message| (template::id(message), message));
            match id {
                Some((id, message)) => templates.add(id, message),
                None => *silent += 1,
            }
            id.map(|(id, _)| id)
        };
        let Some(file) = waiting else {
            plan.messages(frame, hint, |message| _ = add(message));
            return Ok(());
        };
        let mut kept = Ok(());
        text.clear();
        plan.write_each(frame, hint, layouts, text, |line, message| {
            let id = add(message);
            if kept.is_ok() {
                kept = Waiting::of(line, id).write(line, file);
            }
        });
        kept
    }

    /// Prints the events with the text of their template, or the table of templates.
    pub fn print(self, out: &mut impl Write) -> Result<(), Failure> {
        let patterns = self.templates.merged();
        let Some(waiting) = self.waiting else {
            return is_read(print_table(&patterns, self.silent, out)).map(drop);
        };
        let mut file = waiting.into_inner().map_err(|cause| no_file(cause.error()))?;
        file.rewind().map_err(|cause| no_file(&cause))?;
        let mut file = BufReader::with_capacity(CHUNK_BYTES, file);
        let (mut line, mut text) = (Vec::new(), String::new());
        while let Some(waiting) = Waiting::read(&mut file, &mut line).map_err(|cause| no_file(&cause))? {
            let pattern = patterns.of(waiting.id).filter(|_| waiting.place > 0);
            let (before, behind) = line.split_at(waiting.place.min(line.len()));
            text.clear();
            if let Some(pattern) = pattern {
                text.push_str(",\"text\":");
                json::write_value(&mut text, &Value::from(pattern.text.as_str()));
            }
            let written = [before, text.as_bytes(), behind].into_iter().try_for_each(|part| out.write_all(part));
            if !is_read(written)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What stands before an event's JSON in the temporary file.
struct Waiting {
    bytes: usize,
    /// Where the template's text belongs; 0 where the event has no template.
    place: usize,
    id: u64,
}

/// Eight bytes for each of its fields.
const WAITING_BYTES: usize = 24;

impl Waiting {
    fn of(text: &str, id: Option<u64>) -> Waiting {
        // Quotes inside of strings are escaped: this is found where it is a field and nowhere else.
        let field = id.map(|id| format!(r#""template":{{"id":"{id:016x}""#));
        let place = field.and_then(|field| Some(memmem::rfind(text.as_bytes(), field.as_bytes())? + field.len()));
        Waiting { bytes: text.len(), place: place.unwrap_or_default(), id: id.unwrap_or_default() }
    }

    fn write(&self, text: &str, file: &mut impl Write) -> io::Result<()> {
        for number in [self.bytes as u64, self.place as u64, self.id] {
            file.write_all(&number.to_le_bytes())?;
        }
        file.write_all(text.as_bytes())
    }

    /// The next one; its event is in `line` then. Nothing at the end.
    fn read(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<Waiting>> {
        if file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut head = [0; WAITING_BYTES];
        file.read_exact(&mut head)?;
        let number = |at: usize| head.as_chunks().0.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let waiting = Waiting { bytes: number(0) as usize, place: number(1) as usize, id: number(2) };
        line.resize(waiting.bytes, 0);
        file.read_exact(line)?;
        Ok(Some(waiting))
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
