//! Defines what is wrong with the folder of the store, for logs, metrics and `--check`.

use std::fmt;

use crate::ddi::signature::SignatureError;

/// Something in the folder that is not offered, or that no agent can be offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageProblem {
    /// Path relative to the folder of the store, printable; empty if the problem is the folder.
    pub path: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum ProblemKind {
    /// A folder at the top is not named as a version.
    #[error("{0}; name the folder as the version of its files, or move it out of the store")]
    BadVersion(String),
    /// Several folders have equal versions.
    #[error(
        "the folders {} are the same version, so none of them is offered; keep one of them",
        .0.join(", ")
    )]
    SameVersion(Vec<String>),
    /// The name of a variant is no value of a label.
    #[error(
        "no client can have the name of this folder as the value of its variant label; use at most \
         63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last"
    )]
    BadVariant,
    /// The name of a file is not served.
    #[error(
        "agents cannot download a file of this name; use at most 128 letters, digits, \".\", \"_\", \
         \"+\" and \"-\", and another ending than .MD5SUM"
    )]
    BadFileName,
    /// A file is not in the folder of a version.
    #[error("a file must be in the folder of its version; move it to VERSION/FILE")]
    OutsideVersion,
    /// A folder is in the folder of a variant.
    #[error("folders are only VERSION and VERSION/VARIANT; move the files of this folder up")]
    TooDeep,
    /// A folder has no files.
    #[error("the folder has no file; copy the package into it, or remove the folder")]
    NoFiles,
    /// A file has no content.
    #[error("the file is empty; copy the package again")]
    EmptyFile,
    /// A path is neither a file nor a folder.
    #[error("this is neither a file nor a folder; replace it by a file, or remove it")]
    NoRegularFile,
    /// A symbolic link leads out of the store.
    #[error(
        "the symbolic link leads out of the store, or is absolute; link to a file in the store with \
         a relative path, or copy the file"
    )]
    LeavesFolder,
    /// A symbolic link leads to nothing or to itself.
    #[error("the symbolic link leads to no file; link to a file in the store, or remove the link")]
    BrokenLink,
    /// A file or folder cannot be read.
    #[error("{0}; let this process read it, or remove it")]
    Unreadable(String),
    /// A signature has no file.
    #[error("there is no file for this signature; copy the file too, or remove the signature")]
    LoneSignature,
    /// A file must be signed, and has no signature.
    #[error(
        "the file is not signed; sign it with minisign -S -m {file} -t 'version:{version} file:{file}', \
         and put {file}.minisig beside it"
    )]
    Unsigned {
        /// Version that the signature must name.
        version: String,
        /// Name of the file.
        file: String,
    },
    /// A signature cannot be read.
    #[error("{file}.minisig: {reason}; replace it, or let this process read it")]
    UnreadableSignature {
        /// Name of the signed file.
        file: String,
        /// Why the signature cannot be read.
        reason: String,
    },
    /// A file must be signed, and its signature does not vouch for it.
    #[error("{0}")]
    BadSignature(SignatureError),
    /// No agent can choose one of several files.
    #[error(
        "agents cannot choose between {}; keep one of them, or put each into the folder of a variant",
        .0.join(", ")
    )]
    NoChoice(Vec<String>),
    /// There are more files than the store can hold.
    #[error("the store has more than {0} files and folders; remove old versions")]
    TooMany(usize),
    /// A computed hash cannot be stored.
    #[error("--hash-cache: {0}; hashes are computed again after a restart")]
    CacheUnwritable(String),
}

impl PackageProblem {
    /// Returns the problem of a path.
    #[must_use]
    pub fn new(path: impl Into<String>, kind: ProblemKind) -> Self {
        Self { path: path.into(), kind }
    }
}

impl fmt::Display for PackageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}", self.kind),
            path => write!(f, "{path}: {}", self.kind),
        }
    }
}
