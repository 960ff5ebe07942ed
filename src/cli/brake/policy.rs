//! The policy that is the brake: what it says, whose one of its name is, and which policies come
//! before it. Pure; knows no cluster.

use kube::core::ObjectMeta;
use serde_json::{Value, json};

use crate::api::UpgradePolicy;
use crate::api::policy::{Mode, UpgradePolicySpec};
use crate::cli::cluster::OnePolicy;
use crate::plan::Live;
use crate::values::Timestamp;

/// The brake's name.
pub(in crate::cli) const NAME: &str = "clientfleet-halt";
/// Who writes it. The same word, so that who looks at either finds the other.
pub(super) const MANAGER: &str = "clientfleet-halt";
/// No policy has a higher one: admission takes every 32-bit number.
pub(super) const PRIORITY: i32 = i32::MAX;
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "clientfleet");
const REASON: &str = "clientfleet.dev/reason";

/// The brake as it is applied.
pub(super) fn object(namespace: &str, reason: Option<&str>, uid: Option<&str>) -> Value {
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
    if let Some(reason) = reason {
        object["metadata"]["annotations"] = json!({REASON: reason});
    }
    if let Some(uid) = uid {
        object["metadata"]["uid"] = json!(uid);
    }
    object
}

/// Why it was pulled, where somebody said so.
pub(super) fn reason(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(REASON).map(String::as_str)
}

/// Since when it is pulled.
pub(in crate::cli) fn since(metadata: &ObjectMeta) -> Option<Timestamp> {
    let created = metadata.creation_timestamp.as_ref()?;
    Timestamp::from_timestamp_secs(created.0.as_second())
}

/// A policy of the brake's name, as it was found.
#[derive(Debug)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// It is the brake, and pulled.
    Pulled,
    /// It is the brake, but somebody has changed what it says.
    Changed,
    /// It is being deleted and not yet gone.
    Leaving,
    /// Somebody else's.
    Foreign,
}

impl Found {
    /// Judges what stands under the brake's name.
    pub fn of(policy: Option<&OnePolicy>) -> Self {
        let Some(policy) = policy else { return Self::Nothing };
        let metadata = &policy.whole.metadata;
        let label = metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY.0));
        if label.map(String::as_str) != Some(MANAGED_BY.1) {
            Self::Foreign
        } else if metadata.deletion_timestamp.is_some() {
            Self::Leaving
        } else if policy.live.spec.as_ref().is_ok_and(holds_everybody) {
            Self::Pulled
        } else {
            Self::Changed
        }
    }
}

/// Whether it holds every client, now and always.
pub(super) fn holds_everybody(spec: &UpgradePolicySpec) -> bool {
    spec.priority == PRIORITY
        && spec.upgrade.mode == Mode::NoUpgrade
        && spec.scope.is_none()
        && spec.effective_from.is_none()
        && spec.effective_until.is_none()
}

/// A policy that comes before the brake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rival {
    pub namespace: String,
    pub name: String,
    /// Whether it cannot be read: then it holds every client of its namespace by itself.
    pub is_unreadable: bool,
}

impl Rival {
    /// What a policy is to the brake: nothing, unless it comes before it and may distribute.
    pub fn of(policy: &Live<UpgradePolicy>) -> Option<Self> {
        let rival = |is_unreadable| Self {
            namespace: policy.metadata.namespace.clone().unwrap_or_default(),
            name: policy.metadata.name.clone().unwrap_or_default(),
            is_unreadable,
        };
        if policy.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let Ok(spec) = &policy.spec else { return Some(rival(true)) };
        let comes_before = spec.priority == PRIORITY
            && policy.metadata.name.as_deref().is_some_and(|name| name < NAME);
        let distributes = spec.upgrade.mode != Mode::NoUpgrade && !spec.suspend;
        (comes_before && distributes).then(|| rival(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Kind, admission};

    fn policy(name: &str, spec: Value) -> OnePolicy {
        let text = json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec}).to_string();
        OnePolicy::read(&text).expect("a policy")
    }

    #[test]
    fn admission_takes_it_and_it_holds_everybody() {
        let object = object("clients", Some("why"), None);
        assert_eq!(admission::check(Kind::UpgradePolicy, &object), []);
        let read = OnePolicy::read(&object.to_string()).expect("a policy");
        assert!(matches!(Found::of(Some(&read)), Found::Pulled));
        assert_eq!(reason(&read.whole.metadata), Some("why"));
        let mut weakened = object.clone();
        weakened["spec"]["scope"] = json!({"clients": [{"search": "x"}]});
        let read = OnePolicy::read(&weakened.to_string()).expect("a policy");
        assert!(matches!(Found::of(Some(&read)), Found::Changed));
        let foreign = policy(NAME, json!({}));
        assert!(matches!(Found::of(Some(&foreign)), Found::Foreign));
    }

    #[test]
    fn what_comes_before_it() {
        let highest = |mode| json!({"priority": PRIORITY, "upgrade": {"mode": mode}});
        let rival =
            |name: &str, spec| Rival::of(&policy(name, spec).live).map(|rival| rival.is_unreadable);
        assert_eq!(rival("a", highest("AutoUpgrade")), Some(false));
        assert_eq!(rival("a", highest("NoUpgrade")), None);
        let mut suspended = highest("AutoUpgrade");
        suspended["suspend"] = json!(true);
        assert_eq!(rival("a", suspended), None);
        assert_eq!(rival("clientfleet-halu", highest("AutoUpgrade")), None);
        assert_eq!(rival("a", json!({"priority": 7, "upgrade": {"mode": "AutoUpgrade"}})), None);
        assert_eq!(rival("z", json!({"priority": "high"})), Some(true));
    }
}
