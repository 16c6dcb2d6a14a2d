//! What went wrong, read from the trace of an error: Java, .NET, Node, Python, Go, Rust, Ruby, PHP, Elixir, Erlang, Dart, C++.
//!
//! One pass over the lines, nothing copied. A trace is recognised by its frames or by a first line that nothing else has;
//! where the line that names the error is not found, the frames alone are the trace. A dump of threads is no error.

use memchr::memmem;

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

impl<'a> Trace<'a> {
    fn of(kind: &'a str, message: &'a str, stack: &'a str) -> Trace<'a> {
        Trace { kind: present(kind), message: present(message), stack, fatal: false }
    }

    fn fatal(self) -> Trace<'a> {
        Trace { fatal: true, ..self }
    }
}

/// Names of errors are shorter than this.
const NAME_BYTES_MAX: usize = 200;

/// Codes behind the names of Node's errors are shorter than this.
const CODE_BYTES_MAX: usize = 64;

/// The first stack trace in the text.
#[must_use]
pub fn find(text: &str) -> Option<Trace<'_>> {
    let mut named: Option<Trace<'_>> = None;
    let mut panicked: Option<Trace<'_>> = None;
    let mut before = "";
    let mut offset = 0;
    for full in text.split_inclusive('\n') {
        let line = full.trim_end_matches(['\n', '\r']);
        let stack = &text[offset..];
        // Where the line above begins.
        let above = &text[offset - before.len()..];
        offset += full.len();
        if let Some(found) = certain(line, stack) {
            return Some(found);
        }
        if line.starts_with("Full thread dump ") {
            return None;
        }
        if line.starts_with("goroutine ") && line.ends_with("]:") {
            return Some(panicked.unwrap_or(Trace::of("", "", stack)));
        }
        if is_frame(line) || line == "Caused by:" {
            return Some(named.unwrap_or(Trace::of("", "", stack)));
        }
        if let Some(found) = below(line, before.trim_end(), above, stack) {
            return Some(if is_ruby_frame(line) { named.unwrap_or(found) } else { found });
        }
        panicked = panicked.or_else(|| go(line, stack));
        named = named.or_else(|| exception(line, stack)).or_else(|| rails(line, stack));
        before = full;
    }
    None
}

/// What a line says by itself.
fn certain<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    if line.contains("Traceback (most recent call last)") {
        return Some(python(stack));
    }
    match line.as_bytes() {
        [b't', ..] if line.starts_with("thread '") && line.contains("panicked at ") => Some(rust(line, stack)),
        [b't', ..] if line.starts_with("terminate called") => Some(terminated(line, stack)),
        [b'T', ..] if line.starts_with("The application panicked (crashed)") => {
            let message = stack.lines().find_map(|line| line.strip_prefix("Message:"));
            Some(Trace::of("panic", message.unwrap_or_default().trim_start(), stack).fatal())
        }
        [b'*', b'*', b' ', b'(', rest @ ..] => {
            let end = rest.iter().position(|b| *b == b')')?;
            let rest = &line[4..];
            Some(Trace::of(&rest[..end], rest[end + 1..].trim_start(), stack))
        }
        [b'*', b'*', b'*', ..] => glog(line, stack),
        [b'=', ..] => sanitizer(line, stack).or_else(|| erlang(line, stack)),
        [b'[', b'U', ..] => {
            let (kind, message) =
                line[1..].split_once(": ").filter(|(kind, _)| *kind == "UnhandledPromiseRejection")?;
            Some(Trace::of(kind, message.trim_end_matches(" {").trim_end_matches(']'), stack))
        }
        [b'#', ..] if line.starts_with("# A fatal error has been detected by the Java") => {
            let said = stack.lines().find_map(|line| line.strip_prefix("#  ")).unwrap_or_default();
            let (kind, message) = said.split_once(' ').unwrap_or((said, ""));
            Some(Trace::of(kind, message, stack).fatal())
        }
        _ => ruby(line, stack).or_else(|| php(line, stack)),
    }
}

