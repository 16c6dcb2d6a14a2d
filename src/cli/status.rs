//! `logship status`: how a server or an agent is, for people and for health checks.

use super::{Failure, args::Shared, client::Remote, is_read, settings};
use crate::config::DataDir;
use clap::Args;
use serde_json::Value;
use std::{fmt::Write as _, io::Write as _};

/// Files that are listed, those that are furthest behind first.
const FILES_MAX: usize = 20;

/// `logship status`
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Print the status as JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints it, unless quiet; fails unless all is well.
pub fn run(shared: &Shared, options: &Options) -> Result<(), Failure> {
    let remote = match &shared.server {
        Some(_) => Remote::find(shared)?,
        None => {
            let data = DataDir::open_existing(&settings::data_path(shared)?).map_err(Failure::failed)?;
            let known = data.read_agent().into_iter().chain(data.read_server());
            let mut alive = known.filter_map(|file| Remote::at(shared, &file.url).ok()).filter(Remote::is_there);
            alive.next()
        }
    };
    let Some(remote) = remote else {
        return Err(Failure::failed(
            "nobody serves this data directory: name a server with --server URL, or its --data DIR",
        ));
    };
    let mut text = String::new();
    let mut body = remote.get("/api/v1/status", &[])?;
    std::io::Read::read_to_string(&mut body, &mut text).map_err(Failure::failed)?;
    let status: Value = serde_json::from_str(&text)
        .map_err(|cause| Failure::failed(format!("the answer is no status of a logship: {cause}")))?;
    if !shared.quiet {
        let shown = if options.json { format!("{text}\n") } else { describe(&status) };
        is_read(std::io::stdout().write_all(shown.as_bytes()))?;
    }
    match problem(&status) {
        None => Ok(()),
        Some(problem) => Err(Failure::failed(problem)),
    }
}

/// What is wrong, in one sentence.
fn problem(status: &Value) -> Option<String> {
    let word = status["status"].as_str().unwrap_or("unknown");
    if word != "ok" {
        return Some(match status["reason"].as_str() {
            Some(reason) => reason.to_owned(),
            None => format!("its status is {word}"),
        });
    }
    let ship = &status["ship"];
    if ship.is_object() && ship["reachable"] == false && ship["last_error"].is_string() {
        return Some(format!("its server cannot be reached: {}", ship["last_error"].as_str().unwrap_or_default()));
    }
    if let Some(wrong) = status["config_error"].as_str() {
        return Some(format!("its configs were changed and are wrong: {wrong}; it runs with those before"));
    }
    for (id, pipeline) in status["pipelines"].as_object().into_iter().flatten() {
        if let Some((output, cause)) = pipeline["failing"].as_object().and_then(|failing| failing.iter().next()) {
            return Some(format!("{id}/{output} fails: {}", cause.as_str().unwrap_or_default()));
        }
    }
    None
}

fn describe(status: &Value) -> String {
    let mut text = String::new();
    let word = match status["status"].as_str() {
        // What a server or an agent of another version does not call so itself.
        Some("ok") if problem(status).is_some() => "degraded",
        word => word.unwrap_or("?"),
    };
    let _ = writeln!(
        text,
        "logship {} up {} s: {}",
        status["version"].as_str().unwrap_or("?"),
        number(&status["uptime_s"]),
        word
    );
    if let Some(reason) = status["reason"].as_str() {
        let _ = writeln!(text, "{reason}");
    }
    if let Some(events) = status["events"].as_u64() {
        let _ = writeln!(text, "store: {events} events, {} bytes", number(&status["bytes_on_disk"]));
    }
    for component in status["components"].as_array().into_iter().flatten() {
        let _ = write!(
            text,
            "{}: {} in, {} out, {} queued",
            component["name"].as_str().unwrap_or("?"),
            component["in"],
            component["out"],
            component["queued"]
        );
        for (why, count) in component["dropped"].as_object().into_iter().flatten() {
            let _ = write!(text, ", {count} dropped ({why})");
        }
        text.push('\n');
    }
    for (id, pipeline) in status["pipelines"].as_object().into_iter().flatten() {
        let _ = writeln!(
            text,
            "pipeline {id}: {} events in, {} behind the filters, {} workers, queue {}",
            pipeline["received"],
            pipeline["filtered"],
            pipeline["workers"],
            pipeline["queue"].as_str().unwrap_or("?")
        );
    }
    describe_ship(&mut text, &status["ship"]);
    describe_spool(&mut text, status);
    describe_files(&mut text, status);
    text
}

/// A number, 0 where there is none.
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn describe_ship(text: &mut String, ship: &Value) {
    if ship.is_object() {
        let server = ship["servers"][usize::try_from(number(&ship["server"])).unwrap_or(0)].as_str().unwrap_or("?");
        let reach = match ship["reachable"] == true {
            true => "reachable",
            false if ship["last_error"].is_null() => "not tried yet",
            false => "not reached",
        };
        let _ = writeln!(text, "server: {server} {reach}, {} bytes wait in the spool", number(&ship["queued_bytes"]));
        if let Some(error) = ship["last_error"].as_str() {
            let _ = writeln!(text, "last error at {}: {error}", ship["last_error_at"].as_str().unwrap_or("?"));
        }
    }
}

