//! `file { path => "/var/log/%{service}.log" }`: events in files, by default a JSON object a line. [`csv`](super::csv) writes
//! its rows through this, too.
//!
//! Promises: what was delivered is on disk (`fdatasync`) once it is flushed. A line that could not be written whole, as where the disk is
//! full, is taken back before it is tried again. Compressed files consist of whole gzip members, so that a crash leaves nothing
//! behind which a reader fails on what follows. Values never lead out of the folder in which the config has them.
//!
//! Limits: [`files::FILES_OPEN_MAX`] files are open, the one used longest ago is closed for another. Other than in Logstash, text goes to the file at
//! once, and to the disk each second; `flush_interval` 0 ends a gzip member with each batch.

mod files;
mod path;

use super::{Encoded, Output, OutputKind, Sink};
use crate::{
    codecs::plugins::{self, Encoder},
    config::Options,
    event::{Event, Timestamp},
};
use files::Files;
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use path::PathPattern;
use std::{io, sync::Arc, time::Duration};

/// Largest mode: set-user-id and the like, and the rights of all three.
const MODE_MAX: u32 = 0o7777;

pub(super) const KIND: OutputKind = OutputKind {
    name: "file",
    summary: "Files, by their paths",
    options: &[
        "create_if_deleted",
        "dir_mode",
        "file_mode",
        "filename_failure",
        "flush_interval",
        "gzip",
        "path",
        "stale_cleanup_interval",
        "write_behavior",
    ],
    needs_log: true,
    build,
};

/// Which files, and how they are written.
#[derive(Clone, Debug)]
pub(super) struct Target {
    path: PathPattern,
    settings: Arc<Settings>,
}

/// How files are written.
#[derive(Debug)]
struct Settings {
    /// Where events go that have no good path.
    failures: String,
    /// The path, where all events have the same.
    only: Option<String>,
    create_if_deleted: bool,
    dir_mode: Option<u32>,
    file_mode: Option<u32>,
    /// Whether a member ends with each batch.
    is_eager: bool,
    gzip: bool,
    stale_after: Duration,
    overwrites: bool,
}

impl Target {
    /// Reads the options that `file` and `csv` share.
    pub(super) fn read(options: &mut Options<'_>) -> Option<Target> {
        let path = options.required("path", PathPattern::read);
        let failure = options.get("filename_failure", file_name).unwrap_or_else(|| "_filepath_failures".to_owned());
        let seconds = |value: &Value| typed::duration(value, Duration::from_secs(1));
        let flush = options.or("flush_interval", seconds, Duration::from_secs(2));
        let behavior = |value: &Value| typed::choice(value, &["append", "overwrite"]).map(|name| name == "overwrite");
        let [dir_mode, file_mode] = ["dir_mode", "file_mode"].map(|name| {
            warn_of_decimal(options, name);
            options.get(name, mode).flatten()
        });
        let (gzip, create_if_deleted) = (options.flag("gzip", false), options.flag("create_if_deleted", true));
        let overwrites = options.or("write_behavior", behavior, false);
        let stale_after = options.or("stale_cleanup_interval", seconds, Duration::from_secs(10));
        let path = path?;
        let settings = Settings {
            failures: path.failures(&failure),
            only: path.as_literal().map(str::to_owned),
            create_if_deleted,
            dir_mode,
            file_mode,
            is_eager: flush.is_zero(),
            gzip,
            stale_after,
            overwrites,
        };
        Some(Target { path, settings: Arc::new(settings) })
    }

    /// Ends the text of an event.
    pub(super) fn end(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        // No path means the only one: that saves writing it for each event.
        let path = match &self.settings.only {
            Some(_) => String::new(),
            None => self.path.of(event, now).unwrap_or_else(|| self.settings.failures.clone()),
        };
        out.end(path, None);
    }

    /// By what outputs share files: all that matters.
    pub(super) fn shares(&self) -> String {
        format!("file {:?} {:?}", self.path, self.settings)
    }

    pub(super) fn open(&self) -> Box<dyn Sink> {
        Box::new(Files::new(self.settings.clone()))
    }
}

fn file_name(value: &Value) -> typed::Read<String> {
    let name = typed::text(value)?;
    match name {
        "" | "." | ".." => {}
        name if name.contains(['/', '\0']) || name.len() > path::NAME_BYTES_MAX => {}
        name => return Ok(name.to_owned()),
    }
    Err(Diagnostic::error(value.span.0, "this is no name of a file")
        .help("it stands in the folder that `path` begins with"))
}

