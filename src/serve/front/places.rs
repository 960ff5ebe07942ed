//! Limits the number of connections, in total and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::activity::Activity;
use super::counters::add_one;
use super::{FrontCounters, FrontLimits, PeerNetwork};

/// Time between two searches for idle connections while all places are taken.
const EVICTION_INTERVAL: Duration = Duration::from_millis(100);
/// Share of the connections that one search may close, so that searches are rare under load.
const EVICTED_SHARE: usize = 64;

/// The places for connections.
#[derive(Debug)]
pub(super) struct Places {
    limits: FrontLimits,
    counters: Arc<FrontCounters>,
    free: Arc<Semaphore>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    connections: HashMap<u64, Arc<Activity>>,
    by_network: HashMap<PeerNetwork, usize>,
}

/// The place of one connection, which becomes free when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    network: PeerNetwork,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(limits: FrontLimits, counters: Arc<FrontCounters>) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { limits, counters, free, table: Mutex::default() })
    }

    pub fn counters(&self) -> &FrontCounters {
        &self.counters
    }

    /// Returns whether a connection from this address is refused, because it has too many.
    pub fn refuses(&self, address: IpAddr) -> bool {
        let table = self.table();
        let is_scarce = table.connections.len() >= self.limits.connections / 2;
        let count = table.by_network.get(&PeerNetwork::of(address)).copied().unwrap_or_default();
        let is_unlimited = || self.limits.unlimited_networks.iter().any(|n| n.contains(&address));
        is_scarce && count >= self.limits.connections_per_address && !is_unlimited()
    }

    /// Waits for a place. While there is none, closes the connections that have been idle longest:
    /// their agents connect again at the next poll, whereas a refused one would report a failure.
    pub async fn take(
        self: &Arc<Self>,
        address: IpAddr,
        activity: &Arc<Activity>,
    ) -> Option<Place> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.evict_idle();
            let permit = timeout(EVICTION_INTERVAL, Arc::clone(&self.free).acquire_owned()).await;
            if let Ok(permit) = permit {
                break permit.ok()?;
            }
        };
        let network = PeerNetwork::of(address);
        let mut table = self.table();
        let id = table.next_id;
        table.next_id += 1;
        table.connections.insert(id, Arc::clone(activity));
        *table.by_network.entry(network).or_default() += 1;
        drop(table);
        self.counters.open.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(Place { places: Arc::clone(self), id, network, _permit: permit })
    }

    /// Closes the connections that have been idle longest.
    pub fn evict_idle(&self) {
        let table = self.table();
        let idle = table.connections.values().filter_map(|it| Some((it.idle_since()?, it)));
        let mut idle: Vec<(Instant, &Arc<Activity>)> = idle.collect();
        let count = (table.connections.len() / EVICTED_SHARE).max(1).min(idle.len());
        if count < idle.len() {
            idle.select_nth_unstable_by_key(count, |(since, _)| *since);
        }
        for (_, activity) in idle.iter().take(count) {
            add_one(&self.counters.evicted);
            activity.request_close();
        }
    }

    /// Asks all connections to close after the request in progress.
    pub fn close_all(&self) {
        self.table().connections.values().for_each(|activity| activity.request_close());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.table();
        table.connections.remove(&self.id);
        if let Some(count) = table.by_network.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                table.by_network.remove(&self.network);
            }
        }
        drop(table);
        self.places.counters.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}
