//! Plugins and their options.

use super::ast::{Attribute, Name, Plugin, SpanIgnored, Value, ValueKind};
use super::cursor::{Cursor, Opener};
use super::diagnostic::Diagnostic;
use super::lexical::{self, Arrow};
use super::mistakes::shown;

/// The most options of one plugin.
pub const ATTRIBUTES_MAX: usize = 1_000;

impl<'t> Cursor<'t> {
    /// A plugin; the cursor stands at its name.
    pub(super) fn plugin(&mut self) -> Option<Plugin> {
        let start = self.at;
        let text = self.name_text()?.to_owned();
        let name = Name { text, span: SpanIgnored(self.since(start)) };
        self.skip();
        if !self.take("{") {
            let at = name.span.0.end as usize;
            let message = format!("the plugin `{}` has no block", shown(&name.text));
            self.report(Diagnostic::error(self.span(at..at), message).expected("`{`"));
            return None;
        }
        let opener = self.open(1, format!("`{}`", shown(&name.text)))?;
        let outer = std::mem::replace(&mut self.intact, true);
        let option = std::mem::take(&mut self.option);
        let attributes = self.attributes(&opener);
        self.close(&opener, "}");
        self.option = option;
        let intact = std::mem::replace(&mut self.intact, outer);
        self.intact &= intact;
        Some(Plugin { name, attributes, span: SpanIgnored(self.since(start)), intact })
    }

