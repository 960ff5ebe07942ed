//! Measures the controller's CPU time and status writes for 100,000 clients under policies with
//! windows: first while nothing changes, then while a window opens for a quarter of the fleets.
//! When the window opens, the controller should write the status of each of these fleets exactly
//! once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use clientfleet::api::policy::{
    ClientSelector, Distribution, LabelSelector, Mode, Scope, UpgradePolicySpec, Window,
};
use kube::api::DeleteParams;

use crate::Failure;
use crate::estate::{CANARY, DEPARTMENTS, everybody};
use crate::observer::{Observer, Sighting};
use crate::program::Program;
use crate::report::{Table, grouped, seconds};
use crate::requests::StatusWrites;
use crate::stage::Stage;

/// Default duration of the idle measurement.
pub const LASTS: Duration = Duration::from_secs(300);
/// Delay before the idle measurement, so that work caused by the setup is not measured.
const LEISURE: Duration = Duration::from_secs(5);
/// Time to measure after the window opens, so that unnecessary writes are counted too.
const AFTERMATH: Duration = Duration::from_secs(15);
/// Name of the policy whose window opens during the benchmark. Each of the other policies is named
/// after a department.
const OPENING: &str = "opening";

struct Spent {
    time: Duration,
    cpu: Duration,
    writes: StatusWrites,
}

pub async fn measure(stage: &Stage, lasts: Duration) -> Result<String, Failure> {
    let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(stage.estate.clients()).await?;
    set_windows(stage).await?;
    let opening = whole_minute_after(lasts + Duration::from_secs(30));
    let generation = stage.estate.set(OPENING, opens_at(opening)).await?;
    stage.estate.in_force(OPENING, generation).await?;
    program.is_at_rest().await?;
    tokio::time::sleep(LEISURE).await;

    eprintln!("idle for {lasts:?}; then a window opens, at {opening}");
    let idle = spend(stage, &program, lasts).await?;
    let mut observer = Observer::start(&stage.estate.fleets).await?;
    let wait = (opening - Utc::now()).to_std().map_err(|_| "the opening came too early")?;
    let opens = Instant::now() + wait;
    let open = spend(stage, &program, wait + AFTERMATH).await?;
    let seen = observer.seen();
    // Stop the controller first, so that it does not react to the deletion of the policies.
    program.stop().await?;
    for name in DEPARTMENTS.iter().chain(&[OPENING]) {
        stage.estate.policies.delete(name, &DeleteParams::default()).await?;
    }
    Ok(report_table(stage, &idle, &open, &seen, opens))
}

async fn spend(stage: &Stage, program: &Program, time: Duration) -> Result<Spent, Failure> {
    let before = StatusWrites::count(&stage.client).await?;
    let (cpu, began) = (program.pid().cpu()?, Instant::now());
    tokio::time::sleep(time).await;
    let (cpu, time) = (program.pid().cpu()?.checked_sub(cpu).unwrap(), began.elapsed());
    Ok(Spent { time, cpu, writes: StatusWrites::count(&stage.client).await?.since(&before) })
}

/// Creates a policy for each department, with a daily window that opens after the benchmark.
///
/// Each window starts 3 to 7 hours after the current UTC time, read as a time in Berlin (1 or 2
/// hours ahead of UTC), so the window opens in 1 to 6 hours.
async fn set_windows(stage: &Stage) -> Result<(), Failure> {
    for (department, hours) in DEPARTMENTS.iter().zip(3..) {
        let labels = [("department", *department)].into_iter().collect();
        let labelled = LabelSelector { match_labels: Some(labels), ..LabelSelector::default() };
        let clients =
            ClientSelector { label_selector: Some(labelled), ..ClientSelector::default() };
        let mut spec = opens_at(Utc::now() + TimeDelta::hours(hours));
        spec.priority = 10;
        spec.scope = Some(Scope { clients: Some(vec![clients]), ..Scope::default() });
        if let Some(distribution) = &mut spec.distribution {
            distribution.time_zone = None;
        }
        let generation = stage.estate.set(department, spec).await?;
        stage.estate.in_force(department, generation).await?;
    }
    Ok(())
}

/// Returns the spec of a policy for the ring `canary`, with a daily one-hour window that starts at
/// `opening`.
fn opens_at(opening: DateTime<Utc>) -> UpgradePolicySpec {
    let clock = |time: DateTime<Utc>| format!("{:02}:{:02}", time.hour(), time.minute()).into();
    let end = opening + TimeDelta::hours(1);
    let window = Window { start: clock(opening), end: clock(end), ..Window::default() };
    let ring = [("ring", "canary")].into_iter().collect();
    let canary = LabelSelector { match_labels: Some(ring), ..LabelSelector::default() };
    UpgradePolicySpec {
        priority: 100,
        distribution: Some(Distribution {
            time_zone: Some("UTC".into()),
            windows: Some(vec![window]),
            ..Distribution::default()
        }),
        scope: Some(Scope { fleet_selector: Some(canary), ..Scope::default() }),
        ..everybody(Mode::AutoUpgrade)
    }
}

fn whole_minute_after(time: Duration) -> DateTime<Utc> {
    let seconds = Utc::now().timestamp() + time.as_secs().cast_signed();
    DateTime::from_timestamp(seconds.div_euclid(60) * 60 + 60, 0).unwrap_or_default()
}

fn report_table(
    stage: &Stage,
    idle: &Spent,
    open: &Spent,
    seen: &[Sighting],
    opens: Instant,
) -> String {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for sighting in seen {
        *times.entry(&sighting.fleet).or_default() += 1;
    }
    let after = |sighting: Option<&Sighting>| {
        sighting.map_or_else(String::new, |seen| seconds(seen.at.saturating_duration_since(opens)))
    };
    let canaries = stage.estate.count.div_ceil(CANARY);
    let share = 100.0 * idle.cpu.as_secs_f64() / idle.time.as_secs_f64();
    let mut table = Table::new(&["", "floor", "measured"]);
    let mut row = |what: &str, floor: usize, value: String| {
        table.row(&[what.to_owned(), floor.to_string(), value]);
    };
    row("idle: status writes", 0, (idle.writes.fleets + idle.writes.policies).to_string());
    row("idle: CPU time, of one core", 0, format!("{} ({share:.3} %)", seconds(idle.cpu)));
    row("opening: status writes of fleets", canaries, open.writes.fleets.to_string());
    row("opening: fleets that were written", canaries, times.len().to_string());
    row("opening: status writes of policies", 1, open.writes.policies.to_string());
    row("opening to the first status", 0, after(seen.first()));
    row("opening to the last status", 0, after(seen.last()));
    row("opening: CPU time", 0, seconds(open.cpu));
    format!(
        "{}\n{} clients, idle for {:.0} s under {} policies with windows. Then that of one of them opens, for a quarter \
         of the fleets.\n",
        table.text(),
        grouped(stage.estate.clients()),
        idle.time.as_secs_f64(),
        DEPARTMENTS.len() + 1,
    )
}
