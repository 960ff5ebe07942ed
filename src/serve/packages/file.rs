//! Defines a file of the store, and its path.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;

use super::identity::FileIdentity;
use super::range::{self, ResponseHead};
use super::transfer::TransferError;
use crate::ddi::FileName;
use crate::ddi::answer::{Artifact, FileHashes};
use crate::values::Version;

/// Path of a file in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    /// Name of the version's folder.
    pub version: String,
    /// Name of the variant's folder; `None` for a file of the version's folder.
    pub variant: Option<String>,
    /// Name of the file.
    pub file: FileName,
}

impl StorePath {
    /// Returns the path of the folder that contains the file.
    #[must_use]
    pub fn folder(&self) -> String {
        match &self.variant {
            None => self.version.clone(),
            Some(variant) => format!("{}/{variant}", self.version),
        }
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.folder(), self.file)
    }
}

/// A file that was hashed, and stays open for as long as it is offered or sent.
#[derive(Debug)]
pub struct PackageFile {
    path: StorePath,
    version: Version,
    identity: FileIdentity,
    artifact: Artifact,
    signed_hash: Option<[u8; 64]>,
    signature: Option<Arc<str>>,
    content: Arc<OpenContent>,
}

/// Content of a file, which is the same with each of its signatures.
#[derive(Debug)]
struct OpenContent {
    file: File,
    is_revoked: AtomicBool,
}

impl PackageFile {
    pub(super) fn new(
        path: StorePath,
        version: Version,
        identity: FileIdentity,
        hashes: FileHashes,
        signed_hash: Option<[u8; 64]>,
        file: File,
    ) -> Self {
        let artifact = Artifact { file: path.file.clone(), size: identity.size, hashes };
        let content = Arc::new(OpenContent { file, is_revoked: AtomicBool::new(false) });
        Self { path, version, identity, artifact, signed_hash, signature: None, content }
    }

    /// Returns the same content with another signature.
    pub(super) fn with_signature(&self, signature: Option<Arc<str>>) -> Self {
        Self {
            path: self.path.clone(),
            version: self.version.clone(),
            identity: self.identity,
            artifact: self.artifact.clone(),
            signed_hash: self.signed_hash,
            signature,
            content: Arc::clone(&self.content),
        }
    }

    /// Returns the hash that a signature is of; `None` if signatures are not verified.
    pub(super) fn signed_hash(&self) -> Option<&[u8; 64]> {
        self.signed_hash.as_ref()
    }

    /// Returns the path of the file when it was hashed.
    #[must_use]
    pub fn path(&self) -> &StorePath {
        &self.path
    }

    /// Returns the version of the file's folder.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Returns the identity of the file when it was hashed.
    #[must_use]
    pub fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// Returns the name, size and hashes of the file, as agents get them.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// Returns the content of the `.minisig` file beside the file. It was verified if the scanner has
    /// a [`PackageKey`](crate::ddi::PackageKey).
    #[must_use]
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// Returns the head of the response to a `GET` or `HEAD` request with these headers.
    #[must_use]
    pub fn respond(&self, is_head: bool, headers: &HeaderMap) -> ResponseHead {
        range::respond(is_head, headers, self.artifact.size, &self.artifact.hashes.sha256)
    }

    /// Checks that the open file still has the content that was hashed. A file that was deleted or
    /// replaced has it; a file that was written to has not.
    ///
    /// # Errors
    /// Returns a [`TransferError`] if the content has changed, or if the system cannot say.
    pub fn check_content(&self) -> Result<(), TransferError> {
        let identity = FileIdentity::of(&self.content.file.metadata()?);
        let is_revoked = self.content.is_revoked.load(Ordering::Relaxed);
        if identity.has_content_of(&self.identity) && !is_revoked {
            Ok(())
        } else {
            Err(TransferError::Changed)
        }
    }

    /// Ends all transfers of the file, because its content has changed although its identity says
    /// otherwise.
    pub(super) fn revoke(&self) {
        self.content.is_revoked.store(true, Ordering::Relaxed);
    }

    /// Reads `length` bytes at an offset, and checks that they are of the content that was hashed.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, TransferError> {
        let mut bytes = vec![0; length];
        self.content.file.read_exact_at(&mut bytes, offset).map_err(|error| {
            match error.kind() {
                io::ErrorKind::UnexpectedEof => TransferError::Changed,
                _ => TransferError::Read(error),
            }
        })?;
        self.check_content()?;
        Ok(bytes)
    }
}

/// Files are equal if they are the same content at the same path, with the same signature.
impl PartialEq for PackageFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.identity, &self.artifact, &self.signature)
            == (&other.path, &other.identity, &other.artifact, &other.signature)
    }
}

impl Eq for PackageFile {}
