//! `logship formats`: what is known without configuration, each with an example.

use super::{Failure, args, is_read, settings};
use logship_parsers::line::FORMATS;
use std::io::{self, Write};

pub fn run(args: &args::Formats) -> Result<(), Failure> {
    for name in &args.names {
        settings::format_id(name)?;
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
    is_read(io::stdout().lock().write_all(text.as_bytes())).map(drop)
}
