//! The grammar of filters: `AND`, `OR`, `NOT`, groups, free text.
//!
//! ```text
//! or_expr  = and_expr { ("OR" | "||") and_expr }
//! and_expr = unary { [ "AND" | "&&" ] unary }
//! unary    = { "NOT" | "-" | "!" | "+" } primary
//! primary  = "(" or_expr ")" | "*" | fielded | phrase | regex | wildcard | word
//! ```
//!
//! What people paste should find something, so these are words: `http://x/y`, `a::b`, `10:30:15`, `C:\path`,
//! addresses with colons, `c[1]`, a lone `-`, `--flag`, `->`, `abc==`, `/var/log`. `error: refused` is the field
//! `error`, as in Lucene. A `-` or `!` negates only what directly follows it. Keywords take any case and need
//! whitespace or parentheses around them; in quotes they are words.

use super::ast::{Query, Span, Text};
use super::error::{QueryError, QueryErrorCode};
use super::lexical::{self, Fault, Head, Place, Read, edge, fail, keyword, mismatch};
use super::loki;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, peek, value};
use nom::sequence::{preceded, terminated};

/// The longest query.
pub const QUERY_BYTES_MAX: usize = 64 * 1024;
/// The most words, conditions and members of sets in a query.
pub const QUERY_CLAUSES_MAX: usize = 1_024;
/// The most parentheses inside each other.
pub const QUERY_DEPTH_MAX: usize = 64;
/// The largest `n` in `"a b"~n`.
pub const SLOP_MAX: u32 = 1_000;

/// The most hints that come with a query: more say nothing new.
pub const HINTS_MAX: usize = 16;

/// A query, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The tree.
    pub query: Query,
    /// What was accepted but is better written otherwise.
    pub hints: Vec<Hint>,
}

/// Advice on a piece of a query that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The piece.
    pub span: Span,
    /// The advice.
    pub message: String,
}

/// Reads a query. Takes linear time but for regular expressions, and bounded stack.
pub fn parse(text: &str) -> Result<Parsed, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError {
            code: QueryErrorCode::TooLong,
            span: Span { start: 0, end: 0 },
            message: format!("the query has {} bytes, more than the {QUERY_BYTES_MAX} allowed", text.len()),
            hint: Some("search for fewer things at once".to_owned()),
        });
    }
    let mut grammar = Grammar { text, depth: 0, clauses: 0, hints: Vec::new() };
    match grammar.query() {
        Ok((_, query)) => Ok(Parsed { query, hints: grammar.hints }),
        Err(fault) => Err(grammar.error(fault)),
    }
}

/// The state of one parse.
pub(super) struct Grammar<'t> {
    text: &'t str,
    depth: usize,
    clauses: usize,
    hints: Vec<Hint>,
}

