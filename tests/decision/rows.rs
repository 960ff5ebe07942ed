//! Defines the rows of the decision table.

use serde_json::json;

use super::case::{Row, row};

pub fn rows() -> Vec<Row> {
    let mut rows = vec![];
    rows.extend(before_the_target());
    rows.extend(at_the_target());
    rows.extend(before_the_time_range());
    rows.extend(in_the_time_range());
    rows
}

/// Returns a distribution whose only window is from 22:00 to 04:00.
fn night() -> serde_json::Value {
    json!({"windows": [{"start": "22:00", "end": "04:00"}]})
}

fn excluding(start: &str, end: &str) -> serde_json::Value {
    json!({"exclusions": [{"name": "freeze", "startDate": start, "endDate": end}]})
}

/// Returns the rows for rules 1 to 7.
fn before_the_target() -> Vec<Row> {
    let invalid = json!({"scope": {"clients": [{"cidrs": ["10.0.0.1/8"]}]}});
    vec![
        row("no policy at all", 1).no_policy(),
        row("out of every scope", 1).policy(json!({"scope": {"clients": [{"names": ["other"]}]}})),
        row("a policy that is not effective yet", 1)
            .policy(json!({"effectiveFrom": "2026-11-24T11:00:01Z"})),
        row("a policy that has just ended", 1)
            .policy(json!({"effectiveUntil": "2026-11-24T11:00:00Z"})),
        row("a policy with an unknown zone", 2)
            .policy(json!({"distribution": {"timeZone": "Europe/berlin"}})),
        row("a policy that admission refuses, its scope in doubt", 2).policy(invalid.clone()),
        row("an invalid policy, which holds and has another version staged", 2)
            .policy(invalid)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"stagedVersion": "3.60"}))
            .also(3),
        row("no upgrade, but a restart would bring one", 3)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"stagedVersion": "3.60"}))
            .also(4),
        row("no upgrade, no version, one staged", 3)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"version": null, "stagedVersion": "x"})),
        row("no upgrade, what is staged runs already", 4)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"stagedVersion": "v3.59.0"})),
        row("no upgrade is the default", 4).policy(json!({"upgrade": null})),
        row("no upgrade of a client whose version nobody knows", 4)
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}}))
            .client(json!({"version": null}))
            .also(5),
        row("a version that cannot be read", 5).client(json!({"version": "unknown"})),
        row("an empty version counts as absent", 5).client(json!({"version": ""})),
        row("no version and no package", 5)
            .client(json!({"version": null}))
            .fleet(json!({"packageVersion": null}))
            .also(6),
        row("no package", 6).fleet(json!({"packageVersion": null})),
        row("a package that cannot be read", 6).fleet(json!({"packageVersion": "latest"})),
        row("a package from a fleet that is not there", 6)
            .fleet(json!({"packageVersion": null, "packageFrom": {"name": "gone"}})),
        row("both a package and one from elsewhere", 6)
            .fleet(json!({"packageFrom": {"name": "x"}})),
        row("the package is withdrawn", 7).fleet(json!({"withdrawnVersions": ["v3.60.0"]})),
        row("the locked version is withdrawn", 7)
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.60"}}))
            .fleet(json!({"withdrawnVersions": ["3.60"], "packageVersion": "3.61"})),
        row("withdrawn, and the client runs it with another one staged", 7)
            .fleet(json!({"withdrawnVersions": ["3.60"]}))
            .client(json!({"version": "3.60", "stagedVersion": "3.61"}))
            .also(8),
    ]
}

