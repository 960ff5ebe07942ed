//! Tests each decision rule with one story, a sequence of events in `rules.yaml`. The rule decides
//! the state of the client `pc` during only a part of the story.
//!
//! The client `twin` in the same fleet always reports version 3.59.

use clientfleet::plan::rules::{RULES, Rule};
use futures::future::join_all;
use serde_json::{Value, json};

use super::{Story, document};
use crate::merge_patch::merge;
use crate::objects::policy;

fn plot(rule: &Rule) -> Value {
    let plots = document(include_str!("rules.yaml"));
    let is_it = |plot: &&Value| plot["rule"] == format!("{:?}", rule.name);
    plots.as_array().unwrap().iter().find(is_it).expect("a story for each rule").clone()
}

/// Returns a second fleet, which lists the client `pc` in the stories of some rules.
fn elsewhere(clients: Value) -> Value {
    let spec = json!({"packageVersion": "3.60", "timeZone": "Europe/Berlin", "clients": clients});
    json!({"kind": "ClientFleet", "metadata": {"name": "elsewhere"}, "spec": spec})
}

async fn play(rule: &Rule) -> String {
    let plot = plot(rule);
    let mut story = Story::begin(&format!("story-{}", rule.name.number())).await;
    let mut spec = json!({"upgrade": {"mode": "AutoUpgrade"}});
    let mut pc = json!({"version": "3.59"});
    for (object, changes) in [(&mut spec, "policy"), (&mut pc, "pc")] {
        plot.get(changes).into_iter().for_each(|changes| merge(object, changes.clone()));
    }
    story.world.apply(policy("all", spec)).await;
    if let Some(other) = plot.get("other") {
        story.world.apply(policy("other", other.clone())).await;
    }
    let twin = json!({"name": "twin", "reported": {"version": "3.59"}});
    let spec = json!({
        "packageVersion": "3.60", "withdrawnVersions": ["3.57"], "timeZone": "Europe/Berlin",
        "clients": [{"name": "pc", "reported": pc}, twin],
    });
    let fleet = json!({"kind": "ClientFleet", "metadata": {"name": "fleet"}, "spec": spec});
    story.apply_fleet(fleet).await;
    if let Some(report) = plot.get("elsewhere") {
        story.apply_fleet(elsewhere(json!([{"name": "pc", "reported": report}]))).await;
    }
    story.then("at the start").await;
    for step in plot["steps"].as_array().unwrap() {
        story.at(&format!("2026-11-24T{}:00Z", step[0].as_str().unwrap()));
        for (object, changes) in step[2].as_object().unwrap().clone() {
            match object.as_str() {
                "report" => story.report("pc", changes).await,
                "elsewhere" => story.change_fleet("elsewhere", changes).await,
                "fleet" => story.change_fleet("fleet", changes).await,
                "policy" => {
                    story.world.edit("UpgradePolicy", "all", json!({"spec": changes})).await;
                }
                "other" => {
                    story.world.edit("UpgradePolicy", "other", json!({"spec": changes})).await;
                }
                other => panic!("a step changes no {other}"),
            }
        }
        story.then(step[1].as_str().unwrap()).await;
    }
    let cell = format!("{} {}", rule.says.state, rule.says.reason);
    let holds = |row: &(String, String, Vec<String>)| row.2[0] == cell;
    assert!(story.rows.iter().any(holds), "{:?} never holds:\n{}", rule.name, story.table());
    assert!(!story.rows.iter().all(holds), "{:?} always holds:\n{}", rule.name, story.table());
    format!("{}. {:?}\n{}", rule.name.number(), rule.name, story.table())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_has_a_story() {
    let tables = join_all(RULES.iter().map(play)).await;
    insta::assert_snapshot!("rules", tables.join("\n"));
}
