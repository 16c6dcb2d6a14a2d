//! `if`, `else if` and `else`, and the ways in which other languages write them.

use super::ast::{Arm, Branch, Condition, ConditionKind, Operand, SpanIgnored, Statement, Text, Value, ValueKind};
use super::cursor::Cursor;
use super::diagnostic::Diagnostic;
use super::lexical;
use nom::Parser;

impl<'t> Cursor<'t> {
    /// A branch; the cursor stands at its `if`, or at what is meant to be one.
    pub(super) fn branch(&mut self) -> Option<Branch> {
        let start = self.at;
        let word = self.piece(lexical::name)?;
        if word != "if" {
            let here = self.since(start);
            let error = Diagnostic::error(here, format!("there is no `{word}`")).expected("`if`");
            self.report(match word {
                "unless" => error.help("write `if !( ... )`"),
                _ => error.help("write `if` in lower case"),
            });
        }
        let mut branch = Branch { arms: Vec::new(), otherwise: None, span: SpanIgnored::default() };
        branch.arms.push(self.arm("if", start));
        loop {
            let end = self.at;
            self.skip();
            let at = self.at;
            let word = self.else_word();
            match word {
                Some("else") if branch.otherwise.is_none() && self.ahead().starts_with('{') => {
                    self.skip();
                    branch.otherwise = Some(self.braces("`else`", at));
                }
                Some(word) => {
                    let conditional = self.else_if(word, at);
                    if branch.otherwise.is_some() {
                        let error = Diagnostic::error(self.since(at), "nothing can follow the `else` of a condition");
                        self.report(error.help("put the `else` last, or begin a new `if`"));
                    }
                    if conditional {
                        branch.arms.push(self.arm("else if", at));
                    } else {
                        self.skip();
                        branch.otherwise = Some(self.braces("`else`", at));
                    }
                }
                None => {
                    self.at = end;
                    branch.span = SpanIgnored(self.since(start));
                    return Some(branch);
                }
            }
        }
    }

    /// Steps over a word that goes on with a branch.
    fn else_word(&mut self) -> Option<&'t str> {
        let start = self.at;
        let word = self.piece(lexical::name)?;
        let known = ["else", "elsif", "elif", "elseif"].iter().any(|known| word.eq_ignore_ascii_case(known));
        if known {
            return Some(word);
        }
        self.at = start;
        None
    }

    /// Behind an `else` word, up to its condition; says what is wrong with the word. `false`: there is no condition.
    fn else_if(&mut self, word: &str, start: usize) -> bool {
        let here = self.since(start);
        self.skip();
        if word != "else" && !word.eq_ignore_ascii_case("else") {
            let error = Diagnostic::error(here, format!("there is no `{word}`")).expected("`else if`");
            self.report(error.help("write `else if`"));
            return true;
        }
        if word != "else" {
            self.report(Diagnostic::error(here, format!("there is no `{word}`")).help("write `else` in lower case"));
        }
        let at = self.at;
        let next = self.piece(lexical::name);
        let conditional = next.is_some_and(|next| next.eq_ignore_ascii_case("if"));
        if !conditional {
            self.at = at;
        } else if let Some(next) = next.filter(|next| *next != "if") {
            let error = Diagnostic::error(self.since(at), format!("there is no `{next}`")).expected("`if`");
            self.report(error.help("write `if` in lower case"));
        }
        if !conditional && self.peek().is_some_and(|c| matches!(c, '[' | '(' | '!' | '"' | '\'')) {
            let error =
                Diagnostic::error(self.span(at..at), "this `else` has a condition and no `if`").expected("`if`");
            self.report(error.expected("`{`").help("write `else if`"));
            return true;
        }
        conditional
    }

    /// `else` with no `if` before it. The cursor stands at it.
    pub(super) fn stray_else(&mut self, word: &str) {
        let start = self.at;
        self.at += word.len();
        let error = Diagnostic::error(self.since(start), format!("this `{word}` has no `if` before it"));
        let help = "`else` stands right behind the `}` of its `if`";
        self.report(error.help(if word == "else" {
            help
        } else {
            "write `if`, or `else if` right behind the `}` of an `if`"
        }));
        self.skip();
        if self.piece(|input| lexical::keyword("if").parse(input)).is_some() || word != "else" {
            self.arm("else if", start);
        } else if self.starts("{") {
            self.braces("`else`", start);
        }
    }

    /// A condition and its block.
    fn arm(&mut self, word: &str, start: usize) -> Arm {
        let end = self.at;
        self.skip();
        let condition = if self.starts("{") || (self.at_line_end() && !self.same_line(end, self.at)) {
            let error = Diagnostic::error(self.span(end..end), format!("this `{word}` has no condition"));
            let help =
                if word == "if" { "write `if [field] { ... }`" } else { "without a condition it is `else { ... }`" };
            self.report(error.expected("a condition").help(help));
            None
        } else {
            self.condition()
        };
        // Where it could not be read, the block is still worth a check. It is never run.
        let condition = condition.unwrap_or_else(|| {
            let empty = ValueKind::String(Text { raw: String::new(), text: String::new() });
            let value = Value { kind: empty, span: SpanIgnored(self.since(start)), variable: None };
            Condition { kind: ConditionKind::Truthy(Operand::Literal(value)), span: SpanIgnored(self.since(start)) }
        });
        self.skip();
        Arm { condition, body: self.braces(&format!("`{word}`"), start) }
    }

    /// A block in braces, or what stands for one.
    fn braces(&mut self, what: &str, start: usize) -> Vec<Statement> {
        if self.take("{") {
            let Some(mut opener) = self.open(1, format!("this {what}")) else { return Vec::new() };
            opener.branch = true;
            let body = self.block(&opener);
            self.close(&opener, "}");
            return body;
        }
        let at = self.at;
        let word = self.piece(|input| lexical::keyword("then").parse(input)).or_else(|| self.take(":").then_some(":"));
        if let Some(word) = word {
            let error = Diagnostic::error(self.since(at), format!("`{word}` cannot stand here")).expected("`{`");
            self.report(error.help(format!("take the `{word}` away: the block of a condition stands in braces")));
            self.skip();
            return if self.starts("{") { self.braces(what, start) } else { Vec::new() };
        }
        let found = self.peek().map_or(0, char::len_utf8);
        let error = Diagnostic::error(self.span(at..at + found), format!("this {what} has no block")).expected("`{`");
        self.report(error.note_at(self.span(start..start + 2), "it begins here"));
        // What follows is likely its block, and the brace that closes it is there.
        let Some(opener) = self.open(0, what) else { return Vec::new() };
        let body = self.block(&opener);
        self.depth -= 1;
        self.take("}");
        body
    }
}
