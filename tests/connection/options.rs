//! The connection options, the credentials of a kubeconfig, and as whom the program acts.

use crate::row::{Row, Setting};

const FILES: &[(&str, &str)] = &[
    (
        "kubeconfig",
        r#"
clusters:
- {name: c, cluster: {server: "https://127.0.0.1:<api>", certificate-authority-data: <authority>}}
- {name: named, cluster: {server: "https://127.0.0.1:<api>", certificate-authority-data: <authority>, tls-server-name: other.example.test}}
- {name: unchecked, cluster: {server: "https://127.0.0.1:<api>", insecure-skip-tls-verify: true}}
- {name: both, cluster: {server: "https://127.0.0.1:<api>", certificate-authority-data: <authority>, insecure-skip-tls-verify: true}}
- {name: unknown, cluster: {server: "https://127.0.0.1:<api>"}}
- {name: under, cluster: {server: "https://127.0.0.1:<api>/k8s/clusters/c-1", certificate-authority-data: <authority>}}
- {name: plain, cluster: {server: "127.0.0.1:<plain>"}}
users:
- {name: token, user: {token: secret}}
- {name: other, user: {token: other, client-key: ""}}
- {name: file, user: {tokenFile: token}}
- {name: token-and-file, user: {token: secret, tokenFile: token}}
- {name: missing-file, user: {tokenFile: missing}}
- {name: empty-file, user: {tokenFile: empty}}
- {name: token-and-missing-file, user: {token: secret, tokenFile: missing}}
- {name: token-and-empty-file, user: {token: secret, tokenFile: empty}}
- {name: two-lines, user: {token: "secret\n"}}
- {name: gcp, user: {auth-provider: {name: gcp, config: {access-token: secret}}}}
- {name: password, user: {username: jane, password: pw}}
- {name: certificate, user: {client-certificate-data: <certificate>, client-key-data: <key>}}
- {name: certificate-files, user: {client-certificate: client.crt, client-key: client.key, token: ""}}
- {name: acts, user: {token: secret, as: jane, as-uid: "17", as-groups: [a, b], as-user-extra: {reason: [x]}}}
- {name: acts-in-groups, user: {token: secret, as-groups: [a]}}
- name: plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ["-c", "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"of-plugin\"}}'"]}}
- name: old-plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, interactiveMode: IfAvailable, command: ./plugin, env: [{name: TOKEN, value: of-variable}]}}
- name: cluster-plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, provideClusterInfo: true, command: ./echo-plugin}}
- name: certificate-plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: cat, args: [credential.json]}}
- name: null-plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: cat, args: [nulls.json]}}
- name: token-and-plugin
  user: {token: secret, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: "false"}}
contexts:
- {name: x, context: {cluster: c, user: token}}
- {name: prod, context: {cluster: named, user: other, namespace: p}}
current-context: x
"#,
    ),
    ("token", "from-file\n"),
    ("empty", "\n"),
    (
        "nulls.json",
        r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"of-plugin","clientCertificateData":null,"clientKeyData":null,"expirationTimestamp":null}}"#,
    ),
    (
        "credential.json",
        r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"<certificate-json>","clientKeyData":"<key-json>"}}"#,
    ),
    (
        "plugin",
        "#!/bin/sh\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"status\":{\"token\":\"'$TOKEN'\"}}'\n",
    ),
    (
        "echo-plugin",
        "#!/bin/sh\ninfo=$(echo \"$KUBERNETES_EXEC_INFO\" | tr -dc a-z0-9:/.-)\necho '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"'${info%%certificate*}'\"}}'\n",
    ),
];

macro_rules! rows {
    ($([$($option:literal),*];)*) => {
        &[$(Row { name: concat!("", $($option, " "),*), environment: &[], files: FILES, options: &[$($option),*] }),*]
    };
}

fn setting() -> Setting {
    let setting = Setting::create();
    for program in ["plugin", "echo-plugin"] {
        let path = setting.folder.path().join(program);
        std::fs::write(&path, "").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
    }
    setting
}

#[test]
fn clusters_and_servers() {
    const ROWS: &[Row] = rows! {
        [];
        ["--context=prod"];
        ["--cluster=named"];
        ["--cluster=unchecked"];
        ["--cluster=both"];
        ["--cluster=unknown"];
        ["--cluster=under"];
        ["--cluster=plain"];
        ["--cluster=unknown", "--certificate-authority=authority.crt"];
        ["--cluster=unknown", "--insecure-skip-tls-verify"];
        ["--cluster=c", "--insecure-skip-tls-verify=true"];
        ["--cluster=both", "--insecure-skip-tls-verify=false"];
        ["--tls-server-name=other.example.test"];
        ["--tls-server-name=wrong.example.test"];
        ["--server=https://localhost:<api>"];
        ["-s", "https://localhost:<api>"];
        ["--cluster=named", "--server=https://localhost:<api>"];
        ["--cluster=named", "--server=https://localhost:<api>", "--tls-server-name=api.example.test"];
        ["--server=https://localhost:<api>", "--kubeconfig=token-missing"];
        ["--namespace=n", "--context=prod"];
    };
    insta::assert_snapshot!(setting().compare_all(ROWS));
}

#[test]
fn credentials() {
    const ROWS: &[Row] = rows! {
        ["--user=other"];
        ["--user=file"];
        ["--user=token-and-file"];
        ["--user=missing-file"];
        ["--user=empty-file"];
        ["--user=token-and-missing-file"];
        ["--user=token-and-empty-file"];
        ["--user=two-lines"];
        ["--user=gcp"];
        ["--user=password"];
        ["--user=certificate"];
        ["--user=certificate-files"];
        ["--user=plugin"];
        ["--user=old-plugin"];
        ["--user=cluster-plugin"];
        ["--user=certificate-plugin"];
        ["--user=null-plugin"];
        ["--user=token-and-plugin"];
        ["--token=mine"];
        ["--user=plugin", "--token=mine"];
        ["--user=certificate", "--token=mine"];
        ["--client-certificate=client.crt", "--client-key=client.key"];
        ["--user=certificate", "--client-certificate=client.crt", "--client-key=client.key"];
        ["--client-certificate=missing", "--client-key=client.key"];
    };
    insta::assert_snapshot!(setting().compare_all(ROWS));
}

#[test]
fn as_whom() {
    const ROWS: &[Row] = rows! {
        ["--as=jane"];
        ["--as=jane", "--as-group=a", "--as-group=b"];
        ["--as=jane", "--as-uid=17", "--as-user-extra=reason=x", "--as-user-extra=reason=y=z"];
        ["--as=system:serviceaccount:n:a"];
        ["--as-group=a"];
        ["--user=acts"];
        ["--user=acts", "--as=john"];
        ["--user=acts", "--as-group=c"];
        ["--user=acts-in-groups"];
        ["--user=acts-in-groups", "--as=john"];
        ["--cluster=plain", "--as=jane"];
    };
    insta::assert_snapshot!(setting().compare_all(ROWS));
}
