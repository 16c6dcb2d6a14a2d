//! One pattern of file names, as a shell reads it: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, `\` before a character that is meant
//! as such, and `**` for any number of folders.
//!
//! A wildcard never matches `/`, and a dot at the beginning of a name only where it is written: what `ls PATTERN` shows is
//! what is read. Excludes are the exception, there wildcards match hidden names too. Relative patterns begin at the
//! working directory; `.` and `..` are resolved in the text, so `..` must not follow a wildcard.

use std::fmt;

/// Longest pattern.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Most patterns that the braces of one may stand for.
pub const ALTERNATIVES_MAX: usize = 256;

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    /// Characters before the wrong one.
    at: usize,
    problem: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "file pattern: {}\n  {}\n  {:at$}^", self.problem, self.pattern, "", at = self.at)
    }
}

impl std::error::Error for PatternError {}

/// A character of a pattern and its place in what the user wrote.
type Char = (usize, char);

/// A pattern without braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the slashes; never empty parts, never two `Part::Folders` in a row.
    pub parts: Vec<Part>,
    /// It ends with a slash: it means folders, and what is in them.
    pub folder: bool,
}

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Exactly this name.
    Literal(String),
    /// A name with wildcards.
    Wild(Wild),
    /// `**`: no folder, one, or several below each other.
    Folders,
}

/// A name with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wild(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// The patterns that `text` stands for, one for each choice of its braces. `folder` is where relative ones begin.
    ///
    /// # Errors
    /// It cannot be understood; the message shows where.
    pub fn parse(text: &str, folder: &str) -> Result<Vec<Pattern>, PatternError> {
        let wrong = |at, problem: &str| PatternError { pattern: text.to_owned(), at, problem: problem.to_owned() };
        if text.is_empty() {
            return Err(wrong(0, "it is empty"));
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(wrong(0, &format!("longer than {PATTERN_BYTES_MAX} bytes")));
        }
        if text.starts_with("~/") || text == "~" {
            return Err(wrong(0, "`~` is known to shells only: write the path of the home folder"));
        }
        let chars = text.chars().enumerate().collect();
        let choices = expand(chars).map_err(|(at, problem)| wrong(at, &problem))?;
        choices.iter().map(|chars| one(chars, folder).map_err(|(at, problem)| wrong(at, problem))).collect()
    }

    /// Patterns to exclude by: one without a slash means the name of a file or folder anywhere.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse_exclude(text: &str, folder: &str) -> Result<Vec<Pattern>, PatternError> {
        let mut patterns = Pattern::parse(text, if text.contains('/') { folder } else { "" })?;
        if !text.contains('/') {
            patterns.iter_mut().for_each(|pattern| pattern.parts.insert(0, Part::Folders));
        }
        Ok(patterns)
    }

    /// Whether there is no wildcard in it.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether an absolute path matches as a whole; wildcards match hidden names too.
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        let (mut part, mut rest) = (0, path.trim_start_matches('/'));
        // Where to go on when the last `**` takes one more folder.
        let mut again: Option<(usize, &str)> = None;
        loop {
            if rest.is_empty() && part == self.parts.len() {
                return true;
            }
            if self.parts.get(part) == Some(&Part::Folders) {
                again = Some((part + 1, rest));
                part += 1;
                continue;
            }
            let (name, behind) = rest.split_once('/').unwrap_or((rest, ""));
            if !rest.is_empty() && self.parts.get(part).is_some_and(|part| part.fits(name, true)) {
                (part, rest) = (part + 1, behind);
                continue;
            }
            match again {
                Some((from, taken)) if !taken.is_empty() => {
                    let behind = taken.split_once('/').map_or("", |(_, behind)| behind);
                    again = Some((from, behind));
                    (part, rest) = (from, behind);
                }
                _ => return false,
            }
        }
    }
}

/// Names of files without their folders, by one pattern.
///
/// ```
/// use logship::config::paths::Names;
/// let names = Names::parse("*.{conf,cfg}")?;
/// assert!(names.fit("10-input.conf") && !names.fit("10-input.conf~") && !names.fit(".conf"));
/// # Ok::<(), logship::config::paths::PatternError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Names(Vec<Part>);

