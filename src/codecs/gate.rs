//! What every record passes on its way from an input to the log: redaction, then sampling of its stream.
//!
//! A batch that loses all its records is still appended where it has a span: what it covered is done with. Streams are
//! remembered up to [`STREAMS_MAX`]; past that all begin anew, with full buckets.

use super::{
    redact::Redactor,
    sample::{Dropped, Sampler, Sampling},
};
use crate::{
    clock,
    flow::{Gate, RawBatch},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
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
    samplers: HashMap<u64, Sampler>,
    /// Of streams that were forgotten.
    before: Dropped,
}

impl Streams {
    fn dropped(&self) -> Dropped {
        let each = self.samplers.values().map(Sampler::dropped);
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
            *streams = Streams { before: streams.dropped(), samplers: HashMap::new() };
        }
        let sampler = streams.samplers.entry(batch.origin.stream_key()).or_insert_with(|| Sampler::new(sampling));
        sampler.apply(&mut batch.records, clock::instant());
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
}
