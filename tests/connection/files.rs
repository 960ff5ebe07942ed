//! Which kubeconfig files are read, and how they are merged.

use crate::row::{Row, Setting};

const WHOLE: &str = r#"
clusters: [{name: c, cluster: {server: "https://127.0.0.1:<api>", certificate-authority-data: <authority>}}]
users: [{name: u, user: {token: whole}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: clients}}]
current-context: x
"#;

/// The cluster and the user, with an empty context as `kubectl config` writes it.
const CLUSTER: &str = r#"
clusters: [{name: c, cluster: {server: "https://127.0.0.1:<api>", certificate-authority: ../authority.crt}}]
users: [{name: u, user: {token: first}}]
contexts: []
current-context: ""
"#;

const CONTEXT: &str = r#"
users: [{name: u, user: {token: second}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: ""}}]
current-context: x
"#;

const BROKEN: &str = "clusters: [{";

const FILES: &[(&str, &str)] = &[
    ("whole", WHOLE),
    ("folder/cluster", CLUSTER),
    ("context", CONTEXT),
    ("broken", BROKEN),
    ("empty", ""),
    ("twice", "clusters: [{name: c, cluster: {server: a}}, {name: c, cluster: {server: b}}]"),
    ("other-kind", "kind: Pod"),
    ("home/.kube/config", WHOLE),
];

macro_rules! rows {
    ($($list:literal $(with $($option:literal)*)?;)*) => {
        &[$(Row { name: $list, environment: &[("KUBECONFIG", $list)], files: FILES, options: &[$($($option),*)?] }),*]
    };
}

const ROWS: &[Row] = rows! {
    "whole";
    "missing:whole";
    "folder/cluster:context";
    "context:folder/cluster";
    "whole:folder/cluster:context";
    "folder/cluster:whole";
    ":whole:whole:";
    "empty:whole";
    "missing:other-missing";
    "broken:whole";
    "whole:broken";
    "whole:twice";
    "whole:other-kind";
    "empty";
    "";
    ":";
    "broken" with "--kubeconfig=whole";
    "whole" with "--kubeconfig=missing";
    "whole" with "--kubeconfig=missing:whole";
    "whole" with "--context=missing";
    "whole" with "--cluster=missing";
    "whole" with "--user=missing";
    "whole" with "--namespace=other";
    "missing" with "--context=x";
    "missing" with "--server=https://127.0.0.1:<api>" "--certificate-authority=authority.crt" "--token=mine";
};

#[test]
fn files_are_those_of_kubectl() {
    insta::assert_snapshot!(Setting::create().compare_all(ROWS));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_name() {
    let setting = Setting::create();
    let texts = ROWS.iter().map(|row| {
        let output = setting.run_ours(row);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        match errors.strip_prefix("error: ") {
            Some(error) => setting.shown(&format!("{} {:?}\n  {error}", row.name, row.options)),
            None => String::new(),
        }
    });
    insta::assert_snapshot!(texts.collect::<String>());
}
