//! What every record passes on its way from an input to the log: redaction, then sampling of its stream.
//!
//! A batch that loses all its records is still appended where it has a span: what it covered is done with. Streams are
//! remembered up to [`STREAMS_MAX`]; past that all begin anew, with full buckets. What a stream is to be told of dropped
//! records comes with its next ones, or from [`Gate::notes`] where none come.

use super::{
    redact::Redactor,
    sample::{Dropped, Sampler, Sampling},
};
use crate::{
    clock,
    flow::{Gate, Origin, RawBatch, Record},
};
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// Streams whose rate is known at a time.
pub const STREAMS_MAX: usize = 10_000;

/// Redaction and sampling, as the user asked for them.
#[derive(Debug)]
pub struct Rules {
    redactor: Option<Redactor>,
    sampling: Option<Sampling>,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    samplers: HashMap<u64, Stream>,
    /// Of streams that were forgotten.
    before: Dropped,
    /// What those are to be told.
    left: Vec<RawBatch>,
}

#[derive(Debug)]
struct Stream {
    sampler: Sampler,
    /// Whose it is, while there is something to tell.
    untold: Option<Arc<Origin>>,
}

impl Stream {
    fn new(sampling: Sampling) -> Stream {
        Stream { sampler: Sampler::new(sampling), untold: None }
    }

    fn note(&mut self, all: bool) -> Option<RawBatch> {
        let origin = self.untold.as_ref()?;
        let record = if all { self.sampler.finish() } else { self.sampler.note(clock::instant()) };
        let batch = note(origin.clone(), record?);
        self.untold = None;
        Some(batch)
    }
}

fn note(origin: Arc<Origin>, record: Record) -> RawBatch {
    RawBatch { origin, span: None, mark: None, received: clock::now(), records: vec![record] }
}

impl Streams {
    fn dropped(&self) -> Dropped {
        let each = self.samplers.values().map(|stream| stream.sampler.dropped());
        each.fold(self.before, |sum, one| Dropped {
            rate_limit: sum.rate_limit + one.rate_limit,
            sampled: sum.sampled + one.sampled,
        })
    }
}

impl Rules {
    /// Nothing where neither is asked for.
    #[must_use]
    pub fn new(redactor: Option<Redactor>, sampling: Option<Sampling>) -> Option<Rules> {
        let any = redactor.is_some() || sampling.is_some();
        any.then(|| Rules { redactor, sampling, streams: Mutex::default() })
    }

