//! Defines the hashes of a file, by which agents check a download.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Hashes of a file. swupdate and rauc-hawkbit-updater check SHA-1, the Python RAUC client MD5, and
/// Zephyr SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileHashes {
    /// SHA-1 of the content.
    pub sha1: [u8; 20],
    /// MD5 of the content.
    pub md5: [u8; 16],
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

impl FileHashes {
    /// Returns a number of at most 31 bits that changes with the content.
    #[must_use]
    pub fn revision(&self) -> u32 {
        let last = self.sha256.iter().skip(28);
        last.fold(0, |number, byte| number << 8 | u32::from(*byte)) & (u32::MAX >> 1)
    }
}

impl Serialize for FileHashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hashes = serializer.serialize_struct("FileHashes", 3)?;
        hashes.serialize_field("sha1", &hex(&self.sha1))?;
        hashes.serialize_field("md5", &hex(&self.md5))?;
        hashes.serialize_field("sha256", &hex(&self.sha256))?;
        hashes.end()
    }
}

/// Returns bytes as hexadecimal digits in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
