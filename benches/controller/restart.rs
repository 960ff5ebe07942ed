//! Measures a restart of the controller with 100,000 clients, and compares it with the time to list
//! the fleets. All statuses are correct before the restart, so the controller should write none.

use std::time::{Duration, Instant};

use clientfleet::api::ClientFleet;
use kube::Client;
use kube::api::{Api, ListParams};

use crate::Failure;
use crate::program::Program;
use crate::report::{Table, grouped, median, ratio, seconds};
use crate::requests::StatusWrites;
use crate::stage::Stage;

const ROUNDS: usize = 7;
/// Number of fleets per page: the default page size of `kubectl` and of client-go's pagers.
const PAGE: u32 = 500;
/// Time to wait after the restart, so that unnecessary writes are counted too.
const LEISURE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Times {
    bytes: Vec<Duration>,
    objects: Vec<Duration>,
    ready: Vec<Duration>,
    decided: Vec<Duration>,
    cpu: Vec<Duration>,
}

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    let mut times = Times::default();
    let mut writes = 0;
    for round in 1..=ROUNDS {
        times.bytes.push(list_bytes(stage).await?);
        times.objects.push(list_objects(stage).await?);
        let before = StatusWrites::count(&stage.client).await?;
        let mut program = Program::start(&stage.plane, stage.estate.namespace)?;
        let ready = program.is_ready().await?;
        times.ready.push(ready);
        times.decided.push(program.has_decided(stage.estate.clients()).await?);
        times.cpu.push(program.pid().cpu()?);
        program.is_at_rest().await?;
        tokio::time::sleep(LEISURE).await;
        let written = StatusWrites::count(&stage.client).await?.since(&before);
        writes += written.fleets + written.policies;
        program.stop().await?;
        eprintln!("round {round} of {ROUNDS}: ready after {ready:.2?}");
    }
    Ok(report_table(stage, &times, writes))
}

fn report_table(stage: &Stage, times: &Times, writes: u64) -> String {
    let [bytes, objects] = [&times.bytes, &times.objects].map(|times| median(times));
    let mut table = Table::new(&["", "median", "of the list's bytes", "of the list"]);
    let mut row = |what: &str, times: &[Duration]| {
        let time = median(times);
        table.row(&[what.to_owned(), seconds(time), ratio(time, bytes), ratio(time, objects)]);
    };
    row("floor: a paged list, its bytes read", &times.bytes);
    row("floor: the same list, read into objects", &times.objects);
    row("start of the process to ready", &times.ready);
    row("start of the process to every client decided", &times.decided);
    let mut text = table.text().to_owned();
    text.push_str(&format!(
        "\n{} clients in {} fleets, {ROUNDS} rounds in turn. Status writes in all rounds: {writes}. CPU time of a start: {}.",
        grouped(stage.estate.clients()),
        stage.estate.count,
        seconds(median(&times.cpu)),
    ));
    text
}

/// Lists all fleets page by page, and returns the time until the last page. Parses only the
/// continue token of each page.
async fn list_bytes(stage: &Stage) -> Result<Duration, Failure> {
    let start = Instant::now();
    let client: Client = stage.plane.client()?;
    let path = format!(
        "/apis/clientfleet.dev/v1alpha1/namespaces/{}/clientfleets",
        stage.estate.namespace
    );
    let mut next = String::new();
    loop {
        let uri = format!("{path}?limit={PAGE}{next}");
        let page = client.request_text(http::Request::get(uri).body(Vec::new())?).await?;
        // Search from the end of the page, because the API server writes the metadata of a list
        // after its items. On the last page, the continue token is missing or empty.
        let token =
            page.rsplit_once(r#""continue":""#).and_then(|(_, rest)| rest.split('"').next());
        match token.filter(|token| !token.is_empty()) {
            Some(token) => next = format!("&continue={token}"),
            None => break,
        }
    }
    Ok(start.elapsed())
}

async fn list_objects(stage: &Stage) -> Result<Duration, Failure> {
    let start = Instant::now();
    let fleets = Api::<ClientFleet>::namespaced(stage.plane.client()?, stage.estate.namespace);
    let mut params = ListParams::default().limit(PAGE);
    let mut found = 0;
    loop {
        let page = fleets.list(&params).await?;
        found += page.items.len();
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    let time = start.elapsed();
    if found == stage.estate.count { Ok(time) } else { Err(format!("{found} fleets").into()) }
}
