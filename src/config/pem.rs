//! Certificates and keys from PEM files. What is wrong with them is told with the file's name, before anything starts.

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use std::{fmt::Display, fs, io, path::Path};

/// All certificates of a file, at least one.
///
/// # Errors
/// The file cannot be read, or has none.
pub fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|cause| wrong(path, &cause))?;
    if found.is_empty() { Err(wrong(path, &"there is no certificate in it (PEM is expected)")) } else { Ok(found) }
}

/// A certificate with those that vouch for it, and its key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first certificate.
    pub key: PrivateKeyDer<'static>,
}

/// Reads both and checks that they belong together.
///
/// # Errors
/// A file cannot be read, or they do not.
pub fn identity(cert: &Path, key: &Path) -> io::Result<Identity> {
    let chain = certificates(cert)?;
    let der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|cause| wrong(key, &cause))?;
    CertifiedKey::from_der(chain.clone(), der.clone_key(), &ring::default_provider())
        .map_err(|cause| wrong(key, &format!("is it the key of {}? {cause}", cert.display())))?;
    Ok(Identity { chain, key: der })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|cause| wrong(path, &cause))
}

fn wrong(path: &Path, cause: &dyn Display) -> io::Error {
    io::Error::other(format!("{}: {cause}", path.display()))
}
