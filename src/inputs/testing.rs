//! A log for the tests of inputs: keeps what it is given and answers as it is told.

use crate::flow::{Append, AppendError, Appended, Intake, LogId, Pos, RawBatch};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

#[derive(Debug)]
struct Held {
    answer: Option<Result<(), AppendError>>,
    batches: Vec<RawBatch>,
    waiting: Vec<Append>,
}

/// The fake. Answers at once until it is told to hold.
#[derive(Clone, Debug)]
pub struct FakeLog {
    intake: Intake,
    held: Arc<Mutex<Held>>,
}

impl FakeLog {
    pub fn start() -> FakeLog {
        let (intake, mut appends): (Intake, mpsc::Receiver<Append>) = Intake::channel();
        let held = Arc::new(Mutex::new(Held { answer: Some(Ok(())), batches: Vec::new(), waiting: Vec::new() }));
        let log = FakeLog { intake, held };
        let own = Arc::downgrade(&log.held);
        tokio::spawn(async move {
            while let Some(append) = appends.recv().await {
                let Some(held) = own.upgrade() else { return };
                held.lock().unwrap().take(append);
            }
        });
        log
    }

    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// From now on appends wait for their answer.
    pub fn hold(&self) {
        self.held.lock().unwrap().answer = None;
    }

    /// Answers what waits, and what comes, like this.
    pub fn release(&self, answer: Result<(), AppendError>) {
        let mut held = self.held.lock().unwrap();
        held.answer = Some(answer);
        for append in std::mem::take(&mut held.waiting) {
            held.take(append);
        }
    }

    /// What is durable.
    pub fn batches(&self) -> Vec<RawBatch> {
        self.held.lock().unwrap().batches.clone()
    }

    pub fn texts(&self) -> Vec<String> {
        let records = self.batches().into_iter().flat_map(|batch| batch.records);
        records.map(|record| String::from_utf8_lossy(&record.bytes).into_owned()).collect()
    }

    pub fn waiting(&self) -> usize {
        self.held.lock().unwrap().waiting.len()
    }

    /// Waits until that many records are durable.
    pub async fn until(&self, records: usize) {
        until(|| self.texts().len() >= records).await;
    }
}

impl Held {
    fn take(&mut self, append: Append) {
        match &self.answer {
            None => self.waiting.push(append),
            Some(Ok(())) => {
                self.batches.push(append.batch);
                let _ = append.answer.send(Ok(Appended { log: LogId::from_bits(1), end: Pos(1), duplicate: false }));
            }
            Some(Err(error)) => {
                let _ = append.answer.send(Err(error.clone()));
            }
        }
    }
}

/// Waits for something that will happen; fails after ten seconds.
pub async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it did not happen");
}
