//! Starts the program: parses the command line and runs the controller or a CLI command.

use std::process::ExitCode;

use clientfleet::cli::{
    self, AuditTo, Command, ControllerArgs, ElectionArgs, LogFormat, ObservedArgs,
};
use clientfleet::controller::command::{ControllerOptions, LeaseOptions, run_until_stopped};
use clientfleet::controller::lease::times::Times;
use clientfleet::daemon::logging::{self, Logging};

/// Exit code for invalid options, the same as in clap.
const WRONG_INPUT: u8 = 2;

fn main() -> ExitCode {
    let (command, now) = cli::parse();
    match command {
        Command::Controller(arguments) => controller(*arguments),
        Command::Once(command) => cli::run(&command, now),
    }
}

fn controller(arguments: ControllerArgs) -> ExitCode {
    let ControllerArgs { connection, namespaces, election, observed } = arguments;
    let lease = match lease(election) {
        Ok(lease) => lease,
        Err(error) => return complain(&error, WRONG_INPUT),
    };
    let namespaces = namespaces.into_iter().collect();
    let ObservedArgs { listen, log_format, log_level, audit } = observed;
    let audit = match audit {
        AuditTo::Off => logging::AuditTo::Off,
        AuditTo::Stdout => logging::AuditTo::Output,
        AuditTo::File(path) => logging::AuditTo::File(path),
    };
    let logging = Logging { as_json: log_format == LogFormat::Json, filter: log_level, audit };
    match run_until_stopped(&ControllerOptions { connection, namespaces, lease, listen, logging }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

fn lease(arguments: ElectionArgs) -> Result<Option<LeaseOptions>, String> {
    if !arguments.leader_elect {
        return Ok(None);
    }
    let usual = Times::default();
    let times = Times::new(
        arguments.lease_duration.unwrap_or_else(|| usual.duration()),
        arguments.renew_deadline.unwrap_or_else(|| usual.deadline()),
        arguments.retry_period.unwrap_or_else(|| usual.retry()),
    )?;
    Ok(Some(LeaseOptions {
        name: arguments.lease_name.unwrap_or_else(|| "clientfleet".to_owned()),
        namespace: arguments.lease_namespace,
        identity: arguments.identity,
        times,
    }))
}

fn complain(error: &str, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
