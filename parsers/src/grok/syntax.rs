//! From the text of a pattern to its tree: Ruby's regular expressions with references to other patterns in them.
//!
//! A reference is `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}` or `%{NAME:field=definition}`; other text before its closing
//! brace says nothing. It stands for a group around the definition, so flags such as `(?i)` reach into it.

use super::class::{Escape, Source, bracketed, escape, fold_case, one};
use super::error::{GrokError, GrokErrorCode::*};
use super::library::Library;
use super::node::{Assertion, Greed, Node, any};
use super::recognise::Recogniser;
use super::reference::{Reference, field_of, reference};
use super::{Field, Kind};
use regex_syntax::hir::ClassUnicode;
use std::collections::HashMap;
use std::ops::Range;

/// Definitions that refer to each other in a chain.
pub const REFERENCES_DEPTH_MAX: usize = 64;
/// Groups inside each other, those of definitions included.
pub const GROUPS_DEPTH_MAX: usize = 160;
/// Characters, classes and groups of a pattern with its definitions written out.
pub const PIECES_MAX: usize = 200_000;
/// Groups of one pattern that capture.
pub const CAPTURES_MAX: usize = 1_000;
/// The most that a `{n,m}` may ask for.
pub const REPEAT_MAX: u32 = 100_000;

/// A group that captures.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The field it fills; none where it is there for `\1` alone.
    pub field: Option<usize>,
    name: String,
}

#[derive(Clone, Copy, Debug)]
struct Flags {
    fold: bool,
    dot_all: bool,
    extended: bool,
    unicode: bool,
}

/// The trees of a pattern's parts with their places, and what the pattern captures.
pub(super) type Parts = (Vec<(Range<usize>, Node)>, Vec<Group>, Vec<Field>);

/// A pattern as read.
pub(super) struct Parsed {
    pub node: Node,
    pub groups: Vec<Group>,
    pub fields: Vec<Field>,
}

pub(super) struct Parser<'l> {
    library: &'l Library,
    named_only: bool,
    inline: HashMap<String, String>,
    groups: Vec<Group>,
    fields: Vec<Field>,
    open: Vec<String>,
    /// Definitions used that are not the library's own.
    foreign: usize,
    pieces: usize,
    depth: usize,
    /// Plain groups capture, because something refers to them by number.
    numbered: bool,
    plain: Vec<usize>,
}

