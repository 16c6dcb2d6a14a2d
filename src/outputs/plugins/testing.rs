//! What the tests of outputs share.

use super::{
    Encoded, Output, Refused, Sink, SinkError, find,
    requests::{Client, Ways},
    tls::Tls,
};
use crate::{
    config::{Options, Role, Settings},
    event::{Event, Timestamp, json},
    flow::Stop,
};
use logship_parsers::config::{Severity, Source, ast::Statement, parse};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{sync::Arc, time::Duration};

/// The time at which events are encoded.
pub const NOW: Timestamp = Timestamp::from_nanos(1_770_127_506_789_000_000);

/// An output as a config describes it, such as `null { }`, and what was said: errors or warnings.
pub fn read(text: &str) -> (Option<Box<dyn Output>>, Vec<String>) {
    let parsed = parse(&[Source::new("test", format!("output {{ {text} }}"))], &Default::default());
    assert!(parsed.is_valid(), "{:?}", parsed.diagnostics);
    let Some(Statement::Plugin(plugin)) = parsed.config.outputs.first() else { panic!("no plugin in {text}") };
    let (settings, mut said) = (Settings { host: "box", ..Settings::default() }, Vec::new());
    let kind = find(&plugin.name).unwrap();
    let output = (kind.build)(&mut Options::new(plugin, (Role::Output, kind.options), &settings, &mut said));
    let is_good = said.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    assert!(output.is_some() || !is_good, "nothing was said of {text}");
    let said = said.into_iter().map(|diagnostic| diagnostic.message).collect();
    (output.filter(|_| is_good), said)
}

/// An output that is right.
pub fn built(text: &str) -> Box<dyn Output> {
    let (output, said) = read(text);
    output.unwrap_or_else(|| panic!("{said:?}"))
}

/// What is wrong with an output.
pub fn errors(text: &str) -> String {
    let (output, said) = read(text);
    assert!(output.is_none(), "{text} is right");
    said.join("; ")
}

/// An event of its JSON; `@metadata` is taken as such.
pub fn event(text: &str) -> Event {
    let (mut event, _) = json::read_event(text).unwrap();
    if let Some(crate::event::Value::Map(meta)) = event.fields.remove("@metadata") {
        event.meta = meta;
    }
    event
}

/// What an output makes of events.
pub fn encoded(output: &dyn Output, events: &[&str]) -> Encoded {
    let mut batch = Encoded::default();
    for text in events {
        batch.events += 1;
        output.encode(&event(text), NOW, &mut batch);
    }
    batch
}

/// One attempt; what was refused, or what is to be tried again and why.
pub fn attempt(sink: &mut dyn Sink, batch: &mut Encoded) -> Result<Vec<Refused>, String> {
    let mut refused = Vec::new();
    match sink.deliver(batch, &mut refused, &Stop::new().unwrap()) {
        Ok(()) => {
            assert!(batch.is_done(), "something is left and nothing said");
            Ok(refused)
        }
        Err(SinkError::Again { cause, .. }) => Err(cause),
        Err(SinkError::Gone(cause)) => panic!("{cause}"),
    }
}

/// Delivers in one attempt and flushes; why events were refused.
pub fn deliver(output: &dyn Output, sink: &mut dyn Sink, events: &[&str]) -> Vec<String> {
    let refused = attempt(sink, &mut encoded(output, events)).unwrap();
    assert!(sink.flush().is_ok());
    refused.into_iter().map(|refused| refused.reason).collect()
}

/// The path of a file of `fixtures/tls`.
pub fn tls(name: &str) -> String {
    format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls("ca.pem")).unwrap()).unwrap();
    roots
}

/// A server that is known as `localhost` and may want to know its clients.
pub fn server_config(wants_certificate: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match wants_certificate {
        false => config.with_no_client_auth(),
        true => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots().into(), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_file_iter(tls("server.pem")).unwrap().map(Result::unwrap).collect();
    Arc::new(config.with_single_cert(chain, PrivateKeyDer::from_pem_file(tls("server.key")).unwrap()).unwrap())
}

/// A client that trusts that server.
pub fn client_config() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots()).with_no_client_auth())
}

/// No options at all.
pub fn no_tls() -> Tls {
    let parsed = parse(&[Source::new("test", "output { null { } }")], &Default::default());
    let Some(Statement::Plugin(plugin)) = parsed.config.outputs.first() else { panic!("no plugin") };
    Tls::read(&mut Options::new(plugin, (Role::Output, &[]), &Settings::default(), &mut Vec::new()), true).unwrap()
}

/// A client of a server that is not encrypted.
pub fn client(tls: &Tls) -> Client {
    let (connect, whole) = (Duration::from_secs(10), Duration::from_secs(60));
    let ways = Ways { tls, connect, whole, proxy: None, compresses: false, idle_max: 8, follows: false };
    Client::new(&ways).unwrap()
}
