//! Records all writes to the fleets of a namespace, with the time of each watch event. The observer
//! watches only the metadata, so that its own load hardly affects the measurements.

use std::collections::HashMap;
use std::time::Instant;

use clientfleet::api::ClientFleet;
use futures::StreamExt;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::Failure;

#[derive(Clone, Debug)]
pub struct Sighting {
    pub at: Instant,
    pub fleet: String,
    pub generation: i64,
    pub what: Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A write to the spec, which increases the generation.
    Report,
    /// A write to the status, which does not change the generation.
    Status,
}

pub struct Observer {
    sightings: UnboundedReceiver<Sighting>,
    task: JoinHandle<()>,
}

impl Observer {
    pub async fn start(fleets: &Api<ClientFleet>) -> Result<Self, Failure> {
        let now = fleets.list_metadata(&ListParams::default()).await?;
        let version = now.metadata.resource_version.ok_or("a list without a version")?;
        let generation = |fleet: kube::core::PartialObjectMeta<ClientFleet>| {
            Some((fleet.metadata.name?, fleet.metadata.generation?))
        };
        let generations = now.items.into_iter().filter_map(generation).collect();
        let (sender, sightings) = unbounded_channel();
        let fleets = fleets.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = watch(&fleets, version, generations, &sender).await {
                eprintln!("nothing is seen any more: {error}");
            }
        });
        Ok(Self { sightings, task })
    }

    pub async fn next(&mut self) -> Result<Sighting, Failure> {
        self.sightings.recv().await.ok_or_else(|| "the watch ended".into())
    }

    /// Returns the recorded writes that the caller has not received yet, without waiting.
    pub fn seen(&mut self) -> Vec<Sighting> {
        std::iter::from_fn(|| self.sightings.try_recv().ok()).collect()
    }

    /// Waits for the first status write to `fleet` at `generation` or later, and returns it.
    pub async fn answer(&mut self, fleet: &str, generation: i64) -> Result<Sighting, Failure> {
        loop {
            let seen = self.next().await?;
            let is_new = seen.generation >= generation && seen.what == Write::Status;
            if seen.fleet == fleet && is_new {
                return Ok(seen);
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches the fleets until the receiver is dropped. Each watch ends at its timeout of 290 s; the
/// loop then starts another watch.
async fn watch(
    fleets: &Api<ClientFleet>,
    mut version: String,
    mut generations: HashMap<String, i64>,
    sender: &UnboundedSender<Sighting>,
) -> Result<(), Failure> {
    loop {
        let params = WatchParams::default().timeout(290);
        let events = fleets.watch_metadata(&params, &version).await?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let at = Instant::now();
            let metadata = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => object.metadata,
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Deleted(_) => continue,
                WatchEvent::Error(error) => return Err(error.message.into()),
            };
            version = metadata.resource_version.unwrap_or(version);
            let fleet = metadata.name.unwrap_or_default();
            let generation = metadata.generation.unwrap_or_default();
            let before = generations.insert(fleet.clone(), generation);
            let what = if before == Some(generation) { Write::Status } else { Write::Report };
            if sender.send(Sighting { at, fleet, generation, what }).is_err() {
                return Ok(());
            }
        }
    }
}
