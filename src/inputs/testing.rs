//! A log for the tests of inputs: keeps what it is given and answers as it is told.

use crate::{
    event::{Timestamp, json},
    flow::{Append, AppendError, Appended, Frame, Intake, LogId, Pos, RawBatch, Record},
    plan::{Hint, Plan},
};
use std::{
    fs,
    path::Path,
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

/// Compares what `run` makes of each `NAME.in` of a folder of fixtures with its twin `NAME.json`, an event a line as the
/// automatic plan reads them. UPDATE_EXPECT=1 writes the twins anew.
///
/// In an `.in` file `x 1e 0f` is bytes, `t text` is text (with `\n`, `\0`, `\\`), `#` begins a remark; lines without a blank line
/// between them are one datagram or piece.
pub fn check_twins(protocol: &str, mut run: impl FnMut(Vec<Vec<u8>>) -> Vec<Record>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inputs").join(protocol);
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "in") {
            continue;
        }
        seen += 1;
        let found = events(run(pieces(&fs::read_to_string(&path).unwrap())));
        let twin = path.with_extension("json");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&twin, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&twin).unwrap(), "{}", path.display());
    }
    assert!(seen > 0, "{} has no fixtures", folder.display());
}

fn pieces(text: &str) -> Vec<Vec<u8>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    for line in text.lines().chain([""]) {
        if line.is_empty() && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
        } else if let Some(text) = line.strip_prefix("t ") {
            let plain = text.replace("\\n", "\n").replace("\\0", "\0").replace("\\\\", "\\");
            piece.extend_from_slice(plain.as_bytes());
        } else if let Some(hex) = line.strip_prefix("x ") {
            piece.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    pieces
}

fn events(records: Vec<Record>) -> String {
    let received = Timestamp::from_millis(1_767_323_100_000);
    let batch = RawBatch { origin: Arc::default(), span: None, mark: None, received, records };
    let frame = Frame { log: LogId::from_bits(1), start: Pos(1), end: Pos(2), suspect: false, batch };
    let mut out = String::new();
    for stored in Plan::auto().run(&frame, &Hint::default()) {
        json::write_event(&mut out, &stored.event, None);
        out.push('\n');
    }
    out
}
