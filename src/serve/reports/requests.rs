//! Sends the requests of the writer to the API server.
//!
//! A write that got no answer may be stored or not. It is repeated: the same patch fails its test or
//! changes nothing, because it sets facts to values.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use kube::{Client, Resource};
use serde::Deserialize;

use super::basis::Basis;
use super::failure::Failure;
use super::figures::{ReportMetrics, WriteResult};
use super::patch::FleetPatch;
use crate::api::ClientFleet;
use crate::checkin::queue::FleetKey;

/// Name under which the API server records the facts that `serve` has written.
pub const FIELD_MANAGER: &str = "clientfleet-serve";
/// Timeout of each request. Without it, kube would wait forever on a connection that a firewall has
/// silently dropped.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Media type of a table, the format that kubectl requests for its output (KEP-1164). Together with
/// `includeObject=None`, the answer has the version of the fleet, but neither the fleet nor its
/// `managedFields`.
const AS_TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

/// Client for the requests of the writer.
pub(super) struct Requests {
    pub(super) client: Client,
    pub(super) metrics: ReportMetrics,
}

#[derive(Deserialize)]
struct PatchAnswer {
    metadata: PatchedMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatchedMetadata {
    resource_version: Option<String>,
}

impl Requests {
    /// Applies a patch and counts the result. Returns the version of the fleet with the patch.
    pub(super) async fn patch(
        &self,
        fleet: &FleetKey,
        patch: &FleetPatch,
    ) -> Result<Option<String>, Failure> {
        let answer = self.send_patch(fleet, patch).await;
        let result = answer.as_ref().map_or_else(Failure::result, |_| WriteResult::written);
        self.metrics.wrote(result);
        answer
    }

    async fn send_patch(
        &self,
        fleet: &FleetKey,
        patch: &FleetPatch,
    ) -> Result<Option<String>, Failure> {
        let query = format!("?fieldManager={FIELD_MANAGER}&includeObject=None");
        let body = patch.body().map_err(|error| Failure::Connection(error.to_string()))?;
        let request = http::Request::patch(url(fleet) + &query)
            .header(ACCEPT, AS_TABLE)
            .header(CONTENT_TYPE, "application/json-patch+json");
        let answer = self.send(fleet, request, body).await?;
        let answer: PatchAnswer = read(&answer)?;
        Ok(answer.metadata.resource_version)
    }

    /// Returns a fleet as it is stored.
    pub(super) async fn get(&self, fleet: &FleetKey) -> Result<Basis, Failure> {
        let request = http::Request::get(url(fleet));
        let answer = self.send(fleet, request, Vec::new()).await?;
        Basis::fetched(&answer).map_err(|error| Failure::Connection(error.to_string()))
    }

    async fn send(
        &self,
        (_, name): &FleetKey,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<String, Failure> {
        let request = request.body(body).map_err(|error| Failure::Connection(error.to_string()))?;
        let answer = self.client.request_text(request);
        match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| Failure::of(&error, name)),
            Err(_) => Err(Failure::Unanswered),
        }
    }
}

fn url((namespace, name): &FleetKey) -> String {
    format!("{}/{name}", ClientFleet::url_path(&(), Some(namespace)))
}

fn read<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<T, Failure> {
    serde_json::from_str(answer).map_err(|error| Failure::Connection(error.to_string()))
}
