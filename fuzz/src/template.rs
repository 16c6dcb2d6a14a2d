//! Templates of messages, and patterns of templates.

use logship_parsers::template::merge::{TEXT_BYTES_MAX, Templates};
use logship_parsers::template::{TOKENS_MAX, hex, id, masked};

/// A template is one line no longer than its message, the same for the same first line; patterns count every message once,
/// in whatever order they came.
pub fn template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    check_message(&text);
    let messages: Vec<&str> = text.split('\n').collect();
    messages.iter().for_each(|message| check_message(message));

    let (mut forth, mut back) = (Templates::default(), Templates::default());
    messages.iter().for_each(|message| forth.add(id(message), message));
    messages.iter().rev().for_each(|message| back.add(id(message), message));
    let (forth, back) = (forth.merged(), back.merged());
    assert_eq!(forth.patterns, back.patterns, "the order matters");
    let counted: u64 = forth.patterns.iter().map(|pattern| pattern.count).sum();
    assert_eq!(counted + forth.other, messages.len() as u64, "messages were lost");
    assert!(forth.patterns.is_sorted_by_key(|pattern| std::cmp::Reverse(pattern.count)), "not the most frequent first");
    for message in &messages {
        let Some(pattern) = forth.of(id(message)) else { panic!("{message:?} is of no pattern") };
        assert!(pattern.text.len() <= TEXT_BYTES_MAX, "{pattern:?}");
        assert_eq!(pattern.text.split(' ').count(), shortened(message).split(' ').count(), "{pattern:?}");
    }
}

fn check_message(message: &str) {
    let masked = masked(message);
    assert!(masked.len() <= 2 * message.len() + 1, "{masked:?}");
    assert!(!masked.contains(['\n', '\t']) && !masked.starts_with(' ') && !masked.contains("  "), "{masked:?}");
    assert!(masked.split(' ').count() <= TOKENS_MAX, "{masked:?}");
    assert!(
        !masked.contains(char::REPLACEMENT_CHARACTER) || message.contains(char::REPLACEMENT_CHARACTER),
        "{masked:?}"
    );
    let first = message.trim_start();
    if !first.is_empty() {
        assert_eq!(id(message), id(&format!("  {first}\n and more")), "more than the first line counts");
    }
    assert!(hex(id(message)).iter().all(u8::is_ascii_hexdigit));
}

/// The template as patterns keep it.
fn shortened(message: &str) -> String {
    let mut text = masked(message);
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}
