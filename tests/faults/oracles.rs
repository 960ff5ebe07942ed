//! The oracles: rules that must hold in every case, whatever the fault. They judge all versions
//! that were stored, all requests that the proxy received, and what the process left behind.

use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use crate::observer::Stored;
use crate::proxy::Seen;
use crate::{audit, history, offers};

/// Maximum number of requests in one second.
const MAX_REQUESTS_PER_SECOND: usize = 50;

/// Maximum resident set size of a debug build, in KiB. A controller of three fleets needs a third
/// of that.
const MAX_MEMORY_KIB: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Oracle {
    /// The controller stops writing some time after the fault has ended.
    ComesToRest,
    /// The end state equals `plan --local` of the same objects.
    EqualsPlan,
    /// Every stored offer follows from policies and a fleet that the controller may have seen.
    OffersAreAsked,
    /// When a policy comes into force, no stored offer contradicts it.
    InForceIsTrue,
    /// `observedGeneration` never goes back.
    GenerationsRise,
    /// No panic, fewer than 50 requests a second, bounded memory.
    BehavesWell,
    /// The controller ends within 5 s of SIGTERM, also during the fault.
    Shutdown,
    /// The controller writes nothing but statuses, events and the Lease.
    WritesOnlyStatus,
    /// `lastOffer` and `lastTransitionTime` change only with the client's state.
    HistoryIsKept,
    /// The audit stream is exactly the list of the stored changes.
    AuditIsComplete,
}

/// A broken rule, and where it was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    pub oracle: Oracle,
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.oracle, self.what)
    }
}

/// What the oracles judge at the end of a case.
pub struct Evidence {
    pub fleets: Vec<Stored>,
    pub policies: Vec<Stored>,
    /// Requests of each controller.
    pub seen: Vec<Vec<Seen>>,
    pub log: String,
    pub audit: Vec<Value>,
    /// Ranges of resourceVersions, both ends included, whose audit lines may be missing.
    pub unaudited: Vec<(u64, u64)>,
    pub peak_memory_kib: u64,
}

/// Returns all rules that are broken, except those that are checked while the controller runs.
pub fn violations(evidence: &Evidence) -> Vec<Violation> {
    let Evidence { fleets, policies, .. } = evidence;
    let found = [
        (Oracle::OffersAreAsked, offers::unasked(fleets, policies)),
        (Oracle::InForceIsTrue, offers::contradictions(fleets, policies)),
        (
            Oracle::GenerationsRise,
            [history::gone_back(fleets), history::gone_back(policies)].concat(),
        ),
        (Oracle::BehavesWell, misbehavior(evidence)),
        (Oracle::WritesOnlyStatus, other_writes(&evidence.seen.concat())),
        (Oracle::HistoryIsKept, history::lost(fleets)),
        (Oracle::AuditIsComplete, audit::differences(fleets, &evidence.audit, &evidence.unaudited)),
    ];
    let with_oracle = |(oracle, whats): (Oracle, Vec<String>)| {
        whats.into_iter().map(move |what| Violation { oracle, what })
    };
    found.into_iter().flat_map(with_oracle).collect()
}

fn misbehavior(evidence: &Evidence) -> Vec<String> {
    let mut found = vec![];
    if evidence.log.contains("panicked at") {
        found.push(format!("it panicked:\n{}", evidence.log));
    }
    found.extend(evidence.seen.iter().find_map(|seen| hot_loop(seen)));
    let peak = evidence.peak_memory_kib;
    if peak == 0 || peak > MAX_MEMORY_KIB {
        found.push(format!("it used {peak} KiB of memory"));
    }
    found
}

/// Returns the requests of a controller if there were over 50 in a second.
fn hot_loop(seen: &[Seen]) -> Option<String> {
    // The requests are in the order in which the proxy received them.
    let mut spans = seen.iter().zip(seen.iter().skip(MAX_REQUESTS_PER_SECOND));
    spans.find(|(first, last)| last.received - first.received < Duration::from_secs(1))?;
    let requests: Vec<String> =
        seen.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    Some(format!("over 50 requests in a second:\n{}", requests.join("\n")))
}

fn other_writes(seen: &[Seen]) -> Vec<String> {
    let is_allowed = |seen: &&Seen| {
        let of_group = seen.path.contains("/clientfleet.dev/");
        seen.method == Method::GET
            || (seen.method == Method::PUT && of_group && seen.path.ends_with("/status"))
            || seen.path.contains("/events.k8s.io/")
            || seen.path.contains("/coordination.k8s.io/")
    };
    let others = seen.iter().filter(|seen| !is_allowed(seen));
    others.map(|seen| format!("{} {}", seen.method, seen.path)).collect()
}
