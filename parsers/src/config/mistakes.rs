//! What people write who know other languages, and how far a mistake is likely to reach.

use std::borrow::Cow;

/// As many brackets may stand at the end of a line.
const BRACKETS_MAX: usize = 8;
/// The longest piece of a config that a message repeats, in characters.
const SHOWN_MAX: usize = 60;

/// A piece of a config as a message repeats it: on one line and not long.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(SHOWN_MAX).map(|(at, _)| at);
    let line = text.find('\n');
    match (end, line) {
        (None, None) => Cow::Borrowed(text),
        (end, line) => Cow::Owned(format!("{}…", text[..end.into_iter().chain(line).min().unwrap_or(0)].trim_end())),
    }
}

/// The section that a name stands for which is not just misspelt.
pub(super) fn section(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "source" | "sources" | "in" => Some("input"),
        "transform" | "transforms" | "process" | "processor" | "processors" => Some("filter"),
        "sink" | "sinks" | "out" | "destination" => Some("output"),
        _ => None,
    }
}

/// What the first line of a text in another language says about it, and what to do.
pub(super) fn other_language(line: &str) -> Option<(&'static str, &'static str)> {
    let line = line.trim_end();
    let name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    let pair = |text: &str| {
        text.split_once(':').is_some_and(|(key, value)| {
            name(key.trim_end()) && !value.starts_with('=') && (value.is_empty() || value.starts_with(' '))
        })
    };
    if line.starts_with("---") || line.starts_with("- ") || pair(line) && !line.ends_with('{') {
        let help = "this looks like YAML: run a `pipelines.yml` by `--path.settings` and its folder, or name its `path.config` here";
        return Some(("this is no pipeline config", help));
    }
    if line.starts_with('{') || line.starts_with("[{") || line == "[" {
        return Some((
            "this is no pipeline config",
            "this looks like JSON: a config is `input { ... } filter { ... } output { ... }`",
        ));
    }
    let table = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
    if table.is_some_and(|table| name(table.trim_matches(['[', ']']))) {
        return Some((
            "this is no pipeline config",
            "this looks like TOML: a config is `input { ... } filter { ... } output { ... }`",
        ));
    }
    if line.starts_with('<') {
        return Some((
            "this is no pipeline config",
            "this looks like XML: a config is `input { ... } filter { ... } output { ... }`",
        ));
    }
    None
}

/// Whether the word begins a condition in some other language.
pub(super) fn is_if(word: &str) -> bool {
    word.eq_ignore_ascii_case("if") || matches!(word, "unless" | "when" | "case")
}

/// Whether a string of several lines is likely to have lost its closing quote: what is taken for that quote opens the next
/// string.
pub(super) fn runs_over(raw: &str, rest: &str) -> bool {
    if !raw.contains('\n') {
        return false;
    }
    let text_follows = rest.starts_with(|c: char| c.is_alphanumeric() || "/\\%$._-[(^*:@?".contains(c));
    text_follows || raw.trim_end().ends_with("=>") || raw.trim_end().ends_with("=> [")
}

/// Whether what follows a slash can follow a regular expression.
pub(super) fn ends_regex(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.starts_with(['{', ')']) || ["and", "or", "xor", "nand"].iter().any(|word| rest.starts_with(word))
}

/// The line without the brackets at its end that close what was open before, or open the block of a condition.
pub(super) fn before_brackets(line: &str) -> &str {
    let mut text = line.trim_end();
    for _ in 0..BRACKETS_MAX {
        let Some(shorter) = text.strip_suffix(['}', ']', ')', '{']).filter(|shorter| shorter.ends_with([' ', '\t']))
        else {
            break;
        };
        text = shorter.trim_end();
    }
    text
}

/// Whether the option reads escapes by itself: regular expressions, sets of characters and code.
pub(super) fn takes_escapes(option: &str) -> bool {
    const NAMES: [&str; 17] = [
        "code",
        "dictionary",
        "field_split",
        "gsub",
        "init",
        "mapping",
        "match",
        "pattern",
        "pattern_definitions",
        "query",
        "remove_char_key",
        "remove_char_value",
        "script",
        "trim_key",
        "trim_value",
        "value_split",
        "xpath",
    ];
    NAMES.contains(&option) || option.ends_with("_pattern") || option.ends_with("_code") || option.ends_with("_names")
}
