//! Measures the memory of the controller for several numbers of clients, on a separate control
//! plane.
//!
//! The results show the peak while the controller writes all statuses, the memory after a restart,
//! the peak during that restart, and the memory after 1,000 changes.

use std::time::Duration;

use clientfleet::api::policy::Mode;
use futures::{StreamExt, TryStreamExt};

use crate::Failure;
use crate::control_plane::ControlPlane;
use crate::estate::{self, CLIENTS, Estate, NEW, everybody};
use crate::process::Memory;
use crate::program::Program;
use crate::report::{Table, grouped, mebibytes};

/// Default numbers of clients.
pub const SIZES: [usize; 4] = [0, 10_000, 100_000, 500_000];
/// Number of reports before the last measurement. Each report changes one client.
const CHANGES: usize = 1_000;
/// Time to wait before reading the memory, until the allocator and the API server's watches are
/// idle.
const LEISURE: Duration = Duration::from_secs(3);

struct Taken {
    clients: usize,
    /// Memory of the process that has written all statuses.
    writing: Memory,
    /// Memory of a process that was started after all statuses had been written.
    loaded: Memory,
    changed: Memory,
}

pub async fn measure(sizes: &[usize]) -> Result<String, Failure> {
    let plane = ControlPlane::start()?;
    let client = plane.client()?;
    estate::install(&client).await?;
    let mut estate = Estate::make(&client, "memory", 0).await?;
    let mut all = Vec::new();
    for (round, clients) in sizes.iter().enumerate() {
        eprintln!("{clients} clients");
        estate.grow(clients / CLIENTS).await?;
        let taken = take(&plane, &estate, round).await?;
        eprintln!("{clients} clients: {}", mebibytes(taken.loaded.resident));
        all.push(taken);
    }
    Ok(report_table(&all))
}

async fn take(plane: &ControlPlane, estate: &Estate, round: usize) -> Result<Taken, Failure> {
    let clients = estate.clients();
    let program = Program::start(plane, estate.namespace)?;
    // Set `NoUpgrade` first and then `AutoUpgrade`, so that the controller writes every status and
    // offers an upgrade to every client.
    for mode in [Mode::NoUpgrade, Mode::AutoUpgrade] {
        let generation = estate.set("all", everybody(mode)).await?;
        estate.in_force("all", generation).await?;
    }
    program.is_at_rest().await?;
    let writing = program.pid().memory()?;
    program.stop().await?;

    let mut program = Program::start(plane, estate.namespace)?;
    program.is_ready().await?;
    program.has_decided(clients).await?;
    tokio::time::sleep(LEISURE).await;
    let loaded = program.pid().memory()?;
    if clients > 0 {
        change(estate, round).await?;
        tokio::time::sleep(LEISURE).await;
        program.is_at_rest().await?;
    }
    let changed = program.pid().memory()?;
    program.stop().await?;
    Ok(Taken { clients, writing, loaded, changed })
}

/// Reports a new version for 1,000 clients, each in its own request. Each round selects different
/// clients, in turn from all fleets.
async fn change(estate: &Estate, round: usize) -> Result<(), Failure> {
    futures::stream::iter(0..CHANGES)
        .map(|change| {
            let (fleet, client) = (change % estate.count, change / estate.count * 3 + round);
            estate.report(fleet, client..client + 1, NEW)
        })
        .buffer_unordered(4)
        .try_for_each(|_| async { Ok(()) })
        .await
}

fn report_table(all: &[Taken]) -> String {
    let base = all.iter().find(|taken| taken.clients == 0).map(|taken| taken.loaded);
    let mut table = Table::new(&[
        "clients",
        "resident",
        "of it private",
        "peak while loading",
        "after 1,000 changes",
        "bytes a client",
        "at the peak",
        "peak while writing all",
    ]);
    for Taken { clients, writing, loaded, changed } in all {
        let each = |kib: u64, base: u64| match *clients {
            0 => String::new(),
            clients => format!("{:.0}", kib.saturating_sub(base) as f64 * 1024.0 / clients as f64),
        };
        let base = base.unwrap_or_default();
        table.row(&[
            grouped(*clients),
            mebibytes(loaded.resident),
            mebibytes(loaded.private),
            mebibytes(loaded.peak),
            mebibytes(changed.resident),
            each(loaded.resident, base.resident),
            each(loaded.peak, base.peak),
            mebibytes(writing.peak),
        ]);
    }
    format!(
        "{}\nAfter a restart with all statuses written, every client decided. Bytes a client are above the first line.\n",
        table.text()
    )
}
