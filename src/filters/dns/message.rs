//! Questions to name servers and their answers, as far as addresses and names need them (RFC 1035).

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Bytes of an answer that are read: more than a datagram has without extensions, which are not asked for.
pub(super) const ANSWER_BYTES_MAX: usize = 4_096;
/// Bytes of a name, as written in messages.
const NAME_BYTES_MAX: usize = 255;
/// Pointers that a name in an answer may follow.
const POINTERS_MAX: usize = 64;

const CLASS_INTERNET: u16 = 1;
/// The name does not exist.
const NO_SUCH_NAME: u8 = 3;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    A = 1,
    Ptr = 12,
    Aaaa = 28,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// The first record of the kind: an address or a name.
    Found(String),
    /// There is such a name, without a record of that kind; or the server refuses.
    Nothing,
    /// There is no such name.
    NoSuchName,
}

/// A question; none where the name is none.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len() + 18);
    out.extend(id.to_be_bytes());
    // Recursion is desired; one question.
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let begin = out.len();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    if out.len() - begin > NAME_BYTES_MAX || !name.is_ascii() {
        return None;
    }
    out.extend((kind as u16).to_be_bytes());
    out.extend(CLASS_INTERNET.to_be_bytes());
    Some(out)
}

/// What an answer to a question says; none where it is no answer to that question.
pub(super) fn answer(bytes: &[u8], question: &[u8], kind: Kind) -> Option<Answer> {
    let is_answer = bytes.get(..2)? == question.get(..2)? && bytes.get(2)? & 0x80 != 0;
    let asked = question.get(12..)?;
    let is_same = bytes.get(12..12 + asked.len())?.eq_ignore_ascii_case(asked);
    if !is_answer || number(bytes, 4)? != 1 || !is_same {
        return None;
    }
    match bytes.get(3)? & 0x0f {
        0 => {}
        NO_SUCH_NAME => return Some(Answer::NoSuchName),
        _ => return Some(Answer::Nothing),
    }
    let mut at = question.len();
    for _ in 0..number(bytes, 6)? {
        // An answer that is cut off says what it says.
        let Some((found, next)) = record(bytes, at) else { break };
        if found.kind == kind as u16 && found.class == CLASS_INTERNET {
            return shown(bytes, &found, kind).map(Answer::Found);
        }
        at = next;
    }
    Some(Answer::Nothing)
}

struct Record {
    kind: u16,
    class: u16,
    data: std::ops::Range<usize>,
}

/// A record and where the next one begins.
fn record(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (_, at) = name(bytes, at)?;
    let begin = at + 10;
    let end = begin + usize::from(number(bytes, at + 8)?);
    bytes.get(begin..end)?;
    Some((Record { kind: number(bytes, at)?, class: number(bytes, at + 2)?, data: begin..end }, end))
}

fn shown(bytes: &[u8], record: &Record, kind: Kind) -> Option<String> {
    let data = bytes.get(record.data.clone())?;
    match kind {
        Kind::A => Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string()),
        Kind::Aaaa => Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string()),
        Kind::Ptr => name(bytes, record.data.start).map(|(name, _)| name),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

/// A name and what is behind it.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut behind = None;
    let mut pointers = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return Some((out, behind.unwrap_or(at + 1))),
            1..=63 => {
                let label = bytes.get(at + 1..at + 1 + length)?;
                if out.len() + length > NAME_BYTES_MAX {
                    return None;
                }
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(&String::from_utf8_lossy(label));
                at += 1 + length;
            }
            0xc0.. => {
                pointers += 1;
                if pointers > POINTERS_MAX {
                    return None;
                }
                behind.get_or_insert(at + 2);
                at = usize::from(number(bytes, at)? & 0x3fff);
            }
            _ => return None,
        }
    }
}

/// The name below which the name of an address is.
pub(super) fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut out = String::with_capacity(72);
            for byte in address.octets().iter().rev() {
                _ = write!(out, "{:x}.{:x}.", byte & 0xf, byte >> 4);
            }
            out + "ip6.arpa"
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer to a question with records of a kind each, their names being that of the question.
    pub(in super::super) fn reply(question: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = question.to_vec();
        (out[2], out[3]) = (0x81, 0x80 | code);
        out[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend([0, 1, 0, 0, 0, 60]);
            out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            out.extend(*data);
        }
        out
    }

    #[test]
    fn answers_are_understood() {
        let asked = question(7, "a.example", Kind::A).unwrap();
        let alias: (u16, &[u8]) = (5, b"\x01b\xc0\x0e");
        let check = |kind: Kind, bytes: &[u8], expected: Option<Answer>| {
            assert_eq!(answer(bytes, &asked, kind), expected, "{bytes:?}");
        };
        let found = |text: &str| Some(Answer::Found(text.to_owned()));
        check(Kind::A, &reply(&asked, 0, &[(1, &[192, 0, 2, 1]), (1, &[192, 0, 2, 2])]), found("192.0.2.1"));
        check(Kind::A, &reply(&asked, 0, &[alias, (1, &[192, 0, 2, 1])]), found("192.0.2.1"));
        check(Kind::Ptr, &reply(&asked, 0, &[(12, b"\x04host\xc0\x0e")]), found("host.example"));
        check(Kind::A, &reply(&asked, 0, &[]), Some(Answer::Nothing));
        check(Kind::A, &reply(&asked, 0, &[alias]), Some(Answer::Nothing));
        check(Kind::A, &reply(&asked, 3, &[]), Some(Answer::NoSuchName));
        check(Kind::A, &reply(&asked, 5, &[]), Some(Answer::Nothing));
        check(Kind::A, &asked, None);
        check(Kind::A, &reply(&question(8, "a.example", Kind::A).unwrap(), 0, &[]), None);
        check(Kind::A, &reply(&question(7, "b.example", Kind::A).unwrap(), 0, &[]), None);
        check(Kind::A, &reply(&asked, 0, &[(1, &[192, 0, 2])]), None);
        check(Kind::Ptr, &reply(&asked, 0, &[(12, b"\xc0\x27")]), None);
    }

    #[test]
    fn names_are_checked_and_turned() {
        assert!(question(1, "a..b", Kind::A).is_none());
        assert!(question(1, "", Kind::A).is_none());
        assert!(question(1, &"a".repeat(64), Kind::A).is_none());
        assert!(question(1, &"a.".repeat(130), Kind::A).is_none());
        assert!(question(1, "ä.example", Kind::A).is_none());
        assert_eq!(question(1, "a.", Kind::A), question(1, "a", Kind::A));
        assert_eq!(reversed("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        assert!(reversed("2001:db8::1".parse().unwrap()).ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let asked = question(7, "a", Kind::Ptr).unwrap_or_default();
            answer(&bytes, &asked, Kind::Ptr);
            let mut reply = reply(&asked, 0, &[]);
            reply[7] = 3;
            reply.append(&mut bytes);
            answer(&reply, &asked, Kind::Ptr);
        }
    }
}
