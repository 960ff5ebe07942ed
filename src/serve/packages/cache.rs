//! Keeps the hashes of files in a folder, so that a restart need not read all packages again.
//!
//! Each file of the store has a small file of its own. It contains the path and identity of the
//! file, its hashes, and a checksum of these lines; if anything is missing or damaged, the file is
//! hashed again. A user who can write to the folder decides which hashes agents get, so it must be
//! private.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use super::file::StorePath;
use super::identity::FileIdentity;
use crate::ddi::answer::{FileHashes, hex};

/// First line of each file.
const HEADER: &str = "clientfleet package hashes 1";
/// Ending of the names of complete files.
const SUFFIX: &str = ".hashes";
/// Ending of the names of files that are being written.
const TEMPORARY_SUFFIX: &str = ".hashes.tmp";
/// Length of the name before its ending: a SHA-256 in hexadecimal digits.
const KEY_LENGTH: usize = 64;
/// Maximum size of a file that is read.
const MAX_BYTES: u64 = 4096;

/// A folder with the hashes of files.
#[derive(Clone, Debug)]
pub struct HashCache {
    folder: PathBuf,
}

impl HashCache {
    /// Opens a folder of one store, and creates it for this user only if it does not exist.
    ///
    /// # Errors
    /// Returns a message if the folder cannot be created, or if it is inside the package store:
    /// users who fill the store could choose the hashes.
    pub fn open(folder: &Path, store: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| {
            format!(
                "--hash-cache {}: {error}; name a folder that this process can write to",
                folder.display()
            )
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let resolved = fs::canonicalize(folder).map_err(failed)?;
        match fs::canonicalize(store) {
            Ok(store) if resolved.starts_with(&store) => Err(format!(
                "--hash-cache {}: the folder is inside of --packages {}; name a folder outside of it",
                folder.display(),
                store.display()
            )),
            _ => Ok(Self { folder: resolved }),
        }
    }

    /// Returns the hashes of a file; `None` if they are not known.
    #[must_use]
    pub fn get(&self, path: &StorePath, identity: &FileIdentity) -> Option<FileHashes> {
        let mut text = String::new();
        let file = File::open(self.file(path)).ok()?;
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let (lines, checksum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        if checksum != checksum_of(lines) {
            return None;
        }
        let mut hashes = lines.strip_prefix(&head(path, identity))?.split('\n');
        let hashes = FileHashes {
            sha1: bytes(hashes.next()?)?,
            md5: bytes(hashes.next()?)?,
            sha256: bytes(hashes.next()?)?,
        };
        Some(hashes)
    }

    /// Stores the hashes of a file. A reader never sees a part of them.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn put(
        &self,
        path: &StorePath,
        identity: &FileIdentity,
        hashes: &FileHashes,
    ) -> io::Result<()> {
        let FileHashes { sha1, md5, sha256 } = hashes;
        let lines = format!("{}{}\n{}\n{}", head(path, identity), hex(sha1), hex(md5), hex(sha256));
        let temporary = self.folder.join(format!("{}{TEMPORARY_SUFFIX}", key(path)));
        fs::write(&temporary, format!("{lines}\n{}\n", checksum_of(&lines)))?;
        fs::rename(temporary, self.file(path))
    }

    /// Removes the hashes of a file that was deleted from the store.
    pub fn remove(&self, path: &StorePath) {
        // A file that remains is removed at the next start.
        let _ = fs::remove_file(self.file(path));
    }

    /// Removes the hashes of all files but these. Leaves files alone that are not of the cache.
    ///
    /// # Errors
    /// Returns the error of the system if the folder cannot be listed.
    pub fn retain<'a>(&self, paths: impl Iterator<Item = &'a StorePath>) -> io::Result<()> {
        let kept: HashSet<String> = paths.map(key).collect();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_str().unwrap_or_default();
            let key = name.strip_suffix(SUFFIX).or_else(|| name.strip_suffix(TEMPORARY_SUFFIX));
            let is_own = |key: &&str| {
                key.len() == KEY_LENGTH && key.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            if key.filter(is_own).is_some_and(|key| !kept.contains(key)) {
                let _ = fs::remove_file(self.folder.join(name));
            }
        }
        Ok(())
    }

    fn file(&self, path: &StorePath) -> PathBuf {
        self.folder.join(format!("{}{SUFFIX}", key(path)))
    }
}

fn key(path: &StorePath) -> String {
    hex(digest(&SHA256, path.to_string().as_bytes()).as_ref())
}

/// Returns the lines that say which file the hashes are of. The device is not among them.
fn head(path: &StorePath, identity: &FileIdentity) -> String {
    format!("{HEADER}\n{path}\n{identity}\n")
}

fn checksum_of(lines: &str) -> String {
    hex(digest(&SHA256, lines.as_bytes()).as_ref())
}

/// Returns the bytes that are written as hexadecimal digits in lower case.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (hex(&bytes) == digits).then_some(bytes)
}
