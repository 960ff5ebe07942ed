//! Defines the rows of the decision table, in the order of the rules.

mod circles;
mod networks;

use clientfleet::plan::rules::RuleName::*;
use serde_json::{Value, json};

use super::case::{Row, row};

/// Returns a client selector that compares a label with `values` values. It matches a client without
/// the label.
fn without_labels(values: usize) -> Value {
    let values: Vec<String> = (0..values).map(|value| format!("v{value}")).collect();
    let requirement = json!({"key": "ring", "operator": "NotIn", "values": values});
    json!({"labelSelector": {"matchExpressions": [requirement]}})
}

pub fn rows() -> Vec<Row> {
    let mut rows = several_fleets();
    rows.extend(before_the_target());
    rows.extend(at_the_target());
    rows.extend(circles::in_a_circle());
    rows.extend(before_the_time_range());
    rows.extend(in_the_time_range());
    rows.extend(in_recurring_time_ranges());
    rows.extend(circles::without_a_circle());
    rows.extend(networks::with_an_excluded_network());
    rows.extend(networks::with_a_hold_in_doubt());
    rows.extend(networks::with_an_unknown_address());
    rows
}

/// Returns a time range with one exclusion that recurs every year.
fn yearly(start: &str, end: &str) -> serde_json::Value {
    json!({"exclusions": [{"name": "yearly", "startDate": start, "endDate": end, "yearly": true}]})
}

/// Returns a time range with one window of a whole day, on a weekday in one week of the month.
fn on(day: &str, week: &str, offset: u8) -> serde_json::Value {
    json!({"windows": [{
        "days": [day], "weeksOfMonth": [week], "offsetDays": offset, "start": "00:00", "end": "24:00",
    }]})
}

fn night() -> serde_json::Value {
    json!({"windows": [{"start": "22:00", "end": "04:00"}]})
}

fn excluding(start: &str, end: &str) -> serde_json::Value {
    json!({"exclusions": [{"name": "freeze", "startDate": start, "endDate": end}]})
}

/// Returns the rows for `ReportedElsewhere` and `DuplicateClient`. The default time of a row is
/// 2026-11-24T11:00:00Z.
fn several_fleets() -> Vec<Row> {
    let seen = |time: &str| json!({"lastSeen": time});
    vec![
        row("another fleet saw it a week later", ReportedElsewhere)
            .client(seen("2026-11-17T10:00:00Z"))
            .elsewhere(seen("2026-11-24T10:00:00Z")),
        row("another fleet saw it a week later, and no policy governs it", ReportedElsewhere)
            .no_policy()
            .client(seen("2026-11-01T00:00:00Z"))
            .elsewhere(seen("2026-11-24T10:00:00Z")),
        row("another fleet saw it later than all others", ReportedElsewhere)
            .client(seen("2026-11-01T00:00:00Z"))
            .elsewhere(seen("2026-11-10T00:00:00Z"))
            .elsewhere(seen("2026-11-24T10:00:00Z")),
        row("another fleet saw it later, but not a week", DuplicateClient)
            .client(seen("2026-11-17T10:00:01Z"))
            .elsewhere(seen("2026-11-24T10:00:00Z")),
        row("it was seen later here, but not a week", DuplicateClient)
            .client(seen("2026-11-24T10:00:00Z"))
            .elsewhere(seen("2026-11-17T10:00:01Z")),
        row("it was seen a week later here", UpgradeOffered)
            .client(seen("2026-11-24T10:00:00Z"))
            .elsewhere(seen("2026-11-17T10:00:00Z"))
            .elsewhere(seen("2026-10-17T10:00:00.9Z")),
        row("one of three fleets saw it as late", DuplicateClient)
            .client(seen("2026-11-24T10:00:00Z"))
            .elsewhere(seen("2026-11-01T00:00:00Z"))
            .elsewhere(seen("2026-11-23T00:00:00Z")),
        row("another fleet never saw it", DuplicateClient)
            .client(seen("2026-11-24T10:00:00Z"))
            .elsewhere(json!({})),
        row("another fleet saw it at no instant", DuplicateClient)
            .client(seen("2026-11-24T10:00:00Z"))
            .elsewhere(seen("last year")),
        row("it was never seen here", DuplicateClient).elsewhere(seen("2026-11-24T10:00:00Z")),
        row("a time to come counts as now", DuplicateClient)
            .client(seen("2027-11-24T10:00:00Z"))
            .elsewhere(seen("2026-11-17T11:00:01Z")),
        row("a time to come, and a week ago elsewhere", UpgradeOffered)
            .client(seen("2027-11-24T10:00:00Z"))
            .elsewhere(seen("2026-11-17T11:00:00Z")),
        row("several fleets list it, and no policy governs it", DuplicateClient)
            .no_policy()
            .elsewhere(json!({}))
            .also(NoMatchingPolicy),
        row("several fleets list it, and it is held", DuplicateClient)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .elsewhere(json!({})),
    ]
}

