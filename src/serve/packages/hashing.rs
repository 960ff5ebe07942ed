//! Computes the hashes of a file in one pass, in steps.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use md5::{Digest, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::identity::FileIdentity;
use crate::ddi::answer::FileHashes;
use crate::ddi::signature::SignedHash;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Result of a step.
#[derive(Debug)]
pub enum HashStep {
    /// The file has more bytes.
    More,
    /// All bytes are hashed, and the file has not changed meanwhile. The second value is the
    /// [`SignedHash`], if the job computes it.
    Done(FileHashes, Option<[u8; 64]>),
    /// The file has changed meanwhile.
    Changed,
    /// The file cannot be read.
    Failed(io::Error),
}

/// A file that is being hashed.
pub struct HashJob {
    file: File,
    identity: FileIdentity,
    offset: u64,
    buffer: Vec<u8>,
    sha1: Context,
    sha256: Context,
    md5: Md5,
    signed: Option<SignedHash>,
}

impl HashJob {
    /// Starts to hash an open file that has this identity; with `is_signed`, also for its signature.
    #[must_use]
    pub fn new(file: File, identity: FileIdentity, is_signed: bool) -> Self {
        Self {
            file,
            identity,
            offset: 0,
            buffer: vec![0; BUFFER_BYTES],
            sha1: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            sha256: Context::new(&SHA256),
            md5: Md5::new(),
            signed: is_signed.then(SignedHash::default),
        }
    }

    /// Hashes about `max_bytes` more bytes.
    pub fn step(&mut self, max_bytes: u64) -> HashStep {
        let until = self.offset.saturating_add(max_bytes);
        while self.offset < until {
            let read = match self.file.read_at(&mut self.buffer, self.offset) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return HashStep::Failed(error),
            };
            let Some(bytes) = self.buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return self.finish();
            };
            self.sha1.update(bytes);
            self.sha256.update(bytes);
            self.md5.update(bytes);
            if let Some(signed) = &mut self.signed {
                signed.update(bytes);
            }
            self.offset += read as u64;
            // Do not follow a file that grows as fast as it is read.
            if self.offset > self.identity.size {
                return HashStep::Changed;
            }
        }
        HashStep::More
    }

    /// Returns the identity that the file must keep.
    #[must_use]
    pub fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// Returns the file, to send it.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    fn finish(&self) -> HashStep {
        match self.file.metadata() {
            Err(error) => HashStep::Failed(error),
            Ok(metadata) if FileIdentity::of(&metadata) != self.identity => HashStep::Changed,
            Ok(_) if self.offset != self.identity.size => HashStep::Changed,
            Ok(_) => {
                let signed = self.signed.clone().map(SignedHash::finish);
                HashStep::Done(self.hashes(), signed)
            }
        }
    }

    fn hashes(&self) -> FileHashes {
        let mut hashes =
            FileHashes { sha1: [0; 20], md5: self.md5.clone().finalize().into(), sha256: [0; 32] };
        hashes.sha1.copy_from_slice(self.sha1.clone().finish().as_ref());
        hashes.sha256.copy_from_slice(self.sha256.clone().finish().as_ref());
        hashes
    }
}
