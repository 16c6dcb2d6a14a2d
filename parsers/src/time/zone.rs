//! The zone behind a time of day.

/// How many bytes the zone takes, with the space before it, and the seconds east of Greenwich that it means. None where
/// there is no zone that is known: then what follows the time is the text.
pub(super) fn zone(bytes: &[u8]) -> (usize, Option<i32>) {
    let space = usize::from(bytes.first() == Some(&b' '));
    let Some((length, offset)) = bytes.get(space..).and_then(|rest| bare(rest, space == 1)) else { return (0, None) };
    let end = space + length;
    let behind = match bytes.get(end..).unwrap_or_default() {
        // Go prints the offset and then the name.
        [b' ', tail @ ..] if tail.starts_with(b"UTC") => 4,
        // Java prints the offset and then the place.
        [b'[', tail @ ..] if tail.first().is_some_and(u8::is_ascii_uppercase) => place(tail).map_or(0, |end| end + 2),
        _ => 0,
    };
    (end + behind, Some(offset))
}

/// How long the name of a place (`Europe/Berlin]`) at the front is.
fn place(bytes: &[u8]) -> Option<usize> {
    const PLACE_BYTES_MAX: usize = 40;
    let end = bytes.iter().take(PLACE_BYTES_MAX).position(|b| *b == b']')?;
    let named = bytes[..end].iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'_' | b'-'));
    (named && (bytes[..end].contains(&b'/') || &bytes[..end] == b"UTC")).then_some(end)
}

fn bare(bytes: &[u8], apart: bool) -> Option<(usize, i32)> {
    match bytes.first()? {
        b'+' | b'-' => offset(bytes, apart),
        b'Z' | b'z' => ends(bytes, 1).then_some((1, 0)),
        b'A'..=b'Z' => {
            let length = bytes.iter().take(5).take_while(|b| b.is_ascii_uppercase()).count();
            if matches!(&bytes[..length], b"UTC" | b"GMT")
                && matches!(bytes.get(length), Some(b'+' | b'-'))
                && let Some((more, offset)) = offset(&bytes[length..], false).or_else(|| one_digit(&bytes[length..]))
            {
                return Some((length + more, offset));
            }
            (ends(bytes, length)).then_some((length, named(&bytes[..length])?))
        }
        _ => None,
    }
}

fn ends(bytes: &[u8], length: usize) -> bool {
    !bytes.get(length).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// `+01:00`, `+0100`, `+01`. With a space before it a sign and two digits are rather a number of the text.
fn offset(bytes: &[u8], apart: bool) -> Option<(usize, i32)> {
    let digit = |at: usize| bytes.get(at).filter(|b| b.is_ascii_digit()).map(|b| i32::from(b - b'0'));
    let hours = digit(1)? * 10 + digit(2)?;
    let (length, minutes) = match (bytes.get(3), digit(3)) {
        (Some(b':'), _) if digit(4).is_some() => (6, digit(4)? * 10 + digit(5)?),
        (_, Some(tens)) => (5, tens * 10 + digit(4)?),
        _ if apart => return None,
        _ => (3, 0),
    };
    if hours > 18 || minutes > 59 || !ends(bytes, length) {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    Some((length, if bytes[0] == b'-' { -seconds } else { seconds }))
}

/// `+2`, behind `UTC` or `GMT`.
fn one_digit(bytes: &[u8]) -> Option<(usize, i32)> {
    let hours = bytes.get(1).filter(|b| b.is_ascii_digit()).map(|b| i32::from(b - b'0'))?;
    ends(bytes, 2).then_some((2, if bytes[0] == b'-' { -hours * 3_600 } else { hours * 3_600 }))
}

/// The names that loggers write. Of those that mean several zones the one with the most people who log in English.
fn named(name: &[u8]) -> Option<i32> {
    const HOUR: i32 = 3_600;
    Some(match name {
        b"UTC" | b"GMT" | b"UT" | b"WET" => 0,
        b"CET" | b"BST" | b"MET" | b"WEST" => HOUR,
        b"CEST" | b"EET" | b"MEST" | b"SAST" => 2 * HOUR,
        b"EEST" | b"MSK" => 3 * HOUR,
        b"IST" => 5 * HOUR + HOUR / 2,
        b"HKT" | b"SGT" | b"AWST" => 8 * HOUR,
        b"JST" | b"KST" => 9 * HOUR,
        b"AEST" => 10 * HOUR,
        b"AEDT" => 11 * HOUR,
        b"NZST" => 12 * HOUR,
        b"NZDT" => 13 * HOUR,
        b"BRT" | b"ART" | b"ADT" => -3 * HOUR,
        b"EDT" | b"AST" => -4 * HOUR,
        b"EST" | b"CDT" => -5 * HOUR,
        b"CST" | b"MDT" => -6 * HOUR,
        b"MST" | b"PDT" => -7 * HOUR,
        b"PST" | b"AKDT" => -8 * HOUR,
        b"AKST" => -9 * HOUR,
        b"HST" => -10 * HOUR,
        _ => return None,
    })
}
