//! `make bench`: how long it takes from a policy change to the last status written, for 40,000 clients
//! in 160 fleets of 250 on the real API server, beside a loop of raw guarded PUTs of the same bodies
//! with the same concurrency, which decides nothing. And how many writes one client's change costs.
//!
//! The two take turns, each in a namespace of its own, so that a noisy machine is noisy for both.

#[path = "../../tests/control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;
mod floor;
mod requests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clientfleet::controller::clock::SystemClock;
use clientfleet::controller::{self, Options};
use control_plane::ControlPlane;
use estate::{CLIENTS, Estate};
use floor::Floor;
use requests::StatusWrites;

/// So many are written in each round.
const FLEETS: usize = 160;
/// Rounds of which the median counts.
const ROUNDS: usize = 7;

type Failure = Box<dyn std::error::Error + Send + Sync>;

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
    eprintln!("making {FLEETS} fleets of {CLIENTS} clients, twice");
    let estate = Estate::make(&client, "bench", FLEETS).await?;
    let floor_estate = Estate::make(&client, "floor", FLEETS).await?;

    let options = Options { namespaces: ["bench".to_owned()].into(), ..Options::default() };
    let concurrency = options.concurrent_writes;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let controlled = plane.client()?;
    let controller = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        controller::run(controlled, Arc::new(SystemClock), options, shutdown).await
    });

    // Each direction once, unmeasured: they give the bodies for the floor.
    estate.until_all_say("Unmanaged").await?;
    let mut bodies = Vec::new();
    for direction in [0, 1] {
        estate.turn(direction).await?;
        bodies.push(estate.statuses().await?);
    }
    let floor = Floor::new(client.clone(), &floor_estate, &bodies, usize::from(concurrency))?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let start = Instant::now();
        estate.turn(round % 2).await?;
        let (own, alone) = (start.elapsed(), floor.write_all(round % 2).await?);
        eprintln!("round {} of {ROUNDS}: {own:.2?}, and {alone:.2?} for the PUTs alone", round + 1);
        ours.push(own);
        theirs.push(alone);
    }
    report(&mut ours, &mut theirs, floor.mean_bytes(), concurrency);
    one_client(&client, &estate).await?;

    let _ = stop.send(());
    controller.await??;
    Ok(())
}

fn report(ours: &mut [Duration], theirs: &mut [Duration], bytes: usize, concurrency: u16) {
    let mut ratios: Vec<f64> =
        ours.iter().zip(theirs.iter()).map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    ours.sort();
    theirs.sort();
    let (ours, theirs) = (ours[ROUNDS / 2], theirs[ROUNDS / 2]);
    println!(
        "{} clients in {FLEETS} fleets, {concurrency} writes at once, {} KiB each",
        FLEETS * CLIENTS,
        bytes / 1024
    );
    println!("median of {ROUNDS} rounds            seconds   writes/s");
    let line = |what: &str, time: Duration| {
        println!(
            "{what:<28} {:>9.3} {:>10.0}",
            time.as_secs_f64(),
            FLEETS as f64 / time.as_secs_f64()
        );
    };
    line("policy change to last status", ours);
    line("the same PUTs, nothing else", theirs);
    println!("ratio, median of the rounds' {:>9.2}", ratios[ROUNDS / 2]);
}

/// What one client's report costs in writes.
async fn one_client(client: &kube::Client, estate: &Estate) -> Result<(), Failure> {
    let before = StatusWrites::count(client).await?;
    let start = Instant::now();
    estate.report_one().await?;
    let took = start.elapsed();
    // What is written too much would be written now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let writes = StatusWrites::count(client).await?.since(&before);
    println!();
    println!("one client's report: in its status after {:.3} s, with", took.as_secs_f64());
    println!("{:>6} status write(s) of fleets", writes.fleets);
    println!("{:>6} status write(s) of policies", writes.policies);
    Ok(())
}
