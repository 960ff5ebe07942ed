//! Tests that Prometheus accepts the alert rules, that each alert fires at the expected time, and
//! that the documentation explains how to respond to each alert.

use std::fs;

use crate::queries::alerts;
use crate::{chart_file, promtool};

#[test]
fn prometheus_takes_the_alerts() {
    let (content, said) = promtool(
        &["check", "rules", "--lint=all", chart_file("alerts.yaml").to_str().unwrap()],
        None,
    );
    assert!(content, "{said}");
}

/// Runs the promtool tests in `alerts_test.yaml`, which define metric samples and the alerts that
/// must fire at given times. Every alert must have a test.
#[test]
fn each_alert_fires_when_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("alerts_test.yaml");
    let rules = chart_file("alerts.yaml").display().to_string();
    fs::write(&cases, include_str!("alerts_test.yaml").replace("RULES", &rules)).unwrap();
    let (content, said) = promtool(&["test", "rules", cases.to_str().unwrap()], None);
    assert!(content, "{said}");
    for alert in alerts() {
        let is_tested =
            include_str!("alerts_test.yaml").contains(&format!("alertname=\"{}\"", alert.name));
        assert!(is_tested, "no case for {}", alert.name);
    }
}

#[test]
fn the_documentation_says_what_to_do() {
    let page = include_str!("../../docs/metrics.md");
    for alert in alerts() {
        assert!(page.contains(&format!("\n### {}\n", alert.name)), "{}", alert.name);
        let anchor = format!("docs/metrics.md#{}", alert.name.to_lowercase());
        assert_eq!(alert.runbook, anchor);
    }
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    assert_eq!(headings.count(), alerts().len(), "a heading without an alert");
}
