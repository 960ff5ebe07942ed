//! Defines the cached form of objects: the full spec, and the part of the status that the next plan
//! needs.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use ahash::{AHasher, RandomState};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::cached_status::CachedFleetStatus;
use super::parsed::{Kind, Parsed, Raw, resource_of_its_kind};
use super::row::{fleet_digest, policy_digest};
use crate::api::Text;
use crate::api::fleet::{ClientFleet, ClientFleetSpec, ClientFleetStatus};
use crate::api::policy::{UpgradePolicy, UpgradePolicySpec, UpgradePolicyStatus};

/// A cached object, with its spec and the part of its status that the next plan needs.
#[derive(Clone, Debug)]
pub struct Cached<K: Kind> {
    /// Metadata of the object without annotations and `managedFields`, which affect no decision and
    /// can be larger than the rest of the object.
    pub metadata: ObjectMeta,
    /// Spec, or an error message if the spec cannot be read.
    pub spec: Result<Arc<K::Spec>, String>,
    /// Cached part of the stored status; `None` if the status is missing or cannot be read.
    pub status: Option<CachedStatus<K::Previous>>,
    texts: Texts,
    /// Client names of a fleet whose spec cannot be read, as far as its text lists them.
    listed: Option<Box<[Text]>>,
}

/// Digests of the JSON texts of spec and status, used to skip the parsing of unchanged text. A
/// digest is `None` if the text is missing or the value was not parsed from JSON.
#[derive(Clone, Copy, Debug, Default)]
struct Texts {
    spec: Option<Digest>,
    status: Option<Digest>,
}

/// Cached part of a stored status, with the digest of the status.
#[derive(Clone, Debug)]
pub struct CachedStatus<P> {
    /// Digest of the status without its history, used to check whether a write is needed.
    pub digest: Digest,
    /// Part of the status that the next plan needs.
    pub kept: Arc<P>,
}

impl<P> CachedStatus<P> {
    fn for_spec<K: Kind<Previous = P>>(&self, spec: Option<&Arc<K::Spec>>) -> Self {
        Self { digest: self.digest, kept: K::retain_status_for_spec(&self.kept, spec) }
    }

    fn of<K: Kind<Previous = P>>(status: K::Status, spec: Option<&Arc<K::Spec>>) -> Self {
        Self { digest: K::digest(&status), kept: Arc::new(K::retain_status(status, spec)) }
    }
}

/// A 64-bit hash of a value. Digests are comparable only within one run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Returns the low 32 bits, for tables in which an occasional collision is harmless.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) const fn low_bits(self) -> u32 {
        self.0 as u32
    }
}

/// Hash keys, chosen at random when the process starts, so that no client can craft reports with
/// colliding digests.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Digest {
    /// Returns the digest of a value; equal values have equal digests.
    pub fn of(status: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = Self::hasher();
        status.hash(&mut hasher);
        Self::from(hasher)
    }

    /// Returns a hasher whose result can be converted into a digest.
    pub(super) fn hasher() -> AHasher {
        KEYS.build_hasher()
    }
}

impl From<AHasher> for Digest {
    fn from(hasher: AHasher) -> Self {
        Self(hasher.finish())
    }
}

/// A cached fleet.
pub type CachedFleet = Cached<ClientFleet>;
/// A cached policy.
pub type CachedPolicy = Cached<UpgradePolicy>;

