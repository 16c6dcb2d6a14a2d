//! Regular expressions as Logstash writes them, which are Ruby's, on the engine that we have, which takes linear time.
//!
//! `^` and `$` are ends of lines, `\h` is a hexadecimal digit, `(?m)` lets the dot match line ends. What needs another engine,
//! look-around, back-references, atomic groups, is an error that says so, or has one that goes back, within a limit: [`Expression`].

use logship_parsers::config::{Diagnostic, ast::Value, typed};
use regex::{Regex, RegexBuilder};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The memory that one compiled expression may take.
pub const REGEX_BYTES_MAX: usize = 4 << 20;

/// How often an engine that goes back may do so for one match.
pub const BACKTRACKS_MAX: usize = 1_000_000;

/// A Ruby expression on the engine that it needs: nearly all take linear time.
#[derive(Clone, Debug)]
pub enum Expression {
    /// In linear time.
    Linear(Regex),
    /// With look-around, back-references or atomic groups. What goes back more than [`BACKTRACKS_MAX`] times does not match, which
    /// is said the first time.
    Backtracking(Arc<(fancy_regex::Regex, AtomicBool)>),
}

impl Expression {
    /// Compiles a Ruby expression.
    ///
    /// # Errors
    /// In a sentence, what is wrong with it.
    ///
    /// ```
    /// use logship::config::Expression;
    /// assert!(Expression::new(r"^(?!#)\h+$").is_ok_and(|expression| expression.is_match("#x\nc0ffee")));
    /// ```
    pub fn new(pattern: &str) -> Result<Expression, String> {
        let (ours, None) = translated(pattern)? else { return backtracking(pattern) };
        linear(&ours).map(Expression::Linear)
    }

    /// [`Expression::new`] of an option's value.
    ///
    /// # Errors
    /// At the place of the value.
    pub fn of(value: &Value) -> typed::Read<Expression> {
        Expression::new(typed::text(value)?).map_err(|message| Diagnostic::error(value.span.0, message))
    }

    /// Whether it matches anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match self {
            Expression::Linear(regex) => regex.is_match(text),
            Expression::Backtracking(both) => {
                let (regex, is_said) = &**both;
                regex.is_match(text).unwrap_or_else(|cause| {
                    if !is_said.swap(true, Ordering::Relaxed) {
                        tracing::warn!("`{}` matches nothing where it takes so long: {cause}", regex.as_str());
                    }
                    false
                })
            }
        }
    }
}

fn backtracking(pattern: &str) -> Result<Expression, String> {
    let (ours, _) = translated(pattern)?;
    let built = fancy_regex::RegexBuilder::new(&ours)
        .multi_line(true)
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(REGEX_BYTES_MAX)
        .build();
    match built {
        Ok(regex) => Ok(Expression::Backtracking(Arc::new((regex, AtomicBool::new(false))))),
        Err(cause) => Err(format!("this is no regular expression: {cause}")),
    }
}

/// Compiles a Ruby expression that takes linear time.
///
/// # Errors
/// In a sentence, what is wrong with it.
///
/// ```
/// use logship::config::ruby_regex;
/// assert!(ruby_regex(r"^\h+$").is_ok_and(|regex| regex.is_match("x\nc0ffee\ny")));
/// assert!(ruby_regex("(?=x)").is_err_and(|cause| cause.contains("look-around")));
/// ```
pub fn ruby_regex(pattern: &str) -> Result<Regex, String> {
    match translated(pattern)? {
        (ours, None) => linear(&ours),
        (_, Some(need)) => Err(need),
    }
}

fn linear(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).multi_line(true).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|cause| match cause {
        regex::Error::CompiledTooBig(_) => format!("this expression needs more than {REGEX_BYTES_MAX} bytes"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("this is no regular expression: {last}")
        }
    })
}

/// The expression as our engines write it, and what it has that the one of linear time has not.
fn translated(pattern: &str) -> Result<(String, Option<String>), String> {
    let mut out = String::with_capacity(pattern.len());
    let mut need = None;
    let mut in_class = 0_usize;
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = &pattern[at..];
        match c {
            '\\' => {
                let Some((_, escaped)) = chars.next() else { return Err("a `\\` stands at the end".to_owned()) };
                if let Some(needed) = escape(&mut out, escaped, in_class > 0)? {
                    need.get_or_insert(needed);
                }
                if matches!(escaped, 'p' | 'P' | 'x' | 'u') && chars.as_str().starts_with('{') {
                    out.extend(chars.next().map(|(_, brace)| brace));
                }
            }
            '[' => {
                in_class += 1;
                out.push('[');
            }
            ']' if in_class > 0 => {
                in_class -= 1;
                out.push(']');
            }
            '(' if in_class == 0 => {
                let looks = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| rest.starts_with(look));
                if looks {
                    need.get_or_insert("look-around is not supported here".to_owned());
                }
                if rest.starts_with("(?>") {
                    let help = "atomic groups are not supported here: write `(?:` instead of `(?>`";
                    need.get_or_insert(help.to_owned());
                }
                out.push('(');
                // Ruby's `m` is what others call `s`.
                if let Some(flags) = flags(rest) {
                    out.push('?');
                    out.extend(flags.chars().map(|flag| if flag == 'm' { 's' } else { flag }));
                    _ = chars.nth(flags.len());
                }
            }
            '{' if in_class == 0 => out.push_str(brace(rest)),
            c => out.push(c),
        }
    }
    Ok((out, need))
}