/// Returns the rows for rules 8 to 12.
fn at_the_target() -> Vec<Row> {
    vec![
        row("at the target, but a restart would leave it", 8)
            .client(json!({"version": "3.60", "stagedVersion": "3.61"}))
            .also(9),
        row("ahead of the target, and a restart would change it", 8)
            .client(json!({"version": "3.61", "stagedVersion": "3.60"})),
        row("at the target, and what is staged is the same", 9)
            .client(json!({"version": "3.60", "stagedVersion": "3.60.0+b7"})),
        row("at the target, spelled otherwise", 9).client(json!({"version": "v3.60.0.0"})),
        row("at the target, where even a downgrade is allowed", 9)
            .policy(json!({"upgrade": {"allowDowngrade": true}}))
            .client(json!({"version": "3.60"})),
        // The conditions of rule 10 also hold for a client at its target version, so rule 9 decides
        // only because it comes first.
        row("at the target, where no downgrade is allowed", 9)
            .client(json!({"version": "3.60"}))
            .also(10),
        row("ahead of the target", 10).client(json!({"version": "3.60.0.1"})),
        row("a release is ahead of its pre-release", 10)
            .fleet(json!({"packageVersion": "3.60-rc.1"}))
            .client(json!({"version": "3.60"})),
        row("ahead, and not seen for long", 10)
            .policy(json!({"offlineAfterDays": 30}))
            .client(json!({"version": "3.61", "lastSeen": "2026-10-01T00:00:00Z"}))
            .also(11),
        row("not seen for exactly as long", 11)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-23T11:00:00Z"})),
        row("not seen, with a fraction of a second that is dropped", 11)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-23T12:00:00.9+01:00"})),
        row("not seen for a second less", 21)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-23T11:00:01Z"})),
        row("never seen as far as can be read", 21)
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "yesterday"})),
        row("not seen for long, its target staged", 11)
            .policy(json!({"offlineAfterDays": 30}))
            .client(json!({"stagedVersion": "3.60", "lastSeen": "2026-10-01T00:00:00Z"}))
            .also(12),
        row("the target is staged", 12).client(json!({"stagedVersion": "3.60.0"})),
        row("the target is staged while distribution is closed", 12)
            .policy(json!({"distribution": night()}))
            .client(json!({"stagedVersion": "3.60"})),
        row("a downgrade is staged", 12)
            .policy(json!({"upgrade": {"allowDowngrade": true}}))
            .client(json!({"version": "3.61", "stagedVersion": "3.60"})),
        row("the locked version is staged, its package gone", 12)
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59.5"}}))
            .client(json!({"stagedVersion": "3.59.5"}))
            .also(13),
    ]
}

/// Returns the rows for rules 13 to 16.
fn before_the_time_range() -> Vec<Row> {
    let lock = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59.5"}});
    let failed = json!({"lastError": {"version": "3.60", "time": "2026-11-24T00:00:00Z"}});
    vec![
        row("a lock to a version that no server has", 13).policy(lock.clone()),
        row("a lock where the package is not known", 13)
            .policy(lock.clone())
            .fleet(json!({"packageVersion": null})),
        row("a lock to a retained version", 21)
            .policy(lock.clone())
            .fleet(json!({"retainedVersions": ["v3.59.5"]})),
        row("a lock to a version that no server has, and that failed", 13)
            .policy(lock)
            .client(json!({"lastError": {"version": "3.59.5"}}))
            .also(14),
        row("it failed a while ago", 14).client(failed.clone()),
        row("it failed nobody knows when", 14)
            .client(json!({"lastError": {"version": "3.60", "time": "?"}})),
        row("it failed, in a suspended policy", 14)
            .client(failed.clone())
            .policy(json!({"suspend": true}))
            .also(15),
        row("it failed with another version", 21).client(json!({"lastError": {"version": "3.58"}})),
        row("it failed a day ago", 21)
            .client(json!({"lastError": {"version": "3.60", "time": "2026-11-23T11:00:00Z"}})),
        row("it failed a day less a second ago", 14)
            .client(json!({"lastError": {"version": "3.60", "time": "2026-11-23T11:00:01Z"}})),
        row("it failed an hour ago, where an hour is enough", 21)
            .policy(json!({"upgrade": {"retryAfterHours": 1}}))
            .client(json!({"lastError": {"version": "3.60", "time": "2026-11-24T10:00:00Z"}})),
        row("the policy is suspended", 15).policy(json!({"suspend": true})),
        row("suspended, and the zone is missing", 15)
            .policy(json!({"suspend": true, "distribution": night()}))
            .fleet(json!({"timeZone": null}))
            .also(16),
        row("nobody names a zone", 16)
            .policy(json!({"distribution": night()}))
            .fleet(json!({"timeZone": null})),
        row("the zone is not spelled exactly", 16)
            .policy(json!({"distribution": excluding("2026-12-24", "2026-12-26")}))
            .fleet(json!({"timeZone": "europe/Berlin"})),
        row("no zone is needed", 21).fleet(json!({"timeZone": null})),
        row("the policy's zone holds for every client", 21)
            .policy(json!({"distribution": {"timeZone": "Asia/Tokyo", "windows": [{"start": "19:00", "end": "21:00"}]}}))
            .fleet(json!({"timeZone": null})),
        row("no zone, and the end has come", 16)
            .policy(json!({"distribution": night()}))
            .policy(json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}}))
            .fleet(json!({"timeZone": null}))
            .also(17),
    ]
}

