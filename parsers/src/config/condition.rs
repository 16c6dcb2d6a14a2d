//! Conditions.
//!
//! ```text
//! any     = all { "or" all }          all = test { "and" test }
//! test    = "(" any ")" | "!" "(" any ")" | "!" selector | operand [ operator operand ]
//! operand = selector | string | number | array
//! ```
//!
//! `xor` and `nand` stand between two tests and nothing else, as in Logstash.

use super::ast::{Condition, ConditionKind, SpanIgnored};
use super::cursor::Cursor;
use super::diagnostic::Diagnostic;
use super::lexical;
use super::mistakes::shown;
use super::source::Span;
use nom::Parser;

/// What joins two conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junction {
    And,
    Or,
    Xor,
    Nand,
}

impl<'t> Cursor<'t> {
    /// A condition up to its block. Where there is none, or a wrong one, the cursor is left at what should be the block.
    pub(super) fn condition(&mut self) -> Option<Condition> {
        let condition = self.any();
        let end = self.at;
        self.skip();
        if condition.is_none() {
            self.skip_to_block();
        } else if !self.starts("{") && self.same_line(end, self.at) && !self.is_done() && !self.ends_condition() {
            let at = self.at;
            self.bump();
            let found = &self.text[at..self.at];
            let error = Diagnostic::error(
                self.since(at),
                match found {
                    ")" => "this `)` closes nothing".to_owned(),
                    _ => format!("`{found}` cannot stand here"),
                },
            );
            self.report(match found {
                ")" => error.help("take it away, or add the `(` that it belongs to"),
                _ => error.expected("`and`").expected("`or`").expected("`{`"),
            });
            self.skip_to_block();
        }
        condition
    }

    /// Whether what other languages have behind a condition stands here.
    fn ends_condition(&self) -> bool {
        self.starts(":") || self.starts("}") || lexical::keyword("then").parse(self.rest()).is_ok()
    }

    /// Steps over the rest of a condition. It may go on in lines that begin with an operator.
    fn skip_to_block(&mut self) {
        loop {
            let line = &self.text[self.at..self.line_end(self.at)];
            let mut at = 0;
            let mut open = [true; 2];
            while let Some(found) = line[at..].find(['{', '"', '\'', '#']) {
                at += found;
                let kind = usize::from(line[at..].starts_with('"'));
                match &line[at..=at] {
                    "{" => {
                        self.at += at;
                        return;
                    }
                    "#" => break,
                    _ if !open[kind] => at += 1,
                    _ => match lexical::quoted(&line[at..]) {
                        Ok((rest, _)) => at = line.len() - rest.len(),
                        Err(_) => {
                            open[kind] = false;
                            at += 1;
                        }
                    },
                }
            }
            self.at += line.len();
            let end = self.at;
            self.skip();
            let goes_on = self.starts("{") || self.starts(")") || self.junction_here().is_some();
            if !goes_on || self.at == end {
                self.at = end;
                return;
            }
        }
    }

    /// Tests with what joins them.
    fn any(&mut self) -> Option<Condition> {
        let start = self.at;
        let mut tests = vec![self.test()?];
        let mut junctions: Vec<(Junction, Span)> = Vec::new();
        loop {
            let end = self.at;
            self.skip();
            let at = self.at;
            let Some(junction) = self.junction() else {
                self.at = end;
                break;
            };
            junctions.push((junction, self.since(at)));
            let word = &self.text[at..self.at];
            self.skip();
            if self.is_done() || self.starts("{") || self.starts(")") {
                let error =
                    Diagnostic::error(self.span(at..at + word.len()), format!("no condition follows this `{word}`"));
                self.report(error.expected("a condition"));
                return None;
            }
            tests.push(self.test()?);
        }
        self.join(tests, &junctions, self.since(start))
    }

