//! Logs which offered versions have no package, at most once an hour for each fleet and version.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use super::visit::Known;
use crate::values::Timestamp;

/// Time until the same gap is logged again.
const LOG_INTERVAL: TimeDelta = TimeDelta::hours(1);
/// Maximum number of gaps that are remembered.
const MAX_REMEMBERED: usize = 1000;

/// The gaps that were logged, by namespace, fleet and message.
#[derive(Debug, Default)]
pub struct MissingPackages(Mutex<BTreeMap<(String, String, String), Timestamp>>);

impl MissingPackages {
    /// Logs that a client is offered a version without a package, if this was not logged recently.
    pub(super) fn note(&self, namespace: &str, known: &Known, problem: &str) {
        let Some(entry) = known.entry() else { return };
        let key = (namespace.to_owned(), entry.fleet.name().to_owned(), problem.to_owned());
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.get(&key).is_some_and(|at| known.now - *at < LOG_INTERVAL) {
            return;
        }
        if logged.len() >= MAX_REMEMBERED {
            logged.retain(|_, at| known.now - *at < LOG_INTERVAL);
        }
        if logged.len() >= MAX_REMEMBERED {
            return;
        }
        let target = entry.row.and_then(|row| row.target.as_deref());
        tracing::warn!(namespace, fleet = entry.fleet.name(), target, problem, "no package");
        logged.insert(key, known.now);
    }
}
