//! What a template costs beside parsing: nanoseconds of CPU time a line. Run with
//! `cargo bench -p logship-parsers --bench template`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark reads files and may stop"
)]

mod common;

use common::{LINES, access, nanos};
use logship_parsers::{
    line::{Context, detect::Detector},
    template,
};
use std::{fs, hint::black_box, path::Path};

/// Messages of about 100 bytes with words, ids, addresses and numbers.
fn block(n: usize) -> String {
    format!(
        "2026-01-01T00:00:00.5Z INFO Received block blk_-70{n} of size {} from /10.0.{}.{}:50010 by ann, took {n} ms",
        n * 7,
        n / 250,
        n % 250
    )
}

/// Words alone behind a stamp and a level.
fn words(n: usize) -> String {
    const WORDS: [&str; 8] = ["upstream", "retry", "token", "timeout", "cache", "hit", "elected", "shard"];
    let words: Vec<&str> = (0..4 + n % 5).map(|at| WORDS[(n * 7 + at * 5 + n / (at + 1)) % 8]).collect();
    format!("2026-01-01 00:03:07,196 - worker.views - INFO - {}", words.join(" "))
}

/// JSON around the messages of the fixtures.
fn json(message: &str, n: usize) -> String {
    let message = message.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        r#"{{"time":"2026-01-01T00:00:00.{:03}Z","level":"info","service":"shop","message":"{message}","user_id":{}}}"#,
        n % 1000,
        n % 5000
    )
}

fn row(name: &str, lines: &[String]) {
    let context = Context::default();
    let hint = Some(Detector::parse(None, &lines[0], &context).0);
    let messages: Vec<String> = lines
        .iter()
        .map(|line| {
            let fields = Detector::parse(hint, line, &context).1;
            fields.get("message").unwrap().as_str().unwrap().to_owned()
        })
        .collect();
    let parse = nanos(|n| drop(black_box(Detector::parse(hint, &lines[n], &context))));
    let id = nanos(|n| {
        black_box(template::id(&messages[n]));
    });
    let bytes = messages.iter().map(String::len).sum::<usize>() / LINES;
    println!("{name:20} {bytes:>6} {parse:>8.0} {id:>8.0} {:>7.1}%", id * 100.0 / parse);
}

fn main() {
    println!("{:20} {:>6} {:>8} {:>8} {:>8}", "", "bytes", "parse", "id", "share");
    row("access", &(0..LINES).map(access).collect::<Vec<_>>());
    row("message of values", &(0..LINES).map(block).collect::<Vec<_>>());
    row("message of words", &(0..LINES).map(words).collect::<Vec<_>>());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/templates");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    let messages: Vec<String> = paths
        .iter()
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // Neighbours of different kinds: branches as hard to foretell as they come.
    let mixed = |n: usize| json(&messages[n * 7919 % messages.len()], n);
    row("sixteen systems", &(0..LINES).map(mixed).collect::<Vec<_>>());
}
