//! Who is let in, and the one shape of refusals.

use super::*;

#[tokio::test]
async fn unknown_paths_methods_and_arguments() {
    let server = Server::new(Setup::default());
    for (method, uri, status, code) in [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/events/zzz", 404, "not_found"),
        ("GET", "/api/v1/events/4f2a9c01d3b7-1", 404, "not_found"),
        ("GET", "/api/v1/ingest", 405, "method_not_allowed"),
        ("POST", "/api/v1/search", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
        ("GET", "/api/v1/search?wrong=1", 400, "bad_request"),
        ("GET", "/api/v1/search?limit=1001", 400, "bad_request"),
        ("GET", "/api/v1/search?cursor=x", 400, "bad_request"),
        ("GET", "/api/v1/search?count=x", 400, "bad_request"),
        ("GET", "/api/v1/fields/values", 400, "bad_request"),
        ("GET", "/api/v1/tail?after=x", 400, "bad_request"),
        ("GET", "/api/v1/histogram", 400, "bad_request"),
        ("GET", "/api/v1/fields", 500, "internal"),
        ("GET", "/api/v1/fields/values?field=a", 500, "internal"),
    ] {
        let reply = server.reply(request(method, uri, &[], Body::empty())).await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{method} {uri}");
    }
    let reply = server.reply(get("/api/v1/search", &[])).await;
    assert_eq!(reply.status, 200, "a fault of another request leaves the server whole");
    assert_eq!(reply.json()["_trailer"]["position"], "4f2a9c01d3b7-0");
    let metrics = server.reply(get("/metrics", &[])).await.body;
    for line in [
        "logship_http_requests_total{route=\"/api/v1/fields\",status=\"500\"} 1",
        "logship_http_requests_total{route=\"/api/v1/search\",status=\"200\"} 1",
        "logship_http_requests_total{route=\"/api/v1/search\",status=\"405\"} 1",
        "logship_http_requests_total{route=\"other\",status=\"404\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn health_needs_no_token_and_names_the_state() {
    for (health, status, word) in [
        (Health::Ok, 200, "ok"),
        (Health::Replaying, 503, "replaying"),
        (Health::Full, 507, "full"),
        (Health::ReadOnly, 503, "read_only"),
    ] {
        let server = Server::new(Setup { health, tokens: "long-enough", ..Setup::default() });
        let reply = server.reply(get("/api/v1/health", &[])).await;
        assert_eq!((reply.status, reply.json()), (status, json!({"status": word})));
    }
}

#[tokio::test]
async fn foreign_pages_and_names_are_kept_out_everywhere() {
    let server = Server::new(Setup::default());
    for (headers, status) in [
        (&[][..], 200),
        (&[("host", "127.0.0.1:7447")], 200),
        (&[("host", "evil.example")], 403),
        (&[("origin", "http://localhost:7447")], 200),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
    ] {
        for uri in ["/api/v1/search", "/api/v1/status", "/metrics", "/api/v1/health"] {
            let reply = server.reply(get(uri, headers)).await;
            assert_eq!(reply.status, status, "{uri} {headers:?}");
        }
        let posted = server.reply(request("POST", "/api/v1/ingest", headers, "x")).await;
        assert_eq!(posted.status, status, "{headers:?}");
    }
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(server.reply(get("/", &link)).await.status, 200);
    assert_eq!(server.reply(get("/api/v1/search", &link)).await.refusal(), (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn tokens_open_everything_but_the_page() {
    let server = Server::new(Setup { tokens: "first-token\nsecond-token", ..Setup::default() });
    for (uri, header, status) in [
        ("/", None, 200),
        ("/api/v1/health", None, 200),
        ("/api/v1/search", None, 401),
        ("/api/v1/nothing", None, 401),
        ("/metrics", None, 401),
        ("/api/v1/search", Some("Bearer first-token"), 200),
        ("/api/v1/search", Some("bearer second-token"), 200),
        ("/api/v1/search", Some("Bearer first-toke"), 401),
        ("/api/v1/search", Some("Bearer "), 401),
        ("/api/v1/search", Some("Basic first-token"), 401),
    ] {
        let headers: Vec<_> = header.map(|token| ("authorization", token)).into_iter().collect();
        let response = server.send(get(uri, &headers)).await;
        assert_eq!(response.status(), status, "{uri} {header:?}");
        let asks = response.headers().contains_key("www-authenticate");
        assert_eq!(asks, response.status() == StatusCode::UNAUTHORIZED);
    }
    let twice = [("authorization", "Bearer first-token"), ("authorization", "Bearer first-token")];
    assert_eq!(server.reply(get("/api/v1/search", &twice)).await.refusal(), (401, "unauthorized".to_owned()));
    let foreign = [("authorization", "Bearer first-token"), ("sec-fetch-site", "cross-site")];
    assert_eq!(server.reply(get("/api/v1/search", &foreign)).await.status, 403);
}
