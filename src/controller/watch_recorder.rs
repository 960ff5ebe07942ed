//! Records what the watches report: changed objects in the change set, filled stores in the health
//! of the controller, and interruptions in the metrics.

use std::sync::Arc;
use std::time::Instant;

use super::change_set::{ChangeSet, StoreKind};
use super::health::Health;
use super::metrics::Metrics;
use crate::cluster::watch::WatchHandler;
use crate::plan::{Cached, Kind};

/// Recorder of what the watch of one store reports.
#[derive(Clone, Debug)]
pub struct WatchRecorder {
    /// The store that the watch fills.
    pub store: StoreKind,
    /// Change set in which the recorder puts the changed objects.
    pub change_set: Arc<ChangeSet>,
    /// Health of the controller, including the number of stores that are still to be filled.
    pub health: Health,
    /// Metrics of the controller, including the number of interrupted watches.
    pub metrics: Arc<Metrics>,
}

impl<K: Kind> WatchHandler<Cached<K>> for WatchRecorder {
    fn applied(&mut self, object: &Cached<K>) {
        self.change_set.object(self.store, object.key());
    }

    fn deleted(&mut self, object: &Cached<K>) {
        self.change_set.object(self.store, object.key());
    }

    fn relisted(&mut self, began: Instant) {
        self.change_set.relisted(self.store, began);
    }

    fn filled(&mut self) {
        if self.health.store_filled() {
            tracing::info!("stores are filled");
        }
    }

    fn interrupted(&mut self) {
        self.metrics.interrupted(&K::kind(&()));
    }
}