/// Returns the rows for rules 17 to 22.
fn in_the_time_range() -> Vec<Row> {
    vec![
        row("the end has come", 17).policy(json!({"distribution": {"notAfter": "2026-11-24T11:00:00Z"}})),
        row("the end comes in a second", 21)
            .policy(json!({"distribution": {"notAfter": "2026-11-24T11:00:01Z"}})),
        row("the window opens only after the end", 17)
            .policy(json!({"distribution": night()}))
            .policy(json!({"distribution": {"notAfter": "2026-11-24T20:00:00Z"}})),
        row("it has not started, and what comes then is excluded to the end", 17)
            .policy(json!({"distribution": excluding("2026-11-25", "2026-11-30")}))
            .policy(json!({"distribution": {"notBefore": "2026-11-25T00:00:00Z", "notAfter": "2026-11-29T00:00:00Z"}}))
            .also(18),
        row("it has not started", 18).policy(json!({"distribution": {"notBefore": "2026-11-24T11:00:01Z"}})),
        row("it starts now", 21).policy(json!({"distribution": {"notBefore": "2026-11-24T11:00:00Z"}})),
        row("it has not started, on an excluded date", 18)
            .policy(json!({"distribution": excluding("2026-11-24", "2026-11-24")}))
            .policy(json!({"distribution": {"notBefore": "2026-11-26T00:00:00Z"}}))
            .also(19),
        row("an excluded date", 19).policy(json!({"distribution": excluding("2026-11-20", "2026-11-24")})),
        row("an excluded date, outside the windows", 19)
            .policy(json!({"distribution": excluding("2026-11-24", "2026-11-24")}))
            .policy(json!({"distribution": night()}))
            .also(20),
        row("the local date counts, not UTC's", 19)
            .policy(json!({"distribution": excluding("2026-11-25", "2026-11-25")}))
            .at("2026-11-24T23:00:00Z"),
        row("outside the windows", 20).policy(json!({"distribution": night()})).also(21),
        row("the window's start is in it", 21)
            .policy(json!({"distribution": night()}))
            .at("2026-11-24T21:00:00Z"),
        row("the window's end is not", 20)
            .policy(json!({"distribution": night()}))
            .at("2026-11-24T03:00:00Z"),
        row("the window belongs to the day on which it starts", 21)
            .policy(json!({"distribution": {"windows": [{"days": ["Monday"], "start": "22:00", "end": "04:00"}]}}))
            .at("2026-11-24T02:59:59Z"),
        row("and to no other", 20)
            .policy(json!({"distribution": {"windows": [{"days": ["Tuesday"], "start": "22:00", "end": "04:00"}]}}))
            .at("2026-11-24T02:59:59Z"),
        row("an upgrade is offered", 21).also(22),
        row("a pre-release moves up to its release", 21).client(json!({"version": "3.60-rc.2"})),
        row("another version is staged: the target replaces it", 21)
            .client(json!({"stagedVersion": "3.59.9"})),
        row("a downgrade is offered", 22)
            .policy(json!({"upgrade": {"allowDowngrade": true}}))
            .client(json!({"version": "3.61"})),
        row("a downgrade to a retained lock is offered", 22)
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.58", "allowDowngrade": true}}))
            .fleet(json!({"retainedVersions": ["3.58"]})),
    ]
}