/// Returns the rows for the rules of the decision table from `NoMatchingPolicy` to
/// `PackageWithdrawn`.
fn before_the_target() -> Vec<Row> {
    let invalid = json!({"scope": {"clients": [{"cidrs": ["10.0.0.1/8"]}]}});
    vec![
        row("no policy at all", NoMatchingPolicy).no_policy(),
        row("out of every scope", NoMatchingPolicy)
            .policy(json!({"scope": {"clients": [{"names": ["other"]}]}})),
        row("a policy that is not effective yet", NoMatchingPolicy)
            .policy(json!({"effectiveFrom": "2026-11-24T11:00:01Z"})),
        row("a policy that has just ended", NoMatchingPolicy)
            .policy(json!({"effectiveUntil": "2026-11-24T11:00:00Z"})),
        row("a policy with an unknown zone", PolicyInvalid)
            .policy(json!({"distribution": {"timeZone": "Europe/berlin"}})),
        row("16 values in a client selector, stored before 13 were refused", UpgradeOffered)
            .policy(json!({"scope": {"clients": [without_labels(16)]}})),
        row("17 values in a client selector", PolicyInvalid)
            .policy(json!({"scope": {"clients": [without_labels(17)]}})),
        row("a policy that admission refuses, its scope in doubt", PolicyInvalid)
            .policy(invalid.clone()),
        row("an invalid policy, which holds and has another version staged", PolicyInvalid)
            .policy(invalid)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"stagedVersion": "3.60"}))
            .also(OtherVersionStagedWithoutUpgrade),
        row("no upgrade, but a restart would bring one", OtherVersionStagedWithoutUpgrade)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"stagedVersion": "3.60"}))
            .also(NoUpgrade),
        row("no upgrade, no version, one staged", OtherVersionStagedWithoutUpgrade)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"version": null, "stagedVersion": "x"})),
        row("no upgrade, what is staged runs already", NoUpgrade)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"stagedVersion": "v3.59.0"})),
        row("no upgrade is the default", NoUpgrade).policy(json!({"upgrade": null})),
        row("no upgrade of a client whose version nobody knows", NoUpgrade)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"version": null}))
            .also(ClientVersionUnreadable),
        row("a version that cannot be read", ClientVersionUnreadable)
            .client(json!({"version": "unknown"})),
        row("an empty version counts as absent", ClientVersionUnreadable)
            .client(json!({"version": ""})),
        row("no version and no package", ClientVersionUnreadable)
            .client(json!({"version": null}))
            .fleet(json!({"packageVersion": null}))
            .also(PackageUnknown),
        row("no package", PackageUnknown).fleet(json!({"packageVersion": null})),
        row("a package that cannot be read", PackageUnknown)
            .fleet(json!({"packageVersion": "latest"})),
        row("a package from a fleet that is not there", PackageUnknown)
            .fleet(json!({"packageVersion": null, "packageFrom": {"name": "gone"}})),
        row("both a package and one from elsewhere", PackageUnknown)
            .fleet(json!({"packageFrom": {"name": "x"}})),
        row("the package is withdrawn", PackageWithdrawn)
            .fleet(json!({"withdrawnVersions": ["v3.60.0"]})),
        row("the locked version is withdrawn", PackageWithdrawn)
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.60"}}))
            .fleet(json!({"withdrawnVersions": ["3.60"], "packageVersion": "3.61"})),
        row("withdrawn, and the client runs it with another one staged", PackageWithdrawn)
            .fleet(json!({"withdrawnVersions": ["3.60"]}))
            .client(json!({"version": "3.60", "stagedVersion": "3.61"}))
            .also(OtherVersionStagedAtTarget),
    ]
}