    /// Makes a tree of tests: `and` binds tighter than `or`.
    fn join(&mut self, mut tests: Vec<Condition>, junctions: &[(Junction, Span)], span: Span) -> Option<Condition> {
        let span = SpanIgnored(span);
        if let Some((other, place)) =
            junctions.iter().find(|(junction, _)| matches!(junction, Junction::Xor | Junction::Nand))
        {
            if let Ok(two) = <[Condition; 2]>::try_from(tests) {
                let two = Box::new(two);
                let kind = if *other == Junction::Xor { ConditionKind::Xor(two) } else { ConditionKind::Nand(two) };
                return Some(Condition { kind, span });
            }
            let word = if *other == Junction::Xor { "xor" } else { "nand" };
            let error = Diagnostic::error(*place, format!("`{word}` stands beside another operator"));
            self.report(error.help(format!("put parentheses around the two conditions of this `{word}`")));
            return None;
        }
        if let Some(or) = reordered(junctions) {
            let warning = Diagnostic::warning(or, "Logstash evaluates this `or` before the first `and` in front of it");
            let help = "here `and` binds tighter; put parentheses around it to mean the same everywhere: `(a and b and c) or d`";
            self.report(warning.help(help));
        }
        let mut groups = Vec::new();
        let mut all = Vec::new();
        let mut rest = tests.drain(..);
        all.extend(rest.next());
        for ((junction, _), test) in junctions.iter().zip(rest) {
            if *junction == Junction::Or {
                groups.extend(and(std::mem::take(&mut all)));
            }
            all.push(test);
        }
        groups.extend(and(all));
        if groups.len() == 1 { groups.pop() } else { Some(Condition { kind: ConditionKind::Or(groups), span }) }
    }

    fn test(&mut self) -> Option<Condition> {
        let start = self.at;
        if self.starts("(") {
            return self.parenthesis();
        }
        let not = self
            .piece(|input| lexical::keyword("not").parse(input))
            .or_else(|| self.piece(|input| lexical::keyword("NOT").parse(input)));
        if let Some(not) = not {
            let error =
                Diagnostic::error(self.since(start), format!("`{not}` stands before a condition")).expected("`!`");
            self.report(error.help("write `!( ... )`, `![field]` or `\"a\" not in [field]`"));
        } else if !self.take("!") {
            return self.comparison();
        }
        self.negated(start)
    }

    /// Behind a `!`.
    fn negated(&mut self, start: usize) -> Option<Condition> {
        let sign = self.since(start);
        self.skip();
        if self.starts("!") {
            let at = self.at;
            self.take("!");
            self.report(
                Diagnostic::error(self.since(at), "a `!` stands behind a `!`")
                    .help("two of them mean the same as none"),
            );
            self.skip();
        }
        let inner = if self.starts("(") {
            self.parenthesis()?
        } else {
            let at = self.at;
            let inner = self.comparison()?;
            if !matches!(&inner.kind, ConditionKind::Truthy(super::ast::Operand::Field(_))) {
                let text = shown(&self.text[at..self.at]);
                let error = Diagnostic::error(sign, "`!` belongs to a field or to parentheses, not to a comparison");
                self.report(error.help(match &inner.kind {
                    ConditionKind::In { item, list, negated: false } => {
                        let piece = |span: Span| shown(&self.text[span.range()]);
                        format!("write `{} not in {}`", piece(item.span()), piece(list.span()))
                    }
                    _ => format!("write `!({text})`"),
                }));
            }
            inner
        };
        Some(Condition { kind: ConditionKind::Not(Box::new(inner)), span: SpanIgnored(self.since(start)) })
    }

    fn parenthesis(&mut self) -> Option<Condition> {
        let start = self.at;
        self.bump();
        let opener = self.open(1, "this condition")?;
        self.skip();
        if self.take(")") {
            self.depth -= 1;
            self.report(Diagnostic::error(self.since(start), "these parentheses are empty").expected("a condition"));
            return None;
        }
        let inner = self.any();
        if inner.is_none() {
            self.depth -= 1;
            return None;
        }
        let end = self.at;
        self.skip();
        let stray = !self.starts(")") && !self.starts("{") && !self.is_done() && self.same_line(end, self.at);
        if stray {
            self.depth -= 1;
            let at = self.at;
            self.bump();
            let error = Diagnostic::error(self.since(at), format!("`{}` cannot stand here", &self.text[at..self.at]));
            let opened = self.span(start..start + 1);
            self.report(
                error.expected("`and`").expected("`or`").expected("`)`").note_at(opened, "this parenthesis is open"),
            );
            return None;
        }
        self.close(&opener, ")");
        inner
    }

    /// Whether the next word joins conditions.
    fn junction_here(&self) -> Option<(Junction, &'static str)> {
        const WORDS: [(&str, Junction); 4] =
            [("and", Junction::And), ("or", Junction::Or), ("xor", Junction::Xor), ("nand", Junction::Nand)];
        let found = WORDS.iter().find(|(word, _)| lexical::keyword(word).parse(self.rest()).is_ok());
        found.map(|(word, junction)| (*junction, *word))
    }

