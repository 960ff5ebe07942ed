//! Defines the catalog: what the store offers at one time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::file::{PackageFile, StorePath};
use super::listing::{ListedVersion, Listing};
use super::problem::{PackageProblem, ProblemKind};
use crate::ddi::{Agent, FileName};
use crate::values::Version;

/// Endings of which agents install the only file; several of one ending are a [`PackageProblem`].
const CHOSEN_SUFFIXES: [&str; 2] = [".swu", ".raucb"];

/// What is known about a listed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The file can be sent.
    Ready(Arc<PackageFile>),
    /// The file is not hashed yet, or is still being written.
    Pending,
    /// The file cannot be sent, and a [`PackageProblem`] says why.
    Broken,
    /// The file has no valid signature, and a [`PackageProblem`] says why.
    Unverified,
}

/// Files of one version, for all clients or for those of one variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    folder: String,
    names: Vec<FileName>,
    states: Vec<FileState>,
}

/// Why a version has no package for a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPackage {
    /// No folder has this version.
    #[error("the store has no folder of this version")]
    UnknownVersion,
    /// Several folders have this version.
    #[error("the folders {} are the same version", .0.join(", "))]
    SameVersion(Vec<String>),
    /// The version has variants, but not that of the client.
    #[error("the folder {folder} has no variant {variant:?}")]
    UnknownVariant {
        /// Folder of the version.
        folder: String,
        /// Variant of the client.
        variant: String,
    },
    /// The version has variants and no files for other clients.
    #[error("the folder {0} has files only for clients with a variant label")]
    NeedsVariant(String),
    /// The folder has no files.
    #[error("the folder {0} has no files")]
    NoFiles(String),
    /// The folder cannot be read.
    #[error("the folder {0} cannot be read")]
    Unreadable(String),
}

/// Why a package has no file for an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFile {
    /// The agent installs none of the files, or cannot choose one.
    #[error("the folder {0} has not exactly one file that the agent installs")]
    NoChoice(String),
    /// The file is not hashed yet, or is still being written.
    #[error("{0} is not hashed yet")]
    Pending(String),
    /// The file cannot be sent.
    #[error("{0} cannot be read")]
    Broken(String),
    /// The file is not offered, because signatures are verified and it has no valid one.
    #[error("{0} has no valid signature")]
    Unverified(String),
}

impl Package {
    /// Returns the files with their states, sorted by name.
    pub fn files(&self) -> impl Iterator<Item = (&FileName, &FileState)> {
        self.names.iter().zip(&self.states)
    }

    /// Returns the file that an agent installs. A file that is not ready counts in the choice, so
    /// the choice does not depend on how far the scanner is.
    ///
    /// # Errors
    /// Returns a [`NoFile`] if the agent cannot choose a file, or if the file is not ready.
    pub fn choose(&self, agent: Agent) -> Result<&Arc<PackageFile>, NoFile> {
        let no_choice = || NoFile::NoChoice(self.folder.clone());
        let name = agent.choose(&self.names).ok_or_else(no_choice)?;
        let path = || format!("{}/{name}", self.folder);
        match self.files().find(|(other, _)| *other == name) {
            Some((_, FileState::Ready(file))) => Ok(file),
            Some((_, FileState::Pending)) => Err(NoFile::Pending(path())),
            Some((_, FileState::Broken)) => Err(NoFile::Broken(path())),
            Some((_, FileState::Unverified)) => Err(NoFile::Unverified(path())),
            None => Err(no_choice()),
        }
    }

    fn add(&mut self, name: FileName, state: FileState) {
        self.names.push(name);
        self.states.push(state);
    }

    /// Returns the files that agents cannot choose between, for each kind of agent.
    fn ambiguities(&self) -> Vec<Vec<String>> {
        let texts = |suffix: &str| -> Vec<String> {
            let names = self.names.iter().map(|name| name.to_string());
            names.filter(|name| name.ends_with(suffix)).collect()
        };
        let mut found: Vec<_> =
            CHOSEN_SUFFIXES.map(texts).into_iter().filter(|names| names.len() > 1).collect();
        let agents = [Agent::Swupdate, Agent::RaucHawkbitUpdater, Agent::Other];
        let is_chosen = agents.iter().any(|agent| agent.choose(&self.names).is_some());
        if found.is_empty() && !is_chosen && !self.names.is_empty() {
            found.push(texts(""));
        }
        found
    }
}

/// Folders of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct VersionFolders {
    /// Names of the folders; a version with several is not offered.
    folders: Vec<String>,
    common: Package,
    variants: BTreeMap<String, Package>,
}

/// What the store offers at one time. A catalog does not change; the scanner replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageCatalog {
    versions: BTreeMap<Version, VersionFolders>,
    unread: BTreeSet<String>,
    held: Vec<Arc<PackageFile>>,
    problems: BTreeSet<PackageProblem>,
    is_complete: bool,
}

