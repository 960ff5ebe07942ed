//! Tests how the program can be monitored: through probes and metrics over HTTP, the log, and the
//! audit stream in a file.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::control_plane::shared;
use crate::objects::{auto, fleet};
use crate::process::{Program, Silent};
use crate::world::{World, eventually};

fn ask(address: &str, request: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: &str, path: &str, accept: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"))
}

async fn address_of(program: &Program) -> String {
    program.has_logged("serving /livez").await;
    let log = program.log();
    let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let address = lines.find_map(|line| line["address"].as_str().map(str::to_owned));
    address.unwrap()
}

const OBSERVED: [&str; 4] = ["--listen", "127.0.0.1:0", "--log-format", "json"];

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_how_it_is_and_what_it_has_done() {
    let mut world = World::start("probes").await;
    world.stop_controller().await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    let folder = tempfile::tempdir().unwrap();
    let [audit, moved] = ["audit", "audit.1"].map(|name| folder.path().join(name));
    let audit_path = audit.display().to_string();
    let more = ["-n", &world.namespace, "--audit", &audit_path];
    let arguments = [&OBSERVED[..], &more].concat();
    let program = Program::start_with(&shared().kubeconfig_path(), &arguments);
    let address = address_of(&program).await;
    eventually("it is ready", async || {
        let answer = get(&address, "/readyz", "*/*");
        if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
    })
    .await;
    assert!(get(&address, "/readyz", "*/*").ends_with("[+]definitions ok\n[+]stores ok\n"));
    assert!(get(&address, "/livez", "*/*").ends_with("[+]planning ok\n"));

    let clients = format!(
        "clientfleet_clients{{namespace=\"{}\",policy=\"all\",state=\"Distributing\"}} 2\n",
        world.namespace
    );
    eventually("the clients are counted", async || {
        let metrics = get(&address, "/metrics", "*/*");
        if metrics.contains(&clients) { Ok(()) } else { Err(metrics) }
    })
    .await;
    let classic = get(&address, "/metrics", "*/*");
    assert!(classic.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(classic.contains("# TYPE clientfleet_status_writes_total counter\n"));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";
    let open = get(&address, "/metrics", accept);
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(open.ends_with("# EOF\n"));

    assert!(get(&address, "/", "*/*").starts_with("HTTP/1.1 404 "));
    let post = ask(&address, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD"), "{post}");
    assert!(ask(&address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let endless = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert!(ask(&address, &endless).starts_with("HTTP/1.1 431 "));

    let told = || fs::read_to_string(&audit).unwrap_or_default().lines().count();
    eventually("both clients are audited", async || match told() {
        2 => Ok(()),
        lines => Err(format!("{lines} lines")),
    })
    .await;
    fs::rename(&audit, &moved).unwrap();
    let hangup = format!("kill -HUP {}", program.child.id());
    assert!(Command::new("sh").args(["-c", &hangup]).status().unwrap().success());
    program.has_logged("opened anew").await;
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    eventually("both are audited again", async || match told() {
        2 => Ok(()),
        lines => Err(format!("{lines} lines")),
    })
    .await;
    program.has_logged(r#""cause":"Policy/all""#).await;
    let changed = program.log().lines().map(|line| serde_json::from_str(line).unwrap()).find(
        |line: &Value| {
            line["cause"] == "Policy/all" && line["message"] == "clients' states changed"
        },
    );
    let changed = changed.unwrap();
    assert_eq!((&changed["fleet"], &changed["changed"]), (&json!("berlin"), &json!(2)));
    assert!(fs::read_to_string(program.folder.path().join("output")).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_it_is_alive_and_not_ready() {
    let silent = Silent::listen();
    let kubeconfig = silent.kubeconfig();
    let program = Program::start_with(&kubeconfig, &OBSERVED);
    let address = address_of(&program).await;
    let ready = get(&address, "/readyz", "*/*");
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    assert!(ready.ends_with("[-]definitions failed\n[-]stores failed\n"), "{ready}");
    assert!(get(&address, "/livez", "*/*").starts_with("HTTP/1.1 200 "));

    let mut second = Program::start_with(&kubeconfig, &["--listen", &address]);
    assert_eq!(second.ended().await.code(), Some(1));
    let log = second.log();
    assert!(log.contains(&format!("error: --listen {address}: ")), "{log}");
    assert!(log.contains("a port that nobody else has"), "{log}");
}

#[test]
fn options_that_make_no_sense_are_refused_in_a_sentence() {
    let cases = [
        (["--listen", "8080"], 2, "write an IP address and a port, as 127.0.0.1:8080"),
        (["--listen", "localhost:8080"], 2, "write an IP address and a port"),
        (["--log-level", "garbage=[["], 1, "--log-level \"garbage=[[\": "),
        (
            ["--log-level", "loud"],
            1,
            "--log-level \"loud\": there is no level loud: error, warn, info, debug, trace, off;",
        ),
        (["--log-level", "info,hyper"], 1, "there is no level hyper: "),
        (["--log-level", "info,hyper="], 1, "there is no level \"\" in hyper=: "),
        (["--log-level", "info=debug"], 1, "info in info=debug is a level"),
        (["--log-level", ""], 1, "there is no level: error"),
        (["--log-format", "xml"], 2, "possible values: text, json"),
        (["--audit", "/nowhere/audit"], 1, "/nowhere/audit: the audit stream cannot be written"),
        (["--audit", ""], 2, "write stdout, off, or a file"),
        (
            ["--audit", "sdtout"],
            2,
            "write stdout, off, or a file, as /var/log/audit.log or ./sdtout",
        ),
        (["--audit", "OFF"], 2, "write stdout, off, or a file"),
        (["--namespace", "Berlin"], 2, "must be the name of a namespace"),
        (["--namespace", "berlin,tokyo"], 2, "must be the name of a namespace"),
        (["--lease-name", "a b"], 2, "must be the name of an object"),
        (["--lease-namespace", "*"], 2, "must be the name of a namespace"),
    ];
    for (arguments, code, sentence) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .arg("controller")
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
