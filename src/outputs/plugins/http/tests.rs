use super::super::{
    requests::testing::{Reply, Seen, Server, answer},
    testing::*,
};
use std::sync::Barrier;

const EVENT: &str = r#"{"@timestamp":"2026-01-01T00:00:00.000Z","message":"a b","n":1,"l":["x",2]}"#;

/// What a server sees of an event.
fn sent(options: &str, event: &str) -> Seen {
    let server = Server::start(|_, _| answer(200, "{}"));
    let output = built(&format!("http {{ url => \"{}/in?n=%{{n}}\" {options} }}", server.url()));
    assert!(deliver(&*output, &mut *output.open().unwrap(), &[event]).is_empty());
    let [seen] = server.seen().try_into().unwrap();
    seen
}

#[test]
fn events_are_bodies() {
    let check = |options: &str, line: &str, kind: &str, body: &str| {
        let seen = sent(options, EVENT);
        assert_eq!((seen.line.as_str(), seen.body.as_str()), (line, body), "{options}");
        assert_eq!(seen.headers["content-type"], kind, "{options}");
    };
    check("http_method => post", "POST /in?n=1", "application/json", EVENT);
    check("http_method => put format => json_batch", "PUT /in?n=1", "application/json", &format!("[{EVENT}]"));
    check(
        "http_method => patch mapping => { a => \"%{message}\" b => [\"%{n}\", { c => d }] }",
        "PATCH /in?n=1",
        "application/json",
        r#"{"a":"a b","b":["1",{"c":"d"}]}"#,
    );
    let form = "application/x-www-form-urlencoded";
    let all = "%40timestamp=2026-01-01T00%3A00%3A00.000Z&message=a+b&n=1&l=%5B%22x%22%2C2%5D";
    check("http_method => post format => form", "POST /in?n=1", form, all);
    check(
        "http_method => post format => form mapping => { \"k&\" => \"%{message}\" }",
        "POST /in?n=1",
        form,
        "k%26=a+b",
    );
    let text = "format => message message => \"%{message}!\"";
    check(&format!("http_method => post {text}"), "POST /in?n=1", "text/plain", "a b!");
    check(&format!("http_method => post content_type => \"x/y\" {text}"), "POST /in?n=1", "x/y", "a b!");
    check(&format!("http_method => post http_compression => true {text}"), "POST /in?n=1", "text/plain", "a b!");
    check(&format!("http_method => delete {text}"), "DELETE /in?n=1", "text/plain", "a b!");
    check(&format!("http_method => head {text}"), "HEAD /in?n=1", "text/plain", "a b!");
}

