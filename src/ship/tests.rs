//! Shipping to a scripted server: whatever happens on the way, every frame arrives once.

use super::{
    ShipSettings, Shipper, Tls,
    testing::{PATIENCE, Place, Server, Step, append, fixture, frames_of, until},
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

/// What happens to an agent.
#[derive(Clone, Debug)]
enum Act {
    Append(u8),
    /// Its log ends, and another begins.
    Rotate,
    /// It is stopped and started; it may find the progress file as it was before, or none.
    Restart {
        older: bool,
        none: bool,
    },
    Server(Step),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u8..8).prop_map(Act::Append),
        1 => Just(Act::Rotate),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(older, none)| Act::Restart { older, none }),
        4 => any_step().prop_map(Act::Server),
    ]
}

fn live(acts: &[Act], fresh_after: u64) {
    let (place, server) = (Place::new(), Server::start(vec![]));
    let mut own = place.open();
    let mut expected = std::collections::BTreeMap::new();
    let start = |own: &log::LogWriter| {
        let own = vec![(own.id, own.durable.clone())];
        Shipper::start(ShipSettings { own, fresh_after, ..place.settings(&[&server]) }).unwrap()
    };
    let mut shipper = start(&own);
    let mut before = None;
    for act in acts {
        match act {
            Act::Append(frames) => append(&own, usize::from(*frames)),
            Act::Rotate => {
                expected.insert(own.id, frames_of(&own.dir));
                let next = place.open();
                shipper.follow(next.id, next.durable.clone());
                let _ = std::mem::replace(&mut own, next).join();
            }
            Act::Restart { older, none } => {
                shipper.stop();
                let last = std::fs::read(place.progress()).ok();
                match &before {
                    Some(before) if *older => std::fs::write(place.progress(), before).unwrap(),
                    _ if *none => drop(std::fs::remove_file(place.progress())),
                    _ => {}
                }
                before = last;
                shipper = start(&own);
            }
            Act::Server(step) => server.script.lock().unwrap().push_back(step.clone()),
        }
    }
    expected.insert(own.id, frames_of(&own.dir));
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    assert_eq!((shipper.status().queued_bytes, shipper.status().refused), (0, 0));
    shipper.stop();
    for (log, frames) in expected {
        let mut had = server.frames(log);
        if fresh_after < u64::MAX {
            had.sort();
        }
        assert_eq!(had, frames, "log {log}");
    }
    let left: Vec<_> = log::list(&RealFs, &place.spool()).unwrap().iter().map(|found| found.id).collect();
    assert_eq!(left, [own.id]);
}

proptest! {
    #![proptest_config(crate::log::clients::trials(48, 200))]
    #[test]
    fn any_life_ends_with_every_frame_there_once_in_order_unless_that_is_given_up(acts in prop::collection::vec(any_act(), 0..24)) {
        let refusals = acts.iter().filter(|act| matches!(act, Act::Server(Step::Answer(413, ..)))).count();
        prop_assume!(refusals < super::outcome::REFUSALS_MAX as usize);
        live(&acts, u64::MAX);
        live(&acts, 1_000);
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
    let segments = log::bases(&RealFs, &own.dir).unwrap();
    assert!(segments[0].0 > 0 && segments.len() == 1, "{segments:?}");
}

#[test]
fn a_server_that_takes_small_requests_gets_small_ones() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    server.had.lock().unwrap().bytes_max = Some(2_000);
    let (dead, expected) = place.dead(40);
    let shipper = Shipper::start(place.settings(&[&server])).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    assert_eq!(server.frames(dead), expected);
    assert_eq!((shipper.status().frames, shipper.status().refused), (40, 0));
}

#[test]
fn a_frame_that_is_refused_alone_is_dropped_and_counted() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    let (dead, mut expected) = place.dead(21);
    let (hated, records) = (expected.remove(13), 1 + 13 % 3);
    server.had.lock().unwrap().hates = Some((dead, hated.start));
    let shipper = Shipper::start(place.settings(&[&server])).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    let status = shipper.status();
    shipper.stop();
    assert_eq!(server.frames(dead), expected);
    assert_eq!((status.frames, status.refused, status.queued_bytes), (20, records, 0));
    assert!(status.last_error.unwrap().contains("a frame is damaged"));
    assert_eq!(log::list(&RealFs, &place.spool()).unwrap(), []);
}

