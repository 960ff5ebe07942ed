//! Runs the test control plane manually, with `cargo run --example control-plane -- COMMAND`.
//!
//! The commands are:
//! - `build`: build the programs of the control plane;
//! - `run`: run a control plane until Ctrl-C;
//! - `tools`: build the programs of the integration tests;
//! - `tool NAME`: print the path of one program of the integration tests.

#[path = "mod.rs"]
mod control_plane;

use std::env;
use std::process::ExitCode;

use control_plane::{ControlPlane, Error, assets, tools};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let result = match env::args().nth(1).as_deref() {
        Some("build") => build(),
        Some("run") => run().await,
        Some("tools") => build_tools(),
        Some("tool") => print_tool(&env::args().nth(2).unwrap_or_default()),
        _ => Err(Error::new("say what to do: build, run, tools, or tool and its name")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Error> {
    let assets = assets::ensure(|line| eprintln!("{line}"))?;
    println!("{}", assets.folder.display());
    Ok(())
}

fn build_tools() -> Result<(), Error> {
    for folder in tools::ensure_all()? {
        println!("{}", folder.display());
    }
    Ok(())
}

fn print_tool(name: &str) -> Result<(), Error> {
    println!("{}", tools::tool(name)?.display());
    Ok(())
}

async fn run() -> Result<(), Error> {
    let plane = ControlPlane::start()?;
    // Handle signals only after the control plane has started. An earlier signal ends this program
    // immediately, and the watchdog cleans up.
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(Error::doing("listen for Ctrl-C"))?;
    let mut terminated =
        signal(SignalKind::terminate()).map_err(Error::doing("listen for SIGTERM"))?;
    println!("export KUBECONFIG={}", plane.kubeconfig_path().display());
    eprintln!(
        "kubectl is {}; Ctrl-C ends this control plane and removes its data",
        plane.assets().kubectl.display()
    );
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    Ok(())
}