#[test]
fn values_of_events_are_in_urls_and_headers() {
    let options =
        "http_method => post headers => { \"X-Tenant\" => \"%{t}\" \"X-Fixed\" => one } user => me password => \"p:w\"";
    let seen = sent(options, r#"{"n":"a b\r\nHost: evil","t":"acme\nX-Evil: 1"}"#);
    assert_eq!(seen.line, "POST /in?n=a%20b%0D%0AHost:%20evil");
    let header = |name: &str| seen.headers.get(name).map(String::as_str);
    assert_eq!([header("x-tenant"), header("x-fixed"), header("x-evil")], [Some("acme X-Evil: 1"), Some("one"), None]);
    assert_eq!(header("authorization"), Some("Basic bWU6cDp3"));
}

#[test]
fn answers_decide_what_becomes_of_events() {
    let check = |options: &str, status: u16, expected: &str| {
        let server = Server::start(move |_, _| Reply::Answer(status, "Retry-After: 7\r\n", "why".to_owned()));
        let output = built(&format!("http {{ url => \"{}\" http_method => post {options} }}", server.url()));
        let mut batch = encoded(&*output, &[EVENT]);
        let said = match attempt(&mut *output.open().unwrap(), &mut batch) {
            Ok(refused) if refused.is_empty() => "delivered".to_owned(),
            Ok(refused) => format!("refused {}", refused[0].reason),
            Err(cause) => format!("again {cause} {}", batch.left()),
        };
        assert_eq!(said, expected, "{options} {status}");
    };
    check("", 204, "delivered");
    check("", 429, "again status 429: why 1");
    check("", 503, "again status 503: why 1");
    check("", 400, "refused status 400: why");
    check("", 302, "refused status 302: why");
    check("", 501, "refused status 501: why");
    check("ignorable_codes => [400, 404]", 404, "delivered");
    check("retryable_codes => 404", 404, "again status 404: why 1");
    check("retryable_codes => 404", 503, "refused status 503: why");
    check("retry_failed => false", 503, "refused status 503: why");
}

#[test]
fn what_was_answered_is_not_sent_again() {
    let server = Server::start(|number, seen| match seen.body.contains("two") && number < 3 {
        true => answer(503, ""),
        false => answer(200, ""),
    });
    let options = "http_method => post format => message message => \"%{m}\" pool_max => 1";
    let output = built(&format!("http {{ url => \"{}\" {options} }}", server.url()));
    let mut sink = output.open().unwrap();
    let mut batch = encoded(&*output, &[r#"{"m":"one"}"#, r#"{"m":"two"}"#, r#"{"m":"three"}"#]);
    assert!(attempt(&mut *sink, &mut batch).is_err());
    assert_eq!(batch.left(), 2);
    assert!(attempt(&mut *sink, &mut batch).is_err());
    attempt(&mut *sink, &mut batch).unwrap();
    let seen = server.seen();
    let bodies: Vec<_> = seen.iter().map(|seen| seen.body.as_str()).collect();
    assert_eq!(bodies, ["one", "two", "two", "two", "three"]);
    assert!(seen.iter().all(|seen| seen.connection == 0), "one connection is enough");
}

#[test]
fn requests_are_on_their_way_together() {
    // Nobody is answered before two are there.
    let both = Barrier::new(2);
    let server = Server::start(move |_, _| {
        both.wait();
        answer(200, "")
    });
    let output = built(&format!("http {{ url => \"{}\" http_method => post pool_max => 2 }}", server.url()));
    deliver(&*output, &mut *output.open().unwrap(), &[EVENT; 6]);
    assert_eq!(server.seen().len(), 6);
}

#[test]
fn batches_are_split_by_place_and_size() {
    let server = Server::start(|_, seen| answer(if seen.body.len() > 60 { 413 } else { 200 }, ""));
    let options = "http_method => post format => json_batch mapping => { m => \"%{m}\" } pool_max => 1";
    let output = built(&format!("http {{ url => \"{}/%{{to}}\" {options} }}", server.url()));
    let mut sink = output.open().unwrap();
    let events: Vec<String> =
        (0..9).map(|n| format!(r#"{{"to":"{}","m":"{n}"}}"#, if n < 7 { "a" } else { "b" })).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let mut batch = encoded(&*output, &events);
    let cause = attempt(&mut *sink, &mut batch).unwrap_err();
    assert!(cause.contains("smaller"), "{cause}");
    while attempt(&mut *sink, &mut batch).is_err() {}
    let taken: Vec<_> = server.seen().into_iter().filter(|seen| seen.body.len() <= 60).collect();
    let mut numbers: Vec<char> = taken.iter().flat_map(|seen| seen.body.chars().filter(char::is_ascii_digit)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.into_iter().collect::<String>(), "012345678");
    assert!(taken.iter().any(|seen| seen.line == "POST /b" && seen.body == r#"[{"m":"7"},{"m":"8"}]"#));
}

#[test]
fn servers_that_are_away_are_waited_for() {
    let output = built("http { url => \"http://127.0.0.1:1\" http_method => post }");
    let mut batch = encoded(&*output, &[EVENT]);
    let cause = attempt(&mut *output.open().unwrap(), &mut batch).unwrap_err();
    assert!(cause.contains("refused"), "{cause}");
    let server = Server::start(|number, _| if number == 0 { Reply::Reset } else { answer(200, "") });
    let output = built(&format!("http {{ url => \"{}\" http_method => post }}", server.url()));
    let mut sink = output.open().unwrap();
    assert!(attempt(&mut *sink, &mut batch_of(&*output)).is_err());
    attempt(&mut *sink, &mut batch_of(&*output)).unwrap();
    let server = Server::start(|_, _| Reply::Hang);
    let output = built(&format!("http {{ url => \"{}\" http_method => post request_timeout => 0.1 }}", server.url()));
    let cause = attempt(&mut *output.open().unwrap(), &mut batch_of(&*output)).unwrap_err();
    assert!(cause.contains("no answer in time"), "{cause}");
}

fn batch_of(output: &dyn super::Output) -> super::Encoded {
    encoded(output, &[EVENT])
}

#[test]
fn servers_and_clients_show_who_they_are() {
    let server = Server::secure(|_, _| answer(200, ""));
    let own = format!("ssl_certificate => \"{}\" ssl_key => \"{}\"", tls("client.pem"), tls("client.key"));
    let send = |options: &str| {
        let output = built(&format!("http {{ url => \"{}\" http_method => post {options} }}", server.url()));
        attempt(&mut *output.open().unwrap(), &mut batch_of(&*output)).map(drop)
    };
    send(&format!("cacert => \"{}\" {own}", tls("ca.pem"))).unwrap();
    send(&format!("ssl_verification_mode => none {own}")).unwrap();
    let cause = send(&format!("cacert => \"{}\" {own}", tls("other-ca.pem"))).unwrap_err();
    assert!(cause.contains("ssl_certificate_authorities"), "{cause}");
    assert!(send(&format!("cacert => \"{}\"", tls("ca.pem"))).is_err());
}

#[test]
fn wrong_options_are_told() {
    let check = |options: &str, expected: &str| {
        let said = errors(&format!("http {{ {options} }}"));
        assert!(said.contains(expected), "{options}: {said}");
    };
    check("", "`http` needs the option `url`; `http` needs the option `http_method`");
    check("url => \"ftp://a\" http_method => post", "does not begin with");
    check("url => \"http://a\" http_method => options", "cannot stand here");
    check("url => \"http://a\" http_method => post format => message", "needs the option `message`");
    check("url => \"http://a\" http_method => post retryable_codes => [42]", "no status");
    check("url => \"http://a\" http_method => post headers => { \"a b\" => c }", "no name of a header");
    check("url => \"http://a\" http_method => post password => c", "needs its `user`");
    check("url => \"http://a\" http_method => post keystore => \"/a\"", "`keystore` is not supported");
}
