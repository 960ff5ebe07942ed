//! A fleet as an import writes it, and how it is printed. Knows nothing of where it comes from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::api::ClientFleetSpec;

/// The label by which the fleets of one import are found again; its value is the import's prefix.
pub(super) const LABEL: &str = "clientfleet.dev/import";

/// A fleet, with all that an import writes of it and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    api_version: &'static str,
    kind: &'static str,
    pub metadata: Metadata,
    pub spec: ClientFleetSpec,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub labels: BTreeMap<String, String>,
}

impl Manifest {
    pub fn new(metadata: Metadata, spec: ClientFleetSpec) -> Self {
        Self { api_version: "clientfleet.dev/v1alpha1", kind: "ClientFleet", metadata, spec }
    }
}

/// The fleets as YAML documents.
///
/// # Errors
///
/// None that is known: it is texts, lists and mappings.
pub(super) fn yaml(manifests: &[&Manifest]) -> Result<String, String> {
    let mut text = String::new();
    for manifest in manifests {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        let document = serde_saphyr::to_string(manifest).map_err(|error| error.to_string())?;
        // Writing to a string does not fail.
        let _ = write!(text, "{document}");
    }
    Ok(text)
}

/// The fleets as a `v1` `List`.
///
/// # Errors
///
/// None that is known.
pub(super) fn json(manifests: &[&Manifest]) -> Result<String, String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        api_version: &'static str,
        kind: &'static str,
        metadata: BTreeMap<String, String>,
        items: &'a [&'a Manifest],
    }
    let list =
        List { api_version: "v1", kind: "List", metadata: BTreeMap::new(), items: manifests };
    let text = serde_json::to_string_pretty(&list).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}