impl Names {
    /// Reads a pattern.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse(text: &str) -> Result<Names, PatternError> {
        let patterns = Pattern::parse(text, "")?;
        Ok(Names(patterns.into_iter().filter_map(|mut pattern| pattern.parts.pop()).collect()))
    }

    /// Whether they have this one.
    #[must_use]
    pub fn fit(&self, name: &str) -> bool {
        self.0.iter().any(|part| part.fits(name, false))
    }
}

impl Part {
    /// Whether a name matches; `hidden` names match wildcards only if asked for.
    #[must_use]
    pub fn fits(&self, name: &str, hidden: bool) -> bool {
        match self {
            Part::Literal(text) => text == name,
            Part::Wild(wild) => (hidden || !name.starts_with('.') || wild.begins_with_dot()) && wild.fits(name),
            Part::Folders => hidden || !name.starts_with('.'),
        }
    }

    /// Whether it says anything about names, as `*` and `**` do not.
    #[must_use]
    pub fn is_specific(&self) -> bool {
        match self {
            Part::Literal(_) => true,
            Part::Wild(wild) => wild.0.iter().any(|token| !matches!(token, Token::Many | Token::One)),
            Part::Folders => false,
        }
    }
}

impl Wild {
    fn begins_with_dot(&self) -> bool {
        self.0.first() == Some(&Token::Char('.'))
    }

