//! Tests every verdict on a policy in the JSON output of `explain`.

use std::sync::Arc;

use clientfleet::plan::Estate;
use clientfleet::plan::explanation::{Explainer, Explanation};
use serde_json::{Value, json};

use crate::estate::DAY;

fn observed<T: serde::de::DeserializeOwned>(name: &str, spec: &Value, metadata: &Value) -> Arc<T> {
    let mut object = json!({"metadata": metadata, "spec": spec});
    object["metadata"]["name"] = name.into();
    Arc::new(serde_json::from_str(&object.to_string()).expect("an object"))
}

fn explained(policies: &[(&str, Value)]) -> Explanation {
    explained_with("10.20.1.5", policies)
}

fn explained_with(ip: &str, policies: &[(&str, Value)]) -> Explanation {
    let client = json!({
        "name": "pc", "labels": {"ring": "canary"},
        "reported": {"computer": "LT-0817", "ip": ip, "lastUser": "CORP\\mei", "version": "1"},
    });
    let fleet = json!({"packageVersion": "2", "clients": [client]});
    let labels = json!({"labels": {"site": "berlin"}});
    let policy = |(name, spec): &(&str, Value)| {
        let mut spec = spec.clone();
        let deleting = spec.as_object_mut().and_then(|spec| spec.remove("deleting")).is_some();
        let metadata = if deleting { json!({"deletionTimestamp": DAY}) } else { json!({}) };
        observed(name, &spec, &metadata)
    };
    let estate = Estate {
        fleets: vec![observed("fleet", &fleet, &labels)],
        policies: policies.iter().map(policy).collect(),
    };
    let explainer = Explainer::new(&estate, DAY.parse().expect("an instant"));
    explainer.explain("fleet", "pc", None).expect("it is there")
}

/// Returns one line of JSON for each policy: its verdict, and the selector that caused the verdict.
fn verdicts(policies: &[(&str, Value)]) -> String {
    verdicts_of(&explained(policies))
}

fn verdicts_of(told: &Explanation) -> String {
    let line = |policy: &clientfleet::plan::explanation::ExplainedPolicy| {
        let mut fields = json!(policy);
        for field in ["priority", "mode", "suspend", "version", "problems", "unreadable"] {
            fields.as_object_mut().expect("an object").remove(field);
        }
        fields.to_string()
    };
    told.policies.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_verdict_is_told() {
    let scope = |scope: Value| json!({"scope": scope});
    let told = verdicts(&[
        ("deleted", json!({"priority": 90, "deleting": true})),
        ("before", json!({"priority": 80, "effectiveFrom": "2026-12-01T00:00:00Z"})),
        ("after", json!({"priority": 80, "effectiveUntil": "2026-11-01T00:00:00Z"})),
        ("elsewhere", scope(json!({"fleetSelector": {"matchLabels": {"site": "tokyo"}}}))),
        (
            "others",
            scope(
                json!({"clients": [{"names": ["x"]}, {"labelSelector": {"matchLabels": {"ring": "late"}}}]}),
            ),
        ),
        ("excluding", scope(json!({"exclude": [{"names": ["x"]}, {"users": ["corp\\MEI"]}]}))),
        (
            "governing",
            json!({"priority": 50, "scope": {"clients": [{"names": ["x"]}, {"search": "lt- 10.20."}]}}),
        ),
        (
            "lower",
            json!({"priority": 40, "scope": {"clients": [{"cidrs": ["10.0.0.0/8", "10.20.0.0/16"], "names": ["pc"]}]}}),
        ),
        ("named-later", json!({"priority": 50})),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_match_by_version_may_change() {
    let told = verdicts(&[
        (
            "governing",
            json!({"priority": 9, "scope": {"clients": [{"versions": ["<1", ">=1 <2"]}]}}),
        ),
        ("lower", json!({"scope": {"clients": [{"versions": ["v1.0"], "users": ["corp\\MEI"]}]}})),
        ("excluding", json!({"scope": {"exclude": [{"versions": ["1"]}]}})),
        ("others", json!({"scope": {"clients": [{"versions": [">1"]}]}})),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn an_unknown_address_leaves_policies_in_doubt() {
    let network = json!([{"names": ["x"]}, {"cidrs": ["10.0.0.0/8"], "search": "lt"}]);
    let auto = json!({"mode": "AutoUpgrade"});
    let told = explained_with(
        "192.168.0.1, unknown",
        &[
            ("hold", json!({"priority": 50, "scope": {"clients": network}})),
            (
                "later-hold",
                json!({"priority": 50, "effectiveFrom": "2026-12-01T00:00:00Z", "scope": {"clients": network}}),
            ),
            ("ring", json!({"priority": 40, "upgrade": auto, "scope": {"clients": network}})),
            ("broad", json!({"priority": 30, "upgrade": auto, "scope": {"exclude": network}})),
            ("lower-hold", json!({"priority": 20, "scope": {"clients": network}})),
        ],
    );
    assert_eq!(told.decision.reason, "AddressUnknown");
    assert_eq!(told.decision.policy.as_deref(), Some("broad"));
    let ways = json!(told.would_move).to_string();
    insta::assert_snapshot!(format!("{}\n{ways}", verdicts_of(&told)));
}

#[test]
fn an_unreadable_policy_stands_above_all() {
    let told = verdicts(&[
        ("broken", json!({"priority": "high"})),
        ("highest", json!({"priority": 1000})),
    ]);
    insta::assert_snapshot!(told);
    let told = explained(&[("broken", json!({"priority": "high"}))]);
    assert_eq!(told.decision.reason, "PolicyInvalid");
    insta::assert_snapshot!("mend_a_broken_policy", json!(told.would_move).to_string());
}

/// Of policies with equal priority the most cautious one governs, although its name sorts last.
#[test]
fn of_equal_priorities_the_most_cautious_policy_governs() {
    let mut policies = vec![
        ("a-distributes", json!({"upgrade": {"mode": "AutoUpgrade"}})),
        ("b-distributes", json!({"upgrade": {"mode": "AutoUpgrade"}})),
        ("c-suspended", json!({"suspend": true, "upgrade": {"mode": "AutoUpgrade"}})),
        ("d-no-upgrade", json!({"upgrade": {"mode": "NoUpgrade"}})),
        ("e-suspended-no-upgrade", json!({"suspend": true, "upgrade": {"mode": "NoUpgrade"}})),
        ("f-invalid", json!({"upgrade": {"mode": "OnlyUpgradeTo"}})),
    ];
    let mut told = vec![];
    for governs in ["f-invalid", "d-no-upgrade", "e-suspended-no-upgrade", "c-suspended"] {
        told.push(verdicts(&policies));
        assert!(
            told.last().unwrap().contains(&format!(r#""name":"{governs}","verdict":"Governs""#))
        );
        policies.retain(|(name, _)| *name != governs);
    }
    told.push(verdicts(&policies));
    insta::assert_snapshot!(told.join("\n\n"));
    policies.push(("z-higher", json!({"priority": 1, "upgrade": {"mode": "AutoUpgrade"}})));
    policies.push(("a-no-upgrade", json!({"upgrade": {"mode": "NoUpgrade"}})));
    assert!(verdicts(&policies).starts_with(r#"{"name":"z-higher","verdict":"Governs""#));
}