/// A mode: octal where it begins with a zero, as Logstash's manual writes it; -1 is none.
fn mode(value: &Value) -> typed::Read<Option<u32>> {
    let text = typed::text(value)?;
    let mode = match text.strip_prefix('0') {
        Some("") | None => text.parse::<i64>().ok(),
        Some(octal) => i64::from_str_radix(octal, 8).ok(),
    };
    match mode {
        Some(-1) => Ok(None),
        Some(mode) if (0..=i64::from(MODE_MAX)).contains(&mode) => Ok(u32::try_from(mode).ok()),
        _ => Err(Diagnostic::error(value.span.0, format!("`{text}` is no mode")).help("write `0640`")),
    }
}

fn warn_of_decimal(options: &mut Options<'_>, name: &str) {
    let Some(value) = options.value(name) else { return };
    let (place, text) = (value.span.0, value.as_str().unwrap_or_default());
    if !text.starts_with(['0', '-']) && text.parse::<u32>().is_ok() {
        let warning = Diagnostic::warning(place, format!("`{text}` is a decimal number, as in Logstash"));
        options.report(warning.help(format!("write `0{text}` for the mode {text}")));
    }
}

struct ToFile {
    target: Target,
    codec: Box<dyn Encoder>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let (target, codec) = (Target::read(options), plugins::encoder(options, "json_lines"));
    Some(Box::new(ToFile { target: target?, codec: codec? }))
}

