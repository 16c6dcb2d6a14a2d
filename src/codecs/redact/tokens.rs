//! Secrets that programs show: what has the form of one, and what stands behind the name of one.
//!
//! By form: JSON web tokens, keys of AWS, GitHub, GitLab, Google, npm, OpenAI and the like, Slack, Stripe, and what follows
//! `Bearer`. By name: the values of keys that end in one of [`NAMES`], as `key=value` (logfmt, query strings) and
//! `"key": "value"` (JSON, also inside of a string of JSON, and the strings and numbers of a list), `key => value`,
//! `key: value`, `key = value` and `--key value`, where the value does not look like the next word of a sentence. And what
//! stands between the lines around a private key, where they are in one record.

use super::{Hit, Rule, escape, strings::Strings};
use memchr::memmem::{self, Finder};
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
/// What stands behind such a name in sentences.
const NO_SECRETS: &[&[u8]] = &[
    b"and",
    b"argument",
    b"changed",
    b"denied",
    b"empty",
    b"error",
    b"expired",
    b"failed",
    b"failure",
    b"false",
    b"flag",
    b"for",
    b"from",
    b"in",
    b"incorrect",
    b"invalid",
    b"is",
    b"mismatch",
    b"missing",
    b"must",
    b"nil",
    b"no",
    b"none",
    b"not",
    b"null",
    b"ok",
    b"option",
    b"or",
    b"rejected",
    b"required",
    b"requires",
    b"reset",
    b"revoked",
    b"to",
    b"true",
    b"undefined",
    b"unknown",
    b"unset",
    b"updated",
    b"valid",
    b"was",
    b"with",
    b"wrong",
    b"yes",
];
/// How the line before a private key begins,
const KEY_BEGINS: &[u8] = b"-----BEGIN ";
/// and how each ends.
const DASHES: &[u8] = b"-----";
/// What it is called is shorter.
const LABEL_BYTES_MAX: usize = 40;
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
        let Some(key) = key(text, sign) else { continue };
        if text.get(key.start) == Some(&b'[') {
            let before = hits.len();
            end = list(text, key, hits);
            if hits.len() > before {
                continue;
            }
            end = sign;
        }
        let Some(mut hit) = value(text, key) else { continue };
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

/// The name of a secret, and where its value begins.
#[derive(Clone, Copy, Debug)]
struct Key {
    name: &'static [u8],
    quoted: Option<Quote>,
    start: usize,
    /// As in prose: a value without quotes has to look like one.
    is_loose: bool,
    is_colon: bool,
}

/// The name before this sign, if it is a secret's.
fn key(text: &[u8], sign: usize) -> Option<Key> {
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
    // `=>` and `:=` say as much as `=`; a comparison and a path of names say nothing.
    let (is_colon, behind) = match (text[sign], text.get(sign + 1)) {
        (b'=', Some(b'>')) | (b':', Some(b'=')) => (false, sign + 2),
        (b'=', Some(b'=')) if spaces > 0 => return None,
        (b':', Some(b':')) => return None,
        (other, _) => (other == b':', sign + 1),
    };
    let start = behind + text[behind..].iter().take_while(|b| **b == b' ').count();
    let is_spaced = spaces > 0 || start > behind;
    let is_loose = quoted.is_none() && if is_colon { !is_header || spaces > 0 } else { is_spaced };
    // Nothing stands behind the sign but the next pair, or the next word.
    let next = is_pair(&text[start..], if is_colon { b": " } else { b"=" });
    let is_empty =
        is_loose && start > behind && (next || (text[behind - 1] == b'=' && behind == sign + 1 && spaces == 0));
    (!is_empty).then_some(Key { name, quoted, start, is_loose, is_colon })
}

/// The value of a secret.
fn value(text: &[u8], key: Key) -> Option<Hit> {
    let Key { name, quoted, start, .. } = key;
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
        _ => {
            let end = unquoted_end(text, start);
            if key.is_loose && !is_likely(&text[start..end], &text[end..], key.is_colon) {
                return None;
            }
            start..end
        }
    };
    let range = if name == b"authorization" { behind_scheme(text, inside) } else { inside };
    is_secret(name, &text[range.clone()]).then(|| Hit::new(range, Rule::Token))
}

fn is_secret(name: &[u8], value: &[u8]) -> bool {
    let is_folder = name == b"pwd" && value.starts_with(b"/");
    !value.is_empty() && !value.starts_with(b"[redacted") && !value.starts_with(b"[FILTERED") && !is_folder
}

/// Whether a value without quotes is one, and not the next word of a sentence.
fn is_likely(value: &[u8], behind: &[u8], is_colon: bool) -> bool {
    let is_word = value.iter().all(|b| b.is_ascii_alphabetic());
    let goes_on = matches!(behind, [b' ', next, ..] if next.is_ascii_alphabetic()) && !is_pair(&behind[1..], b"=");
    let is_prose = is_word && ((is_colon && goes_on) || NO_SECRETS.iter().any(|no| value.eq_ignore_ascii_case(no)));
    value.iter().any(u8::is_ascii_alphanumeric) && !is_prose
}

