//! What the model tests of the log and of the pipeline share: clients that send numbered records, send them again, and know
//! what became of each; and how many programs are tried with which failing operations.

use super::Writer;
use crate::{
    event::Timestamp,
    flow::{Append, AppendError, Appended, LogId, Origin, Pos, RawBatch, Record, Span, SyncClass},
    fs::sim::Fault,
};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::oneshot;

/// Clients that number what they send.
const SOURCES: usize = 3;

/// A batch as its sender knows it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// None for a client that cannot send again.
    pub(crate) source: Option<u8>,
    pub(crate) span: Option<Span>,
    pub(crate) records: Vec<u64>,
    pub(crate) acknowledged: bool,
    /// Where it was acknowledged to be, if not as a duplicate.
    pub(crate) at: Option<(LogId, Pos)>,
}

/// Batches of a life that were not answered yet.
pub(crate) type Waiting = Vec<(usize, oneshot::Receiver<Result<Appended, AppendError>>)>;

/// All clients: they outlive every crash.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) sent: Vec<Sent>,
    records: u64,
    next: [u64; SOURCES],
}

impl Clients {
    /// A new batch of so many records, not sent yet.
    pub(crate) fn append(&mut self, source: Option<u8>, records: u8) -> usize {
        let numbers: Vec<u64> = (0..u64::from(records)).map(|i| self.records + i).collect();
        self.records += u64::from(records);
        let span = source.map(|source| {
            let from = self.next[usize::from(source)];
            self.next[usize::from(source)] += u64::from(records) + 1;
            Span { from, to: from + u64::from(records) + 1 }
        });
        self.sent.push(Sent { source, span, records: numbers, acknowledged: false, at: None });
        self.sent.len() - 1
    }

    /// Sends a batch, for the first time or again.
    pub(crate) fn send(&self, writer: &mut Writer, waiting: &mut Waiting, which: usize) {
        let sent = &self.sent[which];
        let source = sent.source.map(|source| source.to_string()).unwrap_or_default();
        let batch = RawBatch {
            origin: Arc::new(Origin { source, ..Origin::default() }),
            span: sent.span,
            mark: None,
            received: Timestamp::from_millis(which as i64),
            records: sent.records.iter().map(|&record| Record::text(text(record).into())).collect(),
        };
        let (answer, receiver) = oneshot::channel();
        writer.stage(Append { batch, class: SyncClass::Prompt, answer });
        waiting.push((which, receiver));
    }

    /// Sends all that can be sent again and was not acknowledged.
    pub(crate) fn send_unacknowledged(&self, writer: &mut Writer, waiting: &mut Waiting) {
        for (which, sent) in self.sent.iter().enumerate() {
            if sent.span.is_some() && !sent.acknowledged {
                self.send(writer, waiting, which);
            }
        }
    }

    /// Takes the answers that have come.
    pub(crate) fn hear(&mut self, waiting: &mut Waiting, check: impl Fn(&Appended)) {
        waiting.retain_mut(|(which, receiver)| match receiver.try_recv() {
            Ok(Ok(appended)) => {
                check(&appended);
                let sent = &mut self.sent[*which];
                assert!(appended.duplicate || !sent.acknowledged, "an acknowledged batch was stored again");
                sent.acknowledged = true;
                if !appended.duplicate {
                    sent.at = Some((appended.log, appended.end));
                }
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            _ => false,
        });
    }

    /// Of all batches, given the records that are found in the end: what can be sent again was acknowledged, what was
    /// acknowledged is there, and each is there whole or not at all.
    pub(crate) fn check(&self, seen: &BTreeSet<u64>) {
        for sent in &self.sent {
            assert!(sent.span.is_none() || sent.acknowledged, "{sent:?} was refused");
            let kept = sent.records.iter().filter(|record| seen.contains(record)).count();
            assert!(kept == sent.records.len() || !sent.acknowledged, "{sent:?} is lost");
            assert!(kept == sent.records.len() || kept == 0, "{sent:?} is torn");
        }
    }
}

/// The text of a record: its number, and a length of its own.
fn text(record: u64) -> String {
    format!("r{record} {}", "\u{ff5e}".repeat(record as usize * 7 % 23))
}

/// The number of a record that was read, every byte of which must be what was sent.
pub(crate) fn number(read: &str) -> u64 {
    let number = read[1..].split(' ').next().unwrap().parse().unwrap();
    assert_eq!(read, text(number));
    number
}

/// The numbers of a frame's records.
pub(crate) fn numbers(batch: &RawBatch) -> Vec<u64> {
    batch.records.iter().map(|record| number(std::str::from_utf8(&record.bytes).unwrap())).collect()
}

/// So many programs are tried, or as many as the environment says.
pub(crate) fn trials(cases: u32, max_shrink_iters: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(cases);
    ProptestConfig { cases, max_shrink_iters, failure_persistence: None, ..ProptestConfig::default() }
}

/// An operation before that one fails, or finds no room.
pub(crate) fn any_fault(end: u64) -> impl Strategy<Value = (u64, Fault)> {
    (8..end, prop_oneof![Just(Fault::Fail), Just(Fault::NoSpace)])
}
