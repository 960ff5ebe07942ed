//! A policy change that gives each of 100,000 clients another state: how long until the last status is
//! written, beside the same bodies written by a loop that decides nothing; how soon the first is; and
//! how soon one client's report that comes in the middle is answered.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::estate::{NEW, OLD, everybody, name};
use crate::floor::Floor;
use crate::observer::Observer;
use crate::program::Program;
use crate::report::{Table, grouped, median, ratio, seconds};
use crate::stage::{DIRECTIONS, POLICY, Stage};

/// Of which the median counts.
const ROUNDS: usize = 5;
/// Rounds with a report in the middle, which is a write more.
const DISTURBED: usize = 6;

/// From the moment at which the change was sent.
#[derive(Clone, Copy)]
struct Turn {
    first: Duration,
    /// The last fleet's.
    last: Duration,
    /// The policy's status says that it is in force.
    in_force: Duration,
}

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    let floor = stage.floor().await?;
    // Another section may have written them since.
    floor.forget_versions().await;
    let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(stage.estate.clients()).await?;
    let (mut turns, mut alone, mut echoed) = (Vec::new(), Vec::new(), Vec::new());
    let mut cpu = Vec::new();
    for round in 1..=ROUNDS {
        let before = program.pid().cpu()?;
        let turn = turn(stage, round % 2).await?;
        program.is_at_rest().await?;
        cpu.push(program.pid().cpu()? - before);
        alone.push(floor.write_all(round % 2).await?);
        echoed.push(watched(stage, floor, (round + 1) % 2).await?);
        // The next turn of the floor is the other way again.
        floor.write_all(round % 2).await?;
        eprintln!(
            "round {round} of {ROUNDS}: {:.2?}, the floor {:.2?}",
            turn.last,
            alone[round - 1]
        );
        turns.push(turn);
    }
    let mut text = told(stage, floor, &turns, &alone, &echoed, median(&cpu));
    stage.turn(0).await?;
    text.push_str(&disturbed(stage).await?);
    program.stop().await?;
    Ok(text)
}

/// Turns the policy and sees what is written.
async fn turn(stage: &Stage, direction: usize) -> Result<Turn, Failure> {
    let mut observer = Observer::start(&stage.estate.fleets).await?;
    let sent = Instant::now();
    let generation = stage.estate.set(POLICY, everybody(DIRECTIONS[direction])).await?;
    let in_force = async {
        stage.estate.in_force(POLICY, generation).await?;
        Ok::<_, Failure>(sent.elapsed())
    };
    let all = async {
        let (mut times, mut missing) = (Vec::new(), names(stage));
        while !missing.is_empty() {
            let seen = observer.next().await?;
            times.push(seen.at.duration_since(sent));
            missing.remove(&seen.fleet);
        }
        Ok::<_, Failure>((times[0], times[times.len() - 1]))
    };
    let (in_force, (first, last)) = tokio::try_join!(in_force, all)?;
    Ok(Turn { first, last, in_force })
}

fn names(stage: &Stage) -> HashSet<String> {
    (0..stage.estate.count).map(name).collect()
}

/// The floor again, with what every controller has: a watch, here of one that reads and forgets.
async fn watched(stage: &Stage, floor: &Floor, direction: usize) -> Result<Duration, Failure> {
    let uri = format!(
        "/apis/clientfleet.dev/v1alpha1/namespaces/{}/clientfleets?watch=true&resourceVersion={}",
        floor.estate.namespace,
        floor.estate.version().await?
    );
    let client = stage.plane.client()?;
    let request = http::Request::get(uri).body(Vec::new())?;
    let watch = tokio::spawn(async move {
        let mut lines = std::pin::pin!(client.request_stream(request).await?);
        let sink = &mut futures::io::sink();
        futures::io::copy(&mut lines, sink).await.map_err(kube::Error::ReadEvents)
    });
    let time = floor.write_all(direction).await;
    watch.abort();
    time
}

/// Turns the policy, and lets one client report once half of the statuses are written.
async fn disturbed(stage: &Stage) -> Result<String, Failure> {
    let (mut written, mut waiting) = (Vec::new(), Vec::new());
    for round in 1..=DISTURBED {
        let mut observer = Observer::start(&stage.estate.fleets).await?;
        let mut missing = names(stage);
        let generation = stage.estate.set(POLICY, everybody(DIRECTIONS[round % 2])).await?;
        while missing.len() > stage.estate.count / 2 {
            missing.remove(&observer.next().await?.fleet);
        }
        let is_waiting = round > DISTURBED / 2;
        let all = 0..stage.estate.count;
        let number = all.rev().find(|number| missing.contains(&name(*number)) == is_waiting);
        let number = number.ok_or("no such fleet")?;
        let version = if round % 2 == 0 { OLD } else { NEW };
        let sent = Instant::now();
        let own = stage.estate.report(number, round..round + 1, version).await?;
        let answer = observer.answer(&name(number), own).await?;
        let time = answer.at.duration_since(sent);
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
        "\n{}\nFrom the sending of the report to its status, seen on a watch.\n",
        table.text()
    ))
}

fn told(
    stage: &Stage,
    floor: &Floor,
    turns: &[Turn],
    alone: &[Duration],
    echoed: &[Duration],
    cpu: Duration,
) -> String {
    let part = |part: fn(&Turn) -> Duration| turns.iter().map(part).collect::<Vec<_>>();
    let ratios: Vec<f64> = turns
        .iter()
        .zip(alone)
        .map(|(turn, alone)| turn.last.as_secs_f64() / alone.as_secs_f64())
        .collect();
    let mut table = Table::new(&["", "median", "of the floor", "writes a second"]);
    let fleets = stage.estate.count as f64;
    let mut row = |what: &str, times: &[Duration]| {
        let time = median(times);
        let rate = format!("{:.0}", fleets / time.as_secs_f64());
        table.row(&[what.to_owned(), seconds(time), ratio(time, median(alone)), rate]);
    };
    row("floor: the same PUTs by a loop", alone);
    row("the same, and somebody watches whole fleets", echoed);
    row("policy change to the last fleet's status", &part(|turn| turn.last));
    row("policy change to the policy in force", &part(|turn| turn.in_force));
    let first = median(&part(|turn| turn.first));
    table.row(&["policy change to the first status".to_owned(), seconds(first)]);
    format!(
        "{}\n{} clients in {} fleets, {} writes at once, {} KiB each; {ROUNDS} rounds in turn. The median of the \
         rounds' ratios is {:.2}. CPU time of the controller: {} a change, {:.1} µs a client.\n",
        table.text(),
        grouped(stage.estate.clients()),
        stage.estate.count,
        floor.concurrency,
        floor.mean_bytes() / 1024,
        median(&ratios),
        seconds(cpu),
        cpu.as_secs_f64() * 1e6 / stage.estate.clients() as f64,
    )
}