impl PackageCatalog {
    /// Creates the catalog of a listing. `held` are files that are not listed, but can be sent.
    #[must_use]
    pub fn new(
        listing: &Listing,
        state: impl Fn(&StorePath) -> FileState,
        held: Vec<Arc<PackageFile>>,
        is_complete: bool,
    ) -> Self {
        let mut versions: BTreeMap<Version, VersionFolders> = BTreeMap::new();
        for (name, ListedVersion { version, variants }) in &listing.versions {
            let folders = versions.entry(version.clone()).or_default();
            folders.folders.push(name.clone());
            folders.common.folder = name.clone();
            let package =
                |variant| Package { folder: format!("{name}/{variant}"), ..Package::default() };
            folders.variants.extend(variants.iter().map(|name| (name.clone(), package(name))));
        }
        for path in listing.files.keys() {
            let listed = listing.versions.get(&path.version);
            let folders = listed.and_then(|listed| versions.get_mut(&listed.version));
            let Some(folders) = folders else { continue };
            let package = match &path.variant {
                None => Some(&mut folders.common),
                Some(variant) => folders.variants.get_mut(variant),
            };
            if let Some(package) = package {
                package.add(path.file.clone(), state(path));
            }
        }
        let mut problems = listing.problems.clone();
        versions.values().for_each(|folders| folders.find_problems(&mut problems));
        Self { versions, unread: listing.unread.clone(), held, problems, is_complete }
    }

    /// Returns the files of a version for a client; `variant` is the value of its variant label.
    ///
    /// If the version has no variants at all, its files are for all clients. If it has variants, a
    /// client with the label gets only the files of its variant.
    ///
    /// # Errors
    /// Returns a [`NoPackage`] if the store has no files of this version for the client.
    pub fn package(&self, version: &Version, variant: Option<&str>) -> Result<&Package, NoPackage> {
        if self.unread.contains("") {
            return Err(NoPackage::Unreadable("of the store".to_owned()));
        }
        let entry = self.versions.get(version).ok_or(NoPackage::UnknownVersion)?;
        let VersionFolders { folders, common, variants } = entry;
        let [folder] = folders.as_slice() else {
            return Err(NoPackage::SameVersion(folders.clone()));
        };
        if self.unread.contains(folder) {
            return Err(NoPackage::Unreadable(folder.clone()));
        }
        let unknown = |variant: &str| NoPackage::UnknownVariant {
            folder: folder.clone(),
            variant: variant.to_owned(),
        };
        let package = match variant {
            Some(variant) if !variants.is_empty() => {
                variants.get(variant).ok_or_else(|| unknown(variant))?
            }
            _ => common,
        };
        if self.unread.contains(&package.folder) {
            return Err(NoPackage::Unreadable(package.folder.clone()));
        }
        match package.names.is_empty() {
            false => Ok(package),
            true if variant.is_none() && !variants.is_empty() => {
                Err(NoPackage::NeedsVariant(folder.clone()))
            }
            true => Err(NoPackage::NoFiles(package.folder.clone())),
        }
    }

    /// Returns a file by its hash, for a client that was already linked to it: also if it was
    /// replaced or deleted since.
    #[must_use]
    pub fn linked_file(
        &self,
        version: &Version,
        name: &FileName,
        sha256: &[u8; 32],
    ) -> Option<&Arc<PackageFile>> {
        let is_linked = |file: &&Arc<PackageFile>| {
            let artifact = file.artifact();
            file.version() == version && artifact.file == *name && artifact.hashes.sha256 == *sha256
        };
        let offered = self.versions.get(version).into_iter().flat_map(|entry| self.ready_of(entry));
        offered.chain(&self.held).find(is_linked)
    }

    /// Returns all files that can be sent and are offered.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<PackageFile>> {
        self.versions.values().flat_map(|entry| self.ready_of(entry))
    }

    fn ready_of<'a>(
        &'a self,
        entry: &'a VersionFolders,
    ) -> impl Iterator<Item = &'a Arc<PackageFile>> {
        let packages = entry.packages().filter(|_| entry.folders.len() == 1);
        let packages = packages.filter(|package| !self.unread.contains(&package.folder));
        packages.flat_map(|package| &package.states).filter_map(|state| match state {
            FileState::Ready(file) => Some(file),
            FileState::Pending | FileState::Broken | FileState::Unverified => None,
        })
    }

    /// Returns the number of files that are not hashed yet, or are still being written.
    #[must_use]
    pub fn pending(&self) -> usize {
        let packages = self.versions.values().flat_map(VersionFolders::packages);
        let states = packages.flat_map(|package| &package.states);
        states.filter(|state| matches!(state, FileState::Pending)).count()
    }

    /// Returns the files that are no longer in the store, but are kept for their downloads.
    #[must_use]
    pub fn held(&self) -> &[Arc<PackageFile>] {
        &self.held
    }

    /// Returns what is wrong with the store.
    #[must_use]
    pub fn problems(&self) -> &BTreeSet<PackageProblem> {
        &self.problems
    }

    /// Returns whether all files that were complete when the process started have been hashed.
    /// Before that, a file that an agent is downloading may be missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn add_problem(&mut self, problem: PackageProblem) {
        self.problems.insert(problem);
    }
}

impl VersionFolders {
    fn packages(&self) -> impl Iterator<Item = &Package> {
        self.variants.values().chain([&self.common])
    }

    fn find_problems(&self, problems: &mut BTreeSet<PackageProblem>) {
        if let [first, _, ..] = self.folders.as_slice() {
            let kind = ProblemKind::SameVersion(self.folders.clone());
            problems.insert(PackageProblem::new(first, kind));
            return;
        }
        for package in self.packages() {
            for names in package.ambiguities() {
                let kind = ProblemKind::NoChoice(names);
                problems.insert(PackageProblem::new(&package.folder, kind));
            }
        }
    }
}
