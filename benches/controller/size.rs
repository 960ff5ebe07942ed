//! Measures the size of the program `clientfleet`, the time from its start until it watches fleets
//! and policies, and the time from its start until it is ready.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clientfleet::api::{ClientFleet, UpgradePolicy};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::api::Api;

use crate::Failure;
use crate::program::Program;
use crate::report::{Table, median, milliseconds, ratio};
use crate::stage::Stage;

const ROUNDS: usize = 11;
const PROGRAM: &str = env!("CARGO_BIN_EXE_clientfleet");
/// Path of the program that `make image` puts into the container image. The file exists only after
/// `make image` has run.
const IMAGE: &str = "target/image/root/clientfleet";

pub async fn measure(stage: &Stage) -> Result<String, Failure> {
    let mut sizes = Table::new(&["program", "size"]);
    for (what, size) in [
        ("`cargo build --release`", stripped("--strip-debug")?),
        ("the same, without symbols", stripped("--strip-all")?),
        ("what `make image` packs", of_image()),
    ] {
        let size = size.map_or("not made".to_owned(), |bytes| format!("{:.1} MiB", mib(bytes)));
        sizes.row(&[what.to_owned(), size]);
    }
    let (mut floors, mut watching, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floors.push(floor(stage).await?);
        // Use the namespace `default`, which contains no fleets and no policies, so that only the
        // start is measured.
        let mut program = Program::start(&stage.plane, "default")?;
        watching.push(program.says("watching").await?);
        ready.push(program.is_ready().await?);
        program.stop().await?;
    }
    let mut times = Table::new(&["", "median", "of the floor"]);
    for (what, time) in [
        ("floor: start of `clientfleet --version`, and both definitions asked for", &floors),
        ("start of the process to watching", &watching),
        ("start of the process to ready, with nothing there", &ready),
    ] {
        let cells = [milliseconds(median(time)), ratio(median(time), median(&floors))];
        times.row(&[&[what.to_owned()], &cells[..]].concat());
    }
    Ok(format!("{}\n{}\n{ROUNDS} rounds in turn.\n", sizes.text(), times.text()))
}

/// Measures the floor for a start: the time to run `clientfleet --version`, and to read both
/// CustomResourceDefinitions as the controller does.
async fn floor(stage: &Stage) -> Result<Duration, Failure> {
    let start = Instant::now();
    Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status()?;
    let definitions = Api::<CustomResourceDefinition>::all(stage.plane.client()?);
    for name in [ClientFleet::crd_name(), UpgradePolicy::crd_name()] {
        definitions.get(name).await?;
    }
    Ok(start.elapsed())
}

/// Returns the size of a stripped copy of the program, or `None` if `strip` fails. Cargo builds the
/// benchmarked program with line tables, which a release does not contain.
fn stripped(how: &str) -> Result<Option<u64>, Failure> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("clientfleet");
    let done = Command::new("strip").arg(how).arg("-o").arg(&copy).arg(PROGRAM).status();
    let is_done = done.is_ok_and(|status| status.success());
    Ok(if is_done { Some(copy.metadata()?.len()) } else { None })
}

fn of_image() -> Option<u64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(IMAGE);
    Some(path.metadata().ok()?.len())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
