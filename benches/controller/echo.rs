//! Measures the minimum time from a client's report to the status write. A loop that makes no
//! decisions watches whole fleets, as the controller does, and responds to each report with one PUT
//! of a prepared status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use clientfleet::api::ClientFleet;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, WatchEvent, WatchParams};
use kube::{Client, Resource};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::estate::Estate;
use crate::floor::{Answer, put};

/// Metadata of a fleet, without the rest of the object. The API server still sends the whole
/// object, as it does to the controller.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(inherit = ClientFleet)]
struct Bare {
    metadata: ObjectMeta,
}

/// Prepared statuses by fleet name. The loop writes each status once, after the fleet's next
/// report.
type Answers = Arc<Mutex<HashMap<String, String>>>;

pub struct Echo {
    answers: Answers,
    task: JoinHandle<()>,
}

impl Echo {
    /// Starts the loop, which sends at most `at_once` status writes concurrently.
    pub async fn start(client: Client, estate: &Estate, at_once: usize) -> Result<Self, Failure> {
        let version = estate.version().await?;
        let answers = Answers::default();
        let (namespace, prepared) = (estate.namespace, Arc::clone(&answers));
        let task = tokio::spawn(async move {
            if let Err(error) = answer(&client, namespace, version, &prepared, at_once).await {
                eprintln!("the floor does not answer any more: {error}");
            }
        });
        Ok(Self { answers, task })
    }

    /// Sets the status that the loop writes after the fleet's next report.
    pub fn prepare(&self, fleet: &str, status: String) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(fleet.to_owned(), status);
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    client: &Client,
    namespace: &str,
    mut version: String,
    answers: &Answers,
    at_once: usize,
) -> Result<(), Failure> {
    let fleets: Api<Bare> = Api::namespaced(client.clone(), namespace);
    let permits = Arc::new(Semaphore::new(at_once));
    loop {
        let events = fleets.watch(&WatchParams::default().timeout(290), &version).await?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let metadata = match event? {
                WatchEvent::Modified(fleet) => fleet.metadata,
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(error) => return Err(error.message.into()),
                WatchEvent::Added(_) | WatchEvent::Deleted(_) => continue,
            };
            version = metadata.resource_version.unwrap_or_default();
            let fleet = metadata.name.unwrap_or_default();
            let status = answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&fleet);
            // Ignore the watch event if no status is prepared: the loop's own status write caused
            // the event.
            if let Some(status) = status {
                let request = put(namespace, &fleet, &version, &status)?;
                let permit = Arc::clone(&permits).acquire_owned().await?;
                let client = client.clone();
                tokio::spawn(async move {
                    if let Err(error) = client.request::<Answer>(request).await {
                        eprintln!("the floor has not answered: {error}");
                    }
                    drop(permit);
                });
            }
        }
    }
}
