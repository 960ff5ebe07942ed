//! Computes, on JSON values and without a cluster, how applying a file changes an object.
//!
//! The result is either the patch that client-side `kubectl apply` sends, or an approximation of
//! the API server's response if no dry run is possible.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::Kind;

/// Annotation in which `kubectl apply` stores the last applied configuration.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Returns the JSON merge patch that `kubectl apply` sends; an empty patch means that nothing
/// changes.
///
/// The patch replaces a changed list as a whole, and contains `null` for each field that is in the
/// last applied configuration but not in the file.
pub(super) fn three_way(last_applied: &Value, file: &Value, live: &Value) -> Value {
    let mut patch = Map::new();
    if let (Some(last), Some(file)) = (last_applied.as_object(), file.as_object()) {
        patch = deletions(last, file);
    }
    if let (Some(file), Some(live)) = (file.as_object(), live.as_object()) {
        merge_fields(&mut patch, additions(live, file));
    }
    Value::Object(patch)
}

fn deletions(last: &Map<String, Value>, file: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (field, value) in last {
        match (value, file.get(field)) {
            (_, None | Some(Value::Null)) => {
                patch.insert(field.clone(), Value::Null);
            }
            (Value::Object(last), Some(Value::Object(file))) => {
                let inner = deletions(last, file);
                if !inner.is_empty() {
                    patch.insert(field.clone(), Value::Object(inner));
                }
            }
            _ => {}
        }
    }
    patch
}

fn additions(live: &Map<String, Value>, file: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (field, value) in file {
        match (live.get(field), value) {
            (_, Value::Null) => {}
            (Some(live), value) if live == value => {}
            (Some(Value::Object(live)), Value::Object(file)) => {
                let inner = additions(live, file);
                if !inner.is_empty() {
                    patch.insert(field.clone(), Value::Object(inner));
                }
            }
            (_, value) => {
                patch.insert(field.clone(), value.clone());
            }
        }
    }
    patch
}

fn merge_fields(patch: &mut Map<String, Value>, more: Map<String, Value>) {
    for (field, value) in more {
        match (patch.get_mut(&field), value) {
            (Some(Value::Object(patch)), Value::Object(more)) => merge_fields(patch, more),
            (_, value) => {
                patch.insert(field, value);
            }
        }
    }
}

/// Merges two patches. If both set a field, uses the value from `more`.
pub(super) fn joined(patch: Value, more: Value) -> Value {
    match (patch, more) {
        (Value::Object(mut patch), Value::Object(more)) => {
            merge_fields(&mut patch, more);
            Value::Object(patch)
        }
        (_, more) => more,
    }
}

/// Applies a JSON merge patch (RFC 7386) to a value and returns the patched value.
pub(super) fn patched(mut value: Value, patch: &Value) -> Value {
    let Value::Object(fields) = patch else { return patch.clone() };
    if !value.is_object() {
        value = Value::Object(Map::new());
    }
    if let Value::Object(target) = &mut value {
        for (field, patch) in fields {
            let before = target.remove(field).unwrap_or_default();
            if !patch.is_null() {
                target.insert(field.clone(), patched(before, patch));
            }
        }
    }
    value
}

/// Returns an approximation of the object that server-side apply produces.
///
/// The file's `spec` replaces the `spec` of a policy, because a policy has one owner; all other
/// content is merged into the object, because a fleet can have several owners.
pub(super) fn merged(kind: Kind, mut live: Value, file: &Value) -> Value {
    for part in ["metadata", "spec"] {
        let Some(given) = file.get(part) else { continue };
        let before = live.get(part).cloned().unwrap_or_default();
        live[part] = match (kind, part) {
            (Kind::UpgradePolicy, "spec") => given.clone(),
            _ => overlaid(before, given),
        };
    }
    live
}