/// What an opening brace is: of `{2}`, `{2,}`, `{,3}` or `{2,3}`, or itself, as in `^{"json"`.
fn brace(rest: &str) -> &'static str {
    let count = rest.get(1..).and_then(|inside| inside.split_once('}')).map_or("", |(count, _)| count);
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match () {
        () if !digits(least) || !digits(most) || (least.is_empty() && most.is_empty()) => r"\{",
        () if least.is_empty() => "{0",
        () => "{",
    }
}

/// The flags of `(?mi-x:` or `(?mi)`.
fn flags(group: &str) -> Option<&str> {
    let inside = group.strip_prefix("(?")?;
    let end = inside.find([':', ')'])?;
    let flags = &inside[..end];
    (!flags.is_empty() && flags.chars().all(|c| matches!(c, 'm' | 'i' | 'x' | '-'))).then_some(flags)
}

/// Appends what an escape means, and says what it needs.
fn escape(out: &mut String, escaped: char, in_class: bool) -> Result<Option<String>, String> {
    match escaped {
        'h' if in_class => out.push_str("0-9a-fA-F"),
        'h' => out.push_str("[0-9a-fA-F]"),
        'H' if !in_class => out.push_str("[^0-9a-fA-F]"),
        'Z' => out.push_str(r"(?:\n?\z)"),
        'R' => out.push_str(r"(?:\r\n|[\n\v\f\r\x{85}\x{2028}\x{2029}])"),
        'e' => out.push_str(r"\x1b"),
        '1'..='9' | 'k' if !in_class => {
            out.extend(['\\', escaped]);
            return Ok(Some("back-references are not supported here".to_owned()));
        }
        'G' | 'K' => {
            out.extend(['\\', escaped]);
            return Ok(Some(format!("`\\{escaped}` is not supported here")));
        }
        'X' | 'g' => return Err(format!("`\\{escaped}` is not supported here")),
        // What is none of Ruby's escapes means itself; our engine would see a word's end in `\>`.
        '<' | '>' => out.push(escaped),
        c if c.is_ascii_alphabetic() && !"aAbBcCdDfMnpPrsStuvwWxz".contains(c) => out.push(c),
        c if c.is_ascii_alphanumeric() || c.is_ascii_punctuation() => out.extend(['\\', c]),
        c => out.push(c),
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_mean_in_ruby() {
        let check = |pattern: &str, text: &str, expected: Result<bool, &str>| {
            let matched = ruby_regex(pattern).map(|regex| regex.is_match(text));
            assert_eq!(matched.as_ref().map(|matched| *matched).map_err(String::as_str), expected, "{pattern}");
        };
        check("^b$", "a\nb\nc", Ok(true));
        check(r"\Ab", "a\nb", Ok(false));
        check(r"^\h{4}\Z", "beef\n", Ok(true));
        check(r"[\h]+z", "fz", Ok(true));
        check("^{", "{}", Ok(true));
        check(r"\<b\>\y", "x<b>y", Ok(true));
        check(r"C:\\Users|\Users", "Users", Ok(true));
        check(r#"^\s*{"a"}$"#, " {\"a\"}", Ok(true));
        check("^{a{2}{,3}$", "{aa", Ok(true));
        check("^a{,2}b{1,}$", "aab", Ok(true));
        check("^a{,2}b$", "aaab", Ok(false));
        check("^x{,}y{ 2}$", "x{,}y{ 2}", Ok(true));
        check(r"^\p{Lu}\x{41}[{]$", "ÄA{", Ok(true));
        check("a.b", "a\nb", Ok(false));
        check("(?m)a.b", "a\nb", Ok(true));
        check("(?mi:A.b)", "a\nb", Ok(true));
        check(r"\/var\/log", "/var/log", Ok(true));
        check("(?<name>x)", "x", Ok(true));
        check("(?<=x)y", "", Err("look-around is not supported here"));
        check(r"(a)\1", "", Err("back-references are not supported here"));
        check("(", "", Err("this is no regular expression: unclosed group"));
    }

    #[test]
    fn expressions_that_go_back_have_another_engine() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let compiled = Expression::new(pattern);
            assert_eq!(compiled.map(|expression| expression.is_match(text)), Ok(expected), "{pattern} on {text}");
        };
        check("(?<!x)b", "ab", true);
        check("(?<!x)b", "xb", false);
        check("^(?!foo)", "foob", false);
        check(r"(\w)\1", "abba", true);
        check(r"(?<c>\w)\k<c>$", "xx\ny", true);
        check(r"\A(?>a+)ab", "aab", false);
        check("(?m)a(?=.b)", "a\nb", true);
        check(r"^(?=(a+)+$)\1b", &"a".repeat(40), false);
        assert!(Expression::new("(?=").is_err());
    }
}
