//! Tests sequences of events (stories) on a real API server, and compares the results with stored
//! tables. Each row of a table shows an event with its time, and the state and reason of every
//! client after the event.

mod longer;
mod rules;

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
    /// Rows of the table: the time, the event, and the state and reason of every client after the
    /// event.
    rows: Vec<(String, String, Vec<String>)>,
}

impl Story {
    async fn begin(name: &str) -> Self {
        let world = World::start(name).await;
        Self { world, now: crate::world::NOON.to_owned(), fleets: Vec::new(), rows: Vec::new() }
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
        let is_it = |fleet: &&mut Value| {
            fleet["spec"]["clients"].as_array().unwrap().iter().any(|c| c["name"] == client)
        };
        let fleet = self.fleets.iter_mut().find(is_it).expect("a fleet with the client");
        let clients = fleet["spec"]["clients"].as_array_mut().unwrap();
        let client = clients.iter_mut().find(|c| c["name"] == client).unwrap();
        merge(&mut client["reported"], report);
        self.world.apply(fleet.clone()).await;
    }

    /// Waits until every stored status equals the planned one, and records a row for the event
    /// `what`.
    async fn then(&mut self, what: &str) {
        let statuses = self.world.settles().await;
        let mut cells = Vec::new();
        for fleet in &self.fleets {
            let status = &statuses.fleets[fleet["metadata"]["name"].as_str().unwrap()];
            let rows = status.clients.iter().flatten();
            cells.extend(rows.map(|row| format!("{} {}", row.state, row.reason)));
        }
        self.rows.push((self.now.clone(), what.to_owned(), cells));
    }

    /// Returns the story as a table. A cell is `·` if the client's state and reason have not
    /// changed.
    fn table(&self) -> String {
        let clients = self.fleets.iter().filter_map(|fleet| fleet["spec"]["clients"].as_array());
        let clients = clients.flatten().map(|client| client["name"].as_str().unwrap().to_owned());
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
