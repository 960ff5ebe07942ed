//! Reads the certificate of the front and its key.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Reloaded;

/// Reads a certificate chain and its key, both in PEM format. They are read together, so the old
/// pair stays in use while only one of the files is new.
///
/// # Errors
/// Returns a message that names the file and what is wrong with it.
pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Arc<Reloaded<ServerConfig>>, String> {
    let (certificate_name, key_name) =
        (certificate.display().to_string(), key.display().to_string());
    Reloaded::open(vec![certificate, key], move |contents| match contents {
        [certificate, key] => parse(&certificate_name, certificate, &key_name, key),
        _ => Err("there must be a certificate and a key".to_owned()),
    })
}

fn parse(
    certificate_name: &str,
    certificate: &[u8],
    key_name: &str,
    key: &[u8],
) -> Result<ServerConfig, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{certificate_name}: not a PEM file: {error}"))?;
    if chain.is_empty() {
        return Err(format!(
            "{certificate_name}: contains no certificate: write the certificate of the server and \
             those of the authorities between it and the root, in PEM format"
        ));
    }
    // Do not write the error, because it may contain parts of the key.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        format!("{key_name}: contains no private key in PEM format without a passphrase")
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            format!("{certificate_name} and {key_name}: not a certificate with its key: {error}")
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Agents connect for each poll; a resumed session needs no signature.
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Ok(config)
}
