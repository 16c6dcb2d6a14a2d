//! Secrets that programs show: what has the form of one, and what stands behind the name of one.
//!
//! By form: JSON web tokens, keys of AWS, GitHub, GitLab, Google, npm, OpenAI and the like, Slack, Stripe, and what follows
//! `Bearer`. By name: the values of keys that end in one of [`NAMES`], as `key=value` (logfmt, query strings) and
//! `"key": "value"` (JSON, also inside of a string of JSON), of headers also as `key: value`.

use super::{Hit, Rule, escape, strings::Strings};
use memchr::memmem::Finder;
use regex::bytes::Regex;
use std::ops::Range;

/// How the names of secrets end, in lower case.
const NAMES: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"pwd",
    b"secret",
    b"token",
    b"authorization",
    b"api_key",
    b"api-key",
    b"apikey",
    b"access_key",
    b"accesskey",
    b"private_key",
    b"secret_key",
    b"secretkey",
    b"passphrase",
];
/// Of a name so much is looked at.
const NAME_BYTES_MAX: usize = 16;
/// The name of the pair behind a value, or a scheme before one, is shorter.
const NEXT_BYTES_MAX: usize = 32;

/// How the forms begin, but for web tokens: with as much of them as makes sure. What follows is not searched, so that time
/// stays linear.
const FORMS: &str = r"(?-u)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|gh[pousr]_\w{20}|github_pat_\w{20}|glpat-[\w-]{16}|xox[abeoprs]-[\w-]{10}|xapp-[\w-]{10}|[sr]k_(?:live|test)_\w{10}|whsec_\w{16}|AIza[\w-]{30}|npm_\w{30}|hf_\w{30}|sk-[\w-]{20}|ya29\.[\w-]{20}|[Bb]earer [\w.~+/-]{16}";
/// How the parts of a web token begin: base64 of `{"`.
const WEB_TOKEN: &[u8] = b"eyJ";
/// The header and the payload of one are longer.
const WEB_TOKEN_PART_BYTES_MIN: usize = 8;

/// Knows the forms of secrets.
#[derive(Debug)]
pub(super) struct Forms {
    others: Regex,
    web_token: Finder<'static>,
}

impl Forms {
    pub(super) fn new() -> Result<Forms, regex::Error> {
        Ok(Forms { others: Regex::new(FORMS)?, web_token: Finder::new(WEB_TOKEN) })
    }

    /// Finds what has the form of a secret.
    pub(super) fn find(&self, text: &[u8], hits: &mut Vec<Hit>) {
        let mut from = 0;
        while let Some(found) = self.others.find_at(text, from) {
            let Range { start, end } = found.range();
            from = start + 1;
            if escape::behind_escape(text, start) > start || !escape::begins_word(text, start) {
                continue;
            }
            let is_bearer = text[start..end].get(1..7) == Some(b"earer ");
            let start = if is_bearer { start + 7 } else { start };
            let goes_on = |b: &u8| is_part(b) || (is_bearer && matches!(b, b'.' | b'~' | b'+' | b'/' | b'='));
            from = end + text[end..].iter().take_while(|b| goes_on(b)).count();
            hits.push(Hit::new(start..from, Rule::Token));
        }
        from = 0;
        while let Some(start) = self.web_token.find(&text[from..]).map(|found| from + found) {
            from = start + WEB_TOKEN.len();
            if escape::begins_word(text, start) {
                let (end, is_token) = web_token(text, start);
                from = end;
                if is_token {
                    hits.push(Hit::new(start..end, Rule::Token));
                }
            }
        }
    }
}

/// Where what begins like a web token ends, and whether it is one: a header and a payload at least.
fn web_token(text: &[u8], start: usize) -> (usize, bool) {
    let part = |from: usize| from + text[from..].iter().take_while(|b| is_part(b)).count();
    let header = part(start);
    if header - start < WEB_TOKEN_PART_BYTES_MIN || text.get(header) != Some(&b'.') {
        return (header, false);
    }
    let mut end = part(header + 1);
    let is_token = end - header > WEB_TOKEN_PART_BYTES_MIN;
    while is_token && text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(is_part) {
        end = part(end + 1);
    }
    (if is_token { end } else { header }, is_token)
}

fn is_part(byte: &u8) -> bool {
    escape::is_word(*byte) || *byte == b'-'
}

