//! Starts the program: parses the command line and runs the controller or a CLI command.

use std::process::ExitCode;

use clientfleet::checkin::messages::ClosedMeans;
use clientfleet::checkin::poll::Intervals;
use clientfleet::cli::{
    self, AuditTo, CheckinArgs, ClosedMeansArg, Command, ControllerArgs, DoorArgs, ElectionArgs,
    LogArgs, LogFormat, ObservedArgs, PackageArgs, ReportIpArg, ServeArgs,
};
use clientfleet::controller::command::{ControllerOptions, LeaseOptions, run_until_stopped};
use clientfleet::controller::lease::times::Times;
use clientfleet::daemon::logging::{self, Logging};
use clientfleet::serve::command::{self, ServeOptions};
use clientfleet::serve::peers::ReportIp;

/// Exit code for invalid options, the same as in clap.
const WRONG_INPUT: u8 = 2;

fn main() -> ExitCode {
    let (command, now) = cli::parse();
    match command {
        Command::Controller(arguments) => controller(*arguments),
        Command::Serve(arguments) => serve(*arguments),
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
    let ObservedArgs { listen, log } = observed;
    let logging = logging(log);
    match run_until_stopped(&ControllerOptions { connection, namespaces, lease, listen, logging }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

fn logging(arguments: LogArgs) -> Logging {
    let LogArgs { log_format, log_level, audit } = arguments;
    let audit = match audit {
        AuditTo::Off => logging::AuditTo::Off,
        AuditTo::Stdout => logging::AuditTo::Output,
        AuditTo::File(path) => logging::AuditTo::File(path),
    };
    Logging { as_json: log_format == LogFormat::Json, filter: log_level, audit }
}

fn serve(arguments: ServeArgs) -> ExitCode {
    let options = match serve_options(arguments) {
        Ok(options) => options,
        Err(error) => return complain(&error, WRONG_INPUT),
    };
    match command::run_until_stopped(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

fn serve_options(arguments: ServeArgs) -> Result<ServeOptions, String> {
    let ServeArgs { connection, door, packages, checkin, metrics, log, check } = arguments;
    let DoorArgs { listen, url, tenants, keys, revoked, tls_cert, tls_key, max_connections } = door;
    let PackageArgs { packages, hash_cache, variant_label, package_key, max_bytes_per_second } =
        packages;
    let CheckinArgs { poll_interval, open_poll_interval, max_writes_per_second, .. } = checkin;
    let report_ip = report_ip(&checkin)?;
    let closed_means = match checkin.closed_means {
        ClosedMeansArg::Staged => ClosedMeans::Staged,
        ClosedMeansArg::Running => ClosedMeans::Running,
    };
    if checkin.initial_version.is_some() && closed_means != ClosedMeans::Running {
        return Err("--initial-version is only for --closed-means running".to_owned());
    }
    Ok(ServeOptions {
        connection,
        listen,
        url,
        tenants,
        keys,
        revoked,
        tls: tls_cert.zip(tls_key),
        max_connections,
        packages,
        hash_cache,
        variant_label,
        package_key,
        max_bytes_per_second,
        intervals: Intervals { idle: poll_interval, in_progress: open_poll_interval },
        max_writes_per_second,
        attributes: checkin.attributes,
        closed_means,
        initial_version: checkin.initial_version,
        report_ip,
        trusted_proxies: checkin.trusted_proxies,
        metrics_listen: metrics.metrics_listen,
        logging: logging(log),
        check,
    })
}

fn report_ip(arguments: &CheckinArgs) -> Result<ReportIp, String> {
    let proxies = &arguments.trusted_proxies;
    match arguments.report_ip {
        None => Ok(ReportIp::Off),
        Some(ReportIpArg::Peer) => Ok(ReportIp::Peer),
        Some(ReportIpArg::Forwarded) if proxies.is_empty() => {
            let missing = "--report-ip forwarded needs the networks of the proxies: \
                           write --trusted-proxy, as --trusted-proxy 10.0.0.0/8";
            Err(missing.to_owned())
        }
        Some(ReportIpArg::Forwarded) => Ok(ReportIp::Forwarded(proxies.clone())),
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