impl<'l> Parser<'l> {
    pub(super) fn new(library: &'l Library, named_only: bool) -> Parser<'l> {
        Parser {
            library,
            named_only,
            inline: HashMap::new(),
            groups: Vec::new(),
            fields: Vec::new(),
            open: Vec::new(),
            foreign: 0,
            pieces: 0,
            depth: 0,
            numbered: false,
            plain: Vec::new(),
        }
    }

    pub(super) fn parse(mut self, text: &str) -> Result<Parsed, GrokError> {
        self.numbered = refers_by_number(text);
        let mut source = Source::new(text);
        let node = self.alternation(&mut source, DEFAULT)?;
        at_end(&source)?;
        Ok(Parsed { node, groups: self.groups, fields: self.fields })
    }

    /// The tree of each part of a pattern that is one sequence, with its place; of others one part.
    pub(super) fn parts(mut self, text: &str) -> Result<Parts, GrokError> {
        self.numbered = refers_by_number(text);
        let mut source = Source::new(text);
        let mut parts = self.sequence(&mut source, DEFAULT)?;
        if source.eat("|") {
            let mut branches = vec![Node::concat(parts.into_iter().map(|(_, node)| node).collect())];
            branches.push(self.alternation(&mut source, DEFAULT)?);
            parts = vec![(0..text.len(), Node::Alternate(branches))];
        }
        at_end(&source)?;
        Ok((parts, self.groups, self.fields))
    }

    fn alternation(&mut self, source: &mut Source<'_>, flags: Flags) -> Result<Node, GrokError> {
        let mut branches = Vec::new();
        loop {
            let parts = self.sequence(source, flags)?;
            branches.push(Node::concat(parts.into_iter().map(|(_, node)| node).collect()));
            if !source.eat("|") {
                break;
            }
        }
        Ok(match branches.len() {
            1 => branches.pop().unwrap_or(Node::Empty),
            _ => Node::Alternate(branches),
        })
    }

    fn sequence(&mut self, source: &mut Source<'_>, flags: Flags) -> Result<Vec<(Range<usize>, Node)>, GrokError> {
        let mut parts = Vec::new();
        while let Some(c) = source.peek() {
            if matches!(c, '|' | ')') {
                break;
            }
            if flags.extended && (c.is_ascii_whitespace() || c == '#') {
                let comment = c == '#';
                source.take_while(|c| if comment { c != '\n' } else { c.is_ascii_whitespace() });
                continue;
            }
            let from = source.at;
            self.pieces += 1;
            if self.pieces > PIECES_MAX {
                let message = format!("the pattern has more than {PIECES_MAX} pieces when written out");
                return Err(GrokError::new(TooLarge, from..source.at, message));
            }
            if let Some(flags) = lone_flags(source, flags)? {
                // They reach to the end of the group, over the bars in it.
                let rest = self.alternation(source, flags)?;
                parts.push((from..source.at, rest));
                break;
            }
            let node = self.term(source, flags)?;
            let node = quantified(source, from, node)?;
            parts.push((from..source.at, node));
        }
        Ok(parts)
    }

    fn term(&mut self, source: &mut Source<'_>, flags: Flags) -> Result<Node, GrokError> {
        let from = source.at;
        let Some(c) = source.next() else { return Ok(Node::Empty) };
        Ok(match c {
            '%' if source.peek() == Some('{') => match reference(source) {
                Some(reference) => self.expand(&reference, from..source.at, flags)?,
                None => Node::Literal(b"%".to_vec()),
            },
            '(' => self.group(source, from, flags)?,
            '[' => Node::Class(bracketed(source, flags.fold, flags.unicode, 0)?),
            '.' if flags.dot_all => Node::Class(any()),
            '.' => {
                let mut class = one('\n');
                class.negate();
                Node::Class(class)
            }
            '^' => Node::Assert(Assertion::LineStart),
            '$' => Node::Assert(Assertion::LineEnd),
            '*' | '+' | '?' => return Err(source.error(from, format!("a {c} with nothing before it to repeat"))),
            '\\' => match escape(source, from, false, flags.unicode)? {
                Escape::Char(c) => literal(c, flags.fold),
                Escape::Class(class) => Node::Class(class),
                Escape::Assert(assertion) => Node::Assert(assertion),
                Escape::LineBreak => line_break(),
                Escape::Number(number) => match self.plain.get(number.wrapping_sub(1)) {
                    Some(group) => Node::Same { group: *group, fold: flags.fold },
                    None => {
                        return Err(source.error(from, format!("\\{number} without a group of that number before it")));
                    }
                },
                Escape::Name(name) => match self.groups.iter().rposition(|group| group.name == name) {
                    Some(group) => Node::Same { group, fold: flags.fold },
                    None => {
                        return Err(source.error(from, format!("\\k<{name}> without a group of that name before it")));
                    }
                },
            },
            c => literal(c, flags.fold),
        })
    }

    /// What follows `(`.
    fn group(&mut self, source: &mut Source<'_>, from: usize, flags: Flags) -> Result<Node, GrokError> {
        if !source.eat("?") {
            if !self.numbered {
                return self.inner(source, from, flags);
            }
            let group = self.open_group(None, String::new(), from..source.at)?;
            self.plain.push(group);
            return Ok(Node::Capture { group, body: Box::new(self.inner(source, from, flags)?) });
        }
        if source.eat("#") {
            source.take_while(|c| c != ')');
            return if source.eat(")") { Ok(Node::Empty) } else { Err(source.error(from, "a (?# without its )")) };
        }
        for (start, behind, negate) in
            [("=", false, false), ("!", false, true), ("<=", true, false), ("<!", true, true)]
        {
            if source.eat(start) {
                let body = Box::new(self.inner(source, from, flags)?);
                return Ok(Node::Look { behind, negate, body });
            }
        }
        if source.eat(">") {
            return Ok(Node::Atomic(Box::new(self.inner(source, from, flags)?)));
        }
        if source.eat("<") || source.eat("P<") {
            return self.named(source, from, flags, '>');
        }
        if source.eat("'") {
            return self.named(source, from, flags, '\'');
        }
        let flags = some_flags(source, from, flags)?;
        if source.eat(":") {
            return self.inner(source, from, flags);
        }
        source.next();
        Err(source.unsupported(from, "this kind of group"))
    }

    /// What follows `(?<`.
    fn named(&mut self, source: &mut Source<'_>, from: usize, flags: Flags, end: char) -> Result<Node, GrokError> {
        let name = source.take_while(|c| c != end && c != ')');
        if !source.eat(end.encode_utf8(&mut [0; 4])) || name.is_empty() {
            return Err(source.error(from, "a group without a name between < and >"));
        }
        let (field, kind) = field_of(name);
        let field = self.field(if field.is_empty() { name } else { field }, kind);
        let group = self.open_group(Some(field), name.to_owned(), from..source.at)?;
        Ok(Node::Capture { group, body: Box::new(self.inner(source, from, flags)?) })
    }

    /// What is in a group, and its end.
    fn inner(&mut self, source: &mut Source<'_>, from: usize, flags: Flags) -> Result<Node, GrokError> {
        self.depth += 1;
        if self.depth > GROUPS_DEPTH_MAX {
            let message = format!("more than {GROUPS_DEPTH_MAX} groups inside each other");
            return Err(GrokError::new(TooLarge, from..source.at, message));
        }
        let node = self.alternation(source, flags)?;
        self.depth -= 1;
        if !source.eat(")") {
            return Err(GrokError::new(Syntax, from..from + 1, "a ( without its )"));
        }
        Ok(node)
    }

    fn open_group(&mut self, field: Option<usize>, name: String, span: Range<usize>) -> Result<usize, GrokError> {
        if self.groups.len() >= CAPTURES_MAX {
            return Err(GrokError::new(TooLarge, span, format!("more than {CAPTURES_MAX} captures")));
        }
        self.groups.push(Group { field, name });
        Ok(self.groups.len() - 1)
    }

    /// The number of a field: fields of one name and type are one.
    fn field(&mut self, name: &str, kind: Kind) -> usize {
        let found = self.fields.iter().position(|field| field.kind == kind && *field.name == *name);
        found.unwrap_or_else(|| {
            self.fields.push(Field { name: name.into(), kind });
            self.fields.len() - 1
        })
    }

    fn expand(&mut self, reference: &Reference<'_>, span: Range<usize>, flags: Flags) -> Result<Node, GrokError> {
        let name = reference.name;
        if let Some(definition) = reference.definition {
            self.inline.insert(name.to_owned(), definition.to_owned());
        }
        let library = self.library;
        let inline;
        let (definition, own) = match self.inline.get(name) {
            Some(definition) => {
                inline = definition.clone();
                (inline.as_str(), false)
            }
            None => match library.get(name) {
                Some(found) => found,
                None => {
                    let mut error = GrokError::new(UnknownPattern, span, format!("no pattern is named {name}"));
                    error.suggestions = library.similar(name);
                    return Err(error);
                }
            },
        };
        if self.open.iter().any(|open| open == name) {
            let chain = self.open.iter().skip_while(|open| *open != name);
            let chain: Vec<&str> = chain.map(String::as_str).chain([name]).collect();
            return Err(GrokError::new(Recursion, span, format!("a pattern refers to itself: {}", chain.join(" > "))));
        }
        if self.open.len() >= REFERENCES_DEPTH_MAX || self.depth >= GROUPS_DEPTH_MAX {
            let message = format!("more than {REFERENCES_DEPTH_MAX} patterns refer to each other in a chain");
            return Err(GrokError::new(Recursion, span, message));
        }
        let field = match reference.field {
            Some((field, kind)) => Some(self.field(field, kind)),
            None if self.named_only => None,
            None => Some(self.field(name, Kind::Text)),
        };
        let group = match field {
            Some(field) => Some(self.open_group(Some(field), reference.label.to_owned(), span.clone())?),
            None => None,
        };
        self.foreign += usize::from(!own);
        let foreign = self.foreign;
        self.open.push(name.to_owned());
        self.depth += 1;
        let mut source = Source::new(definition);
        let body = self
            .alternation(&mut source, flags)
            .and_then(|node| at_end(&source).map(|()| node))
            .map_err(|error| error.inside(name, span))?;
        self.depth -= 1;
        self.open.pop();
        let known = own && self.foreign == foreign && !flags.fold && flags.dot_all && !flags.extended && !flags.unicode;
        let body = match Recogniser::of(name).filter(|_| known && !body.has_captures()) {
            Some(recogniser) => Node::Piece { recogniser, body: Box::new(body) },
            None => body,
        };
        Ok(match group {
            Some(group) => Node::Capture { group, body: Box::new(body) },
            None => body,
        })
    }
}

const DEFAULT: Flags = Flags { fold: false, dot_all: true, extended: false, unicode: false };

fn at_end(source: &Source<'_>) -> Result<(), GrokError> {
    if source.rest().is_empty() {
        return Ok(());
    }
    Err(GrokError::new(Syntax, source.at..source.at + 1, "a ) without its ("))
}

/// `\1` anywhere: plain groups must then be kept.
fn refers_by_number(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && matches!(pair[1], b'1'..=b'9'))
        || text.match_indices("\\k<").any(|(at, _)| text[at + 3..].starts_with(|c: char| c.is_ascii_digit()))
}

