//! Certificates from files: who may vouch for the server, and our own. What is wrong with them is said at the start.

use super::Tls;
use crate::config::pem::{self, Identity};
use rustls::pki_types::CertificateDer;
use std::{fs, io, path::Path};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// What the client needs to know.
pub(super) fn config(tls: &Tls) -> io::Result<TlsConfig> {
    let mut config = TlsConfig::builder();
    if let Some(path) = &tls.ca {
        config = config.root_certs(RootCerts::new_with_certs(&as_ureq(&pem::certificates(path)?)));
    }
    match (&tls.cert, &tls.key) {
        (None, None) => {}
        (Some(cert), Some(key)) => config = config.client_cert(Some(client(cert, key)?)),
        _ => return Err(io::Error::other("a client certificate needs its key and a key its certificate: give both")),
    }
    Ok(config.build())
}

/// Checked here, because the client takes it for granted that they belong together.
fn client(cert: &Path, key: &Path) -> io::Result<ClientCert> {
    let Identity { chain, .. } = pem::identity(cert, key)?;
    // `ureq` names no kinds of keys: it wants to see the file, which was just found to be right.
    let key = PrivateKey::from_pem(&fs::read(key)?).map_err(io::Error::other)?;
    Ok(ClientCert::new_with_certs(&as_ureq(&chain), key))
}

fn as_ureq(certificates: &[CertificateDer<'static>]) -> Vec<Certificate<'static>> {
    certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
}
