//! Rows of separated values, as Ruby's CSV reads and writes them.

use std::borrow::Cow;

/// The values of the first row of a text; empty ones without quotes are none. None where it is no row: a quote inside of a
/// value without quotes, text behind a closing quote, or no closing quote.
#[must_use]
pub fn row<'t>(text: &'t str, separator: &str, quote: Option<char>) -> Option<Vec<Option<Cow<'t, str>>>> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, behind) = match quote.filter(|quote| rest.starts_with(*quote)) {
            Some(quote) => {
                let (value, behind) = quoted(&rest[quote.len_utf8()..], quote)?;
                (Some(value), behind)
            }
            None => {
                let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
                let end = rest[..line].find(separator).unwrap_or(line);
                let value = &rest[..end];
                if quote.is_some_and(|quote| value.contains(quote)) {
                    return None;
                }
                ((!value.is_empty()).then_some(Cow::Borrowed(value)), &rest[end..])
            }
        };
        values.push(value);
        match behind.strip_prefix(separator) {
            Some(next) => rest = next,
            None if behind.is_empty() || behind.starts_with(['\n', '\r']) => return Some(values),
            None => return None,
        }
    }
}

/// The value up to its closing quote, where two quotes are one, and what follows.
fn quoted(text: &str, quote: char) -> Option<(Cow<'_, str>, &str)> {
    let width = quote.len_utf8();
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(quote)?;
        let behind = &rest[end + width..];
        if !behind.starts_with(quote) {
            let value = match value.is_empty() {
                true => Cow::Borrowed(&rest[..end]),
                false => Cow::Owned(value + &rest[..end]),
            };
            return Some((value, behind));
        }
        value.push_str(&rest[..end + width]);
        rest = &behind[width..];
    }
}

/// Appends a value, in quotes where it would read as another one without.
pub fn write_value(out: &mut String, value: &str, separator: &str, quote: Option<char>) {
    let Some(quote) = quote else { return out.push_str(value) };
    let is_plain = !value.is_empty()
        && !value.starts_with([' ', '\t'])
        && !value.contains(['\n', '\r', quote])
        && !value.contains(separator);
    if is_plain {
        return out.push_str(value);
    }
    out.push(quote);
    for c in value.chars() {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_at_separators_outside_of_quotes() {
        let check = |text: &str, separator: &str, quote: Option<char>, expected: Option<&[Option<&str>]>| {
            let found = row(text, separator, quote);
            let found = found.as_ref().map(|values| values.iter().map(|value| value.as_deref()).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("a,b", ",", Some('"'), Some(&[Some("a"), Some("b")]));
        check(",\"\",", ",", Some('"'), Some(&[None, Some(""), None]));
        check("\"a,\"\"b\"\"\n\",c\r\n", ",", Some('"'), Some(&[Some("a,\"b\"\n"), Some("c")]));
        check("a;;b", ";;", Some('\''), Some(&[Some("a"), Some("b")]));
        check("\"a\",b", ",", None, Some(&[Some("\"a\""), Some("b")]));
        check("a\"b", ",", Some('"'), None);
        check("\"a\"b", ",", Some('"'), None);
        check("\"a", ",", Some('"'), None);
    }
    #[test]
    fn what_is_written_reads_back() {
        for value in ["a", " a", "", "a,b", "a\"b", "a\nb", "\"", "ü"] {
            let mut text = String::new();
            write_value(&mut text, value, ",", Some('"'));
            text.push_str(",x");
            let values = row(&text, ",", Some('"')).unwrap();
            let found: Vec<_> = values.iter().map(|value| value.as_deref().unwrap_or("none")).collect();
            assert_eq!(found, [value, "x"], "{text}");
        }
    }
}
