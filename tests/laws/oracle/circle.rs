//! Follows a client from target to target, as specified in sections 8.3 and 8.12 of the design.
//!
//! The oracle moves a copy of the client from version to version, and decides for each copy like for
//! any client.

use super::{Client, Fleet, Oracle, Policy, Verdict, governing, same};

/// The policies that govern a client on its way, each with the version to which it sends the client.
pub struct Way<'a> {
    pub passed: Vec<(&'a Policy, String)>,
    pub is_circle: bool,
}

impl Oracle {
    /// Returns `verdict`, or the verdict on a circle if that takes precedence: `TargetsInCircle`
    /// stands after `NotSeen` and before `RestartPending`.
    pub(super) fn in_circle(
        &self,
        fleet: &Fleet,
        client: &Client,
        t: i64,
        verdict: Verdict,
    ) -> Verdict {
        let is_later =
            matches!(verdict.0, "RestartRequired" | "Failed" | "Waiting" | "Distributing");
        let way = self.way(fleet, client, t);
        let first = way.passed.iter().map(|(policy, _)| *policy).min_by_key(|p| rank(p));
        match (way.passed.first(), first) {
            (Some((governing, _)), Some(first))
                if is_later && way.is_circle && governing.name != first.name =>
            {
                ("Blocked", "TargetsInCircle")
            }
            _ => verdict,
        }
    }

    /// Follows a client from target to target at the instant `t`.
    pub fn way(&self, fleet: &Fleet, client: &Client, t: i64) -> Way<'_> {
        let mut versions: Vec<String> = client.version.iter().cloned().collect();
        let mut way = Way { passed: Vec::new(), is_circle: false };
        while let Some(here) = versions.last() {
            let moved = client.moved_to(here);
            let about = self.policies_about(fleet, &moved);
            let Some((policy, in_doubt)) = governing(&moved, &about, t) else { break };
            let Ok(target) = self.without_target(policy, fleet, &moved) else { break };
            let verdict = self.with_target(policy, fleet, &moved, &target, t, false);
            if in_doubt || !matches!(verdict.0, "Waiting" | "Distributing") {
                break;
            }
            way.passed.push((policy, target.clone()));
            if versions.iter().any(|left| same(left, &target)) {
                way.is_circle = true;
                break;
            }
            versions.push(target);
        }
        way
    }
}

/// Returns the key of the order of policies: the policy with the lowest key comes first.
pub fn rank(policy: &Policy) -> (bool, i64, u8, String) {
    let last_of_equals = match () {
        () if policy.invalid => 0,
        () if policy.mode == "NoUpgrade" => 1,
        () if policy.suspend => 2,
        () => 3,
    };
    (!policy.unreadable, -policy.priority, last_of_equals, policy.name.clone())
}

impl Client {
    /// Returns the client as it would be after a move to `version`: nothing is staged and nothing
    /// has failed.
    pub fn moved_to(&self, version: &str) -> Client {
        Client {
            name: self.name.clone(),
            labels: self.labels.clone(),
            zone: self.zone.clone(),
            computer: self.computer.clone(),
            ip: self.ip.clone(),
            user: self.user.clone(),
            version: Some(version.to_owned()),
            staged: None,
            error_version: None,
            error_time: None,
            seen: self.seen,
        }
    }
}
