//! Certificates from files: who may vouch for the server, and our own. What is wrong with them is said at the start.

use super::Tls;
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use std::{fmt::Display, fs, io, path::Path};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// What the client needs to know.
pub(super) fn config(tls: &Tls) -> io::Result<TlsConfig> {
    let mut config = TlsConfig::builder();
    if let Some(path) = &tls.ca {
        config = config.root_certs(RootCerts::new_with_certs(&as_ureq(&certificates(path)?)));
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
    let chain = certificates(cert)?;
    let pem = read(key)?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|cause| wrong(key, &cause))?;
    CertifiedKey::from_der(chain.clone(), der, &ring::default_provider())
        .map_err(|cause| wrong(key, &format!("is it the key of {}? {cause}", cert.display())))?;
    let key = PrivateKey::from_pem(&pem).map_err(|cause| wrong(key, &cause))?;
    Ok(ClientCert::new_with_certs(&as_ureq(&chain), key))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|cause| wrong(path, &cause))?;
    if found.is_empty() { Err(wrong(path, &"there is no certificate in it (PEM is expected)")) } else { Ok(found) }
}

fn as_ureq(certificates: &[CertificateDer<'static>]) -> Vec<Certificate<'static>> {
    certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|cause| wrong(path, &cause))
}

fn wrong(path: &Path, cause: &dyn Display) -> io::Error {
    io::Error::other(format!("{}: {cause}", path.display()))
}
