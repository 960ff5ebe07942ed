//! Verifies the signature of a package: that of minisign, in its prehashed form `ED`.
//!
//! The signature is of the BLAKE2b-512 hash of the file, so the file is read once and never needs to
//! be in memory. The trusted comment is signed too. It must name the version and the file, because a
//! signature without them would let an old package pass as a new one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest};
use ring::signature::{ED25519, UnparsedPublicKey};

use super::path::FileName;
use crate::values::Version;

/// Maximum size of a signature in bytes. That of minisign with a short comment has about 300.
pub const MAX_SIGNATURE_BYTES: usize = 4096;
/// Maximum number of characters of a trusted comment that a message repeats.
const MAX_QUOTED: usize = 128;
const ALGORITHM: [u8; 2] = *b"Ed";
const PREHASHED_ALGORITHM: [u8; 2] = *b"ED";
const UNTRUSTED_COMMENT: &str = "untrusted comment:";
const TRUSTED_COMMENT: &str = "trusted comment: ";

/// Identifies a pair of keys. It is not secret, and anyone can choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

/// Public key that packages are signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageKey {
    id: KeyId,
    key: [u8; 32],
}

/// The text is no public key of minisign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a public key of minisign; write the content of the minisign.pub of minisign -G"
)]
pub struct PackageKeyError;

/// A signature that can be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSignature {
    key: KeyId,
    signature: [u8; 64],
    comment: String,
    comment_signature: [u8; 64],
}

/// Why a signature does not vouch for a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum SignatureError {
    /// The text is no signature.
    #[error("the .minisig file is not a signature of minisign; sign the file with minisign -S")]
    Malformed,
    /// The signature is of the content instead of its hash.
    #[error(
        "the signature has the legacy form, which needs the whole file in memory; sign the file \
         again with minisign -S, which signs its hash (prehashed) unless -l is given"
    )]
    Legacy,
    /// The signature is by another key.
    #[error("the signature is by the key {found}, not by {expected}; sign the file with that key")]
    OtherKey {
        /// Key of the signature.
        found: KeyId,
        /// Key that is accepted.
        expected: KeyId,
    },
    /// The signature is not of this content.
    #[error(
        "the signature is not of this content; sign the file again if it is the right one, or \
         replace it"
    )]
    OtherContent,
    /// The trusted comment is not the one that was signed.
    #[error("the trusted comment was changed after it was signed; sign the file again")]
    OtherComment,
    /// The trusted comment does not name the version and the file.
    #[error(
        "the trusted comment of the signature is {found:?}; a package of this version needs \
         \"version:{version} file:{file}\", so sign the file with minisign -S -m {file} \
         -t 'version:{version} file:{file}'"
    )]
    OtherPackage {
        /// Trusted comment of the signature.
        found: String,
        /// Version that it must name.
        version: String,
        /// File that it must name.
        file: String,
    },
}

/// Hash of a file that is signed, while the file is read.
#[derive(Clone, Default)]
pub struct SignedHash(Blake2b512);

impl SignedHash {
    /// Adds the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the hash of the bytes.
    #[must_use]
    pub fn finish(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

impl PackageKey {
    /// Parses the content of a public key file of minisign, or its line with the key alone.
    ///
    /// # Errors
    /// Returns a [`PackageKeyError`] if the text is something else.
    pub fn parse(text: &str) -> Result<Self, PackageKeyError> {
        let is_key = |line: &&str| !line.is_empty() && !line.starts_with(UNTRUSTED_COMMENT);
        let mut lines = text.lines().map(str::trim).filter(is_key);
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(PackageKeyError) };
        let bytes: [u8; 42] = decode(line).ok_or(PackageKeyError)?;
        let (algorithm, id, key) = split(&bytes).ok_or(PackageKeyError)?;
        if algorithm == ALGORITHM { Ok(Self { id, key }) } else { Err(PackageKeyError) }
    }

    fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }
}

impl PackageSignature {
    /// Parses the content of a `.minisig` file.
    ///
    /// # Errors
    /// Returns a [`SignatureError`] if the text is no signature, or has the legacy form.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(SignatureError::Malformed);
        if !line()?.starts_with(UNTRUSTED_COMMENT) {
            return Err(SignatureError::Malformed);
        }
        let bytes: [u8; 74] = decode(line()?).ok_or(SignatureError::Malformed)?;
        let comment = line()?.strip_prefix(TRUSTED_COMMENT).ok_or(SignatureError::Malformed)?;
        let comment_signature = decode(line()?).ok_or(SignatureError::Malformed)?;
        let (algorithm, key, signature) = split(&bytes).ok_or(SignatureError::Malformed)?;
        match algorithm {
            PREHASHED_ALGORITHM => {
                Ok(Self { key, signature, comment: comment.to_owned(), comment_signature })
            }
            ALGORITHM => Err(SignatureError::Legacy),
            _ => Err(SignatureError::Malformed),
        }
    }

    /// Verifies that the owner of the key has signed the file with this [`SignedHash`] as this file
    /// of this version.
    ///
    /// # Errors
    /// Returns a [`SignatureError`] if that is not so.
    pub fn verify(
        &self,
        key: &PackageKey,
        hash: &[u8; 64],
        version: &str,
        file: &FileName,
    ) -> Result<(), SignatureError> {
        if self.key != key.id {
            return Err(SignatureError::OtherKey { found: self.key, expected: key.id });
        }
        if !key.verifies(hash, &self.signature) {
            return Err(SignatureError::OtherContent);
        }
        let message = [self.signature.as_slice(), self.comment.as_bytes()].concat();
        if !key.verifies(&message, &self.comment_signature) {
            return Err(SignatureError::OtherComment);
        }
        if self.names(version, file) {
            return Ok(());
        }
        Err(SignatureError::OtherPackage {
            found: self.comment.chars().take(MAX_QUOTED).collect(),
            version: version.to_owned(),
            file: file.to_string(),
        })
    }

    /// Returns whether the trusted comment names this version and this file, and no others.
    fn names(&self, version: &str, file: &FileName) -> bool {
        let value = |key: &str| {
            let mut values =
                self.comment.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key));
            values.next().filter(|_| values.next().is_none())
        };
        let parsed = |text: &str| Version::parse(text).ok();
        let named = value("version:").and_then(parsed);
        named.is_some() && named == parsed(version) && value("file:") == Some(file.as_str())
    }
}

/// Writes the id as minisign does.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", u64::from_le_bytes(self.0))
    }
}

fn decode<const N: usize>(line: &str) -> Option<[u8; N]> {
    STANDARD.decode(line).ok()?.try_into().ok()
}

/// Returns the algorithm, the id of the key, and the rest of `N` bytes.
fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; 2], KeyId, [u8; N])> {
    let (algorithm, rest) = bytes.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    Some((*algorithm, KeyId(*id), rest.try_into().ok()?))
}
