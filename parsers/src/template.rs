//! Message templates: what stays the same in messages of one kind, with `*` where values stand.
//!
//! [`id`] is a 64-bit hash of the masked message, [`masked`] the masked message itself. Both look at one message and at
//! nothing else, so they can run anywhere and give the same answer after every restart and on every machine. Templates
//! that differ in words, not in masks (`for user ann`, `for user bob`), are joined by [`merge`] when patterns are asked for.
//!
//! # What is masked
//! Numbers with signs and units, hex and other ids, addresses with ports, paths, URLs, e-mail addresses, stamps, quoted
//! text, truth values, what stands behind `key=` and `key:`. Of a word that mixes letters and digits the digits are
//! masked, and what follows them in that word. Punctuation stays; masks with nothing but separators between them are one.
//!
//! # Promises
//! One pass, linear time, no allocation for the id. Only the first line that says something counts, of that the first
//! [`TOKENS_MAX`] tokens.

mod hash;
pub mod merge;
mod scan;
mod shape;

use hash::Hash64;

/// Most tokens (between white space, after masking) of a message that its template is made of.
pub const TOKENS_MAX: usize = 64;

/// The id of a message's template.
///
/// ```
/// use logship_parsers::template::id;
/// assert_eq!(id("took 12 ms for 10.0.0.1"), id("took 7 ms for 10.9.9.9"));
/// assert_ne!(id("took 12 ms"), id("gave 12 ms"));
/// ```
#[must_use]
pub fn id(message: &str) -> u64 {
    let mut hash = Hash64::default();
    scan::scan(message, &mut hash);
    hash.finish()
}