#[test]
fn a_server_that_is_not_there_is_left_at_once_and_nothing_is_doubled() {
    let (place, gone, server) = (Place::new(), Server::start(vec![]), Server::start(vec![]));
    let mut settings = place.settings(&[&gone, &server]);
    settings.pace.stay = PATIENCE;
    drop(gone);
    let (dead, expected) = place.dead(20);
    let shipper = Shipper::start(settings).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    let status = shipper.status();
    assert_eq!((status.server, status.failovers, status.possibly_doubled), (1, 1, 0));
    assert_eq!(server.frames(dead), expected);
}

#[test]
fn a_batch_stays_with_a_server_that_may_have_it_and_may_then_be_on_two() {
    let (place, first, second) = (Place::new(), Server::start(vec![]), Server::start(vec![]));
    *first.script.lock().unwrap() = std::iter::once(Step::Store).chain(vec![Step::ResetAfter; 100_000]).collect();
    let (dead, expected) = place.dead(20);
    let shipper = Shipper::start(place.settings(&[&first, &second])).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    let status = shipper.status();
    assert_eq!((status.server, status.failovers), (1, 1));
    let (one, other) = (first.frames(dead), second.frames(dead));
    let both = one.iter().filter(|frame| other.contains(frame)).count();
    let all: std::collections::BTreeSet<_> = one.iter().chain(&other).cloned().collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), expected);
    assert!(both > 0 && status.possibly_doubled >= both as u64, "{both}: {status:?}");
    shipper.stop();
    // What is new goes on where it went last.
    let (later, expected) = place.dead(3);
    let asked = first.requests();
    let shipper = Shipper::start(place.settings(&[&first, &second])).unwrap();
    assert!(shipper.drain(PATIENCE));
    assert_eq!((second.frames(later), first.requests()), (expected, asked));
}

/// Ships to two servers, of which the first stores and never answers, and is stopped or killed meanwhile; then again as
/// `again` says. What the first and the second then have, of what is there, and the status.
fn interrupted(
    is_killed: bool,
    then: Step,
    again: impl FnOnce(&mut ShipSettings),
) -> ([Vec<super::testing::Kept>; 3], super::ShipStatus) {
    let (place, first, second) = (Place::new(), Server::start(vec![]), Server::start(vec![]));
    *first.script.lock().unwrap() = vec![Step::Hang; 1_000].into();
    let (dead, expected) = place.dead(20);
    let mut settings = place.settings(&[&first, &second]);
    (settings.pace.stay, settings.pace.reply) = (PATIENCE, PATIENCE);
    let shipper = Shipper::start(settings).unwrap();
    until(|| !first.frames(dead).is_empty());
    let as_it_was = std::fs::read(place.progress()).unwrap();
    shipper.stop();
    if is_killed {
        std::fs::write(place.progress(), as_it_was).unwrap();
    }
    *first.script.lock().unwrap() = vec![then; 100_000].into();
    let mut settings = place.settings(&[&first, &second]);
    again(&mut settings);
    let shipper = Shipper::start(settings).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    ([first.frames(dead), second.frames(dead), expected], shipper.stop())
}

#[test]
fn what_a_server_may_have_stays_with_it_over_a_stop_and_a_crash() {
    let doubled = |[one, other, all]: &[Vec<super::testing::Kept>; 3], status: &super::ShipStatus| {
        let both: Vec<_> = one.iter().filter(|frame| other.contains(frame)).collect();
        let union: std::collections::BTreeSet<_> = one.iter().chain(other).cloned().collect();
        assert_eq!(&union.into_iter().collect::<Vec<_>>(), all);
        assert!(both.len() as u64 <= status.possibly_doubled, "{both:?}: {status:?}");
        both.len()
    };
    for is_killed in [false, true] {
        // It answers again, however long that takes.
        let (had, status) = interrupted(is_killed, Step::Store, |settings| settings.pace.stay = PATIENCE);
        assert_eq!((&had[0], had[1].len(), status.possibly_doubled), (&had[2], 0, 0), "{is_killed}");
        // It does not: the time that it had before counts after a stop.
        let begun = crate::clock::instant();
        let (had, status) = interrupted(is_killed, Step::Refuse, |_| {});
        assert!(doubled(&had, &status) > 0);
        assert!(!is_killed || crate::clock::since(begun) >= super::testing::pace().stay);
        // It is no server of ours any more.
        let (had, status) = interrupted(is_killed, Step::Refuse, |settings| drop(settings.servers.remove(0)));
        assert!(doubled(&had, &status) > 0);
    }
}

