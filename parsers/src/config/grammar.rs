//! The grammar of configs: sections and what stands in them.
//!
//! ```text
//! config    = { section }
//! section   = ("input" | "filter" | "output") "{" { statement } "}"
//! statement = branch | plugin
//! branch    = "if" condition block { "else" "if" condition block } [ "else" block ]      (branch.rs, condition.rs)
//! plugin    = name "{" { name "=>" value } "}"                                           (plugin.rs)
//! value     = plugin | bareword | string | number | array | hash                         (value.rs)
//! ```
//!
//! Errors do not end the parse: what makes no sense is told and stepped over up to the next option, plugin or section.

use super::ast::{Config, Statement};
use super::cursor::{Cursor, Opener};
use super::diagnostic::{Diagnostic, Severity};
use super::lexical;
use super::mistakes;
use super::source::{BYTE_ORDER_MARK, SOURCE_BYTES_MAX, Source};
use crate::query::short_names::suggest;

/// The sections, in the order in which events pass them.
pub(super) const SECTIONS: [&str; 3] = ["input", "filter", "output"];

/// How configs are read.
pub struct Options<'e> {
    /// Whether `\n`, `\r`, `\t`, `\0`, `\\`, `\"` and `\'` in strings are escapes: Logstash's `config.support_escapes`, off there.
    pub support_escapes: bool,
    /// What `${VAR}` stands for.
    pub variables: &'e dyn Fn(&str) -> Option<String>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { support_escapes: false, variables: &|_| None }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("support_escapes", &self.support_escapes).finish_non_exhaustive()
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The tree. Where there are errors it holds what could be read, so that the rest can be checked, too.
    pub config: Config,
    /// What is to be said, in the order of the sources.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether nothing is wrong; there may be warnings.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning)
    }
}

/// Reads all sources as one config, in the order in which they are given.
#[must_use]
pub fn parse(sources: &[Source], options: &Options<'_>) -> Parsed {
    let mut parsed = Parsed { config: Config::default(), diagnostics: Vec::new() };
    for (file, source) in (0..).zip(sources) {
        let mut cursor = Cursor::new(file, &source.text, options);
        if source.text.len() > SOURCE_BYTES_MAX {
            let message = format!("this file is longer than {SOURCE_BYTES_MAX} bytes");
            cursor.report(Diagnostic::error(cursor.span(0..0), message).help("split it into several files"));
        } else {
            cursor.source(&mut parsed.config);
        }
        cursor.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        parsed.diagnostics.append(&mut cursor.diagnostics);
    }
    parsed
}

impl<'t> Cursor<'t> {
    /// One source.
    fn source(&mut self, config: &mut Config) {
        if self.starts("\u{feff}") {
            self.at += BYTE_ORDER_MARK.len_utf8();
        }
        if self.other_language() {
            return;
        }
        loop {
            self.skip();
            if self.is_done() {
                return;
            }
            let before = self.at;
            self.section(config);
            if self.at == before {
                self.bump();
            }
        }
    }

    /// Whether the whole text is in another language, which one error says better than many.
    fn other_language(&mut self) -> bool {
        let ahead = self.ahead();
        let at = self.text.len() - ahead.len();
        let line = ahead.lines().next().unwrap_or_default();
        let Some((what, help)) = mistakes::other_language(line) else { return false };
        let end = at + line.trim_end().len();
        let wanted = "`input {`, `filter {` or `output {`";
        self.report(Diagnostic::error(self.span(at..end), what).expected(wanted).help(help));
        true
    }

