//! An object as the cluster (or a file) has it, read so that nothing in it can stop the reading of
//! others: a spec that does not deserialise is carried as the reason why not, a status that does not
//! counts as missing. Knows the API types, not what follows from them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// One of our two kinds, with what is kept of its previous status.
pub trait Kind: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {
    /// What the user wrote.
    type Spec: DeserializeOwned + Clone + Debug + Send + Sync;
    /// What the controller writes.
    type Status: DeserializeOwned + Serialize + Hash + Clone + Debug + Send + Sync;
    /// What planning again needs of the status that was read.
    type Previous: Clone + Debug + Send + Sync;

    /// Gives back what reading a spec has taken in advance: half as much as it needs at times.
    fn shrink_spec(_: &mut Self::Spec) {}

    /// Keeps that of the status of an object with this spec, if it can be read.
    fn retain_status(status: Self::Status, spec: Option<&Arc<Self::Spec>>) -> Self::Previous;

    /// What is kept, of an object that has another spec now: so that it does not hold the former.
    fn retain_status_for_spec(
        previous: &Arc<Self::Previous>,
        _: Option<&Arc<Self::Spec>>,
    ) -> Arc<Self::Previous> {
        Arc::clone(previous)
    }
}

/// An object as it was sent: spec and status are JSON that nobody has read yet, so that neither can
/// stop a whole watch.
#[derive(Clone, Debug)]
pub struct Raw<K: Kind> {
    /// As in [`Parsed`].
    pub metadata: ObjectMeta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
    kind: PhantomData<K>,
}

impl<'de, K: Kind> Deserialize<'de> for Raw<K> {
    /// Fails only where the metadata cannot be read, which an API server does not let happen.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Guard {
            #[serde(default)]
            metadata: Metadata,
            spec: Option<Box<RawValue>>,
            status: Option<Box<RawValue>>,
        }
        let Guard { metadata, spec, status } = Guard::deserialize(deserializer)?;
        Ok(Self { metadata: metadata.into(), spec, status, kind: PhantomData })
    }
}

impl<K: Kind> Raw<K> {
    /// The spec as it was sent.
    pub(super) fn spec_text(&self) -> Option<&str> {
        self.spec.as_deref().map(RawValue::get)
    }

    /// The status as it was sent.
    pub(super) fn status_text(&self) -> Option<&str> {
        self.status.as_deref().map(RawValue::get)
    }

    /// Reads the spec.
    pub(super) fn spec(&self) -> Result<K::Spec, String> {
        let text = self.spec_text().ok_or("it has no `spec`")?;
        serde_json::from_str(text).map_err(|_| explain::<K>(text))
    }

    /// Reads the status.
    pub(super) fn status(&self) -> Option<K::Status> {
        serde_json::from_str(self.status_text()?).ok()
    }
}

/// An object with its spec, or why that cannot be read, and its whole status.
#[derive(Clone, Debug)]
pub struct Parsed<K: Kind> {
    /// Name, generation, labels and the like; without `managedFields` and annotations, which can be
    /// larger than all the rest and decide nothing.
    pub metadata: ObjectMeta,
    /// The spec, or a sentence on why it cannot be read.
    pub spec: Result<K::Spec, String>,
    /// What the controller wrote.
    pub status: Option<K::Status>,
}

impl<'de, K: Kind> Deserialize<'de> for Parsed<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(Self::from)
    }
}

impl<K: Kind> From<Raw<K>> for Parsed<K> {
    fn from(raw: Raw<K>) -> Self {
        Self { spec: raw.spec(), status: raw.status(), metadata: raw.metadata }
    }
}

/// [`ObjectMeta`] without what is not kept: to read `managedFields`, which name each field of each
/// client, takes longer than all the rest.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    creation_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    generate_name: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
    resource_version: Option<String>,
    self_link: Option<String>,
    uid: Option<String>,
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            annotations: None,
            creation_timestamp: metadata.creation_timestamp,
            deletion_grace_period_seconds: metadata.deletion_grace_period_seconds,
            deletion_timestamp: metadata.deletion_timestamp,
            finalizers: metadata.finalizers,
            generate_name: metadata.generate_name,
            generation: metadata.generation,
            labels: metadata.labels,
            managed_fields: None,
            name: metadata.name,
            namespace: metadata.namespace,
            owner_references: metadata.owner_references,
            resource_version: metadata.resource_version,
            self_link: metadata.self_link,
            uid: metadata.uid,
        }
    }
}

/// Makes what holds an object of a [`Kind`] a resource of that kind, to list and watch it by.
macro_rules! resource_of_its_kind {
    ($holder:ident) => {
        impl<K: Kind> kube::Resource for $holder<K> {
            type DynamicType = ();
            type Scope = K::Scope;

            fn kind(dt: &()) -> std::borrow::Cow<'_, str> {
                K::kind(dt)
            }
            fn group(dt: &()) -> std::borrow::Cow<'_, str> {
                K::group(dt)
            }
            fn version(dt: &()) -> std::borrow::Cow<'_, str> {
                K::version(dt)
            }
            fn plural(dt: &()) -> std::borrow::Cow<'_, str> {
                K::plural(dt)
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
pub(super) use resource_of_its_kind;

resource_of_its_kind!(Parsed);
resource_of_its_kind!(Raw);

/// Reads a spec that cannot be read once more, to tell which field is the reason.
fn explain<K: Kind>(spec: &str) -> String {
    let mut reader = serde_json::Deserializer::from_str(spec);
    match serde_path_to_error::deserialize::<_, K::Spec>(&mut reader) {
        Ok(_) => "spec: something follows its end".to_owned(),
        Err(error) => {
            let what = error.inner().to_string();
            // The place in the JSON is nobody's who writes YAML.
            let what = what.split(" at line ").next().unwrap_or_default();
            format!("spec.{}: {what}", error.path())
        }
    }
}
