//! `multiline { pattern => "^\s" what => "previous" }`: lines that belong together are one message, with line ends between them.
//!
//! A line that `pattern` (a pattern of `grok`) matches, or with `negate` one that it does not, goes with the line before or the
//! `next`. A message of several lines is tagged `multiline_tag`. One ends, too, at `max_lines` or `max_bytes`, which is tagged,
//! and when nothing came for `auto_flush_interval` seconds: 1 unless set, where Logstash waits for the next line for ever.

use super::{
    CodecKind, FramingKind,
    framing::{Cut, Framing, Joiner},
    plain,
};
use crate::{
    config::{Options, grok_library, wrong_grok},
    event::LINE_BYTES_MAX,
};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use logship_parsers::{
    config::typed,
    grok::{self, Grok, Outcome},
};
use std::{sync::Arc, time::Duration};

pub(super) const KIND: CodecKind = CodecKind {
    name: "multiline",
    summary: "Messages of several lines",
    options: &[
        "auto_flush_interval",
        "charset",
        "delimiter",
        "max_bytes",
        "max_lines",
        "multiline_tag",
        "negate",
        "pattern",
        "patterns_dir",
        "what",
    ],
    framing: FramingKind::Own(framing),
    decoder: Some(plain::decoder),
    encoder: Some(plain::encoder),
};

/// Most lines of a message, unless `max_lines` says otherwise.
const LINES_MAX: i64 = 500;
/// How long a message may wait for more, unless `auto_flush_interval` says otherwise.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// What belongs together.
#[derive(Debug)]
struct Rule {
    pattern: Grok,
    is_negated: bool,
    /// With the line before.
    is_previous: bool,
    lines_max: usize,
    bytes_max: usize,
    tag: Option<ByteString>,
    patience: Duration,
}

fn framing(options: &mut Options<'_>) -> Option<Framing> {
    let library = grok_library(options);
    let pattern = options.required("pattern", |value| {
        let text = typed::text(value)?;
        Grok::compile(&[text], &library, grok::Options::default())
            .map_err(|wrong| wrong_grok(std::slice::from_ref(value), wrong))
    });
    let what =
        options.required("what", |value| typed::choice(value, &["previous", "next"]).map(|what| what == "previous"));
    let count = |number: i64| usize::try_from(number).ok().filter(|number| *number > 0);
    let bytes_max = options.get("max_bytes", typed::bytes).and_then(|bytes| usize::try_from(bytes).ok());
    let seconds = options.get("auto_flush_interval", typed::number).filter(|seconds| *seconds > 0.0);
    let tag = options.text("multiline_tag").unwrap_or_else(|| "multiline".to_owned());
    let rule = Rule {
        is_negated: options.flag("negate", false),
        lines_max: count(options.or("max_lines", typed::integer, LINES_MAX)).unwrap_or(usize::MAX),
        bytes_max: bytes_max.unwrap_or(LINE_BYTES_MAX).min(LINE_BYTES_MAX),
        tag: Some(tag).filter(|tag| !tag.is_empty()).map(ByteString::from),
        patience: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(FLUSH_WAIT),
        pattern: pattern?,
        is_previous: what?,
    };
    let rule = Arc::new(rule);
    Some(Framing::by_line(move || Multiline::new(rule.clone())))
}

/// The messages of one stream.
struct Multiline {
    rule: Arc<Rule>,
    scratch: grok::Scratch,
    held: BytesMut,
    /// How many lines are held.
    count: usize,
}

impl Multiline {
    fn new(rule: Arc<Rule>) -> Multiline {
        Multiline { rule, scratch: grok::Scratch::default(), held: BytesMut::new(), count: 0 }
    }

    fn add(&mut self, line: &[u8], out: &mut Vec<Cut>) {
        let text = String::from_utf8_lossy(line);
        let matched = matches!(self.rule.pattern.matches(&text, &mut self.scratch), Outcome::Match { .. });
        let belongs = matched != self.rule.is_negated;
        if self.rule.is_previous && !belongs {
            self.end(None, out);
        }
        if self.count > 0 {
            self.held.extend_from_slice(b"\n");
        }
        self.held.extend_from_slice(line);
        self.count += 1;
        let over = match () {
            () if self.count >= self.rule.lines_max => Some("multiline_codec_max_lines_reached"),
            () if self.held.len() >= self.rule.bytes_max => Some("multiline_codec_max_bytes_reached"),
            () => None,
        };
        if over.is_some() || !self.rule.is_previous && !belongs {
            self.end(over.map(ByteString::from_static), out);
        }
    }