    /// Steps over what joins two conditions, also where other languages write it.
    fn junction(&mut self) -> Option<Junction> {
        const FOREIGN: [(&str, Junction, &str); 10] = [
            ("&&", Junction::And, "and"),
            ("||", Junction::Or, "or"),
            ("&", Junction::And, "and"),
            ("|", Junction::Or, "or"),
            ("^", Junction::Xor, "xor"),
            ("AND", Junction::And, "and"),
            ("OR", Junction::Or, "or"),
            ("And", Junction::And, "and"),
            ("Or", Junction::Or, "or"),
            ("XOR", Junction::Xor, "xor"),
        ];
        if let Some((junction, word)) = self.junction_here() {
            self.at += word.len();
            return Some(junction);
        }
        let start = self.at;
        let whole = |word: &str| {
            !self.rest()[word.len()..].starts_with(lexical::is_name) || !word.starts_with(lexical::is_name)
        };
        let (found, junction, word) = *FOREIGN.iter().find(|(word, ..)| self.starts(word) && whole(word))?;
        self.at += found.len();
        let error = Diagnostic::error(self.since(start), format!("there is no operator `{found}`"));
        self.report(error.expected(format!("`{word}`")).help(format!("write `{word}`")));
        Some(junction)
    }
}

/// All of them.
fn and(mut all: Vec<Condition>) -> Option<Condition> {
    if all.len() < 2 {
        return all.pop();
    }
    let span = all.first()?.span.0.to(all.last()?.span.0);
    Some(Condition { kind: ConditionKind::And(all), span: SpanIgnored(span) })
}

/// The `or` that Logstash evaluates too early: its operators stand on a stack of which a new one takes off only one that
/// binds tighter, so of two `and`s before an `or` the first is still there when the `or` comes.
fn reordered(junctions: &[(Junction, Span)]) -> Option<Span> {
    let mut ands = 0;
    for (junction, span) in junctions {
        match junction {
            Junction::And => ands += 1,
            Junction::Or if ands > 1 => return Some(*span),
            _ => ands = 0,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The value of tests joined as Logstash joins them: its stack, as the reference describes it.
    fn logstash(tests: &[bool], junctions: &[Junction]) -> bool {
        let binds = |junction: &Junction| if *junction == Junction::And { 2 } else { 1 };
        let apply = |values: &mut Vec<bool>, junction: Junction| {
            let (right, left) = (values.pop().unwrap(), values.pop().unwrap());
            values.push(if junction == Junction::And { left && right } else { left || right });
        };
        let (mut values, mut stack): (Vec<bool>, Vec<Junction>) = (vec![tests[0]], Vec::new());
        for (junction, test) in junctions.iter().zip(&tests[1..]) {
            if stack.last().is_some_and(|last| binds(last) > binds(junction)) {
                apply(&mut values, stack.pop().unwrap());
            }
            stack.push(*junction);
            values.push(*test);
        }
        while let Some(junction) = stack.pop() {
            apply(&mut values, junction);
        }
        values[0]
    }

    fn usual(tests: &[bool], junctions: &[Junction]) -> bool {
        let (mut any, mut all) = (false, tests[0]);
        for (junction, test) in junctions.iter().zip(&tests[1..]) {
            if *junction == Junction::And {
                all &= test;
            } else {
                any |= all;
                all = *test;
            }
        }
        any | all
    }

    proptest! {
        #[test]
        fn a_warning_comes_where_logstash_differs(ands in prop::collection::vec(any::<bool>(), 0..7)) {
            let junctions: Vec<Junction> = ands.iter().map(|and| if *and { Junction::And } else { Junction::Or }).collect();
            let placed: Vec<(Junction, Span)> = junctions.iter().map(|junction| (*junction, Span::default())).collect();
            let differs = (0..1_u32 << (junctions.len() + 1)).any(|bits| {
                let tests: Vec<bool> = (0..=junctions.len()).map(|at| bits >> at & 1 == 1).collect();
                logstash(&tests, &junctions) != usual(&tests, &junctions)
            });
            prop_assert_eq!(reordered(&placed).is_some(), differs, "{:?}", junctions);
        }
    }
}
