//! The command line on 100,000 clients in 400 fleets on the real API server: how long each command
//! takes and how much memory, beside `kubectl get clf -o json` of the same.

#[path = "../../tests/control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;
mod run;

use std::sync::Arc;

use clientfleet::controller::clock::SystemClock;
use clientfleet::controller::{self, Options};
use control_plane::ControlPlane;
use estate::{CLIENTS, Estate};
use run::{Run, median};

const FLEETS: usize = 400;
/// Of each command; the median counts. They take turns, so that noise is noise for all.
const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is measured, and how it is called.
const CALLS: [(&str, &[&str]); 9] = [
    ("kubectl get -o json", &["kubectl", "get", "clf", "-o", "json"]),
    ("kubectl get", &["kubectl", "get", "clf"]),
    ("clients", &["clientfleet", "clients"]),
    ("clients KEYWORD", &["clientfleet", "clients", "user04711"]),
    ("clients -o json", &["clientfleet", "clients", "-o", "json"]),
    ("status", &["clientfleet", "status"]),
    ("explain CLIENT", &["clientfleet", "explain", "LT-200-007"]),
    ("plan -f", &["clientfleet", "plan", "-f", "hold.yaml"]),
    ("plan --local -f", &["clientfleet", "plan", "--local", "-f", "dump.json", "-o", "json"]),
];

const HOLD: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: hold, namespace: bench}
spec: {priority: 10, scope: {clients: [{search: user0471}]}}
";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo test --benches` only looks whether it can be run.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    eprintln!("starting a control plane");
    let plane = ControlPlane::start()?;
    let client = plane.client()?;
    estate::install(&client).await?;
    eprintln!("making {FLEETS} fleets of {CLIENTS} clients");
    let estate = Estate::make(&client, "bench", FLEETS).await?;
    let options = Options { namespaces: ["bench".to_owned()].into(), ..Options::default() };
    let controlled = plane.client()?;
    let clock = Arc::new(SystemClock);
    let controller =
        tokio::spawn(controller::run(controlled, clock, options, std::future::pending()));
    estate.until_all_say("Unmanaged").await?;
    eprintln!("distributing to all of them");
    estate.turn(0).await?;
    controller.abort();

    let context = ["config", "set-context", "--current", "--namespace", "bench"];
    plane.kubectl_ok(&context, "")?;
    let desk = tempfile::tempdir()?;
    std::fs::write(desk.path().join("hold.yaml"), HOLD)?;
    let dump = plane.kubectl_ok(&["get", "clf,upol", "-o", "json"], "")?;
    std::fs::write(desk.path().join("dump.json"), dump)?;

    let mut runs = vec![Vec::new(); CALLS.len()];
    for round in 1..=ROUNDS {
        for ((what, call), runs) in CALLS.iter().zip(&mut runs) {
            let run = run::run(&plane, desk.path(), call)?;
            eprintln!("round {round} of {ROUNDS}: {what}: {:.2?}", run.time);
            runs.push(run);
        }
    }
    report(&runs);
    Ok(())
}

fn report(runs: &[Vec<Run>]) {
    let floor = median(&runs[0]);
    println!("{} clients in {FLEETS} fleets, median of {ROUNDS} rounds", FLEETS * CLIENTS);
    println!(
        "{:<22} {:>8} {:>7} {:>9} {:>7} {:>9}",
        "", "seconds", "ratio", "MiB", "ratio", "MiB out"
    );
    for ((what, _), runs) in CALLS.iter().zip(runs) {
        let run = median(runs);
        let seconds = run.time.as_secs_f64();
        let memory = run.peak_kib as f64 / 1024.0;
        println!(
            "{what:<22} {seconds:>8.2} {:>7.2} {memory:>9.1} {:>7.2} {:>9.1}",
            seconds / floor.time.as_secs_f64(),
            run.peak_kib as f64 / floor.peak_kib as f64,
            run.printed as f64 / f64::from(1 << 20),
        );
    }
}
