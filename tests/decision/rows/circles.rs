//! Defines the rows of the decision table about targets that form a circle.

use clientfleet::plan::rules::RuleName::{self, *};
use serde_json::json;

use super::night;
use crate::case::{Row, row};
use crate::merge_patch::merge;

/// Returns a row in which `policy` sends the client to 3.60, and `other` sends it back from there to
/// 3.59, the version that it runs. `more` changes the spec of `other`.
fn circle(what: &'static str, rule: RuleName, more: serde_json::Value) -> Row {
    let mut back = json!({
        "priority": 5,
        "upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59", "allowDowngrade": true},
        "scope": {"clients": [{"versions": ["3.60"]}]},
    });
    merge(&mut back, more);
    row(what, rule).fleet(json!({"retainedVersions": ["3.59"]})).other(back)
}

/// Returns the rows for the rule `TargetsInCircle`.
pub fn in_a_circle() -> Vec<Row> {
    let all = || json!({});
    let seen_a_day_ago = || json!({"lastSeen": "2026-11-23T11:00:00Z"});
    let ends_soon = json!({"distribution": {"notAfter": "2026-11-24T11:00:01Z"}});
    let starts_later = json!({"distribution": {"notBefore": "2026-12-24T11:00:00Z"}});
    let by_comparison = json!({"scope": {"clients": [{"versions": [">3.59 <=3.60"]}]}});
    vec![
        circle("the way back comes first", TargetsInCircle, all()),
        circle("the way back comes first by its name", TargetsInCircle, json!({"priority": 0})),
        circle("in a circle, its target staged", TargetsInCircle, all())
            .client(json!({"stagedVersion": "3.60"}))
            .also(RestartPending),
        circle("in a circle, and not seen for long", NotSeen, all())
            .policy(json!({"offlineAfterDays": 1}))
            .client(seen_a_day_ago())
            .also(TargetsInCircle),
        circle("in a circle, it failed", TargetsInCircle, all())
            .client(json!({"lastError": {"version": "3.60"}})),
        circle("in a circle, outside the windows", TargetsInCircle, all())
            .policy(json!({"distribution": night()})),
        circle("the way back opens at night", TargetsInCircle, json!({"distribution": night()})),
        circle("the way back has not started", TargetsInCircle, starts_later),
        circle("the way back ends in a second", TargetsInCircle, ends_soon),
        circle("the way back by a comparison", TargetsInCircle, by_comparison),
        circle("whoever moves is seen", TargetsInCircle, json!({"offlineAfterDays": 1}))
            .client(seen_a_day_ago()),
        circle("a circle ahead", TargetsInCircle, json!({"upgrade": {"version": "3.59.5"}}))
            .fleet(json!({"retainedVersions": ["3.59.5"]})),
    ]
}

/// Returns the rows in which a policy sends the client back to its version, but some rule ends the
/// chain of its targets before, or the policy that governs the client comes first.
pub fn without_a_circle() -> Vec<Row> {
    let all = || json!({});
    let ended = || json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}});
    let opens_no_more = json!({"distribution": {
        "windows": [{"start": "22:00", "end": "04:00"}], "notAfter": "2026-11-24T20:00:00Z",
    }});
    let unavailable = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.60.1"}});
    let holds = json!({"upgrade": {"mode": "NoUpgrade", "version": null}});
    let begins = json!({"effectiveFrom": "2026-11-24T11:00:01Z"});
    let others = json!({"scope": {"clients": [{"versions": ["3.60"], "names": ["other"]}]}});
    let excluded = json!({"scope": {"exclude": [{"versions": ["3.60"]}]}});
    let no_downgrade = json!({"upgrade": {"allowDowngrade": false}});
    let may_be_excluded = super::networks::networks("exclude", &["10.20.0.0/16"]);
    let may_be_included =
        json!({"scope": {"clients": [{"versions": ["3.60"], "cidrs": ["10.20.0.0/16"]}]}});
    vec![
        circle("the way back comes last", UpgradeOffered, json!({"priority": -1})),
        circle("the way there has no package", PackageUnavailable, all()).policy(unavailable),
        circle("the way there is suspended", PolicySuspended, all())
            .policy(json!({"suspend": true})),
        circle("the way there lacks a zone", TimeZoneUnknown, all())
            .policy(json!({"distribution": night()}))
            .fleet(json!({"timeZone": null})),
        circle("the way there has ended", DistributionEnded, all()).policy(ended()),
        circle("the way back is suspended", UpgradeOffered, json!({"suspend": true})),
        circle("the way back has ended", UpgradeOffered, ended()),
        circle("the way back opens no more before its end", UpgradeOffered, opens_no_more),
        circle("the way back lacks a zone", UpgradeOffered, json!({"distribution": night()}))
            .fleet(json!({"timeZone": null})),
        circle("the way back has no package", UpgradeOffered, all())
            .fleet(json!({"retainedVersions": null})),
        circle("the way back is withdrawn", UpgradeOffered, all())
            .fleet(json!({"withdrawnVersions": ["3.59"]})),
        circle("the way back allows no downgrade", UpgradeOffered, no_downgrade),
        circle("the way back holds", UpgradeOffered, holds),
        circle("the way back is invalid", UpgradeOffered, json!({"offlineAfterDays": 0})),
        circle("the way back is not effective yet", UpgradeOffered, begins),
        circle("the way back has other clients", UpgradeOffered, others),
        circle("the way back is excluded there", UpgradeOffered, excluded),
        circle("the way back may be excluded by its network", UpgradeOffered, may_be_excluded),
        circle("the way back may include its network", UpgradeOffered, may_be_included),
        circle("no way on from below", UpgradeOffered, json!({"upgrade": {"version": "3.58"}}))
            .fleet(json!({"retainedVersions": ["3.58"]}))
            .policy(json!({"scope": {"clients": [{"versions": ["3.59"]}]}})),
    ]
}
