//! Lists the folder of the store: which files are in which folders, and what is out of place.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;

use super::file::StorePath;
use super::folder::{OpenAs, PackageFolder, is_loop, leaves_the_folder};
use super::identity::FileIdentity;
use super::problem::{PackageProblem, ProblemKind};
use crate::api::{bounds, is_label_value};
use crate::ddi::FileName;
use crate::ddi::path::SIGNATURE_SUFFIX;
use crate::values::Version;

/// Folder for recovered files, which ext4 creates at the top of a volume.
const RECOVERED_FILES: &str = "lost+found";

/// Content of the store at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files with a name that can be served; the identity is `None` if the file cannot be.
    pub files: BTreeMap<StorePath, Option<FileIdentity>>,
    /// Signatures by the paths of the files that they are of.
    pub signatures: BTreeMap<StorePath, FileIdentity>,
    /// Folders of versions by their names, also those without files.
    pub versions: BTreeMap<String, ListedVersion>,
    /// Folders whose content is not known; an empty path is the whole store.
    pub unread: BTreeSet<String>,
    /// What is out of place.
    pub problems: BTreeSet<PackageProblem>,
}

/// Folder of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// Version that the folder's name means.
    pub version: Version,
    /// Names of the folders of variants.
    pub variants: BTreeSet<String>,
}

/// What a path is.
enum Found {
    Folder,
    File(FileIdentity),
    Nothing,
}

impl Listing {
    /// Lists a folder with at most `max_entries` files and folders. If there are more, the lowest
    /// versions are missing.
    #[must_use]
    pub fn of(folder: &PackageFolder, max_entries: usize) -> Self {
        let listing = Self::default();
        let mut lister = Lister { folder, room: max_entries, is_full: false, listing };
        lister.list_store();
        let Lister { is_full, mut listing, .. } = lister;
        if is_full {
            listing.problems.insert(PackageProblem::new("", ProblemKind::TooMany(max_entries)));
        }
        listing
    }

    /// Returns the listing of a store that cannot be opened.
    #[must_use]
    pub fn unreadable(error: String) -> Self {
        let problem = PackageProblem::new("", ProblemKind::Unreadable(error));
        Self {
            unread: BTreeSet::from([String::new()]),
            problems: BTreeSet::from([problem]),
            ..Self::default()
        }
    }

    /// Returns whether a file that is not in the listing may still be in the store.
    #[must_use]
    pub fn may_have(&self, path: &StorePath) -> bool {
        let folder = path.folder();
        ["", &path.version, &folder].iter().any(|folder| self.unread.contains(*folder))
    }
}

struct Lister<'a> {
    folder: &'a PackageFolder,
    /// Number of files and folders that may still be listed.
    room: usize,
    /// True if there were more.
    is_full: bool,
    listing: Listing,
}

