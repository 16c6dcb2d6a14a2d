//! Values: strings, numbers, barewords, lists, hashes, codecs, variables.

use super::Options;
use super::ast::{Entry, Number, SpanIgnored, Text, Value, ValueKind};
use super::cursor::Cursor;
use super::diagnostic::{Diagnostic, Severity};
use super::lexical;
use super::mistakes::{self, shown};
use super::source::Span;
use super::variables::{meant_escape, unescaped, variable, variables};
use std::collections::HashMap;

impl<'t> Cursor<'t> {
    /// A value; the cursor stands at its first byte.
    pub(super) fn value(&mut self) -> Option<Value> {
        let start = self.at;
        let kind = match self.peek()? {
            '"' | '\'' => {
                let text = self.string()?;
                self.check_behind_string(start);
                ValueKind::String(text)
            }
            '[' => {
                if self.bare_field(true) {
                    return None;
                }
                ValueKind::Array(self.array()?)
            }
            '{' => ValueKind::Hash(self.hash()?),
            '$' if variable(self.rest()).is_ok() => return self.variable(),
            '$' if self.take("${") => {
                self.piece(lexical::name);
                let error = Diagnostic::error(self.since(start), "this variable is never closed").expected("`}`");
                self.report(error.help(format!("write `{}}}`", shown(&self.text[start..self.at]))));
                return None;
            }
            '-' | '0'..='9' => match self.piece(lexical::number) {
                Some(number) if self.ends_word() => ValueKind::Number(Number::new(number)),
                _ => return self.needs_quotes(start),
            },
            'a'..='z' | 'A'..='Z' | '_' => self.word()?,
            c if lexical::smart_quote(c).is_some() => ValueKind::String(self.smart_string(c)),
            c => {
                self.no_value(c);
                return None;
            }
        };
        Some(Value { kind, span: SpanIgnored(self.since(start)), variable: None })
    }

    /// Whether nothing that belongs to a word follows.
    fn ends_word(&self) -> bool {
        self.starts(")") || lexical::unquoted(self.rest()).is_err()
    }

    /// A bareword or a codec with options.
    fn word(&mut self) -> Option<ValueKind> {
        let start = self.at;
        if self.piece(lexical::name).is_some() && self.ahead().starts_with('{') {
            self.at = start;
            return self.plugin().map(ValueKind::Plugin);
        }
        self.at = start;
        let word = self.piece(lexical::bareword)?;
        if self.ends_word() {
            return Some(ValueKind::Bareword(word.to_owned()));
        }
        self.needs_quotes(start).map(|value| value.kind)
    }

    /// Says that the text from `start` on needs quotes, and steps over it.
    fn needs_quotes(&mut self, start: usize) -> Option<Value> {
        self.at = start;
        let text = self.piece(lexical::unquoted)?;
        let error = Diagnostic::error(self.since(start), "this text needs quotes").expected("a string");
        self.report(error.help(format!("write `\"{}\"`", shown(text))));
        None
    }

    /// `[a][b]` without quotes: says so and steps over it. `[a]` alone is a list where `list_can_be`.
    fn bare_field(&mut self, list_can_be: bool) -> bool {
        let start = self.at;
        let Ok((_, text)) = lexical::selector(self.rest()) else { return false };
        let is_field = !list_can_be || text.contains("][") || text.starts_with("[@");
        if !is_field || text.contains(['"', '\'']) {
            return false;
        }
        self.at += text.len();
        let error =
            Diagnostic::error(self.since(start), "outside of conditions a field needs quotes").expected("a string");
        self.report(error.help(format!("write `\"{}\"`", shown(text))));
        true
    }

    /// What can be no value.
    fn no_value(&mut self, c: char) {
        let start = self.at;
        if let Some(text) = self.piece(lexical::unquoted) {
            let error = Diagnostic::error(self.since(start), "this text needs quotes").expected("a string");
            let regex = c == '/' && text.len() > 1 && text.ends_with('/');
            self.report(match c {
                '(' => error.help("a list is written `[1, 2]`, a hash `{ \"a\" => \"b\" }`"),
                _ if regex => error.help(format!(
                    "in options a regular expression is a string: `\"{}\"`",
                    shown(text.trim_matches('/'))
                )),
                _ => error.help(format!("write `\"{}\"`", shown(text))),
            });
            return;
        }
        self.bump();
        let found = &self.text[start..self.at];
        let error = Diagnostic::error(self.since(start), format!("`{found}` cannot stand here")).expected("a value");
        self.report(error);
    }

