//! Generates invalid values for policies. Admission refuses them, but the planner must also handle
//! policies that contain them.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// Invalid values of policy fields. Each entry consists of the path in the spec and the value as
/// JSON.
const MISTAKES: [(&str, &str); 51] = [
    ("/upgrade", r#"{"mode": "OnlyUpgradeTo"}"#),
    ("/upgrade", r#"{"mode": "OnlyUpgradeTo", "version": "latest"}"#),
    ("/upgrade", r#"{"mode": "OnlyUpgradeTo", "version": ""}"#),
    ("/upgrade", r#"{"mode": "AutoUpgrade", "version": "3.59"}"#),
    ("/upgrade", r#"{"version": "3.59"}"#),
    ("/upgrade", r#"{"mode": "AutoUpgrade", "retryAfterHours": 0}"#),
    ("/upgrade", r#"{"mode": "AutoUpgrade", "retryAfterHours": 721}"#),
    ("/upgrade", r#"{"mode": "Sometimes"}"#),
    ("/priority", r#""high""#),
    ("/offlineAfterDays", "0"),
    ("/offlineAfterDays", "366"),
    ("/effectiveFrom", r#""1999-12-31T23:59:59Z""#),
    ("/effectiveFrom", r#""soon""#),
    ("/effectiveUntil", r#""2200-01-01T00:00:00Z""#),
    ("/distribution/timeZone", r#""Mars/Olympus""#),
    ("/distribution/timeZone", r#""europe/berlin""#),
    ("/distribution/timeZone", r#""""#),
    ("/distribution/notAfter", r#""2031-02-29T00:00:00Z""#),
    (
        "/distribution",
        r#"{"notBefore": "2026-03-01T00:00:00Z", "notAfter": "2026-03-01T00:00:00Z"}"#,
    ),
    ("/distribution/windows", "[]"),
    ("/distribution/windows", r#"[{"start": "22:00", "end": "22:00"}]"#),
    ("/distribution/windows", r#"[{"start": "24:00", "end": "06:00"}]"#),
    ("/distribution/windows", r#"[{"start": "6:00", "end": "07:00"}]"#),
    ("/distribution/windows", r#"[{"start": "06:00", "end": "24:01"}]"#),
    ("/distribution/windows", r#"[{"days": [], "start": "01:00", "end": "02:00"}]"#),
    (
        "/distribution/windows",
        r#"[{"days": ["Monday", "Monday"], "start": "01:00", "end": "02:00"}]"#,
    ),
    ("/distribution/windows", r#"[{"days": ["Someday"], "start": "01:00", "end": "02:00"}]"#),
    ("/distribution/windows", r#"[{"start": "01:00", "end": "02:00", "offsetDays": 3}]"#),
    ("/distribution/windows", r#"[{"start": "01:00", "end": "02:00", "offsetDays": 0}]"#),
    ("/distribution/windows", r#"[{"weeksOfMonth": [], "start": "01:00", "end": "02:00"}]"#),
    ("/distribution/windows", r#"[{"weeksOfMonth": ["Fifth"], "start": "01:00", "end": "02:00"}]"#),
    (
        "/distribution/windows",
        r#"[{"weeksOfMonth": ["Last", "Last"], "start": "01:00", "end": "02:00"}]"#,
    ),
    (
        "/distribution/windows",
        r#"[{"weeksOfMonth": ["Last"], "offsetDays": 15, "start": "01:00", "end": "02:00"}]"#,
    ),
    (
        "/distribution/windows",
        r#"[{"weeksOfMonth": ["Last"], "offsetDays": -1, "start": "01:00", "end": "02:00"}]"#,
    ),
    (
        "/distribution/windows",
        r#"[{"weeksOfMonth": ["Last"], "offsetDays": "3", "start": "01:00", "end": "02:00"}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-01-01", "endDate": "2026-12-31", "yearly": true}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-03-01", "endDate": "2027-02-28", "yearly": true}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2024-02-29", "endDate": "2025-02-27", "yearly": true}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2024-03-02", "endDate": "2026-03-01", "yearly": true}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-01-01", "endDate": "2190-01-01", "yearly": true}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-01-01", "endDate": "2026-01-02", "yearly": "yes"}]"#,
    ),
    ("/distribution/exclusions", "[]"),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-03-30", "endDate": "2026-03-29"}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "1999-12-31", "endDate": "2026-03-29"}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-02-29", "endDate": "2026-03-29"}]"#,
    ),
    (
        "/distribution/exclusions",
        r#"[{"name": "e", "startDate": "2026-01-01", "endDate": "2026-01-02"}, {"name": "e", "startDate": "2026-01-01", "endDate": "2026-01-02"}]"#,
    ),
    ("/scope", "{}"),
    ("/scope/fleetSelector", "{}"),
    ("/scope/fleetSelector", r#"{"matchLabels": {}}"#),
    ("/scope/clients", "[]"),
    ("/scope/exclude", "[]"),
];

/// Client selectors, as JSON, that have no criteria or a criterion that cannot be parsed.
const SELECTORS: [&str; 12] = [
    "{}",
    r#"{"names": []}"#,
    r#"{"search": " "}"#,
    r#"{"cidrs": ["10.20.1.5/16"]}"#,
    r#"{"cidrs": ["10.20.1.0/24", "here"]}"#,
    r#"{"cidrs": ["10.20.0.0"], "names": ["c0", "c1"]}"#,
    r#"{"versions": []}"#,
    r#"{"versions": ["3.58", "< 3.59"]}"#,
    r#"{"versions": [">3.58 <3.59 <3.60"], "names": ["c0", "c1"]}"#,
    r#"{"labelSelector": {}}"#,
    r#"{"labelSelector": {"matchExpressions": [{"key": "ring", "operator": "Equals", "values": ["canary"]}]}}"#,
    r#"{"labelSelector": {"matchLabels": {"ring": "canary"}, "matchExpressions": [{"key": "ring", "operator": "In"}]}}"#,
];

/// Lists with more items than admission accepts. Each entry consists of the path in the spec, the
/// repeated item as JSON, and the number of items.
const TOO_MANY: [(&str, &str, usize); 2] = [
    ("/distribution/windows", r#"{"start": "01:00", "end": "02:00"}"#, 33),
    ("/scope/clients", r#"{"names": ["c0"]}"#, 17),
];

pub fn any() -> impl Strategy<Value = (&'static str, Value)> {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let mut all: Vec<(&str, Value)> = MISTAKES.map(|(path, text)| (path, read(text))).into();
    for list in ["/scope/clients", "/scope/exclude"] {
        all.extend(SELECTORS.map(|text| (list, Value::from(vec![read(text)]))));
    }
    all.extend(TOO_MANY.map(|(path, text, count)| (path, Value::from(vec![read(text); count]))));
    select(all)
}
