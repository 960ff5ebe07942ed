//! Tests that kstatus and Argo CD report the expected health for the object in each test case.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, shared};
use crate::judges::{Verdict, judge};
use crate::live::{Case, cases};

fn objects(cases: &[Case]) -> impl Iterator<Item = &Value> {
    cases.iter().map(|case| &case.object)
}

/// Formats the verdicts of a tool for a snapshot. Panics if a verdict differs from the expected
/// one.
fn compared(cases: &[Case], verdicts: &[Verdict], expected: fn(&Case) -> &str) -> String {
    assert_eq!(cases.len(), verdicts.len());
    let mut lines = String::new();
    let mut wrong = String::new();
    for (case, Verdict { status, message, .. }) in cases.iter().zip(verdicts) {
        writeln!(lines, "{}: {status}: {message}", case.what).unwrap();
        if status != expected(case) {
            writeln!(wrong, "{} is {status}: {message}\n{:#}", case.what, case.object).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn kstatus_judges_each_condition_as_it_is() {
    let cases = cases().await;
    let verdicts = judge("kstatus", shared(), objects(cases));
    insta::assert_snapshot!("kstatus", compared(cases, &verdicts, |case| case.kstatus));
}

fn argocd(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/argocd").join(path)
}

const KINDS: [&str; 2] = ["ClientFleet", "UpgradePolicy"];

/// Installs Argo CD's default ConfigMap, with the label by which Argo CD finds it.
fn install_argocd_settings(plane: &ControlPlane) {
    let settings = "\
apiVersion: v1
kind: Namespace
metadata: {name: argocd}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels: {app.kubernetes.io/part-of: argocd}
";
    plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], settings).unwrap();
}

/// Installs our health checks for Argo CD, as `docs/gitops.md` describes.
fn install_our_checks(plane: &ControlPlane) {
    let file = argocd("argocd-cm.yaml").display().to_string();
    let patch = ["patch", "configmap", "argocd-cm", "-n", "argocd", "--patch-file", &file];
    plane.kubectl_ok(&patch, "").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_judges_each_condition_as_it_is() {
    let cases = cases().await;
    let plane = shared();
    install_argocd_settings(plane);
    let verdicts = judge("argocd", plane, objects(cases));
    let opinions = verdicts.iter().filter(|verdict| verdict.message != "Pending deletion");
    for verdict in opinions {
        assert_eq!(verdict.status, "", "without our checks Argo CD has no opinion: {verdict:?}");
    }

    install_our_checks(plane);
    let verdicts = judge("argocd", plane, objects(cases));
    insta::assert_snapshot!("argocd", compared(cases, &verdicts, |case| case.argocd));
    argo_cd_s_own_tests_hold(plane);
}

/// Runs our health checks on the test files in `docs/argocd`. The files have the format of the
/// tests in Argo CD's repository: objects, and the expected health of each object.
fn argo_cd_s_own_tests_hold(plane: &ControlPlane) {
    for kind in KINDS {
        let folder = argocd("clientfleet.dev").join(kind);
        let read = |path: &str| -> Value {
            serde_saphyr::from_str(&fs::read_to_string(folder.join(path)).unwrap()).unwrap()
        };
        let tests = read("health_test.yaml");
        let tests = tests["tests"].as_array().unwrap();
        let path = |test: &Value| test["inputPath"].as_str().unwrap().to_owned();
        let inputs: Vec<Value> = tests.iter().map(|test| read(&path(test))).collect();
        let files = fs::read_dir(folder.join("testdata")).unwrap().count();
        assert_eq!(inputs.len(), files, "{kind}: each file of testdata is an input");
        for (test, said) in tests.iter().zip(judge("argocd", plane, &inputs)) {
            let said = json!({"status": said.status, "message": said.message});
            assert_eq!(test["healthStatus"], said, "{kind}/{}", path(test));
        }
    }
}

/// Checks that `argocd-cm.yaml` contains the current health scripts. Run with `UPDATE_ARGOCD=1` to
/// update the file after a script has changed.
#[test]
fn the_settings_for_argo_cd_hold_the_scripts_as_they_are() {
    let mut settings = "\
# Health of clientfleet's two kinds, for the ConfigMap argocd-cm of Argo CD:
#   kubectl patch configmap argocd-cm -n argocd --patch-file argocd-cm.yaml
data:
"
    .to_owned();
    for kind in KINDS {
        let script =
            fs::read_to_string(argocd(&format!("clientfleet.dev/{kind}/health.lua"))).unwrap();
        writeln!(settings, "  resource.customizations.health.clientfleet.dev_{kind}: |").unwrap();
        for line in script.lines() {
            writeln!(settings, "{}", format!("    {line}").trim_end()).unwrap();
        }
    }
    let path = argocd("argocd-cm.yaml");
    if std::env::var_os("UPDATE_ARGOCD").is_some() {
        fs::write(&path, &settings).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), settings);
}
