//! Tests that the controller applies each decision rule.

use clientfleet::plan::rules::{RULES, RuleName};
use serde_json::{Value, json};

use crate::objects::policy;
use crate::world::{Statuses, World};

/// Returns one case for each rule: the rule, the spec of a policy and the report of a client. The
/// spec is `null` if the client has no policy.
fn cases() -> Vec<Case> {
    let (mut cases, later) = (cases_before_the_time_range(), cases_in_the_time_range());
    cases.extend(later);
    cases
}

type Case = (RuleName, Value, Value);

fn auto(mut spec: Value) -> Value {
    spec["upgrade"]["mode"] = json!("AutoUpgrade");
    spec
}

fn cases_before_the_time_range() -> Vec<Case> {
    let lock = |version| json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": version}});
    let old = json!({"version": "3.59"});
    let failed = json!({"version": "3.60", "time": "2026-11-24T10:00:00Z"});
    vec![
        (
            RuleName::ReportedElsewhere,
            auto(json!({})),
            json!({"version": "3.59", "lastSeen": "2026-11-01T00:00:00Z"}),
        ),
        (RuleName::DuplicateClient, auto(json!({})), old.clone()),
        (RuleName::NoMatchingPolicy, Value::Null, old.clone()),
        (
            RuleName::PolicyInvalid,
            auto(json!({"distribution": {"timeZone": "Europe/berlin"}})),
            old.clone(),
        ),
        (
            RuleName::OtherVersionStagedWithoutUpgrade,
            json!({}),
            json!({"version": "3.59", "stagedVersion": "3.60"}),
        ),
        (RuleName::NoUpgrade, json!({}), old.clone()),
        (RuleName::ClientVersionUnreadable, auto(json!({})), json!({"version": "unknown"})),
        (RuleName::PackageUnknown, auto(json!({})), old.clone()),
        (RuleName::PackageWithdrawn, lock("3.57"), old.clone()),
        (
            RuleName::OtherVersionStagedAtTarget,
            auto(json!({})),
            json!({"version": "3.60", "stagedVersion": "3.61"}),
        ),
        (RuleName::AtTarget, auto(json!({})), json!({"version": "v3.60.0"})),
        (RuleName::DowngradeNotAllowed, auto(json!({})), json!({"version": "3.61"})),
        (
            RuleName::NotSeen,
            auto(json!({"offlineAfterDays": 1})),
            json!({"version": "3.59", "lastSeen": "2026-11-01T00:00:00Z"}),
        ),
        (RuleName::TargetsInCircle, auto(json!({})), old.clone()),
        (
            RuleName::RestartPending,
            auto(json!({})),
            json!({"version": "3.59", "stagedVersion": "3.60"}),
        ),
        (
            RuleName::AddressUnknown,
            auto(json!({"scope": {"exclude": [{"cidrs": ["10.20.0.0/16"]}]}})),
            old.clone(),
        ),
        (RuleName::PackageUnavailable, lock("3.59.5"), old.clone()),
        (RuleName::InstallFailed, auto(json!({})), json!({"version": "3.59", "lastError": failed})),
    ]
}

fn cases_in_the_time_range() -> Vec<Case> {
    let old = json!({"version": "3.59"});
    vec![
        (RuleName::PolicySuspended, auto(json!({"suspend": true})), old.clone()),
        (
            RuleName::TimeZoneUnknown,
            auto(json!({"distribution": {"windows": [{"start": "22:00", "end": "04:00"}]}})),
            old.clone(),
        ),
        (
            RuleName::DistributionEnded,
            auto(json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}})),
            old.clone(),
        ),
        (
            RuleName::NotStarted,
            auto(json!({"distribution": {"notBefore": "2026-11-24T11:00:01Z"}})),
            old.clone(),
        ),
        (
            RuleName::Excluded,
            auto(json!({"distribution": {"exclusions": [
                {"name": "freeze", "startDate": "2026-11-24", "endDate": "2026-11-24"},
            ]}})),
            old.clone(),
        ),
        (
            RuleName::OutsideWindow,
            auto(json!({"distribution": {"windows": [{"start": "22:00", "end": "04:00"}]}})),
            old.clone(),
        ),
        (RuleName::UpgradeOffered, auto(json!({})), old),
        (
            RuleName::DowngradeOffered,
            auto(json!({"upgrade": {"allowDowngrade": true}})),
            json!({"version": "3.61"}),
        ),
    ]
}

