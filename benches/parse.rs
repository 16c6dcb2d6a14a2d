//! What one line costs: nanoseconds and allocations of parsing alone, of the whole way to an event, and of writing the event
//! as JSON. Run with `cargo bench --bench parse`; single-threaded, CPU time, the median of
//! [`ROUNDS`] rounds behind [`WARM_UPS`] that do not count.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

mod lines;

use bytestring::ByteString;
use lines::{Numbers, event};
use logship::event::{Event, Timestamp, json, layout::Layouts};
use logship_parsers::{
    line::{
        self, Context,
        detect::{Detector, FormatId},
    },
    template,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, fs, hint::black_box};

const LINES: usize = 20_000;
const WARM_UPS: usize = 3;
const ROUNDS: usize = 21;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Line = fn(usize) -> String;

const FORMATS: [(&str, Line); 4] = [
    ("clf", |n| lines::access(&mut Numbers(n as u64), n)),
    ("json", |n| {
        format!(
            r#"{{"timestamp":"2026-01-01T00:{:02}:{:02}.{:03}Z","level":"info","service":"shop","message":"order {n} paid","user_id":{},"duration_ms":{}.5,"path":"/api/orders/{n}"}}"#,
            n / 60 % 60,
            n % 60,
            n % 1000,
            n % 5000,
            n % 300
        )
    }),
    ("logfmt", |n| {
        format!(
            "ts=2026-01-01T00:{:02}:{:02}Z level=warn msg=\"retry of order {n}\" attempt={} took={}ms path=/api/orders/{n}",
            n / 60 % 60,
            n % 60,
            n % 5,
            n % 300
        )
    }),
    ("syslog5424", |n| {
        format!(
            "<34>1 2026-01-01T00:{:02}:{:02}.003Z web-1 sshd {} ID47 - Failed password for root from 10.0.0.{}",
            n / 60 % 60,
            n % 60,
            n % 30_000,
            n % 250
        )
    }),
];

/// A message with words, ids, addresses and numbers, of about 100 bytes.
fn message(n: usize) -> String {
    format!(
        "Received block blk_-70{n} of size {} from /10.0.{}.{}:50010 by user ann, took {n} ms (retry=false)",
        n * 7,
        n / 250,
        n % 250
    )
}

/// Of this thread, to the nanosecond: what else the machine does must not count.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Prints nanoseconds and allocations for each of [`LINES`] pieces of work.
fn row(name: &str, mut work: impl FnMut(usize)) {
    let (mut seconds, mut allocations, mut bytes) = (Vec::new(), 0, 0);
    for round in 0..WARM_UPS + ROUNDS {
        let begun = cpu_seconds();
        let region = Region::new(ALLOCATOR);
        (0..LINES).for_each(&mut work);
        let change = region.change();
        let took = cpu_seconds() - begun;
        if round >= WARM_UPS {
            seconds.push(took);
        }
        allocations = change.allocations + change.reallocations;
        bytes = change.bytes_allocated;
    }
    seconds.sort_by(f64::total_cmp);
    let count = LINES as f64;
    println!(
        "{name:34} {:>8.0} {:>12.2} {:>10.0}",
        seconds[ROUNDS / 2] * 1e9 / count,
        allocations as f64 / count,
        bytes as f64 / count
    );
}

fn main() {
    println!("{:34} {:>8} {:>12} {:>10}  a line", "", "ns", "allocations", "bytes");
    let context = Context::default();
    let messages: Vec<String> = (0..LINES).map(message).collect();
    println!("{:34} {:>8}", "template: bytes of a message", messages.iter().map(String::len).sum::<usize>() / LINES);
    row("template: id of a message", |n| {
        black_box(template::id(&messages[n]));
    });
    for (name, line) in FORMATS {
        let lines: Vec<ByteString> = (0..LINES).map(|n| line(n).into()).collect();
        let hint = FormatId::by_name(name);
        assert_eq!(Some(Detector::parse(None, &lines[0], &context).0), hint, "{}", lines[0]);
        row(&format!("{name}: parse"), |n| drop(black_box(Detector::parse(hint, &lines[n], &context))));
        row(&format!("{name}: parse, format not known"), |n| {
            drop(black_box(Detector::parse(None, &lines[n], &context)));
        });
        row(&format!("{name}: line to event"), |n| drop(black_box(event(&lines[n], hint, &context))));
        let events: Vec<Event> = lines.iter().map(|line| event(line, hint, &context)).collect();
        let mut out = String::new();
        let mut layouts = Layouts::default();
        row(&format!("{name}: line to JSON, no event"), |n| {
            out.clear();
            let (_, fields) = Detector::parse(hint, &lines[n], &context);
            black_box(layouts.write(&mut out, Timestamp::from_nanos(fields.time.unwrap_or_default()), &fields));
        });
        row(&format!("{name}: template id"), |n| {
            black_box(events[n].message().map(template::id));
        });
        row(&format!("{name}: event to JSON"), |n| {
            out.clear();
            json::write_event(&mut out, &events[n], None);
            black_box(&out);
        });
    }
    for format in line::FORMATS {
        row(&format!("{}: parse its example", format.name), |_| drop(black_box(format.read(format.example, &context))));
    }
}
