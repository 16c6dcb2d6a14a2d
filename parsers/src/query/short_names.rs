//! Short names of fields, and what a mistyped name was probably meant to be.

use std::collections::VecDeque;

/// The longest name that [`suggest`] compares.
pub const SUGGEST_BYTES_MAX: usize = 64;

/// Short names and the Elastic Common Schema fields that they also stand for. Sorted.
pub const SHORT_NAMES: &[(&str, &[&str])] = &[
    ("duration", &["event.duration"]),
    ("error", &["error.message", "error.type"]),
    ("host", &["host.name"]),
    ("ip", &["source.ip", "client.ip"]),
    ("level", &["log.level"]),
    ("logger", &["log.logger"]),
    ("method", &["http.request.method"]),
    ("path", &["url.path", "url.original"]),
    ("pid", &["process.pid"]),
    ("service", &["service.name"]),
    ("span_id", &["span.id"]),
    ("status", &["http.response.status_code"]),
    ("trace_id", &["trace.id"]),
    ("user", &["user.name"]),
];

/// The fields that a name in a query means: one of that very name first, then its Elastic Common Schema fields.
pub fn candidates(name: &str) -> impl Iterator<Item = &str> {
    let known = SHORT_NAMES.binary_search_by(|(short, _)| short.cmp(&name)).ok().and_then(|at| SHORT_NAMES.get(at));
    std::iter::once(name).chain(known.into_iter().flat_map(|(_, fields)| fields.iter().copied()))
}

/// The known name that `name` is most likely a slip of: at most two insertions, deletions, replacements or swaps of
/// neighbours away, ignoring case, and fewer than half of its letters. The first of equally near ones.
pub fn suggest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > SUGGEST_BYTES_MAX {
        return None;
    }
    let typed: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let allowed = 2.min(typed.len().saturating_sub(1) / 2);
    let mut best = None;
    for candidate in known {
        if candidate == name || candidate.len() > SUGGEST_BYTES_MAX {
            continue;
        }
        let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let moves = distance(&typed, &other);
        if moves <= allowed && best.is_none_or(|(least, _)| moves < least) {
            best = Some((moves, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Damerau-Levenshtein distance, where no piece is edited twice.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: VecDeque<Vec<usize>> = VecDeque::from([(0..=b.len()).collect()]);
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let above = rows.back().map_or(0, |last| last[j + 1]);
            let diagonal = rows.back().map_or(0, |last| last[j]);
            let mut least = (above + 1).min(row[j] + 1).min(diagonal + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(rows.front().map_or(least, |before| before[j - 1] + 1));
            }
            row.push(least);
        }
        rows.push_back(row);
        if rows.len() > 2 {
            rows.pop_front();
        }
    }
    rows.back().and_then(|last| last.last().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_sorted() {
        assert!(SHORT_NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_name_stands_for_itself_first() {
        let check = |name, expected: &[&str]| assert_eq!(candidates(name).collect::<Vec<_>>(), expected);
        check("path", &["path", "url.path", "url.original"]);
        check("level", &["level", "log.level"]);
        check("other", &["other"]);
    }

    #[test]
    fn slips_are_recognised() {
        let known = ["level", "service", "status", "host", "http.request.method"];
        let check = |name, expected| assert_eq!(suggest(name, known), expected, "{name}");
        check("levle", Some("level"));
        check("lvl", None);
        check("servcie", Some("service"));
        check("Status", Some("status"));
        check("stat", None);
        check("hots", Some("host"));
        check("http.request.methode", Some("http.request.method"));
        check("zzz", None);
        check("x", None);
    }

    #[test]
    fn distances_count_swaps_once() {
        let check = |a: &str, b: &str, expected| {
            assert_eq!(distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>()), expected, "{a} {b}");
        };
        check("", "", 0);
        check("abc", "", 3);
        check("ab", "ba", 1);
        check("abcd", "acbd", 1);
        check("kitten", "sitting", 3);
    }
}
