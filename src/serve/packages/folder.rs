//! Opens files beneath the folder of the store, and nothing outside of it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::Dir;

/// Number of attempts to open a file while others rename folders in its path.
#[cfg(target_os = "linux")]
const OPEN_ATTEMPTS: u8 = 16;

/// Why the folder of the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be opened.
    #[error("--packages {}: {error}; name a folder that this process can read", path.display())]
    Open {
        /// Path of the folder.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// The system call that keeps paths inside the folder does not exist or is forbidden.
    #[error(
        "--packages {}: the system call openat2 is not available ({error}); run on Linux 5.6 or \
         newer, with a seccomp profile that allows openat2",
        path.display()
    )]
    NoOpenat2 {
        /// Path of the folder.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
}

/// How a path is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenAs {
    /// For its metadata only. This neither opens a device nor waits for the writer of a FIFO.
    Metadata,
    /// To list a folder.
    Folder,
    /// To read a file, without waiting if the path has become a FIFO.
    Content,
}

/// The open folder of the store.
///
/// The kernel resolves all paths beneath the folder (`RESOLVE_BENEATH`): symbolic links may point
/// only to files in the folder, and only with relative paths.
#[derive(Debug)]
pub struct PackageFolder {
    root: File,
}

impl PackageFolder {
    /// Opens the folder of a store.
    ///
    /// # Errors
    /// Returns a [`FolderError`] if the folder cannot be opened, or if the system cannot keep paths
    /// beneath it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let path = path.to_owned();
        let root = match File::open(&path).and_then(|root| Ok((root.metadata()?, root))) {
            Ok((metadata, root)) if metadata.is_dir() => root,
            Ok(_) => {
                return Err(FolderError::Open { path, error: io::ErrorKind::NotADirectory.into() });
            }
            Err(error) => return Err(FolderError::Open { path, error }),
        };
        let folder = Self { root };
        match folder.open_beneath(".", OpenAs::Metadata) {
            Ok(_) => Ok(folder),
            Err(error) => Err(FolderError::NoOpenat2 { path, error }),
        }
    }

    /// Opens a path relative to the folder.
    ///
    /// # Errors
    /// Returns the error of the system; [`leaves_the_folder`] recognizes a path that leads outside.
    pub fn open_beneath(&self, path: &str, how: OpenAs) -> io::Result<File> {
        open_beneath(&self.root, path, how)
    }

    /// Returns the sorted names in a folder that do not begin with `.`, or `None` if there are more
    /// than `max`.
    ///
    /// # Errors
    /// Returns the error of the system if the folder cannot be opened or listed.
    pub fn names(&self, path: &str, max: usize) -> io::Result<Option<Vec<OsString>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.open_beneath(path, OpenAs::Folder)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".") {
                continue;
            }
            if names.len() == max {
                return Ok(None);
            }
            names.push(OsString::from_vec(name.to_vec()));
        }
        names.sort();
        Ok(Some(names))
    }
}

/// Returns whether a path was not opened because it leads out of the folder.
#[must_use]
pub fn leaves_the_folder(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error())
}

/// Returns whether a path was not opened because symbolic links in it lead to each other.
#[must_use]
pub fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(target_os = "linux")]
fn open_beneath(root: &File, path: &str, how: OpenAs) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;

    let flags = OFlags::CLOEXEC
        | match how {
            OpenAs::Metadata => OFlags::PATH,
            OpenAs::Folder => OFlags::RDONLY | OFlags::DIRECTORY,
            OpenAs::Content => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
        };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(file) => return Ok(file.into()),
            // The kernel cannot rule out that a concurrent rename led outside (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) if attempts < OPEN_ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(_: &File, _: &str, _: OpenAs) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