impl Output for ToFile {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        self.codec.encode(event, now, out.text_mut());
        self.target.end(event, now, out);
    }

    fn shares(&self) -> Option<String> {
        Some(self.target.shares())
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(self.target.open())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use std::{fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

    fn read_all(path: impl AsRef<Path>) -> String {
        fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.as_ref().display()))
    }

    fn gunzipped(path: impl AsRef<Path>) -> String {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn events_go_to_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let path = format!("{dir}/in/%{{app}}/%{{+yyyy-MM-dd}}.log");
        let output = built(&format!("file {{ path => \"{path}\" codec => line {{ format => \"%{{message}}\" }} }}"));
        let mut sink = output.open().unwrap();
        let time = r#""@timestamp":"2026-02-03T23:59:59Z""#;
        let events = [
            format!(r#"{{{time},"message":"one","app":"a"}}"#),
            format!(r#"{{{time},"message":"two","app":"b"}}"#),
            format!(r#"{{{time},"message":"three","app":"a"}}"#),
            format!(r#"{{{time},"message":"out","app":"../.."}}"#),
            format!(r#"{{{time},"message":"nul","app":"a\u0000b"}}"#),
        ];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        deliver(&*output, &mut *sink, &events);
        deliver(&*output, &mut *sink, &events[..1]);
        assert_eq!(read_all(format!("{dir}/in/a/2026-02-03.log")), "one\nthree\none\n");
        assert_eq!(read_all(format!("{dir}/in/b/2026-02-03.log")), "two\n");
        assert_eq!(read_all(format!("{dir}/in/_filepath_failures")), "out\nnul\n");
    }

    #[test]
    fn a_name_that_cannot_be_opened_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        fs::create_dir(format!("{dir}/folder")).unwrap();
        fs::write(format!("{dir}/plain"), "").unwrap();
        let output = built(&format!(
            "file {{ path => \"{dir}/%{{n}}\" filename_failure => bad codec => line {{ format => \"%{{n}}\" }} }}"
        ));
        let mut sink = output.open().unwrap();
        deliver(&*output, &mut *sink, &[r#"{"n":"folder"}"#, r#"{"n":"plain/x"}"#, r#"{"n":"good"}"#]);
        assert_eq!(read_all(format!("{dir}/bad")), "folder\nplain/x\n");
        assert_eq!(read_all(format!("{dir}/good")), "good\n");
    }

    #[test]
    fn files_that_went_are_made_again_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let event = [r#"{"message":"x"}"#];
        let path = format!("{dir}/a");
        let output = built(&format!("file {{ path => \"{path}\" codec => plain {{ format => \"%{{message}}\" }} }}"));
        let mut sink = output.open().unwrap();
        deliver(&*output, &mut *sink, &event);
        fs::rename(&path, format!("{path}.1")).unwrap();
        deliver(&*output, &mut *sink, &event);
        fs::rename(&path, format!("{path}.2")).unwrap();
        fs::write(&path, "new ").unwrap();
        deliver(&*output, &mut *sink, &event);
        assert_eq!(
            [read_all(format!("{path}.1")), read_all(format!("{path}.2")), read_all(&path)],
            ["x", "x", "new x"]
        );

        let text = format!("file {{ path => \"{dir}/b\" create_if_deleted => false codec => json }}");
        let output = built(&text);
        let mut sink = output.open().unwrap();
        deliver(&*output, &mut *sink, &event);
        fs::write(format!("{dir}/b"), "").unwrap();
        deliver(&*output, &mut *sink, &event);
        for path in ["_filepath_failures", "b"] {
            assert!(read_all(format!("{dir}/{path}")).contains(r#""message":"x""#), "{path}");
        }
    }

    #[test]
    fn modes_are_what_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let output = built(&format!("file {{ path => \"{dir}/x/y/f\" dir_mode => 0751 file_mode => 0666 }}"));
        deliver(&*output, &mut *output.open().unwrap(), &["{}"]);
        let mode = |path: &str| fs::metadata(format!("{dir}/{path}")).unwrap().permissions().mode() & 0o7777;
        assert_eq!([mode("x"), mode("x/y"), mode("x/y/f")], [0o751, 0o751, 0o666]);
        assert!(read("file { path => \"/a\" file_mode => 640 }").1[0].contains("decimal"));
        assert!(errors("file { path => \"/a\" file_mode => 09 }").contains("no mode"));
    }

    #[test]
    fn compressed_files_are_whole_members() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("{}/a.gz", folder.path().display());
        let output = built(&format!("file {{ path => \"{path}\" gzip => true codec => line {{ format => x }} }}"));
        let mut sink = output.open().unwrap();
        attempt(&mut *sink, &mut encoded(&*output, &["{}", "{}"])).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0, "nothing unfinished is in the file");
        deliver(&*output, &mut *sink, &["{}"]);
        assert_eq!(gunzipped(&path), "x\nx\nx\n");
        deliver(&*output, &mut *output.open().unwrap(), &["{}"]);
        assert_eq!(gunzipped(&path), "x\nx\nx\nx\n");
    }

    #[test]
    fn overwriting_keeps_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("{}/a", folder.path().display());
        let line = "codec => line { format => \"%{n}\" }";
        let output = built(&format!("file {{ path => \"{path}\" write_behavior => overwrite {line} }}"));
        let mut sink = output.open().unwrap();
        deliver(&*output, &mut *sink, &[r#"{"n":111}"#, r#"{"n":222}"#]);
        assert_eq!(read_all(&path), "222\n");
        deliver(&*output, &mut *sink, &[r#"{"n":3}"#]);
        assert_eq!(read_all(&path), "3\n");
        let output =
            built(&format!("file {{ path => \"{path}.gz\" write_behavior => overwrite gzip => true {line} }}"));
        let mut sink = output.open().unwrap();
        deliver(&*output, &mut *sink, &[r#"{"n":111}"#]);
        deliver(&*output, &mut *sink, &[r#"{"n":3}"#]);
        assert_eq!(gunzipped(format!("{path}.gz")), "3\n");
    }

    #[test]
    fn many_files_are_open_in_turns() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let output = built(&format!("file {{ path => \"{dir}/%{{n}}.gz\" gzip => true codec => json_lines }}"));
        let mut sink = output.open().unwrap();
        let events: Vec<String> = (0..files::FILES_OPEN_MAX + 20).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        for _ in 0..2 {
            deliver(&*output, &mut *sink, &events);
        }
        for n in 0..events.len() {
            assert_eq!(gunzipped(format!("{dir}/{n}.gz")).lines().count(), 2, "{n}");
        }
    }

    #[test]
    fn a_full_disk_loses_and_doubles_nothing() {
        let output = built("file { path => \"/dev/full\" codec => json_lines }");
        let mut sink = output.open().unwrap();
        let mut batch = encoded(&*output, &["{}", "{}"]);
        let cause = attempt(&mut *sink, &mut batch).unwrap_err();
        assert!(cause.contains("/dev/full") && cause.contains("No space"), "{cause}");
        assert_eq!(batch.left(), 2);
    }

    #[test]
    fn wrong_options_are_told() {
        let check = |text: &str, expected: &str| {
            let said = errors(text);
            assert!(said.contains(expected), "{text}: {said}");
        };
        check("file { }", "needs the option `path`");
        check("file { path => \"/%{x}/a\" }", "first folder");
        check("file { path => \"/a/\" }", "names no file");
        check("file { path => \"~/a\" }", "`~`");
        check("file { path => \"/a\" filename_failure => \"a/b\" }", "no name of a file");
        check("file { path => \"/a\" write_behavior => prepend }", "cannot stand here");
        check("file { path => \"/a\" codec => nothing }", "no codec");
    }
}
