//! A condition on the values of a field, ready to be asked of one value after another, be it of an event or of a column.

use super::{
    QueryFailure,
    leaf::{Leaf, Quantity, equal_folded, folded},
};
use crate::event::Timestamp;
use logship_parsers::query::{
    ast::{Bound, FieldTest, Literal, Meaning, Pattern, PatternPart, Test},
    literal::meaning,
    severity::severity,
    short_names::candidates,
};
use regex::Regex;
use std::{
    borrow::Cow,
    cmp::Ordering,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Most memory of one compiled regular expression.
pub(super) const REGEX_BYTES_MAX: usize = 1 << 20;

/// What one value of a field must be. Answers depend on the value alone, so that a dictionary is asked once a term.
#[derive(Clone, Debug)]
pub(super) enum ValueTest {
    /// Any value.
    Exists,
    /// Equal to one of these.
    OneOf {
        /// The values.
        wanted: Vec<Wanted>,
        /// Text must be equal in case too, and severities count as text.
        exact: bool,
    },
    /// The whole text matches.
    Pattern {
        /// Anchored at both ends.
        regex: Regex,
        /// ASCII text with which every match begins, in lower case.
        prefix: String,
    },
    /// Between two values.
    Range {
        /// The lower end.
        low: End,
        /// The upper end.
        high: End,
    },
    /// An address in a network.
    Cidr(Network),
}

/// One end of a range.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// No limit.
    Open,
    /// A limit, and whether it belongs to the range.
    At(Box<Wanted>, bool),
}

/// A literal of the query and everything that it can mean for the field.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// As typed.
    pub(super) text: String,
    /// In lower case.
    pub(super) lower: String,
    /// As a number, also of nanoseconds or bytes.
    pub(super) quantity: Option<Quantity>,
    /// The kind of quantity that text such as `250ms` must have to be compared with it.
    kind: Kind,
    /// The point in time.
    pub(super) time: Option<i64>,
    /// The severity, for the level of an event.
    pub(super) severity: Option<u8>,
    quoted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Number,
    Duration,
    Bytes,
}

impl Wanted {
    fn new(literal: &Literal, field: &str, now: Timestamp) -> Wanted {
        let whole = |number| Some(Quantity { number: Leaf::Int(number), unit: 1 });
        let (kind, quantity) = match literal.meaning {
            Meaning::Int(number) => (Kind::Number, whole(number)),
            Meaning::Float(number) => (Kind::Number, Some(Quantity { number: Leaf::of_float(number), unit: 1 })),
            Meaning::Bytes(number) => (Kind::Bytes, whole(number)),
            Meaning::Duration(nanos) => {
                (Kind::Duration, Some(Quantity { number: Leaf::Int(nanos), unit: unit_of(field) }))
            }
            Meaning::Text | Meaning::Bool(_) | Meaning::Time(_) | Meaning::Relative(_) => (Kind::Number, None),
        };
        let time = match literal.meaning {
            Meaning::Time(nanos) => Some(nanos),
            Meaning::Relative(nanos) => Some(now.as_nanos().saturating_add(nanos)),
            _ => None,
        };
        Wanted {
            lower: literal.text.chars().flat_map(folded).collect(),
            text: literal.text.clone(),
            quantity,
            kind,
            time,
            severity: if is_level(field) { severity(&literal.text) } else { None },
            quoted: literal.quoted,
        }
    }

    /// Whether text can say the same in other words: `0.25s` for `250ms`.
    pub(super) fn has_unit(&self) -> bool {
        self.quantity.is_some() && self.kind != Kind::Number
    }

    fn equals(&self, leaf: Leaf<'_>) -> bool {
        self.same_quantity(leaf)
            || matches!(leaf, Leaf::Time(nanos) if self.time == Some(nanos))
            || equal_folded(&leaf.text(), &self.lower)
            || matches!(leaf, Leaf::Text(text) if self.severity.is_some() && severity(text) == self.severity)
    }

    fn equals_exactly(&self, leaf: Leaf<'_>) -> bool {
        self.same_quantity(leaf) || leaf.text() == self.text
    }

