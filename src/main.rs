//! The program: hands what was asked to one of the two shells, which do not know each other.

use std::process::ExitCode;

use clientfleet::cli::{self, Command, ControllerArgs};
use clientfleet::controller::command::{Connection, run_until_stopped};

fn main() -> ExitCode {
    match cli::parse() {
        Command::Controller(arguments) => controller(arguments),
        Command::Once(command) => cli::run(&command),
    }
}

fn controller(arguments: ControllerArgs) -> ExitCode {
    let ControllerArgs { kubeconfig, context, namespace } = arguments;
    match run_until_stopped(Connection { kubeconfig, context, namespace }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
