//! Applies JSON merge patches to objects in tests.

use serde_json::{Value, json};

/// Applies a merge patch to `into` (RFC 7396: `null` removes a field).
pub fn merge(into: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *into = changes;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (field, value) in changes {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(&field);
        } else {
            merge(&mut into[field], value);
        }
    }
}
