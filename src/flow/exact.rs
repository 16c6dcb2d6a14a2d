//! What makes a retry exact: the identity and number that a request brings, and what of a source is durable.

use super::Span;

/// Longest `X-Logship-Source` in bytes: with its prefix it is a source identity, which has 256.
pub const CLIENT_BYTES_MAX: usize = 240;
/// Greatest `X-Logship-Seq`.
pub const SEQ_MAX: u64 = i64::MAX as u64;

/// The source identity and span of a request with these `X-Logship-Source` and `X-Logship-Seq`; none without both.
///
/// # Errors
/// In a sentence, what is wrong with them.
///
/// ```
/// use logship::flow::{Span, exact};
/// assert_eq!(exact(Some("web"), Some("7")), Ok(Some(("http-id:web".to_owned(), Span { from: 7, to: 8 }))));
/// assert!(exact(Some("web"), None).is_err());
/// ```
pub fn exact(source: Option<&str>, seq: Option<&str>) -> Result<Option<(String, Span)>, String> {
    match (source, seq) {
        (None, None) => Ok(None),
        (Some(source), Some(seq)) => {
            if source.is_empty() || source.len() > CLIENT_BYTES_MAX {
                return Err(format!("`X-Logship-Source` must have 1 to {CLIENT_BYTES_MAX} bytes"));
            }
            let digits = seq.bytes().all(|byte| byte.is_ascii_digit());
            let number: Option<u64> = seq.parse().ok().filter(|number| digits && *number <= SEQ_MAX);
            let from = number.ok_or_else(|| format!("`X-Logship-Seq` must be 0 to {SEQ_MAX}"))?;
            // The prefix keeps clients away from the identities of files and agents.
            Ok(Some((format!("http-id:{source}"), Span { from, to: from + 1 })))
        }
        _ => Err("`X-Logship-Source` and `X-Logship-Seq` make a retry exact only together".to_owned()),
    }
}

/// Spans of one source, joined where they touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Adds one. Those that come in their order stay few.
    pub fn add(&mut self, span: Span) {
        match self.0.last_mut() {
            Some(last) if last.from <= span.to && span.from <= last.to => {
                *last = Span { from: last.from.min(span.from), to: last.to.max(span.to) };
            }
            _ => self.0.push(span),
        }
    }

    /// All of them in their order.
    #[must_use]
    pub fn in_order(mut self) -> Vec<Span> {
        self.0.sort_unstable();
        let mut joined = Spans::default();
        self.0.into_iter().for_each(|span| joined.add(span));
        joined.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_joined_where_they_touch() {
        let mut spans = Spans::default();
        [(5, 7), (0, 2), (7, 9), (2, 3), (20, 21)].into_iter().for_each(|(from, to)| spans.add(Span { from, to }));
        let pairs: Vec<_> = spans.in_order().iter().map(|span| (span.from, span.to)).collect();
        assert_eq!(pairs, [(0, 3), (5, 9), (20, 21)]);
    }
}
