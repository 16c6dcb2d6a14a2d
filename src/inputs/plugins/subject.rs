//! Whom a certificate is for, as RFC 2253 writes it: `CN=agent,O=Example,C=DE`.
//!
//! Of X.509 this reads just the way to the subject. Certificates that come here were verified before; what makes no sense all the
//! same has no subject. It never panics, whatever the bytes are.

use std::fmt::Write as _;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
/// The version of a certificate, which the first version does not have.
const VERSION: u8 = 0xa0;
const BMP_STRING: u8 = 0x1e;
/// Texts of one byte a character, or of UTF-8: UTF8String, PrintableString, TeletexString, IA5String.
const STRINGS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];
/// Attributes that have a name; the others are written as numbers.
const NAMES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// One value of DER.
#[derive(Clone, Copy)]
struct Der<'d> {
    tag: u8,
    /// With tag and length.
    whole: &'d [u8],
    content: &'d [u8],
}

/// The next value, which `bytes` is then behind.
fn next<'d>(bytes: &mut &'d [u8]) -> Option<Der<'d>> {
    let &[tag, first, ..] = *bytes else { return None };
    let (head, length) = match first {
        0..=0x7f => (2, usize::from(first)),
        0x81..=0x84 => {
            let digits = bytes.get(2..2 + usize::from(first & 0x7f))?;
            (2 + digits.len(), digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit)))
        }
        _ => return None,
    };
    let (whole, rest) = bytes.split_at_checked(head.checked_add(length)?)?;
    *bytes = rest;
    Some(Der { tag, whole, content: &whole[head..] })
}

fn inside<'d>(bytes: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    next(bytes).filter(|value| value.tag == tag).map(|value| value.content)
}

/// The subject of a certificate.
#[must_use]
pub fn subject(mut certificate: &[u8]) -> Option<String> {
    let mut outer = inside(&mut certificate, SEQUENCE)?;
    let mut fields = inside(&mut outer, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        next(&mut fields)?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        next(&mut fields)?;
    }
    let mut names = inside(&mut fields, SEQUENCE)?;
    let mut parts = Vec::new();
    while !names.is_empty() {
        parts.push(relative(inside(&mut names, SET)?)?);
    }
    // The most particular is the last there and the first here.
    parts.reverse();
    Some(parts.join(","))
}

/// `CN=agent`, or several behind each other.
fn relative(mut set: &[u8]) -> Option<String> {
    let mut text = String::new();
    while !set.is_empty() {
        let mut pair = inside(&mut set, SEQUENCE)?;
        let (kind, value) = (inside(&mut pair, OBJECT)?, next(&mut pair)?);
        if !text.is_empty() {
            text.push('+');
        }
        let known = NAMES.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name);
        match known.zip(string(value)) {
            Some((name, value)) => {
                text.push_str(name);
                text.push('=');
                escape(&value, &mut text);
            }
            None => {
                number(kind, &mut text)?;
                text.push_str("=#");
                value.whole.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
            }
        }
    }
    Some(text)
}

fn string(value: Der<'_>) -> Option<String> {
    match value.tag {
        BMP_STRING => {
            let units: Vec<u16> =
                value.content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            Some(String::from_utf16_lossy(&units))
        }
        tag if STRINGS.contains(&tag) => Some(String::from_utf8_lossy(value.content).into_owned()),
        _ => None,
    }
}

/// `1.2.840.113549.1.9.1`
fn number(object: &[u8], text: &mut String) -> Option<()> {
    let (mut arc, mut is_first) = (0_u64, true);
    for byte in object {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            match std::mem::take(&mut is_first) {
                true => _ = write!(text, "{}.{}", (arc / 40).min(2), arc - (arc / 40).min(2) * 40),
                false => _ = write!(text, ".{arc}"),
            }
            arc = 0;
        }
    }
    Some(())
}

fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (place, c) in value.chars().enumerate() {
        let at_end = place == 0 || place == last;
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') || (c == ' ' && at_end) || (c == '#' && place == 0) {
            text.push('\\');
        }
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    #[test]
    fn subjects_of_certificates_are_read() {
        let path = format!("{}/fixtures/tls/client.pem", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(subject(&CertificateDer::from_pem_file(path).unwrap()).as_deref(), Some("CN=agent"));
    }

    /// A certificate that is nothing but its subject.
    fn certificate(names: &[u8]) -> Vec<u8> {
        let wrapped = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let fields = [&[2, 0].repeat(4)[..], &wrapped(SEQUENCE, names)].concat();
        wrapped(SEQUENCE, &wrapped(SEQUENCE, &fields))
    }

    #[test]
    fn names_are_written_in_their_order() {
        let check = |names: &[u8], expected: Option<&str>| {
            assert_eq!(subject(&certificate(names)).as_deref(), expected);
        };
        let country = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02DE";
        let common = b"\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04a, b";
        check(&[&country[..], common].concat(), Some(r"CN=a\, b,C=DE"));
        let two = b"\x31\x18\x30\x0a\x06\x03\x55\x04\x0b\x1e\x03\0xy\x30\x0a\x06\x03\x55\x04\x0a\x13\x03 # ";
        check(two, Some(r"OU=x+O=\ #\ "));
        let mail = b"\x31\x10\x30\x0e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01\x16\x01a";
        check(mail, Some("1.2.840.113549.1.9.1=#160161"));
        check(b"", Some(""));
        check(b"\x31\x05\x30", None);
        check(b"\x31\xff", None);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            _ = subject(&bytes);
            _ = subject(&certificate(&bytes));
        }
    }
}
