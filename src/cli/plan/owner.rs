//! Determines how a file will be applied to an object, and by which field manager. Uses the
//! object's metadata and the options of `plan`; contacts no cluster.

use serde_json::Value;

use super::merge::LAST_APPLIED;

/// Field managers of well-known tools that use server-side apply.
const KNOWN_MANAGERS: [&str; 7] = [
    "kubectl",
    "kustomize-controller",
    "helm-controller",
    "argocd-controller",
    "fluxcd",
    "flux",
    "helm",
];
/// Default field manager of `kubectl apply --server-side`.
const KUBECTL: &str = "kubectl";

/// Field managers of tools that always force server-side apply.
const FORCING_MANAGERS: [&str; 5] =
    ["kustomize-controller", "helm-controller", "argocd-controller", "fluxcd", "flux"];

/// Returns whether the tool with this field manager always forces server-side apply.
pub(super) fn forces(owner: &str) -> bool {
    FORCING_MANAGERS.contains(&owner)
}

/// Returns whether a field manager is the default of `kubectl apply --server-side`.
pub(super) fn is_kubectl(owner: &str) -> bool {
    owner == KUBECTL
}

/// The method of applying a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ApplyMethod {
    ServerSide {
        owner: String,
        /// Configuration that client-side `kubectl apply` applied last, if the field manager takes
        /// over its fields.
        takes_over: Option<Value>,
    },
    /// Client-side `kubectl apply`, which stores the last applied configuration in an annotation.
    ClientSide { last_applied: Value },
}

/// The options that determine the method of applying a file.
#[derive(Clone, Debug, Default)]
pub(super) struct ApplyOptions {
    /// Field manager from `--field-manager`.
    pub(super) owner: Option<String>,
    /// True if `--server-side` is set.
    pub(super) server_side: bool,
}

impl ApplyOptions {
    /// Returns the method of applying a file to the object `live` in the cluster. `live` is `None`
    /// if the object does not exist.
    pub(super) fn way(&self, live: Option<&Value>) -> ApplyMethod {
        let last_applied = live.and_then(last_applied);
        let known = live.and_then(known_owner);
        match (&self.owner, known, last_applied) {
            (Some(owner), _, takes_over) => {
                // Only kubectl takes over fields that it applied client-side.
                let takes_over = takes_over.filter(|_| owner == KUBECTL);
                ApplyMethod::ServerSide { owner: owner.clone(), takes_over }
            }
            (None, Some(owner), _) => {
                ApplyMethod::ServerSide { owner: owner.to_owned(), takes_over: None }
            }
            (None, None, Some(last_applied)) if !self.server_side => {
                ApplyMethod::ClientSide { last_applied }
            }
            (None, None, takes_over) => {
                ApplyMethod::ServerSide { owner: KUBECTL.to_owned(), takes_over }
            }
        }
    }
}

/// Returns the well-known field manager that applied the object with server-side apply; `None` if
/// there are none or several.
fn known_owner(live: &Value) -> Option<&str> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let applies =
        |entry: &&Value| entry["operation"] == "Apply" && entry.get("subresource").is_none();
    let mut owners: Vec<&str> = entries
        .iter()
        .filter(applies)
        .filter_map(|entry| entry.get("manager")?.as_str())
        .filter(|owner| KNOWN_MANAGERS.contains(owner))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    match owners[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// Keys of the labels that each tool adds to the objects that it applies. A key that ends with a
/// slash is a prefix.
const TOOL_LABELS: [(&str, &[&str]); 4] = [
    ("kustomize-controller", &["kustomize.toolkit.fluxcd.io/"]),
    ("helm-controller", &["helm.toolkit.fluxcd.io/", MANAGED_BY]),
    ("helm", &[MANAGED_BY]),
    ("argocd-controller", &["argocd.argoproj.io/", "app.kubernetes.io/instance"]),
];
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Returns the labels in `live` that the tool with the field manager `owner` adds to its objects.
pub(super) fn marks(owner: &str, live: &Value) -> Vec<(String, Value)> {
    let known =
        TOOL_LABELS.iter().find(|(tool, _)| *tool == owner).map_or(&[][..], |(_, marks)| marks);
    let is_mark = |label: &str| {
        known.iter().any(|mark| label == *mark || mark.ends_with('/') && label.starts_with(mark))
    };
    let labels = live.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let marks = labels.filter(|(label, _)| is_mark(label));
    marks.map(|(label, value)| (label.clone(), value.clone())).collect()
}

fn last_applied(live: &Value) -> Option<Value> {
    let annotations = live.pointer("/metadata/annotations")?;
    serde_json::from_str(annotations.get(LAST_APPLIED)?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(owners: &[(&str, &str)], last_applied: Option<&str>) -> Value {
        let fields: Vec<Value> = owners
            .iter()
            .map(|(owner, operation)| json!({"manager": owner, "operation": operation}))
            .collect();
        let mut object = json!({"metadata": {"managedFields": fields}});
        if let Some(text) = last_applied {
            object["metadata"]["annotations"] = json!({ LAST_APPLIED: text });
        }
        object
    }

    fn server_side(owner: &str) -> ApplyMethod {
        ApplyMethod::ServerSide { owner: owner.to_owned(), takes_over: None }
    }

    #[test]
    fn a_file_is_applied_as_before() {
        let asked = ApplyOptions::default();
        let flux = ("kustomize-controller", "Apply");
        let way = |owners: &[(&str, &str)], last| asked.way(Some(&object(owners, last)));
        assert_eq!(asked.way(None), server_side("kubectl"));
        assert_eq!(way(&[flux, ("importer", "Apply")], None), server_side("kustomize-controller"));
        assert_eq!(way(&[flux], Some("{}")), server_side("kustomize-controller"));
        assert_eq!(way(&[flux, ("kubectl", "Apply")], None), server_side("kubectl"));
        assert_eq!(way(&[("kustomize-controller", "Update")], None), server_side("kubectl"));
        assert_eq!(
            way(&[("kubectl-client-side-apply", "Update")], Some("{\"a\": 1}")),
            ApplyMethod::ClientSide { last_applied: json!({"a": 1}) }
        );
        assert_eq!(way(&[], Some("no json")), server_side("kubectl"));
    }

    #[test]
    fn a_tool_knows_its_objects_again() {
        let live = json!({"metadata": {"labels": {
            "site": "berlin", "kustomize.toolkit.fluxcd.io/name": "fleets",
            "app.kubernetes.io/instance": "fleets",
        }}});
        let names = |owner| -> Vec<String> {
            marks(owner, &live).into_iter().map(|(label, _)| label).collect()
        };
        assert_eq!(names("kustomize-controller"), ["kustomize.toolkit.fluxcd.io/name"]);
        assert_eq!(names("argocd-controller"), ["app.kubernetes.io/instance"]);
        assert!(names("kubectl").is_empty() && marks("argocd-controller", &json!({})).is_empty());
    }

    #[test]
    fn the_user_decides() {
        let applied = object(&[("argocd-controller", "Apply")], Some("{\"a\": 1}"));
        let asked = ApplyOptions { owner: Some("me".to_owned()), server_side: false };
        assert_eq!(asked.way(Some(&applied)), server_side("me"));
        let asked = ApplyOptions { owner: None, server_side: true };
        let takes_over = Some(json!({"a": 1}));
        assert_eq!(
            asked.way(Some(&object(&[], Some("{\"a\": 1}")))),
            ApplyMethod::ServerSide { owner: "kubectl".to_owned(), takes_over }
        );
    }
}
