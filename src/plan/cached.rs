//! An object as planning keeps it: its spec whole, of its status what planning again needs. Knows the
//! API types, not what follows from them.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use ahash::{AHasher, RandomState};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::cached_status::CachedFleetStatus;
use super::parsed::{Kind, Parsed, Raw, resource_of_its_kind};
use crate::api::fleet::{ClientFleet, ClientFleetSpec, ClientFleetStatus};
use crate::api::policy::{UpgradePolicy, UpgradePolicySpec, UpgradePolicyStatus};

/// An object with its spec, or why that cannot be read.
#[derive(Clone, Debug)]
pub struct Cached<K: Kind> {
    /// Name, generation, labels and the like; without `managedFields` and annotations, which can be
    /// larger than all the rest and decide nothing.
    pub metadata: ObjectMeta,
    /// The spec, or a sentence on why it cannot be read.
    pub spec: Result<Arc<K::Spec>, String>,
    /// What its status said.
    pub status: Option<CachedStatus<K::Previous>>,
    texts: Texts,
}

/// As what the two were read, so that the same is not read again: a report leaves the status as it
/// is, and a status the spec. `None` for what is not there, or was not read as JSON.
#[derive(Clone, Copy, Debug, Default)]
struct Texts {
    spec: Option<Digest>,
    status: Option<Digest>,
}

/// What is kept of a status.
#[derive(Clone, Debug)]
pub struct CachedStatus<P> {
    /// Of the whole status, to tell whether a write is owed.
    pub digest: Digest,
    /// What planning again needs of it.
    pub kept: Arc<P>,
}

impl<P> CachedStatus<P> {
    /// The same status of an object with this spec.
    fn for_spec<K: Kind<Previous = P>>(&self, spec: Option<&Arc<K::Spec>>) -> Self {
        Self { digest: self.digest, kept: K::retain_status_for_spec(&self.kept, spec) }
    }

    /// Keeps what is needed of the status of an object with this spec, if it can be read.
    fn of<K: Kind<Previous = P>>(status: K::Status, spec: Option<&Arc<K::Spec>>) -> Self {
        Self { digest: Digest::of(&status), kept: Arc::new(K::retain_status(status, spec)) }
    }
}

/// Tells statuses apart within one run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

/// Drawn anew by each process, so that nobody can write reports whose digests are the same.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Digest {
    /// The digest of a status; the same for the same content.
    pub fn of(status: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = Self::hasher();
        status.hash(&mut hasher);
        Self::from(hasher)
    }

    /// What makes a digest of what is hashed with it.
    pub(super) fn hasher() -> AHasher {
        KEYS.build_hasher()
    }
}

impl From<AHasher> for Digest {
    fn from(hasher: AHasher) -> Self {
        Self(hasher.finish())
    }
}

/// A fleet as observed.
pub type CachedFleet = Cached<ClientFleet>;
/// A policy as observed.
pub type CachedPolicy = Cached<UpgradePolicy>;

impl<K: Kind> Cached<K> {
    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The object's namespace; `default` where a file names none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or("default")
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> (String, String) {
        (self.namespace().to_owned(), self.name().to_owned())
    }

    /// Namespace and name as people write them.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} {}/{}", K::kind(&()), self.namespace(), self.name())
    }

    /// The spec's generation; a file that gives none counts as the first.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or(1)
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The value of one of its labels.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether the stored status says the same as the planned one, so that no write is owed.
    #[must_use]
    pub fn status_equals(&self, planned: Digest) -> bool {
        self.status.as_ref().is_some_and(|previous| previous.digest == planned)
    }

    /// The same object with another status.
    #[must_use]
    pub fn with_status(&self, status: K::Status) -> Self {
        let previous = CachedStatus::of::<K>(status, self.spec.as_ref().ok());
        let texts = Texts { status: None, ..self.texts };
        Self { status: Some(previous), texts, ..self.clone() }
    }

    /// Whether it is the same object with the same spec.
    #[must_use]
    pub fn has_same_spec_as(&self, other: &Self) -> bool {
        let identity = |o: &Self| (o.metadata.uid.clone(), o.metadata.generation, o.spec.is_ok());
        identity(self) == identity(other)
    }

    /// Whether everything but the status and what the API server counts is the same: then a plan
    /// made from the one holds for the other.
    #[must_use]
    pub fn has_same_inputs_as(&self, other: &Self) -> bool {
        let identity = |o: &Self| {
            (o.metadata.uid.clone(), o.metadata.generation, o.is_deleting(), o.spec.is_ok())
        };
        identity(self) == identity(other) && self.metadata.labels == other.metadata.labels
    }
}

resource_of_its_kind!(Cached);

impl<'de, K: Kind> Deserialize<'de> for Cached<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(|raw| Self::read(raw, None))
    }
}