/// The strings and numbers of a list, up to what is neither; where they end.
fn list(text: &[u8], key: Key, hits: &mut Vec<Hit>) -> usize {
    let (mut at, mut depth) = (key.start, 0_usize);
    loop {
        while let Some(byte @ (b'[' | b',' | b' ')) = text.get(at) {
            depth += usize::from(*byte == b'[');
            at += 1;
        }
        let backslashes = text[at..].iter().take_while(|b| **b == b'\\').count();
        match text.get(at + backslashes) {
            Some(quote @ (b'"' | b'\'')) if (backslashes + 1).is_power_of_two() => {
                let start = at + backslashes + 1;
                let end = quoted_end(text, start, Quote { sign: *quote, backslashes });
                if is_secret(key.name, &text[start..end]) {
                    hits.push(Hit::new(start..end, Rule::Token));
                }
                let closes = text[end..].iter().take_while(|b| **b == b'\\').count() + 1;
                if text.get(end + closes - 1) != Some(quote) {
                    return end;
                }
                at = end + closes;
            }
            Some(b']') => {
                (at, depth) = (at + 1, depth - 1);
                if depth == 0 {
                    return at;
                }
            }
            _ => match bare(text, at, key.quoted) {
                Some(hit) if key.quoted.is_some() => {
                    at = hit.range.end;
                    hits.push(hit);
                }
                _ => return at,
            },
        }
        if !matches!(text.get(at), Some(b',' | b']' | b' ')) {
            return at;
        }
    }
}

/// Finds the values of options that are named as secrets: `--password x`, and `"--password", "x"` of a list of arguments.
pub(super) fn options(text: &[u8], hits: &mut Vec<Hit>) {
    let mut strings = Strings::of(text);
    for dash in memchr::memchr_iter(b'-', text) {
        let begins = dash == 0 || matches!(text[dash - 1], b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'[' | b',');
        if !begins {
            continue;
        }
        let end = dash + text[dash..].iter().take_while(|b| is_part(b)).count();
        let Some(name) = name(&text[dash..end]) else { continue };
        let is_end = |b: &&u8| matches!(b, b'\\' | b'"' | b'\'' | b',');
        let closes = text[end..].iter().take_while(is_end).count();
        let start = end + closes + text[end + closes..].iter().take_while(|b| **b == b' ').count();
        let opens = text[start..].iter().take_while(is_end).count();
        let begin = start + opens;
        if begin == end || (closes > 0 && opens == 0 && strings.is_none()) || text.get(begin) == Some(&b'-') {
            continue;
        }
        let mut stop = begin + text[begin..].iter().take_while(|b| !ends_value(b)).count();
        if let Some(strings) = &mut strings {
            // A number in a list of arguments is no secret.
            let Some(closes) = strings.end(begin) else { continue };
            stop = stop.min(closes);
        }
        let value = &text[begin..stop];
        if is_secret(name, value) && is_likely(value, b"", false) {
            hits.push(Hit::new(begin..stop, Rule::Token));
        }
    }
}

/// Finds what stands between the first and the last line of a private key, or behind the first.
pub(super) fn private_keys(text: &[u8], hits: &mut Vec<Hit>) {
    let mut from = 0;
    while let Some(begin) = memmem::find(&text[from..], KEY_BEGINS).map(|found| from + found + KEY_BEGINS.len()) {
        let is_label = |b: &&u8| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ';
        let label = begin + text[begin..].iter().take(LABEL_BYTES_MAX).take_while(is_label).count();
        from = label;
        let is_private = text[begin..label].ends_with(b"PRIVATE KEY") || text[begin..label].ends_with(b"KEY BLOCK");
        if !is_private || !text[label..].starts_with(DASHES) || text[begin..label].starts_with(b"PGP PUBLIC") {
            continue;
        }
        let start = label + DASHES.len();
        let mut end = start;
        while text.get(end).is_some_and(is_key_byte) && !text[end..].starts_with(DASHES) {
            end += 1;
        }
        from = end;
        // They belong to the quote behind them.
        end -= escape::backslashes_before(text, end).min(end - start);
        if text[start..end].iter().any(u8::is_ascii_alphanumeric) {
            hits.push(Hit::new(start..end, Rule::Token));
        }
    }
}

fn is_key_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_whitespace()
        || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b':' | b',' | b'.' | b'-' | b'(' | b')')
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
    let mut end = start;
    while let Some(byte) = text.get(end).filter(|b| !ends_value(b)) {
        if *byte == b',' && (is_pair(&text[end + 1..], b"=") || is_pair(&text[end + 1..], b":")) {
            break;
        }
        end += 1;
    }
    let closers = text[start..end].iter().rev().take_while(|b| matches!(b, b',' | b'.' | b')' | b']' | b'}')).count();
    end - closers
}

