//! A storm: every one of 100,000 clients reports a new version within a minute, as a rollout has it. How far
//! the status writes coalesce, how soon all is answered after the last report, and what it takes of memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::estate::{CLIENTS, NEW};
use crate::observer::{Observer, Write};
use crate::process::Memory;
use crate::program::Program;
use crate::report::{Table, grouped, mebibytes, seconds};
use crate::requests::StatusWrites;
use crate::stage::{FLEETS, Stage};

/// Each fleet's clients report in so many writes, as check-in services gather them. With four an API
/// server of two cores took four minutes for the reports, beside the statuses.
const REPORTS_A_FLEET: usize = 1;
const REPORTS: usize = REPORTS_A_FLEET * FLEETS;
/// They come evenly over this time.
const LASTS: Duration = Duration::from_secs(60);
const LEISURE: Duration = Duration::from_secs(10);

struct Taken {
    /// From the first report to the last.
    storm: Duration,
    /// From the last report to the last fleet's status, and to the policy's.
    answered: Duration,
    settled: Duration,
    writes: StatusWrites,
    cpu: Duration,
    before: Memory,
    /// The last report is being answered; the peak since the storm began.
    after: Memory,
    rested: Memory,
}

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(stage.estate.clients()).await?;
    program.is_at_rest().await?;
    tokio::time::sleep(LEISURE).await;
    let counted = StatusWrites::count(&stage.client).await?;
    let (cpu, before) = (program.pid().cpu()?, program.pid().memory()?);
    program.pid().forget_peak()?;
    let observer = Observer::start(&stage.estate.fleets).await?;

    let began = Instant::now();
    let last_report = blow(stage, began).await?;
    let answered = all_answered(observer).await?.saturating_duration_since(last_report);
    complete(stage).await?;
    let settled = last_report.elapsed();
    program.is_at_rest().await?;
    let after = program.pid().memory()?;
    tokio::time::sleep(LEISURE).await;
    let taken = Taken {
        storm: last_report - began,
        answered,
        settled,
        writes: StatusWrites::count(&stage.client).await?.since(&counted),
        cpu: program.pid().cpu()? - cpu,
        before,
        after,
        rested: program.pid().memory()?,
    };
    program.stop().await?;
    Ok(told(stage, &taken))
}

/// Sends all reports, each at its time or as soon as the API server is done with those before it. Returns
/// when the last one was taken.
async fn blow(stage: &Stage, began: Instant) -> Result<Instant, Failure> {
    use futures::{StreamExt, TryStreamExt};
    let share = CLIENTS.div_ceil(REPORTS_A_FLEET);
    futures::stream::iter(0..REPORTS)
        .map(|report| async move {
            let (number, part) = (report % stage.estate.count, report / stage.estate.count);
            let time = LASTS.mul_f64(report as f64 / REPORTS as f64);
            tokio::time::sleep_until((began + time).into()).await;
            let clients = part * share..CLIENTS.min((part + 1) * share);
            stage.estate.report(number, clients, NEW).await
        })
        .buffer_unordered(8)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(Instant::now())
}

/// When the last fleet's status was written after its last report.
async fn all_answered(mut observer: Observer) -> Result<Instant, Failure> {
    let mut reports = 0;
    // The fleets whose last report waits for its status.
    let mut waiting: HashMap<String, Instant> = HashMap::new();
    loop {
        let seen = observer.next().await?;
        if seen.what == Write::Report {
            reports += 1;
            waiting.insert(seen.fleet, seen.at);
        } else {
            waiting.remove(&seen.fleet);
        }
        if reports == REPORTS && waiting.is_empty() {
            return Ok(seen.at);
        }
    }
}

/// Returns when the policy's status says that every client is up to date.
async fn complete(stage: &Stage) -> Result<(), Failure> {
    let all = u32::try_from(stage.estate.clients())?;
    let is_complete = move |policy: Option<&clientfleet::api::UpgradePolicy>| {
        let summary = policy.and_then(|policy| policy.status.as_ref()?.summary.as_ref());
        summary.is_some_and(|summary| summary.up_to_date == all)
    };
    let policies = stage.estate.policies.clone();
    kube::runtime::wait::await_condition(policies, crate::stage::POLICY, is_complete).await?;
    Ok(())
}

fn told(stage: &Stage, taken: &Taken) -> String {
    let mut table = Table::new(&["", "measured"]);
    let mut row = |what: &str, value: String| table.row(&[what.to_owned(), value]);
    row("report writes", format!("{REPORTS} in {:.1} s", taken.storm.as_secs_f64()));
    row("status writes of fleets", taken.writes.fleets.to_string());
    row("status writes of policies", taken.writes.policies.to_string());
    row("last report to the last fleet's status", seconds(taken.answered));
    row("last report to the policy's last counts", seconds(taken.settled));
    row("CPU time of the controller", seconds(taken.cpu));
    row("resident memory before", mebibytes(taken.before.resident));
    row("peak", mebibytes(taken.after.peak));
    row("after", mebibytes(taken.rested.resident));
    format!(
        "{}\n{} clients, each of which reports the version that it was offered; {} of them in each write.\n",
        table.text(),
        grouped(stage.estate.clients()),
        CLIENTS / REPORTS_A_FLEET,
    )
}