/// Returns the rows for the rules of the decision table from `OtherVersionStagedAtTarget` to
/// `RestartPending`.
fn at_the_target() -> Vec<Row> {
    vec![
        row("at the target, but a restart would leave it", OtherVersionStagedAtTarget)
            .client(json!({"version": "3.60", "stagedVersion": "3.61"}))
            .also(AtTarget),
        row("ahead of the target, and a restart would change it", OtherVersionStagedAtTarget)
            .client(json!({"version": "3.61", "stagedVersion": "3.60"})),
        row("at the target, and what is staged is the same", AtTarget)
            .client(json!({"version": "3.60", "stagedVersion": "3.60.0+b7"})),
        row("at the target, spelled otherwise", AtTarget).client(json!({"version": "v3.60.0.0"})),
        row("at the target, where even a downgrade is allowed", AtTarget)
            .policy(json!({"upgrade": {"allowDowngrade": true}}))
            .client(json!({"version": "3.60"})),
        // `DowngradeNotAllowed` also applies to a client at its target version, so this
        // row checks that `AtTarget` is tried first.
        row("at the target, where no downgrade is allowed", AtTarget)
            .client(json!({"version": "3.60"}))
            .also(DowngradeNotAllowed),
        row("ahead of the target", DowngradeNotAllowed).client(json!({"version": "3.60.0.1"})),
        row("a release is ahead of its pre-release", DowngradeNotAllowed)
            .fleet(json!({"packageVersion": "3.60-rc.1"}))
            .client(json!({"version": "3.60"})),
        row("ahead, and not seen for long", DowngradeNotAllowed)
            .policy(json!({"offlineAfterDays": 30}))
            .client(json!({"version": "3.61", "lastSeen": "2026-10-01T00:00:00Z"}))
            .also(NotSeen),
        row("not seen for exactly as long", NotSeen)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-23T11:00:00Z"})),
        row("not seen, with a fraction of a second that is dropped", NotSeen)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-23T12:00:00.9+01:00"})),
        row("not seen for a second less", UpgradeOffered)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-23T11:00:01Z"})),
        row("never seen as far as can be read", UpgradeOffered)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "yesterday"})),
        row("not seen for long, its target staged", NotSeen)
            .policy(json!({"offlineAfterDays": 30}))
            .client(json!({"stagedVersion": "3.60", "lastSeen": "2026-10-01T00:00:00Z"}))
            .also(RestartPending),
        row("the target is staged", RestartPending).client(json!({"stagedVersion": "3.60.0"})),
        row("the target is staged while distribution is closed", RestartPending)
            .policy(json!({"distribution": night()}))
            .client(json!({"stagedVersion": "3.60"})),
        row("a downgrade is staged", RestartPending)
            .policy(json!({"upgrade": {"allowDowngrade": true}}))
            .client(json!({"version": "3.61", "stagedVersion": "3.60"})),
        row("the locked version is staged, its package gone", RestartPending)
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59.5"}}))
            .client(json!({"stagedVersion": "3.59.5"}))
            .also(PackageUnavailable),
    ]
}

