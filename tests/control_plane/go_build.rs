//! Builds programs from the Go modules in this repository, and keeps the programs in the user's
//! cache.
//!
//! The name of the programs' folder contains a hash of the build inputs, so changed inputs cause a
//! new build.

use std::env;
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::process::tail;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Hash)]
pub struct Build {
    /// Name for progress messages, such as `etcd 3.6.16`.
    pub what: String,
    pub usual_duration: &'static str,
    /// Name of the module's folder, relative to [`Programs::modules`].
    pub module: String,
    /// Contents of the module's files, which are part of the hash in the folder's name.
    pub module_files: Vec<String>,
    pub flags: Vec<String>,
    pub packages: Vec<String>,
    /// Name of the file to write; empty if `go build` should name the files after the packages.
    pub output: &'static str,
}

/// Programs that are built into one folder of the cache.
pub struct Programs {
    /// Prefix of the folder's name; the hash of the build inputs follows the prefix.
    pub name: String,
    pub modules: PathBuf,
    pub builds: Vec<Build>,
    /// End of the error message if Go is not installed: an alternative to installing Go, such as `,
    /// or set …`, or an empty text.
    pub instead: &'static str,
}

/// Returns the folder for all builds in the user's cache; `None` if neither `XDG_CACHE_HOME` nor
/// `HOME` is an absolute path.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute =
        |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("clientfleet"))
}

impl Programs {
    /// Returns the folder with the programs, and builds the programs first if necessary. Calls
    /// `progress` every 15 s during a build, because a build takes minutes.
    pub fn ensure(&self, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
        let name = self.folder_name();
        let folder = cache.join(&name);
        if folder.is_dir() {
            return Ok(folder);
        }
        fs::create_dir_all(cache).map_err(Error::at("create", cache))?;
        let _lock = self.lock(&cache.join(format!("{name}.lock")), progress)?;
        // Another process may have built the programs while this one waited for the lock.
        if !folder.is_dir() {
            self.build_all(&cache.join(format!("{name}.partial")), &folder, progress)?;
        }
        Ok(folder)
    }

    /// Returns the folder's name, which contains a hash of all inputs of the builds. Another Rust
    /// release may compute a different hash, which only causes a new build.
    fn folder_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.builds.hash(&mut hasher);
        format!("{}-{:016x}", self.name, hasher.finish())
    }

    /// Acquires the build lock, so that only one of several concurrent test processes builds. The
    /// operating system releases the lock when the process ends for any reason.
    fn lock(&self, path: &Path, progress: &mut dyn FnMut(&str)) -> Result<File, Error> {
        let file = File::create(path).map_err(Error::at("create", path))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                progress(&format!("another process is building {}: waiting for it", self.name));
            }
            Err(TryLockError::Error(error)) => return Err(Error::at("lock", path)(error)),
        }
        file.lock().map_err(Error::at("lock", path))?;
        Ok(file)
    }

    /// Builds all programs into `partial`, and then renames `partial` to `folder`, so that `folder`
    /// never contains an incomplete build.
    fn build_all(
        &self,
        partial: &Path,
        folder: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        if partial.exists() {
            fs::remove_dir_all(partial).map_err(Error::at("remove", partial))?;
        }
        fs::create_dir(partial).map_err(Error::at("create", partial))?;
        for build in &self.builds {
            self.build(build, partial, progress)?;
        }
        fs::rename(partial, folder).map_err(Error::at("rename", partial))
    }

    fn build(
        &self,
        build: &Build,
        into: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let started = Instant::now();
        progress(&format!(
            "building {}: once, in about {} on two cores, with network access for the sources",
            build.what, build.usual_duration
        ));
        let log_path = into.join("build.log");
        let log = File::create(&log_path).map_err(Error::at("create", &log_path))?;
        let mut go = build.command(&self.modules, into, log).spawn().map_err(
            |error| match error.kind() {
                io::ErrorKind::NotFound => Error::new(format!(
                    "{} cannot be built because Go is not installed: install Go 1.26 or newer{}",
                    build.what, self.instead
                )),
                _ => Error::doing("start go")(error),
            },
        )?;
        let mut next_word = PROGRESS_INTERVAL;
        let status = loop {
            if let Some(status) = go.try_wait().map_err(Error::doing("wait for go"))? {
                break status;
            }
            if started.elapsed() >= next_word {
                let seconds = next_word.as_secs();
                progress(&format!("still building {}: {seconds} s so far", build.what));
                next_word += PROGRESS_INTERVAL;
            }
            thread::sleep(Duration::from_millis(100));
        };
        if !status.success() {
            let log = tail(&log_path);
            return Err(Error::new(format!("go cannot build {} ({status}):\n{log}", build.what)));
        }
        progress(&format!("built {} in {} s", build.what, started.elapsed().as_secs()));
        Ok(())
    }
}

impl Build {
    fn command(&self, modules: &Path, into: &Path, log: File) -> Command {
        let mut command = Command::new("go");
        command
            .arg("build")
            // Use `-buildvcs=false`, so that the programs do not contain the commit and state of
            // the surrounding git repository.
            .args(["-trimpath", "-mod=readonly", "-buildvcs=false"])
            .args(&self.flags)
            .arg("-o")
            .arg(into.join(self.output))
            .args(&self.packages)
            .current_dir(modules.join(&self.module))
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }
}
