//! Parses the path of a request: `/{tenant}/controller/v1/{client}` and the resource below it.
//!
//! Each segment is percent-decoded once (RFC 3986, section 2.1). The result contains no text that a
//! file system or a log would read as something else than a name.

mod file_name;
mod segment;

pub use file_name::FileName;
pub(super) use segment::encode;

use super::ActionId;
use crate::api::{bounds, is_client_name};
use crate::values::Version;

/// Maximum length of a path in bytes, before it is decoded.
pub const MAX_PATH_BYTES: usize = 2048;
/// Suffix of an artifact's path for its MD5 sum.
pub(super) const MD5_SUFFIX: &str = ".MD5SUM";
/// Suffix of an artifact's path for its signature, and of the signature's file in the store.
pub const SIGNATURE_SUFFIX: &str = ".minisig";

/// A request of an agent: who sends it, and to which resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    /// Tenant as the agent writes it. Agents write `default` or `DEFAULT`, and hawkBit ignores case.
    pub tenant: String,
    /// Name of the client, which the CRD would accept.
    pub client: String,
    /// Requested resource.
    pub resource: Resource,
}

/// A resource of one client.
///
/// An id is `None` if this service never sends such an id. Feedback to such an id is answered with
/// 200 all the same, because swupdate repeats a refused report for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `GET`: the base answer to a poll.
    Base,
    /// `GET deploymentBase/ID`: what to install.
    Deployment(Option<ActionId>),
    /// `POST deploymentBase/ID/feedback`: progress or result of an installation.
    DeploymentFeedback(Option<ActionId>),
    /// `GET cancelAction/ID`: which action to stop.
    Cancel(Option<ActionId>),
    /// `POST cancelAction/ID/feedback`: whether the agent stops.
    CancelFeedback(Option<ActionId>),
    /// `PUT configData`: the attributes of the client.
    ConfigData,
    /// `PUT installedBase`: the version that the client runs.
    InstalledVersion,
    /// `GET installedBase/ID`: the last installation. No known agent requests it.
    InstalledAction(Option<ActionId>),
    /// `GET softwaremodules/VERSION/artifacts`: the list of the version's files.
    ArtifactList {
        /// Version of the package.
        version: String,
    },
    /// `GET` or `HEAD softwaremodules/VERSION/artifacts/FILE`: a file of a package.
    Artifact {
        /// Version of the package.
        version: String,
        /// File of the package.
        file: FileName,
    },
    /// `GET softwaremodules/VERSION/artifacts/FILE.MD5SUM`: the MD5 sum of a file.
    ArtifactMd5 {
        /// Version of the package.
        version: String,
        /// File of the package.
        file: FileName,
    },
    /// `GET softwaremodules/VERSION/artifacts/FILE.minisig`: the signature of a file. It is no part
    /// of hawkBit's API; `clientfleet agent` requests it.
    ArtifactSignature {
        /// Version of the package.
        version: String,
        /// File of the package.
        file: FileName,
    },
    /// `confirmationBase` and all below it. The service answers 404, because swupdate,
    /// rauc-hawkbit-updater, Zephyr and the Arduino client do not ask for consent.
    Confirmation,
}

/// Why a path does not name a resource of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path is too long.
    #[error("the path has more than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// A segment is empty, `.` or `..`, or contains characters that no name may contain.
    #[error(
        "a segment of the path is empty, \".\" or \"..\", is not percent-encoded UTF-8, or \
         contains a slash or a control character"
    )]
    BadSegment,
    /// The path does not begin with `/{tenant}/controller/v1/{client}`.
    #[error("the path must begin with /TENANT/controller/v1/CLIENT")]
    NotAController,
    /// The CRD does not accept the client's name.
    #[error("the path contains a name that no client can have")]
    BadClientName,
    /// The version of a package cannot be parsed.
    #[error("the path contains a version that no package can have")]
    BadVersion,
    /// The name of a file is not accepted.
    #[error("the path contains a file name that no package can have")]
    BadFileName,
    /// There is no such resource.
    #[error("the client has no such resource")]
    UnknownResource,
}

impl RequestPath {
    /// Parses the path of a request, without its query.
    ///
    /// # Errors
    /// Returns a [`PathError`] if the path does not name a resource of a client.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        if path.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let segments = path.strip_prefix('/').ok_or(PathError::NotAController)?.split('/');
        let segments = segments.map(|raw| segment::decode(raw).ok_or(PathError::BadSegment));
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let [tenant, "controller", "v1", client, rest @ ..] = segments.as_slice() else {
            return Err(PathError::NotAController);
        };
        if !is_client_name(client) {
            return Err(PathError::BadClientName);
        }
        let (tenant, client) = ((*tenant).to_owned(), (*client).to_owned());
        Ok(Self { tenant, client, resource: resource(rest)? })
    }
}

/// Returns whether a path can contain the name of a client. Names with a slash, `.` and `..` are
/// valid in a fleet, but agents cannot send them.
#[must_use]
pub fn can_contain(client: &str) -> bool {
    is_client_name(client) && segment::is_plain(client)
}

fn resource(segments: &[&str]) -> Result<Resource, PathError> {
    Ok(match segments {
        [] => Resource::Base,
        ["deploymentBase", id] => Resource::Deployment(ActionId::parse(id)),
        ["deploymentBase", id, "feedback"] => Resource::DeploymentFeedback(ActionId::parse(id)),
        ["cancelAction", id] => Resource::Cancel(ActionId::parse(id)),
        ["cancelAction", id, "feedback"] => Resource::CancelFeedback(ActionId::parse(id)),
        ["configData"] => Resource::ConfigData,
        ["installedBase"] => Resource::InstalledVersion,
        ["installedBase", id] => Resource::InstalledAction(ActionId::parse(id)),
        ["softwaremodules", version, "artifacts"] => {
            Resource::ArtifactList { version: package_version(version)? }
        }
        ["softwaremodules", version, "artifacts", file] => {
            let version = package_version(version)?;
            if let Some(file) = file.strip_suffix(MD5_SUFFIX) {
                Resource::ArtifactMd5 { version, file: file_name(file)? }
            } else if let Some(file) = file.strip_suffix(SIGNATURE_SUFFIX) {
                Resource::ArtifactSignature { version, file: file_name(file)? }
            } else {
                Resource::Artifact { version, file: file_name(file)? }
            }
        }
        ["confirmationBase", ..] => Resource::Confirmation,
        _ => return Err(PathError::UnknownResource),
    })
}

/// Checks the version, because it is the name of a folder in the package store.
fn package_version(text: &str) -> Result<String, PathError> {
    let is_version = text.len() <= bounds::VERSION && Version::parse(text).is_ok();
    if is_version { Ok(text.to_owned()) } else { Err(PathError::BadVersion) }
}

fn file_name(text: &str) -> Result<FileName, PathError> {
    FileName::parse(text).ok_or(PathError::BadFileName)
}
