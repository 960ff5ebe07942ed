//! Reads the queries of the alerts and the dashboard from the chart's files.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::chart_file;

pub struct Alert {
    pub name: String,
    pub query: String,
    pub runbook: String,
}

pub fn alerts() -> Vec<Alert> {
    let text = fs::read_to_string(chart_file("alerts.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rules = file["groups"][0]["rules"].as_array().unwrap();
    let alert = |rule: &Value| Alert {
        name: text(&rule["alert"]),
        query: text(&rule["expr"]),
        runbook: text(&rule["annotations"]["runbook"]),
    };
    rules.iter().map(alert).collect()
}

/// Returns the title and the queries of each dashboard panel. Replaces the dashboard variables with
/// values, as Grafana does.
pub fn panels() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(chart_file("dashboard.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let fill_in = |query: &str| {
        let filled = query.replace("$namespace", ".*").replace("$job", ".*");
        let filled = filled.replace("$__rate_interval", "1m");
        assert!(!filled.contains('$'), "{filled}");
        filled
    };
    let panel = |panel: &Value| {
        let targets = panel["targets"].as_array().unwrap().iter();
        let queries = targets.map(|target| fill_in(target["expr"].as_str().unwrap()));
        (panel["title"].as_str().unwrap().to_owned(), queries.collect())
    };
    file["panels"].as_array().unwrap().iter().map(panel).collect()
}

/// Returns the series selectors in a query, such as `clientfleet_clients{state="Failed"}`.
/// Prometheus can run each selector as a query.
pub fn selectors(query: &str) -> BTreeSet<String> {
    let selector = regex::Regex::new(r"(?:clientfleet|process)_\w+(?:\{[^}]*\})?").unwrap();
    selector.find_iter(query).map(|found| found.as_str().to_owned()).collect()
}
