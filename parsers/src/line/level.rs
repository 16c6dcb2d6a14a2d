//! One vocabulary of severities: `trace debug info warn error fatal`.

use crate::fields::Value;
use std::borrow::Cow;

/// The longest word that is looked up.
const WORD_BYTES_MAX: usize = 16;

/// The level that a word of any logger names, in any case: `WARNING` is `warn`, `CRITICAL` is `fatal`.
#[must_use]
pub fn from_word(word: &str) -> Option<&'static str> {
    let mut lower = [0; WORD_BYTES_MAX];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"info" | b"information" | b"informational" | b"inf" | b"notice" | b"i" => "info",
        b"debug" | b"debu" | b"dbg" | b"dbug" | b"debg" | b"d" | b"fine" => "debug",
        b"warn" | b"warning" | b"warni" | b"wrn" | b"w" => "warn",
        b"error" | b"erro" | b"err" | b"eror" | b"fail" | b"e" | b"severe" => "error",
        b"trace" | b"trac" | b"trc" | b"trce" | b"verbose" | b"vrb" | b"t" | b"v" | b"finer" | b"finest" | b"silly" => {
            "trace"
        }
        b"fatal" | b"fata" | b"ftl" | b"f" | b"critical" | b"crit" | b"c" | b"emerg" | b"emergency" | b"alert"
        | b"panic" | b"pani" | b"pnc" | b"dpanic" => "fatal",
        _ => return None,
    })
}

/// The level of pino and bunyan: 10 is `trace`, 60 is `fatal`, custom levels count as the standard one below.
#[must_use]
pub fn from_pino(number: i64) -> Option<&'static str> {
    Some(match number {
        10..20 => "trace",
        20..30 => "debug",
        30..40 => "info",
        40..50 => "warn",
        50..60 => "error",
        60..70 => "fatal",
        _ => return None,
    })
}

/// The level of a syslog severity: 0 is an emergency, 7 is debug.
#[must_use]
pub fn from_syslog(severity: i64) -> Option<&'static str> {
    Some(match severity {
        0..=2 => "fatal",
        3 => "error",
        4 => "warn",
        5 | 6 => "info",
        7 => "debug",
        _ => return None,
    })
}

/// The level that the first letter of a line of glog, and of what took after it, names.
#[must_use]
pub fn from_glog(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'D' => "debug",
        b'I' => "info",
        b'W' => "warn",
        b'E' => "error",
        b'F' => "fatal",
        _ => return None,
    })
}

/// A level as text: the known name, else the word in lower case.
pub(crate) fn normal<'a>(word: Cow<'a, str>) -> Value<'a> {
    // `ERROR+4`, of Go's slog: so much above a level.
    let name = word.split_once(['+', '-']).map_or(&*word, |(name, _)| name);
    match from_word(&word).or_else(|| from_word(name)) {
        Some(level) => Value::text(level),
        None if word.chars().any(char::is_uppercase) => Value::Str(Cow::Owned(word.to_lowercase())),
        None => Value::Str(word),
    }
}
