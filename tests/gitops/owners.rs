//! Tests a fleet to which the field managers `git` and `inventory` both apply fields while the
//! controller runs. Neither field manager may take over fields of the other, and applying unchanged
//! fields must not change the fleet.

use std::collections::BTreeMap;

use clientfleet::api::ClientFleet;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::objects::auto;
use crate::world::World;

const ROUNDS: usize = 40;

/// Returns the fields that `git` applies: the fleet's settings, and the labels and time zone of two
/// clients.
fn from_git(package: &str) -> Value {
    json!({
        "metadata": {"labels": {"site": "berlin"}},
        "spec": {
            "packageVersion": package,
            "retainedVersions": ["3.58"],
            "timeZone": "Europe/Berlin",
            "clients": [
                {"name": "pc-1", "labels": {"ring": "canary"}},
                {"name": "pc-2", "timeZone": "Europe/London"},
            ],
        },
    })
}

/// Returns the fields that `inventory` applies: reported facts about the two clients in
/// [`from_git`] and about a third client.
fn from_inventory(version: &str) -> Value {
    let client = |name: &str| json!({"name": name, "reported": {"computer": name.to_uppercase(), "version": version}});
    json!({"spec": {"clients": [client("pc-1"), client("pc-2"), client("pc-3")]}})
}

/// Applies the fields in `object` without force, so that a conflict causes an error.
async fn apply(
    api: &Api<DynamicObject>,
    owner: &str,
    mut object: Value,
) -> kube::Result<DynamicObject> {
    object["apiVersion"] = json!("clientfleet.dev/v1alpha1");
    object["kind"] = json!("ClientFleet");
    object["metadata"]["name"] = json!("berlin");
    api.patch("berlin", &PatchParams::apply(owner), &Patch::Apply(object)).await
}

fn dynamic(world: &World) -> Api<DynamicObject> {
    let resource = kube::api::ApiResource::erase::<ClientFleet>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

/// Applies the fields of both field managers concurrently, [`ROUNDS`] times each. Returns the
/// generation and the resourceVersion from each response.
async fn both_repeat(
    api: &Api<DynamicObject>,
    git: &Value,
    inventory: &Value,
) -> Vec<(i64, String)> {
    let repeat = async |owner: &str, object: &Value| {
        let mut shown = Vec::new();
        for _ in 0..ROUNDS {
            let object = apply(api, owner, object.clone()).await.unwrap();
            shown.push((object.metadata.generation.unwrap(), object.resource_version().unwrap()));
        }
        shown
    };
    let (mut shown, more) = tokio::join!(repeat("git", git), repeat("inventory", inventory));
    shown.extend(more);
    shown
}

/// Returns the fields that each field manager owns in the fleet's spec and in the entry of
/// `client`.
fn owned(fleet: &DynamicObject, client: &str) -> BTreeMap<String, [Vec<String>; 2]> {
    let names = |fields: &Value| -> Vec<String> {
        let names = fields.as_object().into_iter().flat_map(|fields| fields.keys());
        names.filter_map(|name| name.strip_prefix("f:")).map(ToOwned::to_owned).collect()
    };
    let managers = fleet.metadata.managed_fields.iter().flatten();
    let entries = managers.map(|entry| {
        let fields = &entry.fields_v1.as_ref().unwrap().0;
        let part = entry.subresource.as_deref().unwrap_or("spec");
        let spec = &fields["f:spec"];
        let client = &spec["f:clients"][format!("k:{{\"name\":\"{client}\"}}")];
        let manager = entry.manager.clone().unwrap_or_default();
        (format!("{manager} {part}"), [names(spec), names(client)])
    });
    entries.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn git_and_an_importer_share_a_fleet_without_a_fight() {
    let world = World::start("gitops-owners").await;
    let api = dynamic(&world);
    world.apply(auto("all")).await;
    apply(&api, "git", from_git("3.60")).await.unwrap();
    apply(&api, "inventory", from_inventory("3.59")).await.unwrap();
    world.settles().await;
    let before = world.raw("ClientFleet", "berlin").await;
    assert_eq!(before.metadata.generation, Some(2), "one for each of the two");
    let writes = world.wire.mark();

    let shown = both_repeat(&api, &from_git("3.60"), &from_inventory("3.59")).await;
    let resting = (2, before.resource_version().unwrap());
    assert!(shown.iter().all(|shown| *shown == resting), "{resting:?} is not {shown:?}");
    let written = world.wire.since(writes).into_iter().filter(|call| call.is_status_write());
    assert_eq!(written.count(), 0, "the controller had nothing to say");

    // Apply changed values. Only the first request of each field manager may write; repeated
    // requests must write nothing.
    apply(&api, "inventory", from_inventory("3.60")).await.unwrap();
    both_repeat(&api, &from_git("3.60"), &from_inventory("3.60")).await;
    apply(&api, "git", from_git("3.61")).await.unwrap();
    both_repeat(&api, &from_git("3.61"), &from_inventory("3.60")).await;
    world.settles().await;

    let after = world.raw("ClientFleet", "berlin").await;
    assert_eq!(after.metadata.generation, Some(4), "one more for each change");
    assert_eq!(
        after.data["spec"],
        json!({
            "packageVersion": "3.61",
            "retainedVersions": ["3.58"],
            "timeZone": "Europe/Berlin",
            "clients": [
                {"name": "pc-1", "labels": {"ring": "canary"}, "reported": {"computer": "PC-1", "version": "3.60"}},
                {"name": "pc-2", "timeZone": "Europe/London", "reported": {"computer": "PC-2", "version": "3.60"}},
                {"name": "pc-3", "reported": {"computer": "PC-3", "version": "3.60"}},
            ],
        })
    );
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let owners = owned(&after, "pc-1");
    let fleet = words(&["clients", "packageVersion", "retainedVersions", "timeZone"]);
    assert_eq!(owners["git spec"], [fleet, words(&["labels", "name"])]);
    assert_eq!(owners["inventory spec"], [words(&["clients"]), words(&["name", "reported"])]);
    let rest: Vec<_> = owners.iter().filter(|(owner, _)| owner.ends_with(" status")).collect();
    assert_eq!((owners.len(), rest.len()), (3, 1), "{owners:?}");
    assert_eq!(rest[0].1, &[words(&[]), words(&[])], "the controller owns nothing of the spec");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_what_another_owns_is_told_so() {
    let world = World::start("gitops-conflict").await;
    let api = dynamic(&world);
    apply(&api, "git", from_git("3.60")).await.unwrap();
    apply(&api, "inventory", from_inventory("3.59")).await.unwrap();
    let refused = apply(&api, "inventory", json!({"spec": {"packageVersion": "3.61"}})).await;
    let kube::Error::Api(status) = refused.unwrap_err() else { panic!("not an answer") };
    assert_eq!(status.code, 409, "{status:?}");
    assert!(status.message.contains("conflict with \"git\""), "{status:?}");
    assert!(status.message.contains(".spec.packageVersion"), "{status:?}");
}
