//! Blocks of lines that are one record and no trace: pretty-printed JSON, MySQL's logs, Rails requests, XML, MinIO's
//! errors, banners, entries of the journal.

use super::lead;
use crate::line::journald;
use memchr::memmem;

/// The tags in front of a Rails request are shorter, and so is the name of an XML element.
const TAGS_BYTES_MAX: usize = 80;

/// Where in a block the last line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Inside an object or a list of JSON.
    Json,
    /// Below `# Time:` of MySQL's slow log.
    SlowTime,
    /// Among the headers.
    SlowHead,
    /// In the statement.
    SlowStatement,
    /// A Rails request.
    Rails,
    /// Below `Completed`: the error may follow.
    RailsEnd,
    /// In the error of a Rails request.
    RailsError,
    /// Inside an element of XML.
    Xml,
    /// In a statement of MySQL's general log.
    Statement,
    /// Below the first line that MySQL writes into a log of statements.
    Started,
    /// Below `API: ` of an error of MinIO.
    Api,
    /// Among its fields.
    ApiFields,
    /// Below its last field: its frames.
    ApiFrames,
    /// A picture of signs.
    Art,
    /// Below a line of one sign: an indented title.
    Rule,
    /// Below the title: the same line of one sign.
    Title,
    /// What a logger's line announces and a box begins, up to the next record that says that it is one.
    Report,
    /// In an entry of the journal's export.
    Journal,
    /// Nothing continues it.
    Done,
}

/// The block of a line that begins with `{`, if its last byte shows that the object goes on.
pub(super) fn object(last: u8) -> Option<Block> {
    matches!(last, b'{' | b'[' | b',').then_some(Block::Json)
}

impl Block {
    /// The block that begins with this line.
    pub(super) fn starts(line: &[u8]) -> Option<Block> {
        match line {
            b"[" => Some(Block::Json),
            [b'_', b'_', b'C', ..] if journald::begins(line) => Some(Block::Journal),
            [b'#', b' ', b'T' | b'U', ..] => slow_lead(line),
            [b'S' | b'[', ..] if rails_tags(line).is_some() => Some(Block::Rails),
            [b'A', ..] if line.starts_with(b"API: ") => Some(Block::Api),
            [b'a'..=b'z' | b'/' | b'A'..=b'Z', ..] => is_started(line).then_some(Block::Started),
            [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'?', ..] => opens_xml(line).then_some(Block::Xml),
            _ if is_rule(line) => Some(Block::Rule),
            _ => is_art(line).then_some(Block::Art),
        }
    }

    /// After a blank line, if that belongs to the block.
    pub(super) fn blank(self) -> Option<Block> {
        match self {
            Block::SlowStatement | Block::Rails | Block::RailsEnd | Block::RailsError | Block::Xml => Some(self),
            Block::Statement | Block::Art | Block::Report => Some(self),
            Block::Json | Block::SlowTime | Block::SlowHead | Block::Started | Block::Done => None,
            Block::Api | Block::ApiFields | Block::ApiFrames | Block::Rule | Block::Title | Block::Journal => None,
        }
    }

    /// After an indented line, if that belongs to the block.
    pub(super) fn indented(self, line: &[u8]) -> Option<Block> {
        match self {
            // Below the picture may stand what it is of.
            Block::Art => Some(if is_art(line) { Block::Art } else { Block::Done }),
            Block::Rule => Some(Block::Title),
            Block::Done | Block::Title | Block::Started | Block::Api | Block::Journal => None,
            block => Some(block),
        }
    }

