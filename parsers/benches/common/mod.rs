//! How benchmarks measure: CPU time of one thread, the median of [`ROUNDS`] rounds behind [`WARM_UPS`] that do not count. And
//! the lines that more than one of them measures.

/// How many lines there are in a round.
pub const LINES: usize = 20_000;
const WARM_UPS: usize = 3;
const ROUNDS: usize = 21;

/// The CPU time of this thread: what else the machine does must not count.
pub fn cpu_seconds() -> f64 {
    // The kernel brings the account up to date when a thread gives way.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Nanoseconds of CPU time for one of [`LINES`] pieces of work.
pub fn nanos(mut work: impl FnMut(usize)) -> f64 {
    let mut seconds: Vec<f64> = (0..WARM_UPS + ROUNDS)
        .map(|_| {
            let begun = cpu_seconds();
            (0..LINES).for_each(&mut work);
            cpu_seconds() - begun
        })
        .skip(WARM_UPS)
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2] * 1e9 / LINES as f64
}

/// An access line in the combined format, of about 180 bytes.
pub fn access(n: usize) -> String {
    format!(
        "10.{}.{}.7 - - [01/Jan/2026:00:{:02}:{:02} +0000] \"GET /api/v1/orders/{n}/items HTTP/1.1\" 200 {} \"-\" \
         \"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/6.0.70.117\"",
        n / 250 % 250,
        n % 250,
        n / 60 % 60,
        n % 60,
        n * 7
    )
}
