//! Validates an object's `metadata`, `apiVersion` and `kind` as the API server does. A CRD contains
//! no complete schema for these fields.

use serde_json::{Map, Value};

use super::walk::{join, quoted, unreadable_character, walk_unknown};
use super::{Problems, nulls, server_fields};
use crate::api::bounds;
use crate::api::crd::Kind;
use crate::api::patterns::{self, Pattern};
use regex::Regex;
use std::sync::OnceLock;

const API_VERSION: &str = "clientfleet.dev/v1alpha1";

/// The fields of `metav1.ObjectMeta`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Maximum total size of an object's annotations, including their keys, in bytes. The API server
/// has the same limit (`apimachinery/pkg/api/validation`).
const ANNOTATION_BYTES: usize = 256 * 1024;
/// Maximum length of the part before the slash in a label or annotation key.
const KEY_DOMAIN: usize = 253;

/// Compiled regular expressions for the fields of `metadata`, each with the [`Pattern`] that
/// contains its error message.
struct Expressions {
    object_name: (Regex, Pattern),
    namespace: (Regex, Pattern),
    key: (Regex, Pattern),
    value: (Regex, Pattern),
}

pub fn check(kind: Kind, object: &Value, problems: &mut Problems) {
    expect(object, "apiVersion", API_VERSION, problems);
    expect(object, "kind", kind.name(), problems);
    let Some(Value::Object(metadata)) = object.get("metadata") else {
        problems.add("metadata.name", "must be set: the name of the object");
        return;
    };
    walk_unknown(&FIELDS, metadata, "metadata", problems);
    let Some(expressions) = expressions() else { return };
    match text(metadata, "name", problems) {
        Some(name) if !name.is_empty() => {
            matching(name, kind.longest_name(), &expressions.object_name, "name", problems);
        }
        Some(_) => problems.add("metadata.name", "must not be empty"),
        None if metadata.contains_key("name") => {}
        None => problems.add("metadata.name", "must be set: the name of the object"),
    }
    server_fields::check(metadata, &expressions.object_name.0, &expressions.key.0, problems);
    if let Some(namespace) = text(metadata, "namespace", problems).filter(|text| !text.is_empty()) {
        matching(namespace, bounds::LABEL, &expressions.namespace, "namespace", problems);
    }
    for (key, value) in texts(metadata, "labels", problems) {
        check_key(key, &format!("metadata.labels[{key}]"), expressions, problems);
        let below = format!("labels[{key}]");
        matching(value, bounds::LABEL, &expressions.value, &below, problems);
    }
    let annotations = texts(metadata, "annotations", problems);
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATION_BYTES {
        let message = format!("must have at most {ANNOTATION_BYTES} bytes in all, has {bytes}");
        problems.add("metadata.annotations", message);
        return;
    }
    for (key, value) in annotations {
        let field = format!("metadata.annotations[{key}]");
        // The API server ignores the case of these keys, unlike that of labels.
        check_key(&key.to_ascii_lowercase(), &field, expressions, problems);
        if let Some(message) = unreadable_character(value) {
            problems.add(field, message);
        }
    }
}

fn expressions() -> Option<&'static Expressions> {
    static COMPILED: OnceLock<Option<Expressions>> = OnceLock::new();
    let compiled = |pattern: Pattern| Some((Regex::new(&pattern.regex).ok()?, pattern));
    COMPILED
        .get_or_init(|| {
            Some(Expressions {
                object_name: compiled(patterns::object_name())?,
                namespace: compiled(patterns::namespace())?,
                key: compiled(patterns::label_key())?,
                value: compiled(patterns::label_value())?,
            })
        })
        .as_ref()
}

fn expect(object: &Value, field: &str, wanted: &str, problems: &mut Problems) {
    match object.get(field) {
        Some(Value::String(text)) if text == wanted => {}
        Some(other) => problems.add(field, format!("must be {wanted}, is {}", shown(other))),
        None => problems.add(field, format!("must be set: write {wanted}")),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| "no text".to_owned(), quoted)
}

fn check_key(key: &str, field: &str, expressions: &Expressions, problems: &mut Problems) {
    let (regex, pattern) = &expressions.key;
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    if domain.len() > KEY_DOMAIN {
        let message = format!("must have at most {KEY_DOMAIN} characters before the slash");
        problems.add(field, message);
    } else if !regex.is_match(key) {
        problems.add(field, format!("{} {}", quoted(key), pattern.must));
    }
}

fn matching(
    text: &str,
    most: usize,
    (regex, pattern): &(Regex, Pattern),
    below: &str,
    problems: &mut Problems,
) {
    let field = join("metadata", below);
    if text.len() > most {
        problems.add(field, format!("must have at most {most} characters, has {}", text.len()));
    } else if !regex.is_match(text) {
        problems.add(field, format!("{} {}", quoted(text), pattern.must));
    }
}

fn text<'a>(
    metadata: &'a Map<String, Value>,
    name: &str,
    problems: &mut Problems,
) -> Option<&'a str> {
    let value = metadata.get(name)?;
    match value {
        Value::String(_) => {}
        Value::Null => problems.add(join("metadata", name), empty(name)),
        _ => problems.add(join("metadata", name), "must be text: write it in quotes"),
    }
    value.as_str()
}

fn texts<'a>(
    metadata: &'a Map<String, Value>,
    name: &str,
    problems: &mut Problems,
) -> Vec<(&'a str, &'a str)> {
    let entries = match metadata.get(name) {
        Some(Value::Object(entries)) => entries,
        None => return Vec::new(),
        Some(Value::Null) => {
            problems.add(join("metadata", name), empty(name));
            return Vec::new();
        }
        Some(_) => {
            problems.add(join("metadata", name), "must be a mapping of names to values");
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for (key, value) in entries {
        match value {
            Value::String(text) => texts.push((key.as_str(), text.as_str())),
            Value::Null => {
                problems.add(format!("metadata.{name}[{key}]"), nulls::of_entry(key));
            }
            _ => {
                problems.add(format!("metadata.{name}[{key}]"), "must be text: write it in quotes");
            }
        }
    }
    texts
}

fn empty(name: &str) -> String {
    match name {
        "name" => "is empty (null): must be set: the name of the object".to_owned(),
        other => format!("is empty (null): write a value, or leave `{other}` out"),
    }
}
