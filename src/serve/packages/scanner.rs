//! Keeps the catalog up to date: lists the folder again and again, and hashes new and changed files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use super::cache::HashCache;
use super::catalog::{FileState, PackageCatalog};
use super::file::{PackageFile, StorePath};
use super::folder::{FolderError, OpenAs, PackageFolder};
use super::hashing::{HashJob, HashStep};
use super::held::HeldFiles;
use super::identity::{FileIdentity, nanoseconds};
use super::listing::{Listing, problem_of};
use super::problem::{PackageProblem, ProblemKind};
use super::signatures::{SignatureFile, verify};
use crate::ddi::PackageKey;
use crate::values::Version;

/// Bytes that are hashed before the scanner does something else, about 0.1 s.
const STEP_BYTES: u64 = 32 * 1024 * 1024;
/// Time until a file that could not be read is read again.
const RETRY_TIME: Duration = Duration::from_secs(60);

/// Settings of a scanner.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// Time without a change after which a file counts as completely written.
    pub settle_time: Duration,
    /// Time for which a replaced or deleted file can be sent to clients that were linked to it.
    pub hold_time: Duration,
    /// Maximum number of such files.
    pub max_held: usize,
    /// Maximum number of files and folders in the store. Each file needs a descriptor.
    pub max_entries: usize,
    /// Key whose owner must have signed a file; `None` if files need no signature.
    ///
    /// With a key, each file is read again after a restart: cached hashes are no proof that a
    /// signature was verified.
    pub key: Option<PackageKey>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            settle_time: Duration::from_secs(10),
            hold_time: Duration::from_secs(24 * 60 * 60),
            max_held: 64,
            max_entries: 4096,
            key: None,
        }
    }
}

/// A listed file.
#[derive(Debug)]
struct Tracked {
    version: Version,
    identity: FileIdentity,
    /// Time since which the file has not changed.
    unchanged_since: i128,
    signature: Option<SignatureFile>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Waiting(File),
    Hashed(Arc<PackageFile>),
    /// The file was hashed, but its signature does not vouch for it.
    Refused(Arc<PackageFile>, ProblemKind),
    Failed {
        kind: ProblemKind,
        at: i128,
    },
}

impl Tracked {
    /// Returns the hashed file with its signature, as the content that is offered or refused.
    fn judge(&self, file: &PackageFile, options: &ScanOptions) -> Content {
        let text = self.signature.as_ref().and_then(SignatureFile::text);
        let file = Arc::new(file.with_signature(text.cloned()));
        match options.key.map_or(Ok(()), |key| verify(&key, &file, self.signature.as_ref())) {
            Ok(()) => Content::Hashed(file),
            Err(kind) => Content::Refused(file, kind),
        }
    }

    fn problem(&self) -> Option<&ProblemKind> {
        match &self.content {
            Content::Failed { kind, .. } | Content::Refused(_, kind) => Some(kind),
            _ => self.signature.as_ref().and_then(SignatureFile::problem),
        }
    }
}

/// The file that is being hashed.
struct CurrentJob {
    path: StorePath,
    job: HashJob,
}

/// Lists and hashes the files of one folder. Its methods block, but for [`Self::run`].
pub struct PackageScanner {
    path: PathBuf,
    options: ScanOptions,
    cache: Option<HashCache>,
    cache_problem: Option<PackageProblem>,
    listing: Listing,
    listed_at: i128,
    tracked: BTreeMap<StorePath, Tracked>,
    held: HeldFiles,
    job: Option<CurrentJob>,
    /// True if the cache has no hashes of files that were deleted while the process was not running.
    is_cache_pruned: bool,
    is_complete: bool,
    /// Problems at the last list, and those of them that are logged.
    problems: BTreeSet<PackageProblem>,
    logged: BTreeSet<PackageProblem>,
    catalog: watch::Sender<Arc<PackageCatalog>>,
}

