//! Measures the controller as a separate process on a real API server, and compares most figures
//! with a floor: the cost of the same work without decisions.
//!
//! Run all sections with `cargo bench --bench controller`, or select sections with arguments such
//! as `-- restart memory=0,10000`. The value after `=` is the numbers of clients for `memory`, and
//! the duration in seconds for `idle`.

#[path = "../../tests/control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;
#[path = "../report/mod.rs"]
mod report;

mod echo;
mod floor;
mod idle;
mod machine;
mod memory;
mod observer;
mod one_report;
mod policy_change;
mod process;
mod program;
mod requests;
mod restart;
mod size;
mod stage;
mod storm;

use std::time::Duration;

use report::conditions::Conditions;
use stage::Stage;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Names of the sections, in the order in which they run. `storm` changes the version of every
/// client, so it runs after all other sections that share the stage.
const SECTIONS: [&str; 7] = ["size", "restart", "report", "policy", "idle", "storm", "memory"];

/// A section to run, with its value from the command line, such as `0,10000` for `memory`.
struct Asked {
    section: &'static str,
    value: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Measure nothing under `cargo test --benches`, which only checks that the benchmark starts.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let asked = asked(std::env::args().skip(1))?;
    let mut stage = None;
    for Asked { section, value } in asked {
        if section == "memory" {
            // Drop the shared stage: the section `memory` starts another control plane and needs
            // the machine's memory.
            stage = None;
        } else if stage.is_none() {
            let set = Stage::set().await?;
            report::publish("machine", &machine::describe(&set.plane).await?)?;
            stage = Some(set);
        }
        eprintln!("measuring: {section}");
        let conditions = Conditions::now();
        let told = measure(section, value.as_deref(), stage.as_ref()).await?;
        conditions.publish(section, &told)?;
    }
    Ok(())
}

async fn measure(
    section: &str,
    value: Option<&str>,
    stage: Option<&Stage>,
) -> Result<String, Failure> {
    match (section, stage) {
        ("size", Some(stage)) => size::measure(stage).await,
        ("restart", Some(stage)) => restart::measure(stage).await,
        ("report", Some(stage)) => one_report::measure(stage).await,
        ("policy", Some(stage)) => policy_change::measure(stage).await,
        ("storm", Some(stage)) => storm::measure(stage).await,
        ("idle", Some(stage)) => idle::measure(stage, time(value)?).await,
        ("memory", _) => memory::measure(&sizes(value)?).await,
        _ => Err(format!("{section} needs a stage").into()),
    }
}

/// Returns the sections that the arguments select, or all sections if there are no arguments.
fn asked(arguments: impl Iterator<Item = String>) -> Result<Vec<Asked>, Failure> {
    // Ignore `--bench`, which Cargo adds to the arguments.
    let named: Vec<String> = arguments.filter(|argument| argument != "--bench").collect();
    let split = |argument: &str| match argument.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (argument.to_owned(), None),
    };
    let named: Vec<_> = named.iter().map(|argument| split(argument)).collect();
    if let Some((name, _)) = named.iter().find(|(name, _)| !SECTIONS.contains(&name.as_str())) {
        return Err(format!("no section {name}: there are {}", SECTIONS.join(", ")).into());
    }
    let is_asked =
        |section: &&str| named.is_empty() || named.iter().any(|(name, _)| name == section);
    let value = |section: &str| named.iter().find(|(name, _)| name == section)?.1.clone();
    let asked = |section| Asked { section, value: value(section) };
    Ok(SECTIONS.into_iter().filter(is_asked).map(asked).collect())
}

fn sizes(value: Option<&str>) -> Result<Vec<usize>, Failure> {
    let Some(value) = value else { return Ok(memory::SIZES.to_vec()) };
    let size = |size: &str| size.parse().map_err(|_| format!("{size:?} is not a number").into());
    value.split(',').map(size).collect()
}

fn time(value: Option<&str>) -> Result<Duration, Failure> {
    let Some(value) = value else { return Ok(idle::LASTS) };
    let seconds = value.parse().map_err(|_| format!("{value:?} is not a number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}
