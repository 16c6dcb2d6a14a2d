//! How far things reach that begin at a place in a message: numbers, addresses, paths, ids.

/// What a byte may be part of.
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let letter = byte.is_ascii_alphabetic() || byte >= 0x80;
        let digit = byte.is_ascii_digit();
        let path = letter || digit || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'~' | b'%' | b'@' | b'#');
        let path = path || matches!(byte, b'$' | b':' | b'*' | b'?' | b'=' | b'&' | b'\\');
        table[at] = (letter as u8 * LETTER)
            | (digit as u8 * DIGIT)
            | (matches!(byte, b'_' | b'-' | b'.') as u8 * JOINT)
            | (byte.is_ascii_hexdigit() as u8 * HEX)
            | (path as u8 * PATH)
            | (matches!(byte, b'/' | b':' | b'=' | b'@' | b'\\' | b'\'') as u8 * LINK)
            | ((byte.is_ascii_whitespace() || byte == 0x0b) as u8 * SPACE)
            | (matches!(byte, b',' | b';' | b':' | b'|' | b'/' | b'#' | b'&' | b'+' | b'-') as u8 * SEPARATOR);
        at += 1;
    }
    table
}

pub(super) const LETTER: u8 = 1;
pub(super) const DIGIT: u8 = 2;
/// Between the parts of an id.
pub(super) const JOINT: u8 = 4;
pub(super) const HEX: u8 = 8;
pub(super) const PATH: u8 = 16;
/// What makes a word more than a word.
pub(super) const LINK: u8 = 32;
pub(super) const SPACE: u8 = 64;
/// Between the values of a list.
pub(super) const SEPARATOR: u8 = 128;
pub(super) const WORD: u8 = LETTER | DIGIT;

const CLASSES: [u8; 256] = classes();

/// Whether the byte there is one of the classes.
pub(super) fn is(bytes: &[u8], at: usize, class: u8) -> bool {
    bytes.get(at).is_some_and(|byte| CLASSES[usize::from(*byte)] & class != 0)
}

/// The end of the bytes of the classes that begin here.
pub(super) fn run(bytes: &[u8], mut at: usize, class: u8) -> usize {
    while is(bytes, at, class) {
        at += 1;
    }
    at
}

/// The end without the last bytes that end a sentence rather than a thing.
fn trimmed(bytes: &[u8], begin: usize, mut end: usize) -> usize {
    while end > begin && matches!(bytes[end - 1], b'.' | b':' | b',' | b'?' | b'-' | b'=') {
        end -= 1;
    }
    end
}

/// `a.b_c-d1`
pub(super) fn name(bytes: &[u8], begin: usize) -> usize {
    let mut end = run(bytes, begin, WORD | JOINT);
    while end > begin && matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    end
}

/// Everything that begins with a digit: numbers with their units, stamps, addresses, lists, ids.
pub(super) fn number(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin;
    loop {
        at = run(bytes, at, WORD);
        let goes_on = match bytes.get(at) {
            Some(b'-' | b'_' | b'/' | b'.') => is(bytes, at + 1, WORD),
            Some(b':' | b',' | b'+') => is(bytes, at + 1, DIGIT),
            Some(b'%') => return at + 1,
            _ => false,
        };
        if !goes_on {
            return at;
        }
        at += 1;
    }
}

/// Past the unit, where one stands behind a number that ends here: `12 ms`.
pub(super) fn unit(bytes: &[u8], number_end: usize) -> usize {
    if bytes.get(number_end) != Some(&b' ') || !is(bytes, number_end + 1, LETTER) {
        return number_end;
    }
    let end = run(bytes, number_end + 1, WORD | JOINT);
    let end = trimmed(bytes, number_end + 1, end);
    match &bytes[number_end + 1..end] {
        b"B" | b"KB" | b"MB" | b"GB" | b"TB" | b"kB" | b"KiB" | b"MiB" | b"GiB" | b"TiB" | b"byte" | b"bytes"
        | b"Bytes" | b"kb" | b"mb" | b"gb" | b"ns" | b"us" | b"ms" | b"s" | b"sec" | b"secs" | b"second"
        | b"seconds" | b"msec" | b"msecs" | b"millis" | b"min" | b"mins" | b"minute" | b"minutes" | b"h" | b"hour"
        | b"hours" | b"day" | b"days" => end,
        _ => number_end,
    }
}

/// Most colons of an address.
const COLONS_MAX: usize = 8;

