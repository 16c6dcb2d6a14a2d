//! `logship formats`: what is known without configuration, each with an example.

use super::{Failure, args};
use logship_parsers::line::{FORMATS, by_name};
use std::io::{self, Write};

pub fn run(args: &args::Formats) -> Result<(), Failure> {
    if let Some(unknown) = args.names.iter().find(|name| by_name(name).is_none()) {
        return Err(Failure::usage(format!("unknown format `{unknown}`; `logship formats` lists all")));
    }
    let wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|wanted| wanted == name);
    let width = FORMATS.iter().map(|format| format.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for format in FORMATS.iter().filter(|format| wanted(format.name)) {
        text += &format!("{:width$}  {}\n", format.name, format.summary);
        for line in format.example.lines() {
            text += &format!("{:width$}  {line}\n", "");
        }
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to stdout: {cause}")))
        }
        _ => Ok(()),
    }
}
