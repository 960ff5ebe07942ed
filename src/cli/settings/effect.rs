//! Computes how a new setting of a policy affects the clients that the policy governs: counts the
//! clients by effect, before and after the change.
//!
//! Does no I/O.

use std::sync::Arc;

use serde::Serialize;

use super::choice::Choice;
use super::policy_blockers::PolicyBlockers;
use crate::api::fleet::ClientStatus;
use crate::plan::policy::Policy;
use crate::plan::version_text::VersionText;
use crate::plan::{self, Estate, Plan};
use crate::values::{Timestamp, parse_rfc3339, rfc3339};

/// Counts of the clients that one policy governs, by the effect of the policy on each client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Moves {
    /// Number of clients that are offered a newer version now.
    pub up_now: u32,
    /// Number of clients that are offered an older version now.
    pub down_now: u32,
    /// Number of clients that are offered a newer version when distribution opens.
    pub up_later: u32,
    /// Number of clients that are offered an older version when distribution opens.
    pub down_later: u32,
    /// Number of clients that have staged the target version and wait for a restart.
    pub restart_pending: u32,
    pub at_target: u32,
    /// Number of clients that run a newer version than the target, and keep it.
    pub ahead: u32,
    /// Number of clients whose installation failed and will be retried.
    pub failed: u32,
    /// Number of held clients, to which the policy offers no version.
    pub held: u32,
    /// Number of clients that cannot move because of a problem.
    pub blocked: u32,
    pub offline: u32,
}

impl Moves {
    fn count(&mut self, row: &ClientStatus) {
        let down = is_down(row);
        *match (row.state.as_ref(), down) {
            ("Distributing", false) => &mut self.up_now,
            ("Distributing", true) => &mut self.down_now,
            ("Waiting", false) => &mut self.up_later,
            ("Waiting", true) => &mut self.down_later,
            ("RestartRequired", _) => &mut self.restart_pending,
            ("UpToDate", _) => &mut self.at_target,
            ("Ahead", _) => &mut self.ahead,
            ("Failed", _) => &mut self.failed,
            ("Held", _) => &mut self.held,
            ("Offline", _) => &mut self.offline,
            _ => &mut self.blocked,
        } += 1;
    }

    /// Returns each count with its label.
    pub(crate) fn labeled(&self) -> [(&'static str, u32); 11] {
        [
            ("offered a newer version now", self.up_now),
            ("offered an OLDER version now", self.down_now),
            ("offered a newer version later", self.up_later),
            ("offered an OLDER version later", self.down_later),
            ("waiting for a restart", self.restart_pending),
            ("at their target", self.at_target),
            ("ahead of it, and stay", self.ahead),
            ("failed", self.failed),
            ("held", self.held),
            ("blocked", self.blocked),
            ("offline", self.offline),
        ]
    }
}

/// Returns whether a client's target version is older than the version that the client runs.
fn is_down(row: &ClientStatus) -> bool {
    let read = |text: &Option<crate::api::Text>| VersionText::new(text.clone()?).parsed;
    match (read(&row.version), read(&row.target_version)) {
        (Some(version), Some(target)) => target < version,
        _ => false,
    }
}

/// The counts of clients before and after a change of the setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct SettingEffect {
    pub before: Moves,
    pub after: Moves,
}

impl Moves {
    /// Returns the total number of counted clients.
    pub fn total(&self) -> u32 {
        self.labeled().iter().map(|(_, count)| count).sum()
    }
}

/// Counts the clients that `policy` governs, once with the current setting and once with `choice`,
/// and returns the conditions that prevent the policy from distributing.
///
/// If the policy is not effective yet, the counts are for the time when the policy takes effect.
pub(super) fn effect(
    estate: &Estate,
    policy: &str,
    choice: &Choice,
    now: Timestamp,
) -> (SettingEffect, PolicyBlockers) {
    let after = changed(estate, policy, choice);
    let read = after.policies.iter().find(|found| found.name() == policy);
    let standing =
        read.map(|found| PolicyBlockers::of(&Policy::read(found), now)).unwrap_or_default();
    let at = standing.counted_at(now);
    let moves = |estate: &Estate| moves(&plan::settle(&seen_later(estate, now, at), at), policy);
    (SettingEffect { before: moves(estate), after: moves(&after) }, standing)
}

