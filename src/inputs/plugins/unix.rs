//! `unix { path => "/run/app.sock" }`: lines of connections to a socket file, which this makes (`mode => server`) or another
//! program has made (`mode => client`).
//!
//! A socket file that nobody listens on is taken over; one that is in use, only with `force_unlink`. A connection that says
//! nothing for `data_timeout` seconds is closed.

use super::{
    Entrance, Fields, InputError, InputKind, Kept, Source,
    connection::Connection,
    sockets::{self, Server, connect},
};
use crate::{config::Options, event::Value, flow::Stop, inputs::address::Address};
use logship_parsers::config::{FieldRef, typed};
use std::{io, time::Duration};

pub(super) const KIND: InputKind = InputKind {
    name: "unix",
    summary: "Lines of connections to a socket file",
    options: &["data_timeout", "force_unlink", "mode", "path", "socket_not_present_retry_interval_seconds"],
    codec: "line",
    needs_log: true,
    host: Some("[host][name]"),
    path: None,
    build,
};

/// Seconds after which a client looks again where nobody listens.
const RETRY_SECONDS: i64 = 5;

#[derive(Debug)]
struct Unix {
    server: Server,
    /// Connects rather than listens, and looks again after so long.
    connects: Option<Duration>,
    idle: Option<Duration>,
    fields: Fields,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let path = options.required("path", |value| typed::text(value).map(str::to_owned));
    let is_server = options.or("mode", |value| typed::choice(value, &["client", "server"]), "server") == "server";
    let idle = options.or("data_timeout", typed::number, -1.0);
    let retry = options.or("socket_not_present_retry_interval_seconds", typed::integer, RETRY_SECONDS);
    let retry = Duration::from_secs(u64::try_from(retry).unwrap_or(RETRY_SECONDS as u64));
    let force = options.flag("force_unlink", false);
    let name: &[&str] = if options.ecs().is_on() { &["file", "path"] } else { &["path"] };
    let field = FieldRef { parts: name.iter().map(|part| (*part).to_owned()).collect() };
    let path = path?;
    Some(Box::new(Unix {
        server: Server { force, ..Server::new(Address::Unix(path.as_str().into()), None) },
        connects: (!is_server).then_some(retry),
        idle: Duration::try_from_secs_f64(idle).ok(),
        fields: [(field, Value::from(path))].into(),
    }))
}

impl Source for Unix {
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        if self.connects.is_none() { self.server.open(kept) } else { Ok(()) }
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Unix { server, connects, idle, fields } = *self;
        let (entrance, asked) = (entrance.clone(), stop.clone());
        let read =
            move |mut connection: Connection| connection.read_into(&mut entrance.stream(fields.clone()), &asked, idle);
        match connects {
            None => server.serve(stop, read),
            Some(wait) => sockets::again_and_again(stop, wait, || read(connect(&server.address, None)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{config::Ecs, pipeline::configured::testing::start};
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::{UnixListener, UnixStream},
    };

    #[test]
    fn lines_have_the_path_and_the_host() {
        let check = |ecs: Ecs, expected: &dyn Fn(&str) -> String| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let path = path.to_str().unwrap();
            let running = start(&format!("unix {{ path => '{path}' }}"), ecs);
            let mut client = UnixStream::connect(path).unwrap();
            client.write_all(b"one\n").unwrap();
            assert_eq!(running.json(), expected(path));
            running.end();
            assert!(!std::path::Path::new(path).exists());
        };
        check(Ecs::Disabled, &|path| format!(r#"{{"message":"one","path":"{path}","host":"here"}}"#));
        check(Ecs::V8, &|path| {
            format!(
                r#"{{"message":"one","event":{{"original":"one"}},"file":{{"path":"{path}"}},"host":{{"name":"here"}}}}"#
            )
        });
    }

    #[test]
    fn silent_connections_are_closed_and_files_in_use_are_taken_where_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _other = UnixListener::bind(&path).unwrap();
        let text = |more: &str| format!("unix {{ path => '{}' data_timeout => 0.02 {more} }}", path.display());
        let running = start(&text("force_unlink => true"), Ecs::V8);
        let mut client = UnixStream::connect(&path).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        running.end();
    }

    #[test]
    fn clients_wait_for_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = UnixListener::bind(&path).unwrap();
        let running = start(&format!("unix {{ mode => client path => '{}' }}", path.display()), Ecs::V8);
        let (mut client, _) = server.accept().unwrap();
        client.write_all(b"one\n").unwrap();
        assert_eq!(running.messages(1), ["one"]);
        running.end();
    }
}
