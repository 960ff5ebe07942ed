//! Reads a value from files again when the files change.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// Maximum size of a file in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Maximum number of attempts to read files that change in the meantime.
const MAX_ATTEMPTS: usize = 3;

/// Contents of the files, in their order.
type Contents = Result<Vec<Vec<u8>>, String>;
type Parse<T> = dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync;

/// A value from files. If the files change, it is parsed again; if they cannot be parsed then, the
/// last value stays.
pub struct Reloaded<T> {
    files: Vec<PathBuf>,
    parse: Box<Parse<T>>,
    value: RwLock<Arc<T>>,
    seen: Mutex<Seen>,
}

/// What was read last.
#[derive(Debug)]
struct Seen {
    stamps: Vec<Option<FileStamp>>,
    problem: Option<String>,
}

/// Attributes of a file that change with its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl<T> Reloaded<T> {
    /// Reads the files and parses their contents, which `parse` receives in the order of `files`.
    ///
    /// # Errors
    /// Returns a message if a file cannot be read, or the message of `parse`.
    pub fn open(
        files: Vec<PathBuf>,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, String> {
        let (stamps, contents) = read_all(&files);
        let value = contents.and_then(|contents| parse(&contents))?;
        Ok(Arc::new(Self {
            files,
            parse: Box::new(parse),
            value: RwLock::new(Arc::new(value)),
            seen: Mutex::new(Seen { stamps, problem: None }),
        }))
    }

    /// Returns the value of the last files that could be parsed.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.value.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns why the files as they are now cannot be used.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.seen().problem.clone()
    }

    /// Reads the files again if their attributes have changed. Blocks the thread.
    pub fn check(&self) {
        let mut seen = self.seen();
        if seen.stamps != stamps(&self.files) {
            self.read(&mut seen);
        }
    }

    /// Reads the files again. Blocks the thread.
    pub fn reload(&self) {
        self.read(&mut self.seen());
    }

    fn read(&self, seen: &mut Seen) {
        let (stamps, contents) = read_all(&self.files);
        seen.stamps = stamps;
        let files = self.names();
        match contents.and_then(|contents| (self.parse)(&contents)) {
            Ok(value) => {
                *self.value.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                seen.problem = None;
                tracing::info!(files, "the files were read again");
            }
            Err(problem) => {
                tracing::error!(problem, files, "the last usable content stays in use");
                seen.problem = Some(problem);
            }
        }
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        names.join(", ")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Checks the files at this interval, until the future is dropped.
    pub async fn watch(self: Arc<Self>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            let this = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || this.check()).await;
        }
    }
}

impl<T> std::fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloaded").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Reads all files together: if one changes in the meantime, reads all again, because they may
/// belong together.
fn read_all(files: &[PathBuf]) -> (Vec<Option<FileStamp>>, Contents) {
    let mut before = stamps(files);
    let mut attempts = 1;
    loop {
        let contents = files.iter().map(|file| read(file)).collect();
        let after = stamps(files);
        if before == after || attempts == MAX_ATTEMPTS {
            return (before, contents);
        }
        before = after;
        attempts += 1;
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failure = |error: io::Error| format!("{}: cannot be read: {error}", path.display());
    let mut content = Vec::new();
    let file = File::open(path).map_err(failure)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(failure)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{}: has more than {MAX_FILE_BYTES} bytes", path.display()));
    }
    Ok(content)
}

fn stamps(files: &[PathBuf]) -> Vec<Option<FileStamp>> {
    // Follow symbolic links, because the kubelet replaces a link to the folder of a Secret's files.
    files.iter().map(|file| fs::metadata(file).ok().map(|metadata| stamp(&metadata))).collect()
}

fn stamp(metadata: &Metadata) -> FileStamp {
    use std::os::unix::fs::MetadataExt;
    FileStamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}