impl<K: Kind> Cached<K> {
    /// Returns the object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the object's namespace, or `default` if a manifest file does not specify one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or("default")
    }

    /// Returns the object's namespace and name.
    #[must_use]
    pub fn key(&self) -> (String, String) {
        (self.namespace().to_owned(), self.name().to_owned())
    }

    /// Returns the kind, namespace and name for messages, such as `ClientFleet clients/berlin`.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} {}/{}", K::kind(&()), self.namespace(), self.name())
    }

    /// Returns the object's generation, or 1 if a manifest file does not specify one.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or(1)
    }

    /// Returns whether the object is being deleted.
    #[must_use]
    pub(crate) fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Returns the value of the label `key`, or `None` if the object has no such label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Returns whether the stored status has the digest `planned`; if so, no write is needed.
    /// Digests leave out the history of a status, because the stored history is authoritative.
    #[must_use]
    pub fn status_equals(&self, planned: Digest) -> bool {
        self.status.as_ref().is_some_and(|previous| previous.digest == planned)
    }

    /// Returns a copy of the object with `status` as its status.
    #[must_use]
    pub fn with_status(&self, status: K::Status) -> Self {
        let previous = CachedStatus::of::<K>(status, self.spec.as_ref().ok());
        let texts = Texts { status: None, ..self.texts };
        Self { status: Some(previous), texts, ..self.clone() }
    }

    /// Returns whether `other` is the same object with the same spec.
    #[must_use]
    pub(crate) fn has_same_spec_as(&self, other: &Self) -> bool {
        let identity = |o: &Self| (o.metadata.uid.clone(), o.metadata.generation, o.spec.is_ok());
        identity(self) == identity(other)
    }

    /// Returns whether `other` is the same object and has the same planning inputs, except for the
    /// status. If so, a plan for one of the objects is valid for the other.
    #[must_use]
    pub(crate) fn has_same_inputs_as(&self, other: &Self) -> bool {
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
    /// Parses an object. JSON text that has not changed since `before`, an earlier version of the
    /// object, is not parsed again.
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
        let listed = match (&spec, before.filter(has_same(|texts| texts.spec))) {
            (Ok(_), _) => None,
            (Err(_), Some(before)) => before.listed.clone(),
            (Err(_), None) => raw.listed_names(),
        };
        let kept_beside = spec.as_ref().ok();
        let previous = match before.filter(has_same(|texts| texts.status)) {
            Some(before) => {
                before.status.as_ref().map(|previous| previous.for_spec::<K>(kept_beside))
            }
            None => raw.status().map(|status| CachedStatus::of::<K>(status, kept_beside)),
        };
        Self { metadata: raw.metadata, spec, status: previous, texts, listed }
    }

    fn keep_spec(mut spec: K::Spec) -> Arc<K::Spec> {
        K::shrink_spec(&mut spec);
        Arc::new(spec)
    }
}

impl<K: Kind> From<Parsed<K>> for Cached<K> {
    fn from(Parsed { metadata, spec, status, listed }: Parsed<K>) -> Self {
        let spec = spec.map(Self::keep_spec);
        let previous = status.map(|status| CachedStatus::of::<K>(status, spec.as_ref().ok()));
        Self { metadata, spec, status: previous, texts: Texts::default(), listed }
    }
}

impl CachedFleet {
    /// Returns the names of the fleet's clients. If the spec cannot be read, returns those that its
    /// text lists, or else those in the stored status.
    pub(crate) fn client_names(&self) -> impl Iterator<Item = &Text> {
        let spec = self.spec.as_deref().ok();
        let in_spec = spec.and_then(|spec| spec.clients.as_deref()).unwrap_or_default();
        let stored = self.status.as_ref().filter(|_| spec.is_none() && self.listed.is_none());
        let listed = self.listed.as_deref().unwrap_or_default();
        in_spec
            .iter()
            .map(|client| &client.name)
            .chain(listed)
            .chain(stored.into_iter().flat_map(|stored| stored.kept.rows().map(|row| row.name)))
    }
}

impl Kind for ClientFleet {
    type Spec = ClientFleetSpec;
    type Status = ClientFleetStatus;
    type Previous = CachedFleetStatus;

    fn shrink_spec(spec: &mut ClientFleetSpec) {
        spec.clients.iter_mut().for_each(Vec::shrink_to_fit);
    }

    fn listed_names(spec: &str) -> Option<Box<[Text]>> {
        let spec: serde_json::Value = serde_json::from_str(spec).ok()?;
        let names = spec["clients"].as_array()?.iter().filter_map(|client| client["name"].as_str());
        Some(names.map(Text::from).collect())
    }

    fn digest(status: &ClientFleetStatus) -> Digest {
        fleet_digest(status)
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

    fn digest(status: &UpgradePolicyStatus) -> Digest {
        policy_digest(status)
    }

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
