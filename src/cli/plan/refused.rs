//! Explains to the user why applying a file fails or causes conflicts: other field managers own
//! some of its fields, or only the API server may write them. Contacts no cluster.

use std::collections::BTreeMap;

use kube::core::Status;
use serde_json::Value;

use super::owner::{forces, is_kubectl};

/// Maximum number of conflicting fields that are listed per owner.
const MAX_NAMED_FIELDS: usize = 3;

/// The conflicting fields of an object, grouped by the field manager that owns them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conflicts(BTreeMap<String, Vec<String>>);

impl Conflicts {
    /// Returns the conflicts in an error response; `None` if the error is not a conflict.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let mut owned: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for cause in causes.filter(|cause| cause.reason == "FieldManagerConflict") {
            let field = cause.field.strip_prefix('.').unwrap_or(&cause.field).to_owned();
            owned.entry(owner(&cause.message).to_owned()).or_default().push(field);
        }
        (status.code == 409 && !owned.is_empty()).then_some(Self(owned))
    }

    /// Returns a warning for a user who will apply the file with the field manager `applier`.
    /// Returns `None` if there are no conflicts, or if `applier` always forces server-side apply.
    pub(super) fn warning(&self, applier: &str) -> Option<String> {
        if self.0.is_empty() || forces(applier) {
            return None;
        }
        let owned: Vec<String> =
            self.0.iter().map(|(owner, fields)| sentence(owner, fields)).collect();
        let command = match applier {
            "helm" => "helm".to_owned(),
            kubectl if is_kubectl(kubectl) => "kubectl apply --server-side".to_owned(),
            other => format!("kubectl apply --server-side --field-manager={other}"),
        };
        Some(format!("{command} refuses this without --force-conflicts: {}", owned.join("; ")))
    }
}

/// Returns the field manager that a conflict message names: `OWNER` in `conflict with "OWNER" using
/// clientfleet.dev/v1alpha1`.
fn owner(message: &str) -> &str {
    let quoted = message.split_once('"').and_then(|(_, rest)| rest.split_once('"'));
    quoted.map_or(message, |(owner, _)| owner)
}

fn sentence(owner: &str, fields: &[String]) -> String {
    let mut named: Vec<String> = fields.iter().take(MAX_NAMED_FIELDS).cloned().collect();
    let others = fields.len().saturating_sub(MAX_NAMED_FIELDS);
    if others > 0 {
        named.push(format!("{others} more"));
    }
    let verb = if fields.len() == 1 { "is" } else { "are" };
    let named = match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    };
    format!("{named} {verb} owned by {owner}")
}

/// Returns the reason why the API server rejected a file. If the file contains a field that only
/// the API server may write, the reason names that field; otherwise it quotes the API server.
pub(super) fn reason(status: &Status, file: &Value) -> String {
    let given = |field: &str| file.pointer(&format!("/metadata/{field}")).filter(|v| !v.is_null());
    let said = &status.message;
    if given("managedFields").is_some() && said.contains("managedFields must be nil") {
        return "metadata.managedFields: leave it out: only the API server writes it, and refuses a \
                file that holds it (`kubectl get` prints it with --show-managed-fields alone; leave \
                resourceVersion and uid out as well)"
            .to_owned();
    }
    if status.code == 409 && given("uid").is_some() && said.contains("uid mismatch") {
        return "metadata.uid: leave it out: the file says of which object it was copied, and there \
                is no such object any more"
            .to_owned();
    }
    if status.code == 409
        && given("resourceVersion").is_some()
        && said.contains("has been modified")
    {
        return "metadata.resourceVersion: leave it out: the object has been written since it was \
                copied from the cluster, and the API server refuses what is based on an older one"
            .to_owned();
    }
    format!("the API server refuses it: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn conflict(owned: &[(&str, &str)]) -> Conflicts {
        let causes: Vec<Value> = owned
            .iter()
            .map(|(owner, field)| {
                json!({
                    "reason": "FieldManagerConflict", "field": field,
                    "message": format!("conflict with {owner:?} using clientfleet.dev/v1alpha1"),
                })
            })
            .collect();
        let status = json!({"code": 409, "reason": "Conflict", "details": {"causes": causes}});
        Conflicts::of(&serde_json::from_value(status).expect("a status")).unwrap_or_default()
    }

    #[test]
    fn fields_are_told_with_their_owners() {
        let said =
            |owned: &[(&str, &str)], applier| conflict(owned).warning(applier).unwrap_or_default();
        let mode = ("clientfleet-settings", ".spec.upgrade.mode");
        assert_eq!(
            said(&[mode], "kubectl"),
            "kubectl apply --server-side refuses this without --force-conflicts: \
             spec.upgrade.mode is owned by clientfleet-settings"
        );
        let many = [mode, ("x", ".a"), ("x", ".b"), ("x", ".c"), ("x", ".d"), ("x", ".e")];
        assert_eq!(
            said(&many, "me"),
            "kubectl apply --server-side --field-manager=me refuses this without \
             --force-conflicts: spec.upgrade.mode is owned by clientfleet-settings; a, b, c and 2 \
             more are owned by x"
        );
        assert!(said(&[mode], "helm").starts_with("helm refuses"));
        assert_eq!(said(&[mode], "kustomize-controller"), "");
        assert_eq!(said(&[], "kubectl"), "");
    }

    #[test]
    fn what_only_the_server_writes_is_named() {
        let file = json!({"metadata": {"managedFields": [], "uid": "u", "resourceVersion": "1"}});
        let refusal_of = |code: u16, message: &str, file: &Value| {
            let status = json!({"code": code, "message": message});
            reason(&serde_json::from_value(status).expect("a status"), file)
        };
        for (code, message, field) in [
            (400, "metadata.managedFields must be nil", "metadata.managedFields: leave it out"),
            (409, "\"one\": uid mismatch: …", "metadata.uid: leave it out"),
            (409, "the object has been modified; …", "metadata.resourceVersion: leave it out"),
        ] {
            let said = refusal_of(code, message, &file);
            assert!(said.starts_with(field), "{said}");
            let said = refusal_of(code, message, &json!({"metadata": {}}));
            assert_eq!(said, format!("the API server refuses it: {message}"));
        }
    }
}
