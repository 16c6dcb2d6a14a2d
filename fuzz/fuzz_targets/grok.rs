#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| logship_fuzz::grok(input));
