//! A compressed file decoded forwards, with what is kept of it, and past what is damaged in it.
//!
//! `content` says what it promises. Bytes of a damaged member that inflate are content; what comes behind it begins where
//! `members` finds the next one. Both depend on nothing but the file's bytes.

use super::{
    content::{
        BACK_BYTES, ContentError, Damage, Form, HEAD_BYTES, INPUT_BYTES, SKIPPED_BYTES_MAX, Step, ZSTD_WINDOW_LOG_MAX,
    },
    gunzip::{Gunzip, Progress},
    members::{Found, Search},
    tree::OpenFile,
};
use std::io;
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation};

/// Decodes forwards.
pub(super) struct Decoder {
    form: Form,
    machine: Machine,
    input: Vec<u8>,
    /// Of `input`, this much has been taken.
    used: usize,
    /// Where the file is read next.
    source: u64,
    /// The offset in the content of what comes next.
    position: u64,
    /// The first content, and the last before `position`.
    head: Vec<u8>,
    back: Vec<u8>,
    /// The last output was full, so there may be more without any input.
    pending: bool,
    /// The file ends here, after a whole member.
    ended: bool,
    /// Where the member begins that is decoded.
    member: u64,
    damage: Option<Damage>,
    behind: Behind,
    /// A line end comes first.
    breaks_line: bool,
    /// Damaged members, and what only looked like one.
    damages: u32,
    /// Bytes of the file that earlier damage took.
    lost: u64,
}

/// What comes behind damage.
#[derive(Debug, Default)]
enum Behind {
    /// None, or it has been passed.
    #[default]
    Content,
    /// It is not known yet whether there is anything.
    Sought(Search),
    /// The search came to the end that the file had.
    Waiting(Search),
    /// Nothing, though the file was so long.
    Nothing(u64),
}

enum Machine {
    Gzip(Box<Gunzip>),
    Zstd {
        decoder: Zstd<'static>,
        /// A frame ended here.
        between: bool,
    },
}

impl Machine {
    fn new(form: Form) -> io::Result<Machine> {
        if form == Form::Gzip {
            return Ok(Machine::Gzip(Box::default()));
        }
        let mut decoder = Zstd::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Machine::Zstd { decoder, between: false })
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
        match self {
            Machine::Gzip(gunzip) => gunzip.step(input, output).map_err(str::to_owned),
            Machine::Zstd { decoder, between } => {
                let status = decoder.run_on_buffers(input, output).map_err(|cause| cause.to_string())?;
                *between = status.remaining == 0;
                Ok(Progress { taken: status.bytes_read, made: status.bytes_written })
            }
        }
    }

    fn is_between(&self) -> bool {
        match self {
            Machine::Gzip(gunzip) => gunzip.is_between(),
            Machine::Zstd { between, .. } => *between,
        }
    }

    /// Whether it may give more without input, when its last output was full.
    fn holds_more(&self, full: bool) -> bool {
        match self {
            Machine::Gzip(gunzip) => gunzip.holds_more(),
            // Asked for more where a frame ends, zstd would begin the next.
            Machine::Zstd { between, .. } => full && !between,
        }
    }
}

impl Decoder {
    pub(super) fn new(form: Form) -> io::Result<Decoder> {
        Ok(Decoder {
            form,
            machine: Machine::new(form)?,
            input: Vec::new(),
            used: 0,
            source: 0,
            position: 0,
            head: Vec::new(),
            back: Vec::new(),
            pending: false,
            ended: false,
            member: 0,
            damage: None,
            behind: Behind::Content,
            breaks_line: false,
            damages: 0,
            lost: 0,
        })
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The length of its content, where that ends with the file.
    pub(super) fn whole_len(&self) -> Option<u64> {
        self.ended.then_some(self.position)
    }

    /// As [`super::content::Content::damage`].
    pub(super) fn damage(&self) -> Option<(&Damage, u64)> {
        let is_sought = matches!(self.behind, Behind::Sought(_));
        self.damage.as_ref().filter(|_| !is_sought).map(|damage| (damage, self.lost()))
    }

    pub(super) fn read(
        &mut self,
        file: &dyn OpenFile,
        offset: u64,
        into: &mut [u8],
        finished: bool,
    ) -> Result<Step, ContentError> {
        let kept = self.kept(offset, into);
        let mut filled = kept;
        if filled > 0 && offset + (filled as u64) < self.position {
            return Ok(Step::Bytes(filled));
        }
        if offset + (filled as u64) < self.position {
            let form = self.form;
            *self = Decoder::new(form)?;
        }
        let mut budget = SKIPPED_BYTES_MAX;
        while self.position < offset {
            let missing = usize::try_from((offset - self.position).min(budget)).unwrap_or(into.len());
            if missing == 0 {
                return Ok(Step::Skipping);
            }
            // What is skipped is decoded into the buffer of the caller, who sees none of it.
            let room = missing.min(into.len());
            match self.next(file, &mut into[..room], finished)? {
                0 => return Ok(self.nothing()),
                count => budget -= count as u64,
            }
        }
        while filled < into.len() {
            match self.next(file, &mut into[filled..], finished) {
                Ok(0) => break,
                Ok(count) => filled += count,
                // It will be said again to who asks for what is behind.
                Err(_) if filled > kept => break,
                Err(error) => return Err(error),
            }
        }
        // Who asked for what is behind what is kept is to ask again.
        if filled == kept && kept < into.len() && matches!(self.behind, Behind::Sought(_)) {
            return Ok(Step::Skipping);
        }
        Ok(given(filled))
    }

    fn nothing(&self) -> Step {
        if matches!(self.behind, Behind::Sought(_)) { Step::Skipping } else { Step::Nothing }
    }

    /// Gives what is kept from an offset on.
    fn kept(&self, offset: u64, into: &mut [u8]) -> usize {
        let back_from = self.position - self.back.len() as u64;
        let (from, kept) = if offset >= back_from { (back_from, &self.back) } else { (0, &self.head) };
        let there = usize::try_from(offset - from).ok().and_then(|at| kept.get(at..)).unwrap_or_default();
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        count
    }

    fn keep(&mut self, made: &[u8]) {
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&made[..made.len().min(room)]);
        let last = &made[made.len().saturating_sub(BACK_BYTES)..];
        let needless = (self.back.len() + last.len()).saturating_sub(BACK_BYTES);
        self.back.drain(..needless);
        self.back.extend_from_slice(last);
        self.position += made.len() as u64;
    }

