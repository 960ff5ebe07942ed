//! Compares the rendered chart with reviewed snapshots, and tests that the chart rejects invalid
//! values.

use crate::helm::{EVERYTHING, LIMITED, chart, helm, template, try_template};

#[test]
fn helm_finds_nothing_to_complain_about() {
    for values in ["", LIMITED, EVERYTHING] {
        let output = helm(&["lint", "--strict", chart().to_str().unwrap()], values);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
    }
}

#[test]
fn by_default() {
    insta::assert_snapshot!(template(""));
}

#[test]
fn limited_to_namespaces() {
    insta::assert_snapshot!(template(LIMITED));
}

#[test]
fn with_everything_on() {
    let rendered = template(EVERYTHING);
    // Skip the documents from these two templates, because they only include files of the
    // repository, which are reviewed separately.
    let files = ["prometheusrule.yaml", "dashboard.yaml"];
    let documents = rendered
        .split_inclusive("---\n")
        .filter(|document| !files.iter().any(|file| document.contains(file)));
    insta::assert_snapshot!(documents.collect::<String>());
}

/// Invalid chart values, each with the field name that Helm's error message must contain.
const REFUSED: &[(&str, &str)] = &[
    ("replica: 3", "replica"),
    ("replicas: two", "replicas"),
    ("namespaces: berlin", "namespaces"),
    ("namespaces: [Berlin]", "namespaces"),
    ("namespaces: [berlin, berlin]", "namespaces"),
    ("image: {digest: latest}", "digest"),
    ("image: {pullPolicy: Sometimes}", "pullPolicy"),
    ("log: {format: xml}", "format"),
    ("log: {level: loud}", "log.level"),
    ("log: {level: 'info,hyper'}", "log.level"),
    ("log: {level: 'info,hyper=loud'}", "log.level"),
    ("log: {level: 'hyper='}", "log.level"),
    ("log: {level: 'info=debug'}", "log.level"),
    ("log: {level: ''}", "level"),
    ("log: {level: ' ,'}", "log.level"),
    ("leaderElection: {leaseDuration: 15s}", "leaseDuration"),
    ("leaderElection: {leaseDuration: 10}", "leaseDuration"),
    ("resources: {requests: {memory: much}}", "memory"),
    ("reservedPriorities: {enabled: true}", "groups"),
    ("reservedPriorities: {groups: ['a''b']}", "groups"),
    ("metrics: {serviceMonitor: {interval: often}}", "interval"),
    ("networkPolicy: {apiServer: {ports: []}}", "ports"),
    ("networkPolicy: {apiServer: {cidrs: [10.0.0.1]}}", "cidrs"),
];

#[test]
fn log_filters_are_passed_on() {
    for level in ["debug", "WARN", "off", "info,kube=debug", " info , clientfleet::plan=trace,"] {
        let filter = format!("info,{level}");
        for level in [level, filter.as_str()] {
            let rendered = template(&format!("log: {{level: '{level}'}}"));
            assert!(rendered.contains(&format!("--log-level={level}")), "{rendered}");
        }
    }
    let span = "warn,clientfleet[write{name=a,kind=b}]=debug,[read]";
    assert!(template(&format!("log: {{level: '{span}'}}")).contains(span));
}

#[test]
fn wrong_values_are_refused_by_name() {
    let mut said = String::new();
    for (values, name) in REFUSED {
        let error = try_template(values).expect_err(values);
        assert!(error.contains(name), "{values}: {error}");
        said += &format!("{values}\n{}\n\n", error.trim());
    }
    insta::assert_snapshot!(said.replace(&chart().display().to_string(), "charts/clientfleet"));
}
