//! The program: hands what was asked to one of the two shells, which do not know each other.

use std::process::ExitCode;

use clientfleet::cli::{self, AuditTo, Command, ControllerArgs, LogFormat};
use clientfleet::controller::command::{Told, run_until_stopped};
use clientfleet::controller::logging::{self, Logging};

fn main() -> ExitCode {
    let (command, now) = cli::parse();
    match command {
        Command::Controller(arguments) => controller(arguments),
        Command::Once(command) => cli::run(&command, now),
    }
}

fn controller(arguments: ControllerArgs) -> ExitCode {
    let ControllerArgs { connection, namespace, listen, log_format, log_level, audit } = arguments;
    let audit = match audit {
        AuditTo::Off => logging::AuditTo::Off,
        AuditTo::Stdout => logging::AuditTo::Output,
        AuditTo::File(path) => logging::AuditTo::File(path),
    };
    let logging = Logging { as_json: log_format == LogFormat::Json, filter: log_level, audit };
    match run_until_stopped(&Told { connection, namespace, listen, logging }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
