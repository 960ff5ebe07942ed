//! Builds programs from Go modules kept with the tests, once, into a folder of the user's cache that is named after
//! what went into them. What is built, and for whom, it does not know.

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

/// How often a build says that it is still alive.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);

/// One `go build` in one module.
#[derive(Hash)]
pub struct Build {
    /// As `etcd 3.6.16`, for the lines on how far it is.
    pub what: String,
    /// As `1 minute`.
    pub usual_duration: &'static str,
    /// The module's folder, in the folder of modules.
    pub module: String,
    /// What is in the module's files.
    pub module_files: Vec<String>,
    pub flags: Vec<String>,
    pub packages: Vec<String>,
    /// The file it writes, or nothing where go names the files after the packages.
    pub output: &'static str,
}

/// Programs that are built together, into one folder.
pub struct Programs {
    /// What the folder's name begins with.
    pub name: String,
    /// The folder that holds the modules.
    pub modules: PathBuf,
    pub builds: Vec<Build>,
    /// What else can be done where they cannot be built, as `or set …`, or nothing.
    pub instead: &'static str,
}

/// The folder of the user's cache that everything is built into.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute =
        |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("clientfleet"))
}

impl Programs {
    /// The folder that holds them, built if need be; `progress` is given a line now and then while that takes its
    /// minutes.
    pub fn ensure(&self, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
        let name = self.folder_name();
        let folder = cache.join(&name);
        if folder.is_dir() {
            return Ok(folder);
        }
        fs::create_dir_all(cache).map_err(Error::at("create", cache))?;
        let _lock = self.lock(&cache.join(format!("{name}.lock")), progress)?;
        // Whoever held the lock before may have built what we want.
        if !folder.is_dir() {
            self.build_all(&cache.join(format!("{name}.partial")), &folder, progress)?;
        }
        Ok(folder)
    }

    /// A hash of everything that decides what the programs are. Another release of Rust may hash otherwise: then they
    /// are built once more.
    fn folder_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.builds.hash(&mut hasher);
        format!("{}-{:016x}", self.name, hasher.finish())
    }

    /// Two test processes at once build once: the second waits here. The lock goes with its process, however that
    /// ends.
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

    /// The folder appears under its name only when all is in it, so that its presence is all there is to check.
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
            // A git repository around the module has nothing to say about what is built.
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
