//! Redaction: what nobody may store is taken out of a record before anything reaches the disk.
//!
//! Built in are addresses of mail, numbers of payment cards, tokens and named secrets, and passwords in URLs; own rules are
//! regular expressions. In place of what goes stands `[redacted:email]`, `[redacted:card]`, `[redacted:token]`,
//! `[redacted:url-password]`, or the own rule's replacement.
//!
//! Promises: a record without a find keeps its bytes, which nothing copies; bytes need not be UTF-8; time is linear. A
//! record of JSON stays JSON, but for an own rule that matches across its strings: what must go goes, and such a record is
//! text from then on. The built-in rules see the record first, each own rule what the one before left.
//!
//! Limits: an own rule compiles to at most [`RULE_BYTES_MAX`]; there are at most [`RULES_MAX`] of them. A record gets longer
//! where what goes is shorter than what stands in its place.

mod addresses;
mod cards;
mod escape;
mod strings;
mod tokens;

use crate::flow::Record;
use bytes::Bytes;
use regex::bytes::{NoExpand, Regex, RegexBuilder};
use serde::de::IgnoredAny;
use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};
use strings::Strings;

/// How large an own rule may be, compiled: 1 MiB.
pub const RULE_BYTES_MAX: usize = 1 << 20;
/// How many own rules there may be.
pub const RULES_MAX: usize = 100;
/// What stands for what an own rule took out, if it says nothing else.
const OWN_REPLACEMENT: &str = "[redacted]";

/// A group of built-in rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `emails`: addresses of mail.
    Emails,
    /// `cards`: numbers of payment cards with a check digit that holds.
    Cards,
    /// `tokens`: what has the form of a secret, and the values of what is named as one.
    Tokens,
    /// `url-passwords`: the password in `scheme://name:password@host`.
    UrlPasswords,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Builtin; 4] = [Builtin::Emails, Builtin::Cards, Builtin::Tokens, Builtin::UrlPasswords];

    /// The name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Builtin::Emails => "emails",
            Builtin::Cards => "cards",
            Builtin::Tokens => "tokens",
            Builtin::UrlPasswords => "url-passwords",
        }
    }

    /// The group of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Builtin> {
        Builtin::ALL.into_iter().find(|builtin| builtin.name() == name)
    }
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRule {
    /// The regular expression does not compile: which one, counted from 1, it, and why, with a caret below the place.
    Pattern {
        /// Its number, from 1.
        number: usize,
        /// Why, in several lines.
        cause: String,
    },
    /// It matches the empty text, which is everywhere.
    MatchesNothing {
        /// Its number, from 1.
        number: usize,
        /// The regular expression.
        pattern: String,
    },
    /// There are more than [`RULES_MAX`].
    TooMany,
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRule::Pattern { number, cause } => {
                write!(f, "redaction rule {number} is no regular expression:{cause}")
            }
            BadRule::MatchesNothing { number, pattern } => {
                write!(
                    f,
                    "redaction rule {number}, `{pattern}`, matches the empty text: let it match one character at least"
                )
            }
            BadRule::TooMany => write!(f, "more than {RULES_MAX} redaction rules: join some with `|`"),
        }
    }
}

impl std::error::Error for BadRule {}

/// Which built-in rule found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Token,
    UrlPassword,
    Card,
    Email,
}

impl Rule {
    const NAMES: [&'static str; 4] = ["token", "url-password", "card", "email"];
}

/// What a built-in rule found.
#[derive(Clone, Debug)]
struct Hit {
    range: Range<usize>,
    rule: Rule,
    /// Stands on both sides of the replacement.
    quote: Vec<u8>,
}

impl Hit {
    fn new(range: Range<usize>, rule: Rule) -> Hit {
        Hit { range, rule, quote: Vec::new() }
    }
}

/// An own rule.
#[derive(Debug)]
struct Own {
    regex: Regex,
    replacement: Option<String>,
    count: AtomicU64,
}

/// Takes out of records what its rules say.
#[derive(Debug)]
pub struct Redactor {
    emails: bool,
    cards: bool,
    url_passwords: bool,
    tokens: Option<tokens::Forms>,
    counts: [AtomicU64; Rule::NAMES.len()],
    own: Vec<Own>,
}

impl Redactor {
    /// With these rules. An own one is a regular expression and what stands in place of its matches, where `$1` and
    /// `${name}` are its groups.
    ///
    /// # Errors
    /// An own rule cannot be used.
    ///
    /// ```
    /// use logship::{codecs::redact::{Builtin, Redactor}, flow::Record};
    /// let redactor = Redactor::new(&[Builtin::Emails], &[("(user)=[0-9]+".into(), Some("$1=?".into()))])?;
    /// let record = Record::text("bob@example.com is user=7".into());
    /// assert_eq!(redactor.apply(record).bytes, "[redacted:email] is user=?");
    /// assert!(Redactor::new(&[], &[("a(b".into(), None)]).is_err());
    /// # Ok::<(), logship::codecs::redact::BadRule>(())
    /// ```
    pub fn new(builtins: &[Builtin], own: &[(String, Option<String>)]) -> Result<Redactor, BadRule> {
        if own.len() > RULES_MAX {
            return Err(BadRule::TooMany);
        }
        let own =
            own.iter().enumerate().map(|(at, (pattern, replacement))| Own::new(at + 1, pattern, replacement.clone()));
        let forms = builtins.contains(&Builtin::Tokens).then(tokens::Forms::new).transpose();
        Ok(Redactor {
            emails: builtins.contains(&Builtin::Emails),
            cards: builtins.contains(&Builtin::Cards),
            url_passwords: builtins.contains(&Builtin::UrlPasswords),
            tokens: forms.map_err(|cause| BadRule::Pattern { number: 0, cause: cause.to_string() })?,
            counts: Default::default(),
            own: own.collect::<Result<_, _>>()?,
        })
    }

