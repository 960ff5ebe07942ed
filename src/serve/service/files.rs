//! Serves the files of packages. A client gets only the file of its current action: a valid token
//! alone opens no package.

use std::sync::Arc;

use http::header::HeaderMap;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;

use super::responses;
use super::visit::{MAX_DOWNLOAD_HOLD, Visit};
use crate::ddi::answer::{ArtifactListAnswer, hex};
use crate::ddi::{FileName, Hrefs};
use crate::plan::version_text::is_same_version;
use crate::serve::front::{Body, empty_body};
use crate::serve::packages::PackageFile;

impl Visit<'_> {
    /// Answers `GET` or `HEAD softwaremodules/VERSION/artifacts/FILE`.
    pub async fn answer_file(
        &self,
        method: &Method,
        headers: &HeaderMap,
        version: &str,
        name: &FileName,
    ) -> Response<Body> {
        let is_head = *method == Method::HEAD;
        let Some(file) = self.permitted(version, Some(name), !is_head).await else {
            return responses::empty(StatusCode::NOT_FOUND);
        };
        let head = file.respond(is_head, headers);
        let mut response = match head.body {
            None => Response::new(empty_body()),
            Some(range) => match file.open_range(range, &self.service.transfers).await {
                Ok(body) => Response::new(body.map_err(Into::into).boxed_unsync()),
                Err(error) => {
                    let (namespace, client) = (self.namespace, self.client);
                    tracing::error!(namespace, client, %error, "a package cannot be sent");
                    return responses::empty(StatusCode::SERVICE_UNAVAILABLE);
                }
            },
        };
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }

    /// Answers `GET softwaremodules/VERSION/artifacts/FILE.MD5SUM`, in the format of `md5sum`.
    pub async fn answer_md5(&self, version: &str, name: &FileName) -> Response<Body> {
        match self.permitted(version, Some(name), false).await {
            Some(file) => {
                let md5 = hex(&file.artifact().hashes.md5);
                responses::text(StatusCode::OK, format_args!("{md5}  {name}"))
            }
            None => responses::empty(StatusCode::NOT_FOUND),
        }
    }

    /// Answers `GET softwaremodules/VERSION/artifacts/FILE.minisig`.
    pub async fn answer_signature(&self, version: &str, name: &FileName) -> Response<Body> {
        let file = self.permitted(version, Some(name), false).await;
        match file.as_ref().and_then(|file| file.signature()) {
            Some(signature) => responses::text(StatusCode::OK, signature.trim_end()),
            None => responses::empty(StatusCode::NOT_FOUND),
        }
    }

    /// Answers `GET softwaremodules/VERSION/artifacts`: the list of the only file.
    pub async fn answer_file_list(&self, version: &str) -> Response<Body> {
        let Some(file) = self.permitted(version, None, false).await else {
            return responses::empty(StatusCode::NOT_FOUND);
        };
        let hrefs = Hrefs::new(&self.service.options.base_url, self.tenant, self.client);
        responses::json(&ArtifactListAnswer::new(version, file.artifact(), &hrefs))
    }

    /// Returns the file that the client may download, if it is the requested one.
    async fn permitted(
        &self,
        version: &str,
        name: Option<&FileName>,
        is_download: bool,
    ) -> Option<Arc<PackageFile>> {
        let known = self.known(MAX_DOWNLOAD_HOLD).await;
        let entry = known.entry()?;
        let offer = entry.row?.last_offer.as_deref()?;
        if !is_same_version(&offer.version, &version.into()) {
            return None;
        }
        self.with_memory(|memory| {
            let (action, file) = self.file(entry, memory).ok()?;
            let is_requested = name.is_none_or(|name| file.artifact().file == *name);
            let poll = self.poll(&known, true);
            if !is_requested || !poll.permits_download(&memory.session, action) {
                return None;
            }
            if is_download {
                memory.session.fetched(action);
                memory.session.downloaded(action);
            }
            Some(file)
        })
    }
}
