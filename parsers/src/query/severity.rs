//! One number for every name of a severity, so that `level:>=warn` compares across programs.

/// The longest name that is looked at.
const NAME_BYTES_MAX: usize = 16;

/// Names in lower case and OpenTelemetry's numbers: trace 1, debug 5, info 9, warn 13, error 17, fatal 21. What
/// lies between follows OpenTelemetry's table for syslog and the order of the program that has it. Sorted.
const NAMES: &[(&str, u8)] = &[
    ("a", 19),
    ("alert", 19),
    ("c", 18),
    ("config", 7),
    ("crit", 18),
    ("critical", 18),
    ("d", 5),
    ("dbg", 5),
    ("debug", 5),
    ("e", 17),
    ("emerg", 21),
    ("emergency", 21),
    ("err", 17),
    ("error", 17),
    ("f", 21),
    ("fatal", 21),
    ("fine", 6),
    ("finer", 5),
    ("finest", 1),
    ("ftl", 21),
    ("i", 9),
    ("inf", 9),
    ("info", 9),
    ("information", 9),
    ("informational", 9),
    ("log", 9),
    ("n", 10),
    ("notice", 10),
    ("panic", 22),
    ("severe", 17),
    ("silly", 1),
    ("success", 10),
    ("t", 1),
    ("trace", 1),
    ("trc", 1),
    ("v", 1),
    ("verbose", 1),
    ("vrb", 1),
    ("w", 13),
    ("warn", 13),
    ("warning", 13),
    ("wrn", 13),
];

/// The severity that a name stands for, in any case; `error2` is one above `error`, up to `4`. None for anything else,
/// also for numbers, which every program counts in its own way.
#[must_use]
pub fn severity(text: &str) -> Option<u8> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut buffer = [0u8; NAME_BYTES_MAX];
    let lower = buffer.get_mut(..text.len())?;
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    if let Some(number) = named(lower) {
        return Some(number);
    }
    let (name, step) = match lower {
        [name @ .., step @ b'1'..=b'4'] => (name, *step - b'1'),
        _ => return None,
    };
    let known: &[&[u8]] = &[b"trace", b"debug", b"info", b"warn", b"error", b"fatal"];
    known.contains(&&*name).then(|| named(name)).flatten().map(|number| number + step)
}

fn named(lower: &[u8]) -> Option<u8> {
    NAMES.binary_search_by(|(name, _)| name.as_bytes().cmp(lower)).ok().and_then(|at| NAMES.get(at)).map(|(_, n)| *n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers() {
        let cases: &[(&str, Option<u8>)] = &[
            ("trace", Some(1)),
            ("DEBUG", Some(5)),
            ("Info", Some(9)),
            ("notice", Some(10)),
            ("warn", Some(13)),
            ("WARNING", Some(13)),
            (" err ", Some(17)),
            ("critical", Some(18)),
            ("emergency", Some(21)),
            ("panic", Some(22)),
            ("ERROR3", Some(19)),
            ("fatal4", Some(24)),
            ("error5", None),
            ("warning2", None),
            ("E", Some(17)),
            ("3", None),
            ("", None),
            ("é", None),
            ("informationalinformational", None),
        ];
        for (text, expected) in cases {
            assert_eq!(severity(text), *expected, "{text}");
        }
    }

    #[test]
    fn every_name_is_found() {
        for (name, number) in NAMES {
            assert_eq!(severity(name), Some(*number), "{name}");
        }
    }
}
