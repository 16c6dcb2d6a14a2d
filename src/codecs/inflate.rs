//! gzip and zstd, found by their first bytes; several members behind each other are one text.

use std::io::{self, BufReader, Read};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The first bytes are waited for until there are this many, or the input ends, or they cannot be a magic number.
const MAGIC_BYTES: usize = 4;

/// The inflated bytes of `input`, or the bytes themselves when they are not compressed.
///
/// # Errors
/// Reading failed.
///
/// ```
/// use std::io::Read;
/// let mut text = String::new();
/// logship::codecs::inflate::reader(&b"plain"[..])?.read_to_string(&mut text)?;
/// assert_eq!(text, "plain");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn reader<'i>(mut input: impl Read + 'i) -> io::Result<Box<dyn Read + 'i>> {
    let mut head = Vec::with_capacity(MAGIC_BYTES);
    let mut byte = [0];
    while head.len() < MAGIC_BYTES && (GZIP_MAGIC.starts_with(&head) || ZSTD_MAGIC.starts_with(&head)) {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.push(byte[0]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    let (gzip, zstd) = (head.starts_with(GZIP_MAGIC), head.starts_with(ZSTD_MAGIC));
    let whole = io::Cursor::new(head).chain(input);
    Ok(if gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole)))
    } else if zstd {
        Box::new(zstd::stream::read::Decoder::new(whole)?)
    } else {
        Box::new(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn check(bytes: &[u8], expected: &[u8]) {
        let mut out = Vec::new();
        reader(bytes).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, expected);
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_follow_each_other_and_plain_text_stays() {
        for plain in [&b""[..], b"a", b"\x1f", b"\x28\xb5\x2fx", b"plain text"] {
            check(plain, plain);
        }
        check(&[gzip(b"a\n"), gzip(b"b\n")].concat(), b"a\nb\n");
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        check(&[zstd(b"a\n"), zstd(b"b\n")].concat(), b"a\nb\n");
    }

    #[test]
    fn a_cut_file_is_an_error_after_its_bytes() {
        let whole = gzip(&b"line\n".repeat(10_000));
        let mut out = Vec::new();
        assert!(reader(&whole[..whole.len() - 9]).unwrap().read_to_end(&mut out).is_err());
    }
}