/// Returns a copy of the estate in which every client's `lastSeen` is later by the time from `now`
/// to `at`. Otherwise, the clients would count as offline at the future instant `at`.
fn seen_later(estate: &Estate, now: Timestamp, at: Timestamp) -> Estate {
    let mut estate = estate.clone();
    if at == now {
        return estate;
    }
    for fleet in &mut estate.fleets {
        let Ok(spec) = &mut Arc::make_mut(fleet).spec else { continue };
        let spec = Arc::make_mut(spec);
        let reports = spec.clients.iter_mut().flatten().filter_map(|c| c.reported.as_mut());
        for seen in reports.filter_map(|reported| reported.last_seen.as_mut()) {
            let then = parse_rfc3339(seen);
            if let Some(later) = then.and_then(|then| then.checked_add_signed(at - now)) {
                *seen = rfc3339(later).as_str().into();
            }
        }
    }
    estate
}

fn changed(estate: &Estate, name: &str, choice: &Choice) -> Estate {
    let mut estate = estate.clone();
    for policy in estate.policies.iter_mut().filter(|policy| policy.name() == name) {
        let policy = Arc::make_mut(policy);
        policy.metadata.generation = Some(policy.generation() + 1);
        if let (Ok(spec), Some(mode)) = (&mut policy.spec, choice.known_mode()) {
            let spec = Arc::make_mut(spec);
            spec.upgrade.mode = mode;
            spec.upgrade.version.clone_from(&choice.version);
        }
    }
    estate
}

fn moves(plan: &Plan, policy: &str) -> Moves {
    let mut moves = Moves::default();
    let rows = plan.fleets.iter().flat_map(|(_, status)| status.clients.iter().flatten());
    for row in rows.filter(|row| row.policy.as_deref() == Some(policy)) {
        moves.count(row);
    }
    moves
}

/// Counts of the clients that one policy governs, by the version that they run.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    pub governed: u32,
    /// Number of clients that run the package version of their fleet.
    pub at_package: u32,
    running: Vec<(VersionText, u32)>,
}

impl Versions {
    /// Counts the clients in `rows` that `policy` governs. `package` is the package version of
    /// their fleet.
    pub fn add(&mut self, rows: &[ClientStatus], policy: &str, package: Option<&VersionText>) {
        for row in rows.iter().filter(|row| row.policy.as_deref() == Some(policy)) {
            self.governed += 1;
            let Some(version) = row.version.clone().map(VersionText::new) else { continue };
            self.at_package += u32::from(package.is_some_and(|p| p.is_same_as(&version)));
            match self.running.iter_mut().find(|(known, _)| known.is_same_as(&version)) {
                Some((_, count)) => *count += 1,
                None => self.running.push((version, 1)),
            }
        }
    }

    /// Returns the number of clients that already run the target version of a choice; `None` if the
    /// choice has no target.
    pub fn at(&self, choice: &Choice) -> Option<u32> {
        if let Some(version) = choice.version.clone().map(VersionText::new) {
            let found = self.running.iter().find(|(known, _)| known.is_same_as(&version));
            return Some(found.map_or(0, |(_, count)| *count));
        }
        (choice.mode == "AutoUpgrade").then_some(self.at_package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::State;

    #[test]
    fn every_state_is_counted_somewhere() {
        for state in State::ALL {
            let row = ClientStatus { state: state.as_str().into(), ..ClientStatus::default() };
            let mut moves = Moves::default();
            moves.count(&row);
            assert_eq!(moves.labeled().iter().map(|(_, count)| count).sum::<u32>(), 1, "{state}");
        }
    }

    #[test]
    fn the_direction_is_that_of_the_versions() {
        let row = |version: &str, target: &str| ClientStatus {
            state: "Distributing".into(),
            version: Some(version.into()),
            target_version: Some(target.into()),
            ..ClientStatus::default()
        };
        let mut moves = Moves::default();
        for row in [row("3.9", "3.10"), row("3.10", "3.9"), row("v3.10-rc.1", "3.10")] {
            moves.count(&row);
        }
        assert_eq!((moves.up_now, moves.down_now), (2, 1));
    }
}
