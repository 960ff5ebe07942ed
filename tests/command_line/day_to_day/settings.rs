//! Tests the command `settings`.

use serde_json::Value;

use super::racing_proxy::race;
use super::running::{BOTH, user};
use crate::estate::{DAY, apply, json, namespace, of_examples, plane, settle_at, transcript};

fn ask(namespace: &str, policy: &str, more: &[&str]) -> String {
    transcript(DAY, &[&["settings", policy, "-n", namespace], more].concat())
}

fn upgrade_of(namespace: &str, policy: &str) -> Value {
    let get = ["get", "upol", policy, "-n", namespace, "-o", "json"];
    let object: Value = serde_json::from_str(&plane().kubectl_ok(&get, "").unwrap()).unwrap();
    object["spec"]["upgrade"].clone()
}

fn edit(namespace: &str, policy: &str, patch: &str) {
    let arguments = ["patch", "upol", policy, "-n", namespace, "--type=merge", "-p", patch];
    plane().kubectl_ok(&arguments, "").unwrap();
}

#[test]
fn the_choices_of_the_examples() {
    of_examples("settings", DAY);
    let lists = [
        ask("settings", "nights-and-weekends", &[]),
        ask("settings", "finance-locked", &[]),
        ask("settings", "lab-downgrade", &[]),
        ask("settings", "finance-locked", &["-o", "yaml"]),
        ask("settings", "nobody", &[]),
    ];
    insta::assert_snapshot!("lists", lists.join("\n"));
}

#[test]
fn a_choice_is_made() {
    of_examples("settings-made", DAY);
    let ask = |more: &[&str]| ask("settings-made", "finance-locked", more);
    let before = upgrade_of("settings-made", "finance-locked");
    let trials = [
        ask(&["--select", "2", "--dry-run=client"]),
        ask(&["--select", "OnlyUpgradeTo=3.59.127", "--dry-run=server", "-o", "json"]),
    ];
    assert_eq!(upgrade_of("settings-made", "finance-locked"), before);
    let same = ask(&["--select", "OnlyUpgradeTo=v3.58.110"]);
    let auto = ask(&["--select", "AutoUpgrade"]);
    let after = upgrade_of("settings-made", "finance-locked");
    assert_eq!((&after["mode"], &after["version"]), (&"AutoUpgrade".into(), &Value::Null));
    assert_eq!(after["allowDowngrade"], before["allowDowngrade"]);
    let behind = ask(&[]);
    settle_at("settings-made", DAY);
    let settled = ask(&[]);
    let none = ask(&["--select", "1"]);
    let pages = [&trials[..], &[same, auto, behind, settled, none]].concat();
    insta::assert_snapshot!("made", pages.join("\n"));
}

