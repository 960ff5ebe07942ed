//! Tests the remedies that `explain` lists for a client that is not upgraded.
//!
//! The tests check when waiting is a remedy, the outcome of each remedy, the remedy for the halt
//! policy, and the number of other clients that a remedy affects.

use serde_json::{Value, json};

use crate::estate::DAY;
use crate::from_files::explain;

fn object(kind: &str, (name, labels, spec): &(&str, Value, Value)) -> Value {
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name, "labels": labels}, "spec": spec,
    })
}

/// Returns the content of a file with a fleet of two clients and with the given policies. Each
/// tuple contains a policy's name, labels and spec.
fn files(policies: &[(&str, Value, Value)]) -> String {
    let fleet = json!({"packageVersion": "2", "timeZone": "Europe/Berlin", "clients": [
        {"name": "pc", "reported": {"version": "1"}},
        {"name": "other", "reported": {"version": "1"}},
    ]});
    let fleet = object("ClientFleet", &("fleet", json!({}), fleet));
    let policies = policies.iter().map(|policy| object("UpgradePolicy", policy));
    let items: Vec<Value> = [fleet].into_iter().chain(policies).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// Explains the client `pc`. Returns the remedies from the text output, and the name and resulting
/// state of each remedy from the JSON output.
fn advice(policies: &[(&str, Value, Value)]) -> String {
    let input = files(policies);
    let (code, text, words) = explain(DAY, &["pc", "--local", "-f", "-"], &input);
    assert_eq!(code, 0, "{words}");
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("What")).collect();
    let (_, data, _) = explain(DAY, &["pc", "--local", "-f", "-", "-o", "json"], &input);
    let data: Value = serde_json::from_str(&data).expect("it prints JSON");
    let ways = data["wouldMove"][0]["ways"].as_array().cloned().unwrap_or_default();
    let remedy = |remedy: &Value| format!("{} {}", remedy["way"], remedy["leadsTo"]["state"]);
    let ways: Vec<String> = ways.iter().map(remedy).collect();
    format!("{}\n{}\n", lines.join("\n"), ways.join(", "))
}

