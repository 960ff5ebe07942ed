//! Validates objects as the API server does, but without a server: objects from files, and policies
//! that were stored under an older CRD.
//!
//! The results match those of the API server, because the module evaluates the schema and the rules
//! in the CRD. Only `metadata`, which has no schema in a CRD, is validated by separate code.

mod cel;
mod metadata;
pub mod nearest;
mod nulls;
mod schema;
mod server_fields;
mod walk;

use std::sync::OnceLock;

use serde_json::Value;

use self::schema::{Node, Shape};
use super::crd::Kind;
use super::policy::UpgradePolicySpec;

/// Maximum number of problems reported per object. Further problems are usually repetitions of one
/// mistake.
const MAX_PROBLEMS: usize = 100;

/// A problem found in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, such as `spec.distribution.windows[0].start`; empty for the object
    /// itself.
    pub field: String,
    /// Description of the problem, including what to write instead.
    pub message: String,
}

#[derive(Debug, Default)]
struct Problems {
    found: Vec<Problem>,
    /// True if the object is stored already, so that rules for new values do not apply.
    is_stored: bool,
}

impl Problems {
    fn of_stored() -> Self {
        Self { is_stored: true, ..Self::default() }
    }

    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if !self.is_full() {
            self.found.push(Problem { field: field.into(), message: message.into() });
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }
}

/// Returns the problems for which the API server would refuse `object` in a server-side apply,
/// including unknown fields. The list is empty if the object is valid, and has at most 100 entries.
///
/// Each `null` in the spec is a problem, although some requests drop it: it is usually a key whose
/// content was commented out or indented wrongly.
#[must_use]
pub fn check(kind: Kind, object: &Value) -> Vec<Problem> {
    admit(kind, object.clone()).1
}

/// Returns the object as the API server would store it, and the same problems as [`check`]. The API
/// server would store the object only if the list of problems is empty.
#[must_use]
pub fn admit(kind: Kind, object: Value) -> (Value, Vec<Problem>) {
    admit_with(kind, object, Problems::default())
}

/// Returns the same as [`admit`] for an object that may be stored already. A bound that is lower for
/// new values does not apply, because the API server does not apply it to what a write leaves
/// unchanged.
#[must_use]
pub(crate) fn admit_unless_new(kind: Kind, object: Value) -> (Value, Vec<Problem>) {
    admit_with(kind, object, Problems::of_stored())
}

fn admit_with(kind: Kind, object: Value, mut problems: Problems) -> (Value, Vec<Problem>) {
    let Some(root) = root(kind, &mut problems) else { return (object, problems.found) };
    nulls::find(root, &object, "", &mut problems);
    let nulls = problems.found.len();
    let stored = as_stored(kind, object);
    metadata::check(kind, &stored, &mut problems);
    walk::walk(root, &stored, "", &mut problems);
    (stored, nulls::without_repetitions(problems.found, nulls))
}

/// Returns the first problem for which `status` is not a status of this kind; `None` if it is one.
#[must_use]
pub(crate) fn check_status(kind: Kind, status: &Value) -> Option<Problem> {
    let node = compiled(kind).ok()?.property("status")?;
    let mut status = status.clone();
    node.complete(&mut status);
    let mut problems = Problems::default();
    walk::walk(node, &status, "status", &mut problems);
    problems.found.into_iter().next()
}

/// Returns the problems that make the spec of a stored policy invalid. A bound that is lower for new
/// values does not apply.
#[must_use]
pub fn check_policy_spec(spec: &UpgradePolicySpec) -> Vec<Problem> {
    let mut problems = Problems::of_stored();
    let Some(root) = root(Kind::UpgradePolicy, &mut problems) else { return problems.found };
    let Some(node) = root.property("spec") else { return problems.found };
    match serde_json::to_value(spec) {
        Ok(value) => {
            walk::walk(node, &value, "spec", &mut problems);
        }
        Err(error) => problems.add("spec", format!("cannot be written as JSON: {error}")),
    }
    problems.found
}

/// Returns the object as the API server would store it: without `null` fields, with defaults, and
/// with integers such as `3.0` written as 3. Every valid object in this form can be deserialized
/// into the API types.
#[must_use]
pub fn as_stored(kind: Kind, mut object: Value) -> Value {
    if let Ok(root) = compiled(kind) {
        root.complete(&mut object);
    }
    object
}

/// Returns the compiled schema of a kind. If the schema does not compile, adds a problem and
/// returns `None`; a test ensures that both schemas compile.
fn root(kind: Kind, problems: &mut Problems) -> Option<&'static Node> {
    match compiled(kind) {
        Ok(root) => Some(root),
        Err(error) => {
            problems.add("", format!("cannot be judged, a mistake in this program: {error}"));
            None
        }
    }
}

/// Returns the compiled schema of a kind. Compiles the schema only at the first call, because
/// compiling its hundred rules and expressions takes milliseconds.
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
