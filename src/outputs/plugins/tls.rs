//! The `ssl_` options of outputs, by their names of today and of old, and what they mean to the libraries that encrypt.
//!
//! Files are read when the config is, so that what is wrong with them is told with it. Java's key stores are not read; what
//! they hold can be given as PEM. Without authorities of its own an output trusts those of the system.

use crate::config::{
    Options, Unverified,
    pem::{self, Identity},
};
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::CertificateDer,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use std::{fs, io, path::PathBuf, sync::Arc};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// Where systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Options of Logstash that have no meaning here, and what to give instead.
const FOREIGN: [(&str, &str); 13] = [
    ("ca_trusted_fingerprint", "ssl_certificate_authorities"),
    ("keystore", "ssl_certificate` and `ssl_key"),
    ("keystore_password", "ssl_certificate` and `ssl_key"),
    ("keystore_type", "ssl_certificate` and `ssl_key"),
    ("ssl_crl_path", "ssl_certificate_authorities"),
    ("ssl_keystore_password", "ssl_certificate` and `ssl_key"),
    ("ssl_keystore_path", "ssl_certificate` and `ssl_key"),
    ("ssl_keystore_type", "ssl_certificate` and `ssl_key"),
    ("ssl_truststore_password", "ssl_certificate_authorities"),
    ("ssl_truststore_path", "ssl_certificate_authorities"),
    ("ssl_truststore_type", "ssl_certificate_authorities"),
    ("truststore", "ssl_certificate_authorities"),
    ("truststore_password", "ssl_certificate_authorities"),
];

/// How connections are encrypted.
#[derive(Debug)]
pub(super) struct Tls {
    authorities: Option<Vec<CertificateDer<'static>>>,
    /// What we show, and where its key is.
    identity: Option<(Identity, PathBuf)>,
    verifies: bool,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Tls {
    /// Reads the options, whichever of them the plugin has. `None` only where something was reported.
    pub(super) fn read(options: &mut Options<'_>, verifies: bool) -> Option<Tls> {
        for (name, instead) in FOREIGN {
            if let Some(place) = options.value(name).map(|value| value.span.0) {
                let error = Diagnostic::error(place, format!("`{name}` is not supported"));
                options.report(error.help(format!("give `{instead}` as PEM files")));
            }
        }
        if let Some(place) = options.value("ssl_key_passphrase").map(|value| value.span.0) {
            let error = Diagnostic::error(place, "keys with a passphrase are not supported");
            options.report(error.help("`openssl pkey -in KEY -out NEW` takes it away"));
        }
        for name in ["ssl_cipher_suites", "ssl_crl_check"] {
            if let Some(place) = options.value(name).map(|value| value.span.0) {
                options.report(Diagnostic::warning(place, format!("`{name}` means nothing here")));
            }
        }
        let is_whole = [
            &["ssl_certificate_authorities", "ssl_cacert", "cacert"][..],
            &["ssl_certificate", "ssl_cert", "client_cert"],
            &["ssl_key", "client_key"],
            &["ssl_verification_mode", "ssl_verify", "ssl_certificate_verification", "ssl_certificate_validation"],
        ]
        .map(|names| one_of(options, names));
        let authorities = authorities(options);
        let identity = identity(options);
        let verifies = verification(options).unwrap_or(verifies);
        let versions = options.each("ssl_supported_protocols", version);
        let versions = if versions.is_empty() { vec![&TLS12, &TLS13] } else { versions };
        is_whole.iter().all(|whole| *whole).then_some(())?;
        Some(Tls { authorities: authorities?, identity: identity?, verifies, versions })
    }

    /// Whether the other side has to prove who it is.
    pub(super) fn verifies(&self) -> bool {
        self.verifies
    }

    /// For connections to a server.
    pub(super) fn client(&self) -> io::Result<Arc<ClientConfig>> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone());
        let config = config.with_protocol_versions(&self.versions).map_err(io::Error::other)?;
        let config = if self.verifies {
            config.with_root_certificates(self.roots()?)
        } else {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        };
        let config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((own, _)) => {
                config.with_client_auth_cert(own.chain.clone(), own.key.clone_key()).map_err(io::Error::other)?
            }
        };
        Ok(Arc::new(config))
    }

    /// For connections from clients, which have to show a certificate where that is asked for.
    pub(super) fn server(&self, wants_certificate: bool) -> io::Result<Arc<ServerConfig>> {
        let Some((own, _)) = &self.identity else {
            return Err(io::Error::other("a server needs `ssl_certificate` and `ssl_key`"));
        };
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone());
        let config = config.with_protocol_versions(&self.versions).map_err(io::Error::other)?;
        let config = if wants_certificate {
            let verifier = WebPkiClientVerifier::builder_with_provider(self.roots()?.into(), provider).build();
            config.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
        } else {
            config.with_no_client_auth()
        };
        let config = config.with_single_cert(own.chain.clone(), own.key.clone_key());
        config.map(Arc::new).map_err(io::Error::other)
    }

    /// For requests.
    pub(super) fn requests(&self) -> io::Result<TlsConfig> {
        let mut config = TlsConfig::builder().disable_verification(!self.verifies);
        // Where the system has none, the client brings those that browsers trust.
        if let Some(trusted) = self.authorities.clone().or_else(system) {
            let trusted: Vec<_> = trusted.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            config = config.root_certs(RootCerts::new_with_certs(&trusted));
        }
        if let Some((own, key)) = &self.identity {
            let chain: Vec<_> = own.chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            let key = PrivateKey::from_pem(&fs::read(key)?).map_err(io::Error::other)?;
            config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(config.build())
    }

    fn roots(&self) -> io::Result<RootCertStore> {
        let Some(trusted) = self.authorities.clone().or_else(system) else {
            return Err(io::Error::other("this system trusts nobody: give `ssl_certificate_authorities`"));
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(trusted);
        if added == 0 { Err(io::Error::other("no authority's certificate can be used")) } else { Ok(roots) }
    }
}

/// The authorities that the system trusts.
fn system() -> Option<Vec<CertificateDer<'static>>> {
    SYSTEM_BUNDLES.iter().find_map(|path| pem::certificates(path.as_ref()).ok())
}

