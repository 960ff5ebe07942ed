//! Tests the command `windows`, which draws a calendar of weeks and lists time windows.
//!
//! Most tests pass a policy and time zones to the command; the others use policies and fleets in
//! the cluster.

use std::process::Output;

use serde_json::Value;

use crate::estate::{DAY, command, examples, of_examples, run_with, transcript, transcript_with};

fn drawn(policy: &str, at: &str, zones: &[&str]) -> String {
    let mut arguments = vec!["windows", "it", "--local", "-f", "-"];
    arguments.extend(zones.iter().flat_map(|zone| ["--zone", zone]));
    transcript_with(at, &arguments, policy)
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: clientfleet.dev/v1alpha1\nkind: UpgradePolicy\nmetadata: {{name: it}}\nspec: {spec}\n"
    )
}

fn windows(windows: &str) -> String {
    policy(&format!("{{upgrade: {{mode: AutoUpgrade}}, distribution: {{windows: [{windows}]}}}}"))
}

#[test]
fn days_on_which_the_clock_is_set() {
    let night = windows(r#"{start: "22:00", end: "04:00"}"#);
    let berlin = drawn(&night, "2026-03-27T12:00:00Z", &["Europe/Berlin"]);
    insta::assert_snapshot!("berlin_loses_an_hour", berlin);
    let berlin = drawn(&night, "2026-10-23T12:00:00Z", &["Europe/Berlin"]);
    insta::assert_snapshot!("berlin_gains_an_hour", berlin);
    let vancouver = drawn(&night, "2026-03-06T12:00:00Z", &["America/Vancouver"]);
    insta::assert_snapshot!("vancouver_goes_to_summer_time_for_good", vancouver);
    // In Berlin, the half hour from 02:30 to 03:00 occurs twice on 25 October, so the command must
    // print both times with their UTC offset.
    let hour = windows(r#"{start: "02:30", end: "03:00"}"#);
    let berlin = drawn(&hour, "2026-10-24T12:00:00Z", &["Europe/Berlin"]);
    insta::assert_snapshot!("berlin_says_which_hour", berlin);
    // Lord Howe Island moves its clock by 30 minutes: forward in October and back in April. Both
    // changes happen within this window.
    let small = windows(r#"{start: "01:45", end: "02:45"}"#);
    let both = ["2026-04-03T12:00:00Z", "2026-10-02T12:00:00Z"];
    let lord_howe = both.map(|at| drawn(&small, at, &["Australia/Lord_Howe"]));
    insta::assert_snapshot!("lord_howe", lord_howe.join("\n"));
}

#[test]
fn windows_of_all_sorts() {
    let odd = windows(
        r#"{days: [Friday], start: "23:50", end: "00:10"}, {days: [Sunday], start: "12:00", end: "24:00"}, {days: [Monday], start: "00:00", end: "01:15"}"#,
    );
    insta::assert_snapshot!(
        "over_midnight_and_parts_of_hours",
        drawn(&odd, DAY, &["Europe/Berlin"])
    );
    let freeze = policy(
        r#"
  upgrade: {mode: AutoUpgrade}
  distribution:
    timeZone: Asia/Tokyo
    windows: [{start: "20:00", end: "06:00"}]
    notBefore: "2026-12-21T15:00:00Z"
    exclusions:
      - {name: year end, startDate: 2026-12-24, endDate: 2027-01-03}
      - {name: long past, startDate: 2026-01-01, endDate: 2026-01-03}
      - {name: inventory, startDate: 2027-03-31, endDate: 2027-03-31}"#,
    );
    insta::assert_snapshot!("a_freeze", drawn(&freeze, "2026-12-21T12:00:00Z", &[]));
    let only_exclusions = policy(
        r"{upgrade: {mode: AutoUpgrade}, distribution: {exclusions: [{name: a day, startDate: 2026-11-26, endDate: 2026-11-26}]}}",
    );
    insta::assert_snapshot!(
        "excluded_days_alone",
        drawn(&only_exclusions, DAY, &["Asia/Kathmandu"])
    );
}

#[test]
fn windows_of_the_month_and_yearly_exclusions() {
    let tuesday = policy(
        r#"
  upgrade: {mode: AutoUpgrade}
  distribution:
    windows: [{days: [Tuesday], weeksOfMonth: [Second, Last], offsetDays: 3, start: "22:00", end: "05:00"}]
    exclusions:
      - {name: year end, startDate: 2020-12-24, endDate: 2021-01-02, yearly: true}
      - {name: leap day, startDate: 2024-02-29, endDate: 2024-02-29, yearly: true}
      - {name: to begin in 2030, startDate: 2030-06-01, endDate: 2030-06-02, yearly: true}
      - {name: long past, startDate: 2026-01-01, endDate: 2026-01-03}"#,
    );
    insta::assert_snapshot!(
        "in_a_yearly_exclusion",
        drawn(&tuesday, "2027-01-01T12:00:00Z", &["Europe/Berlin"])
    );
    let no_gap = windows(
        r#"{weeksOfMonth: [First, Second, Third, Fourth, Last], start: "00:00", end: "24:00"}"#,
    );
    let no_day = policy(
        r"{upgrade: {mode: AutoUpgrade}, distribution: {exclusions: [
          {name: first half, startDate: 2020-01-01, endDate: 2020-06-30, yearly: true},
          {name: second half, startDate: 2021-07-01, endDate: 2021-12-31, yearly: true}]}}",
    );
    let ends = [no_gap, no_day].map(|policy| drawn(&policy, DAY, &["Europe/Berlin"]));
    insta::assert_snapshot!("always_and_never_open", ends.join("\n"));
}

