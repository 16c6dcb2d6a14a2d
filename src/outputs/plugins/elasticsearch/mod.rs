//! `elasticsearch { hosts => ["..."] }`: events as documents, by the bulk API.
//!
//! Where the Elastic Common Schema is on and nothing speaks against it, they go to the data stream `logs-generic-default`,
//! otherwise to `ecs-logstash-%{+yyyy.MM.dd}` or `logstash-%{+yyyy.MM.dd}`, as in Logstash.
//!
//! Promises: each item of a bulk request is judged alone. What a server has too much of is tried again, what it will never take
//! is a dead letter with its reason, and a document that is there already is done. A document with an id is there once,
//! however often it is sent; without one, a request whose answer was lost is sent again and its documents are doubled. There is
//! one request at a time, so that of two changes of one document the later one is the last.
//!
//! Other than in Logstash: there is no template of our own, and no sniffing (a warning says so).
//! `retry_initial_interval` and its like mean nothing: all outputs wait alike.

mod action;
mod bulk;
mod script;
mod servers;
mod setup;

use super::{
    Encoded, Output, OutputKind, Sink,
    requests::{self, Client, Pool, Ways, seconds},
    tls::Tls,
};
use crate::{
    config::Options,
    event::{Event, Timestamp},
};
use action::Documents;
use bulk::{Bulks, Codes};
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use servers::Servers;
use setup::Step;
use std::{collections::VecDeque, io, str::FromStr as _, time::Duration};
use ureq::http::{HeaderName, HeaderValue, header};

pub(super) const KIND: OutputKind = OutputKind {
    name: "elasticsearch",
    summary: "Documents of Elasticsearch",
    options: &[
        "action",
        "api_key",
        "bulk_path",
        "ca_trusted_fingerprint",
        "cacert",
        "cloud_auth",
        "cloud_id",
        "compression_level",
        "custom_headers",
        "data_stream",
        "data_stream_auto_routing",
        "data_stream_dataset",
        "data_stream_namespace",
        "data_stream_sync_fields",
        "data_stream_type",
        "default_server_major_version",
        "dlq_custom_codes",
        "dlq_on_failed_indexname_interpolation",
        "doc_as_upsert",
        "document_id",
        "document_type",
        "drop_error_types",
        "failure_type_logging_whitelist",
        "healthcheck_path",
        "hosts",
        "http_compression",
        "ilm_enabled",
        "ilm_pattern",
        "ilm_policy",
        "ilm_rollover_alias",
        "index",
        "join_field",
        "keystore",
        "keystore_password",
        "manage_template",
        "parameters",
        "parent",
        "password",
        "path",
        "pipeline",
        "pool_max",
        "pool_max_per_route",
        "proxy",
        "resurrect_delay",
        "retry_initial_interval",
        "retry_max_interval",
        "retry_on_conflict",
        "routing",
        "script",
        "script_lang",
        "script_type",
        "script_var_name",
        "scripted_upsert",
        "silence_errors_in_log",
        "sniffing",
        "sniffing_delay",
        "sniffing_path",
        "ssl",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_certificate_verification",
        "ssl_cipher_suites",
        "ssl_enabled",
        "ssl_key",
        "ssl_keystore_password",
        "ssl_keystore_path",
        "ssl_keystore_type",
        "ssl_supported_protocols",
        "ssl_truststore_password",
        "ssl_truststore_path",
        "ssl_truststore_type",
        "ssl_verification_mode",
        "template",
        "template_api",
        "template_name",
        "template_overwrite",
        "timeout",
        "truststore",
        "truststore_password",
        "upsert",
        "user",
        "validate_after_inactivity",
        "version",
        "version_type",
    ],
    needs_log: true,
    build,
};

struct Elasticsearch {
    documents: Documents,
    servers: Servers,
    headers: Vec<(HeaderName, HeaderValue)>,
    codes: Codes,
    client: Client,
    setup: VecDeque<Step>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    warn(options);
    let documents = Documents::read(options);
    let servers = Servers::read(options);
    let headers = headers(options, servers.as_ref());
    let codes = Codes::read(options);
    let client = client(options);
    let setup = setup::steps(options);
    Some(Box::new(Elasticsearch {
        documents: documents?,
        servers: servers?,
        headers: headers?,
        codes: codes?,
        client: client?,
        setup: setup?,
    }))
}

