//! Evaluates the halt of a namespace: its gaps and its end. Does no I/O.

use serde::Serialize;

use crate::api::UpgradePolicy;
use crate::cli::halt::{self, FoundHalt, Gap, NoRivals};
use crate::cli::recorded_change::RecordedChange;
use crate::plan::Parsed;
use crate::values::Timestamp;

/// The halt of a namespace. A halt with gaps, such as a limited scope, does not stop all
/// distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Halted {
    pub namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Reason for the halt, if the user gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who wrote the halt policy, and when.
    #[serde(flatten)]
    pub change: RecordedChange,
    #[serde(skip)]
    pub generation: Option<i64>,
    /// True if all fleets in the scope of the halt apply it: the condition `Ready` of the policy is
    /// `True` for the current generation.
    pub in_force: bool,
    /// True if the halt stops every client now.
    pub holds_everybody: bool,
    /// True if `clientfleet halt` created the policy, so that `clientfleet resume` deletes it.
    pub is_ours: bool,
    pub is_being_deleted: bool,
    /// Reasons why the halt does not stop some clients, or stops clients only for a limited time.
    pub gaps: Vec<Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    #[serde(flatten)]
    pub rivals: NoRivals,
}

impl Halted {
    /// Returns the halt that a policy causes; `None` if the policy is not a halt.
    ///
    /// A policy with the name of the halt policy is a halt if it has the label that `clientfleet
    /// halt` sets, or if it can be read and does not distribute.
    pub fn of(policy: &Parsed<UpgradePolicy>, at: Timestamp) -> Option<Self> {
        if policy.metadata.name.as_deref() != Some(halt::NAME) {
            return None;
        }
        let found = FoundHalt::of(Some(policy));
        let is_ours = found != FoundHalt::Foreign;
        let gaps = Gap::all(policy, at);
        if !is_ours && (gaps.contains(&Gap::Distributes) || gaps.contains(&Gap::Unreadable)) {
            return None;
        }
        let spec = policy.spec.as_ref().ok();
        Some(Self {
            namespace: policy.metadata.namespace.clone().unwrap_or_default(),
            since: halt::since(&policy.metadata),
            reason: None,
            change: RecordedChange::default(),
            generation: policy.metadata.generation,
            in_force: halt::is_in_force(policy),
            holds_everybody: gaps.iter().all(|gap| *gap == Gap::Ends),
            is_ours,
            is_being_deleted: policy.metadata.deletion_timestamp.is_some(),
            begins: spec.and_then(|spec| spec.effective_from).filter(|&from| at < from),
            ends: spec.and_then(|spec| spec.effective_until),
            gaps,
            rivals: NoRivals::default(),
        })
    }

    /// Returns whether the halt may stop at least one client now. Returns `true` for a halt policy
    /// that cannot be read, because such a policy blocks every client.
    pub(crate) fn holds_somebody(&self) -> bool {
        let nobody = [Gap::Distributes, Gap::NotYet, Gap::Over];
        !self.gaps.iter().any(|gap| nobody.contains(gap))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_holds_and_what_is_no_brake_is_none() {
        let at = "2026-11-24T12:00:00Z".parse().expect("a time");
        let halted = |ours: bool, spec| {
            let labels = ours.then(|| json!({"app.kubernetes.io/managed-by": "clientfleet"}));
            let metadata = json!({"name": halt::NAME, "namespace": "n", "labels": labels});
            let policy = json!({"metadata": metadata, "spec": spec});
            let policy = serde_json::from_value(policy).expect("a policy");
            Halted::of(&policy, at).map(|halted| (halted.holds_somebody(), halted.holds_everybody))
        };
        let whole = json!({"priority": i32::MAX, "upgrade": {"mode": "NoUpgrade"}});
        assert_eq!(halted(true, whole.clone()), Some((true, true)));
        assert_eq!(halted(false, whole), Some((true, true)));
        assert_eq!(halted(true, json!({"priority": "high"})), Some((true, false)));
        let distributes = json!({"upgrade": {"mode": "AutoUpgrade"}});
        assert_eq!(halted(true, distributes.clone()), Some((false, false)));
        assert_eq!(halted(false, distributes), None);
    }
}
