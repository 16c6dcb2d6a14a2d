//! Regular expressions as Logstash writes them, which are Ruby's, on the engine that we have, which takes linear time.
//!
//! `^` and `$` are ends of lines, `\h` is a hexadecimal digit, `(?m)` lets the dot match line ends. What needs another engine,
//! look-around, back-references, atomic groups, is an error that says so.

use logship_parsers::config::{Diagnostic, ast::Value, typed};
use regex::{Regex, RegexBuilder};

/// The memory that one compiled expression may take.
pub const REGEX_BYTES_MAX: usize = 4 << 20;

/// Compiles a Ruby expression.
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
    let ours = translated(pattern)?;
    let built = RegexBuilder::new(&ours).multi_line(true).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|cause| match cause {
        regex::Error::CompiledTooBig(_) => format!("this expression needs more than {REGEX_BYTES_MAX} bytes"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("this is no regular expression: {last}")
        }
    })
}

/// [`ruby_regex`] of an option's value.
///
/// # Errors
/// At the place of the value.
pub fn regex_of(value: &Value) -> typed::Read<Regex> {
    ruby_regex(typed::text(value)?).map_err(|message| Diagnostic::error(value.span.0, message))
}

fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = 0_usize;
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = &pattern[at..];
        match c {
            '\\' => {
                let Some((_, escaped)) = chars.next() else { return Err("a `\\` stands at the end".to_owned()) };
                escape(&mut out, escaped, in_class > 0)?;
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
                    return Err("look-around is not supported here".to_owned());
                }
                if rest.starts_with("(?>") {
                    return Err("atomic groups are not supported here: write `(?:` instead of `(?>`".to_owned());
                }
                out.push('(');
                // Ruby's `m` is what others call `s`.
                if let Some(flags) = flags(rest) {
                    out.push('?');
                    out.extend(flags.chars().map(|flag| if flag == 'm' { 's' } else { flag }));
                    _ = chars.nth(flags.len());
                }
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// The flags of `(?mi-x:` or `(?mi)`.
fn flags(group: &str) -> Option<&str> {
    let inside = group.strip_prefix("(?")?;
    let end = inside.find([':', ')'])?;
    let flags = &inside[..end];
    (!flags.is_empty() && flags.chars().all(|c| matches!(c, 'm' | 'i' | 'x' | '-'))).then_some(flags)
}

fn escape(out: &mut String, escaped: char, in_class: bool) -> Result<(), String> {
    match escaped {
        'h' if in_class => out.push_str("0-9a-fA-F"),
        'h' => out.push_str("[0-9a-fA-F]"),
        'H' if !in_class => out.push_str("[^0-9a-fA-F]"),
        'Z' => out.push_str(r"(?:\n?\z)"),
        'R' => out.push_str(r"(?:\r\n|[\n\v\f\r\x{85}\x{2028}\x{2029}])"),
        'e' => out.push_str(r"\x1b"),
        '1'..='9' | 'k' if !in_class => return Err("back-references are not supported here".to_owned()),
        'G' | 'K' | 'X' | 'g' => return Err(format!("`\\{escaped}` is not supported here")),
        c if c.is_ascii_alphanumeric() || c.is_ascii_punctuation() => out.extend(['\\', c]),
        c => out.push(c),
    }
    Ok(())
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
        check("a.b", "a\nb", Ok(false));
        check("(?m)a.b", "a\nb", Ok(true));
        check("(?mi:A.b)", "a\nb", Ok(true));
        check(r"\/var\/log", "/var/log", Ok(true));
        check("(?<name>x)", "x", Ok(true));
        check("(?<=x)y", "", Err("look-around is not supported here"));
        check(r"(a)\1", "", Err("back-references are not supported here"));
        check("(", "", Err("this is no regular expression: unclosed group"));
    }
}
