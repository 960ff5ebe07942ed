//! Sends the requests of a watch to the API server. Every wait for the API server has a limit, so
//! that a request without a response ends in an error.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::{ListParams, ObjectList, WatchEvent, WatchParams};
use kube::core::{Request, Status};
use kube::{Api, Client};

use super::freshness::Freshness;
use crate::connection::with_causes;
use crate::controller::revision::Revision;
use crate::plan::{Kind, Raw};

/// Maximum wait for the head of a response, for a page of a list, and for the next object of a
/// streaming list.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Number of objects per page of a list. A fleet can have 1.5 MB, so larger pages could take longer
/// than [`RESPONSE_TIMEOUT`].
const PAGE_SIZE: u32 = 50;

/// Number of objects per page if only the metadata is requested. Of a large fleet that is 50 KB,
/// most of it `managedFields`.
const METADATA_PAGE_SIZE: u32 = 500;

/// Events of a watch.
pub(super) type Events<K> = BoxStream<'static, kube::Result<WatchEvent<Raw<K>>>>;

/// Reason why a watch or a list ended early.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The API server rejected the request, the request failed, or its response is damaged.
    #[error("{}", with_causes(.0))]
    Failed(#[from] kube::Error),
    /// The API server did not respond, or its response stopped.
    #[error("nothing was received for {0:?}")]
    Silent(Duration),
    /// The response ended before the list was complete.
    #[error("the list ended before its last object")]
    Incomplete,
    /// The list is older than what the API server had before the request.
    #[error("the list has version {listed}, older than version {stored} that the API server has")]
    Outdated {
        /// resourceVersion of the list.
        listed: Revision,
        /// resourceVersion that the API server had before the list was requested.
        stored: Revision,
    },
}

impl WatchError {
    /// Returns whether the watch cannot continue where it ended: the version has expired (410), or
    /// the custom resource definition was deleted (404).
    pub(super) fn requires_list(&self) -> bool {
        matches!(self.code(), Some(404 | 410))
    }

    /// Returns whether the API server rejected the request as invalid. An API server without
    /// streaming lists rejects a request for one with this code.
    pub(super) fn is_unsupported(&self) -> bool {
        self.code() == Some(422)
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Failed(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

/// Returns the error of an event with which the API server ends a watch.
pub(super) fn ended_by(status: Box<Status>) -> WatchError {
    WatchError::Failed(kube::Error::Api(status))
}

/// Source of the objects of one kind: the API server.
pub(super) struct Source<K: Kind> {
    api: Api<Raw<K>>,
    client: Client,
    freshness: Freshness,
}

impl<K: Kind> Source<K> {
    pub fn new(api: Api<Raw<K>>, freshness: Freshness) -> Self {
        let client = api.clone().into_client();
        Self { api, client, freshness }
    }

    /// Opens a watch that continues after `version`.
    pub async fn watch(&self, version: &Revision) -> Result<Events<K>, WatchError> {
        self.open(&WatchParams::default(), version.as_str()).await
    }

    /// Opens a watch that begins with all objects (`WatchList`, KEP-3157). Without a version, the
    /// API server lists what it has at the time of the request.
    pub async fn watch_list(&self) -> Result<Events<K>, WatchError> {
        self.open(&WatchParams::streaming_lists(), "").await
    }

    async fn open(&self, how: &WatchParams, version: &str) -> Result<Events<K>, WatchError> {
        let events = self.response(self.api.watch(how, version)).await?;
        Ok(events.boxed())
    }

    /// Returns a page of the objects and the version of the list. `continue_token` is the token of
    /// the page before, or `None` for the first page.
    pub async fn page(
        &self,
        continue_token: Option<String>,
    ) -> Result<(Vec<Raw<K>>, ListMeta), WatchError> {
        let mut parameters = ListParams::default().limit(PAGE_SIZE);
        parameters.continue_token = continue_token;
        let page = self.response(self.api.list(&parameters)).await?;
        Ok((page.items, page.metadata))
    }

    /// Returns the version that the API server has now, by a consistent read.
    pub async fn current(&self) -> Result<Revision, WatchError> {
        let (_, list) = self.metadata(ListParams::default().limit(1)).await?;
        version_of(&list)
    }

    /// Returns the metadata of all objects that the API server has now, and the version of the
    /// list.
    pub async fn current_metadata(&self) -> Result<(Vec<Raw<K>>, Revision), WatchError> {
        let mut all = Vec::new();
        let mut parameters = ListParams::default().limit(METADATA_PAGE_SIZE);
        loop {
            let (page, list) = self.metadata(parameters.clone()).await?;
            all.extend(page);
            parameters.continue_token = continue_token(&list);
            if parameters.continue_token.is_none() {
                return Ok((all, version_of(&list)?));
            }
        }
    }

    async fn metadata(
        &self,
        parameters: ListParams,
    ) -> Result<(Vec<Raw<K>>, ListMeta), WatchError> {
        let request = Request::new(self.api.resource_url()).list_metadata(&parameters);
        let request = request.map_err(kube::Error::BuildRequest)?;
        let page = self.response(self.client.request::<ObjectList<Raw<K>>>(request)).await?;
        Ok((page.items, page.metadata))
    }

    /// Waits for a response, at most for [`RESPONSE_TIMEOUT`].
    async fn response<T>(
        &self,
        response: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, WatchError> {
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, response.map_err(WatchError::Failed));
        response.await.map_err(|_| WatchError::Silent(RESPONSE_TIMEOUT))?
    }

    /// Returns the next event of a watch; `None` if the API server has closed the watch.
    pub async fn next(
        &self,
        events: &mut Events<K>,
        limit: Duration,
    ) -> Result<Option<WatchEvent<Raw<K>>>, WatchError> {
        let next = tokio::time::timeout(limit, events.next());
        let event = next.await.map_err(|_| WatchError::Silent(limit))?.transpose()?;
        if matches!(event, Some(ref event) if !matches!(event, WatchEvent::Error(_))) {
            self.freshness.heard();
        }
        Ok(event)
    }
}

/// Returns the version of a list.
pub(super) fn version_of(list: &ListMeta) -> Result<Revision, WatchError> {
    let version = list.resource_version.clone().filter(|version| !version.is_empty());
    version.map(Revision::from).ok_or(WatchError::Incomplete)
}

/// Returns the token of the next page; `None` after the last page.
pub(super) fn continue_token(list: &ListMeta) -> Option<String> {
    list.continue_.clone().filter(|token| !token.is_empty())
}
