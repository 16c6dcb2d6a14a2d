//! Recognisers written by hand for pieces that most patterns are made of.
//!
//! A recogniser gives the end that the regular expression of its pattern would try first. It may give up on a text
//! ([`Found::Unsure`]): then the expression itself is tried, so a recogniser covers only what is common.

use super::bytes::{ByteSet, is_word_byte, word_before};
use crate::time::{MONTHS_SHORT, SHORT_NAME_BYTES};
use memchr::memchr2;

/// A pattern of the library with a recogniser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recogniser {
    Ipv6,
    Ip,
    HostName,
    IpOrHost,
    HttpDate,
    Quoted,
    Number,
    Iso8601,
    SyslogTimestamp,
}

/// What a recogniser says of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A match ends here, and none ends elsewhere.
    Only(usize),
    /// The match to try first ends here; others are shorter.
    First(usize),
    No,
    Unsure,
}

/// The longest label of a host name.
const LABEL_MAX: usize = 63;

impl Recogniser {
    /// By the name of the pattern.
    pub(super) fn of(name: &str) -> Option<Recogniser> {
        Some(match name {
            "IPV6" => Recogniser::Ipv6,
            "IP" => Recogniser::Ip,
            "HOSTNAME" => Recogniser::HostName,
            "IPORHOST" => Recogniser::IpOrHost,
            "HTTPDATE" => Recogniser::HttpDate,
            "QUOTEDSTRING" => Recogniser::Quoted,
            "BASE10NUM" => Recogniser::Number,
            "TIMESTAMP_ISO8601" => Recogniser::Iso8601,
            "SYSLOGTIMESTAMP" => Recogniser::SyslogTimestamp,
            _ => return None,
        })
    }

    /// The bytes of which one stands at the end of each match that is shorter than another at the same place.
    pub(super) fn inner(self) -> ByteSet {
        let bytes: &[u8] = match self {
            Recogniser::HostName | Recogniser::IpOrHost => b"-.",
            Recogniser::Iso8601 | Recogniser::SyslogTimestamp => b"+-.,:Z",
            _ => b"",
        };
        let mut set = ByteSet::default();
        bytes.iter().copied().chain(b'0'..=b'9').for_each(|byte| set.insert(byte));
        if matches!(self, Recogniser::HostName | Recogniser::IpOrHost) {
            (b'a'..=b'z').chain(b'A'..=b'Z').for_each(|byte| set.insert(byte));
        }
        set
    }

