//! The traces of errors, language by language: the lines that runtimes print below the line that names an error.
//!
//! Each is a few states. What a state takes is decided on the first bytes; what it does not take is a record of its own.

use super::lead;
use memchr::{memchr, memmem};

/// The first line of Python's traces.
pub(super) const TRACEBACK: &[u8] = b"Traceback (most recent call last):";
/// The first line of the JVM's dump of its threads.
pub(super) const THREAD_DUMP: &[u8] = b"Full thread dump ";
/// The second line of what the JVM says when it dies, below a `#`.
pub(super) const JVM_CRASH: &[u8] = b"# A fatal error has been detected by the Java";

/// A name of a function or an exception is shorter.
const NAME_BYTES_MAX: usize = 200;

/// Where in a trace the last line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// The frames of Java, .NET, Node and others: the next error begins a record of its own.
    Frames,
    /// Below the line that names an exception, above its frames.
    Named,
    /// The frames of a Python traceback.
    Python,
    /// Below the error that ends a traceback.
    PythonEnd,
    /// Between two tracebacks.
    PythonChain,
    /// A traceback in a box, as rich draws it.
    PythonBox,
    /// A Go panic, or the goroutines of a program.
    Go,
    /// The stack below a line of Go's zap.
    GoStack,
    /// A Rust panic whose message is on the next line.
    RustMessage,
    /// Below the message of a Rust panic.
    Rust,
    /// `Error: text`, with causes below a blank line, as Rust prints what `main` returns.
    Causes,
    /// Node's `file.js:3`: the source line follows.
    Place,
    /// The source line: a caret follows.
    Source,
    /// The caret: the error follows.
    Caret,
    /// A Ruby error with the source below it.
    Ruby,
    /// Frames with a number sign: PHP, Dart.
    Numbered,
    /// Frames that begin with a number and a dot: ClickHouse.
    Dotted,
    /// Dart's `Unhandled exception:`: the error follows.
    DartMessage,
    /// An Elixir process that died.
    Elixir,
    /// An Erlang report, up to a blank line.
    Erlang,
    /// The dump of glog when a C++ program dies.
    Glog,
    /// The report of a sanitizer, up to its last line.
    Sanitizer,
    /// What C++ says when an exception is not caught.
    Terminate,
    /// The threads of a JVM.
    Threads,
    /// What the JVM says when it dies.
    JvmCrash,
    /// Nothing continues it.
    Done,
}

impl Trace {
    /// The trace that begins with this line.
    pub(super) fn starts(line: &[u8]) -> Option<Trace> {
        Some(match line {
            [b'T', ..] if line.starts_with(TRACEBACK) => Trace::Python,
            [b'T', ..] if line.starts_with(b"The application panicked (crashed).") => Trace::Causes,
            [b'p' | b'f' | b'g' | b'S' | b'u' | b'r', ..] if starts_go(line) => Trace::Go,
            [b't', ..] if is_rust_panic(line) => {
                if line.ends_with(b":") {
                    Trace::RustMessage
                } else {
                    Trace::Rust
                }
            }
            [b't', ..] if line.starts_with(b"terminate called") => Trace::Terminate,
            [b'E', ..] if line.starts_with(b"Exception in thread \"") => Trace::Named,
            [b'E', b'r', b'r', b'o', b'r', b':', b' ', ..] => Trace::Causes,
            [b'/' | b'f' | b'n' | b'A'..=b'Z', ..] if is_place(line) => Trace::Place,
            b"Unhandled exception:" => Trace::DartMessage,
            [b'*', b'*', b'*', ..] if line.starts_with(b"*** Aborted at ") => Trace::Glog,
            [b'*', b'*', b' ', b'(', ..] => Trace::Elixir,
            [b'=', b'=', ..] if memmem::find(head(line), b"==ERROR: ").is_some() => Trace::Sanitizer,
            [b'=', ..] if memmem::find(head(line), b" REPORT==== ").is_some() => Trace::Erlang,
            [b'F', ..] if line.starts_with(THREAD_DUMP) => Trace::Threads,
            [b'-', b'-', b'-', ..] if line.starts_with(b"--- Logging error ---") => Trace::PythonChain,
            [0xe2, ..] if is_boxed_traceback(line) => Trace::PythonBox,
            _ => return None,
        })
    }

