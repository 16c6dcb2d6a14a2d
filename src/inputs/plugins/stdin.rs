//! `stdin { }`: lines of standard input, handed over as soon as they are there.
//!
//! A line longer than [`LINE_BYTES_MAX`] is cut there and tagged `_truncated`; its rest is dropped.

use super::{Chunk, Feed, InputKind, Record, Source};
use crate::{
    config::Options,
    event::{LINE_BYTES_MAX, TAGS, Value},
};
use bytes::BytesMut;
use logship_parsers::config::FieldRef;
use memchr::{memchr, memrchr};
use std::io::{self, Read};

pub(super) const KIND: InputKind = InputKind {
    name: "stdin",
    summary: "Lines of standard input",
    options: &[],
    codec: "line",
    host: Some("[host][hostname]"),
    build: |_: &mut Options<'_>| Some(Box::new(Stdin)),
};

/// Bytes asked for at once.
const READ_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Stdin;

impl Source for Stdin {
    fn run(self: Box<Self>, feed: Feed<'_>) -> io::Result<()> {
        lines(io::stdin().lock(), feed)
    }
}

/// Hands over the lines of a stream.
fn lines(mut input: impl Read, feed: Feed<'_>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let mut skipping = false;
    loop {
        let held = buffer.len();
        buffer.resize(held + READ_BYTES, 0);
        let count = match input.read(&mut buffer[held..]) {
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {
                buffer.truncate(held);
                continue;
            }
            Err(cause) => return Err(cause),
        };
        buffer.truncate(held + count);
        if count == 0 {
            break;
        }
        if skipping {
            match memchr(b'\n', &buffer) {
                Some(end) => drop(buffer.split_to(end + 1)),
                None => {
                    buffer.clear();
                    continue;
                }
            }
            skipping = false;
        }
        if let Some(end) = memrchr(b'\n', &buffer) {
            let whole = buffer.split_to(end + 1).freeze();
            if !feed(Chunk::Lines(whole)) {
                return Ok(());
            }
        }
        if buffer.len() > LINE_BYTES_MAX {
            let text = buffer.split_to(LINE_BYTES_MAX).freeze();
            buffer.clear();
            skipping = true;
            let tags = FieldRef { parts: vec![TAGS.to_owned()] };
            let fields = vec![(tags, Value::List(vec![Value::from("_truncated")]))];
            if !feed(Chunk::Records(vec![Record { text, fields }])) {
                return Ok(());
            }
        }
    }
    if !buffer.is_empty() {
        feed(Chunk::Lines(buffer.freeze()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it holds in pieces of a few bytes.
    struct Pieces<'p>(&'p [&'p [u8]]);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            into[..first.len()].copy_from_slice(first);
            self.0 = rest;
            Ok(first.len())
        }
    }

    fn check(pieces: &[&[u8]], expected: &[&str]) {
        let mut seen = Vec::new();
        lines(Pieces(pieces), &mut |chunk| {
            seen.push(match chunk {
                Chunk::Lines(lines) => String::from_utf8(lines.to_vec()).unwrap(),
                Chunk::Records(records) => format!("{} bytes", records[0].text.len()),
            });
            true
        })
        .unwrap();
        assert_eq!(seen, expected);
    }

    #[test]
    fn lines_are_handed_over_at_once() {
        check(&[b"a\nb", b"c\n", b"d"], &["a\n", "bc\n", "d"]);
        check(&[], &[]);
        let long = vec![b'x'; READ_BYTES];
        let mut pieces = vec![&long[..]; LINE_BYTES_MAX / READ_BYTES];
        pieces.extend([&b"y"[..], b"z", b"\nb\n"]);
        check(&pieces, &[&format!("{LINE_BYTES_MAX} bytes"), "b\n"]);
    }
}
