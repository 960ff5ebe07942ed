//! Creates the certificates and keys of one control plane. Each control plane has its own
//! certificates, and rejects those of other control planes.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::error::Error;

pub const AUTHORITY_FILE: &str = "authority.crt";
pub const SERVER_FILE: &str = "server.crt";
pub const SERVER_KEY_FILE: &str = "server.key";
pub const ACCOUNTS_FILE: &str = "service-accounts.pub";
pub const ACCOUNTS_KEY_FILE: &str = "service-accounts.key";

/// A certificate and its private key, in PEM format.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// Certificates that clients of the API server need.
pub struct Certificates {
    pub authority: String,
    pub authority_der: Vec<u8>,
    pub administrator: Identity,
}

/// Creates all certificates and keys. Writes those that the servers need into `folder`, and returns
/// those that clients need.
pub fn write(folder: &Path) -> Result<Certificates, Error> {
    let authority = authority().map_err(Error::doing("make a certificate authority"))?;
    let server = server(&authority).map_err(Error::doing("make the server's certificate"))?;
    let administrator =
        administrator(&authority).map_err(Error::doing("make the administrator's certificate"))?;
    let accounts =
        KeyPair::generate().map_err(Error::doing("make the key of the service accounts"))?;
    for (name, content) in [
        (AUTHORITY_FILE, authority.pem()),
        (SERVER_FILE, server.certificate),
        (SERVER_KEY_FILE, server.key),
        (ACCOUNTS_FILE, accounts.public_key_pem()),
        (ACCOUNTS_KEY_FILE, accounts.serialize_pem()),
    ] {
        let path = folder.join(name);
        fs::write(&path, content).map_err(Error::at("write", &path))?;
    }
    Ok(Certificates {
        authority: authority.pem(),
        authority_der: authority.der().to_vec(),
        administrator,
    })
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "clientfleet test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn server(authority: &Authority) -> Result<Identity, rcgen::Error> {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    signed(params, authority)
}

/// Creates the administrator's certificate and key. Kubernetes reads the user from the common name
/// and the group from the organization; the group `system:masters` has all permissions.
fn administrator(authority: &Authority) -> Result<Identity, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "administrator");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(params, authority)
}

fn signed(mut params: CertificateParams, authority: &Authority) -> Result<Identity, rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}
