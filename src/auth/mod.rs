//! Who may ask.
//!
//! One kind of credential so far: bearer tokens from `LOGSHIP_TOKEN` or a file, one a line. Promise: a comparison takes
//! the same time whatever the guess is, and all tokens are compared with every guess.

use std::{fmt, hint::black_box};

/// Most tokens that are accepted; each request is compared with all of them.
pub const TOKENS_MAX: usize = 1_000;
/// Longest token in bytes: the longest line that proxies let through in a header.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// Shortest token in bytes: below it, guessing is practical.
pub const TOKEN_BYTES_MIN: usize = 8;

/// The tokens that open the API. Never printed.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Box<str>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// From the text of a token file: one token a line; blank lines and lines that begin with `#` do not count.
    ///
    /// ```
    /// use logship::auth::Tokens;
    /// let tokens = Tokens::parse("# agents\ncorrect-horse-battery\n").unwrap();
    /// assert!(tokens.allow(b"correct-horse-battery"));
    /// assert!(!tokens.allow(b"correct-horse"));
    /// ```
    ///
    /// # Errors
    /// A sentence with the line: a token that is too short or too long or cannot stand in a header; too many.
    pub fn parse(text: &str) -> Result<Tokens, String> {
        let mut tokens = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let token = line.trim();
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!("token on line {}: only visible ASCII without spaces is possible", number + 1));
            }
            if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
                return Err(format!(
                    "token on line {}: has {} bytes, expected {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX}",
                    number + 1,
                    token.len()
                ));
            }
            if tokens.len() == TOKENS_MAX {
                return Err(format!("more than {TOKENS_MAX} tokens"));
            }
            tokens.push(token.into());
        }
        Ok(Tokens(tokens))
    }

    /// Whether there is no token, so that none is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that a client sends.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(AsRef::as_ref)
    }

    /// Whether the guess is one of them.
    #[must_use]
    pub fn allow(&self, guess: &[u8]) -> bool {
        self.0.iter().fold(false, |found, token| found | same(token.as_bytes(), guess))
    }
}

/// Compares in a time that depends on the length of the guess only.
fn same(token: &[u8], guess: &[u8]) -> bool {
    let mut difference = u8::from(token.len() != guess.len());
    for (at, byte) in guess.iter().enumerate() {
        let expected = token.get(at % token.len().max(1)).copied().unwrap_or(0);
        difference = black_box(difference | (byte ^ expected));
    }
    difference == 0 && !token.is_empty()
}

/// The token of an `Authorization` header, where it is a bearer token.
#[must_use]
pub fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_tokens_open() {
        let tokens = Tokens::parse("# one\n\nfirst-token\n  second-token  \n").unwrap();
        for (guess, expected) in [
            ("first-token", true),
            ("second-token", true),
            ("first-toke", false),
            ("first-tokenfirst-token", false),
            ("first-token ", false),
            ("First-token", false),
            ("# one", false),
            ("", false),
        ] {
            assert_eq!(tokens.allow(guess.as_bytes()), expected, "{guess:?}");
        }
        assert_eq!(tokens.first(), Some("first-token"));
        assert!(!Tokens::default().allow(b"") && Tokens::default().first().is_none());
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }

    #[test]
    fn bad_token_files_are_named_by_line() {
        for (text, expected) in [
            ("short", "token on line 1: has 5 bytes, expected 8 to 4096"),
            ("good-token\nwith space", "token on line 2: only visible ASCII without spaces is possible"),
        ] {
            assert_eq!(Tokens::parse(text).unwrap_err(), expected);
        }
        assert!(Tokens::parse("").unwrap().is_empty());
    }

    #[test]
    fn bearer_headers() {
        for (header, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("", None),
        ] {
            assert_eq!(bearer(header.as_bytes()), expected.map(str::as_bytes), "{header:?}");
        }
    }
}
