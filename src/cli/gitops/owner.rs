//! Detects the GitOps owner of an object or a field: a tool that applies the object from Git and
//! would revert other changes. Reads the labels and annotations of Flux and Argo CD, and
//! `managedFields`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use crate::cli::terminal::table::printable;

/// A tool that applies an object from Git, with the name of the application, release or field
/// manager that it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Name of the tool.
    pub tool: &'static str,
    /// Application, Kustomization, release or field manager with which the tool applies the object,
    /// if known.
    pub by: Option<String>,
}

impl Owner {
    /// Formats the owner, such as `Flux (Kustomization flux-system/policies)`.
    pub fn shown(&self) -> String {
        match &self.by {
            Some(by) => format!("{} ({})", self.tool, printable(by)),
            None => self.tool.to_owned(),
        }
    }
}

/// A label or annotation that a GitOps tool sets on the objects that it applies. Its value
/// identifies the application, Kustomization or release to which an object belongs.
struct OwnerMark {
    tool: &'static str,
    key: &'static str,
    namespace_key: Option<&'static str>,
    what: &'static str,
}

const LABELS: [OwnerMark; 3] = [
    OwnerMark {
        tool: "Flux",
        key: "kustomize.toolkit.fluxcd.io/name",
        namespace_key: Some("kustomize.toolkit.fluxcd.io/namespace"),
        what: "Kustomization ",
    },
    OwnerMark {
        tool: "Flux",
        key: "helm.toolkit.fluxcd.io/name",
        namespace_key: Some("helm.toolkit.fluxcd.io/namespace"),
        what: "HelmRelease ",
    },
    OwnerMark {
        tool: "Argo CD",
        key: "argocd.argoproj.io/instance",
        namespace_key: None,
        what: "Application ",
    },
];

const ANNOTATIONS: [OwnerMark; 1] = [OwnerMark {
    tool: "Argo CD",
    key: "argocd.argoproj.io/tracking-id",
    namespace_key: None,
    what: "tracked as ",
}];

/// Prefixes of the field manager names that GitOps tools use, each with the name of the tool.
const MANAGERS: [(&str, &str); 6] = [
    ("kustomize-controller", "Flux"),
    ("helm-controller", "Flux"),
    ("gotk-", "Flux"),
    ("flux", "Flux"),
    ("argocd", "Argo CD"),
    ("argo-cd", "Argo CD"),
];

/// Returns the GitOps owner of an object, according to its labels and annotations.
pub(crate) fn owner_of_object(metadata: &ObjectMeta) -> Option<Owner> {
    let labels = metadata.labels.as_ref();
    let annotations = metadata.annotations.as_ref();
    let marks = LABELS.iter().map(|mark| (mark, labels));
    let mut marks = marks.chain(ANNOTATIONS.iter().map(|mark| (mark, annotations)));
    marks.find_map(|(mark, values)| {
        let value = values?.get(mark.key)?;
        let namespace = mark.namespace_key.and_then(|key| values?.get(key));
        let namespace = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
        Some(Owner { tool: mark.tool, by: Some(format!("{}{namespace}{value}", mark.what)) })
    })
}

/// Returns the GitOps owner of the spec's field `field`, or of a field inside `field`, according to
/// `managedFields`.
pub(crate) fn owner_of_field(metadata: &ObjectMeta, field: &str) -> Option<Owner> {
    managers_of_field(metadata, field).find_map(|name| {
        let (_, tool) = MANAGERS.iter().find(|(start, _)| name.starts_with(start))?;
        Some(Owner { tool, by: Some(format!("field manager {name}")) })
    })
}

/// Returns the field managers that own the spec's field `field`, or a field inside `field`.
pub(crate) fn managers_of_field<'a>(
    metadata: &'a ObjectMeta,
    field: &'a str,
) -> impl Iterator<Item = &'a str> {
    let entries = metadata.managed_fields.iter().flatten();
    entries.filter(move |entry| owns(entry, field)).filter_map(|entry| entry.manager.as_deref())
}

fn owns(entry: &ManagedFieldsEntry, field: &str) -> bool {
    let fields: Option<&Value> = entry.fields_v1.as_ref().map(|fields| &fields.0);
    entry.subresource.as_deref().is_none_or(str::is_empty)
        && fields.and_then(|fields| fields.get("f:spec")?.get(format!("f:{field}"))).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(value: Value) -> ObjectMeta {
        serde_json::from_value(value).expect("metadata")
    }

    #[test]
    fn marks_on_the_object_tell_its_owner() {
        let shown = |value| owner_of_object(&metadata(value)).map(|owner| owner.shown());
        let flux = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "policies",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}});
        assert_eq!(shown(flux).as_deref(), Some("Flux (Kustomization flux-system/policies)"));
        let argo = json!({"labels": {"argocd.argoproj.io/instance": "clients"}});
        assert_eq!(shown(argo).as_deref(), Some("Argo CD (Application clients)"));
        let tracked = json!({"annotations": {"argocd.argoproj.io/tracking-id": "clients:x/y"}});
        assert_eq!(shown(tracked).as_deref(), Some("Argo CD (tracked as clients:x/y)"));
        assert_eq!(shown(json!({"labels": {"app": "x"}})), None);
    }

    #[test]
    fn managed_fields_tell_the_owner_of_a_field() {
        let owned = |manager: &str, fields: Value| {
            let entry = json!({"manager": manager, "operation": "Apply", "fieldsV1": fields});
            owner_of_field(&metadata(json!({"managedFields": [entry]})), "upgrade")
        };
        let upgrade = || json!({"f:spec": {"f:upgrade": {"f:mode": {}}}});
        let tool = |owner: Option<Owner>| owner.map(|owner| owner.tool);
        assert_eq!(tool(owned("kustomize-controller", upgrade())), Some("Flux"));
        assert_eq!(tool(owned("argocd-controller", upgrade())), Some("Argo CD"));
        assert_eq!(tool(owned("kubectl", upgrade())), None);
        assert_eq!(tool(owned("kustomize-controller", json!({"f:spec": {"f:scope": {}}}))), None);
    }
}