/// The message with `*` for its values, white space made one space.
///
/// ```
/// assert_eq!(logship_parsers::template::masked("took 12 ms for /a/b"), "took * for *");
/// ```
#[must_use]
pub fn masked(message: &str) -> String {
    let mut text = Vec::with_capacity(message.len().min(256));
    scan::scan(message, &mut text);
    String::from_utf8_lossy(&text).into_owned()
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

/// Where the masked message goes, piece by piece.
trait Out {
    fn push(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Longest run of separators between two masks that are still one.
const HELD_MAX: usize = 8;

/// Joins masks and white space on their way out.
struct Writer<'o, O> {
    out: &'o mut O,
    /// Separators behind a mask, and white space: written only if something else follows.
    held: [u8; HELD_MAX],
    held_len: usize,
    /// Whether nothing but `held` came since the last mask.
    behind_mask: bool,
    begun: bool,
    tokens: usize,
    /// Whether the message has all the tokens that count.
    full: bool,
}

impl<'o, O: Out> Writer<'o, O> {
    fn new(out: &'o mut O) -> Writer<'o, O> {
        Writer { out, held: [0; HELD_MAX], held_len: 0, behind_mask: false, begun: false, tokens: 0, full: false }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.flush();
        if !self.full {
            self.out.push(bytes);
            (self.behind_mask, self.begun) = (false, true);
        }
    }

    fn mask(&mut self) {
        if self.behind_mask {
            self.held_len = 0;
        } else {
            self.text(b"*");
            self.behind_mask = true;
        }
    }

    /// Punctuation that may stand between the values of a list.
    fn separator(&mut self, byte: u8) {
        if self.behind_mask && self.held_len < HELD_MAX {
            self.held[self.held_len] = byte;
            self.held_len += 1;
        } else {
            self.text(&[byte]);
        }
    }

    fn space(&mut self) {
        let last = self.held_len.checked_sub(1).map(|at| self.held[at]);
        if !self.begun || last == Some(b' ') {
            return;
        }
        if self.held_len == HELD_MAX {
            self.flush();
            self.behind_mask = false;
        }
        self.held[self.held_len] = b' ';
        self.held_len += 1;
    }

    /// Takes back a space that was not written yet.
    fn unspace(&mut self) {
        if self.held_len > 0 && self.held[self.held_len - 1] == b' ' {
            self.held_len -= 1;
        }
    }

    /// Writes what was held, up to the blank behind which a token would be one too many.
    fn flush(&mut self) {
        let mut end = self.held_len;
        for (at, byte) in self.held[..self.held_len].iter().enumerate() {
            self.tokens += usize::from(*byte == b' ');
            if self.tokens >= TOKENS_MAX {
                (self.full, end) = (true, at);
                break;
            }
        }
        self.out.push(&self.held[..end]);
        self.held_len = 0;
    }

    fn finish(mut self) {
        self.unspace();
        if !self.full {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_and_words_stay() {
        let check = |message: &str, expected: &str| {
            assert_eq!(masked(message), expected, "{message}");
            let mut hash = Hash64::default();
            hash.push(expected.as_bytes());
            assert_eq!(id(message), hash.finish(), "{message}");
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
        check("lifetime <1 sec", "lifetime *");
        check("<6>kernel up", "<*>kernel up");
        check("sent 1293 bytes (1.26 KB) in 3s", "sent * in *");
        check("section 4. Next", "section *. Next");
        check("to=ann (0/0), delay=3, id=<12.7f@a.example>", "to=*, delay=*, id=<*>");
        // Ids.
        check("id 123e4567-e89b-12d3-a456-426614174000, done", "id *, done");
        check("id [a23e4567-e89b-12d3-a456-426614174000]", "id [*]");
        check("commit 7f3ac01d by deadbee1", "commit * by *");
        check("Received block blk_-1608999687919862906 of size 91178", "Received block blk_* of size *");
        check("req-7f3a worker-12 eth0 node12: up", "req-* worker-* eth* node*: up");
        check("attempt_1445144423722_0020_m_000000_0 done", "attempt_* done");
        check("api-7d9f8b6c5-x2lqp: base64Encode", "api-*: base*Encode");
        check("generating core.2275, a1.txt, x86_64", "generating core.*, a*.txt, x*");
        // Addresses.
        check("from 10.0.0.1:80 to [2001:db8::1]:443", "from * to [*]:*");
        check("from ::1 and fe80::1ff:fe23:4567:890a and 00:1b:44:11:3a:b7", "from * and * and *");
        check("std::vector of a::b", "std::vector of a::b");
        check("10.0.0.0/8 /10.1.1.1:50 localhost:80 db-1.example.com:5432", "*");
        check("mail ann@example.com or root@web, Foo@1a2b3c", "mail * or *, Foo@*");
        // Paths and URLs.
        check("open /a/b/c.txt: denied", "open *: denied");
        check("open C:\\x\\y and \\\\srv\\share and src/a/b.rs", "open * and * and *");
        check("and/or I/O HTTP/1.1 user/17", "and/or I/O HTTP/* user/*");
        check("GET https://example.com/a?b=c, then (http://x/y).", "GET *, then (*).");
        // Stamps.
        check("at 2026-01-02T03:04:05.678Z end", "at * end");
        check("at 2026-01-02 03:04:05,678 end", "at * end");
        check("at Sat Jun 18 02:08:10 2005 end", "at * end");
        check("at Mon, 02/Jan/2026:03:04:05 +0000 end", "at * end");
        check("May I sit", "May I sit");
        // Quoted text.
        check("user \"ann lee\" not 'in the' list", "user * not * list");
        check("can't open 5\" disk", "can't open *\" disk");
        check("10.0.0.1 \"GET /a/b HTTP/1.1\" status: 200 len: 5", "* \"GET *\" status: * len: *");
        check(r#"{"user":"ann","n":5,"ok":true}"#, r#"{"user":*,"n":*,"ok":*}"#);
        // Keys and values.
        check("user=ann uid=0 rhost= tty=ssh", "user=* uid=* rhost=* tty=*");
        check("a=1&b=x;c=f(x,y) end", "a=*&b=*;c=* end");
        check("total = 5 name = ann list = [1, 2]", "total = * name = * list = [*]");
        check("a == b, c => d, e != f, x <= 5", "a == b, c => d, e != f, x <= *");
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
        assert_eq!(masked(&format!("{} 7 - x", words(TOKENS_MAX - 1))), format!("{} *", words(TOKENS_MAX - 1)));
    }
}
