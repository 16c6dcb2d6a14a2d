//! What went wrong, read from a stack trace: Java, .NET, Node, Python, Go, Rust, Ruby.
//!
//! One pass over the lines, nothing copied. A trace is recognised by its frames; where the line that names the error
//! is not found, the frames alone are the trace.

/// A stack trace found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The class of the error, or `panic`.
    pub kind: Option<&'a str>,
    /// What it said.
    pub message: Option<&'a str>,
    /// The trace, from the line that names the error to the end of the text.
    pub stack: &'a str,
    /// Whether a trace of this kind ends its process: a panic.
    pub fatal: bool,
}

/// Names of errors are shorter than this.
const NAME_BYTES_MAX: usize = 200;

/// The first stack trace in the text.
#[must_use]
pub fn find(text: &str) -> Option<Trace<'_>> {
    let mut named: Option<Trace<'_>> = None;
    let mut panicked: Option<Trace<'_>> = None;
    let mut offset = 0;
    for full in text.split_inclusive('\n') {
        let line = full.trim_end_matches(['\n', '\r']);
        let stack = &text[offset..];
        offset += full.len();
        if line.trim_start_matches(['+', '|', ' ']).ends_with("Traceback (most recent call last):") {
            return Some(python(stack));
        }
        if line.starts_with("thread '") && line.contains("panicked at ") {
            return Some(rust(line, stack));
        }
        if let Some(found) = ruby(line, stack) {
            return Some(found);
        }
        if line.starts_with("goroutine ") && line.ends_with("]:") {
            return Some(panicked.unwrap_or(Trace { kind: None, message: None, stack, fatal: false }));
        }
        if is_frame(line) {
            return Some(named.unwrap_or(Trace { kind: None, message: None, stack, fatal: false }));
        }
        panicked = panicked.or_else(|| go(line, stack));
        named = named.or_else(|| exception(line, stack));
    }
    None
}

/// `at pkg.Class.method(File.java:1)` behind white space.
fn is_frame(line: &str) -> bool {
    let frame = line.trim_start_matches([' ', '\t']);
    frame.len() < line.len() && frame.starts_with("at ")
}

/// The first word of a line that names an exception and ends in a colon or ends the line:
/// `Exception in thread "main" java.lang.IllegalStateException: closed`.
fn exception<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    let mut at = 0;
    for word in line.split(' ') {
        let end = at + word.len();
        let name = word.strip_suffix(':').unwrap_or(word);
        if (name.len() < word.len() || end == line.len()) && is_exception(name) {
            let message = line[end..].trim();
            // From the name on where the line began with something else: a log line's own header is no trace.
            let stack = &stack[at..];
            return Some(Trace { kind: Some(name), message: present(message), stack, fatal: false });
        }
        at = end + 1;
    }
    None
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn is_exception(name: &str) -> bool {
    let last = name.rsplit(['.', '$']).next().unwrap_or(name);
    name.len() <= NAME_BYTES_MAX
        && ["Error", "Exception", "Throwable"].iter().any(|suffix| last.ends_with(suffix))
        && last.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$'))
}

/// A traceback names its error on the first line that is not indented; of chained ones the last is what was raised.
fn python(stack: &str) -> Trace<'_> {
    let mut found = Trace { kind: None, message: None, stack, fatal: false };
    let mut in_frames = false;
    for line in stack.lines() {
        if line.ends_with("Traceback (most recent call last):") {
            in_frames = true;
        } else if in_frames && !line.starts_with([' ', '\t']) && !line.is_empty() {
            in_frames = false;
            let (kind, message) = line.split_once(": ").unwrap_or((line, ""));
            if kind.len() <= NAME_BYTES_MAX && !kind.contains(' ') {
                found.kind = present(kind.trim_end_matches(':'));
                found.message = present(message);
            }
        }
    }
    found
}