fn overlaid(before: Value, given: &Value) -> Value {
    match (before, given) {
        (before, Value::Null) => before,
        (Value::Object(mut fields), Value::Object(given)) => {
            for (field, value) in given {
                let before = fields.remove(field).unwrap_or_default();
                fields.insert(field.clone(), overlaid(before, value));
            }
            Value::Object(fields)
        }
        (Value::Array(items), Value::Array(given)) if are_named(&items) && are_named(given) => {
            by_name(items, given)
        }
        (_, given) => given.clone(),
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

fn are_named(items: &[Value]) -> bool {
    items.iter().all(|item| name(item).is_some())
}

fn by_name(mut items: Vec<Value>, given: &[Value]) -> Value {
    let places: std::collections::HashMap<String, usize> = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| Some((name(item)?.to_owned(), index)))
        .collect();
    for item in given {
        match name(item).and_then(|name| places.get(name)) {
            Some(&index) => items[index] = overlaid(items[index].take(), item),
            None => items.push(item.clone()),
        }
    }
    Value::Array(items)
}

/// Removes the labels and spec fields that are in `last_applied` but not in the file. `kubectl
/// apply --server-side` also removes these fields, because it takes over the fields of client-side
/// `kubectl apply`.
pub(super) fn without_dropped(mut object: Value, last_applied: &Value, file: &Value) -> Value {
    for part in ["/metadata/labels", "/spec"] {
        let (Some(last), Some(target)) = (last_applied.pointer(part), object.pointer_mut(part))
        else {
            continue;
        };
        drop_fields(target, last, file.pointer(part).unwrap_or(&Value::Null));
    }
    object
}

fn drop_fields(target: &mut Value, last: &Value, file: &Value) {
    match (target, last) {
        (Value::Object(target), Value::Object(last)) => {
            for (field, last) in last {
                match (file.get(field), target.get_mut(field)) {
                    (None | Some(Value::Null), _) => {
                        target.remove(field);
                    }
                    (Some(file), Some(target)) => drop_fields(target, last, file),
                    _ => {}
                }
            }
        }
        (Value::Array(target), Value::Array(last)) => drop_items(target, last, file),
        _ => {}
    }
}

fn drop_items(target: &mut Vec<Value>, last: &[Value], file: &Value) {
    let given = file.as_array().map(Vec::as_slice).unwrap_or_default();
    if last.iter().all(|item| name(item).is_some()) {
        let find = |items: &'_ [Value], name_of: &str| -> Option<Value> {
            items.iter().find(|item| name(item) == Some(name_of)).cloned()
        };
        let names: BTreeSet<&str> = given.iter().filter_map(name).collect();
        let gone: BTreeSet<&str> =
            last.iter().filter_map(name).filter(|name| !names.contains(name)).collect();
        target.retain(|item| name(item).is_none_or(|name| !gone.contains(name)));
        for item in target {
            let Some(name) = name(item).map(ToOwned::to_owned) else { continue };
            if let (Some(last), Some(file)) = (find(last, &name), find(given, &name)) {
                drop_fields(item, &last, &file);
            }
        }
    } else {
        target.retain(|item| !last.contains(item) || given.contains(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Checks cases that consist of the last applied configuration, the file, the live object, and
    /// the expected patch. The first cases come from kubectl's own tests.
    #[test]
    fn a_patch_is_the_one_that_kubectl_sends() {
        let cases = [
            (json!({}), json!({"a": 1}), json!({}), json!({"a": 1})),
            (json!({"a": 1}), json!({}), json!({"a": 1}), json!({"a": null})),
            (json!({"a": 1}), json!({"a": 2}), json!({"a": 1}), json!({"a": 2})),
            (json!({"a": 1}), json!({"a": 1}), json!({"a": 3}), json!({"a": 1})),
            (json!({}), json!({"a": 1}), json!({"a": 1, "b": 2}), json!({})),
            (
                json!({"m": {"a": 1, "b": 1}}),
                json!({"m": {"a": 1}}),
                json!({"m": {"a": 1, "b": 1, "c": 1}}),
                json!({"m": {"b": null}}),
            ),
            (json!({"m": {"a": 1}}), json!({}), json!({"m": {"a": 1}}), json!({"m": null})),
            (json!({"l": [1, 2]}), json!({"l": [2]}), json!({"l": [1, 2, 3]}), json!({"l": [2]})),
            (json!({}), json!({"m": {}}), json!({}), json!({"m": {}})),
            (json!({}), json!({"m": {}}), json!({"m": {"a": 1}}), json!({})),
            (json!({"a": 1}), json!({"a": null}), json!({"a": 1}), json!({"a": null})),
            (json!({}), json!({"a": null}), json!({"a": 1}), json!({})),
        ];
        for (last, file, live, patch) in cases {
            assert_eq!(three_way(&last, &file, &live), patch, "{last} {file} {live}");
        }
    }

    #[test]
    fn a_patch_is_carried_out() {
        let live = json!({"a": 1, "m": {"b": 1, "c": [1]}, "s": "x"});
        let patch = json!({"a": null, "m": {"b": null, "c": [2], "d": {"e": null, "f": 1}}});
        assert_eq!(patched(live, &patch), json!({"m": {"c": [2], "d": {"f": 1}}, "s": "x"}));
    }

    #[test]
    fn of_a_fleet_others_keep_their_fields() {
        let live = json!({"metadata": {"name": "f", "labels": {"a": "1"}}, "spec": {
        "packageVersion": "1", "retainedVersions": ["0"], "clients": [
            {"name": "x", "reported": {"ip": "10.0.0.1"}}, {"name": "y"},
        ]}});
        let file = json!({"metadata": {"labels": {"b": "2"}}, "spec": {
        "packageVersion": "2", "retainedVersions": ["1"], "clients": [
            {"name": "x", "timeZone": "Asia/Tokyo"}, {"name": "z"},
        ]}});
        let after = json!({"metadata": {"name": "f", "labels": {"a": "1", "b": "2"}}, "spec": {
        "packageVersion": "2", "retainedVersions": ["1"], "clients": [
            {"name": "x", "reported": {"ip": "10.0.0.1"}, "timeZone": "Asia/Tokyo"},
            {"name": "y"}, {"name": "z"},
        ]}});
        assert_eq!(merged(Kind::ClientFleet, live, &file), after);
        let live = json!({"spec": {"suspend": true, "priority": 1}});
        let after = merged(Kind::UpgradePolicy, live, &json!({"spec": {"priority": 2}}));
        assert_eq!(after, json!({"spec": {"priority": 2}}));
    }

    #[test]
    fn what_was_applied_client_side_is_dropped_and_nothing_else() {
        let last = json!({"spec": {"a": 1, "s": ["x", "y"], "clients": [
            {"name": "one", "zone": "Z"}, {"name": "two"},
        ]}});
        let file = json!({"spec": {"s": ["x"], "clients": [{"name": "one"}]}});
        let answer = json!({"spec": {"a": 1, "b": 2, "s": ["x", "y", "z"], "clients": [
            {"name": "one", "zone": "Z", "ip": "1"}, {"name": "two"}, {"name": "three"},
        ]}});
        let after = json!({"spec": {"b": 2, "s": ["x", "z"], "clients": [
            {"name": "one", "ip": "1"}, {"name": "three"},
        ]}});
        assert_eq!(without_dropped(answer, &last, &file), after);
    }
}
