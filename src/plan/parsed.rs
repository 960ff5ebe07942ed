//! Parses objects from the cluster or from files; an invalid object does not prevent the parsing of
//! other objects.
//!
//! An error message replaces a spec that cannot be deserialized, and a status that cannot be
//! deserialized counts as missing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::cached::Digest;
use crate::api::Text;

/// One of the two API kinds, with the types of its spec, its status and the part of the status that
/// planning keeps.
pub trait Kind: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {
    /// Spec, written by the user.
    type Spec: DeserializeOwned + Clone + Debug + Send + Sync;
    /// Status, written by the controller.
    type Status: DeserializeOwned + Serialize + PartialEq + Clone + Debug + Send + Sync;
    /// Part of the stored status that planning keeps in memory.
    type Previous: Clone + Debug + Send + Sync;

    /// Releases the spare memory that deserialization has allocated for a spec. The spare memory
    /// can be half the size of the spec.
    fn shrink_spec(_: &mut Self::Spec) {}

    /// Returns the client names in the text of a spec that cannot be read; `None` if it contains no
    /// list of clients.
    #[must_use]
    fn listed_names(_: &str) -> Option<Box<[Text]>> {
        None
    }

    /// Returns the digest of a status without its history.
    fn digest(status: &Self::Status) -> Digest;

    /// Returns the part of a status that planning keeps. `spec` is the object's spec, if it can be
    /// read.
    fn retain_status(status: Self::Status, spec: Option<&Arc<Self::Spec>>) -> Self::Previous;

    /// Returns the cached status `previous` without references to the object's old spec. The second
    /// argument is the object's new spec, if it can be read.
    fn retain_status_for_spec(
        previous: &Arc<Self::Previous>,
        _: Option<&Arc<Self::Spec>>,
    ) -> Arc<Self::Previous> {
        Arc::clone(previous)
    }
}

/// An object whose spec and status are not parsed yet, so that one invalid object cannot stop the
/// whole watch.
#[derive(Clone, Debug)]
pub struct Raw<K: Kind> {
    /// Metadata, with the same fields as in [`Parsed`].
    pub metadata: ObjectMeta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
    kind: PhantomData<K>,
}

impl<'de, K: Kind> Deserialize<'de> for Raw<K> {
    /// Deserializes only the metadata, which the API server validates, and keeps spec and status as
    /// JSON text.
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
    /// Returns the JSON text of the spec as received.
    pub(super) fn spec_text(&self) -> Option<&str> {
        self.spec.as_deref().map(RawValue::get)
    }

    /// Returns the JSON text of the status as received.
    pub(super) fn status_text(&self) -> Option<&str> {
        self.status.as_deref().map(RawValue::get)
    }

    /// Parses the spec.
    ///
    /// # Errors
    /// Returns a message that says why the spec cannot be read.
    pub fn spec(&self) -> Result<K::Spec, String> {
        let text = self.spec_text().ok_or("it has no `spec`")?;
        serde_json::from_str(text).map_err(|_| explain::<K>(text))
    }

    /// Returns the client names in a spec that cannot be read, as far as its text lists them.
    pub(super) fn listed_names(&self) -> Option<Box<[Text]>> {
        K::listed_names(self.spec_text()?)
    }

    /// Parses the status; `None` if it is missing or cannot be read.
    #[must_use]
    pub fn status(&self) -> Option<K::Status> {
        serde_json::from_str(self.status_text()?).ok()
    }
}

/// An object with its full status and its parsed spec. If the spec cannot be read, an error message
/// replaces the spec.
#[derive(Clone, Debug)]
pub struct Parsed<K: Kind> {
    /// Metadata of the object without annotations and `managedFields`, which affect no decision and
    /// can be larger than the rest of the object.
    pub metadata: ObjectMeta,
    /// Spec, or an error message if the spec cannot be read.
    pub spec: Result<K::Spec, String>,
    /// Status, written by the controller; `None` if it is missing or cannot be read.
    pub status: Option<K::Status>,
    /// Client names of a fleet whose spec cannot be read, as far as its text lists them.
    pub(crate) listed: Option<Box<[Text]>>,
}

impl<'de, K: Kind> Deserialize<'de> for Parsed<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(Self::from)
    }
}

impl<K: Kind> From<Raw<K>> for Parsed<K> {
    fn from(raw: Raw<K>) -> Self {
        let spec = raw.spec();
        let listed = if spec.is_err() { raw.listed_names() } else { None };
        Self { spec, status: raw.status(), listed, metadata: raw.metadata }
    }
}

/// [`ObjectMeta`] without annotations and `managedFields`. `managedFields` lists each field of each
/// client, so parsing it would take longer than parsing the rest of the object.
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

/// Implements `kube::Resource` for a wrapper type, so that kube can list and watch its objects.
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

/// Parses an invalid spec again and returns an error message that names the field.
fn explain<K: Kind>(spec: &str) -> String {
    let mut reader = serde_json::Deserializer::from_str(spec);
    match serde_path_to_error::deserialize::<_, K::Spec>(&mut reader) {
        Ok(_) => "spec: something follows its end".to_owned(),
        Err(error) => {
            let what = error.inner().to_string();
            // Users write YAML, so omit the position in the JSON text.
            let what = what.split(" at line ").next().unwrap_or_default();
            format!("spec.{}: {what}", error.path())
        }
    }
}