impl<K: Kind> Cached<K> {
    /// Reads an object, of which an earlier state may be known: what is written as it was then is not
    /// read again.
    #[must_use]
    pub fn read(raw: Raw<K>, before: Option<&Self>) -> Self {
        let digest = |text: &str| Digest::of(text);
        let texts =
            Texts { spec: raw.spec_text().map(digest), status: raw.status_text().map(digest) };
        let has_same = |text: fn(&Texts) -> Option<Digest>| {
            move |before: &&Self| text(&texts).is_some() && text(&before.texts) == text(&texts)
        };
        let spec = match before.filter(has_same(|texts| texts.spec)) {
            Some(before) => before.spec.clone(),
            None => raw.spec().map(Self::keep_spec),
        };
        let kept_beside = spec.as_ref().ok();
        let previous = match before.filter(has_same(|texts| texts.status)) {
            Some(before) => {
                before.status.as_ref().map(|previous| previous.for_spec::<K>(kept_beside))
            }
            None => raw.status().map(|status| CachedStatus::of::<K>(status, kept_beside)),
        };
        Self { metadata: raw.metadata, spec, status: previous, texts }
    }

    fn keep_spec(mut spec: K::Spec) -> Arc<K::Spec> {
        K::shrink_spec(&mut spec);
        Arc::new(spec)
    }
}

impl<K: Kind> From<Parsed<K>> for Cached<K> {
    fn from(Parsed { metadata, spec, status }: Parsed<K>) -> Self {
        let spec = spec.map(Self::keep_spec);
        let previous = status.map(|status| CachedStatus::of::<K>(status, spec.as_ref().ok()));
        Self { metadata, spec, status: previous, texts: Texts::default() }
    }
}

impl Kind for ClientFleet {
    type Spec = ClientFleetSpec;
    type Status = ClientFleetStatus;
    type Previous = CachedFleetStatus;

    fn shrink_spec(spec: &mut ClientFleetSpec) {
        spec.clients.iter_mut().for_each(Vec::shrink_to_fit);
    }

    fn retain_status(
        status: ClientFleetStatus,
        spec: Option<&Arc<ClientFleetSpec>>,
    ) -> CachedFleetStatus {
        CachedFleetStatus::of(status, spec)
    }

    fn retain_status_for_spec(
        previous: &Arc<CachedFleetStatus>,
        spec: Option<&Arc<ClientFleetSpec>>,
    ) -> Arc<CachedFleetStatus> {
        previous.for_spec(spec)
    }
}

impl Kind for UpgradePolicy {
    type Spec = UpgradePolicySpec;
    type Status = UpgradePolicyStatus;
    type Previous = UpgradePolicyStatus;

    fn retain_status(
        status: UpgradePolicyStatus,
        _: Option<&Arc<UpgradePolicySpec>>,
    ) -> Self::Previous {
        status
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const STATUS: fn(&str) -> Value =
        |state| json!({"clients": [{"name": "a", "state": state, "reason": "NoUpgrade"}]});

    fn raw(version: &str, status: &Value) -> Raw<ClientFleet> {
        let spec = json!({"packageVersion": version, "clients": [{"name": "a"}]});
        let object = json!({"metadata": {"name": "berlin"}, "spec": spec, "status": status});
        serde_json::from_str(&object.to_string()).unwrap()
    }

    fn spec(fleet: &CachedFleet) -> &Arc<ClientFleetSpec> {
        fleet.spec.as_ref().unwrap()
    }

    fn kept(fleet: &CachedFleet) -> &Arc<CachedFleetStatus> {
        &fleet.status.as_ref().unwrap().kept
    }

    #[test]
    fn a_status_leaves_the_spec_as_it_was_read() {
        let before = Cached::read(raw("1.0", &STATUS("Held")), None);
        let after = Cached::read(raw("1.0", &STATUS("UpToDate")), Some(&before));
        assert!(Arc::ptr_eq(spec(&before), spec(&after)));
        assert!(!Arc::ptr_eq(kept(&before), kept(&after)));
    }

    #[test]
    fn what_is_the_same_is_kept() {
        let before = Cached::read(raw("1.0", &STATUS("Held")), None);
        let after = Cached::read(raw("1.0", &STATUS("Held")), Some(&before));
        assert!(Arc::ptr_eq(spec(&before), spec(&after)));
        assert!(Arc::ptr_eq(kept(&before), kept(&after)));
    }

    #[test]
    fn a_report_does_not_keep_the_former_spec() {
        let before = Cached::read(raw("1.0", &STATUS("Held")), None);
        let former = Arc::downgrade(spec(&before));
        let after = Cached::read(raw("1.1", &STATUS("Held")), Some(&before));
        assert_eq!(before.status.as_ref().unwrap().digest, after.status.as_ref().unwrap().digest);
        drop(before);
        assert!(former.upgrade().is_none(), "the status holds it");
        assert_eq!(kept(&after).rows().next().unwrap().name.as_str(), "a");
    }

    #[test]
    fn what_was_not_read_as_json_is_read() {
        let before = Cached::read(raw("1.0", &STATUS("Held")), None);
        let written = before.with_status(serde_json::from_value(STATUS("UpToDate")).unwrap());
        let after = Cached::read(raw("1.0", &STATUS("Held")), Some(&written));
        assert!(after.status_equals(before.status.unwrap().digest));
    }
}