    fn section(&mut self, config: &mut Config) {
        let start = self.at;
        let Some(name) = self.piece(lexical::name) else { return self.no_section() };
        let known = SECTIONS.iter().position(|section| *section == name);
        let near = || suggest(name, SECTIONS).or_else(|| mistakes::section(name));
        if known.is_none() {
            let Some(near) = near().filter(|_| self.ahead().starts_with('{')) else {
                self.at = start;
                return self.outside();
            };
            let message = format!("there is no section `{name}`");
            let error = Diagnostic::error(self.since(start), message).expected("`input`");
            self.report(error.expected("`filter`").expected("`output`").help(format!("did you mean `{near}`?")));
        }
        let name = known.map_or_else(|| near().unwrap_or(SECTIONS[1]), |known| SECTIONS[known]);
        let end = self.at;
        self.skip();
        let at = self.at;
        if let Ok((rest, _)) = lexical::arrow(self.rest()) {
            self.at = self.text.len() - rest.len();
            let found = &self.text[at..self.at];
            let error = Diagnostic::error(self.since(at), format!("`{found}` cannot stand here")).expected("`{`");
            self.report(error.help(format!("take it away: a section is written `{name} {{ ... }}`")));
            self.skip();
        }
        if !self.take("{") {
            let error =
                Diagnostic::error(self.span(end..end), format!("the section `{name}` has no block")).expected("`{`");
            self.report(error.help(format!("a section is written `{name} {{ ... }}`")));
            return self.skip_to_section();
        }
        let Some(opener) = self.open(1, format!("the section `{name}`")) else { return };
        let mut statements = self.block(&opener);
        self.close(&opener, "}");
        self.section_end = Some(self.at);
        match name {
            "input" => config.inputs.append(&mut statements),
            "filter" => config.filters.append(&mut statements),
            _ => config.outputs.append(&mut statements),
        }
    }

    /// What is no name stands where a section should begin.
    fn no_section(&mut self) {
        let start = self.at;
        self.bump();
        let here = self.since(start);
        let found = &self.text[start..self.at];
        if found == "}" && std::mem::take(&mut self.outside) {
            self.intact = false;
            return;
        }
        if found == "}" {
            let mut error = Diagnostic::error(here, "this `}` closes nothing").help("take it away");
            if let Some(end) = self.section_end {
                error = error.note_at(self.span(end - 1..end), "the section was closed here already");
            }
            return self.report(error);
        }
        let error = Diagnostic::error(here, format!("`{found}` cannot stand outside of a section"));
        let error = error.expected("`input`").expected("`filter`").expected("`output`");
        self.report(if found == "/" { error.help("a comment begins with `#`") } else { error });
        self.skip_to_section();
    }

    /// A name that is no section: a plugin, a condition or an option that is in none.
    fn outside(&mut self) {
        let start = self.at;
        let name = self.piece(lexical::name).unwrap_or_default();
        let here = self.since(start);
        let ahead = self.ahead();
        self.at = start;
        let condition = matches!(name, "if" | "else");
        let (message, help) = if condition {
            (format!("`{name}` stands outside of a section"), "move it into `filter { }` or `output { }`")
        } else if ahead.starts_with('{') {
            (
                format!("the plugin `{name}` stands outside of a section"),
                "move it into `input { }`, `filter { }` or `output { }`",
            )
        } else if ahead.starts_with("=>") {
            (format!("the option `{name}` stands outside of a plugin"), "move it into the braces of its plugin")
        } else {
            (format!("`{name}` cannot stand here"), "everything stands in `input { }`, `filter { }` or `output { }`")
        };
        let mut error = Diagnostic::error(here, message).help(help);
        for section in SECTIONS {
            error = error.expected(format!("`{section}`"));
        }
        if let Some(end) = self.section_end.take().filter(|_| condition || ahead.starts_with('{')) {
            error =
                error.note_at(self.span(end - 1..end), "the section before was closed here: is there a `}` too many?");
            self.outside = true;
        }
        self.report(error);
        if !condition && !ahead.starts_with('{') {
            return self.skip_to_section();
        }
        // What follows is outside for the same reason.
        if let Some(opener) = self.open(0, name) {
            self.block(&opener);
            self.depth -= 1;
        }
    }

