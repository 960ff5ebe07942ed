//! Writes the reports of one fleet once: computes the patch, sends it, and reacts to the answer.

use chrono::TimeDelta;

use super::basis::Basis;
use super::desk::{Job, Settled};
use super::failure::{Failure, RefusedField};
use super::failure_log::FailureLog;
use super::patch::{FleetPatch, Guard};
use super::requests::Requests;
use super::writer::FleetLookup;
use crate::api::Text;
use crate::checkin::queue::{FleetKey, Reports};
use crate::cluster::revision::is_before;

/// Maximum number of patches of one write. Each failed one is followed by another that was computed
/// again, or that leaves out the refused values.
const MAX_ROUNDS: usize = 6;

/// How a write has ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The reports are stored or dropped.
    Settled(Settled),
    /// Others have changed the spec, so the write has to wait for its turn.
    Deferred(Reports),
    /// The reports are to be written again after a back-off, which is at least this long.
    Failed(Reports, Option<TimeDelta>),
}

/// A write of one fleet.
pub(super) struct Write<'a> {
    pub(super) requests: &'a Requests,
    pub(super) fleets: &'a dyn FleetLookup,
    pub(super) log: &'a FailureLog,
    pub(super) job: &'a Job,
    /// Reports without the values that were refused.
    pub(super) reports: Reports,
}

impl Write<'_> {
    fn fleet(&self) -> &FleetKey {
        &self.job.write.fleet
    }

    /// Writes the reports.
    pub(super) async fn run(mut self) -> Ending {
        let guard = if self.job.write.is_overdue { Guard::Clients } else { Guard::Spec };
        let mut seen = self.seen();
        let mut has_conflict = false;
        for _ in 0..MAX_ROUNDS {
            let is_fetched = seen.is_none();
            let basis = match seen.take() {
                Some(basis) => basis,
                None => match self.requests.get(self.fleet()).await {
                    Ok(basis) => basis,
                    Err(failure) => return self.failed(failure),
                },
            };
            let patch = FleetPatch::new(&basis, &self.reports, &self.job.heard, guard);
            if patch.operations.is_empty() {
                let version = basis.version.filter(|_| is_fetched);
                return self.stored(version, patch.absent);
            }
            if has_conflict && guard == Guard::Spec {
                return Ending::Deferred(self.reports);
            }
            match self.requests.patch(self.fleet(), &patch).await {
                Ok(version) => return self.stored(version, patch.absent),
                Err(Failure::Changed) => has_conflict = true,
                Err(Failure::Refused(refused)) => {
                    if !self.remove_refused(&patch, &refused) {
                        return self.failed(Failure::Forbidden(messages(&refused)));
                    }
                    seen = Some(basis).filter(|_| !is_fetched);
                }
                Err(failure) => return self.failed(failure),
            }
        }
        Ending::Failed(self.reports, None)
    }

    /// Returns the fleet as the watch has shown it. `None` if the watch has not shown the last own
    /// write yet, if it shows no fleet, or if the spec cannot be read.
    fn seen(&self) -> Option<Basis> {
        let basis = Basis::seen(&*self.fleets.fleet(self.fleet())?)?;
        let version = basis.version.as_deref()?;
        let is_current = |own: &String| !is_before(version, own);
        self.job.own_version.as_ref().is_none_or(is_current).then_some(basis)
    }

    /// Removes the refused values from the reports. Returns whether there were any.
    fn remove_refused(&mut self, patch: &FleetPatch, refused: &[RefusedField]) -> bool {
        let mut is_removed = false;
        for RefusedField { index, fact, message } in refused {
            let Some(client) = patch.clients.get(index) else { continue };
            let Some(report) = self.reports.get_mut(client) else { continue };
            let has_value = match fact {
                Some(fact) => report.remove(fact),
                None => self.reports.remove(client).is_some(),
            };
            if has_value {
                is_removed = true;
                self.requests.metrics.refused.inc();
                self.log.refused(self.fleet(), client, fact.as_deref(), message);
            }
        }
        is_removed
    }

    fn stored(self, version: Option<String>, absent: Vec<Text>) -> Ending {
        let mut reports = self.reports;
        let (namespace, name) = &self.job.write.fleet;
        let absent = absent.into_iter().map(|client| {
            reports.remove(&client);
            let fleets = self.fleets.fleets_of(namespace, &client);
            tracing::info!(
                namespace,
                fleet = name,
                client = client.as_str(),
                fleets = fleets.len(),
                "the fleet does not list the client any more; its report goes to the fleets that do"
            );
            (client, fleets)
        });
        let absent = absent.collect();
        Ending::Settled(Settled::Stored { version, reports, absent })
    }

    fn failed(self, failure: Failure) -> Ending {
        let fleet = &self.job.write.fleet;
        let wait = match &failure {
            Failure::Gone => return self.gone(),
            Failure::Unavailable { retry_after, .. } => {
                retry_after.and_then(|wait| TimeDelta::from_std(wait).ok())
            }
            _ => None,
        };
        self.log.failed(fleet, &failure);
        Ending::Failed(self.reports, wait)
    }

    /// Hands the reports to the fleets that have the clients now.
    fn gone(self) -> Ending {
        let fleet = &self.job.write.fleet;
        let clients = self.job.write.reports.keys().cloned();
        let absent = clients.map(|client| {
            let mut fleets = self.fleets.fleets_of(&fleet.0, &client);
            fleets.retain(|other| other != fleet);
            (client, fleets)
        });
        let absent: Vec<_> = absent.collect();
        let moved = absent.iter().filter(|(_, fleets)| !fleets.is_empty()).count();
        let dropped = absent.len() - moved;
        let (namespace, name) = fleet;
        tracing::info!(
            namespace,
            fleet = name,
            moved,
            dropped,
            "the fleet of the reports is deleted"
        );
        Ending::Settled(Settled::Stored { version: None, reports: Reports::new(), absent })
    }
}

fn messages(refused: &[RefusedField]) -> String {
    let messages: Vec<&str> = refused.iter().map(|refused| refused.message.as_str()).collect();
    messages.join("; ")
}
