//! Checks that `crds/` and the chart's copy of it match the Rust types, and that the schema
//! revision changes whenever the schema changes. Applies the folder with kubectl.

#[path = "control_plane/mod.rs"]
mod control_plane;

use std::fs;
use std::path::PathBuf;

use clientfleet::api::{
    self, Kind, REVISION_ANNOTATION, SCHEMA_REVISION, crd_yaml, crds, crds_yaml, older_than_own,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

const UPDATE: &str = "UPDATE_CRDS";

fn path_of(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), file].iter().collect()
}

/// Checks that a file has the expected content. If the environment variable `UPDATE_CRDS` is set,
/// writes that content to the file first.
fn hold(file: &str, expected: &str) {
    let path = path_of(file);
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("make its folder");
        fs::write(&path, expected).expect("write it");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is not what the Rust types say: run `make crds`, or \
         {UPDATE}=1 cargo test --test crds",
    );
}

#[test]
fn the_folders_hold_what_the_types_say() {
    // The chart contains a copy of the CRDs, because Helm reads only files in the chart's folder.
    for folder in ["crds", "charts/clientfleet/crds"] {
        let file = |kind: &str| format!("{folder}/clientfleet.dev_{kind}.yaml");
        hold(&file("clientfleets"), &crd_yaml(Kind::ClientFleet).unwrap());
        hold(&file("upgradepolicies"), &crd_yaml(Kind::UpgradePolicy).unwrap());
    }
}

#[test]
fn the_stream_holds_both_and_can_be_read_again() {
    let read: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&crds_yaml().unwrap())
        .expect("it is a stream of two definitions");
    assert_eq!(read, crds());
}

/// Removes the descriptions from a schema, because they do not affect which objects the schema
/// accepts.
fn schema_without_words(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(schema_without_words);
        }
        Value::Array(entries) => entries.iter_mut().for_each(schema_without_words),
        _ => {}
    }
}

fn fingerprint() -> u64 {
    let versions = crds().into_iter().flat_map(|crd| crd.spec.versions);
    let schemas = versions.map(|version| {
        let mut schema = json!(version.schema);
        schema_without_words(&mut schema);
        schema.to_string()
    });
    // Use the FNV-1a hash, because the hash of the standard library may change with a Rust release.
    schemas.collect::<String>().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn the_revision_changes_with_the_schema() {
    let file = "tests/snapshots/schema_revision.txt";
    let found = fs::read_to_string(path_of(file)).unwrap_or_default();
    let revision = format!("revision {SCHEMA_REVISION},");
    let now = format!("{revision} schema {:016x}\n", fingerprint());
    // `make crds` must fail if the schema has changed but its revision has not. Set
    // `UPDATE_CRDS=unreleased` to keep a revision that was never released.
    let unreleased = std::env::var(UPDATE).is_ok_and(|how| how == "unreleased");
    assert!(
        found == now || !found.starts_with(&revision) || unreleased,
        "the schema has changed and its revision has not: raise SCHEMA_REVISION in src/api/crd.rs \
         and run `make crds`; or, if revision {SCHEMA_REVISION} was never released, run \
         {UPDATE}=unreleased cargo test --test crds",
    );
    hold(file, &now);
}

#[test]
fn an_older_definition_is_named() {
    let [_, mut policy]: [CustomResourceDefinition; 2] = crds().try_into().expect("there are two");
    assert_eq!(older_than_own(&policy), None);

    let mut revision_is = |revision: Option<&str>| {
        let annotation = revision.map(|text| (REVISION_ANNOTATION.to_owned(), text.to_owned()));
        policy.metadata.annotations = Some(annotation.into_iter().collect());
        older_than_own(&policy)
    };
    assert_eq!(revision_is(Some(&(SCHEMA_REVISION + 1).to_string())), None, "newer is fine");
    insta::assert_snapshot!(
        revision_is(None).unwrap_or_default(),
        @"the CustomResourceDefinition upgradepolicies.clientfleet.dev in the cluster has no annotation clientfleet.dev/schema-revision, and this controller needs 2: apply the definitions that `clientfleet crds` prints"
    );
    insta::assert_snapshot!(
        revision_is(Some("0")).unwrap_or_default(),
        @"the CustomResourceDefinition upgradepolicies.clientfleet.dev in the cluster has schema revision 0, and this controller needs 2: apply the definitions that `clientfleet crds` prints"
    );
}

/// Checks that every field that users write has a description and bounds, and does not accept
/// `null`. The module `api::bounds` gives the reasons for the bounds.
#[test]
fn every_value_is_described_and_bounded() {
    let mut found = Vec::new();
    for crd in crds() {
        let name = &crd.spec.names.kind;
        let root = json!(crd.spec.versions[0].schema.as_ref().expect("it has a schema"));
        visit(&root["openAPIV3Schema"], name, true, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn visit(schema: &Value, path: &str, described: bool, found: &mut Vec<String>) {
    let mut wanted = Vec::new();
    if described {
        wanted.push("description");
    }
    match schema["type"].as_str() {
        Some("string") if schema["enum"].is_null() && schema["format"] != "date-time" => {
            wanted.push("maxLength");
        }
        Some("array") => wanted.extend(["maxItems", "x-kubernetes-list-type"]),
        Some("object") if !schema["additionalProperties"].is_null() => wanted.push("maxProperties"),
        Some(_) => {}
        None => found.push(format!("{path} has no type")),
    }
    let missing = wanted.into_iter().filter(|keyword| schema[keyword].is_null());
    found.extend(missing.map(|keyword| format!("{path} has no {keyword}")));
    if !schema["nullable"].is_null() {
        found.push(format!("{path} is nullable"));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        // Do not require a description of `metadata`, because the API server rejects a CRD that
        // contains one.
        let described = name != "metadata" && !path.ends_with(".metadata");
        visit(property, &format!("{path}.{name}"), described, found);
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[keyword].is_object() {
            visit(&schema[keyword], &format!("{path}{mark}"), false, found);
        }
    }
}

#[test]
fn both_kinds_are_told_in_order() {
    let names: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
    assert_eq!(names, ["ClientFleet", "UpgradePolicy"]);
    let told: Vec<String> = api::crds().into_iter().map(|crd| crd.spec.names.kind).collect();
    assert_eq!(told, names);
}

/// Checks that kubectl applies the folder both as files and as a kustomization. kubectl reads each
/// file with the extension `.yaml`, `.yml` or `.json` as objects.
#[test]
fn kubectl_applies_the_folder() {
    let plane = control_plane::shared();
    let folders = [path_of("crds"), path_of("charts/clientfleet/crds")];
    let [own, of_chart] = folders.each_ref().map(|path| path.to_str().expect("a plain path"));
    for arguments in [
        &["apply", "-f", own][..],
        &["apply", "-k", own],
        &["apply", "--server-side", "--force-conflicts", "-f", own],
        &["apply", "--server-side", "--force-conflicts", "-k", own],
        &["apply", "--server-side", "--force-conflicts", "-f", of_chart],
        &["delete", "-f", own],
        &["create", "-f", own],
    ] {
        let told = plane.kubectl_ok(arguments, "").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(told.lines().count(), 2, "{arguments:?}: {told}");
    }
}
