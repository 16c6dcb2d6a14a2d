//! `stdin { }`: lines of standard input, handed over as soon as they are there.

use super::{Entrance, InputError, InputKind, Source};
use crate::{
    config::Options,
    flow::{Stop, Woken},
};
use std::io;

pub(super) const KIND: InputKind = InputKind {
    name: "stdin",
    summary: "Lines of standard input",
    options: &[],
    codec: "line",
    needs_log: false,
    path: None,
    host: Some("[host][hostname]"),
    build: |_: &mut Options<'_>| Some(Box::new(Stdin)),
};

#[derive(Debug)]
struct Stdin;

impl Source for Stdin {
    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let mut stream = entrance.stream([]);
        let mut stdin = io::stdin().lock();
        loop {
            match stop.readable(io::stdin(), stream.patience())? {
                Woken::Stop => break,
                Woken::Late => stream.finish()?,
                Woken::Readable => {
                    if !stream.read_from(&mut stdin)? {
                        break;
                    }
                }
            }
        }
        stream.finish()?;
        stream.settle()
    }

    fn is_reloadable(&self) -> bool {
        false
    }
}
