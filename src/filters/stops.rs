//! Which steps of a long program an event has to stop at; all others on its way are known to do nothing.

/// So many steps are taken before it is found out, in each state of an event: of many steps, few may be reached.
const STEPS_MAX: u32 = 4;

/// The stops of the event in hand, in the order of the steps.
#[derive(Debug, Default)]
pub struct Stops {
    /// The state of the event that steps are counted in.
    counted: u64,
    steps: u32,
    /// The state of the event that the stops are of.
    generation: u64,
    words: Vec<u64>,
}

impl Stops {
    /// Whether the stops are those of this state of the event.
    #[must_use]
    #[inline]
    pub fn are_of(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// One more step is taken in this state. Whether it is worth finding out the stops.
    pub fn count(&mut self, generation: u64) -> bool {
        if self.counted != generation {
            (self.counted, self.steps) = (generation, 0);
        }
        self.steps += 1;
        self.steps > STEPS_MAX
    }

    /// Begins the stops of this state with those that any event has.
    pub fn begin(&mut self, generation: u64, always: &[u64]) {
        self.generation = generation;
        self.words.clear();
        self.words.extend_from_slice(always);
    }

    /// Adds a stop.
    #[inline]
    pub fn add(&mut self, step: u32) {
        if let Some(word) = self.words.get_mut(step as usize / 64) {
            *word |= 1 << (step % 64);
        }
    }

    /// Keeps only the stops on a way.
    pub fn keep(&mut self, way: &[u64]) {
        self.words.iter_mut().zip(way).for_each(|(word, way)| *word &= way);
    }

    /// The next stop from a step on; where there is none, the number behind the last step or a greater one.
    #[must_use]
    #[inline]
    pub fn next(&self, from: usize) -> usize {
        let mut at = from / 64;
        let Some(mut word) = self.words.get(at).map(|word| word & (u64::MAX << (from % 64))) else { return from };
        while word == 0 {
            at += 1;
            match self.words.get(at) {
                Some(next) => word = *next,
                None => return 64 * at,
            }
        }
        64 * at + word.trailing_zeros() as usize
    }
}