/// Returns the rows for the rules of the decision table from `PackageUnavailable` to
/// `TimeZoneUnknown`.
fn before_the_time_range() -> Vec<Row> {
    let lock = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59.5"}});
    let failed = json!({"lastError": {"version": "3.60", "time": "2026-11-24T00:00:00Z"}});
    vec![
        row("a lock to a version that no server has", PackageUnavailable).policy(lock.clone()),
        row("a lock where the package is not known", PackageUnavailable)
            .policy(lock.clone())
            .fleet(json!({"packageVersion": null})),
        row("a lock to a retained version", UpgradeOffered)
            .policy(lock.clone())
            .fleet(json!({"retainedVersions": ["v3.59.5"]})),
        row("a lock to a version that no server has, and that failed", PackageUnavailable)
            .policy(lock)
            .client(json!({"lastError": {"version": "3.59.5"}}))
            .also(InstallFailed),
        row("it failed a while ago", InstallFailed).client(failed.clone()),
        row("it failed nobody knows when", InstallFailed)
            .client(json!({"lastError": {"version": "3.60", "time": "?"}})),
        row("it failed, in a suspended policy", InstallFailed)
            .client(failed.clone())
            .policy(json!({"suspend": true}))
            .also(PolicySuspended),
        row("it failed with another version", UpgradeOffered).client(json!({"lastError": {"version": "3.58"}})),
        row("it failed a day ago", UpgradeOffered)
            .client(json!({"lastError": {"version": "3.60", "time": "2026-11-23T11:00:00Z"}})),
        row("it failed a day less a second ago", InstallFailed)
            .client(json!({"lastError": {"version": "3.60", "time": "2026-11-23T11:00:01Z"}})),
        row("it failed an hour ago, where an hour is enough", UpgradeOffered)
            .policy(json!({"upgrade": {"retryAfterHours": 1}}))
            .client(json!({"lastError": {"version": "3.60", "time": "2026-11-24T10:00:00Z"}})),
        row("the policy is suspended", PolicySuspended).policy(json!({"suspend": true})),
        row("suspended, and the zone is missing", PolicySuspended)
            .policy(json!({"suspend": true, "distribution": night()}))
            .fleet(json!({"timeZone": null}))
            .also(TimeZoneUnknown),
        row("nobody names a zone", TimeZoneUnknown)
            .policy(json!({"distribution": night()}))
            .fleet(json!({"timeZone": null})),
        row("the zone is not spelled exactly", TimeZoneUnknown)
            .policy(json!({"distribution": excluding("2026-12-24", "2026-12-26")}))
            .fleet(json!({"timeZone": "europe/Berlin"})),
        row("no zone is needed", UpgradeOffered).fleet(json!({"timeZone": null})),
        row("the policy's zone holds for every client", UpgradeOffered)
            .policy(json!({"distribution": {"timeZone": "Asia/Tokyo", "windows": [{"start": "19:00", "end": "21:00"}]}}))
            .fleet(json!({"timeZone": null})),
        row("no zone, and the end has come", TimeZoneUnknown)
            .policy(json!({"distribution": night()}))
            .policy(json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}}))
            .fleet(json!({"timeZone": null}))
            .also(DistributionEnded),
    ]
}