    /// How many records sampling dropped.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).dropped()
    }

    /// How often each rule of redaction found something, by its name.
    #[must_use]
    pub fn redacted(&self) -> Vec<(String, u64)> {
        let counts = self.redactor.iter().flat_map(Redactor::counts);
        counts.map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

impl Gate for Rules {
    fn pass(&self, batch: &mut RawBatch) {
        if let Some(redactor) = &self.redactor {
            for record in &mut batch.records {
                *record = redactor.apply(record.clone());
            }
        }
        let Some(sampling) = self.sampling else { return };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.samplers.len() >= STREAMS_MAX {
            let (before, mut left) = (streams.dropped(), mem::take(&mut streams.left));
            // Who forgets as many again before anybody asks has more to worry about.
            left.extend(streams.samplers.values_mut().filter_map(|stream| stream.note(true)));
            left.truncate(STREAMS_MAX);
            *streams = Streams { before, samplers: HashMap::new(), left };
        }
        let stream = streams.samplers.entry(batch.origin.stream_key()).or_insert_with(|| Stream::new(sampling));
        stream.sampler.apply(&mut batch.records, clock::instant());
        match (stream.sampler.has_untold(), &stream.untold) {
            (true, None) => stream.untold = Some(batch.origin.clone()),
            (true, Some(_)) => {}
            (false, _) => stream.untold = None,
        }
    }

    fn notes(&self, all: bool) -> Vec<RawBatch> {
        if self.sampling.is_none() {
            return Vec::new();
        }
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes = mem::take(&mut streams.left);
        notes.extend(streams.samplers.values_mut().filter_map(|stream| stream.note(all)));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codecs::redact::Builtin,
        event::Timestamp,
        flow::{Origin, Record},
    };
    use std::{num::NonZeroU32, sync::Arc};

    fn batch(path: &str, texts: &[&'static str]) -> RawBatch {
        RawBatch {
            origin: Arc::new(Origin { path: Some(path.to_owned()), ..Origin::default() }),
            span: None,
            mark: None,
            received: Timestamp::default(),
            records: texts.iter().map(|text| Record::text(text.as_bytes().into())).collect(),
        }
    }

    fn passed(rules: &Rules, path: &str, texts: &[&'static str]) -> Vec<String> {
        let mut batch = batch(path, texts);
        rules.pass(&mut batch);
        batch.records.iter().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn records_are_redacted_and_each_stream_has_its_own_rate() {
        let redactor = Redactor::new(&[Builtin::Emails], &[]).unwrap();
        let sampling = Sampling { per_second: NonZeroU32::new(1), burst: NonZeroU32::new(2), ..Sampling::default() };
        let rules = Rules::new(Some(redactor), Some(sampling)).unwrap();
        assert_eq!(passed(&rules, "a", &["from ann@example.com", "b", "c"]), ["from [redacted:email]", "b"]);
        assert_eq!(passed(&rules, "b", &["c"]), ["c"]);
        assert_eq!(rules.dropped(), Dropped { rate_limit: 1, sampled: 0 });
        assert_eq!(rules.redacted().iter().map(|(_, count)| count).sum::<u64>(), 1);
        assert!(Rules::new(None, None).is_none());
    }

    #[test]
    fn streams_of_which_nothing_comes_are_told_what_was_dropped() {
        let sampling = Sampling { per_second: NonZeroU32::new(1), burst: NonZeroU32::new(1), ..Sampling::default() };
        let rules = Rules::new(None, Some(sampling)).unwrap();
        for path in ["a", "b"] {
            assert_eq!(passed(&rules, path, &["1", "2", "3"]), ["1"]);
        }
        assert_eq!(passed(&rules, "c", &["1"]), ["1"]);
        assert!(rules.notes(false).is_empty(), "a note has its time");
        let mut notes = rules.notes(true);
        notes.sort_by(|one, other| one.origin.path.cmp(&other.origin.path));
        let told: Vec<_> =
            notes.iter().map(|note| (note.origin.path.as_deref(), note.records.len(), note.span)).collect();
        assert_eq!(told, [(Some("a"), 1, None), (Some("b"), 1, None)]);
        let text = std::str::from_utf8(&notes[0].records[0].bytes).unwrap();
        assert!(text.contains("2 records dropped (rate limit)") && notes[0].records[0].kind.json, "{text}");
        assert!(rules.notes(true).is_empty());
        // Forgotten streams are told, too.
        for number in 0..=STREAMS_MAX {
            passed(&rules, &number.to_string(), &["1", "2"]);
        }
        assert_eq!(rules.notes(true).len(), STREAMS_MAX + 1);
    }

    #[test]
    fn notes_get_past_the_gate_into_the_log() {
        let sampling = Sampling { per_second: NonZeroU32::new(1), burst: NonZeroU32::new(1), ..Sampling::default() };
        let (intake, mut log) = crate::flow::Intake::channel();
        let intake = intake.behind(Rules::new(None, Some(sampling)).map(|rules| Arc::new(rules) as Arc<dyn Gate>));
        let sent = intake.submit(batch("a", &["1", "2", "3"]), crate::flow::SyncClass::Relaxed);
        assert!(sent.is_ok() && intake.tell(false).is_ok());
        assert_eq!(log.try_recv().unwrap().batch.records.len(), 1);
        assert!(log.try_recv().is_err());
        intake.tell(true).unwrap();
        assert!(log.try_recv().unwrap().batch.records[0].bytes.starts_with(b"{\"message\":\"logship: 2 records"));
    }
}
