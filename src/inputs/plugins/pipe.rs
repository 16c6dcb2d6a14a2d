//! `pipe { command => "tail -F x" }`: the lines that a command prints for as long as it runs.
//!
//! A command that ends is started again after [`RESTART_WAIT`], with `restart => error` only where it failed. At the stop it is
//! asked to end, has [`STOP_WAIT`] for its last words, and is killed.

use super::{
    Entrance, Fields, InputError, InputKind, Source, Stream,
    command::{self, Program},
};
use crate::{
    clock,
    config::Options,
    event::Value,
    flow::{Stop, Woken},
};
use logship_parsers::config::{FieldRef, typed};
use std::time::Duration;

pub(super) const KIND: InputKind = InputKind {
    name: "pipe",
    summary: "Lines that a command prints",
    options: &["command", "restart"],
    codec: "line",
    needs_log: true,
    host: Some("[host][name]"),
    path: None,
    build,
};

/// From the end of a command to its next start.
pub const RESTART_WAIT: Duration = Duration::from_secs(10);
/// What a command has for its last words.
pub const STOP_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Pipe {
    command: String,
    restarts_always: bool,
    fields: Fields,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let command = options.required("command", |value| typed::text(value).map(str::to_owned));
    let restart = options.or("restart", |value| typed::choice(value, &["always", "error"]), "always");
    let name: &[&str] = if options.ecs().is_on() { &["process", "command_line"] } else { &["command"] };
    let field = FieldRef { parts: name.iter().map(|part| (*part).to_owned()).collect() };
    let command = command?;
    let fields = [(field, Value::from(command.as_str()))].into();
    Some(Box::new(Pipe { command, restarts_always: restart == "always", fields }))
}

impl Pipe {
    /// Runs the command once. `false`: it should not run again.
    fn once(&self, stream: &mut Stream, stop: &Stop) -> Result<bool, InputError> {
        let mut program = Program::start(&self.command)?;
        loop {
            let mut woken = stop.readable(&program.stdout, Some(Duration::ZERO))?;
            if woken == Woken::Late {
                // With nothing to do there is time to see that what was given is safe.
                stream.settle()?;
                woken = stop.readable(&program.stdout, stream.patience())?;
            }
            match woken {
                Woken::Late => stream.finish()?,
                Woken::Readable if stream.read_from(&mut program.stdout)? => {}
                Woken::Readable => break,
                Woken::Stop => {
                    last_words(&mut program, stream)?;
                    stream.finish()?;
                    stream.settle()?;
                    return Ok(false);
                }
            }
        }
        stream.finish()?;
        stream.settle()?;
        let code = command::code(program.wait()?);
        if code != 0 {
            tracing::warn!("`{}` ended with code {code}", self.command);
        }
        Ok(self.restarts_always || code != 0)
    }
}

fn last_words(program: &mut Program, stream: &mut Stream) -> Result<(), InputError> {
    program.terminate();
    let (begun, never) = (clock::instant(), Stop::new()?);
    loop {
        let left = STOP_WAIT.saturating_sub(clock::since(begun));
        if left.is_zero()
            || never.readable(&program.stdout, Some(left))? != Woken::Readable
            || !stream.read_from(&mut program.stdout)?
        {
            return Ok(program.kill().map(drop)?);
        }
    }
}

impl Source for Pipe {
    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        while !stop.is_requested() {
            match self.once(&mut entrance.stream(self.fields.clone()), stop) {
                Ok(true) => {}
                Ok(false) => break,
                Err(InputError::Closed) => return Err(InputError::Closed),
                Err(InputError::Failed(error)) => {
                    tracing::warn!(%error, "a command could not be run; it is tried again")
                }
            }
            if stop.wait(RESTART_WAIT) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{config::Ecs, pipeline::configured::testing::start};

    #[test]
    fn lines_have_the_command() {
        let check = |ecs: Ecs, expected: &str| {
            let running = start("pipe { command => 'echo a; echo b' restart => error }", ecs);
            assert_eq!(running.json(), expected);
            assert_eq!(running.wait()[0].message(), Some("b"));
        };
        check(Ecs::Disabled, r#"{"message":"a","command":"echo a; echo b","host":"here"}"#);
        let process = r#""process":{"command_line":"echo a; echo b"}"#;
        let schema = format!(r#"{{"message":"a","event":{{"original":"a"}},{process},"host":{{"name":"here"}}}}"#);
        check(Ecs::V8, &schema);
    }

    #[test]
    fn last_words_are_read() {
        let command = "trap \"echo bye; exit 0\" TERM; echo hello; while :; do sleep 0.01; done";
        let running = start(&format!("pipe {{ command => '{command}' }}"), Ecs::V8);
        assert_eq!(running.messages(1), ["hello"]);
        let left: Vec<_> = running.end().iter().map(|event| event.message().unwrap().to_owned()).collect();
        assert_eq!(left, ["bye"]);
    }
}
