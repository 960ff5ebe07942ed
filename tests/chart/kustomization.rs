//! Tests that `config/` equals the chart rendered with its default values. `make config` updates
//! `config/`.

use std::fs;

use crate::helm::{project, template};

const UPDATE: &str = "UPDATE_CONFIG";

const FIRST_LINE: &str = "# Made from charts/clientfleet by `make config`.\n";

/// Removes Helm's labels and comments from the rendered chart, because Helm does not manage the
/// objects in `config/`.
fn without_helm(rendered: &str) -> String {
    let helms = ["app.kubernetes.io/managed-by: Helm", "helm.sh/chart: ", "# Source: "];
    let lines =
        rendered.lines().filter(|line| !helms.iter().any(|own| line.trim().starts_with(own)));
    lines.fold(FIRST_LINE.to_owned(), |text, line| text + line + "\n")
}

#[test]
fn the_file_is_what_the_chart_renders() {
    let path = project("config/clientfleet.yaml");
    let expected = without_helm(&template(""));
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "config/clientfleet.yaml is not what the chart renders: run `make config`"
    );
}
