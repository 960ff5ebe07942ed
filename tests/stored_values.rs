//! Checks that a stored policy with more values than a new one may have stays valid: the API server
//! accepts changes elsewhere in it, and so does the program.

mod control_plane;
mod served;

use clientfleet::api::{Kind, admission, crds};
use control_plane::namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::time::Duration;

const KIND: Kind = Kind::UpgradePolicy;
const REFUSED: &str = "must have at most 12 entries in a client selector";

fn policy(name: &str, values: usize) -> Value {
    let values: Vec<String> = (0..values).map(|value| format!("v{value}")).collect();
    let requirement = json!({"key": "ring", "operator": "NotIn", "values": values});
    let selector = json!({"labelSelector": {"matchExpressions": [requirement]}});
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "UpgradePolicy",
        "metadata": {"name": name},
        "spec": {"priority": 1, "scope": {"clients": [selector]}},
    })
}

/// Removes the rules with the message [`REFUSED`] from a schema, as an older release had it.
fn without_rule(schema: &mut Value) {
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(without_rule),
        Value::Array(entries) => {
            let is_rule = |entry: &Value| {
                entry["message"].as_str().is_some_and(|message| message.starts_with(REFUSED))
            };
            entries.retain(|entry| !is_rule(entry));
            entries.iter_mut().for_each(without_rule);
        }
        _ => {}
    }
}

async fn install(client: &Client, change: fn(&mut Value)) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for crd in crds() {
        let mut definition = json!(crd);
        definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
        definition["kind"] = "CustomResourceDefinition".into();
        change(&mut definition);
        let options = PatchParams::apply("tests").force();
        api.patch(&crd.name_any(), &options, &Patch::Apply(&definition)).await.expect("installed");
    }
}

/// Waits until the API server accepts or refuses a policy as the installed definition says.
async fn wait_until(client: &Client, namespace: &str, accepts: bool) {
    for _ in 0..120 {
        let answer = served::try_create(client, KIND, namespace, &policy("probe", 16)).await;
        if answer.is_ok() == accepts {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the API server does not use the new definition");
}

#[tokio::test]
async fn a_stored_policy_with_more_values_stays_valid() {
    let client = served::client().await;
    let namespace = namespace("stored-values");
    install(&client, without_rule).await;
    wait_until(&client, &namespace, true).await;
    let stored = served::apply(&client, KIND, &namespace, "git", &policy("old", 16)).await;
    let stored = stored.expect("the older definition accepts it");
    install(&client, |_| {}).await;
    wait_until(&client, &namespace, false).await;

    let mut changed = policy("old", 16);
    changed["spec"]["priority"] = 2.into();
    let answer = served::apply(&client, KIND, &namespace, "git", &changed).await;
    assert_eq!(answer.expect("the values are unchanged")["spec"]["priority"], 2);
    let answer = served::apply(&client, KIND, &namespace, "git", &policy("old", 15)).await;
    assert!(answer.expect_err("the values are new").message.contains(REFUSED));
    let answer = served::apply(&client, KIND, &namespace, "git", &policy("old", 12)).await;
    assert!(answer.is_ok(), "{answer:?}");

    let spec = serde_json::from_value(stored["spec"].clone()).expect("it is read");
    assert_eq!(admission::check_policy_spec(&spec), []);
    let problems = admission::check(KIND, &policy("new", 13));
    assert!(problems.iter().all(|problem| problem.message.starts_with(REFUSED)));
    assert_eq!(problems.len(), 1);
}
