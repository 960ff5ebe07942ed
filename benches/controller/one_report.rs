//! Measures the controller's CPU time for one client's report among 100,000 clients, and the time
//! until the fleet's status is written. Compares this time with the time that a loop without
//! decisions needs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failure;
use crate::echo::Echo;
use crate::estate::{Estate, NEW, OLD, name};
use crate::observer::Observer;
use crate::program::Program;
use crate::report::{Table, grouped, milliseconds, quantile, ratio};
use crate::requests::StatusWrites;
use crate::stage::Stage;

/// Number of reports that the controller handles, and as many for the loop without decisions. The
/// two kinds of reports alternate.
const REPORTS: usize = 200;
/// Pause after each report. It limits the load to a few reports per second, which is realistic for
/// an estate of 100,000 clients.
const PAUSE: Duration = Duration::from_millis(150);
const CLIENT: usize = 7;

#[derive(Default)]
struct Answers {
    /// Times from sending the report until the watch event.
    sent: Vec<Duration>,
    /// Times from the API server's response to the report until the watch event.
    taken: Vec<Duration>,
}

impl Answers {
    /// Reports `version` for one client, and records both times until the watch event of the
    /// fleet's status.
    async fn add(
        &mut self,
        estate: &Estate,
        observer: &mut Observer,
        number: usize,
        version: &str,
    ) -> Result<(), Failure> {
        let sent = Instant::now();
        let generation = estate.report(number, CLIENT..CLIENT + 1, version).await?;
        let taken = Instant::now();
        let answer = observer.answer(&name(number), generation).await?;
        self.sent.push(answer.at.duration_since(sent));
        self.taken.push(answer.at.saturating_duration_since(taken));
        Ok(())
    }
}

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    let floor = stage.floor().await?;
    let mut statuses = floor.estate.statuses().await?;
    let echo = Echo::start(stage.plane.client()?, &floor.estate, floor.concurrency).await?;
    let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(stage.estate.clients()).await?;
    program.is_at_rest().await?;
    let mut ours_seen = Observer::start(&stage.estate.fleets).await?;
    let mut theirs_seen = Observer::start(&floor.estate.fleets).await?;

    let (mut ours, mut theirs) = (Answers::default(), Answers::default());
    let before = StatusWrites::count(&stage.client).await?;
    let (cpu, began) = (program.pid().cpu()?, Instant::now());
    for report in 0..REPORTS {
        if report % 50 == 0 {
            eprintln!("report {report} of {REPORTS}");
        }
        // Select the fleets in steps of 37, to spread the reports over the estate. Each client
        // reports the new version first and the old one later, so that every report is a change.
        let number = report / 2 * 37 % stage.estate.count;
        let version = if report % 2 == 0 { NEW } else { OLD };
        ours.add(&stage.estate, &mut ours_seen, number, version).await?;
        tokio::time::sleep(PAUSE).await;
        echo.prepare(&name(number), next_status(&mut statuses[number], version));
        theirs.add(&floor.estate, &mut theirs_seen, number, version).await?;
        tokio::time::sleep(PAUSE).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, took) = (program.pid().cpu()?.checked_sub(cpu).unwrap(), began.elapsed());
    let mut writes = StatusWrites::count(&stage.client).await?.since(&before);
    writes.fleets -= REPORTS as u64;
    program.stop().await?;
    Ok(report_table(stage, &ours, &theirs, &writes, cpu, took))
}

/// Updates the status in place for the client's new version and the next generation, and returns it
/// as JSON.
fn next_status(status: &mut Value, version: &str) -> String {
    status["clients"][CLIENT]["version"] = json!(version);
    status["observedGeneration"] =
        json!(status["observedGeneration"].as_i64().unwrap_or_default() + 1);
    status.to_string()
}

fn report_table(
    stage: &Stage,
    ours: &Answers,
    theirs: &Answers,
    writes: &StatusWrites,
    cpu: Duration,
    took: Duration,
) -> String {
    let mut table = Table::new(&["report to status", "controller", "floor", "ratio"]);
    let mut row = |what: &str, share: f64, ours: &[Duration], theirs: &[Duration]| {
        let (ours, theirs) = (quantile(ours, share), quantile(theirs, share));
        let cells = [milliseconds(ours), milliseconds(theirs), ratio(ours, theirs)];
        table.row(&[&[what.to_owned()], &cells[..]].concat());
    };
    row("since the report was taken, median", 0.5, &ours.taken, &theirs.taken);
    row("since the report was taken, 99th percentile", 0.99, &ours.taken, &theirs.taken);
    row("since the report was sent, median", 0.5, &ours.sent, &theirs.sent);
    row("since the report was sent, 99th percentile", 0.99, &ours.sent, &theirs.sent);
    format!(
        "{}\n{REPORTS} reports of single clients among {}, each of which changes the client's state: {} status writes of fleets, {} of \
         policies in {:.0} s. CPU time of the controller: {} for each. The floor is a loop that answers a report's \
         delivery with one PUT of a status that was made before; the status is seen on a watch.\n",
        table.text(),
        grouped(stage.estate.clients()),
        writes.fleets,
        writes.policies,
        took.as_secs_f64(),
        milliseconds(cpu / REPORTS as u32),
    )
}
