//! Measures the minimum time to write all statuses after a policy change: writes the same statuses
//! as the controller, but makes no decisions.
//!
//! Can also write a single status in response to a watch event of a policy.

use std::time::{Duration, Instant};

use clientfleet::api::policy::{Mode, UpgradePolicySpec};
use futures::{StreamExt, TryStreamExt};
use kube::Client;
use kube::api::{ListParams, WatchParams};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::Failure;
use crate::estate::{Estate, everybody, name};
use crate::observer::Observer;

pub struct Floor {
    client: Client,
    pub estate: Estate,
    /// Serialized statuses of all fleets, for each mode in `stage::DIRECTIONS`.
    bodies: [Vec<String>; 2],
    versions: Vec<Mutex<Option<String>>>,
    pub concurrency: usize,
}

/// Start time of writing all statuses, and the time until the last response.
pub struct Written {
    pub began: Instant,
    pub took: Duration,
}

impl Floor {
    pub fn new(
        client: Client,
        estate: Estate,
        statuses: [Vec<Value>; 2],
        concurrency: usize,
    ) -> Self {
        // Store the statuses as text, which takes hundreds of MiB less memory than `Value`s.
        let text = |statuses: Vec<Value>| statuses.iter().map(Value::to_string).collect();
        Self {
            client,
            bodies: statuses.map(text),
            versions: (0..estate.count).map(|_| Mutex::new(None)).collect(),
            estate,
            concurrency,
        }
    }

    /// Discards the stored resourceVersions, so that the next write to each fleet reads the current
    /// one first.
    pub async fn forget_versions(&self) {
        for version in &self.versions {
            *version.lock().await = None;
        }
    }

    /// Writes the status of every fleet once, each in a separate task; the measured duration
    /// excludes building the requests.
    ///
    /// `direction` is the index in `stage::DIRECTIONS` of the mode for which the statuses were
    /// prepared.
    pub async fn write_all(&self, direction: usize) -> Result<Written, Failure> {
        let mut requests = Vec::new();
        for number in 0..self.versions.len() {
            requests.push((number, self.request(direction, number).await?));
        }
        let began = Instant::now();
        futures::stream::iter(requests)
            .map(|(number, request)| {
                let client = self.client.clone();
                async move {
                    let put = tokio::spawn(async move { client.request::<Answer>(request).await });
                    let written = put.await??;
                    *self.versions[number].lock().await = written.metadata.resource_version;
                    Ok::<(), Failure>(())
                }
            })
            .buffer_unordered(self.concurrency)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(Written { began, took: began.elapsed() })
    }

    async fn request(
        &self,
        direction: usize,
        number: usize,
    ) -> Result<http::Request<Vec<u8>>, Failure> {
        let mut version = self.versions[number].lock().await;
        if version.is_none() {
            *version =
                self.estate.fleets.get_metadata(&name(number)).await?.metadata.resource_version;
        }
        let status = &self.bodies[direction][number];
        put(self.estate.namespace, &name(number), version.as_deref().unwrap_or_default(), status)
    }

    /// Returns the time from a policy change to the watch event of one fleet's status, which the
    /// loop writes when it observes the change. `turn` must differ in each call, because applying
    /// an unchanged policy causes no watch event.
    pub async fn answer_policy(&self, turn: i32, direction: usize) -> Result<Duration, Failure> {
        let fleet = 0;
        let request = self.request(direction, fleet).await?;
        let mut observer = Observer::start(&self.estate.fleets).await?;
        let policies = &self.estate.policies;
        let now = policies.list_metadata(&ListParams::default()).await?;
        let version = now.metadata.resource_version.ok_or("a list without a version")?;
        let events = policies.watch_metadata(&WatchParams::default(), &version).await?;
        let mut events = std::pin::pin!(events);
        let spec = UpgradePolicySpec { priority: turn, ..everybody(Mode::NoUpgrade) };
        let sent = Instant::now();
        let answer = async {
            events.next().await.ok_or("the watch ended")??;
            Ok(self.client.request::<Answer>(request).await?)
        };
        let (_, answer) = tokio::try_join!(self.estate.set("turned", spec), answer)?;
        *self.versions[fleet].lock().await = answer.metadata.resource_version;
        Ok(observer.next().await?.at - sent)
    }

    pub fn mean_bytes(&self) -> usize {
        let sizes = self.bodies.iter().flatten().map(String::len);
        sizes.sum::<usize>() / (self.bodies.len() * self.versions.len())
    }
}

#[derive(serde::Deserialize)]
pub struct Answer {
    metadata: Made,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    resource_version: Option<String>,
}

/// Builds the PUT request with which the controller would write this status. `status` is JSON text.
pub fn put(
    namespace: &str,
    fleet: &str,
    version: &str,
    status: &str,
) -> Result<http::Request<Vec<u8>>, Failure> {
    let metadata = json!({"name": fleet, "namespace": namespace, "resourceVersion": version});
    let body = format!(
        r#"{{"apiVersion":"clientfleet.dev/v1alpha1","kind":"ClientFleet","metadata":{metadata},"status":{status}}}"#
    );
    let path = format!(
        "/apis/clientfleet.dev/v1alpha1/namespaces/{namespace}/clientfleets/{fleet}/status?includeObject=None"
    );
    Ok(http::Request::put(path)
        .header("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1")
        .header("Content-Type", "application/json")
        .body(body.into_bytes())?)
}
