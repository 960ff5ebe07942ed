//! What admission refuses, judged without a server: for files, and for policies that were stored
//! under an older CRD. The judge is the CRD itself, read generically, so that both say the same;
//! only `metadata`, which has no schema in a CRD, is judged by code of its own. Knows no file and
//! no client.

mod cel;
mod metadata;
pub mod nearest;
mod schema;
mod walk;

use std::sync::OnceLock;

use serde_json::Value;

use self::schema::{Node, Shape};
use super::crd::Kind;
use super::policy::UpgradePolicySpec;

/// As many problems of one object are told: whoever has more has made one mistake many times.
const TOLD: usize = 100;

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `spec.distribution.windows[0].start`; empty for the object itself.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// The problems found so far.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if !self.is_full() {
            self.0.push(Problem { field: field.into(), message: message.into() });
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() >= TOLD
    }
}

/// What the API server would refuse of `object`, unknown fields included. Empty: it would be
/// accepted. At most 100 problems are told.
#[must_use]
pub fn check(kind: Kind, object: &Value) -> Vec<Problem> {
    admit(kind, object.clone()).1
}

/// The same, with the object as it would be stored if there are no problems.
#[must_use]
pub fn admit(kind: Kind, object: Value) -> (Value, Vec<Problem>) {
    let mut problems = Problems::default();
    let Some(root) = root(kind, &mut problems) else { return (object, problems.0) };
    let stored = as_stored(kind, object);
    metadata::check(kind, &stored, &mut problems);
    walk::walk(root, &stored, "", &mut problems);
    (stored, problems.0)
}

/// What the API server would refuse of a policy's spec.
#[must_use]
pub fn check_policy_spec(spec: &UpgradePolicySpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    let Some(root) = root(Kind::UpgradePolicy, &mut problems) else { return problems.0 };
    let Some(node) = root.property("spec") else { return problems.0 };
    match serde_json::to_value(spec) {
        Ok(value) => {
            walk::walk(node, &value, "spec", &mut problems);
        }
        Err(error) => problems.add("spec", format!("cannot be written as JSON: {error}")),
    }
    problems.0
}

/// The object as the API server would store it: `null` counts as absent, what is absent has its
/// default, and `3.0` is 3 where a whole number belongs. The types of this API read every accepted
/// object in this form.
#[must_use]
pub fn as_stored(kind: Kind, mut object: Value) -> Value {
    if let Ok(root) = compiled(kind) {
        root.complete(&mut object);
    }
    object
}

/// A schema that cannot be read refuses everything. That it can be, a test holds.
fn root(kind: Kind, problems: &mut Problems) -> Option<&'static Node> {
    match compiled(kind) {
        Ok(root) => Some(root),
        Err(error) => {
            problems.add("", format!("cannot be judged, a mistake in this program: {error}"));
            None
        }
    }
}

/// Compiled once for each kind: a hundred rules and expressions take milliseconds.
fn compiled(kind: Kind) -> Result<&'static Node, &'static str> {
    static FLEET: OnceLock<Result<Node, String>> = OnceLock::new();
    static POLICY: OnceLock<Result<Node, String>> = OnceLock::new();
    let cell = match kind {
        Kind::ClientFleet => &FLEET,
        Kind::UpgradePolicy => &POLICY,
    };
    cell.get_or_init(|| compile(kind)).as_ref().map_err(String::as_str)
}

fn compile(kind: Kind) -> Result<Node, String> {
    let crd = kind.crd();
    let schema = crd.spec.versions.iter().find_map(|version| version.schema.as_ref());
    let root = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
    let mut root = Node::compile(root.ok_or("the definition has no schema")?)?;
    if let Shape::Fields { properties, .. } = &mut root.shape {
        for implied in ["apiVersion", "kind", "metadata"] {
            properties.insert(implied.to_owned(), Node::anything());
        }
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemas_can_be_judged() {
        for kind in Kind::ALL {
            assert!(compiled(kind).is_ok(), "{:?}", compiled(kind).err());
        }
    }
}
