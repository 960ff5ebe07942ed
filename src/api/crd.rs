//! Builds the two CustomResourceDefinitions from the Rust types, and checks whether a definition
//! from a cluster is outdated. This module does not access a cluster.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::{CustomResourceExt, ResourceExt};
use serde_json::{Value, json};

use super::bounds;
use super::columns;
use super::fleet::ClientFleet;
use super::policy::UpgradePolicy;

/// Revision of the schema. `tests/crds.rs` fails if the schema changes but this number does not.
pub const SCHEMA_REVISION: u32 = 2;

/// Annotation that contains [`SCHEMA_REVISION`].
pub const REVISION_ANNOTATION: &str = "clientfleet.dev/schema-revision";

/// A kind of custom resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The kind of [`ClientFleet`].
    ClientFleet,
    /// The kind of [`UpgradePolicy`].
    UpgradePolicy,
}

impl Kind {
    /// Both kinds, in the order in which commands print them.
    pub const ALL: [Self; 2] = [Self::ClientFleet, Self::UpgradePolicy];

    /// Returns the kind's name, as in an object's `kind` field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientFleet => "ClientFleet",
            Self::UpgradePolicy => "UpgradePolicy",
        }
    }

    /// Returns the kind's CustomResourceDefinition.
    #[must_use]
    pub fn crd(self) -> CustomResourceDefinition {
        match self {
            Self::ClientFleet => finished(ClientFleet::crd(), self),
            Self::UpgradePolicy => finished(UpgradePolicy::crd(), self),
        }
    }

    /// Returns the maximum length of the name of an object of this kind.
    #[must_use]
    pub(crate) const fn longest_name(self) -> usize {
        match self {
            Self::ClientFleet => bounds::OBJECT_NAME,
            Self::UpgradePolicy => bounds::POLICY_NAME,
        }
    }
}

/// Returns the definitions of `ClientFleet` and `UpgradePolicy`.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    Kind::ALL.into_iter().map(Kind::crd).collect()
}

/// Returns the definition of a kind as YAML, in the format of the files in the `crds/` directory.
///
/// # Errors
///
/// Returns an error if the definition cannot be serialized. No such case is known, because YAML can
/// represent every value in a definition.
pub fn crd_yaml(kind: Kind) -> Result<String, serde_saphyr::ser::Error> {
    let mut definition = json!(kind.crd());
    write_whole_numbers(&mut definition);
    serde_saphyr::to_string(&definition)
}

/// Writes whole numbers such as `365.0` as `365`, like the API server. Otherwise GitOps tools would
/// always report a difference between the file and the cluster.
fn write_whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            let whole = whole.and_then(|float| format!("{float}").parse::<i64>().ok());
            if let Some(whole) = whole {
                *number = whole.into();
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(write_whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(write_whole_numbers),
        _ => {}
    }
}

/// Returns both definitions as a stream of YAML documents.
///
/// # Errors
///
/// Returns an error if [`crd_yaml`] fails for one of the definitions.
pub fn crds_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let documents: Result<Vec<String>, _> = Kind::ALL.into_iter().map(crd_yaml).collect();
    Ok(documents?.join("---\n"))
}

/// Returns an error message for the administrator if the definition in the cluster has an older
/// revision than this program, and `None` otherwise.
#[must_use]
pub fn older_than_own(in_cluster: &CustomResourceDefinition) -> Option<String> {
    let written = in_cluster.annotations().get(REVISION_ANNOTATION);
    let revision: u32 = written.and_then(|text| text.parse().ok()).unwrap_or(0);
    (revision < SCHEMA_REVISION).then(|| {
        let name = in_cluster.name_any();
        let has = written.map_or_else(
            || format!("has no annotation {REVISION_ANNOTATION}"),
            |text| format!("has schema revision {text}"),
        );
        format!(
            "the CustomResourceDefinition {name} in the cluster {has}, and this controller needs \
             {SCHEMA_REVISION}: apply the definitions that `clientfleet crds` prints"
        )
    })
}

/// Adds the parts of a definition that kube's derive macro cannot generate.
fn finished(mut crd: CustomResourceDefinition, kind: Kind) -> CustomResourceDefinition {
    let revision = (REVISION_ANNOTATION.to_owned(), SCHEMA_REVISION.to_string());
    crd.metadata.annotations = Some(BTreeMap::from([revision]));
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns::of(kind));
        let schema = version.schema.as_mut();
        if let Some(root) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            finish_root(root, kind.longest_name());
        }
    }
    crd
}

fn finish_root(root: &mut JSONSchemaProps, longest_name: usize) {
    // Remove `nullable`, so that `null` counts as absent even for fields that have a default.
    drop_nullable(root);
    root.title = None;
    if let Some(status) = root.properties.as_mut().and_then(|all| all.get_mut("status")) {
        // kstatus treats an object without `observedGeneration` as reconciled, so a new object must
        // have the value -1.
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
    // Restrict only the name: the API server refuses a CRD that restricts other fields of
    // `metadata`, except `generateName`.
    let name = json!({"type": "string", "maxLength": longest_name});
    let metadata = json!({"type": "object", "properties": {"name": name}});
    if let (Some(all), Ok(metadata)) = (&mut root.properties, serde_json::from_value(metadata)) {
        all.insert("metadata".to_owned(), metadata);
    }
}

fn drop_nullable(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        drop_nullable(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        drop_nullable(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        drop_nullable(values);
    }
}