/// Explains the client `pc`. Returns the first line, the policies and the remedies from the text
/// output.
fn whole(policies: &[(&str, Value, Value)]) -> String {
    let (code, text, words) = explain(DAY, &["pc", "--local", "-f", "-"], &files(policies));
    assert_eq!(code, 0, "{words}");
    let section = |title: &str| {
        let lines = text.lines().skip_while(|line| !line.starts_with(title));
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    format!("{}\n{}\n{}\n", section("pc"), section("POLICY"), section("What"))
}

fn auto(more: Value) -> Value {
    let mut spec = json!({"upgrade": {"mode": "AutoUpgrade"}});
    let more: serde_json::Map<String, Value> = serde_json::from_value(more).expect("an object");
    spec.as_object_mut().expect("an object").extend(more);
    spec
}

#[test]
fn who_waits_in_vain_is_not_told_to() {
    let freeze = json!({
        "effectiveFrom": "2026-12-18T00:00:00Z", "effectiveUntil": "2027-01-04T00:00:00Z",
    });
    insta::assert_snapshot!(advice(&[("freeze", json!({}), freeze)]));
}

#[test]
fn what_comes_by_itself_stands_first() {
    let later = |priority: i32| {
        let from = "2026-11-25T09:00:00Z";
        ("later", json!({}), auto(json!({"priority": priority, "effectiveFrom": from})))
    };
    let hold = ("hold", json!({}), json!({"priority": 5}));
    let suspended = ("suspended", json!({}), auto(json!({"suspend": true})));
    let text = [advice(&[later(9), hold.clone()]), advice(&[later(9), suspended])].join("\n");
    // A future policy with a lower priority than the policy `hold` will never govern the client, so
    // waiting for the future policy is not a remedy.
    insta::assert_snapshot!(text + "\n" + &advice(&[later(1), hold]));
}

#[test]
fn an_address_decides_which_network_holds() {
    let plant = json!([{"cidrs": ["10.20.0.0/16"]}]);
    let hold = ("hold", json!({}), json!({"priority": 5, "scope": {"clients": plant}}));
    let excluding = ("broad", json!({}), auto(json!({"scope": {"exclude": plant}})));
    let only = ("plant", json!({}), auto(json!({"scope": {"clients": plant}})));
    let all = ("all", json!({}), auto(json!({})));
    let suspended =
        ("suspended", json!({}), auto(json!({"suspend": true, "scope": {"exclude": plant}})));
    let told = [vec![hold, all], vec![excluding], vec![only], vec![suspended]];
    let texts: Vec<String> = told.iter().map(|policies| whole(policies)).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn each_way_says_where_it_leads() {
    let windows = json!({"distribution": {
        "notBefore": "2026-11-26T00:00:00Z", "windows": [{"start": "22:00", "end": "23:00"}],
    }});
    insta::assert_snapshot!(advice(&[("nights", json!({}), auto(windows))]));
}

#[test]
fn the_brake_is_released_by_resume() {
    let brake = |labels| {
        (
            "clientfleet-halt",
            labels,
            json!({"priority": i32::MAX, "upgrade": {"mode": "NoUpgrade"}}),
        )
    };
    let moving = ("moving", json!({}), auto(json!({})));
    let pulled = brake(json!({"app.kubernetes.io/managed-by": "clientfleet"}));
    let text = advice(&[pulled, moving.clone()]);
    // `resume` deletes the halt policy only if the policy has the label
    // `app.kubernetes.io/managed-by: clientfleet`. Without the label, `resume` is not a remedy.
    insta::assert_snapshot!(text + "\n" + &advice(&[brake(json!({})), moving]));
}

/// Checks a client whose fleet gets no package, because the fleet that `packageFrom` names also has
/// a `packageFrom`. The remedies must not suggest removing a version from another fleet's
/// `withdrawnVersions`, because only the list of the client's own fleet has an effect.
#[test]
fn a_source_without_a_package_has_nothing_to_give_back() {
    let locked = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "2"}});
    for source in ["emea", "chained"] {
        let spec = |from: &str| {
            json!({"packageFrom": {"name": from}, "withdrawnVersions": ["2"],
                "clients": [{"name": from, "reported": {"version": "1"}}]})
        };
        let items = json!([
            object("ClientFleet", &("emea", json!({}), spec(source))),
            object("ClientFleet", &("chained", json!({}), spec("elsewhere"))),
            object("UpgradePolicy", &("locked", json!({}), locked.clone())),
        ]);
        let input = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let client = format!("emea/{source}");
        let arguments = [client.as_str(), "--local", "-f", "-", "-o", "json"];
        let (code, data, words) = explain(DAY, &arguments, &input);
        assert_eq!(code, 0, "{words}");
        let data: Value = serde_json::from_str(&data).expect("it prints JSON");
        let back: Vec<&Value> = data["wouldMove"][0]["ways"]
            .as_array()
            .expect("ways")
            .iter()
            .filter(|remedy| remedy["field"] == "spec.withdrawnVersions")
            .collect();
        assert_eq!(back.len(), 1, "{back:?}");
        assert_eq!(back[0]["name"], "emea");
        assert_eq!(back[0]["leadsTo"]["reason"], "PackageUnavailable");
    }
}

#[test]
fn a_circle_is_shown_with_the_ways_out() {
    let back = json!({
        "priority": 5,
        "upgrade": {"mode": "OnlyUpgradeTo", "version": "1", "allowDowngrade": true},
        "scope": {"clients": [{"versions": ["2"]}]},
    });
    let on = json!({
        "priority": 9,
        "upgrade": {"mode": "OnlyUpgradeTo", "version": "1.5"},
        "scope": {"clients": [{"versions": ["<1.5"], "names": ["other"]}]},
    });
    let files = files(&[
        ("back", json!({}), back),
        ("all", json!({}), auto(json!({}))),
        ("on", json!({}), on),
    ]);
    let files = files.replace(
        "\"packageVersion\":\"2\"",
        "\"packageVersion\":\"2\",\"retainedVersions\":[\"1\",\"1.5\"]",
    );
    for client in ["pc", "other"] {
        let (code, text, words) = explain(DAY, &[client, "--local", "-f", "-"], &files);
        assert_eq!(code, 0, "{words}");
        let is_shown = |line: &&str| !line.contains("   no   ");
        let lines: Vec<&str> = text.lines().filter(is_shown).collect();
        insta::assert_snapshot!(format!("circle_{client}"), lines.join("\n"));
        let (_, data, _) = explain(DAY, &[client, "--local", "-f", "-", "-o", "json"], &files);
        let data: Value = serde_json::from_str(&data).expect("it prints JSON");
        insta::assert_snapshot!(
            format!("circle_{client}_as_data"),
            data["targetChain"].to_string()
        );
    }
}
