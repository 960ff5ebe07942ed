//! A package store in a temporary folder, and its scanner.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clientfleet::ddi::{Agent, FileName};
use clientfleet::serve::packages::{
    HashCache, NoFile, PackageCatalog, PackageFile, PackageScanner, ScanOptions,
};
use clientfleet::values::Version;
use tempfile::TempDir;
use tokio::sync::watch;

pub struct Store {
    folder: TempDir,
    pub scanner: PackageScanner,
    catalog: watch::Receiver<Arc<PackageCatalog>>,
    /// Time between the clock of the machine and that of the next scan.
    ahead: Duration,
}

pub fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub fn file_name(text: &str) -> FileName {
    FileName::parse(text).unwrap()
}

impl Store {
    pub fn new() -> Self {
        Self::with(ScanOptions::default(), None)
    }

    pub fn with(options: ScanOptions, cache: Option<&Path>) -> Self {
        Self::at(tempfile::tempdir().unwrap(), options, cache)
    }

    pub fn at(folder: TempDir, options: ScanOptions, cache: Option<&Path>) -> Self {
        let cache = cache.map(|cache| HashCache::open(cache, folder.path()).unwrap());
        let (scanner, catalog) = PackageScanner::new(folder.path(), options, cache).unwrap();
        Self { folder, scanner, catalog, ahead: Duration::from_secs(60 * 60) }
    }

    /// Ends the scanner and keeps the folder.
    pub fn into_folder(self) -> TempDir {
        self.folder
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file in place.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Replaces a file by renaming another one.
    pub fn replace(&self, path: &str, content: impl AsRef<[u8]>) {
        let new = self.path(".new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path(path)).unwrap();
    }

    /// Scans a minute after the last scan, so that all files are settled.
    pub fn scan(&mut self) -> Arc<PackageCatalog> {
        self.ahead += Duration::from_secs(60);
        self.scanner.scan_once(SystemTime::now() + self.ahead);
        self.catalog()
    }

    pub fn list(&mut self) -> Arc<PackageCatalog> {
        self.ahead += Duration::from_secs(60);
        self.scanner.list(SystemTime::now() + self.ahead);
        self.catalog()
    }

    /// Scans at the time of the machine, at which a file that was just written is not settled.
    pub fn scan_now(&mut self) -> Arc<PackageCatalog> {
        self.scanner.scan_once(SystemTime::now());
        self.catalog()
    }

    pub fn catalog(&self) -> Arc<PackageCatalog> {
        Arc::clone(&self.catalog.borrow())
    }

    /// Returns the problems, one a line.
    pub fn problems(&mut self) -> String {
        let catalog = self.scan();
        let lines: Vec<String> = catalog.problems().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

/// Returns the file of a version for an agent that installs the only file.
pub fn offered(catalog: &PackageCatalog, text: &str) -> Result<Arc<PackageFile>, String> {
    offered_to(catalog, text, None, Agent::Other)
}

pub fn offered_to(
    catalog: &PackageCatalog,
    text: &str,
    variant: Option<&str>,
    agent: Agent,
) -> Result<Arc<PackageFile>, String> {
    let package = catalog.package(&version(text), variant).map_err(|error| error.to_string())?;
    package.choose(agent).cloned().map_err(|error: NoFile| error.to_string())
}

/// Returns the path of what a client is offered, or why there is nothing.
pub fn offer(catalog: &PackageCatalog, text: &str, variant: Option<&str>, agent: Agent) -> String {
    match offered_to(catalog, text, variant, agent) {
        Ok(file) => file.path().to_string(),
        Err(error) => error,
    }
}
