//! Finds the fleets and policies that a change creates, changes or deletes, and the fields that
//! differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::Kind;
use crate::plan::{Cached, Estate, parsed};

/// Kind of change to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ObjectChange {
    /// The object is created.
    Created,
    /// The object's spec, labels or deletion timestamp change.
    Changed,
    /// The object is deleted.
    Deleted,
}

/// An object that is created, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedObject {
    /// Kind of the object: `ClientFleet` or `UpgradePolicy`.
    pub kind: &'static str,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Kind of change.
    pub change: ObjectChange,
    /// Paths of the fields that differ, such as `spec.upgrade.version`. A list that differs is
    /// reported as one field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// Returns the objects of a namespace that differ between `before` and `after`. Policies come
/// first, because decisions depend on them.
pub(super) fn compare(namespace: &str, before: &Estate, after: &Estate) -> Vec<ChangedObject> {
    let mut found = of_kind(Kind::UpgradePolicy, namespace, &before.policies, &after.policies);
    found.extend(of_kind(Kind::ClientFleet, namespace, &before.fleets, &after.fleets));
    found
}

fn of_kind<K: parsed::Kind<Spec: Serialize + PartialEq>>(
    kind: Kind,
    namespace: &str,
    before: &[Arc<Cached<K>>],
    after: &[Arc<Cached<K>>],
) -> Vec<ChangedObject> {
    let by_name = |objects| -> BTreeMap<&str, &Cached<K>> {
        let objects: &[Arc<Cached<K>>] = objects;
        objects.iter().map(|object| (object.name(), object.as_ref())).collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let changed = |name: &str| {
        let (change, fields) = match (before.get(name), after.get(name)) {
            (None, _) => (ObjectChange::Created, Vec::new()),
            (_, None) => (ObjectChange::Deleted, Vec::new()),
            (Some(before), Some(after)) => match fields(before, after) {
                none if none.is_empty() => return None,
                some => (ObjectChange::Changed, some),
            },
        };
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Some(ChangedObject { kind: kind.name(), namespace, name, change, fields })
    };
    names.into_iter().filter_map(changed).collect()
}

fn fields<K: parsed::Kind<Spec: Serialize + PartialEq>>(
    before: &Cached<K>,
    after: &Cached<K>,
) -> Vec<String> {
    let mut fields = Vec::new();
    let labels = |object: &Cached<K>| object.metadata.labels.clone().unwrap_or_default();
    if labels(before) != labels(after) {
        fields.push("metadata.labels".to_owned());
    }
    if before.is_deleting() != after.is_deleting() {
        fields.push("metadata.deletionTimestamp".to_owned());
    }
    if before.spec != after.spec {
        paths("spec", &written(before), &written(after), &mut fields);
    }
    fields
}

/// Returns the spec as JSON. If the spec cannot be read, returns the reason as a JSON string.
fn written<K: parsed::Kind<Spec: Serialize>>(object: &Cached<K>) -> Value {
    object.spec.as_ref().map_or_else(|why| json!(why), |spec| json!(spec))
}

fn paths(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (a, b) if a == b => {}
        (Value::Object(before), Value::Object(after)) => fields_of(path, before, after, found),
        _ => found.push(path.to_owned()),
    }
}

fn fields_of(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let value = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
        paths(&format!("{path}.{name}"), &value(before), &value(after), found);
    }
}
