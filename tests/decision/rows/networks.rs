//! Defines the rows of the decision table about networks and unknown addresses.

use clientfleet::plan::rules::RuleName::*;
use serde_json::json;

use super::night;
use crate::case::{Row, row};

/// Returns the part of a policy's spec that selects networks in the list `list` of its scope.
pub fn networks(list: &str, cidrs: &[&str]) -> serde_json::Value {
    json!({"scope": {list: [{"cidrs": cidrs}]}})
}

const PLANT: [&str; 2] = ["10.20.0.0/16", "fd00:20::/32"];

/// Returns the rows about a network that a policy excludes, and about addresses that cannot be read.
pub fn with_an_excluded_network() -> Vec<Row> {
    let excluding = networks("exclude", &PLANT);
    vec![
        row("no address, and a network is excluded", AddressUnknown).policy(excluding.clone()),
        row("an empty address", AddressUnknown)
            .policy(excluding.clone())
            .client(json!({"ip": " , "})),
        row("an address with a zone alone", AddressUnknown)
            .policy(excluding.clone())
            .client(json!({"ip": "fe80::1%eth0"})),
        row("an address with a zone beside another", UpgradeOffered)
            .policy(excluding.clone())
            .client(json!({"ip": "fe80::1%eth0, 192.168.0.9"})),
        row("one of two addresses cannot be read", AddressUnknown)
            .policy(excluding.clone())
            .client(json!({"ip": "192.168.0.9, unknown"})),
        row("addresses are left out", AddressUnknown)
            .policy(excluding.clone())
            .client(json!({"ip": "192.168.0.9, ..."})),
        row("an address that is not ASCII", AddressUnknown)
            .policy(excluding.clone())
            .client(json!({"ip": "192.168.0.9\u{a0}192.168.0.10"})),
        row("one of two is excluded, the other cannot be read", NoMatchingPolicy)
            .policy(excluding.clone())
            .client(json!({"ip": "unknown 10.20.7.7"})),
        row("a mapped address is excluded", NoMatchingPolicy)
            .policy(excluding.clone())
            .client(json!({"ip": "::ffff:10.20.7.7"})),
        row("the other criterion of the excluding selector does not match", UpgradeOffered)
            .policy(json!({"scope": {"exclude": [{"cidrs": PLANT, "users": ["ann"]}]}})),
        row("the other criterion of the excluding selector matches", AddressUnknown)
            .policy(json!({"scope": {"exclude": [{"cidrs": PLANT, "search": "pc"}]}})),
        row("excluded by name as well", NoMatchingPolicy)
            .policy(json!({"scope": {"exclude": [{"cidrs": PLANT}, {"names": ["pc"]}]}})),
    ]
}

/// Returns the rows about policies of which one may hold the client, as its address is unknown.
pub fn with_a_hold_in_doubt() -> Vec<Row> {
    let excluding = networks("exclude", &PLANT);
    let holding = networks("clients", &PLANT);
    let both = json!({"scope": {
        "clients": [{"cidrs": PLANT}], "exclude": [{"cidrs": ["10.20.1.0/24"]}],
    }});
    vec![
        row("a network that distributes, and no address", NoMatchingPolicy).policy(holding.clone()),
        row("a network that distributes, and one readable address in it", UpgradeOffered)
            .policy(holding.clone())
            .client(json!({"ip": "unknown, fd00:20::7"})),
        row("in doubt, but included by name as well", UpgradeOffered)
            .policy(json!({"scope": {"clients": [{"cidrs": PLANT}, {"names": ["pc"]}]}})),
        row("a hold in doubt before an offer", AddressUnknown).hold(holding.clone()),
        row("a hold in doubt before a hold", NoUpgrade)
            .hold(holding.clone())
            .policy(json!({"upgrade": {"mode": "NoUpgrade"}})),
        row("a hold in doubt before a suspended policy", PolicySuspended)
            .hold(holding.clone())
            .policy(json!({"suspend": true})),
        row("a hold in doubt before nothing", NoMatchingPolicy).hold(holding.clone()).no_policy(),
        row("a hold in doubt before an exclusion in doubt", AddressUnknown)
            .hold(holding.clone())
            .policy(excluding.clone()),
        row("a hold in doubt before an offer in doubt", NoMatchingPolicy)
            .hold(holding.clone())
            .policy(holding.clone()),
        row("a suspended policy in doubt before an offer", AddressUnknown).hold(
            json!({"suspend": true, "upgrade": {"mode": "AutoUpgrade"}, "scope": both["scope"]}),
        ),
        row("an invalid policy in doubt before an offer", AddressUnknown)
            .hold(json!({"distribution": {"timeZone": "Mars"}, "scope": holding["scope"]})),
        row("a hold whose exclusion is in doubt holds", NoUpgrade).hold(excluding.clone()),
        row("a hold in doubt that is not effective yet", UpgradeOffered)
            .hold(json!({"effectiveFrom": "2026-11-24T11:00:01Z", "scope": holding["scope"]})),
        row("an offer in doubt is passed over", UpgradeOffered)
            .hold(json!({"upgrade": {"mode": "AutoUpgrade"}, "scope": holding["scope"]})),
    ]
}

/// Returns the rows about other rules that hold as well for a client with an unknown address.
pub fn with_an_unknown_address() -> Vec<Row> {
    let excluding = networks("exclude", &PLANT);
    let holding = networks("clients", &PLANT);
    vec![
        row("in doubt, and no version", ClientVersionUnreadable)
            .policy(excluding.clone())
            .client(json!({"version": null})),
        row("in doubt, and the target is withdrawn", PackageWithdrawn)
            .policy(excluding.clone())
            .fleet(json!({"withdrawnVersions": ["3.60"]})),
        row("in doubt, and at the target", AtTarget)
            .policy(excluding.clone())
            .client(json!({"version": "3.60"})),
        row("in doubt, and ahead", DowngradeNotAllowed)
            .policy(excluding.clone())
            .client(json!({"version": "3.61"})),
        row("in doubt, and not seen", NotSeen)
            .policy(excluding.clone())
            .policy(json!({"offlineAfterDays": 1}))
            .client(json!({"lastSeen": "2026-11-20T00:00:00Z"})),
        row("in doubt, and the target is staged", RestartPending)
            .hold(holding)
            .client(json!({"stagedVersion": "3.60"}))
            .also(AddressUnknown),
        row("in doubt, and the package is missing", AddressUnknown)
            .policy(excluding.clone())
            .policy(json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59.5"}}))
            .also(PackageUnavailable),
        row("in doubt, outside the windows", AddressUnknown)
            .policy(excluding)
            .policy(json!({"distribution": night()})),
    ]
}
