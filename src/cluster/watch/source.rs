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
use crate::cluster::connection::with_causes;
use crate::cluster::revision::Revision;
use crate::plan::{Kind, Raw};

/// Maximum wait for the head of a response, for a page of a list, and for the next object of a
/// streaming list.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Part of each object that a list contains.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    Whole,
    Metadata,
}

impl View {
    /// Returns the number of objects per page: a page must arrive within [`RESPONSE_TIMEOUT`]. A
    /// whole fleet can have 1.5 MB, and its metadata 50 KB, most of it `managedFields`.
    const fn page_size(self) -> u32 {
        match self {
            Self::Whole => 50,
            Self::Metadata => 500,
        }
    }
}

/// Stream of the events of a watch.
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
    /// The list is older than the version that the API server had before the request.
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

    /// Returns whether the API server rejected the request with status 422. An API server that does
    /// not support streaming lists responds to a request for one with this status.
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

/// Converts the error event with which the API server ends a watch.
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

    /// Opens a watch that begins with all objects (`WatchList`, KEP-3157). The request contains no
    /// version, so the API server lists its current objects.
    pub async fn watch_list(&self) -> Result<Events<K>, WatchError> {
        self.open(&WatchParams::streaming_lists(), "").await
    }

    async fn open(&self, how: &WatchParams, version: &str) -> Result<Events<K>, WatchError> {
        let events = self.response(self.api.watch(how, version)).await?;
        Ok(events.boxed())
    }

    /// Returns the version that the API server has now, by a consistent read.
    pub async fn current(&self) -> Result<Revision, WatchError> {
        let (_, list) = self.page(View::Metadata, ListParams::default().limit(1)).await?;
        version_of(&list)
    }

    /// Reads all objects that the API server has now, page by page, and passes each one to `each`.
    /// Returns the version of the list.
    pub async fn read_all(
        &self,
        view: View,
        mut each: impl FnMut(Raw<K>),
    ) -> Result<Revision, WatchError> {
        let mut parameters = ListParams::default().limit(view.page_size());
        loop {
            let (page, list) = self.page(view, parameters.clone()).await?;
            page.into_iter().for_each(&mut each);
            parameters.continue_token = list.continue_.clone().filter(|token| !token.is_empty());
            if parameters.continue_token.is_none() {
                return version_of(&list);
            }
        }
    }

    async fn page(
        &self,
        view: View,
        parameters: ListParams,
    ) -> Result<(Vec<Raw<K>>, ListMeta), WatchError> {
        let request = Request::new(self.api.resource_url());
        let request = match view {
            View::Whole => request.list(&parameters),
            View::Metadata => request.list_metadata(&parameters),
        };
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
        if let Some(event) = &event
            && !matches!(event, WatchEvent::Error(_))
        {
            self.freshness.heard();
        }
        Ok(event)
    }
}

fn version_of(list: &ListMeta) -> Result<Revision, WatchError> {
    let version = list.resource_version.clone().filter(|version| !version.is_empty());
    version.map(Revision::from).ok_or(WatchError::Incomplete)
}
