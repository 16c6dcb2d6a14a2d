//! `gzip_lines`: the lines of what is compressed with gzip, as many members as there are one behind the other.
//!
//! What is no gzip is dropped up to the end of its stream or message, and said. What was inflated before is there.

use super::{
    CodecKind, FramingKind,
    framing::{Cut, Cutter, Framer, Framing, Lines, Piece},
    plain,
};
use crate::config::Options;
use flate2::write::MultiGzDecoder;
use std::{io::Write as _, sync::Arc, time::Duration};

pub(super) const KIND: CodecKind = CodecKind {
    name: "gzip_lines",
    summary: "Lines compressed with gzip",
    options: &["charset", "delimiter"],
    framing: FramingKind::Own(framing),
    decoder: Some(plain::decoder),
    encoder: None,
};

/// Compressed bytes that are inflated before lines are cut: what bounds a bomb.
const STEP_BYTES: usize = 4 << 10;

fn framing(options: &mut Options<'_>) -> Option<Framing> {
    let delimiter: Arc<[u8]> = options.text("delimiter").unwrap_or_else(|| "\n".to_owned()).into_bytes().into();
    Some(Framing::Own(Arc::new(move || Box::new(GzipLines::new(delimiter.clone())))))
}

/// One stream.
struct GzipLines {
    delimiter: Arc<[u8]>,
    inflate: MultiGzDecoder<Vec<u8>>,
    lines: Cutter,
    is_broken: bool,
}

impl GzipLines {
    fn new(delimiter: Arc<[u8]>) -> GzipLines {
        let lines = Cutter::Lines(Lines::new(delimiter.clone()));
        GzipLines { delimiter, inflate: MultiGzDecoder::new(Vec::new()), lines, is_broken: false }
    }

    fn inflated(&mut self, out: &mut Vec<Cut>) {
        let bytes = std::mem::take(self.inflate.get_mut());
        out.extend(self.lines.push(&bytes).into_iter().flat_map(Piece::into_lines));
    }

    fn failed(&mut self, cause: &std::io::Error) {
        self.is_broken = true;
        tracing::warn!("gzip_lines: what came is no gzip: {cause}; the rest of it is dropped");
    }
}

impl Framer for GzipLines {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Cut>) {
        for step in bytes.chunks(STEP_BYTES) {
            if self.is_broken {
                return;
            }
            if let Err(cause) = self.inflate.write_all(step) {
                self.failed(&cause);
            }
            self.inflated(out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Cut>) {
        if !self.is_broken
            && let Err(cause) = self.inflate.try_finish()
            && cause.kind() != std::io::ErrorKind::InvalidInput
        {
            self.failed(&cause);
        }
        self.inflated(out);
        out.extend(self.lines.finish().into_iter().flat_map(Piece::into_lines));
        *self = GzipLines::new(self.delimiter.clone());
    }

    fn patience(&self) -> Option<Duration> {
        None
    }

    fn holds(&self) -> bool {
        self.lines.holds()
    }

    fn knows_more(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn check(bytes: &[u8], size: usize, expected: &[&str]) {
        let (mut framer, mut out) = (GzipLines::new(b"\n"[..].into()), Vec::new());
        for _ in 0..2 {
            // A stream that ended is no burden for the next.
            out.clear();
            bytes.chunks(size).for_each(|piece| framer.push(piece, &mut out));
            framer.finish(&mut out);
            assert_eq!(out.iter().map(|cut| String::from_utf8_lossy(&cut.text)).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn members_are_one_stream() {
        let bytes = [gzip("a\nb\r\nc"), gzip("d\n"), gzip(""), gzip("last")].concat();
        for size in 1..bytes.len() {
            check(&bytes, size, &["a", "b", "cd", "last"]);
        }
        check(&[], 1, &[]);
    }

    #[test]
    fn what_is_no_gzip_ends_with_its_stream() {
        check(b"plain text\n", 3, &[]);
        let whole = gzip("a\nb\n");
        check(&whole[..whole.len() - 9], 5, &["a", "b"]);
        check(&[whole, b"garbage".to_vec()].concat(), 4, &["a", "b"]);
    }

    #[test]
    fn what_inflates_to_very_much_is_cut() {
        let line = "x".repeat(3 << 20);
        let cut = "x".repeat(crate::event::LINE_BYTES_MAX);
        check(&gzip(&format!("{line}\nb\n")), 1 << 20, &[&cut, "b"]);
    }
}