fn literal(c: char, fold: bool) -> Node {
    if fold {
        let mut class: ClassUnicode = one(c);
        fold_case(&mut class);
        if class.ranges().len() > 1 {
            return Node::Class(class);
        }
    }
    Node::Literal(c.encode_utf8(&mut [0; 4]).as_bytes().to_vec())
}

/// `\R`: both characters of a line end stay together.
fn line_break() -> Node {
    let single = ['\n', '\x0b', '\x0c', '\r', '\u{85}', '\u{2028}', '\u{2029}'].map(one);
    let mut class = ClassUnicode::empty();
    single.iter().for_each(|one| class.union(one));
    Node::Atomic(Box::new(Node::Alternate(vec![Node::Literal(b"\r\n".to_vec()), Node::Class(class)])))
}

/// `(?i)` with nothing but flags.
fn lone_flags(source: &mut Source<'_>, flags: Flags) -> Result<Option<Flags>, GrokError> {
    let mut ahead = *source;
    let from = ahead.at;
    if !ahead.eat("(?") || !ahead.peek().is_some_and(|c| matches!(c, 'a'..='z' | '-')) {
        return Ok(None);
    }
    let flags = some_flags(&mut ahead, from, flags)?;
    if !ahead.eat(")") {
        return Ok(None);
    }
    *source = ahead;
    Ok(Some(flags))
}