    /// After a line that is not indented, if that belongs to the block that began with `head`.
    pub(super) fn next(self, line: &[u8], head: &[u8]) -> Option<Block> {
        match self {
            Block::Json => matches!(line, [b'}' | b']', ..]).then_some(match line {
                [.., b',' | b'{' | b'['] => Block::Json,
                _ => Block::Done,
            }),
            Block::SlowTime | Block::SlowHead | Block::SlowStatement => self.slow(line),
            Block::Rails | Block::RailsEnd | Block::RailsError => self.rails(line, head),
            Block::Xml => closes_xml(line, head),
            Block::Statement => (!is_started(line)).then_some(Block::Statement),
            Block::Started if line.starts_with(b"Time ") || line.starts_with(b"Time\t") => Some(Block::Done),
            Block::Started => line[..line.len().min(10)].eq_ignore_ascii_case(b"Tcp port: ").then_some(Block::Started),
            Block::Api => matches!(line, [b'T', b'i', b'm', b'e', b':', b' ', b'0'..=b'9', b'0'..=b'9', b':', ..])
                .then_some(Block::ApiFields),
            Block::ApiFields if line.starts_with(b"Error: ") => Some(Block::ApiFrames),
            Block::ApiFields => (is_member(line) && !line.starts_with(b"API: ")).then_some(Block::ApiFields),
            Block::Art => is_art(line).then_some(Block::Art),
            Block::Title => {
                (is_rule(line) && head.starts_with(&line[..line.len().min(head.len())])).then_some(Block::Done)
            }
            Block::Report => Some(Block::Report),
            Block::Journal => (journald::is_field(line) && !journald::begins(line)).then_some(Block::Journal),
            Block::Rule | Block::ApiFrames | Block::Done => None,
        }
    }

    fn slow(self, line: &[u8]) -> Option<Block> {
        match (slow_lead(line), self) {
            (Some(Block::SlowHead), Block::SlowTime) => return Some(Block::SlowHead),
            (Some(_), _) => return None,
            _ => {}
        }
        let ends = line.trim_ascii_end().ends_with(b";");
        if line.starts_with(b"# administrator command") {
            return Some(Block::Done);
        }
        match self {
            Block::SlowStatement => Some(if ends { Block::Done } else { self }),
            _ if line == b"#" || line.starts_with(b"# ") || (line.starts_with(b"use ") && ends) => {
                Some(Block::SlowHead)
            }
            _ if line.starts_with(b"SET timestamp=") => Some(Block::SlowStatement),
            _ => None,
        }
    }

    fn rails(self, line: &[u8], head: &[u8]) -> Option<Block> {
        let tags = rails_tags(head)?;
        let rest = line.strip_prefix(tags)?;
        if rest.trim_ascii().is_empty() {
            return Some(self);
        }
        let begins = |leads: &[&[u8]]| leads.iter().any(|lead| rest.starts_with(lead));
        match self {
            Block::Rails if begins(&[b"Completed "]) => Some(Block::RailsEnd),
            Block::Rails => {
                let leads: [&[u8]; 10] = [
                    b" ",
                    b"Processing by ",
                    b"Redirected to ",
                    b"Rendering ",
                    b"Rendered ",
                    b"Filter chain halted",
                    b"Sent ",
                    b"Unpermitted parameter",
                    b"Can't verify CSRF",
                    b"Cannot render console",
                ];
                begins(&leads).then_some(Block::Rails)
            }
            Block::RailsEnd => is_rails_error(rest).then_some(Block::RailsError),
            _ => (begins(&[b" ", b"Causes:", b"Caused by"]) || super::trace::is_ruby_frame(rest)).then_some(self),
        }
    }
}

/// Whether a line of MySQL's general log begins a statement, which may have several lines: behind two tabs, or behind a
/// time, whose lengths are known.
pub(super) fn is_statement(line: &[u8]) -> bool {
    let place = [2, 16, 28, 33].into_iter().find(|place| line.get(place - 1) == Some(&b'\t'));
    let command = place.and_then(|place| lead::query_command(&line[place..]));
    matches!(command, Some(b"Query" | b"Prepare" | b"Execute"))
}

/// `/usr/sbin/mariadbd, Version: 10.11.19-MariaDB-log (Debian 12). started with:`.
fn is_started(line: &[u8]) -> bool {
    line.ends_with(b" started with:") && memmem::find(line, b", Version: ").is_some()
}

