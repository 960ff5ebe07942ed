//! Defines the fleet manifest that an import writes or prints, and formats manifests as YAML and
//! JSON. This module does not read the inventory export.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::ClientFleetSpec;
use crate::cli::{Failure, data};

/// Label that an import sets on each fleet that it writes. The value of the label is the prefix of
/// the names of these fleets.
pub(super) const IMPORT_LABEL: &str = "clientfleet.dev/import";

/// A fleet with exactly the fields that an import writes.
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

/// Formats the fleets as YAML documents.
pub(super) fn yaml(manifests: &[&Manifest]) -> Result<String, Failure> {
    let documents: Result<Vec<String>, Failure> = manifests.iter().map(data::yaml).collect();
    Ok(documents?.join("---\n"))
}

/// Formats the fleets as a JSON object of kind `List`, version `v1`.
pub(super) fn json(manifests: &[&Manifest]) -> Result<String, Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        api_version: &'static str,
        kind: &'static str,
        metadata: BTreeMap<String, String>,
        items: &'a [&'a Manifest],
    }
    data::json(&List {
        api_version: "v1",
        kind: "List",
        metadata: BTreeMap::new(),
        items: manifests,
    })
}
