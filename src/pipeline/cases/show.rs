//! Cases that failed, for people.

use super::{Cases, Outcome, compare::Said, line::Given};
use std::fmt::Write as _;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// Whether there are.
    pub is_on: bool,
}

impl Paint {
    /// The text in red.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// The text in green.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// The text in bold.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// The text, less loud.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// The text in a style of terminals.
    #[must_use]
    pub fn with(self, style: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What is wrong with a case, `None` where nothing is.
#[must_use]
pub fn failure(cases: &Cases, number: usize, outcome: &Outcome, paint: Paint) -> Option<String> {
    let case = cases.cases.get(number).filter(|_| !outcome.is_good())?;
    let name = cases.sources.first().map_or("", |source| source.name.as_str());
    let place = format!("{name}:{}", cases.line_of(case.line));
    let mut out = format!("{} {place}: {}\n", paint.red("failed"), paint.bold(&case.name));
    for given in &case.given {
        let (mark, text) = match given {
            Given::Object(fields) => (">", super::update::object(fields)),
            Given::Message(text) => (">", text.clone()),
            Given::Record(text) => (">>", text.clone()),
        };
        _ = writeln!(out, "  {}", paint.dim(&format!("{mark} {text}")));
    }
    let mut say = |title: &str, said: &[Said]| {
        if !said.is_empty() {
            _ = writeln!(out, "  {title}");
        }
        for said in said {
            _ = match said {
                Said::Wanted(text) => writeln!(out, "    {}", paint.red(&format!("- {text}"))),
                Said::Came(text) => writeln!(out, "    {}", paint.green(&format!("+ {text}"))),
            };
        }
    };
    for (n, came) in outcome.came.iter().enumerate() {
        let title = format!("event {}, line {}", n + 1, case.expected.get(n).map_or(0, |e| cases.line_of(e.line)));
        say(&title, &came.said);
    }
    if !outcome.has_count() {
        let count = |n: usize| if n == 1 { "1 event comes out".to_owned() } else { format!("{n} events come out") };
        let wanted =
            case.expected.iter().skip(outcome.came.len()).map(|e| Said::Wanted(super::update::object(&e.fields)));
        let came = outcome.came.iter().skip(case.expected.len());
        let came = came.map(|came| Said::Came(super::update::object(&super::update::shown(came, None))));
        let said: Vec<_> = wanted.chain(came).collect();
        say(&format!("{}, not {}", count(outcome.came.len()), case.expected.len()), &said);
    }
    say("the text of the outputs", &outcome.text_said);
    Some(out)
}
