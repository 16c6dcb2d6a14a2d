//! `bytes { source => "size" }`: `12.5 kB` as a number of bytes.
//!
//! `conversion_method`, or `prefix_system`, says what a kilobyte is: 1,024 bytes (`binary`, the default) or 1,000 (`metric`); `KiB`
//! always has 1,024. `kb`, `Kb`, `Mb`, `Gb`, `Tb` and `Pb` are bits, as the plugin's documentation has it, `mb` and the like bytes.
//! `decimal_separator` (`.`) stands before a fraction, other separators between digits, as `digit_group_separator`, are left out. What
//! is no size is tagged (`tag_on_failure`, `_bytesparsefailure`).

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, tags};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use logship_parsers::config::{FieldRef, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "bytes",
    summary: "Reads sizes with units as bytes",
    options: &[
        "conversion_method",
        "decimal_separator",
        "digit_group_separator",
        "prefix_system",
        "source",
        "tag_on_failure",
        "target",
    ],
    build,
};

#[derive(Debug)]
struct Bytes {
    source: FieldRef,
    target: FieldRef,
    base: f64,
    decimal_separator: String,
    group_separator: String,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let of_system =
        |value: &_| Ok(if typed::choice(value, &["binary", "metric"])? == "metric" { 1000.0 } else { 1024.0 });
    let system = options.get("prefix_system", of_system);
    let base = options.get("conversion_method", of_system).or(system);
    let source = options.field("source").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] });
    let target = options.required("target", typed::field)?;
    Some(Box::new(Bytes {
        source,
        target,
        base: base.unwrap_or(1024.0),
        decimal_separator: options.text("decimal_separator").unwrap_or_else(|| ".".to_owned()),
        group_separator: options.text("digit_group_separator").unwrap_or_default(),
        tag_on_failure: tags(options, "tag_on_failure", "_bytesparsefailure"),
    }))
}

impl Filter for Bytes {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        scratch.text.clear();
        match event.get(&self.source).as_deref() {
            None | Some(Value::Null) => {}
            Some(value) => render::write_text(&mut scratch.text, value),
        }
        let fail = |cause: &str| FilterError::new(&self.tag_on_failure, cause);
        let bytes = self.read(&scratch.text).ok_or_else(|| fail("this is no size"))?;
        event.set(&self.target, bytes).map_err(|cause| fail(&cause.to_string()))?;
        Ok(Verdict::Matched)
    }
}

impl Bytes {
    fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (number, unit) = text.split_at(end);
        let grouped = match self.group_separator.as_str() {
            "" => number.to_owned(),
            separator => number.replace(separator, ""),
        };
        let number = grouped.as_str();
        let (whole, fraction) = number.split_once(self.decimal_separator.as_str()).unwrap_or((number, ""));
        let sign = if whole.starts_with('-') { "-" } else { "" };
        let digits = whole.trim_start_matches(['-', '+']).replace([',', '.', ' ', '_'], "");
        let number = match fraction {
            "" => format!("{sign}{digits}"),
            fraction => format!("{sign}{digits}.{fraction}"),
        };
        let is_number = number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
        let number: f64 = number.parse().ok().filter(|_| is_number)?;
        let unit = unit.trim();
        let is_bits = matches!(unit, "kb" | "Kb" | "Mb" | "Gb" | "Tb" | "Pb" | "Eb");
        let unit = unit.to_ascii_lowercase();
        let unit = unit.strip_suffix("bytes").or_else(|| unit.strip_suffix("byte")).unwrap_or(&unit);
        let unit = unit.strip_suffix('b').unwrap_or(unit);
        let (letter, base) = match unit.strip_suffix('i') {
            Some(letter) => (letter, 1024.0),
            None => (unit, self.base),
        };
        let power = ["", "k", "m", "g", "t", "p", "e"].iter().position(|known| *known == letter)?;
        let bytes = number * base.powi(i32::try_from(power).ok()?) / if is_bits { 8.0 } else { 1.0 };
        // The cast saturates, which is as near as it gets.
        Some(if bytes.fract() == 0.0 { Value::Int(bytes as i64) } else { Value::Float(bytes) })
    }
}