/// What became of records on their way through the spool, where there is anything to say.
fn describe_spool(text: &mut String, status: &Value) {
    let (spool, ship) = (&status["spool"], &status["ship"]);
    for (rule, count) in spool["redacted"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0) {
        let _ = writeln!(text, "redacted: {count} {rule}");
    }
    if number(&ship["bad_bytes"]) > 0 {
        let (bytes, places) = (&ship["bad_bytes"], &ship["bad_regions"]);
        let _ = writeln!(text, "damaged: {bytes} bytes of the spool, in {places} places, were skipped");
    }
}

fn describe_files(text: &mut String, status: &Value) {
    if let Some(files) = status["files"].as_array() {
        let _ = write!(text, "files: {} followed, {} unreadable", status["files_followed"], status["files_unreadable"]);
        let counted = [
            ("files_lost_bytes", "bytes lost with truncated or deleted files"),
            ("files_truncated_bytes", "bytes cut from overlong lines"),
            ("files_deleted", "deleted, as asked for"),
        ];
        for (key, what) in counted.into_iter().filter(|(key, _)| number(&status[key]) > 0) {
            let _ = write!(text, ", {} {what}", status[key]);
        }
        text.push('\n');
        for file in files.iter().take(FILES_MAX) {
            let path = file["path"].as_str().unwrap_or("?");
            let _ = write!(text, "  {path}: {} of {} bytes", file["durable"], file["size"]);
            if number(&file["lag_bytes"]) > 0 {
                let _ = write!(
                    text,
                    ", behind by {} bytes for {:.1} s",
                    file["lag_bytes"],
                    file["lag_s"].as_f64().unwrap_or(0.0)
                );
            }
            if let Some(error) = file["error"].as_str() {
                let _ = write!(text, ": {error}");
            }
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_described_and_judged() {
        let check = |status: Value, healthy: bool, part: &str| {
            assert_eq!(problem(&status).is_none(), healthy, "{status}");
            let text = format!("{}{}", describe(&status), problem(&status).unwrap_or_default());
            assert!(text.contains(part), "{text}");
        };
        check(json!({"status": "ok", "version": "1", "events": 7}), true, "store: 7 events");
        check(json!({"status": "full"}), false, "its status is full");
        let ship = json!({"servers": ["http://a"], "server": 0, "reachable": false, "last_error": "refused"});
        check(json!({"status": "ok", "ship": ship}), false, "cannot be reached: refused");
        check(json!({"status": "ok", "uptime_s": 1, "ship": ship}), false, "up 1 s: degraded");
        let fresh = json!({"servers": ["http://a"], "server": 0, "reachable": false, "last_error": null});
        check(json!({"status": "ok", "ship": fresh}), true, "http://a not tried yet");
        let full = json!({"status": "degraded", "reason": "the spool is full", "uptime_s": 1});
        check(full.clone(), false, "up 1 s: degraded\nthe spool is full\n");
        let damaged = json!({"status": "ok", "ship": {"reachable": true, "bad_bytes": 50, "bad_regions": 1}});
        check(damaged, true, "damaged: 50 bytes of the spool, in 1 places");
        let redacted = json!({"emails": 3, "cards": 0});
        check(json!({"status": "ok", "spool": {"redacted": redacted}}), true, "redacted: 3 emails\n");
        let files =
            json!({"status": "ok", "files": [], "files_followed": 2, "files_unreadable": 1, "files_deleted": 4});
        check(files, true, "files: 2 followed, 1 unreadable, 4 deleted, as asked for\n");
        let pipelines = json!({"main": {"received": 7, "filtered": 6, "workers": 2, "queue": "memory", "failing": {}}});
        check(json!({"status": "ok", "pipelines": pipelines}), true, "main: 7 events in, 6 behind");
        let pipelines = json!({"main": {"failing": {"http.0": "refused"}}});
        check(json!({"status": "ok", "pipelines": pipelines}), false, "main/http.0 fails: refused");
        check(json!({"status": "ok", "config_error": "it has an error"}), false, "are wrong: it has an error");
        let file = json!({"path": "/a.log", "durable": 5, "size": 9, "lag_bytes": 4, "lag_s": 1.5});
        let status = json!({"status": "ok", "files": [file], "files_followed": 1, "files_unreadable": 0});
        check(status, true, "/a.log: 5 of 9 bytes, behind by 4 bytes for 1.5 s");
        let component = json!({"name": "input.syslog", "in": 3, "out": 1, "queued": 0, "dropped": {"full": 2}});
        check(json!({"status": "ok", "components": [component]}), true, "3 in, 1 out, 0 queued, 2 dropped (full)");
    }
}
