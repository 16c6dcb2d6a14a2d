//! Message templates: what stays the same in messages of one kind, with `*` where values stand.
//!
//! [`id`] is a 64-bit hash of the masked message, [`masked`] the masked message itself. Both look at one message and at
//! nothing else, so they can run anywhere and give the same answer after every restart and on every machine. Templates
//! that differ in words, not in masks (`for user ann`, `for user bob`), are joined by [`merge`] when patterns are asked for.
//!
//! # What makes an id
//! Tokens are what stands between white space, quotes, brackets and `& , ; < = > |`. A token is a value where it holds a
//! digit, `/`, `\` or `@`, or stands behind `key=`, `key = ` or `key:`; that covers numbers, ids, addresses, paths, URLs
//! and stamps without telling them apart. Quoted text is one value, but for a request method at its beginning. A value is
//! masked whole, with its unit (`12 ms`), but for its label (`blk_`, `port:`) and a full stop or colon at its end. Values
//! with nothing but white space and `+ , - : ; =` between them are one. All else is constant: what the masked text says is
//! hashed ([`TOKENS_MAX`] tokens, [`TEXT_BYTES_MAX`] bytes of it; a token longer than 128 bytes is a value), and so two messages have the same id where they have the
//! same masked text. A change of any of this changes ids that are stored.
//!
//! # Promises
//! One pass, linear time, no allocation for the id. Only the first line that says something counts.

mod bits;
mod block;
mod hash;
pub mod merge;

use block::Masked;

/// Most tokens (between spaces, after masking) of a message that its template is made of.
pub const TOKENS_MAX: usize = 32;
/// Most bytes of the masked message that its template is made of.
pub const TEXT_BYTES_MAX: usize = 256;

/// The id of a message's template.
///
/// ```
/// use logship_parsers::template::id;
/// assert_eq!(id("took 12 ms for 10.0.0.1"), id("took 7 ms for 10.9.9.9"));
/// assert_ne!(id("took 12 ms"), id("gave 12 ms"));
/// ```
#[must_use]
pub fn id(message: &str) -> u64 {
    hash::hash(Masked::of(first_line(message)).text())
}

/// The message with `*` for its values, white space made one space.
///
/// ```
/// assert_eq!(logship_parsers::template::masked("took 12 ms for /a/b"), "took * for *");
/// ```
#[must_use]
pub fn masked(message: &str) -> String {
    String::from_utf8_lossy(Masked::of(first_line(message)).text()).into_owned()
}

/// An id as it is written in events: 16 hex digits.
///
/// ```
/// assert_eq!(&logship_parsers::template::hex(255), b"00000000000000ff");
/// ```
#[must_use]
pub fn hex(id: u64) -> [u8; 16] {
    std::array::from_fn(|at| b"0123456789abcdef"[(id >> (60 - 4 * at)) as usize & 15])
}

