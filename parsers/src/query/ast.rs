//! The query as a tree. Every node prints itself back (`print.rs`), and `parse(print(x)) == x`.

pub use crate::span::SpanIgnored;

/// A byte range in the query text, for carets and for the query box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A filter over events.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Everything: the empty query and `*`.
    All,
    /// All of them. At least two; never nested directly in another `And`.
    And(Vec<Query>),
    /// Any of them. At least two; never nested directly in another `Or`.
    Or(Vec<Query>),
    /// Everything that the inner query does not match. Never directly nested in another `Not`.
    Not(Box<Query>),
    /// A bare word, phrase, wildcard or regular expression: over the text of the event.
    Text(Text),
    /// A condition on a named field.
    Field(FieldTest),
    /// `_time:15m`, `_time:[a TO b]`, `_time:>2026-01-01`: on the event's own time.
    Time(TimeRange),
}

/// A test of text: tokens are runs of Unicode letters and digits, compared in lower case.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// `timeout`, `host-1`: the tokens of the word, consecutive where there are several.
    Word(String),
    /// `"connection refused"`: consecutive tokens, punctuation ignored; with `~n` up to n moves apart.
    Phrase {
        /// The text between the quotes, unescaped.
        text: String,
        /// How many moves the tokens may be apart: 0 is exactly consecutive.
        slop: u32,
        /// `"conn refu"*`: the last token is a prefix.
        prefix: bool,
    },
    /// `time*`, `*Exception`, `con?ect`: without separators it matches one token, with them the message across
    /// words. In [`Pattern`] form, so that an escaped `\*` stays a literal star.
    Wildcard(Pattern),
    /// `/re/` or `/re/i`: over the message, unanchored.
    Regex(Regex),
}

/// A wildcard pattern, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub Vec<PatternPart>);

/// One piece of a wildcard pattern. Literals are never empty and never follow each other; nor do two `AnyRun`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternPart {
    /// These characters.
    Literal(String),
    /// `*`: any run of characters, also none.
    AnyRun,
    /// `?`: exactly one character.
    AnyOne,
}

/// A regular expression, already checked for syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    /// The expression between the slashes, with `\/` unescaped to `/`.
    pub pattern: String,
    /// `/re/i`.
    pub ignore_case: bool,
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldTest {
    /// Which field.
    pub field: FieldName,
    /// What must hold for at least one of its values.
    pub test: Test,
}

/// The name of a field as typed, without quotes and without a leading `@` except in `@timestamp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName {
    /// `http.status`; `*` means any field.
    pub name: String,
    /// Where it stands in the query text; spans do not count in comparisons of queries.
    pub span: SpanIgnored<Span>,
}

/// What must hold for at least one value of the field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `field:value`, `field:"some value"`: equal, ignoring case; numbers by value; on `message` a text test.
    /// `field:prefix*` is a [`Test::Wildcard`].
    Equals(Literal),
    /// `field="V"`, `field==V`: equal, case-sensitive, never tokenised. `field!=V` is `Not(Exact)`.
    Exact(Literal),
    /// `field:[a, b]`, `field IN (a, b)`: any of them exactly as in `Exact`.
    In(Vec<Literal>),
    /// `field:we*`, `field:*.example.com`: over the whole value, ignoring case.
    Wildcard(Pattern),
    /// `field:/re/`: anchored at both ends of the whole value.
    Regex(Regex),
    /// `field:*`: the field is there and not null.
    Exists,
    /// `field:>=5`, `field:[a TO b]`, `field:{a TO b}`.
    Range {
        /// The lower end.
        low: Bound,
        /// The upper end.
        high: Bound,
    },
    /// `client.ip:10.0.0.0/8`: the value is an address in that network.
    Cidr {
        /// The address as typed, IPv4 or IPv6.
        network: std::net::IpAddr,
        /// Prefix length in bits, valid for the address family.
        bits: u8,
    },
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// No limit: `*`.
    Open,
    /// This value belongs to the range.
    Included(Literal),
    /// This value does not.
    Excluded(Literal),
}

/// A value as typed, with what it could mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// The text as typed, unquoted and unescaped.
    pub text: String,
    /// Whether it stood in quotes: then it is never read as a number, duration, size or time.
    pub quoted: bool,
    /// What it is besides text.
    pub meaning: Meaning,
}

/// What an unquoted literal means besides its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Nothing else.
    Text,
    /// `5`, `-3`, `0`.
    Int(i64),
    /// `0.5`, `1e9`.
    Float(f64),
    /// `250ms`, `1h30m`: in nanoseconds.
    Duration(i64),
    /// `10KiB`, `5MB`: in bytes.
    Bytes(i64),
    /// `true`, `false`.
    Bool(bool),
    /// `2026-01-02T03:04:05Z`, `2026-01-02`: a point in time, UTC nanoseconds.
    Time(i64),
    /// `now`, `now-15m`: nanoseconds relative to the moment of the search (not positive in practice).
    Relative(i64),
}

/// A range on the event's own time. `_time:15m` is `low: Included(now-15m), high: Open`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeRange {
    /// Lower end: a literal whose meaning is `Time` or `Relative`.
    pub low: Bound,
    /// Upper end, likewise.
    pub high: Bound,
}
