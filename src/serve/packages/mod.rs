//! Serves the files that agents install, from a folder with `VERSION/FILE` and
//! `VERSION/VARIANT/FILE`.
//!
//! - [`PackageScanner`] lists the folder ([`listing`]) and hashes its files ([`hashing`]), one at a
//!   time. [`cache`] keeps hashes across restarts.
//! - [`PackageCatalog`] is what the scanner found at one time. A file is offered only after it was
//!   hashed, and is sent from the descriptor that was hashed ([`PackageFile`]).
//! - [`signatures`] reads `FILE.minisig` beside each file, and with a public key decides whether the
//!   file is offered at all.
//! - [`range`] decides the response to a request for a file, without I/O, and [`PackageBody`] sends
//!   the bytes. [`rate_limit`] limits the bytes per second of all transfers together.
//!
//! Names that begin with `.`, such as the temporary files of rsync, and `lost+found` are ignored.
//! Everything else in the folder that is not offered is a [`PackageProblem`].

pub mod cache;
pub mod catalog;
pub mod file;
pub mod folder;
pub mod hashing;
mod held;
pub mod identity;
pub mod listing;
pub mod problem;
pub mod range;
pub mod rate_limit;
pub mod scanner;
pub mod signatures;
pub mod transfer;

pub use cache::HashCache;
pub use catalog::{NoFile, NoPackage, Package, PackageCatalog};
pub use file::{PackageFile, StorePath};
pub use folder::PackageFolder;
pub use identity::FileIdentity;
pub use problem::PackageProblem;
pub use range::{ByteRange, ResponseHead};
pub use scanner::{PackageScanner, ScanOptions};
pub use transfer::{PackageBody, TransferError, TransferLimits};