/// Finds the values of what is named as a secret.
pub(super) fn named(text: &[u8], hits: &mut Vec<Hit>) {
    let mut strings = Strings::of(text);
    let mut end = 0;
    for sign in memchr::memchr2_iter(b'=', b':', text) {
        // Most words end in another letter than a secret's name; the rest of the test costs more.
        let before = sign.checked_sub(1).map(|before| text[before] | 0x20);
        let may_end = matches!(before, Some(b'd' | b't' | b'n' | b'y' | b'e' | b'"' | b'\'' | b' '));
        if sign < end || !may_end {
            continue;
        }
        let Some(mut hit) = value(text, sign) else { continue };
        // A string that ends in `token=` has no value, and none reaches out of its string.
        if let Some(closes) = strings.as_mut().and_then(|strings| strings.end(sign)) {
            hit.range.end = hit.range.end.min(closes);
        }
        if hit.range.start < hit.range.end {
            end = hit.range.end;
            hits.push(hit);
        }
    }
}

/// The quotes around a key or a value, in a string in a string too: how many backslashes stand before the sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quote {
    sign: u8,
    backslashes: usize,
}

/// The value behind this sign, if it is a secret's.
fn value(text: &[u8], sign: usize) -> Option<Hit> {
    let spaces = text[..sign].iter().rev().take_while(|b| **b == b' ').count();
    let (name_end, quoted) = match text[..sign - spaces] {
        [.., quote @ (b'"' | b'\'')] => {
            let at = sign - spaces - 1;
            let backslashes = escape::backslashes_before(text, at);
            (at - backslashes, Some(Quote { sign: quote, backslashes }))
        }
        _ => (sign - spaces, None),
    };
    let name = name(&text[..name_end])?;
    let is_header = name == b"authorization" || name == b"api-key" || name == b"apikey" || name == b"api_key";
    if (quoted.is_none() && spaces > 0) || (text[sign] == b':' && quoted.is_none() && !is_header) {
        return None;
    }
    let start = sign + 1 + text[sign + 1..].iter().take_while(|b| **b == b' ').count();
    if start > sign + 1 && text[sign] == b'=' && quoted.is_none() {
        return None;
    }
    let rest = &text[start..];
    let backslashes = rest.iter().take_while(|b| **b == b'\\').count();
    let closes = quoted.is_none() && matches!(rest.get(backslashes + 1), Some(b',' | b':' | b'}' | b']'));
    let inside = match rest.get(backslashes) {
        Some(b'"') if closes => return None,
        Some(quote @ (b'"' | b'\'')) if (backslashes + 1).is_power_of_two() => {
            let start = start + backslashes + 1;
            start..quoted_end(text, start, Quote { sign: *quote, backslashes })
        }
        _ if quoted.is_some() => return bare(text, start, quoted),
        _ if name == b"authorization" => start..header_end(text, start),
        _ => start..unquoted_end(text, start),
    };
    let range = if name == b"authorization" { behind_scheme(text, inside) } else { inside };
    let value = &text[range.clone()];
    let is_folder = name == b"pwd" && value.starts_with(b"/");
    let is_secret = !value.is_empty() && !value.starts_with(b"[redacted") && !is_folder;
    is_secret.then(|| Hit::new(range, Rule::Token))
}

/// Which of the names this text ends in.
fn name(text: &[u8]) -> Option<&'static [u8]> {
    // What most words end in costs least.
    let end = text.last_chunk::<3>()?.map(|b| b | 0x20);
    if !matches!(&end, b"ord" | b"swd" | b"pwd" | b"ret" | b"ken" | b"ion" | b"key" | b"ase") {
        return None;
    }
    let text = &text[text.len() - text.len().min(NAME_BYTES_MAX)..];
    let ends = |name: &&[u8]| text.len() >= name.len() && text[text.len() - name.len()..].eq_ignore_ascii_case(name);
    NAMES.iter().copied().find(ends)
}

/// A number behind a quoted key: what replaces it must be in quotes, too.
fn bare(text: &[u8], start: usize, quoted: Option<Quote>) -> Option<Hit> {
    let is_bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_');
    let range = start..start + text[start..].iter().take_while(|b| is_bare(b)).count();
    let value = &text[range.clone()];
    let is_nothing = matches!(value, b"" | b"null" | b"true" | b"false" | b"None" | b"True" | b"False" | b"nil");
    let quote = quoted.map(|quote| [vec![b'\\'; quote.backslashes], vec![quote.sign]].concat());
    (!is_nothing).then(|| Hit { range, rule: Rule::Token, quote: quote.unwrap_or_default() })
}

/// Where the quotes close, or the line ends, or the string around it does.
fn quoted_end(text: &[u8], start: usize, quote: Quote) -> usize {
    let own = quote.backslashes;
    for at in memchr::memchr2_iter(quote.sign, b'\n', &text[start..]).map(|at| start + at) {
        if text[at] == b'\n' {
            return at;
        }
        let backslashes = escape::backslashes_before(text, at).min(at - start);
        let level = backslashes % (2 * (own + 1));
        if level == own {
            return at - own;
        }
        if level != 2 * own + 1 {
            return at - backslashes;
        }
    }
    text.len()
}

