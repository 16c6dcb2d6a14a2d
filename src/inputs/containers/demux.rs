//! What `GET /containers/<id>/logs?timestamps=1` sends: pieces of lines, each with a stamp.
//!
//! Source: the reference of the Docker Engine API. Without a terminal each piece is a frame: the stream as one byte (1
//! stdout, 2 stderr), three zeros, the length as four bytes, big end first. With one there are no frames, and each line
//! is a piece. A piece begins with its stamp and a space; the engine cuts long lines at 16 KiB, and stamps each part.

use logship_parsers::time::{Stamp, iso8601};

/// Longest stamp that is looked for, in bytes.
const STAMP_BYTES_MAX: usize = 40;
const HEADER_BYTES: usize = 8;

/// Of which of its streams a container wrote a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes the sent apart.
#[derive(Debug)]
pub struct Demux {
    tty: bool,
    header: Vec<u8>,
    kind: StreamKind,
    /// Bytes of the frame that have not come yet.
    left: usize,
    /// The beginning of the piece, while its stamp is not complete.
    head: Option<Vec<u8>>,
    /// In nanoseconds since 1970.
    stamp: u64,
}

impl Demux {
    /// For a container with or without a terminal.
    #[must_use]
    pub fn new(tty: bool) -> Demux {
        let left = if tty { usize::MAX } else { 0 };
        Demux { tty, header: Vec::new(), kind: StreamKind::Stdout, left, head: Some(Vec::new()), stamp: 0 }
    }

    /// Takes in bytes as they came; `take` sees what was written, with its stream and stamp.
    ///
    /// # Errors
    /// They are no frames.
    pub fn push(&mut self, mut bytes: &[u8], take: &mut impl FnMut(StreamKind, u64, &[u8])) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.read_header(bytes)?;
                continue;
            }
            let end = match memchr::memchr(b'\n', bytes) {
                Some(end) if self.tty => end + 1,
                _ => bytes.len().min(self.left),
            };
            let (piece, rest) = bytes.split_at(end);
            bytes = rest;
            if !self.tty {
                self.left -= piece.len();
            }
            let ends = if self.tty { piece.ends_with(b"\n") } else { self.left == 0 };
            self.piece(piece, ends, take);
        }
        Ok(())
    }

    fn read_header<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], String> {
        let (more, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.header.len()));
        self.header.extend_from_slice(more);
        if let &[kind, _, _, _, a, b, c, d] = self.header.as_slice() {
            self.kind = match kind {
                0 | 1 => StreamKind::Stdout,
                2 => StreamKind::Stderr,
                _ => return Err(format!("its log is no stream of frames: one is of the kind {kind}")),
            };
            self.left = u32::from_be_bytes([a, b, c, d]) as usize;
            self.header.clear();
            self.head = Some(Vec::new());
        }
        Ok(rest)
    }

    fn piece(&mut self, piece: &[u8], ends: bool, take: &mut impl FnMut(StreamKind, u64, &[u8])) {
        let Some(mut head) = self.head.take() else {
            take(self.kind, self.stamp, piece);
            self.head = (ends && self.tty).then(Vec::new);
            return;
        };
        head.extend_from_slice(piece);
        let space = memchr::memchr(b' ', &head[..head.len().min(STAMP_BYTES_MAX)]);
        if space.is_none() && head.len() < STAMP_BYTES_MAX && !ends {
            self.head = Some(head);
            return;
        }
        let stamp = space.and_then(|end| Some((end + 1, nanos(std::str::from_utf8(&head[..end]).ok()?)?)));
        // Without a stamp it has that of the piece before.
        let start = stamp.map_or(0, |(start, _)| start);
        self.stamp = stamp.map_or(self.stamp, |(_, stamp)| stamp);
        take(self.kind, self.stamp, &head[start..]);
        self.head = (ends && self.tty).then(Vec::new);
    }
}

fn nanos(text: &str) -> Option<u64> {
    match iso8601(text, 0)? {
        Stamp::At(nanos) => u64::try_from(nanos).ok(),
        _ => None,
    }
}

/// A frame, as an engine sends it.
#[cfg(test)]
pub(super) fn frame(kind: u8, piece: &str) -> Vec<u8> {
    [&[kind, 0, 0, 0], &u32::try_from(piece.len()).unwrap().to_be_bytes()[..], piece.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use StreamKind::{Stderr, Stdout};

    const T1: u64 = 1_767_323_045_000_000_001;

    fn pieces(tty: bool, bytes: &[u8], at_once: usize) -> Result<Vec<(StreamKind, u64, String)>, String> {
        let mut found: Vec<(StreamKind, u64, String)> = Vec::new();
        let mut demux = Demux::new(tty);
        for chunk in bytes.chunks(at_once) {
            demux.push(chunk, &mut |kind, stamp, piece| {
                let text = std::str::from_utf8(piece).unwrap();
                match found.last_mut() {
                    Some(last) if last.0 == kind && last.1 == stamp && stamp > 0 => last.2.push_str(text),
                    _ => found.push((kind, stamp, text.to_owned())),
                }
            })?;
        }
        Ok(found)
    }

    #[test]
    fn pieces_have_streams_and_stamps() {
        let sent = [
            frame(1, "2026-01-02T03:04:05.000000001Z hello world\n"),
            frame(2, "2026-01-02T03:04:05.000000002Z half "),
            frame(2, "2026-01-02T03:04:05.000000003Z a line\n"),
            frame(1, "2026-01-02T03:04:05.000000004Z \n"),
        ]
        .concat();
        let expected = [
            (Stdout, T1, "hello world\n".to_owned()),
            (Stderr, T1 + 1, "half ".to_owned()),
            (Stderr, T1 + 2, "a line\n".to_owned()),
            (Stdout, T1 + 3, "\n".to_owned()),
        ];
        for at_once in [1, 2, 7, 8, 9, 31, 1_000] {
            assert_eq!(pieces(false, &sent, at_once).unwrap(), expected, "{at_once}");
        }
        let terminal = b"2026-01-02T03:04:05.000000001Z hello\r\n2026-01-02T03:04:05.000000002Z $ \n";
        let expected = [(Stdout, T1, "hello\r\n".to_owned()), (Stdout, T1 + 1, "$ \n".to_owned())];
        for at_once in [1, 3, 39, 1_000] {
            assert_eq!(pieces(true, terminal, at_once).unwrap(), expected, "{at_once}");
        }
    }

    #[test]
    fn what_has_no_stamp_is_kept() {
        let sent = [frame(1, "no-stamp-at-all\n"), frame(1, ""), frame(2, "neither here\n")].concat();
        let expected = [(Stdout, 0, "no-stamp-at-all\n".to_owned()), (Stderr, 0, "neither here\n".to_owned())];
        assert_eq!(pieces(false, &sent, 1_000).unwrap(), expected);
        assert!(pieces(false, b"2026-01-02T03:04:05Z text", 9).unwrap_err().contains("kind 50"));
    }
}
