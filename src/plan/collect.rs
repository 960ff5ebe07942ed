//! Implements the first stage of a plan, which lists the claims of one fleet's clients: whether a
//! client could get an offer, and whether it already has one.
//!
//! This stage makes the decision for each client as if no other client existed. A client has a
//! claim only if the [`Allotter`] covers its governing policy, so fleets without such policies skip
//! the stage.

use std::collections::BTreeMap;

use super::allot::{Allotter, Claim, Standing, Standings};
use super::cached::CachedFleet;
use super::cached_status::{CachedFleetStatus, CachedRow, CachedRows};
use super::fleet::{FleetPlan, Rulebook, plan_on};
use super::phase_cache::PhaseCache;
use super::row::{CurrentOffer, Row, StatusSink};
use super::state::State;
use crate::api::Text;
use crate::api::fleet::ClientFleetStatus;
use crate::values::Timestamp;

/// The claims of one fleet's clients at an instant.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub claims: Vec<Claim>,
    /// Instant until which the claims are valid; `None` if they never expire.
    pub holds_until: Option<Timestamp>,
}

impl Collected {
    /// Records in each claim whether the client has an offer under `standings`. Returns each
    /// changed claim before and after the change.
    pub fn record_offers(&mut self, standings: &Standings) -> Vec<(Claim, Claim)> {
        let mut changes = Vec::new();
        for claim in &mut self.claims {
            let standing = standings.get(&claim.client).copied().unwrap_or_default();
            let has_offer = claim.could_be_offered && standing == Standing::Free;
            if claim.has_offer != has_offer {
                let before = claim.clone();
                claim.has_offer = has_offer;
                changes.push((before, claim.clone()));
            }
        }
        changes
    }
}

/// Returns the claims of a fleet's clients. `duplicates` contains the standings of the clients that
/// other fleets list too, and `last` the fleet's claims from the last plan.
pub(super) fn collect(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    phase_cache: &PhaseCache,
    allotter: &dyn Allotter,
    duplicates: &Standings,
    last: &Collected,
) -> Collected {
    let sink = ClaimsSink {
        fleet: fleet.name().into(),
        covered: rulebook.iter().filter(|p| allotter.covers(p)).map(|p| &p.name).collect(),
        stored: fleet.status.as_ref().map(|stored| CachedFleetStatus::lookup(&stored.kept)),
        planned: last.claims.iter().map(|claim| (&claim.client, claim.has_offer)).collect(),
        index: 0,
        claims: Vec::new(),
    };
    let plan = plan_on(fleet, source, rulebook, duplicates, phase_cache, sink);
    let FleetPlan { status: claims, holds_until, .. } = plan;
    Collected { claims, holds_until }
}

/// Returns whether a policy that the allotter covers may govern clients of a fleet.
pub(super) fn is_covered(
    fleet: &CachedFleet,
    rulebook: &Rulebook,
    allotter: &dyn Allotter,
) -> bool {
    let mut covered = rulebook.iter().filter(|policy| allotter.covers(policy));
    covered.any(|policy| policy.scope.includes_fleet(|key| fleet.label(key)))
}

struct ClaimsSink<'a> {
    fleet: Text,
    covered: Vec<&'a Text>,
    stored: Option<CachedRows<'a>>,
    /// Whether each client had an offer in the last plan, by client name. The stored status may be
    /// older than the last plan.
    planned: BTreeMap<&'a Text, bool>,
    index: usize,
    claims: Vec<Claim>,
}

impl StatusSink for ClaimsSink<'_> {
    type Finished = Vec<Claim>;

    fn add(&mut self, row: Row<'_>, offer: Option<CurrentOffer<'_>>) {
        let stored = self.stored.as_mut().and_then(|rows| rows.find(self.index, row.name));
        self.index += 1;
        let Some(policy) = row.shared.policy.filter(|policy| self.covered.contains(policy)) else {
            return;
        };
        self.claims.push(Claim {
            client: row.name.clone(),
            fleet: self.fleet.clone(),
            policy: policy.clone(),
            target: row.shared.target_version.cloned(),
            could_be_offered: offer.is_some(),
            has_offer: self
                .planned
                .get(row.name)
                .copied()
                .unwrap_or_else(|| stored.and_then(CachedRow::state) == Some(State::Distributing)),
        });
    }

    fn finish(self, _: &ClientFleetStatus, has_rows: bool) -> Vec<Claim> {
        if has_rows { self.claims } else { Vec::new() }
    }
}