    /// Whether it begins with the first line of what a program says when it dies, or a library that logs an exception.
    pub(super) fn is_crash(self) -> bool {
        matches!(
            self,
            Trace::Python
                | Trace::PythonBox
                | Trace::Go
                | Trace::RustMessage
                | Trace::Rust
                | Trace::Place
                | Trace::Named
        )
    }

    /// Whether loggers print it below their lines.
    pub(super) fn is_logged(self) -> bool {
        matches!(self, Trace::Python | Trace::PythonBox)
    }

    /// After a blank line, if that belongs to the trace.
    pub(super) fn blank(self) -> Option<Trace> {
        match self {
            Trace::GoStack | Trace::Rust | Trace::RustMessage | Trace::Glog | Trace::Erlang | Trace::Done => None,
            Trace::DartMessage | Trace::JvmCrash | Trace::Terminate => None,
            trace => Some(trace),
        }
    }

    /// After an indented line, if that belongs to the trace.
    pub(super) fn indented(self, line: &[u8], after_blank: bool) -> Option<Trace> {
        let caret = || line.trim_ascii().iter().all(|b| matches!(b, b'^' | b'~'));
        Some(match self {
            Trace::Frames | Trace::Named if after_blank && !is_frame(line) => return None,
            Trace::Named if is_frame(line) => Trace::Frames,
            Trace::PythonEnd if after_blank => return None,
            Trace::Elixir if after_blank && !is_elixir_frame(line) => return None,
            Trace::PythonChain => Trace::Python,
            Trace::RustMessage => Trace::Rust,
            Trace::Place => Trace::Source,
            Trace::Source if caret() => Trace::Caret,
            Trace::Source => return None,
            Trace::Causes if is_frame(line) => Trace::Frames,
            Trace::Caret if is_frame(line) => Trace::Frames,
            Trace::Done => return None,
            trace => trace,
        })
    }

    /// After a line that is not indented, if that belongs to the trace that began with `head`.
    pub(super) fn next(self, line: &[u8], head: &[u8], after_blank: bool) -> Option<Trace> {
        let begins = |leads: &[&[u8]]| leads.iter().any(|lead| line.starts_with(lead));
        match self {
            Trace::Frames | Trace::Named => (is_closer(line)
                || begins(&[b"Node.js v", b"Emitted '", b"Thrown at:", b"From previous event:", b"Caused by:"]))
            .then_some(Trace::Frames),
            Trace::Python => python_error(line, after_blank),
            Trace::PythonEnd => python_end(line, head),
            Trace::PythonChain => line.starts_with(TRACEBACK).then_some(Trace::Python),
            Trace::PythonBox if matches!(line, [0xe2, 0x94 | 0x95, ..]) => Some(Trace::PythonBox),
            Trace::PythonBox => is_python_error(line).then_some(Trace::PythonEnd),
            Trace::Go => continues_go(line, head),
            Trace::GoStack => is_go_function(line).then_some(Trace::GoStack),
            Trace::RustMessage => Some(Trace::Rust),
            Trace::Rust => begins(&[b"stack backtrace:", b"note: ", b"thread panicked while"]).then_some(Trace::Rust),
            Trace::Causes => {
                let leads: [&[u8]; 6] = [
                    b"Caused by:",
                    b"Stack backtrace:",
                    b"Location:",
                    b"Message:  ",
                    b"Backtrace omitted.",
                    b"Run with ",
                ];
                (begins(&leads) || is_closer(line)).then_some(Trace::Causes)
            }
            Trace::Place => Some(Trace::Source),
            Trace::Source => line.iter().all(|b| *b == b'^').then_some(Trace::Caret),
            Trace::Caret => after_caret(line),
            Trace::Ruby => is_ruby_frame(line).then_some(Trace::Ruby),
            Trace::Numbered => continues_numbered(line, after_blank),
            Trace::Dotted => is_dotted(line).then_some(Trace::Dotted),
            Trace::DartMessage => Some(Trace::Numbered),
            Trace::Elixir => {
                let leads: [&[u8]; 8] = [
                    b"** (",
                    b"Client #PID<",
                    b"Last message",
                    b"State: ",
                    b"Function: ",
                    b"Initial Call: ",
                    b"Ancestors: ",
                    b"Args: ",
                ];
                (!after_blank && begins(&leads)).then_some(Trace::Elixir)
            }
            Trace::Erlang => (!line.starts_with(b"=")).then_some(Trace::Erlang),
            Trace::Glog => begins(&[b"*** ", b"PC: @"]).then_some(Trace::Glog),
            Trace::Sanitizer => Some(if line.ends_with(b"==ABORTING") { Trace::Done } else { Trace::Sanitizer }),
            Trace::Threads => {
                let leads: [&[u8]; 9] = [
                    b"\"",
                    b"JNI global ref",
                    b"Heap",
                    b"Found ",
                    b"===",
                    b"Java stack info",
                    b"Threads class SMR",
                    b"_java_thread",
                    b"which is",
                ];
                (begins(&leads) || is_closer(line) || line.starts_with(b"0x")).then_some(Trace::Threads)
            }
            Trace::JvmCrash => line.starts_with(b"#").then_some(Trace::JvmCrash),
            Trace::Terminate | Trace::Done => None,
        }
    }
}