/// `DeploymentID: text`.
fn is_member(line: &[u8]) -> bool {
    let end = line.iter().take(TAGS_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
    end > 0 && line[end..].starts_with(b": ")
}

/// A list or a dictionary as Python shows it: whoever announces one prints it.
pub(super) fn is_listed(line: &[u8]) -> bool {
    matches!(line, [b'{' | b'[', b'\'', ..] | b"[]")
}

/// At least so many signs are a picture, or a line that is drawn.
const SIGNS_MIN: usize = 10;

/// Whether a line is drawn above and below a title. Tables are drawn with others.
pub(super) fn is_rule(line: &[u8]) -> bool {
    let [first @ (b'=' | b'*' | b'#' | b'~'), ..] = line else { return false };
    line.len() >= SIGNS_MIN && line.iter().all(|b| b == first)
}

/// Whether a line is a part of a picture: slashes and bars, and no word.
fn is_art(line: &[u8]) -> bool {
    let signs = line.iter().filter(|b| **b != b' ').take_while(|b| b.is_ascii_punctuation()).count();
    let all = || line.iter().all(|b| *b == b' ' || b.is_ascii_punctuation());
    signs >= SIGNS_MIN && all() && line.iter().any(|b| matches!(b, b'/' | b'\\' | b'_' | b'|'))
}

/// The headers of MySQL's slow log that begin an entry.
fn slow_lead(line: &[u8]) -> Option<Block> {
    if line.starts_with(b"# Time: ") {
        return Some(Block::SlowTime);
    }
    line.starts_with(b"# User@Host: ").then_some(Block::SlowHead)
}

/// What stands before `Started GET "/"`: nothing, or tags like `[uuid] `.
fn rails_tags(line: &[u8]) -> Option<&[u8]> {
    let look = &line[..line.len().min(TAGS_BYTES_MAX)];
    let at = if look.starts_with(b"[") { memmem::find(look, b"] Started ")? + 2 } else { 0 };
    let method = line[at..].strip_prefix(b"Started ")?;
    let end = method.iter().take(8).take_while(|b| b.is_ascii_uppercase()).count();
    (end > 2 && method[end..].starts_with(b" \"")).then(|| &line[..at])
}

/// `ActiveRecord::RecordNotFound (Couldn't find Cart with 'id'=7):`.
fn is_rails_error(line: &[u8]) -> bool {
    let end = line.iter().take(TAGS_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric() || **b == b':').count();
    line.first().is_some_and(u8::is_ascii_uppercase) && line[end..].starts_with(b" (")
}

/// The name of the element that a line opens.
fn xml_name(line: &[u8]) -> &[u8] {
    let bare = line.strip_prefix(b"<").unwrap_or(line);
    let end = bare.iter().take(TAGS_BYTES_MAX).take_while(|b| !matches!(b, b' ' | b'>' | b'/' | b'\t')).count();
    &bare[..end]
}

/// Whether an element is opened and not closed on the line.
fn opens_xml(line: &[u8]) -> bool {
    let name = xml_name(line);
    if name == b"?xml" {
        return true;
    }
    let closed = memmem::rfind(line, b"</").is_some_and(|at| line[at + 2..].starts_with(name));
    let is_name = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.'));
    is_name && !closed && line.ends_with(b">") && !line.ends_with(b"/>")
}

fn closes_xml(line: &[u8], head: &[u8]) -> Option<Block> {
    let name = xml_name(head);
    match line {
        [b'<', b'/', closed @ ..] => {
            let done = name == b"?xml" || closed.strip_prefix(name).is_some_and(|rest| rest.starts_with(b">"));
            Some(if done { Block::Done } else { Block::Xml })
        }
        [b'<', ..] if xml_name(line) != name => Some(Block::Xml),
        _ => None,
    }
}
