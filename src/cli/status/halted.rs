//! The emergency brake of a namespace, judged: whether it holds everybody, what goes on in spite of it,
//! when it ends. Pure.

use serde::Serialize;

use crate::api::UpgradePolicy;
use crate::cli::halt::{self, FoundHalt, Gap, Rival};
use crate::plan::Parsed;
use crate::values::Timestamp;

/// A namespace in which the emergency brake is pulled, or seems to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Halted {
    pub namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why, where somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the controller carries it out.
    pub in_force: bool,
    /// Whether it holds every client now.
    pub holds_everybody: bool,
    /// Whether `clientfleet halt` made it, so that `clientfleet resume` takes it away.
    pub is_ours: bool,
    pub is_being_deleted: bool,
    /// What keeps it from holding everybody for good.
    pub gaps: Vec<Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Policies that come before it and may distribute.
    pub comes_after: Vec<String>,
    /// Policies that will come before it once they are effective.
    pub comes_after_later: Vec<Later>,
}

/// A policy that comes before the brake from some moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Later {
    pub policy: String,
    pub at: Timestamp,
}

impl Halted {
    /// What a policy is as a brake: nothing, unless it has the brake's name. Somebody else's that
    /// distributes something is none either.
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
            in_force: halt::is_in_force(policy),
            holds_everybody: gaps.iter().all(|gap| *gap == Gap::Ends),
            is_ours,
            is_being_deleted: policy.metadata.deletion_timestamp.is_some(),
            begins: spec.and_then(|spec| spec.effective_from).filter(|&from| at < from),
            ends: spec.and_then(|spec| spec.effective_until),
            gaps,
            comes_after: Vec::new(),
            comes_after_later: Vec::new(),
        })
    }

    /// ChangeSet the policies that come before the brakes of their namespaces.
    pub fn beaten_by(&mut self, rivals: &[Rival]) {
        let here = rivals.iter().filter(|rival| rival.namespace == self.namespace);
        for rival in here.filter(|rival| !rival.is_unreadable) {
            let policy = rival.name.clone();
            match rival.begins {
                Some(at) => self.comes_after_later.push(Later { policy, at }),
                None => {
                    self.holds_everybody = false;
                    self.comes_after.push(policy);
                }
            }
        }
    }

    /// Whether it holds anybody now. One that cannot be read does: it blocks everybody.
    pub fn holds_somebody(&self) -> bool {
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
