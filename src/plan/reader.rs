//! A line with what its parser must know: when it arrived, and the zone of stamps that name none.
//!
//! Parsers know one offset, that of the zone when the line arrived. Where a stamp turns out to lie in another season of the
//! zone, the line is read again with the offset of that season: a stamp that names its own zone is not changed by it.

use crate::{event::Timestamp, flow::RawBatch};
use jiff::tz::TimeZone;
use logship_parsers::{Fields, line::Context, line::detect::FormatId};
use std::ops::Range;

/// What the records of one batch share.
#[derive(Clone, Debug)]
pub struct Reader<'h> {
    /// For the parsers.
    pub context: Context<'h>,
    zone: TimeZone,
    /// The times, in UTC nanoseconds, at which the zone has the offset of the context.
    season: Range<i64>,
}

/// What was read from one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a, 'h> {
    /// Its format.
    pub format: FormatId,
    /// Its fields.
    pub fields: Fields<'a>,
    /// What its parser knew besides the text.
    pub context: Context<'h>,
}

impl<'h> Reader<'h> {
    /// For what arrived then from a stream of that zone.
    #[must_use]
    pub fn new(zone: TimeZone, received: Timestamp) -> Reader<'static> {
        let at = instant(received.as_nanos());
        let nanos = |at: jiff::Timestamp| i64::try_from(at.as_nanosecond()).ok();
        let begin = zone.preceding(at).next().and_then(|change| nanos(change.timestamp()));
        let end = zone.following(at).next().and_then(|change| nanos(change.timestamp()));
        let utc_offset_s = zone.to_offset(at).seconds();
        Reader {
            context: Context { received: received.as_nanos(), utc_offset_s, ..Context::default() },
            zone,
            season: begin.unwrap_or(i64::MIN)..end.unwrap_or(i64::MAX),
        }
    }

    pub(super) fn of(batch: &RawBatch) -> Reader<'static> {
        let zone = batch.origin.zone.as_deref().and_then(zone).unwrap_or(TimeZone::UTC);
        Reader::new(zone, batch.received)
    }

    /// Parses a text, once more where its stamp is of another season.
    pub fn read<'a>(
        &self,
        text: &'a str,
        parse: impl Fn(&'a str, &Context<'_>) -> (FormatId, Fields<'a>),
    ) -> Reading<'a, 'h> {
        let mut context = self.context;
        let (mut format, mut fields) = parse(text, &context);
        if let Some(time) = fields.time.filter(|time| !self.season.contains(time)) {
            // The hour that a change skips or repeats may come out one hour off, as wall clocks do.
            context.utc_offset_s = self.zone.to_offset(instant(time)).seconds();
            (format, fields) = parse(text, &context);
        }
        Reading { format, fields, context }
    }
}

fn instant(nanos: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// The zone of an IANA name or of an offset such as `+02:00`.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let (sign, rest) = match name.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60);
    jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use logship_parsers::line::detect::Detector;

    #[test]
    fn zones_are_names_or_offsets() {
        let offset = |name| zone(name).map(|zone| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds());
        assert_eq!([offset("+02:00"), offset("-05:30"), offset("UTC")], [Some(7200), Some(-19800), Some(0)]);
        assert_eq!([offset("nowhere"), offset("+9x:00"), offset("")], [None; 3]);
    }

    #[test]
    fn a_stamp_has_the_offset_of_its_own_season() {
        let received = Timestamp::from_millis(1_795_219_200_000);
        let reader = Reader::new(zone("Europe/Berlin").unwrap(), received);
        let read = |text| {
            let found = reader.read(text, |text, context| Detector::parse(None, text, context));
            Timestamp::from_nanos(found.fields.time.unwrap()).to_string()
        };
        assert_eq!(read("2026-11-20 12:00:00 winter"), "2026-11-20T11:00:00.000Z");
        assert_eq!(read("2026-07-20 12:00:00 summer"), "2026-07-20T10:00:00.000Z");
        assert_eq!(read("2026-07-20T12:00:00Z its own zone"), "2026-07-20T12:00:00.000Z");
    }
}
