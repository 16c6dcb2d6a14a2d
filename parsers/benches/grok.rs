//! What a grok pattern costs: nanoseconds of CPU time and allocations a line. Run with
//! `cargo bench -p logship-parsers --bench grok`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "a benchmark may stop")]

mod common;

use common::{LINES, access, cpu_seconds, nanos};
use logship_parsers::grok::{FieldNames, Grok, Library, Options, Outcome, Scratch};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, hint::black_box};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COMPILATIONS: usize = 200;

fn syslog(n: usize) -> String {
    format!(
        "Jan {:2} 00:{:02}:{:02} web-{} sshd[{}]: Accepted publickey for ann from 10.0.0.{} port 51{:03} ssh2",
        1 + n % 28,
        n / 60 % 60,
        n % 60,
        n % 9,
        1 + n,
        n % 250,
        n % 1000
    )
}

fn pairs(n: usize) -> String {
    format!("level=info user=user{} method=GET path=/api/v1/orders/{n} status=200 took={}.5ms", n % 99, n % 700)
}

fn row(name: &str, names: FieldNames, pattern: &str, line: impl Fn(usize) -> String, expected: bool) {
    let library = Library::standard(names);
    let grok = Grok::compile(&[pattern], &library, Options::default()).unwrap();
    let begun = cpu_seconds();
    for _ in 0..COMPILATIONS {
        black_box(Grok::compile(&[pattern], &library, Options::default()).unwrap());
    }
    let compiled = (cpu_seconds() - begun) * 1e6 / COMPILATIONS as f64;
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let mut scratch = Scratch::default();
    for line in &lines {
        assert_eq!(grok.matches(line, &mut scratch) != Outcome::NoMatch, expected, "{name}: {line}");
    }
    let region = Region::new(ALLOCATOR);
    lines.iter().for_each(|line| {
        black_box(grok.matches(line, &mut scratch));
    });
    let allocations = region.change().allocations as f64 / LINES as f64;
    let cost = nanos(|n| {
        black_box(grok.matches(&lines[n], &mut scratch));
    });
    let bytes = lines.iter().map(String::len).sum::<usize>() / LINES;
    println!("{name:34} {bytes:>6} {cost:>8.0} {allocations:>8.2} {compiled:>10.0}");
}

fn main() {
    println!("{:34} {:>6} {:>8} {:>8} {:>10}", "", "bytes", "ns", "allocs", "compile µs");
    row("COMBINEDAPACHELOG, legacy", FieldNames::Legacy, "%{COMBINEDAPACHELOG}", access, true);
    row("COMBINEDAPACHELOG, ecs", FieldNames::Ecs, "%{COMBINEDAPACHELOG}", access, true);
    row("SYSLOGLINE, ecs", FieldNames::Ecs, "%{SYSLOGLINE}", syslog, true);
    let known =
        "%{SYSLOGTIMESTAMP:time} %{SYSLOGHOST:host} %{PROG:program}(?:\\[%{POSINT:pid}\\])?: %{GREEDYDATA:message}";
    row("own syslog pattern", FieldNames::Ecs, known, syslog, true);
    let known = "level=%{LOGLEVEL:level} user=%{USER:user} method=%{WORD:method} path=%{NOTSPACE:path} \
                 status=%{INT:status:int} took=%{NUMBER:took:float}ms";
    row("k=v pairs", FieldNames::Ecs, known, pairs, true);
    let known = "user=%{DATA:user} %{DATA} status=%{INT:status:int} %{GREEDYDATA:rest}";
    row("k=v by DATA", FieldNames::Ecs, known, pairs, true);
    row("an address anywhere", FieldNames::Ecs, "%{IP:ip} port %{INT:port:int}", syslog, true);
    row("no match: access on syslog", FieldNames::Ecs, "%{COMBINEDAPACHELOG}", syslog, false);
    row("no match: access on k=v", FieldNames::Ecs, "%{COMBINEDAPACHELOG}", pairs, false);
    row("no match: a word missing", FieldNames::Ecs, "%{WORD:a} refused by %{IP:b}", syslog, false);
    row("no match: IP on k=v", FieldNames::Ecs, "%{IP:a}", pairs, false);
    row("no match: more than the line has", FieldNames::Ecs, "%{COMBINEDAPACHELOG} extra", access, false);
}