#[test]
fn counts_go_on_where_they_were() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    place.dead(3);
    let shipper = Shipper::start(place.settings(&[&server])).unwrap();
    assert!(shipper.drain(PATIENCE));
    let counted = shipper.stop();
    place.dead(4);
    let shipper = Shipper::start(ShipSettings { counted, ..place.settings(&[&server]) }).unwrap();
    assert!(shipper.status().reachable && shipper.drain(PATIENCE));
    assert_eq!(shipper.status().frames, 7);
}

#[test]
fn a_server_that_refuses_our_token_is_left_after_a_while() {
    let (place, first, second) = (Place::new(), Server::start(vec![]), Server::start(vec![]));
    *first.script.lock().unwrap() = vec![Step::Answer(401, "", "{}"); 100_000].into();
    let (dead, expected) = place.dead(20);
    let shipper = Shipper::start(place.settings(&[&first, &second])).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    let status = shipper.stop();
    assert_eq!((second.frames(dead), first.frames(dead)), (expected, vec![]));
    assert_eq!((status.server, status.failovers, status.possibly_doubled), (1, 1, 0));
}

#[test]
fn the_oldest_can_be_given_up_while_no_server_is_there() {
    let (place, gone) = (Place::new(), Server::start(vec![]));
    let options = log::Options { segment_bytes_max: 2_000, ..log::Options::default() };
    let own = place.open_with(options);
    append(&own, 60);
    let expected = frames_of(&own.dir);
    let before = log::bases(&RealFs, &own.dir).unwrap();
    let settings =
        |server: &Server| ShipSettings { own: vec![(own.id, own.durable.clone())], ..place.settings(&[server]) };
    let unreachable = settings(&gone);
    drop(gone);
    let shipper = Shipper::start(unreachable).unwrap();
    shipper.skip_oldest(before[2].0 + 1);
    until(|| log::bases(&RealFs, &own.dir).unwrap()[0] >= before[3]);
    assert!(!shipper.drain(std::time::Duration::ZERO));
    let dropped = shipper.status();
    shipper.stop();
    let server = Server::start(vec![]);
    let shipper = Shipper::start(settings(&server)).unwrap();
    assert!(shipper.drain(PATIENCE));
    let kept = server.frames(own.id);
    assert_eq!(kept, expected[expected.len() - kept.len()..]);
    assert!(kept.len() < 60 && kept[0].start >= before[3].0);
    let records: u64 = (0..60).map(|number| 1 + number % 3).sum();
    assert_eq!(dropped.dropped_oldest + shipper.status().records, records);
}

#[test]
fn logs_that_cannot_be_read_wait_and_damaged_stretches_are_counted() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    let (newer, _) = place.dead(3);
    let (damaged, mut expected) = place.dead(20);
    let (sound, all) = place.dead(5);
    let segment = |id: crate::flow::LogId| place.spool().join(id.to_string()).join(format!("{:016x}.seg", 0));
    let mut bytes = std::fs::read(segment(newer)).unwrap();
    bytes[8..10].copy_from_slice(&(log::VERSION + 1).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(segment(newer), bytes).unwrap();
    let hit = expected.remove(7);
    let mut bytes = std::fs::read(segment(damaged)).unwrap();
    let at = bytes.windows(hit.bytes.len()).position(|frame| frame == hit.bytes).unwrap();
    bytes[at + 20] ^= 1;
    std::fs::write(segment(damaged), bytes).unwrap();
    let shipper = Shipper::start(place.settings(&[&server])).unwrap();
    until(|| shipper.status().frames >= 24 && shipper.status().bad_regions > 0);
    let status = shipper.status();
    shipper.stop();
    assert_eq!((server.frames(damaged), server.frames(sound)), (expected, all));
    assert_eq!((status.unreadable_logs, status.bad_regions, status.bad_bytes), (1, 1, hit.bytes.len() as u64));
    assert!(segment(newer).exists() && !segment(damaged).exists());
}

