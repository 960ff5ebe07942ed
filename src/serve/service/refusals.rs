//! Logs refused requests, without letting a flood of them fill the log.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::callers::Refusal;
use crate::ddi::RequestPath;
use crate::serve::front::{FloodSummary, FloodTable};

/// Counts of refused requests by address.
#[derive(Debug)]
pub struct RefusalLog {
    started: Instant,
    table: Mutex<FloodTable>,
}

impl Default for RefusalLog {
    fn default() -> Self {
        Self { started: Instant::now(), table: Mutex::default() }
    }
}

impl RefusalLog {
    /// Records a refused request, and logs it if a line about its address is due.
    pub fn note(&self, peer: IpAddr, refusal: Refusal, path: &RequestPath) {
        let now = self.started.elapsed();
        let line = self.table.lock().unwrap_or_else(PoisonError::into_inner).note(peer, now);
        let Some(FloodSummary { network, refused, unlogged }) = line else { return };
        let (tenant, client, reason) = (&path.tenant, &path.client, refusal.word());
        tracing::warn!(%network, tenant, client, reason, refused, unlogged, "requests are refused");
    }
}