impl<'t> Grammar<'t> {
    fn query(&mut self) -> Read<'t, Query> {
        let input = self.text.trim_start();
        if input.is_empty() {
            return Ok((input, Query::All));
        }
        let (rest, query) = self.or_expr(input, None)?;
        let rest = rest.trim_start();
        match rest.chars().next() {
            None => Ok((rest, query)),
            Some('|') => pipe(rest),
            Some(_) => self.misplaced(rest),
        }
    }

    fn error(&self, fault: nom::Err<Fault>) -> QueryError {
        match fault {
            nom::Err::Error(Fault::Problem(problem)) | nom::Err::Failure(Fault::Problem(problem)) => QueryError {
                code: problem.code,
                span: Span {
                    start: self.text.len().saturating_sub(problem.left_at_start),
                    end: self.text.len().saturating_sub(problem.left_at_end),
                },
                message: problem.message,
                hint: problem.hint,
            },
            _ => QueryError {
                code: QueryErrorCode::Syntax,
                span: Span { start: 0, end: self.text.len() },
                message: "this is not a query: expected words or `field:value`".to_owned(),
                hint: None,
            },
        }
    }

    /// The bytes from `at`, a suffix of the query, on.
    pub(super) fn span(&self, at: &str, len: usize) -> Span {
        let start = self.text.len().saturating_sub(at.len());
        Span { start, end: start + len }
    }

    /// Advice on the `len` bytes from `at` on.
    pub(super) fn hint(&mut self, at: &str, len: usize, message: impl Into<String>) {
        let hint = Hint { span: self.span(at, len), message: message.into() };
        if self.hints.len() < HINTS_MAX && !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    /// Counts a word, condition or member of a set.
    pub(super) fn clause(&mut self, at: &'t str, rest: &'t str) -> Read<'t, ()> {
        self.clauses += 1;
        if self.clauses <= QUERY_CLAUSES_MAX {
            return Ok((rest, ()));
        }
        fail(
            QueryErrorCode::TooManyClauses,
            at,
            at.len() - rest.len(),
            format!("more than {QUERY_CLAUSES_MAX} words and conditions"),
            "search for fewer things at once, or for what they share, as in `id:abc*`",
        )
    }

    /// `scope` is the field whose group this is in.
    pub(super) fn or_expr(&mut self, input: &'t str, scope: Option<&Head<'t>>) -> Read<'t, Query> {
        let (mut rest, first) = self.and_expr(input, scope)?;
        let mut any = vec![first];
        loop {
            let next = rest.trim_start();
            let Ok((operand, ())) = or_operator(next) else { break };
            let (after, query) = self.and_expr(operand.trim_start(), scope)?;
            any.push(query);
            rest = after;
        }
        Ok((rest, or(any)))
    }

    fn and_expr(&mut self, input: &'t str, scope: Option<&Head<'t>>) -> Read<'t, Query> {
        let (mut rest, first) = self.unary(input, scope)?;
        let mut all = vec![first];
        loop {
            let next = rest.trim_start();
            let stop = next.is_empty() || next.starts_with(')') || or_operator(next).is_ok();
            if stop || (next.starts_with('|') && loki::line_filter(next).is_err()) {
                break;
            }
            let operand = and_operator(next).map_or(next, |(operand, ())| operand.trim_start());
            let (after, query) = self.unary(operand, scope)?;
            all.push(query);
            rest = after;
        }
        Ok((rest, and(all)))
    }

    fn unary(&mut self, input: &'t str, scope: Option<&Head<'t>>) -> Read<'t, Query> {
        let mut negated = false;
        let mut input = input;
        loop {
            if let Ok((rest, ())) = keyword(input, "not") {
                negated = !negated;
                input = rest.trim_start();
            } else if let Ok((rest, sign)) = sign(input) {
                negated ^= sign != '+';
                if sign == '+' {
                    self.hint(input, 1, "all words must be there anyway: leave the `+` out");
                }
                input = rest;
            } else {
                break;
            }
        }
        let (rest, query) = match scope {
            None => self.primary(input)?,
            Some(head) if input.starts_with('(') => self.group(input, Some(head))?,
            Some(head) => {
                self.operand_follows(input)?;
                self.value(input, head)?
            }
        };
        Ok((rest, if negated { negate(query) } else { query }))
    }

    fn primary(&mut self, input: &'t str) -> Read<'t, Query> {
        self.operand_follows(input)?;
        if input.starts_with('(') {
            return self.group(input, None);
        }
        for part in [Grammar::loki, Grammar::fielded, Grammar::free] {
            match part(self, input) {
                Err(nom::Err::Error(_)) => {}
                done => return done,
            }
        }
        self.misplaced(input)
    }

    /// Reports an operator without its right side.
    fn operand_follows(&self, input: &'t str) -> Read<'t, ()> {
        let expected = "expected a word, a \"phrase\", `field:value` or `(`";
        for word in ["and", "or"] {
            if let Ok((rest, ())) = keyword(input, word) {
                let len = input.len() - rest.len();
                let message = format!("{expected} before `{}`", &input[..len]);
                let hint = format!("for the word itself write \"{word}\" in quotes");
                return fail(QueryErrorCode::Syntax, input, len, message, hint);
            }
        }
        if (input.is_empty() || input.starts_with(')'))
            && let Some(operator) = self.operator_before(input)
        {
            let message = format!("{expected} after `{operator}`");
            let hint = format!("take the `{operator}` away, or quote it to search for the word itself");
            return fail(QueryErrorCode::Syntax, input, 0, message, hint);
        }
        if input.is_empty() {
            return fail(QueryErrorCode::Syntax, input, 0, expected, "");
        }
        Ok((input, ()))
    }

    /// The operator that ends right before the input.
    fn operator_before(&self, input: &str) -> Option<&'t str> {
        let before = self.text[..self.text.len() - input.len()].trim_end();
        let word = before.rsplit(|c: char| c.is_whitespace() || c == '(' || c == ')').next()?;
        ["and", "or", "not", "&&", "||"].iter().any(|known| word.eq_ignore_ascii_case(known)).then_some(word)
    }

    /// `(...)`: of conditions, or of values of one field.
    pub(super) fn group(&mut self, input: &'t str, scope: Option<&Head<'t>>) -> Read<'t, Query> {
        let (inner, _) = char('(').parse(input)?;
        if self.depth == QUERY_DEPTH_MAX {
            return fail(
                QueryErrorCode::TooDeep,
                input,
                1,
                format!("more than {QUERY_DEPTH_MAX} parentheses inside each other"),
                "take away the parentheses that change nothing",
            );
        }
        let inner = inner.trim_start();
        if inner.starts_with(')') {
            let len = input.len() - inner.len() + 1;
            let hint = "write something between the parentheses, or quote text that has them: \"main()\"";
            return fail(QueryErrorCode::Syntax, input, len, "these parentheses are empty", hint);
        }
        if inner.is_empty() {
            return unclosed(input, 1, ")");
        }
        self.depth += 1;
        let (rest, query) = self.or_expr(inner, scope)?;
        self.depth -= 1;
        let rest = rest.trim_start();
        match rest.strip_prefix(')') {
            Some(rest) => Ok((rest, query)),
            None if rest.starts_with('|') => pipe(rest),
            None => unclosed(input, 1, ")"),
        }
    }

    fn loki(&mut self, input: &'t str) -> Read<'t, Query> {
        let total = self.text.len();
        let (rest, query) = alt((|input| loki::selector(input, total), loki::line_filter)).parse(input)?;
        let clauses = if let Query::And(all) = &query { all.len() } else { 1 };
        for _ in 0..clauses {
            self.clause(input, rest)?;
        }
        let len = input.len() - rest.len();
        self.hint(input, len, format!("read as Loki's language; here it is written `{query}`"));
        Ok((rest, query))
    }

    fn free(&mut self, input: &'t str) -> Read<'t, Query> {
        let (rest, query) = alt((everything, phrase, expression, word)).parse(input)?;
        self.clause(input, rest)?;
        let typed = &input[..input.len() - rest.len()];
        if matches!(typed, "=" | "==" | "!=" | ">" | "<" | ">=" | "<=") {
            let message = format!("`{typed}` is searched as text; a condition has no spaces: `level=error`, `size:>5`");
            self.hint(input, typed.len(), message);
        }
        Ok((rest, query))
    }

    fn misplaced<O>(&self, input: &'t str) -> Read<'t, O> {
        let len = input.chars().next().map_or(0, char::len_utf8);
        let (message, hint) = match input.chars().next() {
            Some(')') => (
                "this `)` closes nothing".to_owned(),
                "take it away, add the `(` that it belongs to, or quote text that has it",
            ),
            Some('|') => return pipe(input),
            Some(c) => (format!("`{c}` cannot stand here: expected a word or `field:value`"), "put text in quotes"),
            None => ("expected a word or `field:value`".to_owned(), ""),
        };
        fail(QueryErrorCode::Syntax, input, len, message, hint)
    }
}

/// Reports an opening bracket without its partner.
pub(super) fn unclosed<'t, O>(at: &str, len: usize, expected: &str) -> Read<'t, O> {
    let open = &at[..len];
    fail(
        QueryErrorCode::UnclosedGroup,
        at,
        len,
        format!("this `{open}` is never closed: expected `{expected}`"),
        format!("add `{expected}`, or write `\\{open}` for the character itself"),
    )
}

fn pipe<'t, O>(input: &str) -> Read<'t, O> {
    fail(
        QueryErrorCode::PipesUnsupported,
        input,
        input.trim_end().len(),
        "pipes are not supported yet: expected only a filter",
        "leave out everything from `|` on; for OR write `OR` or `||`, for the character itself `\\|`",
    )
}

fn or_operator(input: &str) -> Read<'_, ()> {
    alt((|input| keyword(input, "or"), value((), tag("||")))).parse(input)
}

fn and_operator(input: &str) -> Read<'_, ()> {
    alt((|input| keyword(input, "and"), value((), tag("&&")))).parse(input)
}

