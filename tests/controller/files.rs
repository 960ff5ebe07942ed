//! Tests that `clientfleet plan --local` computes the same statuses as the controller for objects
//! from the output of `kubectl get`.

use std::io::Write;
use std::process::{Command, Stdio};

use clientfleet::daemon::clock::Clock;
use serde_json::{Value, json};

use crate::control_plane::shared;
use crate::rules::apply_cases;
use crate::world::{Statuses, World};

fn plan(list: &str, at: &str) -> Value {
    let mut program = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
        .args(["plan", "--local", "-f", "-", "-o", "json", "--at", at])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Write the whole input before reading any output. A deadlock is impossible, because the
    // program prints nothing until it has read all of its input.
    program.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn statuses(list: &Value) -> Vec<(Value, Value, Value)> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|o| (o["kind"].clone(), o["metadata"]["name"].clone(), o["status"].clone())).collect()
}

fn without_status(list: &Value) -> Value {
    let mut list = list.clone();
    for object in list["items"].as_array_mut().unwrap() {
        object.as_object_mut().unwrap().remove("status");
    }
    list
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_lead_to_what_the_controller_has_written() {
    let world = World::start("files").await;
    apply_cases(&world).await;
    let none = Statuses { fleets: [].into(), policies: [].into() };
    world.settles_from("the cases", &none).await;
    let get = ["get", "clf,upol", "-n", &world.namespace, "-o", "json"];
    let printed = shared().kubectl_ok(&get, "").unwrap();
    let at = world.clock.now().to_rfc3339();

    let stored: Value = serde_json::from_str(&printed).unwrap();
    let planned = plan(&printed, &at);
    assert_eq!(json!(statuses(&planned)), json!(statuses(&stored)), "what is written stays");

    let planned = plan(&without_status(&stored).to_string(), &at);
    assert_eq!(json!(statuses(&planned)), json!(statuses(&stored)), "planned from nothing");
}
