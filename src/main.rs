//! The program: hands what was asked to one of the two shells, which do not know each other.

use std::process::ExitCode;

use clientfleet::cli::{self, Command, ControllerArgs};
use clientfleet::controller::command::run_until_stopped;

fn main() -> ExitCode {
    let (command, now) = cli::parse();
    match command {
        Command::Controller(arguments) => controller(arguments),
        Command::Once(command) => cli::run(&command, now),
    }
}

fn controller(arguments: ControllerArgs) -> ExitCode {
    let ControllerArgs { connection, namespace } = arguments;
    match run_until_stopped(&connection, namespace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