/// IPv6 and MAC addresses: groups of at most four hex digits between colons, one digit at least, a port or prefix length.
pub(super) fn colon_hex(bytes: &[u8], begin: usize) -> Option<usize> {
    let (mut at, mut colons, mut digits) = (begin, 0, 0);
    loop {
        let end = run(bytes, at, HEX);
        if end - at > 4 || colons > COLONS_MAX {
            return None;
        }
        digits += bytes[at..end].iter().filter(|byte| byte.is_ascii_digit()).count();
        let last = end;
        if bytes.get(last) == Some(&b':') && is(bytes, last + 1, HEX) {
            (at, colons) = (last + 1, colons + 1);
        } else if bytes.get(last) == Some(&b':') && bytes.get(last + 1) == Some(&b':') {
            (at, colons) = (last + 2, colons + 2);
        } else {
            let whole = colons >= 2 && digits > 0 && !is(bytes, last, WORD) && bytes.get(last) != Some(&b'_');
            return whole.then(|| tail_of_address(bytes, last));
        }
    }
}

/// `/64`, `.1.2.3`, `%eth0` behind an IPv6 address.
fn tail_of_address(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'/' | b'.' | b'%') if is(bytes, at + 1, WORD) => number(bytes, at + 1),
        _ => at,
    }
}

/// The port behind a colon, where it is one.
pub(super) fn port(bytes: &[u8], begin: usize) -> Option<usize> {
    let end = run(bytes, begin, DIGIT);
    let whole = (1..=5).contains(&(end - begin)) && !is(bytes, end, WORD) && bytes.get(end) != Some(&b':');
    whole.then_some(end)
}

/// A path without spaces.
pub(super) fn path(bytes: &[u8], begin: usize) -> usize {
    trimmed(bytes, begin, run(bytes, begin, PATH))
}

/// Whether words with slashes between them are a path: two slashes, or an extension at the end.
pub(super) fn is_path(path: &[u8]) -> bool {
    let mut parts = path.split(|byte| matches!(byte, b'/' | b'\\')).filter(|part| !part.is_empty());
    let count = parts.by_ref().take(3).count();
    let last = path.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    let mut ends = last.rsplitn(2, |byte| *byte == b'.');
    let extension = ends.next().unwrap_or_default();
    let has_extension = ends.next().is_some_and(|stem| !stem.is_empty())
        && (1..=5).contains(&extension.len())
        && extension[0].is_ascii_alphabetic();
    count > 2 || (count == 2 && has_extension)
}

/// To the white space, quote or bracket that ends a URL.
pub(super) fn url(bytes: &[u8], begin: usize) -> usize {
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'|' | b')' | b']' | b'}')
    };
    let length = bytes[begin..].iter().position(ends).unwrap_or(bytes.len() - begin);
    trimmed(bytes, begin, begin + length)
}

/// What stands behind `key=`: to white space, a separator, or a bracket that closes none of its own.
pub(super) fn value(bytes: &[u8], begin: usize) -> usize {
    let (mut at, mut depth) = (begin, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b',' if at > begin && is(bytes, at - 1, DIGIT) && is(bytes, at + 1, DIGIT) => {}
            b',' | b';' | b'|' | b'&' if depth == 0 => break,
            b'"' | b'\'' | b'`' => break,
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' | b']' | b'}' | b'>' if depth == 0 => break,
            b')' | b']' | b'}' | b'>' => depth -= 1,
            _ if is(bytes, at, SPACE) => break,
            _ => {}
        }
        at += 1;
    }
    trimmed(bytes, begin, at)
}

/// `8-4-4-4-12` hex digits.
pub(super) fn uuid(bytes: &[u8], begin: usize) -> Option<usize> {
    let text = bytes.get(begin..begin + 36)?;
    let fits = text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !is(bytes, begin + 36, WORD)).then_some(begin + 36)
}

/// Which part of a run of letters and digits is the value, where the run holds a digit.
pub(super) fn digits_of(word: &[u8]) -> Option<(usize, usize)> {
    let first = word.iter().position(u8::is_ascii_digit)?;
    let letters = word.iter().filter(|byte| !byte.is_ascii_digit()).count();
    if word.len() >= 4 && letters > 0 && word.iter().all(u8::is_ascii_hexdigit) {
        return Some((0, word.len()));
    }
    let digits = word[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = &word[first + digits..];
    let spoken = first >= 3 && behind.len() >= 2 && !behind.iter().any(u8::is_ascii_digit);
    if behind.is_empty() || spoken { Some((first, first + digits)) } else { Some((0, word.len())) }
}

/// `Jan` to `Dec`.
pub(super) fn is_month(word: &[u8]) -> bool {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    word.len() == 3 && MONTHS.as_chunks::<3>().0.iter().any(|month| month == word)
}

/// `Mon` to `Sun`.
pub(super) fn is_weekday(word: &[u8]) -> bool {
    word.len() == 3 && b"MonTueWedThuFriSatSun".as_chunks::<3>().0.iter().any(|day| day == word)
}