    #[inline]
    pub(super) fn find(self, text: &[u8], at: usize) -> Found {
        match self {
            Recogniser::Ipv6 if may_be_v6(text, at) => Found::Unsure,
            Recogniser::Ipv6 => Found::No,
            Recogniser::Ip if may_be_v6(text, at) => Found::Unsure,
            Recogniser::Ip => ipv4(text, at).map_or(Found::No, Found::Only),
            Recogniser::HostName => host_name(text, at),
            Recogniser::IpOrHost if may_be_v6(text, at) => Found::Unsure,
            Recogniser::IpOrHost => ipv4(text, at).map_or_else(|| host_name(text, at), Found::First),
            Recogniser::HttpDate => http_date(text, at).map_or(Found::Unsure, Found::First),
            Recogniser::Quoted => quoted(text, at).map_or(Found::No, Found::Only),
            Recogniser::Number => number(text, at).map_or(Found::No, Found::Only),
            Recogniser::Iso8601 => iso8601(text, at).map_or(Found::Unsure, Found::First),
            Recogniser::SyslogTimestamp => syslog(text, at).map_or(Found::Unsure, Found::First),
        }
    }
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

/// The place behind at most `max` digits.
fn digits(text: &[u8], at: usize, max: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether what is here begins like an address of version 6: groups with a colon behind each, all that may be there or up to
/// a double colon.
fn may_be_v6(text: &[u8], at: usize) -> bool {
    const GROUPS: usize = 7;
    let mut rest = text.get(at..).unwrap_or_default();
    let mut groups = 0;
    while groups < GROUPS {
        let length = rest.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
        if length == 0 || rest.get(length) != Some(&b':') {
            break;
        }
        rest = &rest[length + 1..];
        groups += 1;
    }
    match groups {
        0 => rest.starts_with(b"::"),
        6 => matches!(rest.first(), Some(b':' | b'0'..=b'9')),
        GROUPS => true,
        _ => rest.first() == Some(&b':'),
    }
}

fn ipv4(text: &[u8], at: usize) -> Option<usize> {
    if at > 0 && is_digit(text, at - 1) {
        return None;
    }
    let mut place = at;
    for part in 0..4 {
        if part > 0 {
            if text.get(place) != Some(&b'.') {
                return None;
            }
            place += 1;
        }
        let end = digits(text, place, 4);
        // A run of digits is one part, as what follows it must be no digit.
        match text[place..end] {
            [_] | [_, _] | [b'0' | b'1', _, _] | [b'2', b'0'..=b'4', _] | [b'2', b'5', b'0'..=b'5'] => {}
            _ => return None,
        }
        place = end;
    }
    Some(place)
}

fn host_name(text: &[u8], at: usize) -> Found {
    let is_alphanumeric = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    if !is_alphanumeric(at) || word_before(text, at) {
        return Found::No;
    }
    let mut place = at;
    loop {
        let label = &text[place..];
        let length = label.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
        if length > LABEL_MAX {
            return Found::Unsure;
        }
        place += length;
        if text.get(place) != Some(&b'.') {
            return Found::First(place);
        }
        place += 1;
        if !is_alphanumeric(place) {
            return Found::First(place);
        }
    }
}

fn number(text: &[u8], at: usize) -> Option<usize> {
    if at > 0 && matches!(text[at - 1], b'0'..=b'9' | b'.' | b'+' | b'-') {
        return None;
    }
    let start = at + usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    let end = digits(text, start, usize::MAX);
    if text.get(end) == Some(&b'.') && is_digit(text, end + 1) {
        return Some(digits(text, end + 1, usize::MAX));
    }
    (end > start).then_some(end)
}

fn quoted(text: &[u8], at: usize) -> Option<usize> {
    let quote = *text.get(at).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
    if at > 0 && text[at - 1] == b'\\' {
        return None;
    }
    let mut place = at + 1;
    loop {
        place += memchr2(quote, b'\\', text.get(place..)?)?;
        if text[place] == quote {
            return Some(place + 1);
        }
        place += 2;
    }
}

fn two(text: &[u8], at: usize) -> Option<u8> {
    match text.get(at..at + 2)? {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some((a - b'0') * 10 + (b - b'0')),
        _ => None,
    }
}

/// `23:59:59`; seconds that begin a minute are left to the expression.
fn clock(text: &[u8], at: usize) -> Option<usize> {
    let colons = text.get(at + 2) == Some(&b':') && text.get(at + 5) == Some(&b':');
    (colons && two(text, at)? < 24 && two(text, at + 3)? < 60 && two(text, at + 6)? < 60).then_some(at + 8)
}

/// The place behind a fraction of a second, where there is one.
fn fraction(text: &[u8], at: usize) -> usize {
    if matches!(text.get(at), Some(b'.' | b',' | b':')) && is_digit(text, at + 1) {
        return digits(text, at + 1, usize::MAX);
    }
    at
}

fn is_month(text: &[u8], at: usize) -> bool {
    let name = text.get(at..).and_then(|rest| rest.first_chunk::<SHORT_NAME_BYTES>());
    name.is_some_and(|name| MONTHS_SHORT.iter().any(|month| month.as_bytes() == name))
}

/// `01/Jan/2026:00:00:00 +0000`
fn http_date(text: &[u8], at: usize) -> Option<usize> {
    let bytes: &[u8; 22] = text.get(at..)?.first_chunk()?;
    let marks = bytes[2] == b'/' && bytes[6] == b'/' && bytes[11] == b':' && bytes[20] == b' ';
    let day = marks && matches!(two(bytes, 0)?, 1..=31) && is_month(bytes, 3);
    let year = two(bytes, 7).is_some() && two(bytes, 9).is_some();
    if !day || !year || clock(bytes, 12).is_none() {
        return None;
    }
    let zone = at + 21 + usize::from(matches!(bytes[21], b'+' | b'-'));
    let end = digits(text, zone, usize::MAX);
    (end > zone).then_some(end)
}

/// `2026-01-02T03:04:05.678Z`
fn iso8601(text: &[u8], at: usize) -> Option<usize> {
    let bytes: &[u8; 19] = text.get(at..)?.first_chunk()?;
    let marks = bytes[4] == b'-' && bytes[7] == b'-' && matches!(bytes[10], b'T' | b' ');
    let year = marks && two(bytes, 0).is_some() && two(bytes, 2).is_some();
    if !year || !matches!(two(bytes, 5)?, 1..=12) || !matches!(two(bytes, 8)?, 1..=31) {
        return None;
    }
    clock(bytes, 11)?;
    let end = fraction(text, at + 19);
    Some(match text.get(end) {
        Some(b'Z') => end + 1,
        Some(b'+' | b'-') => {
            let hour = two(text, end + 1).filter(|hour| *hour < 24);
            let minute = end + 3 + usize::from(text.get(end + 3) == Some(&b':'));
            match (hour, two(text, minute).filter(|minute| *minute < 60)) {
                (Some(_), Some(_)) => minute + 2,
                // `+1`, `+100`: the expression knows which of them are zones.
                _ if is_digit(text, end + 1) => return None,
                _ => end,
            }
        }
        _ => end,
    })
}

/// `Jan  2 03:04:05`
fn syslog(text: &[u8], at: usize) -> Option<usize> {
    let boundary = at == 0 || (text[at - 1] < 0x80 && !is_word_byte(text[at - 1]));
    if !boundary || !is_month(text, at) || text.get(at + 3) != Some(&b' ') {
        return None;
    }
    let blanks = text[at + 3..].iter().take_while(|byte| **byte == b' ').count();
    let day = at + 3 + blanks;
    let end = digits(text, day, 3);
    let valid = match text[day..end] {
        [b'1'..=b'9'] => true,
        [_, _] => matches!(two(text, day)?, 1..=31),
        _ => false,
    };
    if !valid || text.get(end) != Some(&b' ') {
        return None;
    }
    let end = fraction(text, clock(text, end + 1)?);
    (!is_digit(text, end)).then_some(end)
}
