//! Defines the identity of a file: what changes if its content does.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;

/// Identity of a file, from its metadata. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Device that contains the file. Network volumes get another number each time they are mounted.
    pub device: u64,
    /// Number of the file on its device.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time when the content last changed, which programs can set to another time.
    pub modified: i128,
    /// Time when the content or the metadata last changed, which programs cannot set.
    pub changed: i128,
}

impl FileIdentity {
    /// Returns the identity of a file that has this metadata.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * NANOSECONDS_PER_SECOND + i128::from(nanoseconds)
        };
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns whether an open file still has the content that it had with this identity.
    ///
    /// The time of the last change does not count, because it also changes when a file is deleted,
    /// renamed, or given to another user, and transfers continue then.
    #[must_use]
    pub fn has_content_of(&self, other: &Self) -> bool {
        let content = |of: &Self| (of.device, of.inode, of.size, of.modified);
        content(self) == content(other)
    }

    /// Returns the time of the last change that the file system recorded.
    #[must_use]
    pub fn last_change(&self) -> i128 {
        self.modified.max(self.changed)
    }
}

/// Writes what identifies the file within its store, also after the store was mounted again: all
/// but the device.
impl fmt::Display for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.inode, self.size, self.modified, self.changed)
    }
}

/// Returns a time as nanoseconds since 1970.
#[must_use]
pub fn nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}