    /// Takes time proportional to name times pattern at worst: only the last `*` is ever reconsidered.
    fn fits(&self, name: &str) -> bool {
        let (mut token, mut rest) = (0, name);
        let mut again: Option<(usize, &str)> = None;
        loop {
            if self.0.get(token) == Some(&Token::Many) {
                again = Some((token + 1, rest));
                token += 1;
                continue;
            }
            let mut chars = rest.chars();
            match (self.0.get(token), chars.next()) {
                (None, None) => return true,
                (Some(wanted), Some(c)) if wanted.fits(c) => {
                    (token, rest) = (token + 1, chars.as_str());
                    continue;
                }
                _ => {}
            }
            let Some((from, taken)) = again else { return false };
            let mut chars = taken.chars();
            if chars.next().is_none() {
                return false;
            }
            again = Some((from, chars.as_str()));
            (token, rest) = (from, chars.as_str());
        }
    }
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Token::Char(wanted) => *wanted == c,
            Token::One | Token::Many => true,
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// Each choice of braces.
fn expand(chars: Vec<Char>) -> Result<Vec<Vec<Char>>, (usize, String)> {
    let (mut open, mut done) = (vec![chars], Vec::new());
    while let Some(chars) = open.pop() {
        let Some((start, end, choices)) = first_braces(&chars)? else {
            done.push(chars);
            continue;
        };
        for (from, to) in choices.iter().rev() {
            open.push([&chars[..start], &chars[*from..*to], &chars[end..]].concat());
        }
        if open.len() + done.len() > ALTERNATIVES_MAX {
            return Err((chars[start].0, format!("braces stand for more than {ALTERNATIVES_MAX} patterns")));
        }
    }
    Ok(done)
}

/// Start and end of a group in braces and the range of each of its choices.
type Braces = (usize, usize, Vec<(usize, usize)>);

fn first_braces(chars: &[Char]) -> Result<Option<Braces>, (usize, String)> {
    let (mut at, mut depth, mut start, mut from) = (0, 0_usize, 0, 0);
    let mut choices = Vec::new();
    while let Some((place, c)) = chars.get(at) {
        match c {
            '\\' => at += 1,
            '[' => at = class_end(chars, at).ok_or_else(|| (*place, UNCLOSED_CLASS.to_owned()))?,
            '{' => {
                if depth == 0 {
                    (start, from) = (at, at + 1);
                }
                depth += 1;
            }
            ',' if depth == 1 => {
                choices.push((from, at));
                from = at + 1;
            }
            '}' if depth == 1 => {
                choices.push((from, at));
                return Ok(Some((start, at + 1, choices)));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    if depth > 0 {
        return Err((chars[start].0, "`{` is not closed: write `\\{` for the character itself".to_owned()));
    }
    Ok(None)
}

const UNCLOSED_CLASS: &str = "`[` is not closed: write `\\[` for the character itself";

/// The index of the `]` that closes the class opened at `at`.
fn class_end(chars: &[Char], at: usize) -> Option<usize> {
    let mut end = at + 1;
    if matches!(chars.get(end), Some((_, '!' | '^'))) {
        end += 1;
    }
    // A `]` that comes first is one of the characters.
    let first = end;
    loop {
        match chars.get(end)?.1 {
            ']' if end > first => return Some(end),
            '/' => return None,
            '\\' => end += 2,
            _ => end += 1,
        }
    }
}

type Wrong = (usize, &'static str);

/// A pattern without braces.
fn one(chars: &[Char], folder: &str) -> Result<Pattern, Wrong> {
    let mut parts = Vec::new();
    if chars.first().is_none_or(|(_, c)| *c != '/') {
        parts.extend(folder.split('/').filter(|name| !name.is_empty()).map(|name| Part::Literal(name.to_owned())));
    }
    let folder = chars.last().is_none_or(|(_, c)| *c == '/');
    for chars in chars.split(|(_, c)| *c == '/') {
        let Some((at, _)) = chars.first() else { continue };
        match part(chars)? {
            Part::Literal(name) if name == "." => {}
            Part::Literal(name) if name == ".." => {
                if !matches!(parts.last(), None | Some(Part::Literal(_))) {
                    return Err((*at, "`..` behind a wildcard: write the path without it"));
                }
                parts.pop();
            }
            Part::Folders if parts.last() == Some(&Part::Folders) => {}
            part => parts.push(part),
        }
    }
    // A folder beside `**` is the same as its content.
    let folder = folder && parts.last() != Some(&Part::Folders);
    Ok(Pattern { parts, folder })
}

/// What stands between two slashes.
fn part(chars: &[Char]) -> Result<Part, Wrong> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some((place, c)) = chars.get(at) {
        at += 1;
        match c {
            '*' if chars.get(at).is_some_and(|(_, c)| *c == '*') => {
                if chars.len() > 2 {
                    return Err((*place, "`**` stands alone between slashes, as in `/var/log/**/*.log`"));
                }
                return Ok(Part::Folders);
            }
            '*' => tokens.push(Token::Many),
            '?' => tokens.push(Token::One),
            '[' => {
                let end = class_end(chars, at - 1).ok_or((*place, UNCLOSED_CLASS))?;
                tokens.push(class(&chars[at..end])?);
                at = end + 1;
            }
            '\\' => {
                let (_, c) = chars.get(at).ok_or((*place, "`\\` stands before a character that is meant as such"))?;
                tokens.push(Token::Char(*c));
                at += 1;
            }
            c => tokens.push(Token::Char(*c)),
        }
    }
    let plain: Option<String> =
        tokens.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect();
    Ok(plain.map_or_else(|| Part::Wild(Wild(tokens)), Part::Literal))
}

/// What stands between brackets.
fn class(chars: &[Char]) -> Result<Token, Wrong> {
    let negated = matches!(chars.first(), Some((_, '!' | '^')));
    let (mut at, mut ranges) = (usize::from(negated), Vec::new());
    let next = |at: &mut usize| {
        *at += usize::from(matches!(chars.get(*at), Some((_, '\\'))));
        let found = chars.get(*at).copied();
        *at += 1;
        found
    };
    while let Some((place, first)) = next(&mut at) {
        let mut last = first;
        if matches!(chars.get(at), Some((_, '-'))) && at + 1 < chars.len() {
            at += 1;
            last = next(&mut at).map_or(first, |(_, c)| c);
        }
        if last < first {
            return Err((place, "a range of characters goes upwards, as `a-z`"));
        }
        ranges.push((first, last));
    }
    Ok(Token::Class { negated, ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern as an exclude, which is matched as a whole.
    fn check(pattern: &str, path: &str, expected: bool) {
        let patterns = Pattern::parse(pattern, "/work [x]").unwrap();
        assert_eq!(patterns.iter().any(|one| one.excludes(path)), expected, "{pattern} {path}");
    }

    #[test]
    fn wildcards() {
        for (pattern, path, expected) in [
            ("/a/b.log", "/a/b.log", true),
            ("/a/b.log", "/a/b.logs", false),
            ("/a/*.log", "/a/b.log", true),
            ("/a/*.log", "/a/b/c.log", false),
            ("/a/*.log", "/a/.log", true),
            ("/a/*b*c", "/a/bbcbc", true),
            ("/a/*b*c", "/a/bbcb", false),
            ("/a/?.log", "/a/é.log", true),
            ("/a/?.log", "/a/.log", false),
            ("/a/[a-c].log", "/a/b.log", true),
            ("/a/[!a-c].log", "/a/b.log", false),
            ("/a/[^a-c].log", "/a/d.log", true),
            ("/a/[]x].log", "/a/].log", true),
            ("/a/[a-].log", "/a/-.log", true),
            ("/a/[\\]].log", "/a/].log", true),
            ("/a/\\*.log", "/a/*.log", true),
            ("/a/\\*.log", "/a/b.log", false),
            ("/a/[[]1].log", "/a/[1].log", true),
            ("/a/{b,c}.log", "/a/c.log", true),
            ("/a/{b,c/d,{e,f}g}.log", "/a/c/d.log", true),
            ("/a/{b,c/d,{e,f}g}.log", "/a/fg.log", true),
            ("/a/{b,c/d,{e,f}g}.log", "/a/f.log", false),
            ("/a/[{]b.log", "/a/{b.log", true),
            ("/a/b}.log", "/a/b}.log", true),
            ("/a/b{,.1}", "/a/b", true),
            ("/a/**/*.log", "/a/b.log", true),
            ("/a/**/*.log", "/a/b/c/d.log", true),
            ("/a/**/*.log", "/b/c.log", false),
            ("/a/**", "/a/b/c", true),
            ("/**/x/**/y", "/a/x/b/x/c/y", true),
            ("/**/x/**/y", "/a/y", false),
            ("/a/**/**/b", "/a/b", true),
            ("//a//./b", "/a/b", true),
            ("b.log", "/work [x]/b.log", true),
            ("../b.log", "/b.log", true),
            ("/a/b/../c", "/a/c", true),
            ("/../a", "/a", true),
        ] {
            check(pattern, path, expected);
        }
    }

    #[test]
    fn hidden_names_are_written() {
        for (part, name, expected) in [
            ("*", ".a", false),
            ("?a", ".a", false),
            ("[.]a", ".a", false),
            (".*", ".a", true),
            (".a", ".a", true),
            ("**", ".a", false),
        ] {
            let pattern = &Pattern::parse(&format!("/{part}"), "").unwrap()[0];
            assert_eq!(pattern.parts[0].fits(name, false), expected, "{part}");
            assert!(pattern.parts[0].fits(name, true));
        }
    }

    #[test]
    fn excludes_without_slash_are_names() {
        for (pattern, path, expected) in [
            ("*.gz", "/a/b/c.gz", true),
            ("*.gz", "/c.gz", true),
            ("*.gz", "/c.gz/d", false),
            ("tmp", "/a/tmp", true),
            ("./*.gz", "/a/c.gz", false),
        ] {
            let patterns = Pattern::parse_exclude(pattern, "/work").unwrap();
            assert_eq!(patterns.iter().any(|one| one.excludes(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn errors_show_the_place() {
        for (pattern, at, word) in [
            ("", 0, "empty"),
            ("~/a", 0, "home"),
            ("/a/[b", 3, "`[`"),
            ("/é/[b/c]", 3, "`[`"),
            ("/a/{b,[c]", 3, "`{`"),
            ("/a/b**", 4, "`**`"),
            ("/a/{x,**y}", 6, "`**`"),
            ("/a/[z-a]", 4, "range"),
            ("/a\\", 2, "`\\`"),
            ("/*/../a", 3, "`..`"),
            ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", 46, "256"),
        ] {
            let error = Pattern::parse(pattern, "/").unwrap_err();
            assert!(error.problem.contains(word), "{error}");
            if word != "256" {
                assert_eq!(error.at, at, "{error}");
            }
        }
        let error = Pattern::parse("/a/[b", "/").unwrap_err().to_string();
        assert_eq!(error, "file pattern: `[` is not closed: write `\\[` for the character itself\n  /a/[b\n     ^");
        assert!(Pattern::parse(&"a".repeat(5000), "/").is_err());
    }
}