    /// Whether the value is the same number, or text that says the same with a unit.
    fn same_quantity(&self, leaf: Leaf<'_>) -> bool {
        let Some(quantity) = &self.quantity else { return false };
        match leaf {
            Leaf::Text(text) if self.kind != Kind::Number => {
                self.of_text(text).is_some_and(|leaf| quantity.number == leaf)
            }
            Leaf::Int(_) | Leaf::Float(_) => quantity.order_of(leaf) == Some(Ordering::Equal),
            _ => false,
        }
    }

    /// The number that a text says, where it is of the kind that is asked for.
    fn of_text(&self, text: &str) -> Option<Leaf<'static>> {
        match (meaning(text), self.kind) {
            (Meaning::Int(number), Kind::Number)
            | (Meaning::Duration(number), Kind::Duration)
            | (Meaning::Bytes(number), Kind::Bytes) => Some(Leaf::Int(number)),
            (Meaning::Float(number), Kind::Number) => Some(Leaf::of_float(number)),
            _ => None,
        }
    }

    /// How the value relates to this one; none where the two cannot be compared.
    fn order_of(&self, leaf: Leaf<'_>) -> Option<Ordering> {
        if let Some(wanted) = self.severity {
            return match leaf {
                Leaf::Text(text) => severity(text).map(|found| found.cmp(&wanted)),
                _ => None,
            };
        }
        if let Some(quantity) = &self.quantity {
            return match leaf {
                Leaf::Text(text) => Quantity { unit: 1, ..*quantity }.order_of(self.of_text(text)?),
                number => quantity.order_of(number),
            };
        }
        if let Some(wanted) = self.time {
            return match leaf {
                Leaf::Time(nanos) => Some(nanos.cmp(&wanted)),
                Leaf::Text(text) => match meaning(text) {
                    Meaning::Time(nanos) => Some(nanos.cmp(&wanted)),
                    _ => None,
                },
                _ => None,
            };
        }
        match leaf {
            Leaf::Text(text) => Some(text.cmp(&self.text)),
            other if self.quoted => Some((*other.text()).cmp(&self.text)),
            _ => None,
        }
    }
}

impl End {
    fn new(bound: &Bound, field: &str, now: Timestamp) -> End {
        match bound {
            Bound::Open => End::Open,
            Bound::Included(literal) => End::At(Box::new(Wanted::new(literal, field, now)), true),
            Bound::Excluded(literal) => End::At(Box::new(Wanted::new(literal, field, now)), false),
        }
    }

    pub(super) fn admits(&self, leaf: Leaf<'_>, inside: Ordering) -> bool {
        match self {
            End::Open => true,
            End::At(wanted, included) => match wanted.order_of(leaf) {
                Some(Ordering::Equal) => *included,
                Some(order) => order == inside,
                None => false,
            },
        }
    }
}

impl ValueTest {
    /// The test that `test` is for values of this field.
    pub(super) fn new(field: &str, test: &Test, now: Timestamp) -> Result<ValueTest, QueryFailure> {
        let wanted = |literal: &Literal| Wanted::new(literal, field, now);
        Ok(match test {
            Test::Exists => ValueTest::Exists,
            Test::Equals(literal) => ValueTest::OneOf { wanted: vec![wanted(literal)], exact: false },
            Test::Exact(literal) => ValueTest::OneOf { wanted: vec![wanted(literal)], exact: true },
            Test::In(literals) => ValueTest::OneOf { wanted: literals.iter().map(wanted).collect(), exact: true },
            Test::Wildcard(pattern) => ValueTest::Pattern {
                regex: regex(&format!(r"(?is)\A{}\z", expression(pattern)), false)?,
                prefix: ascii_prefix(pattern),
            },
            Test::Regex(asked) => ValueTest::Pattern {
                regex: regex(&format!(r"\A(?:{})\z", asked.pattern), asked.ignore_case)?,
                prefix: String::new(),
            },
            Test::Range { low, high } => {
                ValueTest::Range { low: End::new(low, field, now), high: End::new(high, field, now) }
            }
            Test::Cidr { network, bits } => ValueTest::Cidr(Network::new(*network, *bits)),
        })
    }

