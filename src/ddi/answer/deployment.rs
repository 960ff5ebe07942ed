//! Defines the body of a deployment: the version and the file to install.

use serde::Serialize;

use super::{FileHashes, Href};
use crate::ddi::{ActionId, FileName, Hrefs};

/// Mode of an action that the agent carries out at once. swupdate closes an action with `skip` as a
/// success without installing it, so the service sends no other mode.
const FORCED: &str = "forced";
/// Type of the only chunk. Zephyr installs no other type.
const APPLICATION: &str = "bApp";

/// A file that an agent installs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Name of the file.
    pub file: FileName,
    /// Size in bytes.
    pub size: u64,
    /// Hashes of the content.
    pub hashes: FileHashes,
}

/// Body of a deployment. It has one chunk with one artifact: rauc-hawkbit-updater and Zephyr refuse
/// more, and the Python RAUC client takes the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeploymentAnswer<'a> {
    id: ActionId,
    deployment: Deployment<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Deployment<'a> {
    download: &'static str,
    update: &'static str,
    chunks: [Chunk<'a>; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Chunk<'a> {
    part: &'static str,
    version: &'a str,
    name: &'a str,
    artifacts: [ArtifactBody<'a>; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ArtifactBody<'a> {
    filename: &'a str,
    size: u64,
    hashes: FileHashes,
    #[serde(rename = "_links")]
    links: ArtifactLinks,
}

/// Links to the file and its MD5 sum. Zephyr and the Python RAUC client read only `download-http`,
/// the others prefer `download`; both are under the same external URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ArtifactLinks {
    download: Href,
    download_http: Href,
    md5sum: Href,
    md5sum_http: Href,
}

impl<'a> DeploymentAnswer<'a> {
    /// Returns the deployment of `version` of the package `name`.
    #[must_use]
    pub fn new(
        id: ActionId,
        name: &'a str,
        version: &'a str,
        artifact: &'a Artifact,
        hrefs: &Hrefs,
    ) -> Self {
        let artifacts = [ArtifactBody::new(version, artifact, hrefs)];
        let chunk = Chunk { part: APPLICATION, version, name, artifacts };
        Self { id, deployment: Deployment { download: FORCED, update: FORCED, chunks: [chunk] } }
    }
}

/// Body of the list of a version's files: the one that the agent installs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArtifactListAnswer<'a>([ArtifactBody<'a>; 1]);

impl<'a> ArtifactListAnswer<'a> {
    /// Returns the list with this file of `version`.
    #[must_use]
    pub fn new(version: &str, artifact: &'a Artifact, hrefs: &Hrefs) -> Self {
        Self([ArtifactBody::new(version, artifact, hrefs)])
    }
}

impl<'a> ArtifactBody<'a> {
    fn new(version: &str, artifact: &'a Artifact, hrefs: &Hrefs) -> Self {
        let Artifact { file, size, hashes } = artifact;
        let download = Href::from(hrefs.artifact(version, file));
        let md5sum = Href::from(hrefs.artifact_md5(version, file));
        let links = ArtifactLinks {
            download: download.clone(),
            download_http: download,
            md5sum: md5sum.clone(),
            md5sum_http: md5sum,
        };
        Self { filename: file.as_str(), size: *size, hashes: *hashes, links }
    }
}