#[test]
fn policies_that_need_no_drawing_or_are_off() {
    let cases = [
        ("{upgrade: {mode: AutoUpgrade}}", DAY),
        (
            "{upgrade: {mode: AutoUpgrade}, distribution: {notBefore: \"2026-12-01T08:00:00Z\", notAfter: \"2026-12-03T08:00:00Z\"}}",
            DAY,
        ),
        ("{upgrade: {mode: AutoUpgrade}, distribution: {notAfter: \"2026-11-01T08:00:00Z\"}}", DAY),
        ("{}", DAY),
        (
            "{effectiveFrom: \"2026-12-19T00:00:00Z\", effectiveUntil: \"2027-01-04T06:00:00Z\"}",
            DAY,
        ),
        (
            "{suspend: true, upgrade: {mode: AutoUpgrade}, effectiveFrom: \"2026-12-01T00:00:00Z\"}",
            DAY,
        ),
        ("{upgrade: {mode: AutoUpgrade}, effectiveUntil: \"2026-11-01T00:00:00Z\"}", DAY),
        (
            "{upgrade: {mode: AutoUpgrade}, distribution: {timeZone: Europe/Brelin, windows: [{start: \"22:00\", end: \"04:00\"}]}}",
            DAY,
        ),
    ];
    let pages = cases.map(|(spec, at)| format!("spec: {spec}\n{}", drawn(&policy(spec), at, &[])));
    insta::assert_snapshot!("without_a_drawing", pages.join("\n"));
    let brief = policy(
        r#"{suspend: true, effectiveFrom: "2026-11-25T22:30:00Z", effectiveUntil: "2026-11-27T02:00:00Z", upgrade: {mode: AutoUpgrade}, distribution: {windows: [{start: "22:00", end: "04:00"}]}}"#,
    );
    insta::assert_snapshot!("effective_for_a_while", drawn(&brief, DAY, &["Europe/Berlin"]));
}

#[test]
fn what_is_asked_wrongly() {
    let own = policy("{upgrade: {mode: AutoUpgrade}, distribution: {timeZone: Asia/Tokyo}}");
    let twice = format!("{own}---\n{}", own.replace("name: it", "name: it, namespace: other"));
    let pages = [
        drawn(&own, DAY, &["Europe/Berlin"]),
        drawn(&own, DAY, &["europe/berlin"]),
        drawn(&twice, DAY, &[]),
        transcript_with(DAY, &["windows", "its", "--local", "-f", "-"], &own),
        drawn(&own.replace("Upgrade}", "Upgrad}"), DAY, &[]),
        transcript(DAY, &["windows", "it", "--local"]),
        transcript(DAY, &["windows", "it", "-f", "examples"]),
        transcript(DAY, &["windows", "it", "--days", "0"]),
    ];
    insta::assert_snapshot!("asked_wrongly", pages.join("\n"));
}

