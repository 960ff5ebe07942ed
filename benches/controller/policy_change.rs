//! Measures how long the controller takes to write all statuses after a policy change that affects
//! 100,000 clients, and to respond to one client's report during these writes.
//!
//! The table compares the times of the first and the last status write with the times of the floor:
//! a loop that writes the same statuses without making decisions.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use clientfleet::api::UpgradePolicy;
use futures::TryStreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};

use crate::Failure;
use crate::estate::{NEW, everybody, name};
use crate::floor::Floor;
use crate::observer::Observer;
use crate::program::Program;
use crate::report::{Table, grouped, median, ratio, seconds};
use crate::requests::server_cpu;
use crate::stage::{DIRECTIONS, POLICY, Stage};

/// Number of rounds; the results show the median.
const ROUNDS: usize = 5;
/// Number of rounds in which a client reports a version while the controller applies a policy
/// change. In half of the rounds, the controller has written the status of the client's fleet
/// before the report.
const DISTURBED: usize = 6;

/// Measurements of one policy change. All times except the CPU time start when the change is sent.
#[derive(Clone, Copy)]
struct Turn {
    first: Duration,
    /// Time until the watch event of the last fleet's status.
    last: Duration,
    /// Time until the policy's status shows that the controller has applied the change.
    in_force: Duration,
    /// CPU time that the API server used for the whole change.
    server: Duration,
}

/// Measurements of the floor: a loop that writes the same statuses as the controller without making
/// decisions.
#[derive(Clone, Copy)]
struct Writes {
    /// Time from the first request to the last response.
    answered: Duration,
    /// Time from the first request to the last watch event.
    seen: Duration,
    /// Time from a policy change to the watch event of one status; the mean of two measurements.
    first: Duration,
    /// CPU time that the API server used for all writes.
    server: Duration,
}

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    let floor = stage.floor().await?;
    // Another benchmark section may have written to the floor's fleets, so the stored
    // resourceVersions may be outdated.
    floor.forget_versions().await;
    let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(stage.estate.clients()).await?;
    let (mut turns, mut floors, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let before = program.pid().cpu()?;
        let turn = turn(stage, round % 2).await?;
        program.is_at_rest().await?;
        cpu.push(program.pid().cpu()?.checked_sub(before).unwrap());
        let writes = writes(stage, floor, round).await?;
        let (last, seen) = (turn.last, writes.seen);
        eprintln!("round {round} of {ROUNDS}: {last:.2?}, the floor {seen:.2?}");
        turns.push(turn);
        floors.push(writes);
    }
    let mut text = report_table(stage, floor, &turns, &floors, median(&cpu));
    stage.turn(0).await?;
    text.push_str(&disturbed(stage).await?);
    program.stop().await?;
    Ok(text)
}

/// Changes the mode of the policy, and records the times of the status writes.
async fn turn(stage: &Stage, direction: usize) -> Result<Turn, Failure> {
    let mut observer = Observer::start(&stage.estate.fleets).await?;
    // Start watching policies before the change, so that the start of the watch is not measured.
    let now = stage.estate.policies.list_metadata(&ListParams::default()).await?;
    let version = now.metadata.resource_version.ok_or("a list without a version")?;
    let events = stage.estate.policies.watch(&WatchParams::default(), &version).await?;
    let mut events = std::pin::pin!(events);
    let server = server_cpu(&stage.client).await?;
    let sent = Instant::now();
    let generation = stage.estate.set(POLICY, everybody(DIRECTIONS[direction])).await?;
    let in_force = async {
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Modified(UpgradePolicy { status: Some(status), .. }) = event
                && status.observed_generation == Some(generation)
            {
                return Ok::<_, Failure>(sent.elapsed());
            }
        }
        Err("the watch ended".into())
    };
    let all = async {
        let times = seen(&mut observer, stage.estate.count).await?;
        let since = |at: &Instant| at.duration_since(sent);
        Ok::<_, Failure>((since(&times[0]), since(&times[times.len() - 1])))
    };
    let (in_force, (first, last)) = tokio::try_join!(in_force, all)?;
    let server = server_cpu(&stage.client).await?.checked_sub(server).unwrap();
    Ok(Turn { first, last, in_force, server })
}

/// Measures the floor: the time to write all statuses once, the time of a single status write after
/// a policy change, and the CPU time of the API server.
async fn writes(stage: &Stage, floor: &Floor, round: usize) -> Result<Writes, Failure> {
    let direction = round % 2;
    let mut observer = Observer::start(&floor.estate.fleets).await?;
    let server = server_cpu(&stage.client).await?;
    let written = floor.write_all(direction).await?;
    let times = seen(&mut observer, floor.estate.count).await?;
    let seen = times[times.len() - 1].duration_since(written.began);
    let server = server_cpu(&stage.client).await?.checked_sub(server).unwrap();
    // Write the status of the other mode first and that of the current mode second, so that the
    // measurement restores the fleet's status.
    let turn = i32::try_from(2 * round)?;
    let there = floor.answer_policy(turn, 1 - direction).await?;
    let back = floor.answer_policy(turn + 1, direction).await?;
    Ok(Writes { answered: written.took, seen, first: (there + back) / 2, server })
}