fn fleet_of(rule: RuleName) -> &'static str {
    match rule {
        RuleName::PackageUnknown => "without-package",
        RuleName::TimeZoneUnknown => "without-zone",
        _ => "fleet",
    }
}

/// Returns the name of both the policy and the client in the case for a rule.
fn object_name(rule: RuleName) -> String {
    format!("rule-{}", rule.number())
}

/// Returns the spec of a policy that sends the client `name` from 3.60 back to 3.59.
fn way_back(name: &str) -> Value {
    json!({
        "priority": 10,
        "upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59", "allowDowngrade": true},
        "scope": {"clients": [{"names": [name], "versions": ["3.60"]}]},
    })
}

/// Applies the policies of all cases, and then the fleets with one client for each case. Each
/// policy selects only the client of its own case.
pub async fn apply_cases(world: &World) {
    let mut clients: [Vec<Value>; 3] = Default::default();
    let fleets = ["fleet", "without-package", "without-zone"];
    for (rule, spec, reported) in cases() {
        let name = object_name(rule);
        if !spec.is_null() {
            let mut spec = spec;
            spec["scope"]["clients"] = json!([{"names": [name]}]);
            world.apply(policy(&name, spec)).await;
        }
        if rule == RuleName::TargetsInCircle {
            world.apply(policy("way-back", way_back(&name))).await;
        }
        let place = fleets.iter().position(|fleet| *fleet == fleet_of(rule)).unwrap();
        clients[place].push(json!({"name": name, "reported": reported}));
    }
    let packages = [
        json!({
            "packageVersion": "3.60", "retainedVersions": ["3.59"], "withdrawnVersions": ["3.57"],
            "timeZone": "Europe/Berlin",
        }),
        json!({"packageFrom": {"name": "gone"}}),
        json!({"packageVersion": "3.60"}),
    ];
    let namesake = |rule, seen| json!({"name": object_name(rule), "reported": {"lastSeen": seen}});
    let namesakes = [
        namesake(RuleName::ReportedElsewhere, "2026-11-24T10:00:00Z"),
        namesake(RuleName::DuplicateClient, "2026-11-24T10:00:00Z"),
    ];
    let spec = json!({"packageVersion": "3.60", "clients": namesakes});
    let elsewhere = json!({"kind": "ClientFleet", "metadata": {"name": "elsewhere"}, "spec": spec});
    world.apply(elsewhere).await;
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
    for rule in &RULES {
        assert!(cases().iter().any(|(name, ..)| *name == rule.name), "no case of {:?}", rule.name);
        let name = object_name(rule.name);
        let row = world.row(fleet_of(rule.name), &name).await;
        let said = (row.state.as_ref(), row.reason.as_ref());
        assert_eq!(said, (rule.says.state.as_str(), rule.says.reason.as_str()), "{name}");
        let is_offered = rule.name >= RuleName::UpgradeOffered;
        assert_eq!(row.last_offer.is_some(), is_offered, "{name}: an offer");
        if let Some(policy) = policies.get(&name) {
            let ready = policy.conditions.iter().find(|c| c.r#type == "Ready").unwrap();
            let expected = match rule.name {
                RuleName::PolicyInvalid => ("False", "PolicyInvalid"),
                _ => ("True", "Reconciled"),
            };
            assert_eq!((ready.status.as_ref(), ready.reason.as_ref()), expected, "{name}");
            // The policy governs both entries of a client of which none decides.
            let governed = if rule.name == RuleName::DuplicateClient { 2 } else { 1 };
            assert_eq!(policy.governed_clients, Some(governed), "{name}");
        }
    }
    assert_eq!(fleets["fleet"].summary.unwrap().total, 24);
    assert_eq!(fleets["without-package"].package_version, None);
}