/// Manifests of the policy `it`, of policies with higher, equal and lower priorities, and of two
/// fleets. The scope of `it` includes only the fleet `a`.
const TAKEN_OVER: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: it}
spec: {priority: 5, upgrade: {mode: AutoUpgrade}, scope: {fleetSelector: {matchLabels: {site: a}}}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: freeze}
spec: {priority: 6, effectiveFrom: '2026-11-30T00:00:00Z', effectiveUntil: '2026-12-24T00:00:00Z'}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: under-way}
spec: {priority: 5, effectiveUntil: '2026-11-26T00:00:00Z', upgrade: {mode: AutoUpgrade}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: already}
spec: {priority: 6, effectiveUntil: '2026-11-27T00:00:00Z'}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: elsewhere}
spec: {priority: 7, effectiveFrom: '2026-11-30T00:00:00Z', scope: {fleetSelector: {matchLabels: {site: b}}}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: much-later}
spec: {priority: 8, effectiveFrom: '2026-12-30T00:00:00Z'}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: lower}
spec: {priority: 4, effectiveFrom: '2026-11-30T00:00:00Z'}
---
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: a, labels: {site: a}}
spec: {packageVersion: '1.0', clients: [{name: c, reported: {version: '1.0'}}]}
---
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: b, labels: {site: b}}
spec: {packageVersion: '1.0'}
";

#[test]
fn policies_that_come_before_it_for_a_time() {
    let of_files = drawn(TAKEN_OVER, DAY, &[]);
    insta::assert_snapshot!("taken_over", of_files);
    crate::estate::namespace("windows-over");
    crate::estate::apply(
        &TAKEN_OVER.replace("metadata: {", "metadata: {namespace: windows-over, "),
    );
    let of_cluster = transcript(DAY, &["windows", "it", "-n", "windows-over"]);
    let body = |page: &str| page.lines().skip(2).map(ToOwned::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&of_cluster), body(&of_files));
    // This user may get a policy but may not list policies. The command must warn that it cannot
    // find the policies of higher precedence.
    let (what, which) = ("get", "upgradepolicies.clientfleet.dev");
    let alone = super::running::user("windows-alone", "windows-over", what, which);
    let page =
        transcript(DAY, &["windows", "freeze", "-n", "windows-over", "--kubeconfig", &alone]);
    assert!(page.contains("warning: which policies come before it is not known"), "{page}");
    assert!(page.contains("[exit code 0]"), "{page}");
}

#[test]
fn of_the_examples_in_the_cluster() {
    of_examples("windows", DAY);
    let ask = |policy: &str| transcript(DAY, &["windows", policy, "-n", "windows"]);
    insta::assert_snapshot!("nights_and_weekends", ask("nights-and-weekends"));
    insta::assert_snapshot!("new_york_holidays", ask("new-york-holidays"));
    insta::assert_snapshot!("no_upgrade", ask("nothing-by-default"));
    let failures = [
        ask("nobody"),
        ask("../clientfleets/berlin"),
        transcript(DAY, &["windows", "canary", "-n", "nowhere"]),
    ];
    insta::assert_snapshot!("not_there", failures.join("\n"));
}

#[test]
fn data_says_the_same_from_files_and_in_both_formats() {
    let text = examples("from-files");
    let ask = |format: &str| {
        let arguments = ["windows", "nights-and-weekends", "--local", "-f", "-", "-o", format];
        let Output { status, stdout, .. } = run_with(command(DAY, &arguments), &text);
        assert_eq!(status.code(), Some(0));
        String::from_utf8(stdout).unwrap()
    };
    let of_json: Value = serde_json::from_str(&ask("json")).unwrap();
    let of_yaml = crate::estate::documents(&ask("yaml")).remove(0);
    assert_eq!(of_json, of_yaml);
    let mut first = of_json;
    for zone in first["zones"].as_array_mut().unwrap() {
        zone["openings"].as_array_mut().unwrap().truncate(1);
        zone["week"].as_array_mut().unwrap().truncate(1);
    }
    insta::assert_yaml_snapshot!("as_data", first);
}

#[test]
fn everything_fits_80_columns() {
    let night = windows(r#"{start: "22:00", end: "04:00"}"#);
    for zone in ["America/Argentina/ComodRivadavia", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        for day in (1..360).step_by(30) {
            let at = chrono::DateTime::from_timestamp(1_764_000_000 + day * 86_400, 0).unwrap();
            let page = drawn(&night, &at.to_rfc3339(), &[zone]);
            for line in page.lines().skip(1) {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
