//! Defines the halt policy, and classifies an existing policy that has the same name. Does no I/O.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::UpgradePolicy;
use crate::api::policy::{HALT_POLICY_NAME, MANAGED_BY, Mode, UpgradePolicySpec};
use crate::cli::recorded_change::{HALT_MANAGER, RecordedChange};
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::Parsed;
use crate::values::Timestamp;

/// Name of the halt policy.
pub(in crate::cli) const NAME: &str = HALT_POLICY_NAME;
/// Field manager that writes the halt policy. It has the same name as the policy, so that one
/// search finds both.
pub(super) const MANAGER: &str = HALT_MANAGER;
/// Priority of the halt policy. It is the maximum of a signed 32-bit integer, so no policy can have
/// a higher priority, and of equal priorities no policy that distributes comes before the halt
/// policy.
pub(super) const PRIORITY: i32 = i32::MAX;
const REASON: &str = "clientfleet.dev/reason";

/// Builds the halt policy as a JSON object, ready to apply.
pub(super) fn object(
    namespace: &str,
    annotations: &BTreeMap<String, String>,
    uid: Option<&str>,
) -> Value {
    let mut object = json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "UpgradePolicy",
        "metadata": {
            "namespace": namespace,
            "name": NAME,
            "labels": {MANAGED_BY.0: MANAGED_BY.1},
        },
        "spec": {"priority": PRIORITY, "upgrade": {"mode": Mode::NoUpgrade.as_str()}},
    });
    if !annotations.is_empty() {
        object["metadata"]["annotations"] = json!(annotations);
    }
    if let Some(uid) = uid {
        object["metadata"]["uid"] = json!(uid);
    }
    object
}

/// Returns the annotations of the halt policy: the reason for the halt, and who wrote the policy.
pub(super) fn annotations(
    reason: Option<&str>,
    change: &RecordedChange,
) -> BTreeMap<String, String> {
    let reason = reason.map(|reason| (REASON, reason.to_owned()));
    let annotations = change.annotations().into_iter().chain(reason);
    annotations.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Returns the merge patch that changes `have` into `want`. The patch removes fields that are not
/// in `want`.
pub(super) fn merge_patch(have: Option<&Value>, want: &Value) -> Value {
    let Value::Object(want) = want else { return want.clone() };
    let have = have.and_then(Value::as_object);
    let gone = have.into_iter().flat_map(Map::keys).filter(|key| !want.contains_key(*key));
    let mut patch: Map<_, _> = gone.map(|key| (key.clone(), Value::Null)).collect();
    patch.extend(
        want.iter().map(|(key, want)| {
            (key.clone(), merge_patch(have.and_then(|have| have.get(key)), want))
        }),
    );
    Value::Object(patch)
}

/// Returns the reason for the halt, if the user gave one.
pub(in crate::cli) fn reason(metadata: &ObjectMeta) -> Option<&str> {
    let reason = metadata.annotations.as_ref()?.get(REASON)?;
    said(reason)
}

/// Returns the text that the user gave as the reason for a halt, or `None` if the text is blank.
pub(super) fn said(reason: &str) -> Option<&str> {
    (!reason.trim().is_empty()).then_some(reason)
}

/// Returns the time when the halt began.
pub(in crate::cli) fn since(metadata: &ObjectMeta) -> Option<Timestamp> {
    let created = metadata.creation_timestamp.as_ref()?;
    Timestamp::from_timestamp_secs(created.0.as_second())
}

/// Returns who halted, such as ` by anna@example.com`, or an empty text if that is not recorded.
///
/// If the spec of the policy has changed since it was created, the last user who wrote the policy
/// with `halt` may be another one than the user who created it, so the text says when.
pub(in crate::cli) fn by(
    change: &RecordedChange,
    generation: Option<i64>,
    reader: &TimeFormatter,
) -> String {
    match (generation, change.shown(reader)) {
        (Some(2..), Some(shown)) => format!(", {shown}"),
        _ => change.by(),
    }
}

/// Result of looking up the policy that has the name of the halt policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum FoundHalt {
    Nothing,
    /// The halt policy exists and stops every client.
    Pulled,
    /// The halt policy exists, but its spec was changed, so that it may no longer stop every
    /// client.
    Changed,
    /// The halt policy exists, but it is being deleted.
    Leaving,
    /// A policy with this name exists, but the `halt` command did not create it.
    Foreign,
}

impl FoundHalt {
    /// Classifies `policy`, which has the name of the halt policy. `None` means that no such policy
    /// exists.
    pub fn of(policy: Option<&Parsed<UpgradePolicy>>) -> Self {
        let Some(policy) = policy else { return Self::Nothing };
        let metadata = &policy.metadata;
        let label = metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY.0));
        if label.map(String::as_str) != Some(MANAGED_BY.1) {
            Self::Foreign
        } else if metadata.deletion_timestamp.is_some() {
            Self::Leaving
        } else if policy.spec.as_ref().is_ok_and(holds_everybody) {
            Self::Pulled
        } else {
            Self::Changed
        }
    }
}