    /// A name or a string in its place.
    fn name_text(&mut self) -> Option<&'t str> {
        match self.piece(lexical::name) {
            Some(name) => Some(name),
            None => self.string_raw(),
        }
    }

    fn attributes(&mut self, opener: &Opener) -> Vec<Attribute> {
        let mut attributes: Vec<Attribute> = Vec::new();
        loop {
            self.skip();
            if self.is_done() || self.starts("}") || self.at_section() || self.is_outside(opener) {
                return attributes;
            }
            let before = self.at;
            if self.bare_list() || self.separator("options") {
                continue;
            }
            if !attributes.is_empty() {
                self.check_blank("options");
            }
            if let Some(attribute) = self.attribute() {
                self.check_codec(&attributes, &attribute);
                attributes.push(attribute);
            }
            if attributes.len() > ATTRIBUTES_MAX {
                let message = format!("more than {ATTRIBUTES_MAX} options in one plugin");
                self.report(Diagnostic::error(self.span(opener.at..opener.at + 1), message));
                self.stop();
            }
            if self.at == before {
                self.bump();
            }
        }
    }

    /// Several values without the brackets of a list: says so and steps over the rest of them.
    fn bare_list(&mut self) -> bool {
        let start = self.at;
        if !self.take(",") {
            return false;
        }
        self.skip();
        let value = self.peek().is_some_and(|c| lexical::is_name(c) || matches!(c, '"' | '\'' | '{' | '['));
        if !value || !self.same_line(start, self.at) || self.names_option() {
            self.at = start;
            return false;
        }
        self.skip_line();
        let error = Diagnostic::error(self.span(start..start + 1), "several values need the brackets of a list");
        self.report(error.help("write `[\"a\", \"b\"]`"));
        true
    }

    /// Says that something begins right behind what is before it.
    pub(super) fn check_blank(&mut self, between: &str) {
        let before = self.text[..self.at].chars().next_back();
        let apart = before.is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ';' | '{' | '\u{200b}' | '\u{feff}'));
        if !apart && self.peek().is_some_and(|c| lexical::is_name(c) || matches!(c, '"' | '\'')) {
            let message = format!("between two {between} a blank is missing");
            self.report(Diagnostic::error(self.span(self.at..self.at), message).expected("a blank or a new line"));
        }
    }

    /// A comma or semicolon where nothing stands.
    pub(super) fn separator(&mut self, between: &str) -> bool {
        let start = self.at;
        let Some(found) = self.peek().filter(|c| matches!(c, ',' | ';')) else { return false };
        self.bump();
        let error = Diagnostic::error(self.since(start), format!("there is no `{found}` between {between}"));
        self.report(error.help(format!("take the `{found}` away: a blank or a new line separates {between}")));
        true
    }

    /// Whether what begins here belongs to a block further out, so that a `}` is missing before it: a condition, or a plugin
    /// that stands no further to the right than what is open.
    pub(super) fn is_outside(&mut self, opener: &Opener) -> bool {
        let start = self.at;
        if !self.is_first_in_line(start) || self.same_line(start, opener.at) {
            return false;
        }
        let Some(name) = self.piece(lexical::name) else { return false };
        let ahead = self.ahead();
        self.at = start;
        match name {
            "if" => ahead.starts_with(['[', '(', '!', '"', '\'']),
            _ => ahead.starts_with('{') && self.indent(start) <= opener.indent,
        }
    }

    /// Two codecs cannot be merged.
    fn check_codec(&mut self, before: &[Attribute], attribute: &Attribute) {
        if attribute.name.text != "codec" {
            return;
        }
        if let Some(first) = before.iter().find(|attribute| attribute.name.text == "codec") {
            let error = Diagnostic::error(attribute.name.span.0, "a plugin has one codec, and this is its second");
            self.report(error.note_at(first.name.span.0, "the first is here").help("take one of them away"));
        }
    }

    /// An option that stands in no plugin: read and dropped.
    pub(super) fn attribute_outside(&mut self) {
        if self.attribute().is_none() {
            self.skip_line();
        }
    }

    fn attribute(&mut self) -> Option<Attribute> {
        let start = self.at;
        let quoted = self.peek().is_some_and(|c| matches!(c, '"' | '\''));
        if !quoted && !self.peek().is_some_and(lexical::is_name) {
            self.no_attribute();
            return None;
        }
        let text = self.name_text()?;
        let name = Name { text: text.to_owned(), span: SpanIgnored(self.since(start)) };
        if !self.arrow(&format!("the option `{}`", shown(text)), start) {
            return None;
        }
        self.option = text;
        let value = self.value_behind(text);
        self.option = "";
        let value = value?;
        self.several_words(&value);
        Some(Attribute { name, value })
    }

    /// What can be no option.
    fn no_attribute(&mut self) {
        let start = self.at;
        self.bump();
        let found = &self.text[start..self.at];
        let error = Diagnostic::error(self.since(start), format!("`{found}` cannot begin an option"));
        let error = error.expected("an option: `name => value`").expected("`}`");
        self.report(match found {
            "[" => error.help("the name of an option has no brackets"),
            ")" | "]" => error.help(format!("take the `{found}` away: it closes nothing")),
            "/" => error.help("a comment begins with `#`"),
            "=" => error.help("the name of the option is missing before this"),
            "$" | "@" | "%" => error.help("the name of an option has letters, digits, `_` and `-`"),
            _ => error,
        });
        if !matches!(found, ")" | "]") {
            self.skip_line();
        }
    }

    /// Steps over `=>`, or over what stands for it. `false`: no value follows, either.
    pub(super) fn arrow(&mut self, what: &str, start: usize) -> bool {
        let end = self.at;
        self.skip();
        let at = self.at;
        if let Ok((rest, arrow)) = lexical::arrow(self.rest()) {
            self.at = self.text.len() - rest.len();
            if arrow == Arrow::Wrong {
                let found = &self.text[at..self.at];
                let error = Diagnostic::error(self.since(at), format!("`{found}` stands between {what} and its value"));
                self.report(error.expected("`=>`").help("write `=>`"));
            }
            return true;
        }
        let beside = self.same_line(end, at);
        let value = self.peek().is_some_and(|c| !matches!(c, '}' | ']' | ')' | ',' | ';' | '>'));
        if beside && value {
            let error = Diagnostic::error(
                self.span(end..at.max(end + 1)),
                format!("between {what} and its value there is no `=>`"),
            );
            self.report(error.expected("`=>`").help(format!("write `{} => ...`", shown(&self.text[start..end]))));
            return true;
        }
        if self.take(">") {
            let error = Diagnostic::error(self.since(at), format!("`>` stands between {what} and its value"));
            self.report(error.expected("`=>`").help("write `=>`"));
            return true;
        }
        let name = shown(&self.text[start..end]);
        let error = Diagnostic::error(self.span(start..end), format!("{what} has no value")).expected("`=>`");
        self.report(error.help(format!("write `{name} => \"value\"`, or take `{name}` away")));
        false
    }

    /// The value behind an arrow.
    pub(super) fn value_behind(&mut self, name: &str) -> Option<Value> {
        let end = self.at;
        let name = shown(name);
        self.skip();
        let at = self.at;
        if self.starts("=>") {
            self.at += 2;
            self.report(Diagnostic::error(self.since(at), "there are two `=>`").help("take one of them away"));
            self.skip();
        }
        let next = !self.same_line(end, self.at) && self.names_option();
        if self.is_done() || self.starts("}") || next {
            let error = Diagnostic::error(self.span(end..end), format!("`{name}` has no value"));
            self.report(error.expected("a value").help(format!("write `{name} => \"value\"`, or take `{name}` away")));
            return None;
        }
        let value = self.value()?;
        let end = self.at;
        let blank = self.piece(lexical::blanks);
        if blank.is_some_and(|blank| !blank.contains('\n')) && self.starts("=>") {
            let arrow = self.span(self.at..self.at + 2);
            let error = Diagnostic::error(arrow, "a second `=>` stands behind a value");
            self.report(error.help("a value has one name; pairs stand in a hash: `{ \"a\" => \"b\" }`"));
            self.at += 2;
            self.skip();
            _ = self.value();
            return None;
        }
        self.at = end;
        Some(value)
    }

    /// Whether a name and `=>` stand here.
    pub(super) fn names_option(&mut self) -> bool {
        let start = self.at;
        let named = self.piece(lexical::name).or_else(|| self.piece(lexical::quoted)).is_some();
        let option = named && self.ahead().starts_with("=>");
        self.at = start;
        option
    }

    /// Whether words go on behind a bareword in its line, so that quotes are missing around all of them.
    fn several_words(&mut self, value: &Value) {
        if !matches!(value.kind, ValueKind::Bareword(_) | ValueKind::Number(_)) || value.variable.is_some() {
            return;
        }
        let end = self.at;
        self.piece(lexical::blanks);
        if !self.same_line(end, self.at) || self.piece(lexical::name).is_none() {
            self.at = end;
            return;
        }
        let ahead = self.rest().trim_start_matches([' ', '\t', '\r']);
        if lexical::arrow(ahead).is_ok() || ahead.starts_with(['{', '"', '\'', '[']) {
            self.at = end;
            return;
        }
        let start = value.span.0.start as usize;
        self.skip_line();
        let text = self.text[start..self.at].trim_end();
        let error = Diagnostic::error(self.span(start..start + text.len()), "text of several words needs quotes");
        self.report(error.expected("a string").help(format!("write `\"{}\"`", shown(text))));
    }
}