fn ends_value(b: &u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'&' | b';' | b'\\' | b'<' | b'>' | b'`')
}

/// Whether a word and then this sign comes.
fn is_pair(text: &[u8], sign: &[u8]) -> bool {
    let word = text.iter().take(NEXT_BYTES_MAX).take_while(|b| escape::is_word(**b)).count();
    word > 0 && text[word..].starts_with(sign)
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
        check("password= x password : y token_type=bearer", &["y"]);
        check("password='a b' apiKey=\"c\" PWD=/x", &["a b", "c"]);
        check("X-Api-Key: abc\r\nproxy-authorization: Digest abc", &["abc", "abc"]);
        check(r#""passwd" : "a\"b\\","b":"c""#, &[r#"a\"b\\"#]);
        check(r#"{"a":"token=","token":"password='b","c":"d'e"}"#, &["password='b"]);
        check(r#"{\"token\":\"a\\\"b\",\"c\":1}"#, &[r#"a\\\"b"#]);
        check(r#"{"token":null,"secret":-7.5,"pwd":{"a":1}}"#, &["-7.5"]);
        check("token=[redacted:token] password=\"\"", &[]);
        for (text, secret) in [
            ("password: hunter2", "hunter2"),
            ("db password: hunter2 for bob", "hunter2"),
            ("password: \"x y\"", "x y"),
            ("user: bob, password: 'x'", "x"),
            ("password = x", "x"),
            ("password = correct horse", "correct"),
            ("password := \"x\"", "x"),
            ("password => \"x\"", "x"),
            ("{\"password\"=>\"x\", \"a\"=>1}", "x"),
            (":password=>'x'", "x"),
            ("token: abc", "abc"),
            ("token: abc, user: bob", "abc"),
            ("token: abc user=bob", "abc"),
            ("token:123:abc", "123:abc"),
            ("secret_key : k1", "k1"),
            ("{password: hunter2}", "hunter2"),
            (r#"{"msg":"password: hunter2","a":1}"#, "hunter2"),
            (r#"{"msg":"password: \"x\"","a":1}"#, "x"),
            (r#"{"a":"{\"b\":\"{\\\"token\\\":\\\"x\\\"}\"}"}"#, "x"),
        ] {
            check(text, &[secret]);
        }
        check(r#"{"password":["x", "y"],"a":["b"]}"#, &["x", "y"]);
        check(r#"{"token":[1,[-2]],"a":1}"#, &["1", "-2"]);
        check(r#"{"log":"{\"token\":[\"x\",\"y\"],\"a\":\"b\"}"}"#, &["x", "y"]);
        check(r#"{"token":[],"secret":[{"a":"b"}],"password":[null]}"#, &[]);
        for text in [
            "password reset requested",
            "Invalid password: user not found",
            "password: expired",
            "unexpected token: }, token: ;",
            "token::new and Secret::from(x)",
            "if password == stored",
            "password= user=bob",
            "password: ",
            "password: ****",
            "password => [FILTERED]",
            "enter the password:\nuser",
            r#"{"msg":"enter password: ","user":"bob"}"#,
            "pwd: /srv/app",
            "Top secret: the plan is old",
            "max_tokens: 100",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn options_and_private_keys_are_found() {
        let check = |text: &str, expected: &[&str]| {
            let mut hits = Vec::new();
            options(text.as_bytes(), &mut hits);
            private_keys(text.as_bytes(), &mut hits);
            let found: Vec<_> = hits.iter().map(|hit| &text[hit.range.clone()]).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("mysql --password x --user bob", &["x"]);
        check("run -token abc --db-password 'a b'", &["abc", "a"]);
        check(r#"{"args":["--api-key","k1","--port",1],"cmd":"x --password y"}"#, &["k1", "y"]);
        check(r#"exec ["x", "--password", "y"]"#, &["y"]);
        check("use --password to set it, --password-stdin x, --password --user, --password", &[]);
        check("2026-01-02 a-token x, well-password y", &[]);
        check(r#"{"args":["--token",7],"a":"--token"}"#, &[]);
        check("-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\nab\n-----END RSA PRIVATE KEY----- x", &["\nMIIE+/=\nab\n"]);
        check(r#"{"key":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}"#, &[r"\nMIIE\n"]);
        check(r#"{"log":"{\"key\":\"-----BEGIN PRIVATE KEY-----MIIE\",\"a\":1}"}"#, &["MIIE"]);
        check("-----BEGIN EC PRIVATE KEY-----", &[]);
        check("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", &[]);
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
            "password: a",
            "--token ",
            "\"token\":[",
            "\"token\":[1,",
            "-----BEGIN PRIVATE KEY-----a",
            "token => ",
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
