//! Measures a storm of reports: within a minute, each of 100,000 clients reports a new version, as
//! in a rollout.
//!
//! The results show the memory, the time from the last report to the last status, and the number of
//! status writes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clientfleet::controller::Options;

use crate::Failure;
use crate::echo::Echo;
use crate::estate::{CLIENTS, Estate, NEW, name};
use crate::floor::Floor;
use crate::observer::{Observer, Write};
use crate::process::Memory;
use crate::program::Program;
use crate::report::{Table, grouped, mebibytes, seconds};
use crate::requests::{StatusWrites, server_cpu};
use crate::stage::{FLEETS, Stage};

/// Number of writes that report versions; each write contains the reports of all clients in one
/// fleet.
///
/// With four writes per fleet, an API server on two cores needed four minutes for the reports
/// alone.
const REPORTS: usize = FLEETS;
/// Duration of the storm, over which the reports are evenly spread.
const LASTS: Duration = Duration::from_secs(60);
const LEISURE: Duration = Duration::from_secs(10);

struct Storm {
    /// Time from the start of the storm to the response to the last report.
    lasted: Duration,
    /// Time from the last report to the last status write of a fleet.
    answered: Duration,
    /// Time from the last report until the policy's status counts every client as up to date.
    /// `None` for the loop without decisions, which writes no policy status.
    settled: Option<Duration>,
    writes: StatusWrites,
    /// CPU time that the API server used from the start of the storm until the last fleet status was
    /// observed.
    server: Duration,
}

impl Storm {
    /// Returns the mean number of CPU cores that the API server used.
    fn cores(&self) -> f64 {
        self.server.as_secs_f64() / (self.lasted + self.answered).as_secs_f64()
    }
}

struct Spent {
    cpu: Duration,
    before: Memory,
    /// Memory after the last status write, with the peak since the start of the storm.
    after: Memory,
    rested: Memory,
}

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    // Create the floor before the storm, while the original fleets' statuses still match the old
    // versions of the copied fleets.
    let floor = stage.floor().await?;
    let (storm, spent) = controllers(stage).await?;
    let floor = floors(stage, floor).await?;
    Ok(report_table(stage, &storm, &spent, &floor))
}

async fn controllers(stage: &Stage) -> Result<(Storm, Spent), Failure> {
    let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(stage.estate.clients()).await?;
    program.is_at_rest().await?;
    tokio::time::sleep(LEISURE).await;
    let counted = StatusWrites::count(&stage.client).await?;
    let (cpu, before) = (program.pid().cpu()?, program.pid().memory()?);
    program.pid().forget_peak()?;
    let versions = stage.estate.resource_versions().await?;
    let observer = Observer::start(&stage.estate.fleets).await?;
    let server = server_cpu(&stage.client).await?;

    let began = Instant::now();
    let last_report = blow(&stage.estate, &versions, began).await?;
    let answered = all_answered(observer).await?.saturating_duration_since(last_report);
    let server = server_cpu(&stage.client).await?.checked_sub(server).unwrap();
    complete(stage).await?;
    let settled = Some(last_report.elapsed());
    program.is_at_rest().await?;
    let after = program.pid().memory()?;
    tokio::time::sleep(LEISURE).await;
    let writes = StatusWrites::count(&stage.client).await?.since(&counted);
    let storm = Storm { lasted: last_report - began, answered, settled, writes, server };
    let cpu = program.pid().cpu()?.checked_sub(cpu).unwrap();
    let spent = Spent { cpu, before, after, rested: program.pid().memory()? };
    program.stop().await?;
    Ok((storm, spent))
}

/// Runs the storm on the copied fleets, and returns the measurements. A loop without decisions
/// responds to each report with the status that the controller has written for the original fleet.
async fn floors(stage: &Stage, floor: &Floor) -> Result<Storm, Failure> {
    let echo = Echo::start(stage.plane.client()?, &floor.estate, floor.concurrency).await?;
    for (number, status) in stage.estate.statuses().await?.into_iter().enumerate() {
        echo.prepare(&name(number), status.to_string());
    }
    let counted = StatusWrites::count(&stage.client).await?;
    let versions = floor.estate.resource_versions().await?;
    let observer = Observer::start(&floor.estate.fleets).await?;
    let server = server_cpu(&stage.client).await?;
    let began = Instant::now();
    let last_report = blow(&floor.estate, &versions, began).await?;
    let answered = all_answered(observer).await?.saturating_duration_since(last_report);
    let server = server_cpu(&stage.client).await?.checked_sub(server).unwrap();
    let writes = StatusWrites::count(&stage.client).await?.since(&counted);
    Ok(Storm { lasted: last_report - began, answered, settled: None, writes, server })
}

/// Sends each report at its scheduled time, or later if 8 earlier reports are still in progress.
/// Returns the time of the last response.
async fn blow(estate: &Estate, versions: &[String], began: Instant) -> Result<Instant, Failure> {
    use futures::{StreamExt, TryStreamExt};
    futures::stream::iter(versions.iter().enumerate())
        .map(|(number, version)| async move {
            let time = LASTS.mul_f64(number as f64 / REPORTS as f64);
            tokio::time::sleep_until((began + time).into()).await;
            estate.report_all(number, version, NEW).await
        })
        .buffer_unordered(8)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    Ok(Instant::now())
}

/// Waits until every fleet has received a report and its status has been written. Returns the time
/// of the last write.
async fn all_answered(mut observer: Observer) -> Result<Instant, Failure> {
    let mut reports = 0;
    // Store the fleets that have received a report but no new status yet. Counting the status
    // writes would not suffice, because one write can cover several reports.
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

/// Waits until the policy's status counts every client as up to date.
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

fn report_table(stage: &Stage, storm: &Storm, spent: &Spent, floor: &Storm) -> String {
    let mut table = Table::new(&["", "controller", "floor"]);
    let mut both = |what: &str, of: &dyn Fn(&Storm) -> String| {
        table.row(&[what.to_owned(), of(storm), of(floor)]);
    };
    both("report writes", &|storm| format!("{REPORTS} in {:.1} s", storm.lasted.as_secs_f64()));
    both("status writes of fleets", &|storm| storm.writes.fleets.to_string());
    both("status writes of policies", &|storm| storm.writes.policies.to_string());
    both("last report to the last fleet's status", &|storm| seconds(storm.answered));
    both("last report to the policy's last counts", &|storm| {
        storm.settled.map_or_else(String::new, seconds)
    });
    both("CPU time of the API server until then", &|storm| seconds(storm.server));
    both("of the machine's cores", &|storm| format!("{:.2}", storm.cores()));
    let mut row = |what: &str, value: String| table.row(&[what.to_owned(), value]);
    row("CPU time of the controller", seconds(spent.cpu));
    row("resident memory before", mebibytes(spent.before.resident));
    row("peak", mebibytes(spent.after.peak));
    row("after", mebibytes(spent.rested.resident));
    format!(
        "{}\n{} clients, each of which reports the version that it was offered; {} of them in each write. The floor is a \
         loop that answers each report's delivery with one PUT of a status that was made before, {} at once.\n",
        table.text(),
        grouped(stage.estate.clients()),
        CLIENTS,
        usize::from(Options::default().concurrent_writes),
    )
}