/// Whether at most one of some names of an option is given; otherwise it is told.
fn one_of(options: &mut Options<'_>, names: &[&str]) -> bool {
    let given: Vec<_> =
        names.iter().filter_map(|name| options.value(name).map(|value| (*name, value.span.0))).collect();
    let [(first, _), (second, place), ..] = given.as_slice() else { return true };
    options.report(Diagnostic::error(*place, format!("`{second}` and `{first}` mean the same: give one of them")));
    false
}

/// Reads what options of several names hold: `None` where that failed and was told.
fn authorities(options: &mut Options<'_>) -> Option<Option<Vec<CertificateDer<'static>>>> {
    let names = ["ssl_certificate_authorities", "ssl_cacert", "cacert"];
    let Some(name) = names.into_iter().find(|name| options.is_given(name)) else { return Some(None) };
    let count = options.value(name).map_or(0, |value| typed::list(value).len());
    let read = options.each(name, |value| {
        let path = typed::text(value)?;
        pem::certificates(path.as_ref()).map_err(|cause| Diagnostic::error(value.span.0, cause.to_string()))
    });
    (read.len() == count).then(|| Some(read.concat()))
}

fn identity(options: &mut Options<'_>) -> Option<Option<(Identity, PathBuf)>> {
    let given = |options: &Options<'_>, names: &[&str]| -> Option<(PathBuf, _)> {
        let value = names.iter().find_map(|name| options.value(name))?;
        Some((PathBuf::from(value.as_str().unwrap_or_default()), value.span.0))
    };
    let cert = given(options, &["ssl_certificate", "ssl_cert", "client_cert"]);
    let key = given(options, &["ssl_key", "client_key"]);
    let problem = match (cert, key) {
        (None, None) => return Some(None),
        (Some((cert, place)), Some((key, _))) => match pem::identity(&cert, &key) {
            Ok(identity) => return Some(Some((identity, key))),
            Err(cause) => Diagnostic::error(place, cause.to_string()),
        },
        (Some((_, place)), None) | (None, Some((_, place))) => {
            Diagnostic::error(place, "a certificate needs its key and a key its certificate: give both")
        }
    };
    options.report(problem);
    None
}

fn verification(options: &mut Options<'_>) -> Option<bool> {
    let mode = |value: &Value| typed::choice(value, &["full", "certificate", "none"]).map(|mode| mode != "none");
    let mut verifies = options.get("ssl_verification_mode", mode);
    for name in ["ssl_verify", "ssl_certificate_verification", "ssl_certificate_validation"] {
        verifies = verifies.or(options.get(name, typed::boolean));
    }
    verifies
}

fn version(value: &Value) -> typed::Read<&'static SupportedProtocolVersion> {
    typed::choice(value, &["TLSv1.2", "TLSv1.3"]).map(|name| if name == "TLSv1.3" { &TLS13 } else { &TLS12 })
}
