//! Validates the fields of `metadata` that programs write: finalizers, owners and what the API server
//! sets. Users rarely write them, but copy them from the cluster.

use std::collections::HashSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::Problems;
use super::walk::walk_unknown;

/// The fields of `metav1.OwnerReference`.
const OWNER_FIELDS: [&str; 6] =
    ["apiVersion", "blockOwnerDeletion", "controller", "kind", "name", "uid"];
const REQUIRED_OWNER_FIELDS: [&str; 4] = ["apiVersion", "kind", "name", "uid"];

pub fn check(
    metadata: &Map<String, Value>,
    object_name: &Regex,
    key: &Regex,
    problems: &mut Problems,
) {
    let items = |name: &str| metadata.get(name).and_then(Value::as_array).into_iter().flatten();
    for (index, finalizer) in items("finalizers").enumerate() {
        if !finalizer.as_str().is_some_and(|finalizer| key.is_match(finalizer)) {
            let message = "must be the name of a finalizer, as example.com/cleanup";
            problems.add(format!("metadata.finalizers[{index}]"), message);
        }
    }
    for (index, owner) in items("ownerReferences").enumerate() {
        check_owner(owner, &format!("metadata.ownerReferences[{index}]"), problems);
    }
    let mut seen = HashSet::new();
    if !items("ownerReferences")
        .filter_map(|owner| owner["uid"].as_str())
        .all(|uid| seen.insert(uid))
    {
        problems.add("metadata.ownerReferences", "must have one entry for each uid");
    }
    let is_controller = |owner: &&Value| owner["controller"] == true;
    if items("ownerReferences").filter(is_controller).count() > 1 {
        problems
            .add("metadata.ownerReferences", "must have at most one entry with `controller: true`");
    }
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    // A generated name may end with a hyphen, because the API server appends random letters.
    let is_prefix = |prefix: &str| object_name.is_match(&format!("{prefix}a"));
    if text("generateName").is_some_and(|prefix| !prefix.is_empty() && !is_prefix(prefix)) {
        let message = "must be the beginning of a name: leave it out, because `name` is set";
        problems.add("metadata.generateName", message);
    }
    let is_number = |version: &str| version.bytes().all(|byte| byte.is_ascii_digit());
    if text("resourceVersion").is_some_and(|version| !is_number(version)) {
        let message = "must be a number: leave it out, because only the API server writes it";
        problems.add("metadata.resourceVersion", message);
    }
    // An object with a UID is a copy of a stored one. Commands that only read may use it as it is.
    if metadata.get("managedFields").is_some_and(Value::is_array) && text("uid").is_none() {
        let message =
            "leave it out: only the API server writes it, and refuses a file that holds it";
        problems.add("metadata.managedFields", message);
    }
}

fn check_owner(owner: &Value, field: &str, problems: &mut Problems) {
    let Value::Object(fields) = owner else {
        return problems.add(field, "must be a mapping with apiVersion, kind, name and uid");
    };
    walk_unknown(&OWNER_FIELDS, fields, field, problems);
    for name in REQUIRED_OWNER_FIELDS {
        if fields.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            problems.add(format!("{field}.{name}"), "must be set");
        }
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let version = text("apiVersion");
    if (version, text("kind")) == ("v1", "Event") {
        problems.add(field, "must not be an Event: the API server allows none as an owner");
    }
    let is_group_version = version.split('/').count() <= 2 && !version.ends_with('/');
    if !version.is_empty() && !is_group_version {
        problems.add(format!("{field}.apiVersion"), "must be a group and a version, as apps/v1");
    }
}
