//! TLS out of two PEM files: versions 1.2 and 1.3, HTTP/2 and HTTP/1.1 offered, no client certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file can't be read or holds something else.
    #[error("{}: {reason}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: PemError,
    },
    /// The certificate and the key don't belong together, or aren't of a kind that is spoken.
    #[error("the certificate can't be used with its key: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The TLS settings for a certificate chain and its private key.
///
/// # Errors
/// A file that can't be read, or a key that isn't the certificate's.
pub fn tls_from_pem(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFault> {
    let in_file = |file: &Path| {
        let file = file.to_owned();
        move |reason| TlsFault::Pem { file, reason }
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(in_file(cert))?;
    if chain.is_empty() {
        return Err(in_file(cert)(PemError::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(in_file(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_told_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
        std::fs::write(&empty, "nothing").unwrap();
        assert!(tls_from_pem(&empty, &missing).unwrap_err().to_string().contains("empty.pem"));
        assert!(tls_from_pem(&missing, &empty).unwrap_err().to_string().contains("missing.pem"));
    }
}