    /// Steps over lines up to one that begins with a section.
    fn skip_to_section(&mut self) {
        loop {
            self.skip_line();
            self.skip();
            if self.is_done() || (self.is_first_in_line(self.at) && self.at_section()) {
                return;
            }
            self.bump();
        }
    }

    /// Whether a section begins here: no plugin has such a name.
    pub(super) fn at_section(&mut self) -> bool {
        let start = self.at;
        let named = self.piece(lexical::name).is_some_and(|name| SECTIONS.contains(&name));
        let section = named && self.ahead().starts_with('{');
        self.at = start;
        section
    }

    /// Statements up to a `}` or to what cannot stand in a block.
    pub(super) fn block(&mut self, opener: &Opener) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            self.skip();
            if self.is_done() || self.starts("}") || self.at_section() || self.at_outer_else(opener) {
                return statements;
            }
            let before = self.at;
            statements.extend(self.statement());
            if self.at == before {
                self.bump();
            }
        }
    }

    /// Whether an `else` stands here that belongs to what is open, so that a `}` is missing before it.
    fn at_outer_else(&mut self, opener: &Opener) -> bool {
        let start = self.at;
        let word = self.piece(lexical::name);
        self.at = start;
        word == Some("else")
            && opener.branch
            && self.is_first_in_line(start)
            && !self.same_line(start, opener.at)
            && self.indent(start) <= opener.indent
    }

    fn statement(&mut self) -> Option<Statement> {
        let start = self.at;
        if self.peek().is_some_and(|c| matches!(c, '"' | '\'')) {
            return self.plugin().map(Statement::Plugin);
        }
        let Some(name) = self.piece(lexical::name) else {
            self.no_statement();
            return None;
        };
        let ahead = self.ahead();
        let plugin = ahead.starts_with('{');
        self.at = start;
        match name {
            "if" => self.branch().map(Statement::Branch),
            "else" | "elsif" | "elif" | "elseif" => {
                self.stray_else(name);
                None
            }
            _ if plugin => self.plugin().map(Statement::Plugin),
            _ if mistakes::is_if(name) => self.branch().map(Statement::Branch),
            _ => {
                self.no_plugin(name, ahead);
                None
            }
        }
    }

    /// A name without a block.
    fn no_plugin(&mut self, name: &'t str, ahead: &str) {
        let start = self.at;
        self.at += name.len();
        let here = self.since(start);
        if let Ok((rest, _)) = lexical::arrow(ahead) {
            let error = Diagnostic::error(here, format!("the option `{name}` stands outside of a plugin"));
            let error = error.expected("a plugin: `name { ... }`");
            let move_it = "move it into the braces of the plugin that it belongs to";
            self.report(if rest.trim_start().starts_with('{') {
                error.help(format!("if it is a plugin, write `{name} {{ ... }}`, or else {move_it}"))
            } else {
                error.help(move_it)
            });
            self.at = start;
            return self.attribute_outside();
        }
        let error = Diagnostic::error(self.span(self.at..self.at), format!("the plugin `{name}` has no block"));
        self.report(
            error.expected("`{`").help(format!("a plugin is written `{name} {{ ... }}`, also without options")),
        );
        if !self.at_line_end() {
            self.skip_line();
        }
    }

    /// What cannot begin a statement.
    fn no_statement(&mut self) {
        let start = self.at;
        self.bump();
        let here = self.since(start);
        let found = &self.text[start..self.at];
        let error = Diagnostic::error(here, format!("`{found}` cannot stand here"));
        let wanted = |error: Diagnostic| error.expected("a plugin: `name { ... }`").expected("`if`").expected("`}`");
        match found {
            "," | ";" => {
                return self.report(error.help(format!("take the `{found}` away: nothing stands between plugins")));
            }
            ")" | "]" => return self.report(error.help(format!("take the `{found}` away: it closes nothing"))),
            "[" | "(" | "!" => self.report(wanted(error).help("a condition begins with `if`")),
            "/" => self.report(wanted(error).help("a comment begins with `#`")),
            _ => self.report(wanted(error)),
        }
        self.skip_line();
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::ValueKind;
    use super::super::{DEPTH_MAX, ERRORS_MAX, WARNINGS_MAX, position};
    use super::*;
    use proptest::prelude::*;

    fn read(texts: &[&str]) -> (Vec<Source>, Parsed) {
        let sources: Vec<Source> =
            texts.iter().enumerate().map(|(n, text)| Source::new(format!("{n}.conf"), *text)).collect();
        let parsed = parse(&sources, &Options::default());
        (sources, parsed)
    }

    /// The first message about a text, if there is any.
    fn check(text: &str, expected: Option<&str>) {
        let (_, parsed) = read(&[text]);
        assert_eq!(parsed.diagnostics.first().map(|diagnostic| diagnostic.message.as_str()), expected, "{text}");
    }

    #[test]
    fn sources_are_one_config() {
        let (_, parsed) =
            read(&["input { stdin { } } filter { a { } }", "filter { b { } if [c] { d { } } } output { stdout { } }"]);
        assert!(parsed.is_valid());
        let expected = "input {\n  stdin { }\n}\nfilter {\n  a { }\n  b { }\n  if [c] {\n    d { }\n  }\n}\noutput {\n  stdout { }\n}\n";
        assert_eq!(parsed.config.to_string(), expected);
    }

    #[test]
    fn errors_of_all_sources_are_told_at_once() {
        let (sources, parsed) =
            read(&["input {\n  a { b = 1 }\n}\n", "# fine\n", "filter {\n  if [a] && [b] { }\n  c { d => [1,] }\n}\n"]);
        let places: Vec<String> =
            parsed.diagnostics.iter().map(|diagnostic| position(&sources, diagnostic.span).to_string()).collect();
        assert_eq!(places, ["0.conf:2:9", "2.conf:2:10", "2.conf:3:14"]);
    }

    #[test]
    fn what_is_wrong_leaves_the_rest() {
        let (_, parsed) = read(&["filter { a { x => } b { y => 1 } if d == { c { } } }"]);
        assert!(!parsed.is_valid());
        let [Statement::Plugin(a), Statement::Plugin(b), Statement::Branch(branch)] = parsed.config.filters.as_slice()
        else {
            panic!("{:?}", parsed.config)
        };
        assert!(!a.intact && b.intact);
        assert_eq!(branch.arms[0].body.len(), 1);
    }

    #[test]
    fn places_are_those_of_the_source() {
        let text = "# é\ninput { tcp { \"port\" => ${PORT:5} codec => json } }";
        let (_, parsed) = read(&[text]);
        let Some(Statement::Plugin(tcp)) = parsed.config.inputs.first() else { panic!("no plugin") };
        assert_eq!(&text[tcp.span.0.range()], "tcp { \"port\" => ${PORT:5} codec => json }");
        assert_eq!(&text[tcp.attributes[0].name.span.0.range()], "\"port\"");
        assert_eq!(&text[tcp.attributes[0].value.span.0.range()], "${PORT:5}");
        assert!(matches!(&tcp.attributes[0].value.kind, ValueKind::Number(number) if number.as_i64() == Some(5)));
    }

    #[test]
    fn limits_hold() {
        let nested = |depth: usize| format!("filter {{ {}{} }}", "if [a] { ".repeat(depth), "}".repeat(depth));
        check(&nested(DEPTH_MAX - 1), None);
        let too_deep = Some("more than 64 levels inside each other");
        check(&nested(DEPTH_MAX), too_deep);
        check(&format!("filter {{ if {}", "(".repeat(100_000)), too_deep);
        check(&format!("filter {{ a {{ b => {}", "[".repeat(100_000)), too_deep);
        check(&format!("filter {{ a {{ b => {}", "{ c => ".repeat(100_000)), too_deep);
        check(&format!("filter {{ a {{ {}", "b => c { ".repeat(100_000)), too_deep);
        let (_, parsed) = read(&[&format!("filter {{ {}", "if [a]\n".repeat(100_000))]);
        assert!(parsed.diagnostics.iter().any(|diagnostic| Some(diagnostic.message.as_str()) == too_deep));
        check(
            &format!("filter {{ a {{ {} }} }}", "b => 1 ".repeat(1_001)),
            Some("more than 1000 options in one plugin"),
        );
        let (_, parsed) = read(&[&format!("filter {{ {} }}", "a { b = c } ".repeat(500))]);
        assert_eq!(parsed.diagnostics.len(), ERRORS_MAX + 1);
        let (_, parsed) = read(&["# ${A}\n".repeat(500).as_str()]);
        assert!(parsed.is_valid());
        assert_eq!(parsed.diagnostics.len(), WARNINGS_MAX);
        check(&"x".repeat(SOURCE_BYTES_MAX + 1), Some("this file is longer than 16777216 bytes"));
    }

    #[test]
    fn conditions_may_be_long() {
        let many = vec!["[a] == 1"; 10_000].join(" or ");
        check(&format!("filter {{ if {many} {{ }} }}"), None);
        let chain = " else if [a] { }".repeat(10_000);
        check(&format!("filter {{ if [a] {{ }}{chain} }}"), None);
    }

    /// What holds for any text: places lie inside of it, everything is rendered, and what is valid prints and parses to the
    /// same.
    fn holds(text: &str) -> Result<(), TestCaseError> {
        for support_escapes in [false, true] {
            let options =
                Options { support_escapes, variables: &|name| (name == "A").then(|| "[1, \"b\"]".to_owned()) };
            let sources = [Source::new("x", text)];
            let parsed = parse(&sources, &options);
            for diagnostic in &parsed.diagnostics {
                let spans = diagnostic.notes.iter().filter_map(|note| note.span).chain([diagnostic.span]);
                for span in spans {
                    prop_assert!(text.get(span.range()).is_some(), "{:?} of {:?}", diagnostic, text);
                }
                prop_assert!(diagnostic.render(&sources).lines().count() >= 3);
            }
            let printed = parsed.config.to_string();
            if parsed.is_valid() {
                let again = parse(&[Source::new("x", printed.as_str())], &options);
                prop_assert!(again.is_valid(), "{:?} printed as {}: {:?}", text, printed, again.diagnostics);
                prop_assert_eq!(&again.config, &parsed.config, "{}", printed);
                prop_assert_eq!(again.config.to_string(), printed);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_text_is_a_config_or_has_errors(text in any::<String>()) {
            holds(&text)?;
        }

        #[test]
        fn any_syntax_is_a_config_or_has_errors(text in "[aif \n{}\\[\\]()=>!~,;\"'/#$%\\\\:.59é“\u{a0}-]{0,40}") {
            holds(&text)?;
            holds(&format!("filter {{ a {{ b => {text}\n}} }}"))?;
            holds(&format!("filter {{ if {text} {{ }} }}"))?;
        }

        #[test]
        fn any_pieces_are_a_config_or_have_errors(
            pieces in prop::collection::vec(
                "(input|filter|output|if|else|else if|elsif|a|\\{|\\}| |\n|=>|=|\\[a\\]|\\[|\\]|\\(|\\)|!|==|in|not in|and|or|xor|,|\"|'|\"a\"|'b|/a/|5|-1|\\$\\{A\\}|\\$\\{B:x\\}|\\$\\{C\\}|%\\{a\\}|#|é|“|\\\\)( |\n)?",
                0..40,
            )
        ) {
            holds(&pieces.concat())?;
            holds(&format!("filter {{ {} }}", pieces.concat()))?;
        }
    }
}