/// The first line that says something.
fn first_line(message: &str) -> &[u8] {
    let bytes = message.as_bytes().trim_ascii_start();
    &bytes[..memchr::memchr(b'\n', bytes).unwrap_or(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_masked_and_words_stay() {
        let check = |message: &str, expected: &str| {
            assert_eq!(masked(message), expected, "{message}");
            assert_eq!(id(message), hash::hash(expected.as_bytes()), "{message}");
        };
        check("", "");
        check("  \t ", "");
        check("ready.", "ready.");
        check(" can't  stop, won't\tstop ", "can't stop, won't stop");
        check("\n\nfirst line\nsecond line", "first line");
        // Numbers, signs, units.
        check("took 12 ms, 12ms, 4.5GB, 3 bytes.", "took *.");
        check("at -3 or +4.5e-7 or .5 or 50%", "at * or * or * or *");
        check("mask 0x05, 0xDEADBEEF", "mask *");
        check("1,234,567 rows", "* rows");
        check("lifetime <1 sec", "lifetime <*");
        check("<6>kernel up", "<*>kernel up");
        check("sent 1293 bytes (1.26 KB) in 3s", "sent * in *");
        check("section 4. Next", "section *. Next");
        check("to=ann (0/0), delay=3, id=<12.7f@a.example>", "to=*, delay=*, id=<*>");
        // Ids.
        check("id 123e4567-e89b-12d3-a456-426614174000, done", "id *, done");
        check("id [a23e4567-e89b-12d3-a456-426614174000]", "id [*]");
        check("commit 7f3ac01d by deadbee1", "commit * by *");
        check("Received block blk_-1608999687919862906 of size 91178", "Received block blk_* of size *");
        check("req-7f3a worker-12 eth0 node12: up", "req-* worker-*: up");
        check("attempt_1445144423722_0020_m_000000_0 done", "attempt_* done");
        check("api-7d9f8b6c5-x2lqp: base64Encode", "api-*");
        check("generating core.2275, a1.txt, x86_64", "generating *");
        // Addresses.
        check("from 10.0.0.1:80 to [2001:db8::1]:443", "from * to [*]*");
        check("from ::1 and fe80::1ff:fe23:4567:890a and 00:1b:44:11:3a:b7", "from * and * and *");
        check("std::vector of a::b", "std::vector of a::b");
        check("10.0.0.0/8 /10.1.1.1:50 localhost:80 db-1.example.com:5432", "* localhost:*");
        check("mail ann@example.com or root@web, Foo@1a2b3c", "mail * or *");
        // Paths and URLs.
        check("open /a/b/c.txt: denied", "open *: denied");
        check("open C:\\x\\y and \\\\srv\\share and src/a/b.rs", "open * and * and *");
        check("and/or I/O HTTP/1.1 user/17", "*");
        check("GET https://example.com/a?b=c, then (http://x/y).", "GET https:*, then (http:*).");
        // Stamps.
        check("at 2026-01-02T03:04:05.678Z end", "at * end");
        check("at 2026-01-02 03:04:05,678 end", "at * end");
        check("at Sat Jun 18 02:08:10 2005 end", "at Sat Jun * end");
        check("at Mon, 02/Jan/2026:03:04:05 +0000 end", "at Mon, * end");
        check("May I sit", "May I sit");
        // Quoted text.
        check("user \"ann lee\" not 'in the' list", "user * not * list");
        check("can't open 5\" disk", "can't open *\" disk");
        check("10.0.0.1 \"GET /a/b HTTP/1.1\" status: 200 len: 5", "* \"GET *\" status: * len: *");
        check(r#"{"user":"ann","n":5,"ok":true}"#, "{*}");
        // Keys and values.
        check("user=ann uid=0 rhost= tty=ssh", "user=* uid=* rhost= tty=*");
        check("a=1&b=x;c=f(x,y) end", "a=*&b=*;c=*(x,y) end");
        check("total = 5 name = ann list = [1, 2]", "total = * name = * list = [*]");
        check("a == b, c => d, e != f, x <= 5", "a == b, c => d, e != *, x <= *");
        check("=====", "=====");
        check("state:RUNNING port:80 env:os.name=Linux", "state:* port:* env:os.name=*");
        check("error: no such file", "error: no such file");
        // Lists.
        check("ids [1, 2, 3] and 4 - 5 - 6", "ids [*] and *");
        check("steps = 15##69##54", "steps = *");
    }

    #[test]
    fn only_the_first_tokens_count() {
        let words = |count: usize| (0..count).map(|_| "word").collect::<Vec<_>>().join(" ");
        assert_eq!(masked(&words(1_000)), words(TOKENS_MAX));
        assert_eq!(masked(&words(TOKENS_MAX)), words(TOKENS_MAX));
        assert_eq!(id(&words(TOKENS_MAX + 1)), id(&words(1_000)));
        assert_ne!(id(&words(TOKENS_MAX - 1)), id(&words(1_000)));
        assert_eq!(masked(&"7 ".repeat(1_000)), "*");
        assert_eq!(masked(&"word".repeat(1_000)), "*");
        assert_eq!(masked(&format!("a{}b", " ".repeat(1_000))), "a b");
        assert_eq!(masked(&format!("said \"{}\" twice", "so it is, ".repeat(500))), "said * twice");
        assert_eq!(masked(&format!("{}\" end", "a' ".repeat(500))), vec!["a'"; TOKENS_MAX].join(" "));
    }

    /// Messages of the same words with values of any length between them.
    fn message(words: &[String], values: &[String]) -> String {
        words.iter().zip(values.iter().cycle()).map(|(word, value)| format!("{word} {value} ")).collect()
    }

    proptest! {
        #[test]
        fn values_make_no_difference_wherever_they_stand(
            words in prop::collection::vec("[a-z]{1,9}[.:,)(]?|[a-z]{2,6}=", 1..8),
            values in prop::collection::vec(r#"[0-9]{1,40}|/[a-z/]{1,90}|"[a-z (]{0,120}"|[a-z]{0,3}[0-9][a-z0-9.]{0,60}[a-z0-9]"#, 1..5),
        ) {
            // Units are part of the value before them.
            let units = ["s", "h", "us", "ms", "ns", "kb", "mb", "gb", "min", "sec", "day"];
            let is_word = |word: &String| !units.contains(&word.trim_matches(|c: char| !c.is_alphabetic()));
            let words: Vec<String> = words.into_iter().filter(is_word).collect();
            let same = vec!["1".to_owned(); values.len()];
            prop_assert_eq!(masked(&message(&words, &values)), masked(&message(&words, &same)));
        }

        #[test]
        fn any_text_has_a_template(text in any::<String>(), repeats in 1..40_usize) {
            let text = text.repeat(repeats);
            prop_assert!(masked(&text).len() <= 3 * TEXT_BYTES_MAX);
            prop_assert_eq!(id(&text), id(&text));
        }

        #[test]
        fn any_punctuation_has_a_template(text in r#"[ab1 "'=:(){}.,/\\-]{0,400}"#) {
            prop_assert!(masked(&text).len() <= TEXT_BYTES_MAX);
        }
    }
}
