//! The Container Runtime Interface's log file: `2026-01-02T03:04:05.678901234Z stderr F text`.
//!
//! Source: the kubelet's CRI logging format, which containerd, CRI-O and Podman's `k8s-file` write: a stamp, the stream,
//! tags parted by colons of which the first is `P` for a piece and `F` for a line's end, and what the program wrote, which
//! is read by the format that it has.

use super::{Below, Context, Format, Starts, enclosed};
use crate::envelope::Opened;
use crate::error::ParseError;
use crate::fields::Fields;
use crate::grammar::complete;
use crate::time::iso8601_prefix;

/// The shortest and the longest stamp, `2026-01-02T03:04:05Z` and `2026-01-02T03:04:05.678901234+02:00`.
const STAMP_BYTES: std::ops::RangeInclusive<usize> = 20..=35;
/// The tags take no more than this.
const TAGS_BYTES_MAX: usize = 64;

/// The kubelet's files.
pub const FORMAT: Format = Format {
    name: "cri",
    summary: "Kubernetes' container logs (CRI: containerd, CRI-O, Podman); what the container wrote is read by its own format",
    example: "2026-01-02T03:04:05.678901234Z stderr F level=warn msg=\"queue is long\" length=812",
    rank: 1,
    starts: Starts::DIGIT,
    below: Below::Whole,
    probe: |line| open(line).is_some(),
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let Some(opened) = open(line.as_bytes()) else {
        return Err(ParseError::at(line, line, "a stamp, a stream and a tag"));
    };
    let (header, text) = line.split_at(opened.text_start);
    let mut words = header.split(' ');
    let mut fields = Fields::default();
    complete(line, iso8601_prefix(words.next().unwrap_or_default(), 0))?.put(&mut fields);
    enclosed::put_stream(words.next().unwrap_or_default(), &mut fields);
    enclosed::put(text, context, &mut fields);
    Ok(fields)
}

/// See [`crate::envelope::open`].
pub(crate) fn open(line: &[u8]) -> Option<Opened<'_>> {
    if line.get(10) != Some(&b'T') {
        return None;
    }
    let head = &line[..line.len().min(STAMP_BYTES.end() + 1)];
    let stamp = memchr::memchr(b' ', head).filter(|end| STAMP_BYTES.contains(end))?;
    let stream = line.get(stamp + 1..stamp + 8).filter(|word| matches!(*word, b"stdout " | b"stderr "))?;
    let tags = &line[stamp + 8..line.len().min(stamp + 8 + TAGS_BYTES_MAX)];
    let end = memchr::memchr(b' ', tags)?;
    let partial = match tags[..end].split(|b| *b == b':').next() {
        Some(b"P") => true,
        Some(b"F") => false,
        _ => return None,
    };
    let text_start = stamp + 8 + end + 1;
    Some(Opened { stream: &stream[..6], text_start, text_end: line.len(), escaped: false, partial })
}
