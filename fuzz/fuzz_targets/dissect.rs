#![no_main]

#[path = "../src/filters.rs"]
#[allow(dead_code)]
mod filters;

libfuzzer_sys::fuzz_target!(|input: &[u8]| filters::dissect(input));
