//! Measures the command line with 100,000 clients in 400 fleets on a real API server. The time and
//! memory of each command are compared with those of `kubectl get clf -o json`.

#[path = "../../tests/control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;
#[path = "../report/mod.rs"]
mod report;
mod run;

use std::sync::Arc;

use clientfleet::api::policy::Mode;
use clientfleet::controller::{self, Options};
use clientfleet::daemon::clock::SystemClock;
use control_plane::ControlPlane;
use estate::{CLIENTS, Estate};
use report::conditions::Conditions;
use report::{Table, grouped, mebibytes, ratio};
use run::{Run, median};

const FLEETS: usize = 400;
/// Number of runs per command; the results show the median. The benchmark runs the commands in
/// turn, so that other load on the machine affects all of them equally.
const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measured commands, each as its label in the results table and its program with arguments.
const CALLS: [(&str, &[&str]); 9] = [
    ("kubectl get clf -o json", &["kubectl", "get", "clf", "-o", "json"]),
    ("kubectl get clf", &["kubectl", "get", "clf"]),
    ("clientfleet clients", &["clientfleet", "clients"]),
    ("clientfleet clients KEYWORD", &["clientfleet", "clients", "user04711"]),
    ("clientfleet clients -o json", &["clientfleet", "clients", "-o", "json"]),
    ("clientfleet status", &["clientfleet", "status"]),
    ("clientfleet explain CLIENT", &["clientfleet", "explain", "LT-200-007"]),
    ("clientfleet plan -f", &["clientfleet", "plan", "-f", "hold.yaml"]),
    (
        "clientfleet plan --local -f",
        &["clientfleet", "plan", "--local", "-f", "dump.json", "-o", "json"],
    ),
];

const HOLD: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: hold, namespace: bench}
spec: {priority: 10, scope: {clients: [{search: user0471}]}}
";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Measure nothing under `cargo test --benches`, which only checks that the benchmark starts.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    eprintln!("starting a control plane");
    let plane = ControlPlane::start()?;
    let client = plane.client()?;
    estate::install(&client).await?;
    eprintln!("making {FLEETS} fleets of {CLIENTS} clients, and distributing to all of them");
    let estate = Estate::make(&client, "bench", FLEETS).await?;
    let generation = estate.set("all", estate::everybody(Mode::AutoUpgrade)).await?;
    let options = Options { namespaces: ["bench".to_owned()].into(), ..Options::default() };
    let controlled = plane.client()?;
    let clock = Arc::new(SystemClock);
    let controller =
        tokio::spawn(controller::run(controlled, clock, options, std::future::pending()));
    estate.in_force("all", generation).await?;
    controller.abort();

    let context = ["config", "set-context", "--current", "--namespace", "bench"];
    plane.kubectl_ok(&context, "")?;
    let desk = tempfile::tempdir()?;
    std::fs::write(desk.path().join("hold.yaml"), HOLD)?;
    let dump = plane.kubectl_ok(&["get", "clf,upol", "-o", "json"], "")?;
    std::fs::write(desk.path().join("dump.json"), dump)?;

    let conditions = Conditions::now();
    let mut runs = vec![Vec::new(); CALLS.len()];
    for round in 1..=ROUNDS {
        for ((what, call), runs) in CALLS.iter().zip(&mut runs) {
            let run = run::run(&plane, desk.path(), call)?;
            eprintln!("round {round} of {ROUNDS}: {what}: {:.2?}", run.time);
            runs.push(run);
        }
    }
    conditions.publish("command-line", &report_table(&runs))
}

fn report_table(runs: &[Vec<Run>]) -> String {
    let floor = median(&runs[0]);
    let heads = ["command", "time", "of kubectl's", "peak memory", "of kubectl's", "printed"];
    let mut table = Table::new(&heads);
    for ((what, _), runs) in CALLS.iter().zip(runs) {
        let run = median(runs);
        table.row(&[
            format!("`{what}`"),
            format!("{:.2} s", run.time.as_secs_f64()),
            ratio(run.time, floor.time),
            mebibytes(run.peak_kib),
            format!("{:.2}", run.peak_kib as f64 / floor.peak_kib as f64),
            mebibytes(run.printed / 1024),
        ]);
    }
    format!(
        "{}\n{} clients in {FLEETS} fleets, median of {ROUNDS} rounds in turn; \"kubectl's\" is the first line.\n",
        table.text(),
        grouped(FLEETS * CLIENTS),
    )
}
