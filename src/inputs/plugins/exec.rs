//! `exec { command => "uptime" interval => 60 }`: what a command prints, at each interval or by a schedule.
//!
//! All that it prints is one message, or what the codec makes of it; [`OUTPUT_BYTES_MAX`] of it are kept, then it is tagged
//! `_truncated`. Where a command takes longer than the interval, it runs again at once. At the stop it is ended and what it
//! printed is left out.

use super::{Entrance, InputError, InputKind, Source, command::Program, schedule::Schedule};
use crate::{
    clock,
    config::Options,
    event::{TAGS, Value},
    flow::{FRAME_BYTES_MAX, Stop, Woken},
};
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use std::{
    io::{self, Read as _},
    process::ExitStatus,
    time::{Duration, Instant},
};

pub(super) const KIND: InputKind = InputKind {
    name: "exec",
    summary: "What a command prints, at each interval",
    options: &["command", "interval", "schedule"],
    codec: "plain",
    needs_log: false,
    host: Some("[host][name]"),
    path: None,
    build,
};

/// What is kept of what a command prints.
pub const OUTPUT_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// The longest wait for a scheduled time before the clock is looked at again.
const CLOCK_WAIT: Duration = Duration::from_secs(60);
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

#[derive(Debug)]
struct Exec {
    command: String,
    when: When,
    is_ecs: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let command = options.required("command", |value| typed::text(value).map(str::to_owned));
    let interval = options.get("interval", |value| {
        let seconds = typed::number(value)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| Diagnostic::error(value.span.0, format!("{seconds} is no number of seconds")))
    });
    let schedule = options.get("schedule", |value| {
        Schedule::parse(typed::text(value)?).map_err(|wrong| Diagnostic::error(value.span.0, wrong))
    });
    let when = match (options.is_given("interval"), options.is_given("schedule")) {
        (true, false) => interval.map(When::Every),
        (false, true) => schedule.map(When::At),
        _ => {
            let error = Diagnostic::error(options.place(), "`exec` needs one of `interval` and `schedule`");
            options.report(error.help("write `interval => 60` or `schedule => \"*/5 * * * *\"`"));
            None
        }
    };
    Some(Box::new(Exec { command: command?, when: when?, is_ecs: options.ecs().is_on() }))
}

/// When the command runs.
#[derive(Debug)]
enum When {
    /// At once, and so long after each start.
    Every(Duration),
    At(Schedule),
}

/// What a command did.
struct Ran {
    output: Vec<u8>,
    is_cut: bool,
    status: ExitStatus,
    took: Duration,
}

impl Exec {
    /// Runs the command once; `None` at the stop.
    fn once(&self, stop: &Stop) -> io::Result<Option<Ran>> {
        let begun = clock::instant();
        let mut program = Program::start(&self.command)?;
        let (mut output, mut is_cut) = (Vec::new(), false);
        let mut bytes = vec![0; READ_BYTES];
        while stop.readable(&program.stdout, None)? == Woken::Readable {
            match program.stdout.read(&mut bytes)? {
                0 => {
                    let status = program.wait()?;
                    return Ok(Some(Ran { output, is_cut, status, took: clock::since(begun) }));
                }
                count => {
                    let kept = count.min(OUTPUT_BYTES_MAX - output.len());
                    output.extend_from_slice(&bytes[..kept]);
                    is_cut |= kept < count;
                }
            }
        }
        Ok(None)
    }

    fn fields(&self, ran: &Ran) -> Vec<(FieldRef, Value)> {
        let name = |schema: &str, own: &str| {
            let path = if self.is_ecs { schema } else { own };
            FieldRef { parts: path.split('.').map(str::to_owned).collect() }
        };
        let took = match self.is_ecs {
            true => Value::Int(i64::try_from(ran.took.as_nanos()).unwrap_or(i64::MAX)),
            false => Value::Float(ran.took.as_secs_f64()),
        };
        let mut fields = vec![
            (name("process.command_line", "command"), Value::from(self.command.as_str())),
            (name("@metadata.input.exec.process.elapsed_time", "@metadata.duration"), took),
        ];
        // A command that a signal has ended has no code.
        let code = ran.status.code().map(|code| Value::Int(code.into()));
        fields.extend(code.map(|code| (name("process.exit_code", "@metadata.exit_status"), code)));
        fields.extend(ran.is_cut.then(|| (name(TAGS, TAGS), Value::List(vec![Value::from("_truncated")]))));
        fields
    }
}

