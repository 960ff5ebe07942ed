//! Tests the error messages for keys without a value (`null`), which a client-side `kubectl apply`
//! drops, so that a policy governs more clients than its file seems to say.

use crate::{Case, case, fleet, policy, told_of};

fn empty(name: &'static str, content: String, field: &'static str) -> Case {
    case(name, content, &["(null)", field])
}

/// Returns policies with keys whose content was commented out, indented wrongly or forgotten.
fn in_policies() -> Vec<Case> {
    let auto = |rest: &str| policy(&format!("upgrade: {{mode: AutoUpgrade}}\n{rest}"));
    vec![
        case(
            "windows commented out",
            auto("distribution:\n  timeZone: UTC\n  windows:\n#  - {start: '22:00', end: '05:00'}"),
            &[
                "a.yaml, document 1 (UpgradePolicy default/nights), spec.distribution.windows: is \
                 empty (null): ",
                "leave `windows` out to distribute at any hour",
            ],
        ),
        case(
            "exclude commented out",
            auto("scope:\n  clients: [{search: x}]\n  exclude:\n#  - {search: kiosk}"),
            &["spec.scope.exclude: is empty (null): ", "leave `exclude` out to exclude nobody"],
        ),
        case(
            "scope commented out",
            auto("scope:\n# clients: [{search: canary}]"),
            &["spec.scope: is empty (null): ", "leave `scope` out to mean every client"],
        ),
        empty("exclusions", auto("distribution: {exclusions: }"), "spec.distribution.exclusions:"),
        empty("effectiveUntil", auto("effectiveUntil:"), "spec.effectiveUntil:"),
        empty("offlineAfterDays", auto("offlineAfterDays: ~"), "spec.offlineAfterDays:"),
        empty("a priority with a default", auto("priority:"), "spec.priority:"),
        empty("upgrade", policy("upgrade:\nmode: AutoUpgrade"), "spec.upgrade:"),
        empty("mode", policy("upgrade:\n  mode:"), "spec.upgrade.mode:"),
        empty(
            "start",
            auto("distribution: {windows: [{start: , end: '05:00'}]}"),
            "windows[0].start",
        ),
        empty("matchLabels", auto("scope: {fleetSelector: {matchLabels: }}"), "matchLabels:"),
        empty(
            "a label to match",
            auto("scope: {fleetSelector: {matchLabels: {a: }}}"),
            "matchLabels[a]",
        ),
        empty(
            "a selector",
            auto("scope:\n  clients:\n  -\n  - search: a"),
            "spec.scope.clients[0]:",
        ),
    ]
}

fn in_fleets() -> Vec<Case> {
    let clients =
        |client: &str| fleet(&format!("packageVersion: '1'\nclients:\n- name: a\n  {client}"));
    vec![
        empty("clients", fleet("packageVersion: '1'\nclients:\n# - name: a"), "spec.clients:"),
        empty("packageVersion", fleet("packageVersion:"), "spec.packageVersion:"),
        empty("labels", clients("labels:"), "spec.clients[0].labels:"),
        empty("a label", clients("labels: {ring: }"), "spec.clients[0].labels[ring]:"),
        empty("reported", clients("reported:"), "spec.clients[0].reported:"),
        empty(
            "stagedVersion",
            clients("reported: {stagedVersion: null}"),
            "reported.stagedVersion:",
        ),
        empty("a client's name", clients("labels: {}\n- name:"), "spec.clients[1].name:"),
        empty("a client", clients("labels: {}\n-"), "spec.clients[1]:"),
        empty(
            "a version",
            fleet("packageVersion: '1'\nretainedVersions: ['0', ]\nwithdrawnVersions: [~]"),
            "withdrawnVersions[0]:",
        ),
    ]
}

fn outside_the_spec() -> Vec<Case> {
    vec![
        empty(
            "metadata",
            fleet("packageVersion: '1'")
                .replace("name: berlin", "name: berlin, labels: , namespace: "),
            "metadata.labels:",
        ),
        empty(
            "a label of the fleet",
            fleet("packageVersion: '1'").replace("name: berlin", "name: berlin, labels: {site: }"),
            "metadata.labels[site]:",
        ),
        case(
            "a name",
            fleet("packageVersion: '1'").replace("name: berlin", "name: "),
            &["metadata.name: is empty (null)"],
        ),
        case(
            "items",
            "apiVersion: v1\nkind: List\nitems:\n# - kind: ClientFleet\n",
            &["items: is empty (null)"],
        ),
        case(
            "JSON",
            "{\"apiVersion\": \"clientfleet.dev/v1alpha1\", \"kind\": \"UpgradePolicy\", \
             \"metadata\": {\"name\": \"a\"}, \"spec\": {\"scope\": null}}",
            &["spec.scope: is empty (null)"],
        ),
    ]
}

/// Returns the same empty key for each command that reads files.
fn in_other_commands() -> Vec<Case> {
    let policy = policy("scope:").into_bytes();
    let one = fleet("packageVersion: '1'").into_bytes();
    let commands: [(&'static str, &[&'static str]); 4] = [
        ("in old files", &["plan", "--local", "-f", "one.yaml", "--against", "a.yaml"]),
        ("in new files", &["plan", "--local", "-f", "a.yaml", "--against", "one.yaml"]),
        ("in explain", &["explain", "a", "--local", "-f", "a.yaml"]),
        ("in windows", &["windows", "nights", "--local", "-f", "a.yaml"]),
    ];
    let files = vec![("a.yaml", policy), ("one.yaml", one)];
    let says =
        vec!["a.yaml, document 1 (UpgradePolicy default/nights), spec.scope: is empty (null)"];
    let case = |(name, arguments): (&'static str, &[&'static str])| Case {
        name,
        files: files.clone(),
        arguments: arguments.to_vec(),
        says: says.clone(),
    };
    commands.into_iter().map(case).collect()
}

#[test]
fn every_empty_key_is_told() {
    let cases = [in_policies(), in_fleets(), outside_the_spec(), in_other_commands()];
    insta::assert_snapshot!("empty_keys", told_of(&cases));
}