    /// The record without what the rules take out.
    #[must_use]
    pub fn apply(&self, mut record: Record) -> Record {
        if let Some(bytes) = self.builtin(&record.bytes) {
            record.bytes = Bytes::from(bytes);
        }
        for own in &self.own {
            let Some((bytes, broken)) = own.apply(&record.bytes) else { continue };
            record.bytes = Bytes::from(bytes);
            record.kind.json &= !broken;
        }
        record
    }

    /// How much each rule took out so far, by the rule's name or the own rule's expression.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        let builtin = Rule::NAMES.iter().copied().zip(&self.counts);
        let own = self.own.iter().map(|own| (own.regex.as_str(), &own.count));
        builtin.chain(own).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    fn builtin(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut hits = Vec::new();
        if self.url_passwords {
            addresses::passwords(text, &mut hits);
        }
        if self.emails {
            addresses::emails(text, &mut hits);
        }
        if self.cards {
            cards::find(text, &mut hits);
        }
        if let Some(forms) = &self.tokens {
            forms.find(text, &mut hits);
            tokens::named(text, &mut hits);
            tokens::options(text, &mut hits);
            tokens::private_keys(text, &mut hits);
        }
        (!hits.is_empty()).then(|| self.without(text, merged(hits)))
    }

    fn without(&self, text: &[u8], hits: Vec<Hit>) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 16 * hits.len());
        let mut strings = Strings::of(text);
        let mut done = 0;
        for Hit { mut range, rule, mut quote } in hits {
            // Only numbers stand outside of the strings of JSON.
            if quote.is_empty() && strings.as_mut().is_some_and(|strings| !strings.is_inside(range.start)) {
                quote.push(b'"');
                range.start -= usize::from(text[done..range.start].ends_with(b"-"));
            }
            out.extend_from_slice(&text[done..range.start]);
            out.extend_from_slice(&quote);
            out.extend_from_slice(b"[redacted:");
            out.extend_from_slice(Rule::NAMES[rule as usize].as_bytes());
            out.push(b']');
            out.extend_from_slice(&quote);
            self.counts[rule as usize].fetch_add(1, Ordering::Relaxed);
            done = range.end;
        }
        out.extend_from_slice(&text[done..]);
        out
    }
}

/// In order, and those that overlap as one.
fn merged(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (hit.range.start, hit.rule));
    hits.dedup_by(|next, hit| {
        let overlap = next.range.start < hit.range.end;
        if overlap {
            hit.range.end = hit.range.end.max(next.range.end);
        }
        overlap
    });
    hits
}

impl Own {
    fn new(number: usize, pattern: &str, replacement: Option<String>) -> Result<Own, BadRule> {
        let built = RegexBuilder::new(pattern).size_limit(RULE_BYTES_MAX).build();
        let regex = built.map_err(|cause| {
            let cause = cause.to_string();
            let lines = cause.strip_prefix("regex parse error:").map(str::to_owned);
            BadRule::Pattern { number, cause: lines.unwrap_or_else(|| format!(" {cause}")) }
        })?;
        if regex.is_match(b"") {
            return Err(BadRule::MatchesNothing { number, pattern: pattern.to_owned() });
        }
        Ok(Own { regex, replacement, count: AtomicU64::new(0) })
    }