/// What a line is below another: the frame of a trace whose error is named above it, or not at all.
fn below<'a>(line: &'a str, before: &'a str, above: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    // Go's zap: the function, then its place.
    let place = line.strip_prefix('\t').and_then(|place| place.rsplit_once(".go:"));
    if let Some((_, number)) = place
        && number.starts_with(|c: char| c.is_ascii_digit())
        && !before.is_empty()
        && !before.contains(' ')
        && before.contains('.')
    {
        return Some(Trace::of("", "", above));
    }
    if line == "*** Check failure stack trace: ***" {
        let at = before.find("Check failed")?;
        let said = before[at..].split_once(": ").map_or("", |(_, said)| said);
        return Some(Trace::of("Check failed", said, &above[at..]).fatal());
    }
    if before == "Unhandled exception:" {
        let (kind, message) = line.split_once(": ").unwrap_or(("", line));
        return Some(Trace::of(kind, message, stack).fatal());
    }
    // Ruby's logger prints an error as `text (Class)` and its frames below.
    if is_ruby_frame(line) {
        let (text, kind) = before.strip_suffix(')').and_then(|before| before.rsplit_once(" (")).unwrap_or_default();
        let message = text.split_once(" -- ").and_then(|(_, text)| text.split_once(": ")).map_or("", |(_, text)| text);
        let kind = if kind.starts_with(|c: char| c.is_ascii_uppercase()) { kind } else { "" };
        return Some(Trace::of(kind, message, stack));
    }
    None
}

/// `/app/shop.rb:12:in 'run'`.
fn is_ruby_frame(line: &str) -> bool {
    line.split(' ').next().is_some_and(|place| place.ends_with(":in") && place.contains(".rb:"))
}

/// `at pkg.Class.method(File.java:1)` behind white space, and not where Rust's `tracing` says an event comes from.
fn is_frame(line: &str) -> bool {
    let frame = line.trim_start_matches([' ', '\t']);
    let Some(place) = frame.strip_prefix("at ").filter(|_| frame.len() < line.len()) else { return false };
    place.contains(['(', '.', ':', '<', '/']) && memmem::find(place.as_bytes(), b".rs:").is_none()
}

/// The first word of a line that names an exception and ends in a colon or ends the line:
/// `Exception in thread "main" java.lang.IllegalStateException: closed`, `Error [ERR_X]: closed`.
fn exception<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    let mut at = 0;
    for word in line.split(' ') {
        let end = at + word.len();
        let open = word.strip_prefix('[').unwrap_or(word);
        let name = open.strip_suffix(':').unwrap_or(open);
        if is_exception(name) {
            let message = if name.len() < open.len() || end == line.len() {
                Some(line[end..].trim())
            } else {
                behind_code(&line[end..])
            };
            // From the name on where the line began with something else: a log line's own header is no trace.
            if let Some(message) = message {
                return Some(Trace::of(name, message.strip_suffix(" {").unwrap_or(message), &stack[at..]));
            }
        }
        at = end + 1;
    }
    None
}

/// What follows ` [ERR_X]: `.
fn behind_code(text: &str) -> Option<&str> {
    let code = text.strip_prefix(" [")?;
    let end = code.bytes().take(CODE_BYTES_MAX).position(|b| !b.is_ascii_alphanumeric() && b != b'_')?;
    code[end..].strip_prefix("]: ")
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn is_exception(name: &str) -> bool {
    let last = name.rsplit(['.', '$', '\\']).next().unwrap_or(name);
    name.len() <= NAME_BYTES_MAX
        && ["Error", "Exception", "Throwable"].iter().any(|suffix| last.ends_with(suffix))
        && last.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'\\'))
}

/// A traceback names its error on the first line that is not indented; of chained ones the last is what was raised. An
/// exception group stands behind bars, its members behind more of them: the group is what was raised.
fn python(stack: &str) -> Trace<'_> {
    let mut found = Trace::of("", "", stack);
    let mut in_frames = false;
    for line in stack.lines() {
        let inner = line.strip_prefix("  | ").unwrap_or(line);
        if inner.contains("Traceback (most recent call last)") {
            in_frames = !inner.starts_with("   ");
        } else if in_frames && !inner.starts_with([' ', '\t', '>', '\u{2502}', '\u{2570}']) && !inner.is_empty() {
            in_frames = false;
            let (kind, message) = inner.split_once(": ").unwrap_or((inner, ""));
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
        return Some(Trace::of("fatal error", text, stack).fatal());
    }
    if let Some(text) = line.strip_prefix("panic: ") {
        let text = text.split_once(" [recovered").map_or(text, |(text, _)| text);
        return Some(Trace::of("panic", text, stack).fatal());
    }
    if let Some(text) = line.strip_prefix("SIGQUIT: ") {
        return Some(Trace::of("SIGQUIT", text, stack).fatal());
    }
    let at = line.find("panic serving ")?;
    let message = line.rsplit_once(": ").map_or("", |(_, text)| text);
    Some(Trace::of("panic", message, &stack[at..]))
}

