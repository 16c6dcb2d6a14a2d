//! What `/proc` says of a process; Linux only.

use std::fs;

/// CPU seconds, user and system, of this process or of its children that were waited for, in ticks of 10 ms.
pub fn cpu_seconds(of_children: bool) -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let first = if of_children { 13 } else { 11 };
    (fields[first].parse::<f64>().unwrap() + fields[first + 1].parse::<f64>().unwrap()) / 100.0
}

/// A line of its `status` in MiB, such as `RssAnon:`.
pub fn memory(process: &str, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().unwrap() / 1024.0
}