    fn end(&mut self, tag: Option<ByteString>, out: &mut Vec<Cut>) {
        if self.count == 0 {
            return;
        }
        let tags = self.rule.tag.clone().filter(|_| self.count > 1).into_iter().chain(tag).collect();
        let text: Bytes = self.held.split().freeze();
        self.count = 0;
        out.push(Cut { text, tags });
    }
}

impl Joiner for Multiline {
    fn line(&mut self, line: Cut, out: &mut Vec<Cut>) {
        self.add(&line.text, out);
        if let Some(tag) = line.tags.into_iter().next() {
            self.end(Some(tag), out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Cut>) {
        self.end(None, out);
    }

    fn patience(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.rule.patience)
    }

    fn holds(&self) -> bool {
        self.count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Role, Settings};
    use logship_parsers::config::{self, ast::Statement};

    fn check(options: &str, text: &str, expected: &[&str]) {
        let config = format!("filter {{ multiline {{ {options} }} }}");
        let parsed = config::parse(&[config::Source::new("test", config.as_str())], &config::Options::default());
        let [Statement::Plugin(plugin)] = parsed.config.filters.as_slice() else { panic!("{options}") };
        let (settings, mut wrong) = (Settings::default(), Vec::new());
        let mut options = Options::new(plugin, (Role::Codec, KIND.options), &settings, &mut wrong);
        let Some(Framing::Own(make)) = framing(&mut options) else { panic!("{wrong:?}") };
        // However it comes.
        for size in 1..text.len() {
            let (mut framer, mut out) = (make(), Vec::new());
            text.as_bytes().chunks(size).for_each(|bytes| framer.push(bytes, &mut out));
            framer.finish(&mut out);
            assert_eq!(framer.patience(), None);
            let shown = |cut: &Cut| {
                format!(
                    "{} {}",
                    String::from_utf8_lossy(&cut.text),
                    cut.tags.iter().map(|tag| &**tag).collect::<Vec<_>>().join(",")
                )
            };
            assert_eq!(out.iter().map(shown).collect::<Vec<_>>(), expected, "{text:?} by {size}");
        }
    }

    #[test]
    fn lines_go_with_those_before_or_after() {
        let trace = "boom\n  at a\n  at b\r\nnext\n";
        check(r#"pattern => "^\s" what => "previous""#, trace, &["boom\n  at a\n  at b multiline", "next "]);
        check(r#"pattern => "^\s" what => "previous" multiline_tag => """#, trace, &["boom\n  at a\n  at b ", "next "]);
        check(r#"pattern => "\\$" what => "next""#, "a\\\nb\\\nc\nd", &["a\\\nb\\\nc multiline", "d "]);
        let dated = "2026-01-02 a\nmore\n\n2026-01-02 b\n";
        check(
            r#"pattern => "^%{YEAR}-%{MONTHNUM}" negate => true what => "previous""#,
            dated,
            &["2026-01-02 a\nmore\n multiline", "2026-01-02 b "],
        );
    }

    #[test]
    fn messages_are_bounded() {
        let options = r#"pattern => "x" what => "previous" max_lines => 2"#;
        check(options, "a\nx\nx\nb\n", &["a\nx multiline,multiline_codec_max_lines_reached", "x ", "b "]);
        let options = r#"pattern => "x" what => "previous" max_bytes => 3"#;
        check(options, "a\nx\nx\n", &["a\nx multiline,multiline_codec_max_bytes_reached", "x "]);
    }

    #[test]
    fn what_is_held_may_wait_for_so_long() {
        let rule = Rule {
            pattern: Grok::compile(&["^ "], &grok::Library::empty(), grok::Options::default()).unwrap(),
            is_negated: false,
            is_previous: true,
            lines_max: 9,
            bytes_max: 99,
            tag: None,
            patience: FLUSH_WAIT,
        };
        let rule = Arc::new(rule);
        let Framing::Own(make) = Framing::by_line(move || Multiline::new(rule.clone())) else { panic!("no framer") };
        let mut stream = make();
        stream.push(b"a", &mut Vec::new());
        assert_eq!((stream.patience(), stream.holds()), (None, true));
        stream.push(b"\n", &mut Vec::new());
        assert_eq!((stream.patience(), stream.holds()), (Some(FLUSH_WAIT), true));
        stream.finish(&mut Vec::new());
        assert_eq!((stream.patience(), stream.holds()), (None, false));
    }
}
