//! An object as planning keeps it: its spec whole, of its status what planning again needs. Knows the
//! API types, not what follows from them.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use ahash::{AHasher, RandomState};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::live::{Kind, Live, resource_of_its_kind};
use super::previous::PreviousFleet;
use crate::api::fleet::{ClientFleet, ClientFleetSpec, ClientFleetStatus};
use crate::api::policy::{UpgradePolicy, UpgradePolicySpec, UpgradePolicyStatus};

/// An object with its spec, or why that cannot be read.
#[derive(Clone, Debug)]
pub struct Observed<K: Kind> {
    /// Name, generation, labels and the like; without `managedFields` and annotations, which can be
    /// larger than all the rest and decide nothing.
    pub metadata: ObjectMeta,
    /// The spec, or a sentence on why it cannot be read.
    pub spec: Result<Arc<K::Spec>, String>,
    /// What its status said.
    pub previous: Option<Previous<K::Previous>>,
}

/// What is kept of a status.
#[derive(Clone, Debug)]
pub struct Previous<P> {
    /// Of the whole status, to tell whether a write is owed.
    pub digest: Digest,
    /// What planning again needs of it.
    pub kept: P,
}

impl<P> Previous<P> {
    /// Keeps what is needed of the status of an object with this spec, if it can be read.
    fn of<K: Kind<Previous = P>>(status: K::Status, spec: Option<&Arc<K::Spec>>) -> Self {
        Self { digest: Digest::of(&status), kept: K::keep(status, spec) }
    }
}

/// Tells statuses apart within one run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

/// Drawn anew by each process, so that nobody can write reports whose digests are the same.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Digest {
    /// The digest of a status; the same for the same content.
    pub fn of(status: &impl Hash) -> Self {
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
pub type ObservedFleet = Observed<ClientFleet>;
/// A policy as observed.
pub type ObservedPolicy = Observed<UpgradePolicy>;

impl<K: Kind> Observed<K> {
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
    pub fn says(&self, planned: Digest) -> bool {
        self.previous.as_ref().is_some_and(|previous| previous.digest == planned)
    }

    /// The same object with another status.
    #[must_use]
    pub fn with_status(&self, status: K::Status) -> Self {
        let previous = Previous::of::<K>(status, self.spec.as_ref().ok());
        Self { previous: Some(previous), ..self.clone() }
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
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        let identity = |o: &Self| {
            (o.metadata.uid.clone(), o.metadata.generation, o.is_deleting(), o.spec.is_ok())
        };
        identity(self) == identity(other) && self.metadata.labels == other.metadata.labels
    }
}

resource_of_its_kind!(Observed);

impl<'de, K: Kind> Deserialize<'de> for Observed<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Live::deserialize(deserializer).map(Self::from)
    }
}

impl<K: Kind> From<Live<K>> for Observed<K> {
    fn from(Live { metadata, spec, status }: Live<K>) -> Self {
        let spec = spec.map(|mut spec| {
            K::tighten(&mut spec);
            Arc::new(spec)
        });
        let previous = status.map(|status| Previous::of::<K>(status, spec.as_ref().ok()));
        Self { metadata, spec, previous }
    }
}

impl Kind for ClientFleet {
    type Spec = ClientFleetSpec;
    type Status = ClientFleetStatus;
    type Previous = PreviousFleet;

    fn tighten(spec: &mut ClientFleetSpec) {
        spec.clients.iter_mut().for_each(Vec::shrink_to_fit);
    }

    fn keep(status: ClientFleetStatus, spec: Option<&Arc<ClientFleetSpec>>) -> PreviousFleet {
        PreviousFleet::of(status, spec)
    }
}

impl Kind for UpgradePolicy {
    type Spec = UpgradePolicySpec;
    type Status = UpgradePolicyStatus;
    type Previous = UpgradePolicyStatus;

    fn keep(status: UpgradePolicyStatus, _: Option<&Arc<UpgradePolicySpec>>) -> Self::Previous {
        status
    }
}
