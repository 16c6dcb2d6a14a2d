//! `--format json`: the events of a pipe as they will be stored, printed beside the storing.

use crate::{
    clock,
    codecs::lines::{Gap, Lines},
    event::json,
    flow::{Frame, LogId, Origin, Pos, RawBatch},
    outputs::screen::Show,
    plan::{Plan, StreamHints},
};
use std::{io::Write, sync::Arc};

/// Records parsed at once.
const BATCH_RECORDS: usize = 4_096;

/// One JSON object an event.
pub struct JsonRows<W> {
    out: W,
    plan: Plan,
    origin: Arc<Origin>,
    hints: StreamHints,
    lines: Lines,
    text: String,
}

impl<W: Write> JsonRows<W> {
    pub fn new(out: W, plan: Plan, origin: Origin) -> JsonRows<W> {
        let (hints, lines) = (StreamHints::default(), Lines::default());
        JsonRows { out, plan, origin: Arc::new(origin), hints, lines, text: String::new() }
    }

    fn write(&mut self) -> bool {
        loop {
            let records = self.lines.take(BATCH_RECORDS);
            if records.is_empty() {
                return true;
            }
            let batch =
                RawBatch { origin: self.origin.clone(), span: None, mark: None, received: clock::now(), records };
            let frame = Frame { log: LogId::from_bits(0), start: Pos(0), end: Pos(0), suspect: false, batch };
            let hint = self.hints.observe(&frame);
            self.text.clear();
            for stored in self.plan.run(&frame, &hint) {
                json::write_event(&mut self.text, &stored.event, None);
                self.text.push('\n');
            }
            if self.out.write_all(self.text.as_bytes()).and_then(|()| self.out.flush()).is_err() {
                return false;
            }
        }
    }
}

impl<W: Write + Send> Show for JsonRows<W> {
    fn show(&mut self, chunk: &[u8]) -> bool {
        self.lines.push(chunk);
        self.write()
    }

    fn gap(&mut self, gap: Gap) {
        self.lines.gap(gap);
    }

    fn settle(&mut self) -> bool {
        self.lines.settle();
        self.write()
    }

    fn end(&mut self) -> bool {
        self.lines.finish();
        self.write()
    }
}