fn some_flags(source: &mut Source<'_>, from: usize, mut flags: Flags) -> Result<Flags, GrokError> {
    let mut on = true;
    while let Some(c) = source.peek() {
        match c {
            '-' => on = false,
            'i' => flags.fold = on,
            'm' => flags.dot_all = on,
            'x' => flags.extended = on,
            'u' => flags.unicode = on,
            'a' | 'd' => flags.unicode = false,
            ':' | ')' => break,
            'P' | '(' | '~' | '&' | '@' | '|' => break,
            _ => {
                source.next();
                return Err(source.error(from, format!("the flag {c} is unknown: there are i, m, x and u")));
            }
        }
        source.next();
    }
    Ok(flags)
}

/// A term with the repetitions that follow it.
fn quantified(source: &mut Source<'_>, from: usize, mut node: Node) -> Result<Node, GrokError> {
    for _ in 0..GROUPS_DEPTH_MAX {
        let start = source.at;
        let (min, max, braces) = match source.peek() {
            Some('*') => (0, None, false),
            Some('+') => (1, None, false),
            Some('?') => (0, Some(1), false),
            Some('{') => match counts(source) {
                Some((min, max)) => (min, max, true),
                None => return Ok(node),
            },
            _ => return Ok(node),
        };
        if !braces {
            source.next();
        }
        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX) {
            let message = format!("a repetition of more than {REPEAT_MAX}");
            return Err(GrokError::new(TooLarge, start..source.at, message));
        }
        if max.is_some_and(|max| max < min) {
            return Err(source.error(start, "a repetition whose most is less than its least"));
        }
        // `a{2}?` is an optional `a{2}`, and `a{2}+` repeats it: only `* + ?` take the marks.
        let exact = braces && max == Some(min);
        let greed = if !exact && source.eat("?") {
            Greed::Lazy
        } else if !braces && source.eat("+") {
            Greed::Possessive
        } else {
            Greed::Greedy
        };
        node = Node::Repeat { body: Box::new(node), min, max, greed };
    }
    Err(GrokError::new(TooLarge, from..source.at, "too many repetitions of repetitions"))
}

/// `{2}`, `{2,}`, `{,3}`, `{2,3}`; anything else in braces is text.
fn counts(source: &mut Source<'_>) -> Option<(u32, Option<u32>)> {
    let rest = source.rest().strip_prefix('{')?;
    let inner = &rest[..rest.find('}')?];
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u32::MAX))
    };
    let counts = match inner.split_once(',') {
        None => {
            let count = number(inner)?;
            (count, Some(count))
        }
        Some(("", max)) => (0, Some(number(max)?)),
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    source.at += inner.len() + 2;
    Some(counts)
}