/// Where a value without quotes ends: not at each comma, since secrets have some, but before `,next=`.
fn unquoted_end(text: &[u8], start: usize) -> usize {
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'&' | b';' | b'\\' | b'<' | b'>' | b'`');
    let mut end = start;
    while let Some(byte) = text.get(end).filter(|b| !ends(b)) {
        if *byte == b',' && is_pair(&text[end + 1..]) {
            break;
        }
        end += 1;
    }
    let closers = text[start..end].iter().rev().take_while(|b| matches!(b, b',' | b'.' | b')' | b']' | b'}')).count();
    end - closers
}

fn is_pair(text: &[u8]) -> bool {
    let word = text.iter().take(NEXT_BYTES_MAX).take_while(|b| escape::is_word(**b)).count();
    word > 0 && matches!(text.get(word), Some(b'=' | b':'))
}

/// A header's value: a scheme and what follows it.
fn header_end(text: &[u8], start: usize) -> usize {
    let scheme = text[start..].iter().take(NEXT_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
    let behind = start + scheme;
    let two = scheme > 0 && text.get(behind) == Some(&b' ');
    unquoted_end(text, if two { behind + 1 } else { start })
}

/// Without `Basic `, `Bearer ` and the like.
fn behind_scheme(text: &[u8], value: Range<usize>) -> Range<usize> {
    let scheme = text[value.clone()].iter().take(NEXT_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
    let behind = value.start + scheme;
    let is_scheme = scheme > 0 && behind + 1 < value.end && text[behind] == b' ';
    if is_scheme { behind + 1..value.end } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found() {
        let forms = Forms::new().unwrap();
        let check = |text: &str, expected: &[&str]| {
            let mut hits = Vec::new();
            forms.find(text.as_bytes(), &mut hits);
            named(text.as_bytes(), &mut hits);
            let found: Vec<_> = hits.iter().map(|hit| &text[hit.range.clone()]).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("a eyJhbGciOiJI.eyJzdWIiOiI3In0.c2ln-nat_ure. b", &["eyJhbGciOiJI.eyJzdWIiOiI3In0.c2ln-nat_ure"]);
        check(
            "xeyJhbGciOiJI.eyJzdWIiOiI3In0 eyJhbGciOiJI eyJhbGciOiJI.short eyJ.eyJzdWIiOiI3In0",
            &["eyJzdWIiOiI3In0"][1..],
        );
        check("got bearer 0123456789abcdef== ok, Bearer short", &["0123456789abcdef=="]);
        check(
            "AKIAABCDEFGHIJKLMNOP xoxb-123456-abcdef task-0123456789-0123456789",
            &["AKIAABCDEFGHIJKLMNOP", "xoxb-123456-abcdef"],
        );
        check(r"{'a':'\nsk_live_0123456789'}", &["sk_live_0123456789"]);
        check("password=a,b,user=c token=(x) Secret=", &["a,b", "(x"]);
        check("password= x password : y token_type=bearer", &[]);
        check("password='a b' apiKey=\"c\" PWD=/x", &["a b", "c"]);
        check("X-Api-Key: abc\r\nproxy-authorization: Digest abc", &["abc", "abc"]);
        check(r#""passwd" : "a\"b\\","b":"c""#, &[r#"a\"b\\"#]);
        check(r#"{"a":"token=","token":"password='b","c":"d'e"}"#, &["password='b"]);
        check(r#"{\"token\":\"a\\\"b\",\"c\":1}"#, &[r#"a\\\"b"#]);
        check(r#"{"token":null,"secret":-7.5,"pwd":{"a":1}}"#, &["-7.5"]);
        check("token=[redacted:token] password=\"\"", &[]);
    }

    #[test]
    fn every_name_is_known_by_its_end() {
        for known in NAMES {
            assert_eq!(name(&[b"MY_", *known].concat().to_ascii_uppercase()), Some(*known));
            assert!(known.len() <= NAME_BYTES_MAX);
        }
    }

    #[test]
    fn time_is_linear() {
        for piece in [
            "eyJ-",
            "xeyJ-AKIAABCDEFGHIJKLMNOP-",
            "xsk-",
            "xhf_",
            "token=a,",
            "password='",
            "token=\\\"",
            "a%40",
            "://a:",
            "1234 ",
        ] {
            for text in
                [piece.repeat((1 << 18) / piece.len()), format!("{{\"a\":\"{}", piece.repeat((1 << 18) / piece.len()))]
            {
                let redactor = super::super::Redactor::new(&super::super::Builtin::ALL, &[]).unwrap();
                let _ = redactor.apply(crate::flow::Record::text(text.into_bytes().into()));
            }
        }
    }
}