impl PackageScanner {
    /// Creates a scanner of the store at `path`, and the receiver of its catalogs. The first catalog
    /// is empty.
    ///
    /// # Errors
    /// Returns a [`FolderError`] if the store cannot be used.
    pub fn new(
        path: &Path,
        options: ScanOptions,
        cache: Option<HashCache>,
    ) -> Result<(Self, watch::Receiver<Arc<PackageCatalog>>), FolderError> {
        PackageFolder::open(path)?;
        let (catalog, receiver) = watch::channel(Arc::default());
        let scanner = Self {
            path: path.to_owned(),
            options,
            cache,
            cache_problem: None,
            listing: Listing::default(),
            listed_at: 0,
            tracked: BTreeMap::new(),
            held: HeldFiles::default(),
            job: None,
            is_cache_pruned: false,
            is_complete: false,
            problems: BTreeSet::new(),
            logged: BTreeSet::new(),
            catalog,
        };
        Ok((scanner, receiver))
    }

    /// Scans the store every `interval`, on threads that may block.
    ///
    /// # Errors
    /// Returns a message if the scanner has stopped because of a bug.
    pub async fn run(mut self, interval: Duration) -> Result<(), String> {
        loop {
            let next = Instant::now() + interval;
            self = self.on_thread(|scanner| scanner.list(SystemTime::now())).await?;
            while self.has_work() && Instant::now() < next {
                self = self.on_thread(|scanner| scanner.hash_step(STEP_BYTES)).await?;
            }
            tokio::time::sleep_until(next).await;
        }
    }

    async fn on_thread(
        mut self,
        work: impl FnOnce(&mut Self) + Send + 'static,
    ) -> Result<Self, String> {
        let done = tokio::task::spawn_blocking(move || {
            work(&mut self);
            self
        });
        done.await.map_err(|error| format!("the scanner of the packages has stopped: {error}"))
    }

    /// Lists the store, and hashes all files that need it.
    pub fn scan_once(&mut self, now: SystemTime) {
        self.list(now);
        while self.has_work() {
            self.hash_step(STEP_BYTES);
        }
    }

    /// Lists the store. Files that have changed are no longer offered.
    pub fn list(&mut self, now: SystemTime) {
        self.listed_at = nanoseconds(now);
        match PackageFolder::open(&self.path) {
            Ok(folder) => {
                self.listing = Listing::of(&folder, self.options.max_entries);
                self.forget();
                let files = std::mem::take(&mut self.listing.files);
                for (path, identity) in &files {
                    self.track(&folder, path, *identity);
                    self.read_signature(&folder, path);
                }
                self.listing.files = files;
            }
            Err(error) => self.listing = Listing::unreadable(error.to_string()),
        }
        let is_current = |job: &CurrentJob| {
            let tracked = self.tracked.get(&job.path);
            tracked.is_some_and(|tracked| {
                matches!(tracked.content, Content::Waiting(_))
                    && tracked.identity == *job.job.identity()
                    && self.listing.files.contains_key(&job.path)
            })
        };
        self.job = self.job.take().filter(is_current);
        if !self.is_cache_pruned && self.listing.unread.is_empty() {
            self.is_cache_pruned = true;
            let pruned = self.cache.as_ref().map(|cache| cache.retain(self.listing.files.keys()));
            self.note_cache(pruned.unwrap_or(Ok(())));
        }
        self.publish();
        self.log();
    }