fn head(line: &[u8]) -> &[u8] {
    &line[..line.len().min(48)]
}

/// The bracket that ends what Node prints of an error's properties, and objects that are printed over several lines.
pub(super) fn is_closer(line: &[u8]) -> bool {
    matches!(line, b"}" | b"]" | b"})" | b"]," | b"}," | b")" | b");" | b"};")
        // `} +24ms`: Nest and others say how long after the line before.
        || matches!(line, [b'}' | b']', b' ', b'+', b'0'..=b'9', .., b's'])
}

/// `at f (a.js:1:2)`, `File "a.py", line 1`, `from a.rb:1:in 'f'`, `... 2 more`, behind white space.
pub(super) fn is_frame(line: &[u8]) -> bool {
    let frame = line.trim_ascii_start();
    match frame {
        [b'a', b't', b' ', place @ ..] => {
            // `at src/main.rs:3` is where Rust's `tracing` says an event comes from.
            let place = &place[..place.len().min(NAME_BYTES_MAX)];
            place.iter().any(|b| matches!(b, b'(' | b'.' | b':' | b'<' | b'/'))
                && memmem::find(place, b".rs:").is_none()
        }
        [b'F', ..] => frame.starts_with(b"File \""),
        [b'f', ..] => frame.starts_with(b"from ") && memmem::find(frame, b":in ").is_some(),
        [b'.', ..] => is_elision(frame),
        [b'S', ..] => frame.starts_with(b"Suppressed: "),
        _ => false,
    }
}

/// `... 12 more`, `... 12 common frames omitted`.
pub(super) fn is_elision(line: &[u8]) -> bool {
    let counted = line.strip_prefix(b"... ").and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit);
    counted && (line.ends_with(b" more") || line.ends_with(b" omitted"))
}

/// Whether the line begins with the name of an exception, and whether that name has dots. `Exception in thread` is what the
/// JVM prints of a thread that died: no part of a log line.
pub(super) fn exception(line: &[u8]) -> Option<bool> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$');
    let end = line.iter().take(NAME_BYTES_MAX).take_while(|b| is_name(b)).count();
    let name = &line[..end];
    let named = [&b"Error"[..], b"Exception", b"Throwable"].iter().any(|suffix| name.ends_with(suffix));
    let ended = matches!(line.get(end), None | Some(b':')) || line[end..].starts_with(b" [");
    (named && ended).then(|| name.contains(&b'.'))
}

