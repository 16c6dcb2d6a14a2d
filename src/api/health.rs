//! `GET /api/v1/health`, `GET /api/v1/status` and `GET /metrics`.

use super::{Component, Gauge, Health, Node, Shared};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::fmt::Write;

/// The handler of `/health`.
pub async fn health(State(state): Shared) -> Response {
    health_of(&*state.node)
}

pub(super) fn health_of(node: &dyn Node) -> Response {
    let (status, word) = match node.health() {
        Health::Ok => (StatusCode::OK, "ok"),
        Health::Replaying => (StatusCode::SERVICE_UNAVAILABLE, "replaying"),
        Health::Full => (StatusCode::INSUFFICIENT_STORAGE, "full"),
        Health::Degraded => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
    };
    let mut body = json!({ "status": word });
    if let Some(trouble) = node.trouble() {
        body["reason"] = json!(trouble);
    }
    (status, Json(body)).into_response()
}

/// The handler of `/status`.
pub async fn status(State(state): Shared) -> Json<Value> {
    let mut status = state.node.status();
    if let Some(object) = status.as_object_mut() {
        object.insert("tails".to_owned(), json!(state.tail.readers()));
    }
    Json(status)
}

/// The handler of `/metrics`.
pub async fn metrics(State(state): Shared) -> Response {
    let mut text = metrics_of(&*state.node);
    head(&mut text, "logship_http_requests_total", "counter", "Requests answered, by route and status.");
    for (route, status, count) in state.requests.all() {
        let status = status.to_string();
        sample(&mut text, "logship_http_requests_total", &[("route", route), ("status", &status)], count);
    }
    head(&mut text, "logship_tails", "gauge", "Open live tails.");
    sample(&mut text, "logship_tails", &[], state.tail.readers());
    exposition(text)
}

/// The counters and numbers of a process, as Prometheus reads them.
pub(super) fn metrics_of(node: &dyn Node) -> String {
    let mut text = String::with_capacity(4 << 10);
    write_components(&mut text, &node.components());
    write_gauges(&mut text, &node.gauges());
    text
}

pub(super) fn exposition(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn write_components(text: &mut String, components: &[Component]) {
    const EVENTS: &str = "logship_component_events_total";
    head(text, EVENTS, "counter", "Events in and out, by component.");
    for component in components {
        sample(text, EVENTS, &[("component", &component.name), ("direction", "in")], component.received);
        sample(text, EVENTS, &[("component", &component.name), ("direction", "out")], component.sent);
    }
    const DROPPED: &str = "logship_component_dropped_total";
    head(text, DROPPED, "counter", "Events dropped, by component and reason.");
    for component in components {
        for (reason, count) in &component.dropped {
            sample(text, DROPPED, &[("component", &component.name), ("reason", reason)], count);
        }
    }
    const QUEUED: &str = "logship_component_queued_events";
    head(text, QUEUED, "gauge", "Events between in and out, by component.");
    for component in components {
        sample(text, QUEUED, &[("component", &component.name)], component.queued);
    }
}

fn write_gauges(text: &mut String, gauges: &[Gauge]) {
    let mut last = "";
    for gauge in gauges {
        if gauge.name != last {
            let kind = if gauge.name.ends_with("_total") { "counter" } else { "gauge" };
            head(text, &format!("logship_{}", gauge.name), kind, gauge.help);
            last = gauge.name;
        }
        let labels: Vec<_> = gauge.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        sample(text, &format!("logship_{}", gauge.name), &labels, gauge.value);
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    text.push_str(name);
    for (n, (label, of)) in labels.iter().enumerate() {
        let _ = write!(text, "{}{label}=\"", if n == 0 { '{' } else { ',' });
        for c in of.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn prometheus_text() {
        let mut text = String::new();
        write_components(
            &mut text,
            &[Component {
                name: "input.\"odd\\\n".to_owned(),
                received: 5,
                sent: 3,
                dropped: vec![("too_long".to_owned(), 1)],
                queued: 1,
            }],
        );
        let gauge = |log: &str, value| Gauge {
            name: "log_bytes",
            help: "Bytes of a log.",
            labels: vec![("log", log.to_owned())],
            value,
        };
        let counter = Gauge { name: "x_total", help: "X.", labels: vec![], value: 0.5 };
        write_gauges(&mut text, &[gauge("a", 1.0), gauge("b", 2e9), counter]);
        expect![[r#"
            # HELP logship_component_events_total Events in and out, by component.
            # TYPE logship_component_events_total counter
            logship_component_events_total{component="input.\"odd\\\n",direction="in"} 5
            logship_component_events_total{component="input.\"odd\\\n",direction="out"} 3
            # HELP logship_component_dropped_total Events dropped, by component and reason.
            # TYPE logship_component_dropped_total counter
            logship_component_dropped_total{component="input.\"odd\\\n",reason="too_long"} 1
            # HELP logship_component_queued_events Events between in and out, by component.
            # TYPE logship_component_queued_events gauge
            logship_component_queued_events{component="input.\"odd\\\n"} 1
            # HELP logship_log_bytes Bytes of a log.
            # TYPE logship_log_bytes gauge
            logship_log_bytes{log="a"} 1
            logship_log_bytes{log="b"} 2000000000
            # HELP logship_x_total X.
            # TYPE logship_x_total counter
            logship_x_total 0.5
        "#]]
        .assert_eq(&text);
    }
}
