//! The encryption of sockets of inputs: what their options say, with the names of today and those of older versions of Logstash.
//!
//! Certificates and keys are PEM files, read when the config is, so that what is wrong with them is told with the rest. TLS is
//! 1.2 or 1.3; older versions and Java's key stores are refused.

use crate::config::{
    Options, Unverified,
    pem::{self, Identity},
};
use logship_parsers::config::{Diagnostic, Span, typed};
use rustls::{
    ClientConfig, Error, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName},
    server::WebPkiClientVerifier,
    version,
};
use std::{path::Path, sync::Arc};

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They need not.
    Any,
    /// Those that they show must be good.
    Optional,
    /// They must.
    Verified,
}

/// The names by which encryption is switched on.
const SWITCHES: [&str; 3] = ["ssl_enabled", "ssl_enable", "ssl"];

/// Encryption as a server, where it is asked for; `default` where nothing is said of clients' certificates.
pub fn server(options: &mut Options<'_>, default: Clients) -> Option<Arc<ServerConfig>> {
    let place = switched_on(options)?;
    let identity = identity(options);
    if identity.is_none() && !["ssl_certificate", "ssl_cert"].iter().any(|name| options.is_given(name)) {
        let error = Diagnostic::error(place, "encryption needs a certificate");
        options.report(error.help("add `ssl_certificate => \"cert.pem\"` and `ssl_key => \"key.pem\"`"));
    }
    let roots = authorities(options);
    let clients = clients(options).unwrap_or(default);
    if clients != Clients::Any && roots.is_empty() {
        let error = Diagnostic::error(place, "clients must show certificates, and nobody may vouch for them");
        options.report(
            error.help("add `ssl_certificate_authorities => [\"ca.pem\"]`, or `ssl_client_authentication => \"none\"`"),
        );
        return None;
    }
    let provider = Arc::new(provider(options));
    let versions = versions(options);
    if versions.is_empty() || provider.cipher_suites.is_empty() {
        return None;
    }
    let built = server_config(identity?, roots, clients, provider, &versions);
    built.map(Arc::new).map_err(|cause| options.report(Diagnostic::error(place, cause))).ok()
}

fn server_config(
    identity: Identity,
    roots: RootCertStore,
    clients: Clients,
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, String> {
    let text = |cause: Error| cause.to_string();
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).map_err(text)?;
    let builder = match clients {
        Clients::Any => builder.with_no_client_auth(),
        Clients::Optional | Clients::Verified => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if clients == Clients::Optional { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(|cause| cause.to_string())?)
        }
    };
    builder.with_single_cert(identity.chain, identity.key).map_err(text)
}

/// Encryption as a client of a host, where it is asked for.
pub fn client(options: &mut Options<'_>, host: &str) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
    let place = switched_on(options)?;
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| options.report(Diagnostic::error(place, format!("`{host}` is no name of a host"))));
    let mut roots = authorities(options);
    let is_verified = options.or("ssl_verification_mode", |value| typed::choice(value, &["full", "none"]), "full")
        == "full"
        && options.flag("ssl_verify", true);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let identity = identity(options);
    let provider = Arc::new(provider(options));
    let versions = versions(options);
    if versions.is_empty() || provider.cipher_suites.is_empty() {
        return None;
    }
    let build = || {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions)?;
        let builder = match is_verified {
            true => builder.with_root_certificates(roots),
            false => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))),
        };
        match identity {
            Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key),
            None => Ok(builder.with_no_client_auth()),
        }
    };
    let built: Result<ClientConfig, Error> = build();
    let config = built.map_err(|cause| options.report(Diagnostic::error(place, cause.to_string()))).ok()?;
    Some((Arc::new(config), name.ok()?))
}

/// Where encryption is switched on. Tells what is given in vain.
fn switched_on(options: &mut Options<'_>) -> Option<Span> {
    for name in ["keystore", "ssl_keystore_path", "ssl_key_passphrase", "ssl_truststore_path"] {
        if let Some(value) = options.value(name) {
            let error = Diagnostic::error(value.span.0, "only PEM files without a passphrase are read");
            options.report(error.help("give `ssl_certificate` and `ssl_key`"));
        }
    }
    let mut is_on = false;
    for name in SWITCHES {
        is_on |= options.flag(name, false);
    }
    let given = SWITCHES.iter().find_map(|name| options.value(name)).map(|value| value.span.0);
    if is_on {
        return Some(given.unwrap_or_else(|| options.place()));
    }
    let vain = ["ssl_certificate", "ssl_cert", "ssl_key", "ssl_certificate_authorities", "ssl_client_authentication"];
    if let Some(value) = vain.iter().find_map(|name| options.value(name)) {
        let warning = Diagnostic::warning(value.span.0, "this means nothing without encryption");
        options.report(warning.help("add `ssl_enabled => true`"));
    }
    None
}