/// Waits until the status of each fleet has been written at least once, and returns the time of
/// every write. `fleets` is the number of fleets.
async fn seen(observer: &mut Observer, fleets: usize) -> Result<Vec<Instant>, Failure> {
    let (mut times, mut missing) = (Vec::new(), names(fleets));
    while !missing.is_empty() {
        let seen = observer.next().await?;
        times.push(seen.at);
        missing.remove(&seen.fleet);
    }
    Ok(times)
}

fn names(fleets: usize) -> HashSet<String> {
    (0..fleets).map(name).collect()
}

/// Returns a table of the times from one client's report to its fleet's status, measured during
/// policy changes. The client reports after half of the fleets' statuses have been written.
async fn disturbed(stage: &Stage) -> Result<String, Failure> {
    let (mut written, mut waiting) = (Vec::new(), Vec::new());
    for round in 1..=DISTURBED {
        let mut observer = Observer::start(&stage.estate.fleets).await?;
        let mut missing = names(stage.estate.count);
        let generation = stage.estate.set(POLICY, everybody(DIRECTIONS[round % 2])).await?;
        while missing.len() > stage.estate.count / 2 {
            missing.remove(&observer.next().await?.fleet);
        }
        let is_waiting = round > DISTURBED / 2;
        let all = 0..stage.estate.count;
        let number = all.rev().find(|number| missing.contains(&name(*number)) == is_waiting);
        let number = number.ok_or("no such fleet")?;
        // Use a different client in each round: reporting the same version again would not be a
        // change.
        let own = stage.estate.report(number, round..round + 1, NEW).await?;
        let taken = Instant::now();
        let answer = observer.answer(&name(number), own).await?;
        let time = answer.at.saturating_duration_since(taken);
        let times = if is_waiting { &mut waiting } else { &mut written };
        times.push(time);
        eprintln!("round {round} of {DISTURBED}: the report was answered after {time:.2?}");
        stage.estate.in_force(POLICY, generation).await?;
    }
    let mut table = Table::new(&["one report in the middle of the bulk", "median", "longest"]);
    for (what, times) in [("has been written already", written), ("is still waiting", waiting)] {
        let longest = times.iter().max().copied().unwrap_or_default();
        let cells = [format!("its fleet {what}"), seconds(median(&times)), seconds(longest)];
        table.row(&cells);
    }
    Ok(format!(
        "\n{}\nFrom the API server's answer to the reporter to the status, seen on a watch.\n",
        table.text()
    ))
}

fn report_table(
    stage: &Stage,
    floor: &Floor,
    turns: &[Turn],
    floors: &[Writes],
    cpu: Duration,
) -> String {
    let part = |part: fn(&Turn) -> Duration| turns.iter().map(part).collect::<Vec<_>>();
    let floor_part = |part: fn(&Writes) -> Duration| floors.iter().map(part).collect::<Vec<_>>();
    let seen = floor_part(|writes| writes.seen);
    let ratios: Vec<f64> = turns
        .iter()
        .zip(&seen)
        .map(|(turn, seen)| turn.last.as_secs_f64() / seen.as_secs_f64())
        .collect();
    let mut table = Table::new(&["", "median", "of the floor", "writes a second"]);
    let fleets = stage.estate.count as f64;
    let mut row = |what: &str, times: &[Duration]| {
        let time = median(times);
        let rate = format!("{:.0}", fleets / time.as_secs_f64());
        table.row(&[what.to_owned(), seconds(time), ratio(time, median(&seen)), rate]);
    };
    row(
        "floor: the same PUTs by a loop, to the last answer",
        &floor_part(|writes| writes.answered),
    );
    row("floor: the same, to the last that a watch tells of", &seen);
    row("policy change to the last fleet's status that a watch tells of", &part(|turn| turn.last));
    row("policy change to the policy in force", &part(|turn| turn.in_force));
    let one = median(&floor_part(|writes| writes.first));
    let first = median(&part(|turn| turn.first));
    let server = median(&part(|turn| turn.server));
    let floors_server = median(&floor_part(|writes| writes.server));
    let mut row = |what: &str, time| table.row(&[what.to_owned(), seconds(time), ratio(time, one)]);
    row("floor: policy change to one PUT of a loop that a watch tells of", one);
    row("policy change to the first status that a watch tells of", first);
    format!(
        "{}\n{} clients in {} fleets, {} KiB each; the floor writes {} at once, which is the most that the controller \
         does; {ROUNDS} rounds in turn. The median of the rounds' ratios is {:.2}. CPU time of the controller: {} a \
         change, {:.1} µs a client; of the API server: {}, and {} for the floor.\n",
        table.text(),
        grouped(stage.estate.clients()),
        stage.estate.count,
        floor.mean_bytes() / 1024,
        floor.concurrency,
        median(&ratios),
        seconds(cpu),
        cpu.as_secs_f64() * 1e6 / stage.estate.clients() as f64,
        seconds(server),
        seconds(floors_server),
    )
}
