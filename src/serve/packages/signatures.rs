//! Reads the signatures of files, and decides whether they vouch for the files.

use std::io::{self, Read};
use std::sync::Arc;

use super::file::{PackageFile, StorePath};
use super::folder::PackageFolder;
use super::identity::FileIdentity;
use super::problem::ProblemKind;
use super::scanner::open_content;
use crate::ddi::path::SIGNATURE_SUFFIX;
use crate::ddi::signature::MAX_SIGNATURE_BYTES;
use crate::ddi::{PackageKey, PackageSignature};

/// Content of a `.minisig` file, or why it cannot be read.
#[derive(Debug)]
pub struct SignatureFile {
    identity: FileIdentity,
    text: Result<Arc<str>, ProblemKind>,
}

impl SignatureFile {
    /// Reads the signature of the file at `path`. `identity` is that of the listed signature.
    #[must_use]
    pub fn read(folder: &PackageFolder, path: &StorePath, identity: FileIdentity) -> Self {
        let unreadable = |reason| {
            let file = path.file.to_string();
            ProblemKind::UnreadableSignature { file, reason }
        };
        let text = read(folder, &format!("{path}{SIGNATURE_SUFFIX}"), &identity);
        Self { identity, text: text.map(Arc::from).map_err(unreadable) }
    }

    /// Returns whether the text is that of the listed signature.
    #[must_use]
    pub fn is_current(&self, listed: &FileIdentity) -> bool {
        self.identity == *listed && self.text.is_ok()
    }

    /// Returns the content of the file; `None` if it cannot be read.
    #[must_use]
    pub fn text(&self) -> Option<&Arc<str>> {
        self.text.as_ref().ok()
    }

    /// Returns why the file cannot be read.
    #[must_use]
    pub fn problem(&self) -> Option<&ProblemKind> {
        self.text.as_ref().err()
    }
}

/// Verifies that the owner of the key has signed the file as this file of this version.
///
/// # Errors
/// Returns the problem of the file if it has no signature, or if the signature does not vouch for it.
pub fn verify(
    key: &PackageKey,
    file: &PackageFile,
    signature: Option<&SignatureFile>,
) -> Result<(), ProblemKind> {
    let StorePath { version, file: name, .. } = file.path();
    let unsigned = || ProblemKind::Unsigned { version: version.clone(), file: name.to_string() };
    let text = signature.ok_or_else(unsigned)?.text.clone()?;
    let hash = file.signed_hash().ok_or_else(unsigned)?;
    let signature = PackageSignature::parse(&text).map_err(ProblemKind::BadSignature)?;
    signature.verify(key, hash, version, name).map_err(ProblemKind::BadSignature)
}

fn read(folder: &PackageFolder, path: &str, identity: &FileIdentity) -> Result<String, String> {
    let failed = |error: io::Error| error.to_string();
    let too_large = || format!("a signature has at most {MAX_SIGNATURE_BYTES} bytes");
    let max = MAX_SIGNATURE_BYTES as u64;
    if identity.size > max {
        return Err(too_large());
    }
    let file = open_content(folder, path, identity).map_err(failed)?;
    let file = file.ok_or_else(|| "the file was replaced while it was read".to_owned())?;
    let mut text = String::new();
    file.take(max + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > MAX_SIGNATURE_BYTES { Err(too_large()) } else { Ok(text) }
}