/// The line below the frames of a traceback: its error, or another frame.
fn python_error(line: &[u8], after_blank: bool) -> Option<Trace> {
    // `> File`: loguru marks the frame that caught the error.
    if line.starts_with(b"> File \"") {
        return Some(Trace::Python);
    }
    (is_python_error(line) || (!after_blank && is_chain(line))).then_some(Trace::PythonEnd)
}

/// `shop.errors.Late: b`, `KeyboardInterrupt`.
fn is_python_error(line: &[u8]) -> bool {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'<' | b'>') || *b >= 0x80;
    let end = line.iter().take(NAME_BYTES_MAX).take_while(|b| is_name(b)).count();
    let name = &line[..end];
    let class = name.rsplit(|b| *b == b'.').next().and_then(<[u8]>::first).copied().unwrap_or_default();
    match line.get(end) {
        Some(b':') => end > 0,
        None => class.is_ascii_uppercase() || name.contains(&b'.'),
        Some(_) => false,
    }
}

/// Between the tracebacks of a chain.
fn is_chain(line: &[u8]) -> bool {
    line.starts_with(b"During handling of the above exception")
        || line.starts_with(b"The above exception was the direct")
}

/// What may stand below a Python error: the next traceback, what databases add, the rest of `--- Logging error ---`.
fn python_end(line: &[u8], head: &[u8]) -> Option<Trace> {
    if is_chain(line) {
        return Some(Trace::PythonChain);
    }
    let logging = head.starts_with(b"--- Logging error");
    let begins = |leads: &[&[u8]]| leads.iter().any(|lead| line.starts_with(lead));
    if logging && begins(&[b"Call stack:", b"Message: ", b"Arguments: "]) {
        return Some(Trace::PythonEnd);
    }
    let database = begins(&[b"[SQL: ", b"[parameters: ", b"(Background on this error at", b"DETAIL:  ", b"HINT:  "]);
    let place = line.starts_with(b"LINE ") && line.get(5).is_some_and(u8::is_ascii_digit);
    (database || place).then_some(Trace::PythonEnd)
}

/// `╭──── Traceback (most recent call last) ────╮`.
pub(super) fn is_boxed_traceback(line: &[u8]) -> bool {
    line.starts_with("╭".as_bytes()) && memmem::find(line, b" Traceback (most recent call last) ").is_some()
}

fn starts_go(line: &[u8]) -> bool {
    let leads: [&[u8]; 6] = [
        b"panic: ",
        b"fatal error: ",
        b"goroutine ",
        b"SIGQUIT: ",
        b"unexpected fault address",
        b"runtime: goroutine stack exc",
    ];
    leads.iter().any(|lead| line.starts_with(lead)) && (line[0] != b'g' || line.ends_with(b"]:"))
}

/// `main.run(0x1)`, `created by main.main`, `goroutine 7 [select]:`, `[signal SIGSEGV: ...]`, `exit status 2`.
fn continues_go(line: &[u8], head: &[u8]) -> Option<Trace> {
    if line.starts_with(b"exit status ") {
        return Some(Trace::Done);
    }
    let leads: [&[u8]; 7] =
        [b"goroutine ", b"created by ", b"[signal ", b"runtime.", b"runtime/", b"...additional frames", b"PC="];
    let fault = line.starts_with(b"fatal error: ") && matches!(head, [b'u' | b'r', ..]);
    let register =
        matches!(line, [b'r' | b'c' | b'e' | b'f' | b'g', ..]) && memmem::find(self::head(line), b" 0x").is_some();
    let call = || line.ends_with(b")") && memchr(b'(', line).is_some_and(|end| !line[..end].contains(&b' '));
    (leads.iter().any(|lead| line.starts_with(lead)) || fault || register || call()).then_some(Trace::Go)
}

/// Whether a log line is one below which Go's zap prints a stack: fields with tabs between them, a level of warning or worse.
pub(super) fn has_go_stack(head: &[u8]) -> bool {
    let levels: [&[u8]; 5] = [b"\tWARN\t", b"\tERROR\t", b"\tDPANIC\t", b"\tPANIC\t", b"\tFATAL\t"];
    levels.iter().any(|level| memmem::find(head, level).is_some())
}