/// `-`, `!` or `+` right before what it belongs to.
fn sign(input: &str) -> Read<'_, char> {
    let (rest, sign) = one_of("-!+").parse(input)?;
    let follows = rest.chars().next().is_some_and(|next| {
        let other = match sign {
            '-' => matches!(next, '-' | '>'),
            '!' => matches!(next, '=' | '~'),
            _ => !(next.is_alphanumeric() || matches!(next, '(' | '"' | '_' | '@')),
        };
        !other && !next.is_whitespace() && !matches!(next, ')' | '|')
    });
    if follows { Ok((rest, sign)) } else { mismatch() }
}

fn everything(input: &str) -> Read<'_, Query> {
    let (rest, raw) = preceded(peek(char('*')), |input| lexical::raw_word(input, Place::Free)).parse(input)?;
    if raw.bytes().all(|byte| byte == b'*') { Ok((rest, Query::All)) } else { mismatch() }
}

fn phrase(input: &str) -> Read<'_, Query> {
    let (rest, (text, slop, prefix)) = slop_phrase(input)?;
    Ok((rest, Query::Text(Text::Phrase { text, slop, prefix })))
}

/// `"a b"`, `"a b"~3`, `"a b"*`: the text, the slop and whether the last word is a prefix.
pub(super) fn slop_phrase(input: &str) -> Read<'_, (String, u32, bool)> {
    let (rest, text) = lexical::quoted(input)?;
    let at = rest;
    let (rest, slop) = opt(preceded(char('~'), digit1)).parse(rest)?;
    let (rest, star) = opt(terminated(char('*'), peek(edge))).parse(rest)?;
    match slop.map_or(Ok(0), str::parse::<u32>) {
        Ok(slop) if slop <= SLOP_MAX => Ok((rest, (text, slop, star.is_some()))),
        _ => fail(
            QueryErrorCode::Syntax,
            at,
            at.len() - rest.len(),
            format!("words can be at most {SLOP_MAX} moves apart"),
            "to find words anywhere in the text, write them without quotes",
        ),
    }
}