    /// Whether a value passes.
    pub(super) fn matches(&self, leaf: Leaf<'_>) -> bool {
        match self {
            ValueTest::Exists => true,
            ValueTest::OneOf { wanted, exact: true } => wanted.iter().any(|wanted| wanted.equals_exactly(leaf)),
            ValueTest::OneOf { wanted, exact: false } => wanted.iter().any(|wanted| wanted.equals(leaf)),
            ValueTest::Pattern { regex, .. } => regex.is_match(&leaf.text()),
            ValueTest::Range { low, high } => low.admits(leaf, Ordering::Greater) && high.admits(leaf, Ordering::Less),
            ValueTest::Cidr(network) => match leaf {
                Leaf::Text(text) => text.parse().is_ok_and(|address| network.contains(address)),
                _ => false,
            },
        }
    }
}

/// The names under which a field of a query stands in events: itself, then what it is short for.
pub(super) fn names(test: &FieldTest) -> impl Iterator<Item = &str> {
    candidates(&test.field.name)
}

/// Whether the values of a field are severities.
pub(super) fn is_level(field: &str) -> bool {
    matches!(field, "level" | "log.level")
}

/// How many nanoseconds a number in this field is: by the end of its name, else one.
fn unit_of(field: &str) -> i64 {
    let ends = |end: &str| field.ends_with(end);
    if ends("_ms") || ends("_millis") || ends("_milliseconds") {
        1_000_000
    } else if ends("_us") || ends("_micros") || ends("_microseconds") {
        1_000
    } else if ends("_s") || ends("_sec") || ends("_secs") || ends("_seconds") {
        1_000_000_000
    } else {
        1
    }
}

/// A wildcard pattern as an expression: to be used with `(?is)`.
pub(super) fn expression(pattern: &Pattern) -> String {
    let piece = |part: &PatternPart| match part {
        PatternPart::Literal(text) => Cow::Owned(regex::escape(text)),
        PatternPart::AnyRun => Cow::Borrowed(".*"),
        PatternPart::AnyOne => Cow::Borrowed("."),
    };
    pattern.0.iter().map(piece).collect()
}

/// What every match of the pattern begins with, in lower case: up to the first character that has other forms than
/// its ASCII upper and lower case (`k` has the Kelvin sign, `s` the long s).
fn ascii_prefix(pattern: &Pattern) -> String {
    let Some(PatternPart::Literal(text)) = pattern.0.first() else { return String::new() };
    let plain = |ch: &char| ch.is_ascii() && !matches!(ch.to_ascii_lowercase(), 'k' | 's');
    text.chars().take_while(plain).map(|ch| ch.to_ascii_lowercase()).collect()
}

/// Compiles an expression within [`REGEX_BYTES_MAX`].
pub(super) fn regex(pattern: &str, ignore_case: bool) -> Result<Regex, QueryFailure> {
    let mut builder = regex::RegexBuilder::new(pattern);
    builder.case_insensitive(ignore_case).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX);
    builder.build().map_err(|why| match why {
        regex::Error::CompiledTooBig(limit) => QueryFailure::Invalid(format!(
            "the regular expression or wildcard takes more than {limit} bytes; use fewer or smaller repetitions"
        )),
        other => QueryFailure::Invalid(format!("the regular expression is not valid: {other}")),
    })
}

/// A network: an address in it has the same first bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn new(address: IpAddr, bits: u8) -> Network {
        Network { address, bits }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let v4 = |address: Ipv4Addr| u128::from(address.to_bits()) << 96;
        let (mine, other) = match (self.address, address) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => (v4(mine), v4(other)),
            (IpAddr::V4(mine), IpAddr::V6(other)) => match other.to_ipv4_mapped() {
                Some(other) => (v4(mine), v4(other)),
                None => return false,
            },
            (IpAddr::V6(mine), IpAddr::V6(other)) => (mine.to_bits(), Ipv6Addr::to_bits(other)),
            (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        (mine ^ other).leading_zeros() >= u32::from(self.bits)
    }
}
