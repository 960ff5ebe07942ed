//! Decides which refused requests are logged: a few lines per minute, whatever is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::PeerNetwork;

/// Maximum number of networks in a table.
const MAX_NETWORKS: usize = 10_000;
/// Time between two lines about one network.
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of lines in an interval.
const MAX_LINES: usize = 60;

/// Refused requests per network since the last line about it.
#[derive(Debug)]
pub struct FloodTable {
    networks: HashMap<PeerNetwork, Refusals>,
    max_networks: usize,
    interval_start: Duration,
    lines: usize,
    unlogged: u64,
}

#[derive(Clone, Copy, Debug)]
struct Refusals {
    count: u64,
    last: Duration,
    logged: Option<Duration>,
}

/// What a line of the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodSummary {
    /// The network that the requests came from.
    pub network: PeerNetwork,
    /// Number of refused requests since the last line about this network.
    pub refused: u64,
    /// Number of refused requests from other networks that no line contains, because there were too
    /// many lines or networks.
    pub unlogged: u64,
}

impl Default for FloodTable {
    fn default() -> Self {
        Self::new(MAX_NETWORKS)
    }
}

impl FloodTable {
    /// Creates a table for at most this many networks.
    #[must_use]
    pub fn new(max_networks: usize) -> Self {
        Self {
            networks: HashMap::new(),
            max_networks: max_networks.max(1),
            interval_start: Duration::ZERO,
            lines: 0,
            unlogged: 0,
        }
    }

    /// Records a refused request; `now` is the time since a fixed instant. Returns what to log: the
    /// first request of a network, then at most one line per minute.
    pub fn note(&mut self, address: IpAddr, now: Duration) -> Option<FloodSummary> {
        let network = PeerNetwork::of(address);
        if !self.networks.contains_key(&network) && self.networks.len() >= self.max_networks {
            self.remove_oldest();
        }
        let new = Refusals { count: 0, last: now, logged: None };
        let refusals = self.networks.entry(network).or_insert(new);
        refusals.count += 1;
        refusals.last = now;
        self.line(network, now)
    }

    /// Returns the lines for requests that were refused some time ago and not logged yet.
    pub fn overdue(&mut self, now: Duration) -> Vec<FloodSummary> {
        let pending = self.networks.iter().filter(|(_, refusals)| refusals.count > 0);
        let pending: Vec<PeerNetwork> = pending.map(|(network, _)| *network).collect();
        pending.into_iter().filter_map(|network| self.line(network, now)).collect()
    }

    /// Returns the line about a network, if one is due.
    fn line(&mut self, network: PeerNetwork, now: Duration) -> Option<FloodSummary> {
        if now.saturating_sub(self.interval_start) >= LINE_INTERVAL {
            self.interval_start = now;
            self.lines = 0;
        }
        let refusals = self.networks.get_mut(&network)?;
        let is_due = |logged| now.saturating_sub(logged) >= LINE_INTERVAL;
        if self.lines >= MAX_LINES || !refusals.logged.is_none_or(is_due) {
            return None;
        }
        self.lines += 1;
        refusals.logged = Some(now);
        let refused = std::mem::take(&mut refusals.count);
        Some(FloodSummary { network, refused, unlogged: std::mem::take(&mut self.unlogged) })
    }

    /// Removes the tenth of the networks whose last request is the longest ago, so that a search is
    /// needed for few requests only.
    fn remove_oldest(&mut self) {
        let mut ages: Vec<(Duration, PeerNetwork)> =
            self.networks.iter().map(|(network, refusals)| (refusals.last, *network)).collect();
        let count = (ages.len() / 10).max(1).min(ages.len());
        if count < ages.len() {
            ages.select_nth_unstable(count);
        }
        for (_, network) in ages.iter().take(count) {
            let removed = self.networks.remove(network);
            self.unlogged += removed.map_or(0, |refusals| refusals.count);
        }
    }
}
