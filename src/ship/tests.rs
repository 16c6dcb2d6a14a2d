//! Shipping to a scripted server: whatever happens on the way, every frame arrives once.

use super::{
    ShipSettings, Shipper,
    testing::{PATIENCE, Place, Server, Step, append, frames_of},
};
use crate::{fs::RealFs, log};
use proptest::prelude::*;

/// Ships a dead log and a living one past a script; what the shipper says in the end.
fn check(script: Vec<Step>) -> super::ShipStatus {
    let (place, server) = (Place::new(), Server::start(script.clone()));
    let (dead, expected) = place.dead(20);
    let own = place.open();
    append(&own, 10);
    let settings = ShipSettings { own: vec![(own.id, own.durable.clone())], ..place.settings(&[&server]) };
    let shipper = Shipper::start(settings).unwrap();
    append(&own, 10);
    assert!(shipper.drain(PATIENCE), "{script:?}: {:?}", shipper.status());
    let status = shipper.status();
    shipper.stop();
    assert_eq!(server.frames(dead), expected, "{script:?}");
    assert_eq!(server.frames(own.id), frames_of(&own.dir), "{script:?}");
    assert_eq!((status.queued_bytes, status.refused, status.possibly_doubled), (0, 0, 0), "{script:?}: {status:?}");
    assert_eq!(status.frames, 40, "{script:?}");
    assert!(status.reachable, "{script:?}: {status:?}");
    status
}

#[test]
fn every_frame_arrives_once() {
    let status = check(vec![]);
    assert_eq!((status.retries, status.last_error), (0, None));
    assert!(status.wire_bytes > 0 && status.wire_bytes < status.bytes);
    assert!(status.skew_ms.is_some() && status.seconds_since_success.is_some());
}

#[test]
fn failures_are_tried_again() {
    let html = "<!DOCTYPE html><title>Welcome</title>";
    for (step, said) in [
        (Step::Refuse, "cannot reach"),
        (Step::ResetInside, "cannot reach"),
        (Step::ResetAfter, "cannot reach"),
        (Step::Hang, "no answer in time"),
        (Step::Answer(429, "Retry-After: 7\r\n", "{}"), "too much to do"),
        (Step::Answer(429, "Retry-After: Fri, 02 Jan 2099 03:04:05 GMT\r\n", "{}"), "too much to do"),
        (Step::Answer(503, "", "busy"), "cannot store now"),
        (Step::Answer(507, "", r#"{"error":{"message":"the disk is full"}}"#), "the disk is full"),
        (Step::Answer(401, "", "{}"), "is the token right"),
        (Step::Answer(403, "", "no"), "is the token right"),
        (Step::Answer(200, "", html), "is this a logship server? It answered status 200 and HTML"),
        (Step::Answer(404, "", html), "is this a logship server? It answered status 404 and HTML"),
        (Step::Answer(400, "", html), "is this a logship server?"),
        (Step::Answer(302, "Location: /login\r\n", ""), "status 302 and nothing"),
        (Step::Answer(200, "", r#"{"ok":true}"#), "other JSON than expected"),
        (Step::Answer(200, "", "hello"), "text: hello"),
        (Step::Answer(200, "", r#"{"durable":[]}"#), "only a part"),
        (Step::Partial, "only a part"),
    ] {
        let status = check(vec![Step::Store, step.clone()]);
        let error = status.last_error.unwrap();
        // Two requests may be on their way: a hanging server may be heard of before the one that is reset.
        assert!(error.contains(said), "{step:?}: {error}");
        assert!(status.retries >= 1 && status.last_error_at.is_some());
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Store),
        2 => Just(Step::Refuse),
        2 => Just(Step::ResetInside),
        2 => Just(Step::ResetAfter),
        2 => Just(Step::Partial),
        1 => Just(Step::Answer(503, "", "")),
        1 => Just(Step::Answer(429, "Retry-After: 1\r\n", "")),
        1 => Just(Step::Answer(413, "", "")),
        1 => Just(Step::Answer(200, "", "<html>")),
        1 => Just(Step::Answer(401, "", "")),
    ]
}

proptest! {
    #![proptest_config(crate::log::clients::trials(24, 100))]
    #[test]
    fn any_script_ends_with_every_frame_there_once(script in prop::collection::vec(any_step(), 0..12)) {
        let refusals = script.iter().filter(|step| matches!(step, Step::Answer(413, ..))).count();
        prop_assume!(refusals < super::outcome::REFUSALS_MAX as usize);
        check(script);
    }
}

#[test]
fn a_restart_goes_on_and_a_lost_progress_file_doubles_nothing() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    let own = place.open();
    let mut shipped = 0;
    for round in 0..4 {
        if round == 2 {
            std::fs::remove_file(place.progress()).unwrap();
        }
        append(&own, 10);
        let settings = ShipSettings { own: vec![(own.id, own.durable.clone())], ..place.settings(&[&server]) };
        let shipper = Shipper::start(settings).unwrap();
        assert!(shipper.drain(PATIENCE));
        shipped += shipper.status().frames;
        shipper.stop();
    }
    assert_eq!(server.frames(own.id), frames_of(&own.dir));
    assert_eq!(shipped, 10 + 10 + 30 + 10);
}

#[test]
fn what_is_shipped_goes() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    place.dead(5);
    place.dead(0);
    let own = place.open_with(log::Options { segment_bytes_max: 2_000, ..log::Options::default() });
    append(&own, 40);
    let expected = frames_of(&own.dir);
    let settings = ShipSettings { own: vec![(own.id, own.durable.clone())], ..place.settings(&[&server]) };
    let shipper = Shipper::start(settings).unwrap();
    assert!(shipper.drain(PATIENCE));
    shipper.stop();
    assert_eq!(server.frames(own.id), expected);
    let left: Vec<_> = log::list(&RealFs, &place.spool()).unwrap().iter().map(|found| found.id).collect();
    assert_eq!(left, [own.id]);
    assert!(frames_of_kept(&own.dir) < expected.len());
}

/// How many frames are still in a log whose beginning was trimmed.
fn frames_of_kept(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir).unwrap().filter(|file| file.as_ref().unwrap().path().extension().is_some()).count()
}
