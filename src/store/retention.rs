//! Which partitions go: the oldest sealed ones, by age since arrival, size of the store and room on the disk.

use super::manifest::Sealed;
use super::{DropReason, Dropped, Options};
use crate::event::Timestamp;

pub(super) struct Plan {
    /// The first so many partitions.
    pub(super) dropped: Vec<Dropped>,
    /// The disk lacks room and no sealed partition is left.
    pub(super) full: bool,
}

/// What to drop of `sealed` (oldest first), beside an open partition of `open_bytes`, on a disk with `free` bytes left.
pub(super) fn plan(sealed: &[Sealed], open_bytes: u64, mut free: u64, now: Timestamp, options: &Options) -> Plan {
    let mut total = open_bytes + sealed.iter().map(|sealed| sealed.bytes).sum::<u64>();
    let mut dropped = Vec::new();
    for partition in sealed {
        let age = now.as_nanos().saturating_sub(partition.tally().last_arrival);
        let too_old = options.retention_age.is_some_and(|limit| i128::from(age) > limit.as_nanos() as i128);
        let reason = if too_old {
            DropReason::Age
        } else if options.retention_bytes.is_some_and(|limit| total > limit) {
            DropReason::Size
        } else if free < options.free_bytes_min {
            DropReason::Disk
        } else {
            break;
        };
        total = total.saturating_sub(partition.bytes);
        free = free.saturating_add(partition.bytes);
        let (id, events, bytes) = (partition.id, partition.tally().events, partition.bytes);
        dropped.push(Dropped { id, events, bytes, reason });
    }
    Plan { full: free < options.free_bytes_min, dropped }
}

#[cfg(test)]
mod tests {
    use super::super::tally::{Payload, Tally};
    use super::*;
    use crate::flow::Progress;
    use std::time::Duration;

    /// Partitions 0, 1, 2 of 100 bytes each whose last events came at 10, 20 and 30 seconds.
    fn check(now: i64, free: u64, options: &Options, expected: &[(u64, DropReason)], full: bool) {
        let sealed: Vec<Sealed> = (0..3)
            .map(|id| {
                let last_arrival = (id as i64 + 1) * 10_000_000_000;
                let payload = Payload::new(&Progress::new(), Tally { last_arrival, ..Tally::default() });
                Sealed { id, bytes: 100, sealed: 0, payload }
            })
            .collect();
        let plan = plan(&sealed, 50, free, Timestamp::from_millis(now * 1000), options);
        let dropped: Vec<_> = plan.dropped.iter().map(|dropped| (dropped.id, dropped.reason)).collect();
        assert_eq!((dropped.as_slice(), plan.full), (expected, full));
    }

    #[test]
    fn the_oldest_go_first() {
        use DropReason::{Age, Disk, Size};
        let keep = Options { free_bytes_min: 0, ..Options::default() };
        check(1_000, 0, &keep, &[], false);
        let age = Options { retention_age: Some(Duration::from_secs(15)), ..keep.clone() };
        check(25, 0, &age, &[], false);
        check(26, 0, &age, &[(0, Age)], false);
        check(1_000, 0, &age, &[(0, Age), (1, Age), (2, Age)], false);
        let size = Options { retention_bytes: Some(200), ..keep.clone() };
        check(1, 0, &size, &[(0, Size), (1, Size)], false);
        let disk = Options { free_bytes_min: 250, ..keep.clone() };
        check(1, 250, &disk, &[], false);
        check(1, 100, &disk, &[(0, Disk), (1, Disk)], false);
        let disk = Options { free_bytes_min: 1_000, ..keep };
        check(1, 0, &disk, &[(0, Disk), (1, Disk), (2, Disk)], true);
    }
}
