//! Implements `make demo`, which shows how the real controller applies upgrade policies on a real
//! Kubernetes API server, from an empty cluster to an upgraded client.
//!
//! On a terminal the demo keeps running until Ctrl-C, so that the user can try out more commands;
//! otherwise it ends after the last step.

#[path = "../control_plane/mod.rs"]
mod control_plane;
mod story;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use control_plane::{ControlPlane, Error, Process, assets};
use story::Story;
use tokio::signal::unix::{SignalKind, signal};

/// Timeout for the controller's shutdown, after which the demo kills the controller.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<(), Error> {
    step("The programs of a control plane: built once, some 5 minutes, then kept");
    assets::ensure(|line| eprintln!("  {line}"))?;

    step("A control plane of its own: etcd and kube-apiserver");
    let plane = ControlPlane::start()?;
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(Error::doing("listen for Ctrl-C"))?;
    let mut terminated =
        signal(SignalKind::terminate()).map_err(Error::doing("listen for SIGTERM"))?;
    let stopped = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    tokio::pin!(stopped);

    let controller = tokio::select! {
        () = &mut stopped => return Err(Error::new("stopped before all of it was seen")),
        told = show(&plane) => told?,
    };
    println!("\nGo on by hand in another terminal, with this kubectl and this kubeconfig:\n");
    println!("  alias kubectl={}", plane.assets().kubectl.display());
    println!("  KUBECONFIG={} kubectl get clf -n clients", plane.kubeconfig_path().display());
    if std::io::stdout().is_terminal() {
        println!("\nCtrl-C ends the demo and removes all of it.");
        stopped.await;
    } else {
        println!("\nNot now: without a terminal the demo ends here, and removes all of it.");
    }
    controller.stop(STOP_TIMEOUT)
}

/// Runs all steps of the demo, and returns the controller process, which continues to run.
async fn show(plane: &ControlPlane) -> Result<Process, Error> {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let story = Story::of(plane)?;

    step("The two custom resources");
    story.kubectl(&[
        "apply",
        "--server-side",
        "-k",
        &project.join("crds").display().to_string(),
    ])?;
    story.kubectl(&["wait", "--for=condition=Established", "--timeout=180s", "crd", "--all"])?;

    step("The controller");
    let mut command = Command::new(controller_program()?);
    command.arg("controller").arg("--kubeconfig").arg(plane.kubeconfig_path());
    let mut controller = plane.start_beside("controller", &mut command)?;
    println!("  its log: {}", controller.log().display());

    step("The examples: three sites, five fleets, their policies");
    story.kubectl(&[
        "apply",
        "--server-side",
        "-f",
        &project.join("examples").display().to_string(),
    ])?;
    story.until_in_force(&mut controller).await?;
    step("The policies");
    story.kubectl(&["get", "upol", "-n", story::NAMESPACE])?;
    step("The fleets");
    story.kubectl(&["get", "clf", "-n", story::NAMESPACE])?;

    step("The clients of one fleet");
    story.show_clients("berlin")?;

    step("A client of the canary ring upgrades");
    story.upgrade_a_canary(&mut controller).await?;
    Ok(controller)
}

/// Returns the path of the program `clientfleet`, which cargo puts one folder above the demo.
fn controller_program() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(Error::doing("find this program's own place"))?;
    let folder = own.parent().and_then(|examples| examples.parent());
    let program =
        folder.map(|folder| folder.join("clientfleet")).filter(|program| program.exists());
    program.ok_or_else(|| {
        Error::new("the program `clientfleet` is not built: run `cargo build` first")
    })
}

fn step(title: &str) {
    println!("\n== {title}");
}
