//! Error messages about proxies and options, and options before the command.

use std::path::Path;

use crate::row::{REMOTE, Row, Setting};

#[test]
fn a_proxy_that_cannot_be_used_is_named_with_the_variable() {
    let setting = Setting::create();
    let mut texts = String::new();
    for (name, environment) in [
        ("wrong scheme", &[("HTTPS_PROXY", "ftp://jane:secret@proxy.example.test")][..]),
        ("no host", &[("https_proxy", "http://")]),
        ("down", &[("HTTPS_PROXY", "http://jane:secret@127.0.0.1:1")]),
        ("no proxy at all", &[("HTTPS_PROXY", "http://127.0.0.1:<socks-proxy>")]),
        ("socks that is down", &[("HTTPS_PROXY", "socks5://127.0.0.1:1")]),
        ("TLS with a server without it", &[("HTTPS_PROXY", "https://localhost:<http-proxy>")]),
    ] {
        let row = Row { name, environment, files: &[REMOTE], options: &["--request-timeout=3"] };
        let output = setting.run_ours(&row);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!errors.contains("secret"), "{errors}");
        texts.push_str(&format!("{name}\n  {}", setting.shown(&errors)));
    }
    insta::assert_snapshot!(texts);
}

/// Runs a command line, and returns the exit code and the first line of the errors.
fn answer(setting: &Setting, line: &[&'static str]) -> String {
    let row = Row {
        name: "line",
        environment: &[("HTTPS_PROXY", "http://127.0.0.1:<http-proxy>")],
        files: &[REMOTE, ("other", "")],
        options: &[],
    };
    let program = Path::new(env!("CARGO_BIN_EXE_clientfleet"));
    let output = setting.run(program, line, &row);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = errors.lines().next().unwrap_or_default();
    let arrived = setting.servers.record.take();
    format!(
        "{}\n  {:?} {first}\n  {:?} {:?}\n",
        line.join(" "),
        output.status.code(),
        arrived.requests,
        arrived.namespaces
    )
}

#[test]
fn options_may_stand_before_the_command() {
    let setting = Setting::create();
    let lines: &[&[&str]] = &[
        &["-n", "clients", "clients"],
        &["--context=x", "-nclients", "status"],
        &["--as", "jane", "--as-group", "a", "clients", "-n", "n"],
        &["--kubeconfig", "kubeconfig", "-A", "clients"],
        &["--context", "missing", "clients"],
        &["-n", "a", "clients", "-n", "b"],
        &["-n", "clients", "crds"],
        &["--context", "x", "completion", "bash"],
        &["-A", "windows", "policy"],
        &["-n", "clients"],
        &["-n", "clients", "nonsense"],
        &["-o", "json", "clients"],
        &["--as", "", "clients"],
        &["--kubeconfig=", "clients"],
        &["--request-timeout", "soon", "clients"],
        &["--token", "a b", "clients"],
        &["--as", "jane", "plan", "-f", "other", "--local"],
        &["--as", "jane", "explain", "c", "-f", "other", "--local"],
        &["--as", "jane", "windows", "p", "-f", "other", "--local"],
    ];
    let answers = lines.iter().map(|line| answer(&setting, line));
    insta::assert_snapshot!(setting.shown(&answers.collect::<String>()));
}

#[test]
fn a_wrong_token_is_not_quoted() {
    let setting = Setting::create();
    for token in ["secret secret", "secret\n", "secr\u{e9}t-secret"] {
        let row = Row { name: "token", environment: &[], files: &[REMOTE], options: &[] };
        let program = Path::new(env!("CARGO_BIN_EXE_clientfleet"));
        let output = setting.run(program, &["clients", "--token", token], &row);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("--token") && !errors.contains("secret"), "{errors}");
    }
}