    /// Returns whether a file must be hashed.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.job.is_some() || self.next().is_some()
    }

    /// Hashes about `max_bytes` of one file, and offers the file after its last byte.
    pub fn hash_step(&mut self, max_bytes: u64) {
        let Some(mut current) = self.job.take().or_else(|| self.start()) else { return };
        match current.job.step(max_bytes) {
            HashStep::More => self.job = Some(current),
            HashStep::Done(hashes, signed) => {
                let identity = *current.job.identity();
                if let Some(cache) = &self.cache {
                    self.note_cache(cache.put(&current.path, &identity, &hashes));
                }
                let file = current.job.into_file();
                self.hashed(&current.path, |path, version| {
                    PackageFile::new(path, version, identity, hashes, signed, file)
                });
                self.publish();
            }
            // The next list finds the file as a new one.
            HashStep::Changed => {
                self.tracked.remove(&current.path);
                self.publish();
            }
            HashStep::Failed(error) => {
                if let Some(tracked) = self.tracked.get_mut(&current.path) {
                    tracked.content = failed(&error, self.listed_at);
                }
                self.publish();
            }
        }
    }

    /// Stops offering the files that are no longer in the store.
    fn forget(&mut self) {
        let Self { listing, tracked, held, cache, listed_at, .. } = self;
        tracked.retain(|path, tracked| {
            let listed = listing.files.get(path);
            let is_there = listed.map_or_else(|| listing.may_have(path), Option::is_some);
            if !is_there {
                if let Some(cache) = cache {
                    cache.remove(path);
                }
                if let Content::Hashed(file) = &tracked.content {
                    held.add(Arc::clone(file), *listed_at);
                }
            }
            is_there
        });
    }

    /// Starts to track a listed file, or what it was replaced by.
    fn track(&mut self, folder: &PackageFolder, path: &StorePath, identity: Option<FileIdentity>) {
        let Some(identity) = identity else { return };
        let now = self.listed_at;
        if let Some(known) = self.tracked.get(path).filter(|known| known.identity == identity) {
            let is_retried = |at: i128| now - at >= RETRY_TIME.as_nanos() as i128;
            if !matches!(known.content, Content::Failed { at, .. } if is_retried(at)) {
                return;
            }
        }
        if let Some(old) = self.tracked.remove(path)
            && let Content::Hashed(file) = old.content
        {
            self.held.add(file, now);
        }
        let Some(listed) = self.listing.versions.get(&path.version) else { return };
        let version = listed.version.clone();
        let content = match open_content(folder, &path.to_string(), &identity) {
            Ok(Some(file)) => Content::Waiting(file),
            // The file was replaced since it was listed, so the next list finds another one.
            Ok(None) => return,
            Err(error) => failed(&error, now),
        };
        let cache = self.cache.as_ref().filter(|_| self.options.key.is_none());
        let cached = cache.and_then(|cache| cache.get(path, &identity));
        let unchanged_since = now.min(identity.last_change());
        let tracked = Tracked { version, identity, unchanged_since, signature: None, content };
        if let (Some(hashes), Content::Waiting(file)) = (cached, &tracked.content) {
            let file = file.try_clone();
            self.tracked.insert(path.clone(), tracked);
            if let Ok(file) = file {
                self.hashed(path, |path, version| {
                    PackageFile::new(path, version, identity, hashes, None, file)
                });
            }
        } else {
            self.tracked.insert(path.clone(), tracked);
        }
    }

    /// Reads the signature of a listed file if it is new or has changed, and offers the file or stops
    /// offering it.
    fn read_signature(&mut self, folder: &PackageFolder, path: &StorePath) {
        let listed = self.listing.signatures.get(path);
        let Some(tracked) = self.tracked.get_mut(path) else { return };
        let is_known = match (&tracked.signature, listed) {
            (None, None) => true,
            (Some(known), Some(listed)) => known.is_current(listed),
            _ => false,
        };
        if is_known {
            return;
        }
        tracked.signature = listed.map(|identity| SignatureFile::read(folder, path, *identity));
        let file = match &tracked.content {
            Content::Hashed(file) | Content::Refused(file, _) => Arc::clone(file),
            Content::Waiting(_) | Content::Failed { .. } => return,
        };
        let new = tracked.judge(&file, &self.options);
        let old = std::mem::replace(&mut tracked.content, new);
        if let (Content::Hashed(old), Content::Refused(..)) = (old, &tracked.content) {
            self.held.add(old, self.listed_at);
        }
    }

    fn hashed(&mut self, path: &StorePath, file: impl FnOnce(StorePath, Version) -> PackageFile) {
        if let Some(tracked) = self.tracked.get_mut(path) {
            let file = file(path.clone(), tracked.version.clone());
            self.held.revoke_rewritten(&file);
            tracked.content = tracked.judge(&file, &self.options);
        }
    }

    /// Returns the next file to hash, that of the highest version.
    fn next(&self) -> Option<&StorePath> {
        let settle = self.options.settle_time.as_nanos() as i128;
        let is_due = |(path, tracked): &(&StorePath, &Tracked)| {
            matches!(tracked.content, Content::Waiting(_))
                && self.listed_at - tracked.unchanged_since >= settle
                && self.listing.files.contains_key(*path)
        };
        let due = self.tracked.iter().filter(is_due);
        due.max_by(|one, other| one.1.version.cmp(&other.1.version)).map(|(path, _)| path)
    }

    fn start(&mut self) -> Option<CurrentJob> {
        let path = self.next()?.clone();
        let is_signed = self.options.key.is_some();
        let tracked = self.tracked.get_mut(&path)?;
        let Content::Waiting(file) = &tracked.content else { return None };
        match file.try_clone() {
            Ok(file) => {
                Some(CurrentJob { path, job: HashJob::new(file, tracked.identity, is_signed) })
            }
            Err(error) => {
                tracked.content = failed(&error, self.listed_at);
                None
            }
        }
    }

    fn note_cache(&mut self, result: io::Result<()>) {
        self.cache_problem = result
            .err()
            .map(|error| PackageProblem::new("", ProblemKind::CacheUnwritable(error.to_string())));
    }

    /// Replaces the catalog if it has changed.
    fn publish(&mut self) {
        self.is_complete |= !self.listing.unread.contains("") && !self.has_work();
        let Self { held, tracked, options, .. } = self;
        held.prune(self.listed_at, options.hold_time, options.max_held, |file| {
            let offered = tracked.get(file.path()).map(|tracked| &tracked.content);
            matches!(offered, Some(Content::Hashed(offered)) if offered.artifact() == file.artifact())
        });
        let unlisted = tracked.iter().filter(|(path, _)| !self.listing.files.contains_key(*path));
        let unlisted = unlisted.filter_map(|(_, tracked)| match &tracked.content {
            Content::Hashed(file) => Some(file),
            _ => None,
        });
        let held: Vec<_> = held.files().chain(unlisted).cloned().collect();
        let state = |path: &StorePath| self.state(path);
        let mut catalog = PackageCatalog::new(&self.listing, state, held, self.is_complete);
        for (path, tracked) in &self.tracked {
            if let Some(kind) = tracked.problem() {
                catalog.add_problem(PackageProblem::new(path.to_string(), kind.clone()));
            }
        }
        if let Some(problem) = &self.cache_problem {
            catalog.add_problem(problem.clone());
        }
        self.catalog.send_if_modified(|current| {
            let is_new = **current != catalog;
            if is_new {
                *current = Arc::new(catalog);
            }
            is_new
        });
    }

    fn state(&self, path: &StorePath) -> FileState {
        match self.tracked.get(path).map(|tracked| &tracked.content) {
            Some(Content::Hashed(file)) => FileState::Ready(Arc::clone(file)),
            Some(Content::Refused(..)) => FileState::Unverified,
            Some(Content::Failed { .. }) => FileState::Broken,
            Some(Content::Waiting(_)) => FileState::Pending,
            None if self.listing.files.get(path).is_some_and(Option::is_some) => FileState::Pending,
            None => FileState::Broken,
        }
    }

    /// Logs each problem that two lists have found, and when it has gone. A file that is being
    /// copied is a problem for a short time only.
    fn log(&mut self) {
        let store = self.path.display();
        let problems = self.catalog.borrow().problems().clone();
        for problem in problems.intersection(&self.problems) {
            if self.logged.insert(problem.clone()) {
                tracing::warn!(%store, %problem, "a problem with the packages");
            }
        }
        self.logged.retain(|problem| {
            let is_there = problems.contains(problem);
            if !is_there {
                tracing::info!(%store, %problem, "a problem with the packages is solved");
            }
            is_there
        });
        self.problems = problems;
    }
}

fn failed(error: &io::Error, at: i128) -> Content {
    Content::Failed { kind: problem_of(error), at }
}

/// Opens a file to read it. Returns `None` if it is not the file that was listed.
pub(super) fn open_content(
    folder: &PackageFolder,
    path: &str,
    identity: &FileIdentity,
) -> io::Result<Option<File>> {
    let file = match folder.open_beneath(path, OpenAs::Content) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let is_listed = metadata.is_file() && FileIdentity::of(&metadata) == *identity;
    Ok(is_listed.then_some(file))
}
