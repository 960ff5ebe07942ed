//! Lists edits of an object's metadata, which has no schema in the CRD.

use serde_json::{Value, json};

use super::edits::{Edit, entries};

/// Fields of `metadata` that a user writes, and values that are accepted or nearly so.
fn odd_values() -> Vec<(&'static str, Vec<Value>)> {
    let label = |value: Value| json!({"a": value});
    let long = |count: usize| json!({"a".repeat(count): "b"});
    let texts = vec![
        json!({}),
        entries(100),
        label(Value::Null),
        label(json!("")),
        label(json!(1)),
        label(json!(true)),
        label(json!([])),
        label(json!({})),
        label(json!("-a")),
        label(json!("é")),
        label(json!("a b")),
        label(json!("\u{7f}")),
        label(json!("\u{1}\t\n")),
        label(json!("\u{feff}")),
        label(json!("a".repeat(63))),
        label(json!("a".repeat(64))),
        long(63),
        long(64),
        json!({"": "b"}),
        json!({"é": "b"}),
        json!({"A": "b"}),
        json!({"example.com/a": "b"}),
        json!({"Example.com/a": "b"}),
        json!({"a/b/c": "d"}),
        json!({"/b": "d"}),
        json!({format!("{}/a", "a".repeat(253)): "b"}),
        json!({format!("{}/a", "a".repeat(254)): "b"}),
    ];
    let mut annotations = texts.clone();
    annotations.extend([262_143, 262_144].map(|size| label(json!("x".repeat(size)))));
    vec![
        ("labels", texts),
        ("annotations", annotations),
        ("name", names(&[63, 64, 253, 254])),
        ("namespace", names(&[63, 64])),
        ("finalizers", vec![json!([]), json!(["example.com/a"]), json!(["a"]), json!([""])]),
        ("finalizers", vec![json!([1]), json!([null]), json!([""]), json!(["a/b/c"])]),
        ("ownerReferences", owners()),
        ("generateName", vec![json!("a-"), json!("A"), json!(""), json!(1)]),
        ("generation", vec![json!(7), json!("7"), json!(-1), json!(1.5), json!(1.0)]),
        ("resourceVersion", vec![json!(""), json!(7)]),
        ("uid", vec![json!(""), json!(7)]),
        ("selfLink", vec![json!("/a"), json!(7)]),
        ("creationTimestamp", vec![json!("2026-06-01T00:00:00Z"), json!("now"), json!("")]),
        ("deletionTimestamp", vec![json!("2026-06-01T00:00:00Z"), json!("now")]),
        ("deletionGracePeriodSeconds", vec![json!(0), json!("0"), json!(-1)]),
        ("managedFields", vec![json!([]), json!([{}])]),
        ("unknown", vec![json!("a"), json!({})]),
        ("clusterName", vec![json!("a")]),
    ]
}

fn names(lengths: &[usize]) -> Vec<Value> {
    let mut names = ["", "A", "a.b", "a..b", "-a", "a-", "a_b", "é", "a/b", "1", "a b"]
        .map(Value::from)
        .to_vec();
    names.extend(lengths.iter().map(|count| json!("a".repeat(*count))));
    names
}

fn owners() -> Vec<Value> {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"});
    let with = |field: &str, value: Value| {
        let mut owner = owner.clone();
        owner[field] = value;
        owner
    };
    let controller = with("controller", json!(true));
    vec![
        json!([]),
        json!([{}]),
        json!([null]),
        json!([owner]),
        json!([with("uid", json!(""))]),
        json!([with("uid", json!(7))]),
        json!([with("apiVersion", json!("a/b/c"))]),
        json!([with("apiVersion", json!("a/"))]),
        json!([with("apiVersion", json!("/a"))]),
        json!([with("kind", json!("Event"))]),
        json!([with("unknown", json!("a"))]),
        json!([with("blockOwnerDeletion", Value::Null)]),
        json!([with("blockOwnerDeletion", json!("true"))]),
        json!([controller]),
        json!([controller, with("uid", json!("c"))]),
        json!([controller, controller]),
    ]
}

/// Returns the edits of the metadata and of its fields.
pub fn edits() -> Vec<Edit> {
    let of_any_type = [Value::Null, json!(1), json!(true), json!("a"), json!([]), json!({})];
    let mut edits = vec![Edit::new("/metadata", None)];
    edits.extend(of_any_type.iter().map(|value| Edit::new("/metadata", Some(value.clone()))));
    for (field, values) in odd_values() {
        let at = format!("/metadata/{field}");
        edits.push(Edit::new(&at, None));
        edits.extend(of_any_type.iter().chain(&values).map(|v| Edit::new(&at, Some(v.clone()))));
    }
    edits
}
