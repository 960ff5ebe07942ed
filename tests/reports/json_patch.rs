//! Applies JSON Patches as the API server does: all operations or none.

use serde_json::Value;

/// Applies the operations of a patch to a copy of `object`.
pub fn apply(object: &Value, operations: &Value) -> Result<Value, String> {
    let mut patched = object.clone();
    for operation in operations.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let failed = || format!("{operation} failed");
        match operation["op"].as_str().unwrap() {
            "test" => {
                let found = patched.pointer(path).ok_or_else(failed)?;
                if *found != operation["value"] {
                    return Err(failed());
                }
            }
            "add" => {
                let parent = patched.pointer_mut(parent).and_then(Value::as_object_mut);
                parent.ok_or_else(failed)?.insert(key.to_owned(), operation["value"].clone());
            }
            "remove" => {
                let parent = patched.pointer_mut(parent).and_then(Value::as_object_mut);
                parent.ok_or_else(failed)?.remove(key).ok_or_else(failed)?;
            }
            other => panic!("an unknown operation {other}"),
        }
    }
    Ok(patched)
}