/// `thread 'main' panicked at src/main.rs:2:5:` with the message on the next line, or in quotes before the place.
fn rust<'a>(line: &'a str, stack: &'a str) -> Trace<'a> {
    let message = match line.strip_suffix(':') {
        Some(_) => stack.lines().nth(1),
        None => line.split_once("panicked at '").and_then(|(_, rest)| rest.rsplit_once("', ")).map(|(text, _)| text),
    };
    Trace::of("panic", message.unwrap_or_default(), stack).fatal()
}

/// `terminate called after throwing an instance of 'std::out_of_range'`, below it `  what():  text`.
fn terminated<'a>(line: &'a str, stack: &'a str) -> Trace<'a> {
    let kind = line.split_once("instance of '").and_then(|(_, rest)| rest.strip_suffix('\'')).unwrap_or("terminate");
    let what = stack.lines().find_map(|line| line.trim_start().strip_prefix("what():"));
    Trace::of(kind, what.unwrap_or_default().trim_start(), stack).fatal()
}

/// `app.rb:12:in 'run': text (RuntimeError)`.
fn ruby<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    let (place, rest) = line.split_once(":in ")?;
    let (_, rest) = rest.split_once("': ")?;
    let (message, kind) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    let is_place = !place.contains(' ') && place.rsplit(':').next()?.bytes().all(|b| b.is_ascii_digit());
    is_place.then(|| Trace::of(kind, message, stack))
}

/// `ActiveRecord::RecordNotFound (no cart 7):`, which Rails prints below a request.
fn rails<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    let (kind, message) = line.strip_suffix("):")?.split_once(" (")?;
    let is_class = kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':') && kind.contains("::");
    is_class.then(|| Trace::of(kind, message, stack))
}

/// `PHP Fatal error:  Uncaught TypeError: text in /srv/a.php:3`, or what Laravel writes behind a message.
fn php<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    if let Some(at) = line.find("Uncaught ").filter(|_| line.contains(".php:")) {
        let (kind, rest) = line[at + "Uncaught ".len()..].split_once(": ")?;
        let message = rest.rsplit_once(" in ").map_or(rest, |(text, _)| text);
        return (!kind.contains(' ')).then(|| Trace::of(kind, message, &stack[at..]).fatal());
    }
    let at = line.find("[object] (")?;
    let (kind, rest) = line[at + "[object] (".len()..].split_once("(code: ")?;
    let (message, _) = rest.split_once("): ")?.1.rsplit_once(" at ")?;
    Some(Trace::of(kind, message, &stack[at..]))
}

/// `*** SIGSEGV (@0x0) received by PID 7 ...`, below the time at which glog saw it.
fn glog<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    line.strip_prefix("*** Aborted at ")?;
    let said = stack.lines().filter_map(|line| line.strip_prefix("*** ")).find(|said| said.starts_with("SIG"));
    let (kind, message) = said.and_then(|said| said.split_once(' ')).unwrap_or_default();
    let message = message.split_once("; stack trace").map_or(message, |(text, _)| text);
    Some(Trace::of(kind, message, stack).fatal())
}

/// `==7==ERROR: AddressSanitizer: heap-use-after-free on address ...`.
fn sanitizer<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    let (_, said) = line.split_once("==ERROR: ")?;
    let (_, said) = said.split_once("Sanitizer: ")?;
    let (kind, message) = said.split_once(' ').unwrap_or((said, ""));
    Some(Trace::of(kind, message, stack).fatal())
}

/// `=CRASH REPORT====` with `exception error: text`, `=ERROR REPORT====` with `** Reason for termination`.
fn erlang<'a>(line: &'a str, stack: &'a str) -> Option<Trace<'a>> {
    if !line.starts_with("=CRASH REPORT====") && !line.starts_with("=ERROR REPORT====") {
        return None;
    }
    let mut lines = stack.lines();
    while let Some(line) = lines.next() {
        if let Some((kind, message)) =
            line.trim_start().strip_prefix("exception ").and_then(|said| said.split_once(": "))
        {
            return Some(Trace::of(kind, message, stack));
        }
        if let Some(said) = line.strip_prefix("** Reason for termination") {
            let said = said.trim_start_matches([' ', '=', ':']);
            let said = if said.is_empty() { lines.next()?.trim_start_matches(['*', ' ']) } else { said };
            let kind = said.trim_start_matches('{').split([',', '}', ' ', ':']).next().unwrap_or_default();
            return Some(Trace::of(kind.trim_matches('\''), said, stack));
        }
    }
    Some(Trace::of("", "", stack))
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
