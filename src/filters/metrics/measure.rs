//! Meters, which count and tell rates, and timers, which also tell how values lie.

use crate::event::Timestamp;

/// How often rates are brought up to date.
const STEP_NANOS: i64 = 5_000_000_000;
/// Values that a timer remembers for its percentiles; beyond that, a sample of all.
const SAMPLE_MAX: usize = 1_028;

/// The minutes over which rates are averages.
pub(super) const MINUTES: [i64; 3] = [1, 5, 15];

/// Counts, and tells how many there are a second: an average in which older seconds count less. It is 0 for the first five seconds.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) count: u64,
    uncounted: u64,
    /// Averages over [`MINUTES`].
    rates: [f64; 3],
    has_rate: bool,
    stepped: Timestamp,
}

impl Meter {
    pub(super) fn new(now: Timestamp) -> Meter {
        Meter { count: 0, uncounted: 0, rates: [0.0; 3], has_rate: false, stepped: now }
    }

    pub(super) fn mark(&mut self, now: Timestamp) {
        self.step(now);
        self.count += 1;
        self.uncounted += 1;
    }

    /// The averages now.
    pub(super) fn rates(&mut self, now: Timestamp) -> [f64; 3] {
        self.step(now);
        self.rates
    }

    fn step(&mut self, now: Timestamp) {
        let steps = now.as_nanos().saturating_sub(self.stepped.as_nanos()).div_euclid(STEP_NANOS);
        if steps <= 0 {
            return;
        }
        self.stepped = Timestamp::from_nanos(self.stepped.as_nanos().saturating_add(steps.saturating_mul(STEP_NANOS)));
        let latest = std::mem::take(&mut self.uncounted) as f64 / 5.0;
        for (rate, minutes) in self.rates.iter_mut().zip(MINUTES) {
            let left = (-5.0 / 60.0 / minutes as f64).exp();
            *rate = if self.has_rate { *rate + (1.0 - left) * (latest - *rate) } else { latest };
            // Nothing came in the steps behind the first.
            *rate *= left.powf((steps - 1) as f64);
        }
        self.has_rate = true;
    }
}

/// A meter of values.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) meter: Meter,
    pub(super) min: f64,
    pub(super) max: f64,
    sum: f64,
    /// The mean so far, and the sum of squares of differences to it.
    spread: (f64, f64),
    sample: Vec<f64>,
}

impl Timer {
    pub(super) fn new(now: Timestamp) -> Timer {
        Timer { meter: Meter::new(now), min: 0.0, max: 0.0, sum: 0.0, spread: (0.0, 0.0), sample: Vec::new() }
    }

    /// One more value; a negative one is none.
    pub(super) fn update(&mut self, value: f64, now: Timestamp) {
        if value < 0.0 {
            return;
        }
        self.meter.mark(now);
        let count = self.meter.count;
        let is_first = count == 1;
        self.min = if is_first { value } else { self.min.min(value) };
        self.max = if is_first { value } else { self.max.max(value) };
        self.sum += value;
        if is_first {
            self.spread = (value, 0.0);
        } else {
            let (mean, squares) = self.spread;
            let new = mean + (value - mean) / count as f64;
            self.spread = (new, squares + (value - mean) * (value - new));
        }
        if self.sample.len() < SAMPLE_MAX {
            self.sample.push(value);
        } else if let Some(place) = self.sample.get_mut((mixed(count) % count) as usize) {
            *place = value;
        }
    }

    pub(super) fn mean(&self) -> f64 {
        if self.meter.count > 0 { self.sum / self.meter.count as f64 } else { 0.0 }
    }

    /// The square root of the standard deviation, which is what Logstash tells under that name.
    pub(super) fn deviation(&self) -> f64 {
        if self.meter.count > 1 { (self.spread.1 / (self.meter.count - 1) as f64).sqrt().sqrt() } else { 0.0 }
    }

    /// The values below which so many of a hundred are.
    pub(super) fn percentiles(&self, percentiles: &[f64]) -> Vec<f64> {
        let mut values = self.sample.clone();
        values.sort_unstable_by(f64::total_cmp);
        percentiles.iter().map(|percentile| quantile(&values, percentile / 100.0)).collect()
    }
}

fn quantile(values: &[f64], quantile: f64) -> f64 {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return 0.0 };
    let position = quantile * (values.len() + 1) as f64;
    let at = position as usize;
    match values.get(at.wrapping_sub(1)..=at) {
        Some([lower, upper]) if position >= 1.0 => lower + (position - position.floor()) * (upper - lower),
        _ if position < 1.0 => *first,
        _ => *last,
    }
}

/// A number that looks random, the same for the same number.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn rates_follow_and_decay() {
        let mut meter = Meter::new(at(0));
        (0..10).for_each(|_| meter.mark(at(1)));
        assert_eq!(meter.rates(at(4)), [0.0; 3]);
        assert_eq!(meter.rates(at(5)), [2.0; 3]);
        let [one, five, fifteen] = meter.rates(at(65));
        assert!((one - 2.0 / std::f64::consts::E).abs() < 1e-9, "{one}");
        assert!(one < five && five < fifteen && fifteen < 2.0);
        assert_eq!(meter.count, 10);
        assert_eq!(meter.rates(at(0)), [one, five, fifteen]);
        assert_eq!(meter.rates(Timestamp::from_nanos(i64::MAX))[0], 0.0);
    }

    #[test]
    fn values_are_described() {
        let mut timer = Timer::new(at(0));
        assert_eq!((timer.mean(), timer.deviation(), timer.percentiles(&[50.0])), (0.0, 0.0, vec![0.0]));
        [30.0, 10.0, 20.0, -1.0].iter().for_each(|value| timer.update(*value, at(0)));
        assert_eq!((timer.min, timer.max, timer.mean(), timer.meter.count), (10.0, 30.0, 20.0, 3));
        assert_eq!(timer.deviation(), 10_f64.sqrt());
        assert_eq!(timer.percentiles(&[1.0, 40.0, 50.0, 99.0, 100.0]), [10.0, 16.0, 20.0, 30.0, 30.0]);
        (0..10_000).for_each(|value| timer.update(f64::from(value), at(0)));
        assert_eq!(timer.sample.len(), SAMPLE_MAX);
        let middle = timer.percentiles(&[50.0])[0];
        assert!((4_000.0..6_000.0).contains(&middle), "{middle}");
    }
}
