//! The two CustomResourceDefinitions, made from the Rust types, and whether a cluster's are as new.
//! Knows no cluster: it is handed what was read there.

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

/// Counts the changes to the schema. `tests/crds.rs` fails when the one changes without the other.
pub const SCHEMA_REVISION: u32 = 1;

/// The annotation that carries [`SCHEMA_REVISION`].
pub const REVISION_ANNOTATION: &str = "clientfleet.dev/schema-revision";

/// One of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`ClientFleet`]
    ClientFleet,
    /// [`UpgradePolicy`]
    UpgradePolicy,
}

impl Kind {
    /// Both, in the order in which they are always told.
    pub const ALL: [Self; 2] = [Self::ClientFleet, Self::UpgradePolicy];

    /// Its name, as objects write it in `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientFleet => "ClientFleet",
            Self::UpgradePolicy => "UpgradePolicy",
        }
    }

    /// Its definition.
    #[must_use]
    pub fn crd(self) -> CustomResourceDefinition {
        match self {
            Self::ClientFleet => finished(ClientFleet::crd(), self),
            Self::UpgradePolicy => finished(UpgradePolicy::crd(), self),
        }
    }

    /// How long the name of such an object may be.
    #[must_use]
    pub const fn longest_name(self) -> usize {
        match self {
            Self::ClientFleet => bounds::OBJECT_NAME,
            Self::UpgradePolicy => bounds::POLICY_NAME,
        }
    }
}

/// The definitions of `ClientFleet` and `UpgradePolicy`.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    Kind::ALL.into_iter().map(Kind::crd).collect()
}

/// The definition as YAML, as `crds/` holds it.
///
/// # Errors
/// None that is known: it is texts, numbers and lists, which YAML can hold.
pub fn crd_yaml(kind: Kind) -> Result<String, serde_saphyr::ser::Error> {
    let mut definition = json!(kind.crd());
    write_whole_numbers(&mut definition);
    serde_saphyr::to_string(&definition)
}

/// `365` for `365.0`, as the API server writes it: GitOps tools would tell a difference for ever.
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

/// Both definitions as a stream of YAML documents.
///
/// # Errors
/// Those of [`crd_yaml`].
pub fn crds_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let documents: Result<Vec<String>, _> = Kind::ALL.into_iter().map(crd_yaml).collect();
    Ok(documents?.join("---\n"))
}

/// What is older about the cluster's definition than about this program's, in a sentence for
/// whoever installed it; `None` when it is as new, or newer.
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

/// Adds what the derive of kube has no word for.
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
    // `null` then counts as absent, also for fields that have a default.
    drop_nullable(root);
    root.title = None;
    if let Some(status) = root.properties.as_mut().and_then(|all| all.get_mut("status")) {
        // kstatus takes an object without `observedGeneration` for settled.
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
    // Of `metadata` a CRD may bound the name, and must not even describe anything else.
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
