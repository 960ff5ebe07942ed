//! Proxies from the environment and from kubeconfigs, and the exceptions from them.

use crate::row::{REMOTE, Row, Setting};

/// A kubeconfig for a server at an address of this machine that is not the loopback.
const LOCAL: (&str, &str) = (
    "kubeconfig",
    r#"
clusters: [{name: c, cluster: {server: "https://0.0.0.0:<api>", certificate-authority-data: <authority>}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"#,
);

/// A kubeconfig for a server at the loopback.
const LOOPBACK: (&str, &str) = (
    "kubeconfig",
    r#"
clusters: [{name: c, cluster: {server: "https://127.0.0.1:<api>", certificate-authority-data: <authority>}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"#,
);

/// A kubeconfig for a server without TLS.
const PLAIN: (&str, &str) = (
    "kubeconfig",
    r#"
clusters: [{name: c, cluster: {server: "http://0.0.0.0:<plain>"}}]
users: [{name: u, user: {token: secret, as: jane}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"#,
);

/// Kubeconfigs with a proxy of their own.
macro_rules! with_proxy_url {
    ($server:literal, $url:literal) => {
        (
            "kubeconfig",
            concat!(
                r#"
clusters: [{name: c, cluster: {server: ""#,
                $server,
                r#"", proxy-url: ""#,
                $url,
                r#"", certificate-authority-data: <authority>}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"#
            ),
        )
    };
}

macro_rules! rows {
    ($($name:literal: [$($variable:literal = $value:literal),*], $file:expr;)*) => {
        &[$(Row { name: $name, environment: &[$(($variable, $value)),*], files: &[$file], options: &[] }),*]
    };
}

#[test]
fn proxies_of_the_environment() {
    const ROWS: &[Row] = rows! {
        "no proxy": [], LOCAL;
        "http": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>"], REMOTE;
        "lower case": ["https_proxy" = "http://127.0.0.1:<http-proxy>"], REMOTE;
        "upper case wins": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "https_proxy" = "http://127.0.0.1:1"], REMOTE;
        "empty upper case does not": ["HTTPS_PROXY" = "", "https_proxy" = "http://127.0.0.1:<http-proxy>"], REMOTE;
        "without a scheme": ["HTTPS_PROXY" = "127.0.0.1:<http-proxy>"], REMOTE;
        "credentials": ["HTTPS_PROXY" = "http://jane:p%40ss@127.0.0.1:<http-proxy>"], REMOTE;
        "a user alone": ["HTTPS_PROXY" = "http://jane@127.0.0.1:<http-proxy>"], REMOTE;
        "https": ["HTTPS_PROXY" = "https://localhost:<https-proxy>"], REMOTE;
        "https with credentials": ["HTTPS_PROXY" = "https://jane:pw@localhost:<https-proxy>"], REMOTE;
        "socks5": ["HTTPS_PROXY" = "socks5://127.0.0.1:<socks-proxy>"], REMOTE;
        "socks5h": ["HTTPS_PROXY" = "socks5h://127.0.0.1:<socks-proxy>"], REMOTE;
        "socks5 with credentials": ["HTTPS_PROXY" = "socks5://jane:p%40ss@127.0.0.1:<socks-proxy>"], REMOTE;
        "an address through a proxy": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>"], LOCAL;
        "an address through socks5": ["HTTPS_PROXY" = "socks5://127.0.0.1:<socks-proxy>"], LOCAL;
        "the loopback has no proxy": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>"], LOOPBACK;
        "HTTP_PROXY is not for https": ["HTTP_PROXY" = "http://127.0.0.1:<http-proxy>"], LOCAL;
        "ALL_PROXY is not read": ["ALL_PROXY" = "http://127.0.0.1:<http-proxy>"], LOCAL;
        "plain, and no token": [], PLAIN;
        "plain through HTTP_PROXY": ["HTTP_PROXY" = "http://127.0.0.1:<http-proxy>"], PLAIN;
        "plain with credentials": ["http_proxy" = "http://jane:pw@127.0.0.1:<http-proxy>"], PLAIN;
        "HTTPS_PROXY is not for http": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>"], PLAIN;
        "a proxy that is down": ["HTTPS_PROXY" = "http://127.0.0.1:1"], LOCAL;
    };
    insta::assert_snapshot!(Setting::create().compare_all(ROWS));
}

#[test]
fn proxies_of_a_kubeconfig() {
    const ROWS: &[Row] = rows! {
        "http": [], with_proxy_url!("https://api.example.test:6443", "http://127.0.0.1:<http-proxy>");
        "default port of the server": [], with_proxy_url!("https://api.example.test", "http://127.0.0.1:<http-proxy>");
        "https": [], with_proxy_url!("https://api.example.test:6443", "https://localhost:<https-proxy>");
        "socks5": [], with_proxy_url!("https://api.example.test:6443", "socks5://127.0.0.1:<socks-proxy>");
        "socks5 to the default port": [], with_proxy_url!("https://api.example.test", "socks5://127.0.0.1:<socks-proxy>");
        "credentials": [], with_proxy_url!("https://api.example.test:6443", "http://jane:pw@127.0.0.1:<http-proxy>");
        "the loopback too": [], with_proxy_url!("https://127.0.0.1:6443", "http://127.0.0.1:<http-proxy>");
        "it wins over the environment": ["HTTPS_PROXY" = "http://127.0.0.1:1"],
            with_proxy_url!("https://api.example.test:6443", "http://127.0.0.1:<http-proxy>");
        "NO_PROXY does not count": ["NO_PROXY" = "*"],
            with_proxy_url!("https://api.example.test:6443", "http://127.0.0.1:<http-proxy>");
        "a path in the server": [], with_proxy_url!("https://api.example.test/k8s/c", "http://127.0.0.1:<http-proxy>");
        "empty": [], with_proxy_url!("https://0.0.0.0:<api>", "");
        "without a scheme": [], with_proxy_url!("https://0.0.0.0:<api>", "127.0.0.1:<http-proxy>");
        "socks5h": [], with_proxy_url!("https://api.example.test", "socks5h://127.0.0.1:<socks-proxy>");
        "another protocol": [], with_proxy_url!("https://0.0.0.0:<api>", "ftp://127.0.0.1:1");
    };
    insta::assert_snapshot!(Setting::create().compare_all(ROWS));
}

#[test]
fn exceptions() {
    const ROWS: &[Row] = rows! {
        "everything": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "*"], LOCAL;
        "lower case": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "no_proxy" = "*"], LOCAL;
        "address": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "a, 0.0.0.0"], LOCAL;
        "address and port": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "0.0.0.0:<api>"], LOCAL;
        "another port": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "0.0.0.0:1"], LOCAL;
        "network": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "10.0.0.0/8,0.0.0.0/8"], LOCAL;
        "another network": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "10.0.0.0/8"], LOCAL;
        "name": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "api.example.test"], REMOTE;
        "domain": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "example.test"], REMOTE;
        "subdomains": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = ".example.test"], REMOTE;
        "wildcard": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "*.example.test"], REMOTE;
        "name and port": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "api.example.test:6443"], REMOTE;
        "name and another port": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "api.example.test:443"], REMOTE;
        "subdomains of itself": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = ".api.example.test"], REMOTE;
        "the end of a word": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "ple.test"], REMOTE;
        "network for a name": ["HTTPS_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "0.0.0.0/0"], REMOTE;
        "plain": ["HTTP_PROXY" = "http://127.0.0.1:<http-proxy>", "NO_PROXY" = "0.0.0.0"], PLAIN;
    };
    insta::assert_snapshot!(Setting::create().compare_all(ROWS));
}