impl Exec {
    /// Runs the command and gives what it prints. `false` at the stop.
    fn run_once(&self, entrance: &Entrance, stop: &Stop) -> Result<bool, InputError> {
        match self.once(stop) {
            Ok(None) => return Ok(false),
            Ok(Some(ran)) => {
                let mut stream = entrance.stream(self.fields(&ran));
                stream.message(ran.output.into())?;
                stream.finish()?;
                stream.settle()?;
            }
            Err(error) => tracing::warn!(%error, "a command could not be run; it is tried again"),
        }
        Ok(true)
    }

    /// Waits for the next time. `false` at the stop.
    fn wait(&self, begun: Option<Instant>, stop: &Stop) -> bool {
        match (&self.when, begun) {
            (When::Every(interval), Some(begun)) => !stop.wait(interval.saturating_sub(clock::since(begun))),
            (When::Every(_), None) => true,
            (When::At(schedule), _) => {
                let now = || jiff::Timestamp::from_nanosecond(clock::now().as_nanos().into()).unwrap_or_default();
                let Some(due) = schedule.after(now()) else { return false };
                loop {
                    let left = due.duration_since(now());
                    if left.is_negative() || left.is_zero() {
                        return true;
                    }
                    // In pieces, as the clock may be set meanwhile.
                    if stop.wait(left.unsigned_abs().min(CLOCK_WAIT)) {
                        return false;
                    }
                }
            }
        }
    }
}

impl Source for Exec {
    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let mut begun = None;
        while self.wait(begun, stop) {
            begun = Some(clock::instant());
            if !self.run_once(entrance, stop)? {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Ecs,
        pipeline::configured::testing::{mistakes, start},
    };

    #[test]
    fn what_a_command_prints_is_a_message() {
        let running = start("exec { command => 'echo a; echo b; exit 3' interval => 3600 }", Ecs::V8);
        let mut event = running.event();
        let took = event.meta.remove("input");
        assert!(took.is_some_and(|took| format!("{took:?}").contains("elapsed_time")));
        let process = r#""process":{"command_line":"echo a; echo b; exit 3","exit_code":3}"#;
        let original = r#""event":{"original":"a\nb\n"}"#;
        let expected = format!(r#"{{"message":"a\nb\n",{original},{process},"host":{{"name":"here"}}}}"#);
        assert_eq!(crate::pipeline::configured::testing::shown(event), expected);
        assert!(running.end().is_empty());
    }

    #[test]
    fn names_of_old_and_codecs() {
        let running = start("exec { command => 'echo a; echo b' interval => 3600 codec => line }", Ecs::Disabled);
        for line in ["a", "b"] {
            let mut event = running.event();
            assert!(matches!(event.meta.remove("duration"), Some(Value::Float(_))));
            let shown = crate::pipeline::configured::testing::shown(event);
            let meta = r#""@metadata":{"exit_status":0}"#;
            assert_eq!(shown, format!(r#"{{"message":"{line}","command":"echo a; echo b","host":"here",{meta}}}"#));
        }
        running.end();
    }

    #[test]
    fn it_runs_again_and_ends_at_the_stop() {
        let running = start("exec { command => 'echo x' interval => 0 }", Ecs::V8);
        running.messages(3);
        running.end();
        let folder = tempfile::tempdir().unwrap();
        let (started, ended) = (folder.path().join("started"), folder.path().join("ended"));
        let command = format!("touch {}; cat >&2 {}; sleep 3600", started.display(), ended.display());
        let fifo = std::process::Command::new("mkfifo").arg(&ended).status().unwrap();
        assert!(fifo.success());
        let running = start(&format!("exec {{ command => '{command}' interval => 0 }}"), Ecs::V8);
        // Opens once the command reads.
        drop(std::fs::File::options().write(true).open(&ended).unwrap());
        assert!(started.exists());
        assert!(running.end().is_empty());
    }

    #[test]
    fn it_runs_by_a_schedule() {
        let running = start("exec { command => 'echo x' schedule => '* * * * * *' }", Ecs::V8);
        assert_eq!(running.messages(2), ["x\n", "x\n"]);
        running.end();
    }

    #[test]
    fn mistakes_are_told() {
        let check = |input: &str, expected: &[&str]| {
            let told: Vec<_> = mistakes(input).into_iter().map(|diagnostic| diagnostic.message).collect();
            assert_eq!(told, expected, "{input}");
        };
        let neither = "`exec` needs one of `interval` and `schedule`";
        check("exec { command => 'x' schedule => '* * * * *' interval => 1 }", &[neither]);
        check("exec { command => 'x' schedule => 'daily' }", &["`daily` has 1 fields, a schedule has five or six"]);
        check("exec { }", &["`exec` needs the option `command`", neither]);
        check("exec { command => 'x' interval => -1 }", &["-1 is no number of seconds"]);
    }
}