impl Lister<'_> {
    fn list_store(&mut self) {
        let mut versions = Vec::new();
        for name in self.names("") {
            if name == RECOVERED_FILES {
                continue;
            }
            let Some(name) = self.text(name, "", |name| ProblemKind::BadVersion(not_utf8(name)))
            else {
                continue;
            };
            match (self.find(&name), version(&name)) {
                (Found::Folder, Ok(version)) => versions.push((version, name)),
                (Found::Folder, Err(error)) => self.problem(&name, ProblemKind::BadVersion(error)),
                (Found::File(_), _) => self.problem(&name, ProblemKind::OutsideVersion),
                (Found::Nothing, _) => {}
            }
        }
        versions.sort_by(|one, other| other.cmp(one));
        for (version, name) in versions {
            let listed = ListedVersion { version, variants: BTreeSet::new() };
            self.listing.versions.insert(name.clone(), listed);
            self.list_version(&name);
        }
    }

    fn list_version(&mut self, version: &str) {
        for variant in self.list_files(version, None) {
            let folder = format!("{version}/{variant}");
            if !is_label_value(&variant) {
                self.problem(&folder, ProblemKind::BadVariant);
                continue;
            }
            for name in self.list_files(version, Some(&variant)) {
                self.problem(&format!("{folder}/{name}"), ProblemKind::TooDeep);
            }
            if let Some(listed) = self.listing.versions.get_mut(version) {
                listed.variants.insert(variant);
            }
        }
    }

    /// Lists the files of a folder, and returns the names of the folders in it.
    fn list_files(&mut self, version: &str, variant: Option<&str>) -> Vec<String> {
        let folder = variant.map_or_else(|| version.to_owned(), |name| format!("{version}/{name}"));
        let names = self.names(&folder).into_iter();
        let names: Vec<String> = names
            .filter_map(|name| self.text(name, &folder, |_| ProblemKind::BadFileName))
            .collect();
        let mut folders = Vec::new();
        for name in &names {
            let path = format!("{folder}/{name}");
            let store_path = |file| StorePath {
                version: version.to_owned(),
                variant: variant.map(ToOwned::to_owned),
                file,
            };
            match (self.find(&path), name.strip_suffix(SIGNATURE_SUFFIX)) {
                (Found::Folder, _) => folders.push(name.clone()),
                (Found::File(_), Some(signed)) if !names.iter().any(|name| name == signed) => {
                    self.problem(&path, ProblemKind::LoneSignature);
                }
                (Found::File(identity), Some(signed)) => match FileName::parse(signed) {
                    Some(file) => {
                        self.listing.signatures.insert(store_path(file), identity);
                    }
                    None => self.problem(&path, ProblemKind::BadFileName),
                },
                (Found::Nothing, Some(_)) => {}
                (found, None) => match FileName::parse(name) {
                    Some(file) => self.add_file(store_path(file), &path, &found),
                    None => self.problem(&path, ProblemKind::BadFileName),
                },
            }
        }
        folders
    }

    /// Returns the names in a folder, none if it cannot be listed.
    fn names(&mut self, folder: &str) -> Vec<OsString> {
        let path = if folder.is_empty() { "." } else { folder };
        match self.folder.names(path, self.room) {
            Ok(Some(names)) => {
                self.room -= names.len();
                if names.is_empty() && !folder.is_empty() {
                    self.problem(folder, ProblemKind::NoFiles);
                }
                names
            }
            Ok(None) => {
                self.is_full = true;
                self.room = 0;
                self.listing.unread.insert(folder.to_owned());
                Vec::new()
            }
            Err(error) => {
                self.listing.unread.insert(folder.to_owned());
                self.problem(folder, ProblemKind::Unreadable(error.to_string()));
                Vec::new()
            }
        }
    }

    fn add_file(&mut self, store_path: StorePath, path: &str, found: &Found) {
        let identity = match found {
            Found::File(identity) if identity.size > 0 => Some(*identity),
            Found::File(_) => {
                self.problem(path, ProblemKind::EmptyFile);
                None
            }
            _ => None,
        };
        self.listing.files.insert(store_path, identity);
    }

    /// Returns what a path is; records the problem if it is nothing that can be served.
    fn find(&mut self, path: &str) -> Found {
        let opened = self.folder.open_beneath(path, OpenAs::Metadata);
        let kind = match opened.and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_dir() => return Found::Folder,
            Ok(metadata) if metadata.is_file() => {
                return Found::File(FileIdentity::of(&metadata));
            }
            Ok(_) => ProblemKind::NoRegularFile,
            Err(error) => problem_of(&error),
        };
        self.problem(path, kind);
        Found::Nothing
    }

    /// Returns a name as text; records a problem if it is not UTF-8.
    fn text(
        &mut self,
        name: OsString,
        folder: &str,
        kind: impl FnOnce(&str) -> ProblemKind,
    ) -> Option<String> {
        let name = match name.into_string() {
            Ok(name) => return Some(name),
            Err(name) => name.display().to_string(),
        };
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        self.problem(&path, kind(&name));
        None
    }

    fn problem(&mut self, path: &str, kind: ProblemKind) {
        // Escape line breaks and the like, because anyone who fills the store chooses the names.
        let path = path.escape_debug().to_string();
        self.listing.problems.insert(PackageProblem { path, kind });
    }
}

/// Returns the problem of a path that is in the store and cannot be opened.
pub(super) fn problem_of(error: &io::Error) -> ProblemKind {
    match error.kind() {
        _ if leaves_the_folder(error) => ProblemKind::LeavesFolder,
        io::ErrorKind::NotFound => ProblemKind::BrokenLink,
        _ if is_loop(error) => ProblemKind::BrokenLink,
        _ => ProblemKind::Unreadable(error.to_string()),
    }
}

fn version(name: &str) -> Result<Version, String> {
    if name.len() > bounds::VERSION {
        return Err(format!("a version has at most {} characters", bounds::VERSION));
    }
    Version::parse(name).map_err(|error| error.to_string())
}

fn not_utf8(name: &str) -> String {
    format!("the name {name:?} is not UTF-8")
}