/// Says what is taken and not done.
fn warn(options: &mut Options<'_>) {
    let place = |options: &Options<'_>, name: &str| {
        options.value(name).map(|value| (value.span.0, value.as_str() == Some("false")))
    };
    if !options.is_given("template") {
        for name in ["template_api", "template_name", "template_overwrite"] {
            if let Some((place, false)) = place(options, name) {
                let warning = Diagnostic::warning(place, format!("`{name}` does nothing without `template`"));
                options.report(warning.help("there is no template of our own: name the file of yours"));
            }
        }
    }
    for name in ["sniffing", "document_type"] {
        if let Some((place, false)) = place(options, name) {
            options.report(Diagnostic::warning(place, format!("`{name}` does nothing here")));
        }
    }
}

fn headers(options: &mut Options<'_>, servers: Option<&Servers>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let name = |value: &Value| {
        let name = HeaderName::from_str(typed::text(value)?);
        name.map_err(|_| Diagnostic::error(value.span.0, "this is no name of a header"))
    };
    let text = |value: &Value| {
        let text = HeaderValue::from_str(typed::text(value)?);
        text.map_err(|_| Diagnostic::error(value.span.0, "this is no value of a header"))
    };
    let mut headers = options.pairs("custom_headers", name, text);
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")));
    let (user, key, cloud) = (options.text("user"), options.text("api_key"), options.text("cloud_auth"));
    let password = options.text("password");
    let given = [user.is_some() || password.is_some(), key.is_some(), cloud.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        let error = Diagnostic::error(options.place(), "there is more than one way to log in");
        options.report(error.help("keep one of `user` with `password`, `cloud_auth`, and `api_key`"));
        return None;
    }
    if key.is_some() && servers.is_some_and(|servers| !servers.are_secure()) {
        let error = Diagnostic::error(options.place(), "a key would go to these hosts in the clear");
        options.report(error.help("`api_key` needs `https://` or `ssl_enabled => true`, as in Logstash"));
        return None;
    }
    let (user, password) = match cloud.as_deref().map(|cloud| cloud.split_once(':')) {
        Some(Some((user, password))) => (Some(user.to_owned()), Some(password.to_owned())),
        Some(None) => {
            options.report(Diagnostic::error(options.place(), "`cloud_auth` is written `USER:PASSWORD`"));
            return None;
        }
        None => (user, password),
    };
    let login = match (user, key) {
        (Some(user), _) => requests::basic(&user, password.as_deref().unwrap_or_default()),
        (None, Some(key)) => requests::api_key(&key),
        (None, None) => servers.and_then(Servers::login),
    };
    headers.extend(login);
    Some(headers)
}

fn client(options: &mut Options<'_>) -> Option<Client> {
    requests::warn_of_versions(options);
    let tls = Tls::read(options, true);
    let timeout = options.or("timeout", seconds, Duration::from_secs(60));
    let level = options.or("compression_level", typed::integer, 1);
    let compresses = options.flag("http_compression", true) && level > 0;
    for name in ["default_server_major_version", "pool_max", "pool_max_per_route", "validate_after_inactivity"] {
        _ = options.get(name, typed::integer);
    }
    for name in ["retry_initial_interval", "retry_max_interval", "sniffing_delay"] {
        _ = options.get(name, seconds);
    }
    for name in ["healthcheck_path", "sniffing_path"] {
        _ = options.text(name);
    }
    let proxy = options.text("proxy").filter(|proxy| !proxy.is_empty());
    let connect = timeout.min(Duration::from_secs(10));
    let ways =
        Ways { tls: &tls?, connect, whole: timeout, proxy: proxy.as_deref(), compresses, idle_max: 8, follows: false };
    let client = Client::new(&ways);
    client.map_err(|cause| options.report(Diagnostic::error(options.place(), cause.to_string()))).ok()
}

impl Output for Elasticsearch {
    fn wants_ids(&self) -> bool {
        true
    }

    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        let from = out.text_mut().len();
        // What can be no document is refused by its sink, since dead letters are kept there.
        let refusal = match self.documents.write(event, now, out.text_mut()) {
            Ok(()) => String::new(),
            Err(reason) => {
                out.text_mut().truncate(from);
                reason
            }
        };
        out.end(refusal, Some(event));
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        let pool = Pool::new(self.client.clone(), 1);
        let bulks = Bulks::new(self.servers.clone(), self.headers.clone(), self.codes.clone(), pool);
        Ok(Box::new(bulks.after(self.setup.clone())))
    }
}

#[cfg(test)]
mod tests;