/// Returns the rows for the rules of the decision table from `DistributionEnded` to
/// `DowngradeOffered`.
fn in_the_time_range() -> Vec<Row> {
    vec![
        row("the end has come", DistributionEnded).policy(json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}})),
        row("the end comes in a second", UpgradeOffered)
            .policy(json!({"distribution": {"notAfter": "2026-11-24T11:00:01Z"}})),
        row("the window opens only after the end", DistributionEnded)
            .policy(json!({"distribution": night()}))
            .policy(json!({"distribution": {"notAfter": "2026-11-24T20:00:00Z"}})),
        row("it has not started, and what comes then is excluded to the end", DistributionEnded)
            .policy(json!({"distribution": excluding("2026-11-25", "2026-11-30")}))
            .policy(json!({"distribution": {"notBefore": "2026-11-25T00:00:00Z", "notAfter": "2026-11-29T00:00:00Z"}}))
            .also(NotStarted),
        row("it has not started", NotStarted).policy(json!({"distribution": {"notBefore": "2026-11-24T11:00:01Z"}})),
        row("it starts now", UpgradeOffered).policy(json!({"distribution": {"notBefore": "2026-11-24T11:00:00Z"}})),
        row("it has not started, on an excluded date", NotStarted)
            .policy(json!({"distribution": excluding("2026-11-24", "2026-11-24")}))
            .policy(json!({"distribution": {"notBefore": "2026-11-26T00:00:00Z"}}))
            .also(Excluded),
        row("an excluded date", Excluded).policy(json!({"distribution": excluding("2026-11-20", "2026-11-24")})),
        row("an excluded date, outside the windows", Excluded)
            .policy(json!({"distribution": excluding("2026-11-24", "2026-11-24")}))
            .policy(json!({"distribution": night()}))
            .also(OutsideWindow),
        row("the local date counts, not UTC's", Excluded)
            .policy(json!({"distribution": excluding("2026-11-25", "2026-11-25")}))
            .at("2026-11-24T23:00:00Z"),
        row("outside the windows", OutsideWindow).policy(json!({"distribution": night()})).also(UpgradeOffered),
        row("the window's start is in it", UpgradeOffered)
            .policy(json!({"distribution": night()}))
            .at("2026-11-24T21:00:00Z"),
        row("the window's end is not", OutsideWindow)
            .policy(json!({"distribution": night()}))
            .at("2026-11-24T03:00:00Z"),
        row("the window belongs to the day on which it starts", UpgradeOffered)
            .policy(json!({"distribution": {"windows": [{"days": ["Monday"], "start": "22:00", "end": "04:00"}]}}))
            .at("2026-11-24T02:59:59Z"),
        row("and to no other", OutsideWindow)
            .policy(json!({"distribution": {"windows": [{"days": ["Tuesday"], "start": "22:00", "end": "04:00"}]}}))
            .at("2026-11-24T02:59:59Z"),
        row("an upgrade is offered", UpgradeOffered).also(DowngradeOffered),
        row("a pre-release moves up to its release", UpgradeOffered).client(json!({"version": "3.60-rc.2"})),
        row("another version is staged: the target replaces it", UpgradeOffered)
            .client(json!({"stagedVersion": "3.59.9"})),
        row("a downgrade is offered", DowngradeOffered)
            .policy(json!({"upgrade": {"allowDowngrade": true}}))
            .client(json!({"version": "3.61"})),
        row("a downgrade to a retained lock is offered", DowngradeOffered)
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.58", "allowDowngrade": true}}))
            .fleet(json!({"retainedVersions": ["3.58"]})),
    ]
}

/// Returns the rows for monthly windows and yearly exclusions.
fn in_recurring_time_ranges() -> Vec<Row> {
    vec![
        row("a yearly exclusion of an earlier year", Excluded)
            .policy(json!({"distribution": yearly("2024-11-20", "2024-11-24")})),
        row("a yearly exclusion has not begun", UpgradeOffered)
            .policy(json!({"distribution": yearly("2027-11-24", "2027-11-24")})),
        row("a yearly exclusion has passed New Year", Excluded)
            .policy(json!({"distribution": yearly("2024-12-24", "2025-01-02")}))
            .at("2027-01-02T22:59:59Z"),
        row("and ends after its last date", UpgradeOffered)
            .policy(json!({"distribution": yearly("2024-12-24", "2025-01-02")}))
            .at("2027-01-02T23:00:00Z"),
        row("yearly exclusions leave no day to the end", DistributionEnded)
            .policy(json!({"distribution": {
                "notAfter": "2050-01-01T00:00:00Z",
                "exclusions": [
                    {"name": "a", "startDate": "2024-01-01", "endDate": "2024-08-31", "yearly": true},
                    {"name": "b", "startDate": "2025-09-01", "endDate": "2025-12-31", "yearly": true},
                ],
            }}))
            .also(Excluded),
        row("the second Tuesday is another", OutsideWindow)
            .policy(json!({"distribution": on("Tuesday", "Second", 0)})),
        row("the fourth Tuesday", UpgradeOffered).policy(json!({"distribution": on("Tuesday", "Fourth", 0)})),
        row("the last Tuesday", UpgradeOffered).policy(json!({"distribution": on("Tuesday", "Last", 0)})),
        row("three days after the third Saturday", UpgradeOffered)
            .policy(json!({"distribution": on("Saturday", "Third", 3)})),
        row("the third Saturday itself", OutsideWindow)
            .policy(json!({"distribution": on("Saturday", "Third", 3)}))
            .at("2026-11-21T11:00:00Z"),
        row("a week after the last Thursday, in the next month", UpgradeOffered)
            .policy(json!({"distribution": on("Thursday", "Last", 7)}))
            .at("2026-12-03T11:00:00Z"),
    ]
}
