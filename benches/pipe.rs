//! What the whole process costs: `app | logship --format none` for [`LINES`] access lines, beside `gzip -1` of the same
//! file, whose CPU time is the unit (machines differ, the ratio hardly). Run with `cargo bench --bench pipe`; Linux only.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const LINES: usize = 300_000;
const PAIRS: usize = 3;
const STARTS: usize = 10;
/// The process is idle when it used no CPU for this long.
const IDLE: Duration = Duration::from_secs(2);

/// A small generator of repeatable numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn access_lines() -> String {
    let numbers = &mut Numbers(1);
    let mut text = String::new();
    for n in 0..LINES {
        let ip: [u64; 4] = std::array::from_fn(|_| 1 + numbers.below(250));
        let (hour, minute, second) = (n / 36_000, n / 600 % 60, n / 10 % 60);
        let method = ["GET", "GET", "GET", "POST", "PUT"][numbers.below(5) as usize];
        let path = match numbers.below(4) {
            0 => "/index.html".to_owned(),
            1 => format!("/static/app.{:x}.js", numbers.below(40)),
            2 => format!("/api/v1/orders/{}/items", numbers.below(100_000)),
            _ => format!("/api/v1/users/{}", numbers.below(300_000)),
        };
        let status = [200, 200, 200, 200, 304, 404, 503][numbers.below(7) as usize];
        let bytes = numbers.below(60_000);
        let agent = match numbers.below(3) {
            0 => format!("curl/7.{}.0", numbers.below(90)),
            _ => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/{}.0.{}.{} Safari/537.36",
                90 + numbers.below(40),
                numbers.below(100),
                numbers.below(200)
            ),
        };
        let [a, b, c, d] = ip;
        writeln!(
            text,
            "{a}.{b}.{c}.{d} - - [01/Jan/2026:{hour:02}:{minute:02}:{second:02} +0000] \"{method} {path} HTTP/1.1\" \
             {status} {bytes} \"-\" \"{agent}\""
        )
        .unwrap();
    }
    text
}

fn logship(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logship"));
    command.arg("--data").arg(data).args(["--listen", "127.0.0.1:0", "--quiet"]).args(more).stdout(Stdio::null());
    command
}

/// User and system seconds in `/proc/PID/stat`, in ticks of 10 ms. `children` counts those waited for.
fn cpu_seconds(stat: &str, children: bool) -> f64 {
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let first = if children { 13 } else { 11 };
    (fields[first].parse::<f64>().unwrap() + fields[first + 1].parse::<f64>().unwrap()) / 100.0
}

/// CPU seconds of a whole process.
fn run(command: &mut Command, input: &Path) -> f64 {
    let children = || cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap(), true);
    let before = children();
    let status = command.stdin(File::open(input).unwrap()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    children() - before
}

/// A line of `/proc/PID/status` in MiB.
fn memory(child: &Child, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().unwrap() / 1024.0
}

fn wait_until_idle(child: &Child) {
    let stat = || cpu_seconds(&fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap(), false);
    let mut before = -1.0;
    while stat() - before > 0.05 {
        before = stat();
        sleep(IDLE);
    }
}

/// Milliseconds from the start of the process to the first byte that it prints of a line that waits for it.
fn first_line(data: &Path) -> f64 {
    let begun = Instant::now();
    let mut command = logship(data, &["--format", "pretty"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"level=info msg=hello\n").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let took = begun.elapsed().as_secs_f64() * 1e3;
    drop(input);
    child.wait().unwrap();
    took
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |path: PathBuf| if path.is_dir() { disk_bytes(&path) } else { path.metadata().unwrap().len() };
    entries.map(|entry| size(entry.path())).sum()
}

/// Least, middle and most.
fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    format!("{:.2} / {:.2} / {:.2}", figures[0], figures[figures.len() / 2], figures[figures.len() - 1])
}

fn row(name: &str, figure: &str) {
    println!("{name:58} {figure}");
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("access.log");
    let text = access_lines();
    fs::write(&input, &text).unwrap();
    row("access lines, MB", &format!("{LINES}, {:.1}", text.len() as f64 / 1e6));

    let (mut ratios, mut units) = (Vec::new(), Vec::new());
    let mut stored = PathBuf::new();
    for pair in 0..PAIRS {
        units.push(run(Command::new("gzip").args(["-1", "-c"]), &input));
        stored = folder.path().join(format!("data-{pair}"));
        ratios.push(run(&mut logship(&stored, &["--format", "none"]), &input) / units[pair]);
    }
    row("gzip -1, CPU seconds: min / median / max", &spread(units));
    row("stored and searchable, CPU in units of gzip -1", &spread(ratios));
    row("bytes on disk, MB", &format!("{:.1}", disk_bytes(&stored) as f64 / 1e6));

    let serving = folder.path().join("serving");
    let mut child =
        logship(&serving, &["--format", "none", "--serve"]).stdin(File::open(&input).unwrap()).spawn().unwrap();
    wait_until_idle(&child);
    row("peak resident, MiB", &format!("{:.1}", memory(&child, "VmHWM:")));
    row("resident anonymous, idle after that, MiB", &format!("{:.1}", memory(&child, "RssAnon:")));
    child.kill().unwrap();
    child.wait().unwrap();

    let mut server = logship(&folder.path().join("empty"), &[]).arg("server").spawn().unwrap();
    wait_until_idle(&server);
    row("resident anonymous, empty server, MiB", &format!("{:.1}", memory(&server, "RssAnon:")));
    server.kill().unwrap();
    server.wait().unwrap();

    let starts = (0..STARTS).map(|start| first_line(&folder.path().join(format!("start-{start}")))).collect();
    row("first line on stdout, ms after start", &spread(starts));
}