/// Our certificate and its key, where both are given.
fn identity(options: &mut Options<'_>) -> Option<Identity> {
    let cert = options.text("ssl_certificate").or_else(|| options.text("ssl_cert"));
    let key = options.text("ssl_key");
    let place = ["ssl_certificate", "ssl_cert", "ssl_key"].iter().find_map(|name| options.value(name))?.span.0;
    let (Some(cert), Some(key)) = (cert, key) else {
        let error = Diagnostic::error(place, "a certificate needs its key and a key its certificate");
        options.report(error.help("give both `ssl_certificate` and `ssl_key`"));
        return None;
    };
    let read = pem::identity(Path::new(&cert), Path::new(&key));
    let mut identity = read.map_err(|cause| options.report(Diagnostic::error(place, cause.to_string()))).ok()?;
    identity.chain.extend(certificates(options, "ssl_extra_chain_certs"));
    Some(identity)
}

fn certificates(options: &mut Options<'_>, name: &str) -> Vec<CertificateDer<'static>> {
    let read = options.each(name, |value| {
        pem::certificates(Path::new(typed::text(value)?))
            .map_err(|cause| Diagnostic::error(value.span.0, cause.to_string()))
    });
    read.into_iter().flatten().collect()
}

/// Who may vouch for the other side.
fn authorities(options: &mut Options<'_>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(options, "ssl_certificate_authorities") {
        if let Err(cause) = roots.add(certificate) {
            let place = options.value("ssl_certificate_authorities").map_or(options.place(), |value| value.span.0);
            options.report(Diagnostic::error(place, format!("a certificate cannot vouch for others: {cause}")));
        }
    }
    roots
}

fn clients(options: &mut Options<'_>) -> Option<Clients> {
    let today = options.get("ssl_client_authentication", |value| {
        Ok(match typed::choice(value, &["none", "optional", "required"])? {
            "none" => Clients::Any,
            "optional" => Clients::Optional,
            _ => Clients::Verified,
        })
    });
    let mut older = |name: &str| {
        options.get(name, |value| {
            Ok(match typed::choice(value, &["none", "peer", "force_peer"])? {
                "none" => Clients::Any,
                "peer" => Clients::Optional,
                _ => Clients::Verified,
            })
        })
    };
    let older = older("ssl_verify_mode").or_else(|| older("verify_mode"));
    let oldest = options.get("ssl_verify", typed::boolean);
    today.or(older).or(oldest.map(|verify| if verify { Clients::Verified } else { Clients::Any }))
}

/// The versions that are asked for.
fn versions(options: &mut Options<'_>) -> Vec<&'static SupportedProtocolVersion> {
    let least = options.or("tls_min_version", typed::number, 0.0);
    let most = options.or("tls_max_version", typed::number, 2.0);
    let mut names = options.each("ssl_supported_protocols", |value| {
        typed::choice(value, &["TLSv1.1", "TLSv1.2", "TLSv1.3"]).map(str::to_owned)
    });
    if names.is_empty() {
        names = vec!["TLSv1.2".to_owned(), "TLSv1.3".to_owned()];
    }
    let asked = |name: &str, number: f64| names.iter().any(|known| known == name) && least <= number && number <= most;
    let known = [("TLSv1.2", 1.2, &version::TLS12), ("TLSv1.3", 1.3, &version::TLS13)];
    let versions: Vec<_> = known.iter().filter(|known| asked(known.0, known.1)).map(|known| known.2).collect();
    if versions.is_empty() {
        let error = Diagnostic::error(options.place(), "TLS older than 1.2 is broken and not spoken");
        options.report(error.help("write `ssl_supported_protocols => [\"TLSv1.2\", \"TLSv1.3\"]`"));
    }
    versions
}

/// The algorithms that are asked for.
fn provider(options: &mut Options<'_>) -> CryptoProvider {
    let mut provider = ring::default_provider();
    for option in ["ssl_cipher_suites", "cipher_suites"] {
        let names = options.each(option, |value| typed::text(value).map(str::to_owned));
        if names.is_empty() {
            continue;
        }
        // Java says `TLS_` also of those of 1.3.
        let of = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        provider.cipher_suites.retain(|suite| names.contains(&of(suite)));
        if provider.cipher_suites.is_empty() {
            let place = options.value(option).map_or(options.place(), |value| value.span.0);
            let all: Vec<_> = ring::default_provider().cipher_suites.iter().map(of).collect();
            options.report(Diagnostic::error(place, "none of these is safe today").expected(all.join(", ")));
        }
    }
    provider
}