    /// A string with its meaning; the cursor stands at its quote.
    pub(super) fn string(&mut self) -> Option<Text> {
        let start = self.at;
        let raw = self.string_raw()?;
        let text = self.meaning(raw, start + 1);
        Some(text)
    }

    /// What stands between the quotes. A string that is not closed ends with its line.
    pub(super) fn string_raw(&mut self) -> Option<&'t str> {
        let start = self.at;
        let quote = self.peek()?;
        let kind = usize::from(quote == '"');
        let closes = self.never_closed[kind].is_none_or(|from| start < from);
        let read = if closes { lexical::quoted(self.rest()) } else { Err(nom::Err::Error(())) };
        match read {
            Ok((rest, raw)) if !mistakes::runs_over(raw, rest) => {
                self.at = self.text.len() - rest.len();
                return Some(raw);
            }
            Ok(_) => {}
            Err(_) => self.never_closed[kind] = Some(self.never_closed[kind].map_or(start, |from| from.min(start))),
        }
        let line = &self.text[start + 1..self.line_end(start).max(start + 1)];
        let raw = mistakes::before_brackets(line);
        self.at = start + 1 + raw.len();
        let error = Diagnostic::error(self.since(start), "this string is never closed").expected(format!("`{quote}`"));
        self.report(if raw.contains(&format!("\\{quote}")) {
            error.help(format!(
                "a backslash keeps the `{quote}` behind it from closing the string: use `/` in paths, or leave it out"
            ))
        } else {
            error.help(format!("add `{quote}` where the text ends"))
        });
        Some(raw)
    }

    /// Says that a string is followed by text that seems to belong to it.
    fn check_behind_string(&mut self, start: usize) {
        let end = self.at;
        let adjacent = self.peek().is_some_and(|c| {
            c.is_alphanumeric() || matches!(c, '_' | '%' | '$' | '/' | '\\' | '.' | '"' | '\'' | '-' | '+' | '*')
        });
        if !adjacent {
            return;
        }
        let quote = &self.text[start..=start];
        let other = if quote == "\"" { '\'' } else { '"' };
        self.skip_line();
        let error = Diagnostic::error(self.span(end - 1..end), "the string ends here, and text follows it");
        let help = format!("inside of a string write `\\{quote}`, or put the string in `{other}`");
        self.report(error.expected("a blank behind the string").help(help));
    }

    /// A string in quotes that Logstash does not know.
    fn smart_string(&mut self, quote: char) -> Text {
        let start = self.at;
        self.bump();
        let partners = lexical::smart_quote(quote).unwrap_or_default();
        let line = &self.text[self.at..self.line_end(start).max(self.at)];
        let (raw, close) = match line.find(partners) {
            Some(at) => (&line[..at], line[at..].chars().next().map_or(0, char::len_utf8)),
            None => (mistakes::before_brackets(line), 0),
        };
        self.at += raw.len() + close;
        let error = Diagnostic::error(self.since(start), "this is no ordinary quote");
        self.report(error.expected("`\"`").expected("`'`").help(format!("write `\"{}\"`", shown(raw))));
        Text { raw: raw.to_owned(), text: raw.to_owned() }
    }

    /// What a string at a byte of the source means.
    pub(super) fn meaning(&mut self, raw: &str, at: usize) -> Text {
        let escapes = self.options.support_escapes;
        let read = |text: &str| if escapes { unescaped(text) } else { text.to_owned() };
        let mut text = String::with_capacity(raw.len());
        let mut done = 0;
        for found in variables(raw) {
            let span = self.span(at + found.range.start..at + found.range.end);
            text.push_str(&read(&raw[done..found.range.start]));
            if let Some(value) = (self.options.variables)(found.name) {
                text.push_str(&value);
            } else if let Some(default) = found.default {
                text.push_str(&read(default));
            } else {
                self.undefined(found.name, span);
            }
            done = found.range.end;
        }
        text.push_str(&read(&raw[done..]));
        if !escapes
            && !mistakes::takes_escapes(self.option)
            && let Some(escape) = meant_escape(raw)
        {
            let place = at + raw.find(escape).unwrap_or_default();
            let message = format!("`{escape}` in this string is a backslash and a letter");
            let help = "for control characters set `config.support_escapes: true`";
            self.report(Diagnostic::warning(self.span(place..place + 2), message).help(help));
        }
        Text { raw: raw.to_owned(), text }
    }

    fn undefined(&mut self, name: &str, span: Span) {
        let error = Diagnostic::error(span, format!("the variable `{name}` is not set and has no default"));
        self.report(error.help(format!("set it in the environment, or write `${{{name}:default}}`")));
    }

    /// `${VAR}` without quotes: whatever its text is as a value.
    pub(super) fn variable(&mut self) -> Option<Value> {
        let start = self.at;
        let (rest, (name, default)) = variable(self.rest()).ok()?;
        self.at = self.text.len() - rest.len();
        if !self.ends_word() {
            return self.needs_quotes(start);
        }
        let place = self.since(start);
        let Some(text) = (self.options.variables)(name).or_else(|| default.map(str::to_owned)) else {
            self.undefined(name, place);
            return None;
        };
        let kind = self.reread(&text, place).unwrap_or_else(|| ValueKind::String(Text { raw: text.clone(), text }));
        Some(Value { kind, span: SpanIgnored(place), variable: Some(self.text[start..self.at].to_owned()) })
    }

    /// The text of a variable as a value, if it is one.
    pub(super) fn reread(&self, text: &str, place: Span) -> Option<ValueKind> {
        let options = Options { support_escapes: self.options.support_escapes, variables: &|_| None };
        let mut inner = Cursor::new(0, text, &options);
        inner.depth = self.depth;
        inner.skip();
        let mut value = inner.value()?;
        inner.skip();
        let clean = inner.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
        if !clean || !inner.is_done() || matches!(value.kind, ValueKind::Plugin(_)) {
            return None;
        }
        put(&mut value, place);
        Some(value.kind)
    }

    fn array(&mut self) -> Option<Vec<Value>> {
        self.bump();
        let opener = self.open(1, "this list")?;
        let mut items = Vec::new();
        let mut comma = true;
        loop {
            self.skip();
            if self.is_done() || self.starts("]") || self.starts("}") || self.at_section() || self.is_outside(&opener) {
                break;
            }
            let start = self.at;
            if self.take(",") || self.take(";") {
                let found = &self.text[start..self.at];
                let error = Diagnostic::error(self.since(start), format!("a value is missing before this `{found}`"));
                self.report(error.expected("a value"));
                continue;
            }
            let next_option = self.is_first_in_line(start) && !self.same_line(start, opener.at) && self.names_option();
            if next_option && self.indent(start) <= self.indent(opener.at) {
                break;
            }
            if !comma {
                let error =
                    Diagnostic::error(self.span(start..start), "between two values of a list there is no comma");
                self.report(error.expected("`,`").expected("`]`"));
            }
            items.extend(self.value());
            comma = self.behind_item();
            if self.at == start {
                self.bump();
            }
        }
        self.close_instead(&opener, "]", "}");
        Some(items)
    }

    /// Behind a value of a list: whether a comma follows.
    fn behind_item(&mut self) -> bool {
        self.skip();
        let start = self.at;
        if self.take("=>") || self.take(":") {
            let error = Diagnostic::error(self.since(start), "the values of a list have no names")
                .expected("`,`")
                .expected("`]`");
            self.report(error.help("a hash stands in braces: `{ \"a\" => \"b\" }`"));
            self.skip();
            _ = self.value();
            self.skip();
        }
        let start = self.at;
        if self.take(";") {
            let error =
                Diagnostic::error(self.since(start), "between two values of a list stands a `;`").expected("`,`");
            self.report(error);
            return true;
        }
        if !self.take(",") {
            return false;
        }
        let comma = self.since(start);
        self.skip();
        if self.starts("]") {
            let error = Diagnostic::error(comma, "behind the last value of a list there is no comma").expected("`]`");
            self.report(error.help("take this comma away"));
        }
        true
    }

    fn hash(&mut self) -> Option<Vec<Entry>> {
        self.bump();
        let opener = self.open(1, if self.option.is_empty() { "this hash" } else { "the hash of this option" })?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut known: HashMap<String, Span> = HashMap::new();
        loop {
            self.skip();
            if self.is_done() || self.starts("}") || self.starts("]") || self.at_section() || self.is_outside(&opener) {
                break;
            }
            let start = self.at;
            if self.separator("the pairs of a hash") {
                continue;
            }
            if !entries.is_empty() {
                self.check_blank("pairs of a hash");
            }
            if let Some(entry) = self.entry() {
                self.check_key(&mut known, &entry.key);
                entries.push(entry);
            }
            if self.at == start {
                self.bump();
            }
        }
        self.close_instead(&opener, "}", "]");
        Some(entries)
    }

    fn entry(&mut self) -> Option<Entry> {
        let start = self.at;
        let key = match self.peek()? {
            '[' if self.bare_field(false) => return self.drop_pair(start),
            '[' | '{' | '(' => {
                self.bump();
                let error = Diagnostic::error(self.since(start), "a pair of a hash begins with its name");
                self.report(error.expected("a string").expected("a bareword").expected("`}`"));
                self.skip_line();
                return None;
            }
            _ => match self.key() {
                Some(key) => key,
                None => return self.drop_pair(start),
            },
        };
        let name = key.as_str().unwrap_or("name").to_owned();
        if matches!(key.kind, ValueKind::Plugin(_) | ValueKind::Array(_) | ValueKind::Hash(_)) {
            let error = Diagnostic::error(key.span.0, "a pair of a hash begins with its name");
            self.report(error.expected("a string").expected("a bareword"));
            return self.drop_pair(start);
        }
        if !self.arrow(&format!("`{}`", shown(&name)), start) {
            return None;
        }
        let value = self.value_behind(&name)?;
        Some(Entry { key, value })
    }

    /// The name of a pair; a bareword may be followed by what stands for an arrow.
    fn key(&mut self) -> Option<Value> {
        let start = self.at;
        if let Some(word) = self.piece(lexical::bareword)
            && self.rest().starts_with(['=', ':'])
        {
            let kind = ValueKind::Bareword(word.to_owned());
            return Some(Value { kind, span: SpanIgnored(self.since(start)), variable: None });
        }
        self.at = start;
        self.value()
    }

    /// Steps over the arrow and the value of a pair whose name was wrong.
    fn drop_pair(&mut self, start: usize) -> Option<Entry> {
        let end = self.at;
        self.skip();
        if self.take("=>") {
            self.skip();
            _ = self.value();
        } else {
            self.at = end.max(start);
            self.skip_line();
        }
        None
    }

    fn check_key(&mut self, known: &mut HashMap<String, Span>, key: &Value) {
        let name = key.as_str().unwrap_or_default();
        if let Some(first) = known.get(name) {
            let error = Diagnostic::error(key.span.0, format!("the name `{}` stands twice in one hash", shown(name)));
            let error = error.note_at(*first, "it stands here first");
            self.report(error.help("several values of one name are a list: `\"name\" => [\"a\", \"b\"]`"));
        } else {
            known.insert(name.to_owned(), key.span.0);
        }
    }
}