#[test]
fn down_only_where_it_is_allowed() {
    of_examples("settings-down", DAY);
    let ask = |policy: &str| {
        let select = ["--select", "OnlyUpgradeTo=3.57.98.2", "--any", "--dry-run=client"];
        ask("settings-down", policy, &select)
    };
    insta::assert_snapshot!("down", [ask("canary"), ask("lab-downgrade")].join("\n"));
    edit("settings-down", "canary", r#"{"spec": {"upgrade": {"allowDowngrade": true}}}"#);
    insta::assert_snapshot!("down_allowed", ask("canary"));
}

#[test]
fn what_is_no_choice_is_refused() {
    of_examples("settings-no", DAY);
    let select = |choice: &str| ask("settings-no", "nights-and-weekends", &["--select", choice]);
    let before = upgrade_of("settings-no", "nights-and-weekends");
    let pages = [
        select("OnlyUpgradeTo=9.9"),
        select("9"),
        select("0"),
        select("OnlyUpgradeTo"),
        select("OnlyUpgradeTo=new"),
        select("latest"),
        ask("settings-no", "nights-and-weekends", &["--any"]),
        ask("settings-no", "nights-and-weekends", &["--dry-run=client"]),
    ];
    assert_eq!(upgrade_of("settings-no", "nights-and-weekends"), before);
    insta::assert_snapshot!("refused", pages.join("\n"));
    let any = ["--select", "OnlyUpgradeTo=9.9", "--any"];
    insta::assert_snapshot!("any", ask("settings-no", "nights-and-weekends", &any));
    assert_eq!(upgrade_of("settings-no", "nights-and-weekends")["version"], "9.9");
}

#[test]
fn what_is_kept_in_git_is_changed_there() {
    namespace("settings-git");
    let policy = "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {namespace: settings-git, name: NAME}
spec: {upgrade: {mode: OnlyUpgradeTo, version: '3.10'}}
";
    let as_manager = |manager: &str, text: &str| {
        let manager = format!("--field-manager={manager}");
        plane()
            .kubectl_ok(&["apply", "--server-side", "--force-conflicts", &manager, "-f", "-"], text)
            .unwrap();
    };
    as_manager("kustomize-controller", &policy.replace("NAME", "by-flux"));
    apply(&policy.replace("NAME}", "by-argo, labels: {argocd.argoproj.io/instance: clients}}"));
    let ask = |policy: &str, more: &[&str]| {
        ask("settings-git", policy, &[&["--select", "AutoUpgrade", "--any"], more].concat())
    };
    let pages = [
        ask("by-flux", &[]),
        ask("by-argo", &["--dry-run=client"]),
        transcript(
            DAY,
            &[
                "settings",
                "by-flux",
                "-n",
                "settings-git",
                "--select",
                "OnlyUpgradeTo=3.20",
                "--any",
            ],
        ),
        ask("by-flux", &["-o", "json"]),
    ];
    assert_eq!(upgrade_of("settings-git", "by-flux")["version"], "3.10");
    let forced = ask("by-flux", &["--force"]);
    assert_eq!(upgrade_of("settings-git", "by-flux")["mode"], "AutoUpgrade");
    insta::assert_snapshot!("kept_in_git", [&pages[..], &[forced]].concat().join("\n"));
    // For a policy that is kept in Git, the command only prints YAML. The API server must accept
    // this YAML, and the version in the YAML must be a string.
    let text =
        &pages[2].lines().skip(1).take_while(|line| !line.starts_with('[')).collect::<Vec<_>>();
    as_manager("kustomize-controller", &text.join("\n"));
    assert_eq!(upgrade_of("settings-git", "by-flux")["version"], "3.20");
}

#[test]
fn somebody_else_is_faster() {
    of_examples("settings-race", DAY);
    let policy = "nights-and-weekends";
    let other = race("spec", "PATCH", move || {
        edit("settings-race", policy, r#"{"spec": {"upgrade": {"allowDowngrade": true}}}"#);
    });
    let select = |choice: &str, kubeconfig: &str| {
        ask("settings-race", policy, &["--select", choice, "--kubeconfig", kubeconfig])
    };
    let refused = select("NoUpgrade", &other.kubeconfig);
    assert_eq!(upgrade_of("settings-race", policy)["mode"], "AutoUpgrade");
    // The command must not report a conflict if only an annotation changes at the same time.
    let status = race("status", "PATCH", move || {
        edit("settings-race", policy, r#"{"metadata": {"annotations": {"seen": "yes"}}}"#);
    });
    let made = select("NoUpgrade", &status.kubeconfig);
    assert_eq!(upgrade_of("settings-race", policy)["mode"], "NoUpgrade");
    insta::assert_snapshot!("somebody_else", [refused, made].join("\n"));
}

#[test]
fn rights_that_are_missing() {
    of_examples("settings-rights", DAY);
    let reader = user("settings-reader", "settings-rights", "get,list,watch", BOTH);
    let policies = "upgradepolicies.clientfleet.dev";
    let policies_only = user("settings-policies", "settings-rights", "get,patch", policies);
    let ask = |more: &[&str]| ask("settings-rights", "canary", more);
    let pages = [
        ask(&["--select", "1", "--kubeconfig", &reader]),
        ask(&["--kubeconfig", &policies_only]),
        ask(&["--select", "1", "--kubeconfig", &policies_only]),
    ];
    insta::assert_snapshot!("rights", pages.join("\n"));
    let listed = json(DAY, &["settings", "canary", "-n", "settings-rights", "-o", "json"]);
    assert_eq!(listed["today"]["mode"], "NoUpgrade");
    assert_eq!(listed["statusIsBehind"], true);
}

#[test]
fn policies_that_do_nothing_now() {
    let place = "settings-still";
    of_examples(place, DAY);
    let pages = [
        ask(place, "year-end-freeze", &[]),
        ask(place, "year-end-freeze", &["--select", "AutoUpgrade", "--dry-run=client"]),
    ];
    edit(place, "canary", r#"{"spec": {"suspend": true}}"#);
    edit(
        place,
        "nights-and-weekends",
        r#"{"spec": {"distribution": {"timeZone": "Europe/Brelin"}}}"#,
    );
    edit(place, "sales-autumn", r#"{"spec": {"effectiveUntil": "2026-11-20T00:00:00Z"}}"#);
    settle_at(place, DAY);
    let more = [
        ask(place, "canary", &[]),
        ask(place, "canary", &["--select", "NoUpgrade", "--dry-run=client"]),
        ask(place, "nights-and-weekends", &[]),
        ask(place, "sales-autumn", &["--select", "NoUpgrade", "--dry-run=client"]),
    ];
    insta::assert_snapshot!("still", [&pages[..], &more].concat().join("\n"));
}