    /// The text without the matches, if there are any, and whether it is no JSON any more.
    fn apply(&self, text: &[u8]) -> Option<(Vec<u8>, bool)> {
        let Cow::Owned(replaced) = self.replace(text) else { return None };
        self.count.fetch_add(self.regex.find_iter(text).count() as u64, Ordering::Relaxed);
        if !text.trim_ascii_start().starts_with(b"{") || !is_json(text) || is_json(&replaced) {
            return Some((replaced, false));
        }
        let inside = self.replace_in_strings(text);
        if is_json(&inside) && !self.regex.is_match(&inside) { Some((inside, false)) } else { Some((replaced, true)) }
    }

    fn replace<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match &self.replacement {
            Some(replacement) => self.regex.replace_all(text, replacement.as_bytes()),
            None => self.regex.replace_all(text, NoExpand(OWN_REPLACEMENT.as_bytes())),
        }
    }

    /// Each string of JSON by itself. One that is none any more goes whole.
    fn replace_in_strings(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        let mut quotes = memchr::memchr_iter(b'"', text).filter(|quote| !escape::is_escaped(text, *quote));
        while let (Some(open), Some(close)) = (quotes.next(), quotes.next()) {
            out.extend_from_slice(&text[done..=open]);
            let content = &text[open + 1..close];
            match self.replace(content) {
                Cow::Borrowed(content) => out.extend_from_slice(content),
                Cow::Owned(content) if is_json(&[b"\"", &content[..], b"\""].concat()) => {
                    out.extend_from_slice(&content)
                }
                Cow::Owned(_) => out.extend_from_slice(OWN_REPLACEMENT.as_bytes()),
            }
            done = close;
        }
        out.extend_from_slice(&text[done..]);
        out
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::RecordKind;
    use proptest::prelude::*;
    use std::{fs, path::Path};

    fn all() -> Redactor {
        Redactor::new(&Builtin::ALL, &[]).unwrap()
    }

    fn apply(redactor: &Redactor, text: &[u8]) -> Vec<u8> {
        redactor.apply(Record::text(Bytes::copy_from_slice(text))).bytes.to_vec()
    }

    #[test]
    fn lines_are_redacted_as_their_twins_show() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redact");
        let redactor = all();
        let mut twins = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "log") {
                continue;
            }
            let (log, out) = (path.clone(), path.with_extension("out"));
            let lines = fs::read_to_string(log).unwrap();
            let found: String = lines
                .lines()
                .map(|line| String::from_utf8(apply(&redactor, line.as_bytes())).unwrap() + "\n")
                .collect();
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(&out, &found).unwrap();
            }
            assert_eq!(found, fs::read_to_string(&out).unwrap(), "{}", path.display());
            for (line, found) in lines.lines().zip(found.lines()) {
                assert!(!is_json(line.as_bytes()) || is_json(found.as_bytes()), "{found}");
            }
            twins += 1;
        }
        assert!(twins >= 5);
    }

    #[test]
    fn what_is_not_redacted_is_not_copied() {
        let record = Record::text(Bytes::from(b"2026-01-02 \xff INFO user=7 path=/x?y=1".to_vec()));
        let place = record.bytes.as_ptr();
        assert_eq!(all().apply(record).bytes.as_ptr(), place);
    }

    #[test]
    fn own_rules_follow_each_other_and_keep_json() {
        let check = |rules: &[(&str, Option<&str>)], text: &str, expected: &str, json: bool| {
            let own: Vec<_> = rules.iter().map(|(p, r)| ((*p).to_owned(), r.map(str::to_owned))).collect();
            let redactor = Redactor::new(&[], &own).unwrap();
            let kind = RecordKind { json: true, truncated: false };
            let found = redactor.apply(Record { bytes: Bytes::copy_from_slice(text.as_bytes()), kind });
            assert_eq!((&found.bytes[..], found.kind.json), (expected.as_bytes(), json));
        };
        check(&[("b+", None)], "abbc", "a[redacted]c", true);
        check(&[("b+", Some("$0$0")), ("bb", Some("x"))], "abc", "axc", true);
        check(&[("n", Some("z"))], r#"{"a":"b\nc","d":"e"}"#, r#"{"a":"[redacted]","d":"e"}"#, true);
        check(&[("b", Some("\\\""))], r#"{"a":"b"}"#, r#"{"a":"\""}"#, true);
        check(&[("\"a\":\"b\"", None)], r#"{"a":"b"}"#, r#"{[redacted]}"#, false);
    }

    #[test]
    fn bad_rules_say_where() {
        let check = |pattern: &str, expected: &str| {
            let found = Redactor::new(&[], &[("ok".to_owned(), None), (pattern.to_owned(), None)]).unwrap_err();
            assert_eq!(found.to_string(), expected);
        };
        check("a(b", "redaction rule 2 is no regular expression:\n    a(b\n     ^\nerror: unclosed group");
        check("x*", "redaction rule 2, `x*`, matches the empty text: let it match one character at least");
    }

    #[test]
    fn counts_are_kept_by_rule() {
        let redactor = Redactor::new(&Builtin::ALL, &[("zz".to_owned(), None)]).unwrap();
        apply(&redactor, b"a@b.de c@d.de token=1 zz zz http://a:b@c/ 4111111111111111");
        let expected = [("token", 1), ("url-password", 1), ("card", 1), ("email", 2), ("zz", 2)];
        assert_eq!(redactor.counts().collect::<Vec<_>>(), expected);
    }

    /// A number that has the check digit, written as cards are.
    fn card() -> impl Strategy<Value = String> {
        let digits = prop_oneof![
            Just((4, 16)),
            Just((4, 13)),
            Just((4, 19)),
            Just((5, 16)),
            Just((34, 15)),
            Just((36, 14)),
            Just((62, 17))
        ];
        (digits, prop::collection::vec(0..10_u32, 19), prop::sample::select(vec!["", " ", "-"])).prop_map(
            |((lead, count), random, separator)| {
                let mut text = format!("{lead}{}", random.iter().map(u32::to_string).collect::<String>());
                text.truncate(count - 1);
                let sum: u32 = text
                    .bytes()
                    .rev()
                    .enumerate()
                    .map(|(at, b)| u32::from(b - b'0') * (2 - at as u32 % 2))
                    .map(|weighed| weighed / 10 + weighed % 10)
                    .sum();
                text.push_str(&((10 - sum % 10) % 10).to_string());
                let groups: Vec<&str> =
                    text.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
                groups.join(separator)
            },
        )
    }

    fn text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            "password=",
            "token: ",
            "\"secret\":",
            "\\\"api_key\\\":\\\"",
            "Authorization: Basic ",
            "@",
            "x@y.de",
            "://a:",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.",
            "\"",
            "\\",
            "'",
            "\n",
            " ",
            "é",
            "名",
            "%40",
            "AKIAABCDEFGHIJKLMNOP",
            "4111111111111111",
            "npm_",
            "-",
            ":",
            "=",
            "&",
            ",",
            "}",
            "{",
            "\u{1}",
            "abc",
            "1234",
        ]);
        prop::collection::vec(odd, 0..14).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            text().prop_map(String::into_bytes),
        ]) {
            let own = Redactor::new(&Builtin::ALL, &[("[a-e]{2}|\\\\".to_owned(), Some("\"$0".to_owned()))]).unwrap();
            let _ = own.apply(Record::text(Bytes::from(text)));
        }

        #[test]
        fn no_card_survives(card in card(), before in prop::sample::select(vec!["", "card ", "12 ", "no:", "\"", "x=", "\\n", "2026-01-02 03:04:05 ", "a@b.de "]), after in prop::sample::select(vec!["", " ", ".", "\"", "&a=b", " 12", ", 7", "\\n"])) {
            let found = apply(&all(), format!("{before}{card}{after}").as_bytes());
            let found = String::from_utf8(found).unwrap();
            prop_assert!(!found.contains(&card), "{}", found);
        }

        #[test]
        fn json_stays_json(texts in prop::collection::vec((text(), text()), 1..4), number in any::<i64>(), card in "-?4111111111111111", secret in prop::sample::select(vec!["token", "a", "password"]), nested in any::<bool>(), own in any::<bool>()) {
            let mut object = serde_json::Map::new();
            for (key, value) in &texts {
                object.insert(key.clone(), value.clone().into());
            }
            object.insert(secret.to_owned(), number.into());
            object.insert("list".to_owned(), serde_json::from_str(&format!("[{card},{card}]")).unwrap());
            object.insert("secret".to_owned(), texts[0].0.clone().into());
            let mut line = serde_json::to_string(&object).unwrap();
            if nested {
                line = serde_json::to_string(&serde_json::json!({"log": line})).unwrap();
            }
            let rules = [("[n\\\\]".to_owned(), Some("\"".to_owned()))];
            let redactor = Redactor::new(&Builtin::ALL, if own { &rules } else { &[] }).unwrap();
            let found = redactor.apply(Record { bytes: line.clone().into(), kind: RecordKind { json: true, truncated: false } });
            let others = texts.iter().any(|(key, value)| key.contains("4111") || value.contains("4111"));
            let valid = serde_json::from_slice::<serde_json::Value>(&found.bytes).is_ok();
            prop_assert!(valid || (own && !found.kind.json), "{}\n{}", line, String::from_utf8_lossy(&found.bytes));
            prop_assert!(memchr::memmem::find(&found.bytes, b"4111111111111111").is_none() || own || others);
        }
    }
}
