//! Error messages about credential plugins: which program, what it has said, and what to do.

use crate::row::{Row, Setting};

/// Returns a kubeconfig whose user has the plugin.
macro_rules! with_plugin {
    ($name:literal, $plugin:literal) => {
        Row {
            name: $name,
            environment: &[],
            files: &[(
                "kubeconfig",
                concat!(
                    r#"
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users:
- name: u
  user: {exec: {"#,
                    $plugin,
                    r#"}}
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"#
                ),
            )],
            options: &[],
        }
    };
}

const ROWS: &[Row] = &[
    with_plugin!(
        "fails",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ["-c", "echo 'token expired, run corp-login' >&2; exit 3"]"#
    ),
    with_plugin!(
        "fails if interactive where possible",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, command: sh, args: ["-c", "echo one >&2; echo >&2; printf '\\033[2Jtwo' >&2; exit 1"]"#
    ),
    with_plugin!(
        "fails without a word",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "false""#
    ),
    with_plugin!(
        "is killed",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ["-c", "kill -9 $$"]"#
    ),
    with_plugin!(
        "says a lot",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ["-c", "seq 1 1000 >&2; exit 1"]"#
    ),
    with_plugin!(
        "is missing",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: corp-login-helper, installHint: "get it from the software centre""#
    ),
    with_plugin!(
        "is missing without a hint",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: corp-login-helper"#
    ),
    with_plugin!(
        "is no program",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./kubeconfig"#
    ),
    with_plugin!(
        "asks without a terminal",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, command: "true""#
    ),
    with_plugin!(
        "prints nothing",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "true""#
    ),
    with_plugin!(
        "prints a token alone",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, args: [secret]"#
    ),
    with_plugin!(
        "prints another version",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, args: ['{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"secret"}}']"#
    ),
    with_plugin!(
        "prints no status",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, args: ['{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}']"#
    ),
    with_plugin!(
        "prints no token",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, args: ['{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}']"#
    ),
    with_plugin!(
        "prints a certificate without its key",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, args: ['{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"x"}}']"#
    ),
    with_plugin!(
        "has an old version",
        r#"apiVersion: client.authentication.k8s.io/v1alpha1, interactiveMode: Never, command: "true""#
    ),
    with_plugin!(
        "has no command",
        r"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never"
    ),
];

#[test]
fn a_plugin_that_does_not_help_is_named_with_its_output() {
    let setting = Setting::create();
    let texts = ROWS.iter().map(|row| {
        let output = setting.run_ours(row);
        assert_eq!(output.status.code(), Some(1), "{}", row.name);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(!errors.contains("secret"), "{errors}");
        format!("{}\n  {errors}", row.name)
    });
    insta::assert_snapshot!(texts.collect::<String>());
}

#[test]
fn what_a_slow_plugin_says_is_shown_at_once() {
    let setting = Setting::create();
    let row = with_plugin!(
        "waits for the browser",
        r#"apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ["-c", "echo open https://login.example.test >&2; sleep 1; exit 1"]"#
    );
    let output = setting.run_ours(&row);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("open https://login.example.test\nerror: "), "{errors}");
}