#[test]
fn the_token_is_sent_and_bad_settings_are_refused() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    place.dead(1);
    let settings = ShipSettings { token: Some("secret".to_owned()), ..place.settings(&[&server]) };
    assert!(Shipper::start(settings).unwrap().drain(PATIENCE));
    assert_eq!(server.had.lock().unwrap().authorization.as_deref(), Some("Bearer secret"));
    let refused = |change: &dyn Fn(&mut ShipSettings), says: &str| {
        let mut settings = place.settings(&[&server]);
        change(&mut settings);
        let error = Shipper::start(settings).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    let file = |name: &str, content: &str| {
        let path = place.progress().with_file_name(name);
        std::fs::write(&path, content).unwrap();
        Some(path)
    };
    refused(&|settings| settings.servers.clear(), "no server");
    refused(&|settings| settings.servers.push("logs:7447".to_owned()), "logs:7447: expected a URL");
    refused(&|settings| settings.tls.ca = Some("/nowhere/ca.pem".into()), "/nowhere/ca.pem: No such file");
    refused(&|settings| settings.tls.ca = file("ca.pem", "hello"), "there is no certificate in it");
    refused(&|settings| settings.tls.key = file("key.pem", "hello"), "give both");
    let pair = |cert: &'static str, key: &'static str| {
        move |settings: &mut ShipSettings| {
            (settings.tls.cert, settings.tls.key) = (Some(fixture(cert)), Some(fixture(key)))
        }
    };
    refused(&pair("client.pem", "server.key"), "server.key: is it the key of");
    refused(&pair("client.pem", "ca.pem"), "ca.pem: ");
}

#[test]
fn certificates_are_checked_both_ways() {
    let place = Place::new();
    let (dead, expected) = place.dead(5);
    let ours =
        |ca: &str| Tls { ca: Some(fixture(ca)), cert: Some(fixture("client.pem")), key: Some(fixture("client.key")) };
    for (certificate, tls, says) in [
        ("server.pem", ours("other-ca.pem"), "certificate: UnknownIssuer: is the right CA given"),
        ("server.pem", Tls::default(), "certificate: UnknownIssuer"),
        ("expired.pem", ours("ca.pem"), "expired"),
        // With TLS 1.3 a server says that it wants ours after we have begun to send, and may not be heard.
        ("server.pem", Tls { cert: None, key: None, ..ours("ca.pem") }, "https://127.0.0.1"),
    ] {
        let server = Server::secure(certificate);
        let shipper = Shipper::start(ShipSettings { tls, ..place.settings(&[&server]) }).unwrap();
        until(|| shipper.status().retries >= 3);
        let error = shipper.status().last_error.unwrap();
        assert!(error.contains(says), "{error}");
        assert_eq!(server.requests(), 0);
    }
    let server = Server::secure("server.pem");
    let shipper = Shipper::start(ShipSettings { tls: ours("ca.pem"), ..place.settings(&[&server]) }).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    assert_eq!(server.frames(dead), expected);
}

#[test]
fn what_is_new_does_not_wait_behind_what_is_old() {
    let (place, server) = (Place::new(), Server::start(vec![]));
    let own = place.open();
    append(&own, 400);
    let settings = ShipSettings { own: vec![(own.id, own.durable.clone())], ..place.settings(&[&server]) };
    let shipper = Shipper::start(ShipSettings { fresh_after: 10_000, batch_bytes_max: 500, ..settings }).unwrap();
    until(|| shipper.status().frames > 0);
    append(&own, 20);
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    append(&own, 20);
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    let (mut had, expected) = (server.frames(own.id), frames_of(&own.dir));
    assert!(!had.is_sorted());
    had.sort();
    assert_eq!(had, expected);
    assert_eq!((shipper.status().frames, shipper.status().queued_bytes), (440, 0));
}