/// Returns whether the policy stops every client, at all times.
pub(super) fn holds_everybody(spec: &UpgradePolicySpec) -> bool {
    spec.priority == PRIORITY
        && spec.upgrade.mode == Mode::NoUpgrade
        && spec.scope.is_none()
        && spec.effective_from.is_none()
        && spec.effective_until.is_none()
}

/// A reason why a halt policy does not stop every client at all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) enum Gap {
    /// The policy cannot be read. The controller blocks every client until the policy is fixed.
    Unreadable,
    /// The policy itself distributes versions.
    Distributes,
    /// The `effectiveFrom` of the policy is in the future.
    NotYet,
    /// The `effectiveUntil` of the policy has passed.
    Over,
    /// The `effectiveUntil` of the policy is in the future, so the halt will end at that time.
    Ends,
    /// The policy has a scope, so it stops only the clients in that scope.
    Scope,
    /// The policy does not have the maximum priority, so other policies can have precedence over
    /// it.
    Priority,
}

impl Gap {
    /// Returns all gaps that a halt policy has at the instant `now`.
    pub fn all(policy: &Parsed<UpgradePolicy>, now: Timestamp) -> Vec<Self> {
        let Ok(spec) = &policy.spec else { return vec![Self::Unreadable] };
        let ends = spec.effective_until;
        let gaps = [
            (spec.upgrade.mode != Mode::NoUpgrade, Self::Distributes),
            (spec.effective_from.is_some_and(|from| now < from), Self::NotYet),
            (ends.is_some_and(|until| until <= now), Self::Over),
            (ends.is_some_and(|until| now < until), Self::Ends),
            (spec.scope.is_some(), Self::Scope),
            (spec.priority != PRIORITY, Self::Priority),
        ];
        gaps.into_iter().filter_map(|(there, gap)| there.then_some(gap)).collect()
    }

    /// Returns why the policy does not stop every client, as text to print after the name of the
    /// policy, such as "cannot be read".
    pub fn description(self) -> &'static str {
        match self {
            Self::Unreadable => "cannot be read",
            Self::Distributes => "distributes something itself",
            Self::NotYet => "is not effective yet (effectiveFrom)",
            Self::Over => "is not effective any more (effectiveUntil)",
            Self::Ends => "ends by itself (effectiveUntil)",
            Self::Scope => "holds only the clients in its scope",
            Self::Priority => "has not the highest priority, so that others come before it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Kind, admission};
    use crate::cli::cluster::OnePolicy;

    fn policy(name: &str, spec: Value) -> OnePolicy {
        let text = json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec}).to_string();
        OnePolicy::read(&text).expect("a policy")
    }

    fn at() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    #[test]
    fn admission_takes_it_and_it_holds_everybody() {
        let object = object("clients", &annotations(Some("why"), &RecordedChange::default()), None);
        assert_eq!(admission::check(Kind::UpgradePolicy, &object), []);
        let read = OnePolicy::read(&object.to_string()).expect("a policy");
        assert!(matches!(FoundHalt::of(Some(&read.live)), FoundHalt::Pulled));
        assert_eq!(reason(&read.whole.metadata), Some("why"));
        let mut weakened = object.clone();
        weakened["spec"]["scope"] = json!({"clients": [{"search": "x"}]});
        let read = OnePolicy::read(&weakened.to_string()).expect("a policy");
        assert!(matches!(FoundHalt::of(Some(&read.live)), FoundHalt::Changed));
        let foreign = policy(NAME, json!({}));
        assert!(matches!(FoundHalt::of(Some(&foreign.live)), FoundHalt::Foreign));
    }

    #[test]
    fn a_patch_takes_away_what_is_not_wanted() {
        let have = json!({"a": 1, "b": {"c": 2, "d": [3]}, "e": {}});
        let want = json!({"b": {"d": [4]}, "f": {"g": 5}});
        let patch = json!({"a": null, "b": {"c": null, "d": [4]}, "e": null, "f": {"g": 5}});
        assert_eq!(merge_patch(Some(&have), &want), patch);
    }

    #[test]
    fn gaps_are_found() {
        let gaps = |spec| Gap::all(&policy(NAME, spec).live, at());
        let whole = json!({"priority": PRIORITY, "upgrade": {"mode": "NoUpgrade"}});
        assert_eq!(gaps(whole), []);
        let scope = json!({"clients": [{"search": "x"}]});
        assert_eq!(
            gaps(json!({"scope": scope, "upgrade": {"mode": "AutoUpgrade"}})),
            [Gap::Distributes, Gap::Scope, Gap::Priority]
        );
        let ends = |until| json!({"priority": PRIORITY, "effectiveUntil": until});
        assert_eq!(gaps(ends("2026-11-24T12:00:00Z")), [Gap::Over]);
        assert_eq!(gaps(ends("2026-11-25T12:00:00Z")), [Gap::Ends]);
    }
}
