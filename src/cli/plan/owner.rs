//! As whom a file is applied to an object, by what the object says about who applied it before. Knows no
//! cluster.

use serde_json::Value;

use super::merge::LAST_APPLIED;

/// Those that apply files by server-side apply, by the names they give themselves.
const KNOWN: [&str; 7] = [
    "kubectl",
    "kustomize-controller",
    "helm-controller",
    "argocd-controller",
    "fluxcd",
    "flux",
    "helm",
];
/// As whom kubectl applies.
const KUBECTL: &str = "kubectl";

/// How a file is applied.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// By server-side apply, as this field manager.
    ServerSide {
        /// Its name.
        owner: String,
        /// What was applied client-side before, which the owner takes over.
        takes_over: Option<Value>,
    },
    /// By `kubectl apply` as it is by default, which remembers what it applied last.
    ClientSide {
        /// What it applied last.
        last_applied: Value,
    },
}

/// What the user says about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// As whom the files are applied.
    pub(super) owner: Option<String>,
    /// Whether always by server-side apply.
    pub(super) server_side: bool,
}

impl Asked {
    /// How a file is applied to an object, `None` if it does not exist.
    pub(super) fn way(&self, live: Option<&Value>) -> Way {
        let last_applied = live.and_then(last_applied);
        let known = live.and_then(known_owner);
        match (&self.owner, known, last_applied) {
            (Some(owner), _, takes_over) => {
                // kubectl alone takes over what it applied client-side.
                let takes_over = takes_over.filter(|_| owner == KUBECTL);
                Way::ServerSide { owner: owner.clone(), takes_over }
            }
            (None, Some(owner), _) => Way::ServerSide { owner: owner.to_owned(), takes_over: None },
            (None, None, Some(last_applied)) if !self.server_side => {
                Way::ClientSide { last_applied }
            }
            (None, None, takes_over) => Way::ServerSide { owner: KUBECTL.to_owned(), takes_over },
        }
    }
}

/// The one well-known tool that applies this object by server-side apply.
fn known_owner(live: &Value) -> Option<&str> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let applies =
        |entry: &&Value| entry["operation"] == "Apply" && entry.get("subresource").is_none();
    let mut owners: Vec<&str> = entries
        .iter()
        .filter(applies)
        .filter_map(|entry| entry.get("manager")?.as_str())
        .filter(|owner| KNOWN.contains(owner))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    match owners[..] {
        [one] => Some(one),
        _ => None,
    }
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

    fn server_side(owner: &str) -> Way {
        Way::ServerSide { owner: owner.to_owned(), takes_over: None }
    }

    #[test]
    fn a_file_is_applied_as_before() {
        let asked = Asked::default();
        let flux = ("kustomize-controller", "Apply");
        let way = |owners: &[(&str, &str)], last| asked.way(Some(&object(owners, last)));
        assert_eq!(asked.way(None), server_side("kubectl"));
        assert_eq!(way(&[flux, ("importer", "Apply")], None), server_side("kustomize-controller"));
        assert_eq!(way(&[flux], Some("{}")), server_side("kustomize-controller"));
        assert_eq!(way(&[flux, ("kubectl", "Apply")], None), server_side("kubectl"));
        assert_eq!(way(&[("kustomize-controller", "Update")], None), server_side("kubectl"));
        assert_eq!(
            way(&[("kubectl-client-side-apply", "Update")], Some("{\"a\": 1}")),
            Way::ClientSide { last_applied: json!({"a": 1}) }
        );
        assert_eq!(way(&[], Some("no json")), server_side("kubectl"));
    }

    #[test]
    fn the_user_decides() {
        let applied = object(&[("argocd-controller", "Apply")], Some("{\"a\": 1}"));
        let asked = Asked { owner: Some("me".to_owned()), server_side: false };
        assert_eq!(asked.way(Some(&applied)), server_side("me"));
        let asked = Asked { owner: None, server_side: true };
        let takes_over = Some(json!({"a": 1}));
        assert_eq!(
            asked.way(Some(&object(&[], Some("{\"a\": 1}")))),
            Way::ServerSide { owner: "kubectl".to_owned(), takes_over }
        );
    }
}
