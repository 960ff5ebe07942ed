//! Keeps files open that are no longer offered, for agents that have already been linked to them.

use std::sync::Arc;
use std::time::Duration;

use super::file::PackageFile;
use super::transfer::TransferError;

/// Files that were replaced or deleted.
#[derive(Debug, Default)]
pub struct HeldFiles {
    /// The files with the time of their removal, oldest first.
    files: Vec<(i128, Arc<PackageFile>)>,
}

impl HeldFiles {
    /// Adds a file that is no longer offered.
    pub fn add(&mut self, file: Arc<PackageFile>, now: i128) {
        self.files.push((now, file));
    }

    /// Drops files after `time`, the oldest of more than `max` files, files that were written to,
    /// and files that are offered again. Running transfers continue.
    pub fn prune(
        &mut self,
        now: i128,
        time: Duration,
        max: usize,
        is_offered: impl Fn(&PackageFile) -> bool,
    ) {
        let is_intact =
            |file: &PackageFile| !matches!(file.check_content(), Err(TransferError::Changed));
        self.files.retain(|(since, file)| {
            now - since <= time.as_nanos() as i128 && !is_offered(file) && is_intact(file)
        });
        let excess = self.files.len().saturating_sub(max);
        self.files.drain(..excess);
    }

    /// Revokes the files that were written to without a new modification time: those that are the
    /// same file as `current`, with other hashes.
    pub fn revoke_rewritten(&self, current: &PackageFile) {
        let is_same = |file: &PackageFile| {
            let number = |file: &PackageFile| (file.identity().device, file.identity().inode);
            number(file) == number(current)
        };
        let hashes = current.artifact().hashes;
        let files = self.files().filter(|file| is_same(file) && file.artifact().hashes != hashes);
        files.for_each(|file| file.revoke());
    }

    /// Returns the files.
    pub fn files(&self) -> impl Iterator<Item = &Arc<PackageFile>> {
        self.files.iter().map(|(_, file)| file)
    }
}