fn expression(input: &str) -> Read<'_, Query> {
    lexical::regex(input).map(|(rest, regex)| (rest, Query::Text(Text::Regex(regex))))
}

fn word(input: &str) -> Read<'_, Query> {
    let (rest, raw) = lexical::raw_word(input, Place::Free)?;
    let text = lexical::pattern(raw).map_or_else(|| Text::Word(lexical::unescape(raw)), Text::Wildcard);
    Ok((rest, Query::Text(text)))
}

/// All of them, flattened.
pub(super) fn and(queries: Vec<Query>) -> Query {
    let mut all = Vec::with_capacity(queries.len());
    for query in queries {
        match query {
            Query::And(inner) => all.extend(inner),
            query => all.push(query),
        }
    }
    if all.len() == 1 { all.remove(0) } else { Query::And(all) }
}

/// Any of them, flattened.
pub(super) fn or(queries: Vec<Query>) -> Query {
    let mut any = Vec::with_capacity(queries.len());
    for query in queries {
        match query {
            Query::Or(inner) => any.extend(inner),
            query => any.push(query),
        }
    }
    if any.len() == 1 { any.remove(0) } else { Query::Or(any) }
}

/// Its opposite; two cancel out.
pub(super) fn negate(query: Query) -> Query {
    match query {
        Query::Not(inner) => *inner,
        query => Query::Not(Box::new(query)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The code of the error in `text`.
    fn check(text: &str, expected: QueryErrorCode) {
        assert_eq!(parse(text).map_err(|error| error.code), Err(expected));
    }

    #[test]
    fn limits_hold() {
        let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(QUERY_DEPTH_MAX)).is_ok());
        check(&nested(QUERY_DEPTH_MAX + 1), QueryErrorCode::TooDeep);
        check(&"(".repeat(10_000), QueryErrorCode::TooDeep);
        check(&"a:(".repeat(10_000), QueryErrorCode::TooDeep);
        check(&"-(".repeat(10_000), QueryErrorCode::TooDeep);
        assert!(parse(&"a ".repeat(QUERY_CLAUSES_MAX)).is_ok());
        check(&"a ".repeat(QUERY_CLAUSES_MAX + 1), QueryErrorCode::TooManyClauses);
        check(&format!("a:[{}b]", "b,".repeat(QUERY_CLAUSES_MAX)), QueryErrorCode::TooManyClauses);
        check(&format!("{{{}a=\"b\"}}", "a=\"b\",".repeat(QUERY_CLAUSES_MAX)), QueryErrorCode::TooManyClauses);
        check(&"a".repeat(QUERY_BYTES_MAX + 1), QueryErrorCode::TooLong);
        check(&format!("/{}/", "(".repeat(10_000)), QueryErrorCode::BadRegex);
        assert!(parse(&format!("{}a", "NOT ".repeat(10_000))).is_ok());
        assert!(parse(&format!("{}a", "!".repeat(10_000))).is_ok());
    }

    #[test]
    fn negations_cancel_out() {
        for (text, expected) in [("NOT -!a", "-a"), ("!!a", "a"), ("-(-(-(a b)))", "-(a b)"), ("NOT NOT a:b", "a:b")] {
            assert_eq!(parse(text).unwrap().query.to_string(), expected);
        }
    }

    #[test]
    fn fields_know_where_they_stand() {
        let text = "é \"user name\":x";
        let Query::And(all) = parse(text).unwrap().query else { panic!("two clauses") };
        let Some(Query::Field(test)) = all.get(1) else { panic!("a field") };
        assert_eq!(&text[test.field.span.0.start..test.field.span.0.end], "\"user name\"");
    }

    fn spans_lie_inside(text: &str) -> Result<(), TestCaseError> {
        let spans = match parse(text) {
            Ok(parsed) => {
                let printed = parsed.query.to_string();
                prop_assert_eq!(parse(&printed).map(|again| again.query), Ok(parsed.query), "{}", printed);
                parsed.hints.iter().map(|hint| hint.span).collect()
            }
            Err(error) => {
                prop_assert!(!error.render(text).is_empty());
                vec![error.span]
            }
        };
        for span in spans {
            prop_assert!(text.get(span.start..span.end).is_some(), "{:?} of {:?}", span, text);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn any_text_is_a_query_or_an_error(text in any::<String>()) {
            spans_lie_inside(&text)?;
        }

        #[test]
        fn any_syntax_is_a_query_or_an_error(text in "[ab59é日 .:=/_@\\\\\"'(){}\\[\\]*?|&,!~+<>-]{0,24}") {
            spans_lie_inside(&text)?;
        }

        #[test]
        fn any_pieces_are_a_query_or_an_error(
            pieces in prop::collection::vec(
                "(a|b:|-|NOT |\\(|\\)|\\[|\\]|\\{|\\}| | OR | TO | IN |\"|\"a b\"|/|/a[/]/|_time:|15m|now|>|>=|,|=|!=|=~|\\||10\\.0\\.0\\.0/8|é|\\*|\\\\|:)",
                0..12,
            )
        ) {
            spans_lie_inside(&pieces.concat())?;
        }
    }
}