    /// Decodes some of what comes next; nothing if there is no more yet.
    fn next(&mut self, file: &dyn OpenFile, into: &mut [u8], finished: bool) -> Result<usize, ContentError> {
        loop {
            if !matches!(self.behind, Behind::Content) && !self.pass_damage(file)? {
                return Ok(0);
            }
            if self.breaks_line {
                // What stands before the damage and what stands behind it are no line.
                self.breaks_line = false;
                into[0] = b'\n';
                self.keep(b"\n");
                return Ok(1);
            }
            if self.used == self.input.len() && !self.pending && !self.refill(file)? {
                self.ended = self.machine.is_between();
                if finished && !self.ended {
                    self.damaged("it ends within a member".to_owned());
                    continue;
                }
                return Ok(0);
            }
            if matches!(&self.machine, Machine::Gzip(gunzip) if gunzip.is_at_start()) {
                self.member = self.taken();
            }
            let had_input = self.used < self.input.len();
            let Progress { taken, made } = match self.machine.step(&self.input[self.used..], into) {
                Ok(progress) => progress,
                Err(problem) => {
                    self.damaged(problem);
                    continue;
                }
            };
            self.used += taken;
            self.keep(&into[..made]);
            self.pending = self.machine.holds_more(made == into.len());
            if made > 0 {
                return Ok(made);
            }
            if taken == 0 && had_input {
                self.damaged("the decoder does not go on".to_owned());
            }
        }
    }

    /// Goes on behind damage, or comes nearer to where that is; whether there is content.
    fn pass_damage(&mut self, file: &dyn OpenFile) -> Result<bool, ContentError> {
        let size = file.stat()?.size;
        if size < self.taken() {
            return Err(ContentError::Shrunk);
        }
        let mut search = match std::mem::take(&mut self.behind) {
            Behind::Content => return Ok(true),
            Behind::Nothing(_) => {
                self.behind = Behind::Nothing(size);
                return Ok(false);
            }
            Behind::Sought(search) | Behind::Waiting(search) => search,
        };
        let found = search.step(file);
        self.damages = search.damages;
        self.behind = match found {
            Ok(Found::Member(at)) => {
                self.go_on_at(at)?;
                return Ok(true);
            }
            Ok(Found::TooMuch) => Behind::Nothing(size),
            Ok(Found::Nothing) => Behind::Waiting(search),
            Ok(Found::Further) => Behind::Sought(search),
            Err(cause) => {
                self.behind = Behind::Sought(search);
                return Err(cause.into());
            }
        };
        Ok(false)
    }

    fn go_on_at(&mut self, at: u64) -> io::Result<()> {
        if let Some(damage) = &mut self.damage {
            self.lost += at.saturating_sub(damage.at);
            damage.goes_on = Some(at);
        }
        self.machine = Machine::new(self.form)?;
        self.breaks_line = self.back.last().is_some_and(|last| *last != b'\n');
        (self.source, self.used, self.pending) = (at, 0, false);
        self.input.clear();
        Ok(())
    }

    /// Reads more of the file; false at its end.
    fn refill(&mut self, file: &dyn OpenFile) -> Result<bool, ContentError> {
        self.input.resize(INPUT_BYTES, 0);
        self.used = 0;
        let count = file.read_at(&mut self.input, self.source).inspect_err(|_| self.input.clear())?;
        self.input.truncate(count);
        self.source += count as u64;
        if count > 0 {
            self.ended = false;
            return Ok(true);
        }
        // Nobody needs the buffer while the file does not grow.
        self.input = Vec::new();
        if file.stat()?.size < self.source { Err(ContentError::Shrunk) } else { Ok(false) }
    }

    /// Nothing of this member can be read any more.
    fn damaged(&mut self, problem: String) {
        let at = self.taken();
        self.damage = Some(Damage { at, content: self.position, problem, goes_on: None });
        self.damages += 1;
        self.behind = match self.form {
            Form::Gzip => Behind::Sought(Search::new(self.member + 1, self.damages)),
            _ => Behind::Nothing(at),
        };
        self.ended = false;
    }

    pub(super) fn taken(&self) -> u64 {
        let read = self.source - (self.input.len() - self.used) as u64;
        match &self.behind {
            Behind::Content => read,
            Behind::Sought(search) | Behind::Waiting(search) => read.max(search.looked()),
            Behind::Nothing(size) => read.max(*size),
        }
    }

    /// Bytes of the file that no content was made of.
    fn lost(&self) -> u64 {
        let now = match (&self.behind, &self.damage) {
            (Behind::Waiting(_) | Behind::Nothing(_), Some(damage)) => self.taken().saturating_sub(damage.at),
            _ => 0,
        };
        self.lost + now
    }
}

/// A step of so many bytes.
pub(super) fn given(count: usize) -> Step {
    if count == 0 { Step::Nothing } else { Step::Bytes(count) }
}