/// `panic: text`, `fatal error: text`, or a server's line that reports a panic.
fn go<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    if let Some(text) = line.strip_prefix("fatal error: ") {
        return Some(Trace { kind: Some("fatal error"), message: present(text), stack, fatal: true });
    }
    if let Some(text) = line.strip_prefix("panic: ") {
        let text = text.strip_suffix(" [recovered]").unwrap_or(text);
        return Some(Trace { kind: Some("panic"), message: present(text), stack, fatal: true });
    }
    let at = line.find("panic serving ")?;
    let message = line.rsplit_once(": ").map_or("", |(_, text)| text);
    Some(Trace { kind: Some("panic"), message: present(message), stack: &stack[at..], fatal: false })
}

/// `thread 'main' panicked at src/main.rs:2:5:` with the message on the next line, or in quotes before the place.
fn rust<'a>(line: &'a str, stack: &'a str) -> Trace<'a> {
    let message = match line.strip_suffix(':') {
        Some(_) => stack.lines().nth(1),
        None => line.split_once("panicked at '").and_then(|(_, rest)| rest.rsplit_once("', ")).map(|(text, _)| text),
    };
    Trace { kind: Some("panic"), message: message.and_then(present), stack, fatal: true }
}

/// `app.rb:12:in 'run': text (RuntimeError)`.
fn ruby<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    let (place, rest) = line.split_once(":in ")?;
    let (_, rest) = rest.split_once("': ")?;
    let (message, kind) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    let is_place = !place.contains(' ') && place.rsplit(':').next()?.bytes().all(|b| b.is_ascii_digit());
    is_place.then_some(Trace { kind: present(kind), message: present(message), stack, fatal: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(Option<&str>, Option<&str>, &str)>) {
        let found = find(text).map(|found| (found.kind, found.message, found.stack.lines().next().unwrap_or("")));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn reads_the_error_of_each_language() {
        for (text, kind, message, first) in [
            (
                "2026-01-02 ERROR c.e.Shop : failed\njava.lang.IllegalStateException: closed\n\tat c.e.Shop.run(Shop.java:7)",
                "java.lang.IllegalStateException",
                "closed",
                "java.lang.IllegalStateException: closed",
            ),
            (
                "Exception in thread \"main\" a.B$CError: x\n\tat a.B.c(B.java:1)\nCaused by: d.EException: y",
                "a.B$CError",
                "x",
                "a.B$CError: x",
            ),
            (
                "Unhandled exception. System.InvalidOperationException: no\n   at A.B() in /a.cs:line 3",
                "System.InvalidOperationException",
                "no",
                "System.InvalidOperationException: no",
            ),
            (
                "TypeError: x is not a function\n    at f (/a.js:1:2)",
                "TypeError",
                "x is not a function",
                "TypeError: x is not a function",
            ),
            (
                "ERROR:root:failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    f()\nValueError: bad",
                "ValueError",
                "bad",
                "Traceback (most recent call last):",
            ),
            (
                "panic: no map [recovered]\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:3 +0x1d",
                "panic",
                "no map",
                "panic: no map [recovered]",
            ),
            (
                "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nstack backtrace:",
                "panic",
                "index out of bounds",
                "thread 'main' panicked at src/main.rs:2:5:",
            ),
            (
                "thread 'main' panicked at 'boom', src/main.rs:2:5\n",
                "panic",
                "boom",
                "thread 'main' panicked at 'boom', src/main.rs:2:5",
            ),
            (
                "app.rb:12:in `run': no such thing (RuntimeError)\n\tfrom app.rb:20:in `<main>'",
                "RuntimeError",
                "no such thing",
                "app.rb:12:in `run': no such thing (RuntimeError)",
            ),
        ] {
            check(text, Some((Some(kind), Some(message), first)));
        }
    }

    #[test]
    fn of_chained_tracebacks_the_last_was_raised() {
        let text = "Traceback (most recent call last):\n  File \"a\"\nKeyError: 'a'\n\nDuring handling of the above exception, \
                    another exception occurred:\n\nTraceback (most recent call last):\n  File \"b\"\nlib.Late: b";
        check(text, Some((Some("lib.Late"), Some("b"), "Traceback (most recent call last):")));
    }

    #[test]
    fn text_is_no_trace() {
        check("one\ntwo", None);
        check("ValueError: as text", None);
        check("see you\nat noon", None);
    }
}
