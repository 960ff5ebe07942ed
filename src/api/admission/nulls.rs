//! Finds keys and list items without a value (`null`). A client-side `kubectl apply` drops them,
//! which may widen a scope; server-side apply refuses most of them.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::schema::{Node, Shape};
use super::walk::{join, shortened};
use super::{Problem, Problems, cel};

/// Adds a problem for each `null` in `value` that the schema describes.
pub fn find(node: &Node, value: &Value, path: &str, problems: &mut Problems) {
    match (&node.shape, value) {
        (Shape::Fields { properties, required }, Value::Object(fields)) => {
            for (name, node) in properties {
                // The metadata and the status have checks of their own.
                let is_judged = !path.is_empty() || name == "spec";
                let Some(field) = fields.get(name).filter(|_| is_judged) else { continue };
                let below = join(path, name);
                match field {
                    Value::Null => {
                        problems.add(below, of_field(node, name, required.contains(name)));
                    }
                    field => find(node, field, &below, problems),
                }
            }
        }
        (Shape::Map { values, .. }, Value::Object(fields)) => {
            for (key, field) in fields {
                let below = format!("{path}[{}]", shortened(key));
                match field {
                    Value::Null => problems.add(below, of_entry(key)),
                    field => find(values, field, &below, problems),
                }
            }
        }
        (Shape::List { items, .. }, Value::Array(entries)) => {
            for (index, entry) in entries.iter().enumerate() {
                let below = format!("{path}[{index}]");
                match entry {
                    Value::Null => problems.add(
                        below,
                        "is empty (null): write an entry behind `-`, or delete the line",
                    ),
                    entry => find(items, entry, &below, problems),
                }
            }
        }
        _ => {}
    }
}

/// Removes the problems after the first `nulls` that concern the same field as one of these, because
/// the reason of both is the missing value.
pub(super) fn without_repetitions(found: Vec<Problem>, nulls: usize) -> Vec<Problem> {
    let told: HashSet<String> =
        found.iter().take(nulls).map(|problem| problem.field.clone()).collect();
    let is_kept = |(index, problem): &(usize, Problem)| {
        *index < nulls || !told.contains(problem.field.as_str())
    };
    found.into_iter().enumerate().filter(is_kept).map(|(_, problem)| problem).collect()
}

/// Returns the message about a map entry without a value.
pub(super) fn of_entry(key: &str) -> String {
    let key = shortened(key);
    format!("is empty (null): write a value, as \"\", or leave `{key}` out")
}

/// Returns the message about a field without a value. If the schema refuses an empty list or mapping
/// too, the message contains its advice.
fn of_field(node: &Node, name: &str, is_required: bool) -> String {
    if is_required && node.default.is_none() {
        return format!("is empty (null): must be set: {}", node.about);
    }
    let empty = match &node.shape {
        Shape::List { .. } => Some(json!([])),
        Shape::Map { .. } => Some(json!({})),
        Shape::Fields { required, .. } if required.is_empty() => Some(json!({})),
        _ => None,
    };
    let advice = empty.and_then(|mut empty| {
        node.complete(&mut empty);
        let mut refused = Problems::default();
        cel::judge(&node.rules, &empty, "", &mut refused);
        refused.found.into_iter().next()
    });
    match advice {
        Some(Problem { message, .. }) => format!("is empty (null): {message}"),
        None => format!("is empty (null): write a value, or leave `{name}` out"),
    }
}
