//! What a plan reads from a frame, told instead of done.

use super::{
    Hint, Plan,
    auto::{Format, header_of, text_of},
    reader::Reader,
};
use crate::flow::Frame;
use logship_parsers::{
    Fields,
    line::{
        detect::FormatId,
        explain::{Refusal, explain},
    },
};

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained<'a> {
    /// The record.
    pub text: &'a str,
    /// The format that took it.
    pub format: FormatId,
    /// What it read.
    pub fields: Fields<'a>,
    /// Formats that did not take it, in the order of trial.
    pub refusals: Vec<(FormatId, Refusal)>,
}

impl Plan {
    /// Calls for each record of a frame, in order, with what [`Plan::run`] would read from it, and why.
    pub fn explain(&self, frame: &Frame, hint: &Hint, mut each: impl FnMut(&Explained<'_>)) {
        let format = self.format(hint.format);
        let mut reader = Reader::of(&frame.batch);
        (reader.context.day_first, reader.context.header) = (hint.day_first, hint.header.as_deref());
        for record in &frame.batch.records {
            each(&explained(&text_of(record).0, format, &reader));
            reader.context.header = header_of(record).or(reader.context.header);
        }
    }
}

fn explained<'a>(text: &'a str, how: Format, reader: &Reader<'_>) -> Explained<'a> {
    let found = reader.read(text, |text, context| how.parse(text, context));
    let (format, fields) = (found.format, found.fields);
    let mut refusals = match how {
        Format::Forced(forced) | Format::Written(forced) => {
            let first = text.lines().next().unwrap_or_default();
            let refusal = forced.format().read(first, &found.context).err().map(Refusal::Parse);
            let looks = (forced.format().probe)(first.as_bytes());
            refusal.map(|why| (forced, if looks { why } else { Refusal::Look })).into_iter().collect()
        }
        Format::Detected(_) => explain(text, &found.context).refusals,
    };
    // Tried first where the records before were of it.
    refusals.retain(|(id, _)| *id != format);
    Explained { text, format, fields, refusals }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Timestamp},
        flow::{LogId, Origin, Pos, RawBatch, Record},
    };
    use bytestring::ByteString;
    use logship_parsers::line::FORMATS;
    use std::sync::Arc;

    fn id(name: &str) -> FormatId {
        FormatId::by_name(name).unwrap()
    }

    fn frame(text: &'static str) -> Frame {
        let origin = Arc::new(Origin { zone: Some("Europe/Berlin".to_owned()), ..Origin::default() });
        let records = vec![Record::text(text.into())];
        let received = Timestamp::from_millis(1_767_412_800_000);
        let batch = RawBatch { origin, span: None, mark: None, received, records };
        Frame { log: LogId::from_bits(1), start: Pos(0), end: Pos(9), suspect: false, batch }
    }

    /// The format, and one that refused if any is named; times are those of the events.
    fn check(plan: Plan, hint: Option<&str>, text: &'static str, (format, refused): (&str, &str)) {
        let (frame, hint) = (frame(text), Hint { format: hint.map(id), ..Hint::default() });
        let event = plan.run(&frame, &hint).remove(0).event;
        plan.explain(&frame, &hint, |found| {
            assert_eq!(found.format.format().name, format, "{text}");
            let mut refusals = found.refusals.iter();
            assert!(refused.is_empty() || refusals.any(|(by, _)| *by == id(refused)), "{text} {:?}", found.refusals);
            assert!(found.fields.time.is_none_or(|time| time == event.time.as_nanos()), "{text}");
        });
    }

    #[test]
    fn what_is_told_is_what_is_read() {
        let auto = Plan::auto();
        check(auto, None, "level=warn msg=slow", ("logfmt", ""));
        check(auto, None, "{\"level\": nonsense", ("plain", "json"));
        check(auto, None, "2026-07-20 12:00:00 in summer", ("plain", ""));
        check(auto, Some("plain"), "level=warn msg=slow", ("logfmt", ""));
        check(auto, Some("hclog"), "2026-01-02T03:04:05.678Z [INFO]  agent: x: a=b", ("hclog", ""));
        check(Plan::forced(id("plain")), None, "{\"a\":1}", ("plain", ""));
        check(Plan::forced(id("clf")), None, "no access line", ("plain", "clf"));
    }

    #[test]
    fn every_format_is_told_whatever_came_before() {
        for (before, format) in FORMATS.iter().flat_map(|before| FORMATS.iter().map(move |format| (before, format))) {
            let (frame, hint) = (frame(format.example), Hint { format: Some(id(before.name)), ..Hint::default() });
            let event = Plan::auto().run(&frame, &hint).remove(0).event;
            Plan::auto().explain(&frame, &hint, |found| {
                let mut told = Event::new(found.fields.time.map_or(frame.batch.received, Timestamp::from_nanos));
                told.absorb(&ByteString::from(found.text), found.fields.clone());
                assert_eq!(told.fields, event.fields, "{} after {}", format.name, before.name);
            });
        }
    }
}