/// Gives a value and all that is in it one place.
fn put(value: &mut Value, place: Span) {
    value.span = SpanIgnored(place);
    match &mut value.kind {
        ValueKind::Array(items) => items.iter_mut().for_each(|item| put(item, place)),
        ValueKind::Hash(entries) => entries.iter_mut().for_each(|entry| {
            put(&mut entry.key, place);
            put(&mut entry.value, place);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::{ConditionKind, Operand, Statement};
    use super::super::{Source, parse};
    use super::*;

    /// What a value means: strings in quotes, all else as it is written.
    fn meaning(value: &Value) -> String {
        let all = |values: &[Value]| values.iter().map(meaning).collect::<Vec<_>>().join(" ");
        match &value.kind {
            ValueKind::String(text) => format!("{:?}", text.text),
            ValueKind::Array(items) => format!("[{}]", all(items)),
            ValueKind::Hash(entries) => {
                let pairs = entries.iter().map(|entry| format!("{}=>{}", meaning(&entry.key), meaning(&entry.value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
            }
            _ => value.as_str().unwrap_or_default().to_owned(),
        }
    }

    fn read(text: &str, support_escapes: bool) -> Statement {
        let variables = |name: &str| match name {
            "PORT" => Some("5044".to_owned()),
            "WORD" => Some("json".to_owned()),
            "TEXT" => Some("a\\nb c".to_owned()),
            "LIST" => Some("[\"a\", 5]".to_owned()),
            "HASH" => Some("{ \"a\" => 1 }".to_owned()),
            "HALF" => Some("[1, \"".to_owned()),
            "INNER" => Some("\"${PORT}\"".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let options = Options { support_escapes, variables: &variables };
        let parsed = parse(&[Source::new("x", format!("filter {{ {text} }}"))], &options);
        assert!(parsed.is_valid(), "{text}: {:?}", parsed.diagnostics);
        parsed.config.filters.into_iter().next().unwrap()
    }

    fn check(text: &str, support_escapes: bool, expected: &str) {
        let Statement::Plugin(plugin) = read(&format!("a {{ b => {text} }}"), support_escapes) else {
            panic!("{text}")
        };
        assert_eq!(meaning(&plugin.attributes[0].value), expected, "{text}");
    }

    #[test]
    fn variables_are_replaced() {
        check("\"x-${PORT}-${NONE:d e}-${NONE:}-${1}-$PORT\"", false, "\"x-5044-d e--${1}-$PORT\"");
        check("'${TEXT}'", false, r#""a\\nb c""#);
        check("${PORT}", false, "5044");
        check("${WORD}", false, "json");
        check("${NONE:5}", false, "5");
        check("${NONE:}", false, "\"\"");
        check("${EMPTY}", false, "\"\"");
        check("${TEXT}", false, r#""a\\nb c""#);
        check("${LIST}", false, "[\"a\" 5]");
        check("[${PORT}, ${LIST}]", false, "[5044 [\"a\" 5]]");
        check("${HASH}", false, "{\"a\"=>1}");
        check("${HALF}", false, "\"[1, \\\"\"");
        // What a variable holds is not replaced again.
        check("${INNER}", false, "\"\\\"${PORT}\\\"\"");
        check("{ \"${WORD}\" => \"${WORD}\" }", false, "{\"json\"=>\"json\"}");
    }

    #[test]
    fn escapes_are_read_where_asked_for() {
        check(r#""a\n\t\"\\\d""#, false, r#""a\\n\\t\\\"\\\\\\d""#);
        check(r#""a\n\t\"\\\d""#, true, r#""a\n\t\"\\\\d""#);
        check(r"'it\'s'", true, "\"it's\"");
        // Only what is written in the config is read so, which defaults are.
        check(r#""${TEXT}\n${NONE:\t}""#, true, r#""a\\nb c\n\t""#);
    }

    #[test]
    fn variables_in_conditions_may_be_lists() {
        let check = |text: &str, expected: &str| {
            let Statement::Branch(branch) = read(&format!("if [a] in {text} {{ }}"), false) else { panic!("{text}") };
            let ConditionKind::In { list: Operand::Literal(list), .. } = &branch.arms[0].condition.kind else {
                panic!("{text}")
            };
            assert_eq!(meaning(list), expected, "{text}");
        };
        check("\"${LIST}\"", "[\"a\" \"5\"]");
        check("${LIST}", "[\"a\" 5]");
        check("\"${INNER}\"", "\"${PORT}\"");
        check("\"[a]\"", "\"[a]\"");
        check("[\"${WORD}\", 1]", "[\"json\" 1]");
    }
}