/// `github.com/ann/shop.(*Cart).Add`, alone on its line.
pub(super) fn is_go_function(line: &[u8]) -> bool {
    let is_name = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'.' | b'/' | b'_' | b'-' | b'(' | b')' | b'*' | b'[' | b']' | b'~' | b'%')
    };
    line.len() < NAME_BYTES_MAX && line.contains(&b'.') && line.iter().all(is_name)
}

fn is_rust_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b"panicked at ").is_some()
}

/// `/app/index.js:3`, `file:///app/index.mjs:3`, `node:internal/fs:573`.
fn is_place(line: &[u8]) -> bool {
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let Some(file) = line[..line.len() - digits].strip_suffix(b":") else { return false };
    let script = [&b".js"[..], b".mjs", b".cjs", b".ts", b".tsx", b".jsx"].iter().any(|ending| file.ends_with(ending));
    digits > 0 && (script || file.starts_with(b"node:")) && !file.contains(&b' ')
}

fn after_caret(line: &[u8]) -> Option<Trace> {
    if line.starts_with(b"(Use `node") || line.starts_with(b"Node.js v") {
        return Some(Trace::Caret);
    }
    let rejected = line.starts_with(b"[UnhandledPromiseRejection: ");
    (rejected || exception(line.strip_prefix(b"[").unwrap_or(line)).is_some()).then_some(Trace::Frames)
}

/// `Stack trace:`, `PHP Stack trace:`, `[stacktrace]`.
pub(super) fn starts_numbered(line: &[u8]) -> bool {
    matches!(line, b"Stack trace:" | b"PHP Stack trace:" | b"[stacktrace]")
}

/// `    (elixir 1.14.0) lib/gen_server.ex:1035: GenServer.call/3`.
fn is_elixir_frame(line: &[u8]) -> bool {
    let look = &line[..line.len().min(NAME_BYTES_MAX)];
    [&b".ex:"[..], b".exs:", b".erl:"].iter().any(|file| memmem::find(look, file).is_some())
}

/// `7. clickhouse-server(+0x86012) [0x5579a5adb012]`.
pub(super) fn is_dotted(line: &[u8]) -> bool {
    let digits = line.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && line[digits..].starts_with(b". ")
}

fn continues_numbered(line: &[u8], after_blank: bool) -> Option<Trace> {
    let continues = match line {
        [b'#', b'0'..=b'9', ..] | [b'"', b'}', ..] | [b'P', b'H', b'P', b' ', b' ', ..] => true,
        [b'N', ..] => after_blank && line.starts_with(b"Next "),
        [b'<', ..] => line == b"<asynchronous suspension>",
        [b'[', ..] if line.starts_with(b"[previous exception]") => true,
        _ => starts_numbered(line),
    };
    continues.then_some(Trace::Numbered)
}

/// `/app/shop.rb:12:in 'run'`.
pub(super) fn is_ruby_frame(line: &[u8]) -> bool {
    let look = &line[..line.len().min(NAME_BYTES_MAX)];
    // `actionpack (6.1.7) lib/a.rb:6:in 'f'`, of Rails.
    let open = memchr(b' ', look).filter(|at| look[*at..].starts_with(b" ("));
    let gem = open.and_then(|at| memmem::find(&look[at..], b") ").map(|end| at + end));
    let line = gem.map_or(line, |end| &line[end + 2..]);
    let place = &line[..line.len().min(NAME_BYTES_MAX)];
    let place = &place[..memchr(b' ', place).unwrap_or(place.len())];
    memmem::find(place, b".rb:").is_some() && line[place.len().saturating_sub(3)..].starts_with(b":in ")
}

/// `/app/shop.rb:12:in 'run': text (NameError)`, as far as the beginning shows it.
pub(super) fn is_ruby_error(line: &[u8]) -> bool {
    is_ruby_frame(line) && memmem::find(line, b"': ").is_some() && lead::first_char(line).is_some()
}
