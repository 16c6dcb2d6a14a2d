//! What single words and brackets of a header are, told by their letters alone.

use crate::line::level;

/// Names of loggers, threads and files are shorter than this.
pub(super) const NAME_BYTES_MAX: usize = 160;
/// Levels shorter than this are letters, which text is full of.
const LEVEL_BYTES_MIN: usize = 3;

/// Words that begin a sentence with a colon after them, in lower case: no loggers.
const PROSE: [&str; 40] = [
    "abort",
    "aborted",
    "aborting",
    "attempt",
    "cause",
    "caused",
    "caution",
    "check",
    "details",
    "done",
    "duration",
    "errors",
    "exception",
    "failed",
    "failure",
    "finished",
    "found",
    "hint",
    "invalid",
    "message",
    "missing",
    "note",
    "output",
    "panic",
    "reason",
    "received",
    "request",
    "response",
    "result",
    "see",
    "started",
    "starting",
    "status",
    "stopped",
    "time",
    "unable",
    "unexpected",
    "usage",
    "warnings",
    "with",
];

/// The level of a word in capitals: `ERROR`, not `Error`, `I` or `ALERTS`.
pub(super) fn capital_level(word: &str) -> Option<&'static str> {
    let capitals = word.len() >= LEVEL_BYTES_MIN && word.bytes().all(|b| b.is_ascii_uppercase());
    match word {
        "CONFIG" => Some("debug"),
        "SUCCESS" => Some("info"),
        _ if capitals => any_level(word),
        _ => None,
    }
}

/// The level of a word in any case.
pub(super) fn any_level(word: &str) -> Option<&'static str> {
    if word.len() < LEVEL_BYTES_MIN { None } else { level::from_word(word) }
}

/// The level of a letter that stands where only levels stand.
pub(super) fn letter_level(word: &str) -> Option<&'static str> {
    matches!(word, "V" | "T" | "D" | "I" | "W" | "E" | "F" | "C").then(|| level::from_word(word)).flatten()
}

/// The level of a word that hardly begins a sentence.
pub(super) fn plain_level(word: &str) -> Option<&'static str> {
    matches!(word, "info" | "debug" | "warn" | "warning" | "error" | "notice" | "fatal" | "trace")
        .then(|| level::from_word(word))
        .flatten()
}

/// A number of a process or a thread.
pub(super) fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Letters, digits and what joins them in names; begins with a letter or `_`.
pub(super) fn is_name(text: &str) -> bool {
    let first = text.as_bytes().first();
    first.is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b'-' | b':' | b'/' | b'@' | b'#'))
        && !text.ends_with(['.', '-', '/'])
}

/// A method of a class of Java, whose constructors are `<init>`.
pub(super) fn is_method(text: &str) -> bool {
    is_name(text) || matches!(text, "<init>" | "<clinit>")
}

/// A name with parts, as classes and modules have: `shop.Cart`, `shop::net`, `Foo$Bar`; no error's name, no address.
pub(super) fn is_dotted(text: &str) -> bool {
    let parts = text.contains("::") || text.contains('$') || text.contains('.');
    parts && is_name(text) && !is_error_name(text) && !text.contains("..") && !text.contains("//")
}

pub(super) fn is_error_name(text: &str) -> bool {
    ["Exception", "Error", "Throwable"].iter().any(|end| text.ends_with(end))
}

/// A name that a colon may follow to mean "who says it"; no method, as in `Server#start: text`. `header` says that a stamp and a level stand before it.
pub(super) fn is_speaker(text: &str, header: bool) -> bool {
    if !is_name(text) || is_error_name(text) || text.contains('#') || text.contains("//") || text.ends_with(':') {
        return false;
    }
    let inner = text.bytes().skip(1).any(|b| b.is_ascii_uppercase()) && text.bytes().any(|b| b.is_ascii_lowercase());
    if inner || text.bytes().any(|b| matches!(b, b'.' | b'$' | b':' | b'_')) {
        return true;
    }
    let mut lower = [0; 12];
    let prose = lower.get_mut(..text.len()).is_some_and(|lower| {
        lower.copy_from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        PROSE.iter().any(|word| word.as_bytes() == lower)
    });
    header && !prose && any_level(text).is_none()
}

/// A class and its method, `org.apache.catalina.startup.Catalina.start`: enough parts to be no word of a sentence.
pub(super) fn is_class_path(text: &str) -> bool {
    is_dotted(text)
        && text.bytes().filter(|b| *b == b'.').count() >= 2
        && text.split('.').any(|part| part.as_bytes().first().is_some_and(u8::is_ascii_uppercase))
        && text.split('.').all(|part| !part.is_empty())
}

/// `main.go:12`: a file's name with its ending, and a line.
pub(super) fn place(text: &str) -> Option<(&str, i64)> {
    let (file, line) = text.rsplit_once(':')?;
    let (stem, ending) = file.rsplit_once('.')?;
    let known = matches!(
        ending,
        "go" | "rs"
            | "py"
            | "rb"
            | "js"
            | "mjs"
            | "cjs"
            | "ts"
            | "tsx"
            | "jsx"
            | "java"
            | "kt"
            | "scala"
            | "groovy"
            | "clj"
            | "c"
            | "cc"
            | "cpp"
            | "cxx"
            | "h"
            | "hpp"
            | "cs"
            | "fs"
            | "vb"
            | "php"
            | "pl"
            | "pm"
            | "ex"
            | "exs"
            | "erl"
            | "swift"
            | "m"
            | "mm"
            | "lua"
            | "sh"
            | "hs"
            | "ml"
            | "dart"
            | "zig"
            | "nim"
            | "cu"
    );
    let named = !stem.is_empty() && !stem.contains([' ', '(', '[', '"', '=']) && file.len() <= NAME_BYTES_MAX;
    if known && named { Some((file, number(line)?)) } else { None }
}

/// [`place`], which may name a column too: `src/main.rs:12:9`.
pub(super) fn place_and_column(text: &str) -> Option<(&str, i64)> {
    let front = || text.rsplit_once(':').filter(|(_, column)| number(column).is_some()).map(|(front, _)| front);
    place(text).or_else(|| place(front()?))
}

/// The place at the end of what PHP reports: `... in /srv/app.php on line 12`.
pub(super) fn php_place(text: &str) -> Option<(&str, i64)> {
    let (before, line) = text.rsplit_once(" on line ")?;
    let (_, file) = before.rsplit_once(" in ")?;
    Some((file, number(line)?)).filter(|_| file.len() <= NAME_BYTES_MAX && !file.contains(' '))
}

/// Names that programs give to threads: `main`, `http-nio-8080-exec-1`, `Thread-3`, `pool-1-thread-2`.
pub(super) fn is_thread(text: &str) -> bool {
    let counted = text.rsplit_once(['-', '#', ' ']).is_some_and(|(_, end)| number(end).is_some());
    let known = ["main", "Main", "MainThread", "background", "scheduler"].contains(&text);
    counted
        || known
        || ["hread", "exec", "worker", "Worker", "pool", "Timer", "Executor"].iter().any(|part| text.contains(part))
}

/// Hexadecimal digits in groups, as ids have: eight or more, one digit at least.
pub(super) fn is_id(text: &str, bytes: usize) -> bool {
    text.len() == bytes
        && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        && text.bytes().any(|b| b.is_ascii_digit())
}
