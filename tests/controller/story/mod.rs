//! Tests sequences of events (stories) on a real API server, and compares the results with stored
//! tables. Each row of a table shows an event with its time, and the state and reason of every
//! client after the event.

mod fleets;
mod longer;
mod rules;
mod versions;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::merge_patch::merge;
use crate::world::{World, instant};

/// A sequence of events in a test namespace, and the table of its results.
struct Story {
    world: World,
    now: String,
    /// Fleets as they were last applied. Later events change these objects and apply them again.
    fleets: Vec<Value>,
    /// Fleet and name of the client in each column of the table.
    columns: Vec<(String, String)>,
    /// Rows of the table: the time, the event, and the state and reason of the client in each
    /// column after the event.
    rows: Vec<(String, String, Vec<String>)>,
}

impl Story {
    async fn begin(name: &str) -> Self {
        let world = World::start(name).await;
        let now = crate::world::NOON.to_owned();
        Self { world, now, fleets: Vec::new(), columns: Vec::new(), rows: Vec::new() }
    }

    /// Sets the clock to `time` (RFC 3339).
    fn at(&mut self, time: &str) {
        time.clone_into(&mut self.now);
        self.world.clock.set(instant(time));
    }

    async fn apply_fleet(&mut self, fleet: Value) {
        self.world.apply(fleet.clone()).await;
        self.fleets.push(fleet);
    }

    async fn change_fleet(&mut self, name: &str, changes: Value) {
        let fleets = self.fleets.iter_mut();
        let fleet = fleets.into_iter().find(|fleet| fleet["metadata"]["name"] == name).unwrap();
        merge(&mut fleet["spec"], changes);
        self.world.apply(fleet.clone()).await;
    }

    /// Merges `report` into the reported values of a client, and applies the fleet that contains
    /// the client.
    async fn report(&mut self, client: &str, report: Value) {
        let is_it = |fleet: &&Value| {
            fleet["spec"]["clients"].as_array().unwrap().iter().any(|c| c["name"] == client)
        };
        let fleet = self.fleets.iter().position(|fleet| is_it(&fleet)).expect("a fleet with it");
        let fleet = self.fleets[fleet]["metadata"]["name"].as_str().unwrap().to_owned();
        self.report_in(&fleet, client, report).await;
    }

    /// Merges `report` into the reported values of a client of `fleet`, and applies the fleet.
    async fn report_in(&mut self, fleet: &str, client: &str, report: Value) {
        let is_it = |listed: &&mut Value| listed["metadata"]["name"] == fleet;
        let fleet = self.fleets.iter_mut().find(is_it).expect("the fleet");
        let clients = fleet["spec"]["clients"].as_array_mut().unwrap();
        let client = clients.iter_mut().find(|c| c["name"] == client).unwrap();
        merge(&mut client["reported"], report);
        self.world.apply(fleet.clone()).await;
    }

    /// Waits until every stored status equals the planned one, and records a row for the event
    /// `what`.
    async fn then(&mut self, what: &str) {
        let statuses = self.world.settles().await;
        let mut found = BTreeMap::new();
        for fleet in &self.fleets {
            let name = fleet["metadata"]["name"].as_str().unwrap();
            for row in statuses.fleets[name].clients.iter().flatten() {
                let key = (name.to_owned(), row.name.to_string());
                if !self.columns.contains(&key) {
                    self.columns.push(key.clone());
                }
                found.insert(key, format!("{} {}", row.state, row.reason));
            }
        }
        let cell = |key| found.remove(key).unwrap_or_else(|| "-".to_owned());
        let cells = self.columns.iter().map(cell).collect();
        self.rows.push((self.now.clone(), what.to_owned(), cells));
    }

    /// Returns the story as a table. A cell is `·` if the client's state and reason have not
    /// changed.
    fn table(&self) -> String {
        let clients = self.columns.iter().map(|(fleet, client)| {
            let repeats = self.columns.iter().filter(|(_, other)| other == client).count() > 1;
            if repeats { format!("{fleet}/{client}") } else { client.clone() }
        });
        let mut lines =
            vec![["TIME", "EVENT"].map(str::to_owned).into_iter().chain(clients).collect()];
        let mut before: Vec<String> = Vec::new();
        for (time, what, cells) in &self.rows {
            let mut line = vec![time.replace('T', " ").replace(":00Z", " UTC"), what.clone()];
            for (index, cell) in cells.iter().enumerate() {
                let is_same = before.get(index) == Some(cell);
                line.push(if is_same { "·".to_owned() } else { cell.clone() });
            }
            before.clone_from(cells);
            lines.push(line);
        }
        aligned(&lines)
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = width(column).unwrap_or(0) + 2;
            write!(row, "{cell:<width$}").unwrap();
        }
        text += row.trim_end();
        text.push('\n');
    }
    text
}

fn document(text: &str) -> Value {
    clientfleet::cli::yaml::read(text).remove(0).content.expect("valid YAML").value()
}
