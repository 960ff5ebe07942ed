//! Tests that the controller applies each of the 22 decision rules.

use clientfleet::plan::rules::RULES;
use serde_json::{Value, json};

use crate::objects::policy;
use crate::world::{Statuses, World};

/// Returns the spec of a policy and the report of a client for each rule, in the order of the
/// rules. The spec is `null` if the client has no policy.
fn cases() -> Vec<(Value, Value)> {
    let auto = |mut more: Value| {
        more["upgrade"]["mode"] = json!("AutoUpgrade");
        more
    };
    let lock = |version| json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": version}});
    let old = json!({"version": "3.59"});
    let failed = json!({"version": "3.60", "time": "2026-11-24T10:00:00Z"});
    vec![
        (Value::Null, old.clone()),
        (auto(json!({"distribution": {"timeZone": "Europe/berlin"}})), old.clone()),
        (json!({}), json!({"version": "3.59", "stagedVersion": "3.60"})),
        (json!({}), old.clone()),
        (auto(json!({})), json!({"version": "unknown"})),
        (auto(json!({})), old.clone()),
        (lock("3.57"), old.clone()),
        (auto(json!({})), json!({"version": "3.60", "stagedVersion": "3.61"})),
        (auto(json!({})), json!({"version": "v3.60.0"})),
        (auto(json!({})), json!({"version": "3.61"})),
        (
            auto(json!({"offlineAfterDays": 1})),
            json!({"version": "3.59", "lastSeen": "2026-11-01T00:00:00Z"}),
        ),
        (auto(json!({})), json!({"version": "3.59", "stagedVersion": "3.60"})),
        (lock("3.59.5"), old.clone()),
        (auto(json!({})), json!({"version": "3.59", "lastError": failed})),
        (auto(json!({"suspend": true})), old.clone()),
        (
            auto(json!({"distribution": {"windows": [{"start": "22:00", "end": "04:00"}]}})),
            old.clone(),
        ),
        (auto(json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}})), old.clone()),
        (auto(json!({"distribution": {"notBefore": "2026-11-24T11:00:01Z"}})), old.clone()),
        (
            auto(json!({"distribution": {"exclusions": [
                {"name": "freeze", "startDate": "2026-11-24", "endDate": "2026-11-24"},
            ]}})),
            old.clone(),
        ),
        (
            auto(json!({"distribution": {"windows": [{"start": "22:00", "end": "04:00"}]}})),
            old.clone(),
        ),
        (auto(json!({})), old),
        (auto(json!({"upgrade": {"allowDowngrade": true}})), json!({"version": "3.61"})),
    ]
}

/// Returns the name of the fleet that contains the test client for a rule.
fn fleet_of(rule: usize) -> &'static str {
    match rule {
        6 => "without-package",
        16 => "without-zone",
        _ => "fleet",
    }
}

/// Applies one client for each rule, with a policy that selects only this client. The policies are
/// applied first, and then the fleets.
pub async fn apply_cases(world: &World) {
    let mut clients: [Vec<Value>; 3] = Default::default();
    let fleets = ["fleet", "without-package", "without-zone"];
    for (index, (spec, reported)) in cases().into_iter().enumerate() {
        let rule = index + 1;
        if !spec.is_null() {
            let mut spec = spec;
            spec["scope"] = json!({"clients": [{"names": [format!("rule-{rule}")]}]});
            world.apply(policy(&format!("rule-{rule}"), spec)).await;
        }
        let place = fleets.iter().position(|fleet| *fleet == fleet_of(rule)).unwrap();
        clients[place].push(json!({"name": format!("rule-{rule}"), "reported": reported}));
    }
    let packages = [
        json!({"packageVersion": "3.60", "withdrawnVersions": ["3.57"], "timeZone": "Europe/Berlin"}),
        json!({"packageFrom": {"name": "gone"}}),
        json!({"packageVersion": "3.60"}),
    ];
    for ((name, mut spec), clients) in fleets.into_iter().zip(packages).zip(clients) {
        spec["clients"] = json!(clients);
        let metadata = json!({"name": name});
        world.apply(json!({"kind": "ClientFleet", "metadata": metadata, "spec": spec})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_decides_for_a_client_and_the_status_is_the_plan() {
    let world = World::start("rules").await;
    let none = Statuses { fleets: [].into(), policies: [].into() };
    apply_cases(&world).await;
    let Statuses { fleets, policies } = world.settles_from("the cases", &none).await;
    assert_eq!(RULES.len(), cases().len());
    for (index, rule) in RULES.iter().enumerate() {
        let name = format!("rule-{}", index + 1);
        let row = world.row(fleet_of(index + 1), &name).await;
        let said = (row.state.as_ref(), row.reason.as_ref());
        assert_eq!(said, (rule.state.as_str(), rule.reason.as_str()), "{name}");
        assert_eq!(row.last_offer.is_some(), index + 1 >= 21, "{name}: an offer");
        if let Some(policy) = policies.get(&name) {
            let ready = policy.conditions.iter().find(|c| c.r#type == "Ready").unwrap();
            let expected =
                if index + 1 == 2 { ("False", "PolicyInvalid") } else { ("True", "Reconciled") };
            assert_eq!((ready.status.as_ref(), ready.reason.as_ref()), expected, "{name}");
            assert_eq!(policy.governed_clients, Some(1), "{name}");
        }
    }
    assert_eq!(fleets["fleet"].summary.unwrap().total, 20);
    assert_eq!(fleets["without-package"].package_version, None);
}
