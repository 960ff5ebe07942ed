//! The floor: the same status bodies, written as guarded PUTs by a loop that decides nothing.

use std::time::{Duration, Instant};

use clientfleet::api::ClientFleet;
use futures::{StreamExt, TryStreamExt};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::FLEETS;
use crate::Failure;
use crate::estate::{Estate, name};

pub struct Floor {
    client: Client,
    namespace: &'static str,
    fleets: Api<ClientFleet>,
    /// For each direction the status of each fleet.
    bodies: Vec<Vec<Value>>,
    versions: Vec<Mutex<Option<String>>>,
    concurrency: usize,
}

impl Floor {
    pub fn new(
        client: Client,
        estate: &Estate,
        bodies: &[Vec<Value>],
        concurrency: usize,
    ) -> Result<Self, Failure> {
        Ok(Self {
            client,
            namespace: estate.namespace,
            fleets: estate.fleets.clone(),
            bodies: bodies.to_vec(),
            versions: (0..FLEETS).map(|_| Mutex::new(None)).collect(),
            concurrency,
        })
    }

    /// Writes every fleet's status of one direction; only the writing is timed. Each body is sent
    /// from a task of its own, as the controller does.
    pub async fn write_all(&self, direction: usize) -> Result<Duration, Failure> {
        let mut requests = Vec::new();
        for number in 0..FLEETS {
            requests.push((number, self.request(direction, number).await?));
        }
        let start = Instant::now();
        futures::stream::iter(requests)
            .map(|(number, request)| {
                let client = self.client.clone();
                async move {
                    let put = tokio::spawn(async move {
                        client.request::<PartialObjectMeta<ClientFleet>>(request).await
                    });
                    let written = put.await??;
                    *self.versions[number].lock().await = written.metadata.resource_version;
                    Ok::<(), Failure>(())
                }
            })
            .buffer_unordered(self.concurrency)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(start.elapsed())
    }

    async fn request(
        &self,
        direction: usize,
        number: usize,
    ) -> Result<http::Request<Vec<u8>>, Failure> {
        let mut version = self.versions[number].lock().await;
        if version.is_none() {
            *version = self.fleets.get_metadata(&name(number)).await?.metadata.resource_version;
        }
        let body = json!({
            "apiVersion": "clientfleet.dev/v1alpha1",
            "kind": "ClientFleet",
            "metadata": {"name": name(number), "namespace": self.namespace, "resourceVersion": *version},
            "status": self.bodies[direction][number],
        });
        let path = format!(
            "/apis/clientfleet.dev/v1alpha1/namespaces/{}/clientfleets/{}/status",
            self.namespace,
            name(number)
        );
        Ok(http::Request::put(path)
            .header("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
            .header("Content-Type", "application/json")
            .body(serde_json::to_vec(&body)?)?)
    }

    /// Bytes of a status, on average.
    pub fn mean_bytes(&self) -> usize {
        let sizes = self.bodies.iter().flatten().map(|body| body.to_string().len());
        sizes.sum::<usize>() / (self.bodies.len() * FLEETS)
    }
}
