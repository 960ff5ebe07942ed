//! Defines the command line: every command and option, with its `--help` text. Each command is
//! implemented in a separate module.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::completion::{clusters, contexts, users};
use super::serve_arguments::{SERVE_EXAMPLES, ServeArgs};
use super::{
    clients, completion, explain, halt, import, leading_options, plan, settings, status, windows,
};
use crate::api::admission::nearest::nearest;
use crate::api::patterns::{self, Pattern};
use crate::cluster::connection::{Connection, seconds};
use crate::values::Timestamp;

/// Says which client of a fleet moves to which version, when, and which stays.
#[derive(Debug, Parser)]
#[command(name = "clientfleet", version, arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// The moment to take for now, in tests and in the documentation
    #[arg(long, global = true, hide = true, value_name = "TIME", value_parser = instant)]
    pub now: Option<Timestamp>,
}

/// A command, of either shell.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller
    Controller(Box<ControllerArgs>),
    /// Serve update agents: answer their polls, take their reports, send the packages
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// A command of this shell.
    #[command(flatten)]
    Once(Box<Once>),
}

/// A command that runs once and prints. Public for `main`, which hands it on.
#[derive(Debug, Subcommand)]
#[allow(private_interfaces)]
pub enum Once {
    /// One screen: policies and how far they are, what changes next, what needs a person
    #[command(after_help = status::EXAMPLES)]
    Status(status::StatusArgs),
    /// List clients: version, upgrade status, target, why, and when that changes
    #[command(after_help = clients::EXAMPLES)]
    Clients(clients::ClientsArgs),
    /// Explain one client: which policy governs it, which rule decides, what would make it move
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Show what files would change: who moves where and when, who stays, and why
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::PlanArgs),
    /// Show when a policy's distribution opens and closes
    #[command(after_help = windows::EXAMPLES)]
    Windows(windows::WindowsArgs),
    /// Show or make the choices there are for a policy
    #[command(after_help = settings::EXAMPLES)]
    Settings(settings::SettingsArgs),
    /// The emergency brake: nothing new is distributed
    #[command(after_help = halt::HALT_EXAMPLES)]
    Halt(halt::HaltArgs),
    /// Release the emergency brake
    #[command(after_help = halt::RESUME_EXAMPLES)]
    Resume(halt::ResumeArgs),
    /// Turn an inventory in CSV into fleets
    #[command(after_help = import::EXAMPLES)]
    Import(import::ImportArgs),
    /// Print the two CustomResourceDefinitions
    ///
    /// kubectl apply --server-side -f takes them: clientfleet crds | kubectl apply --server-side -f -
    #[command(verbatim_doc_comment)]
    Crds,
    /// Print what makes a shell complete commands, options and names
    #[command(after_help = completion::EXAMPLES)]
    Completion(completion::CompletionArgs),
}

/// Options of `controller`.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// Which cluster.
    #[command(flatten)]
    pub connection: Connection,
    /// Look after this namespace alone; may be given several times; default: all
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_parser = namespace_name)]
    pub namespaces: Vec<String>,
    /// Whether it is one of several.
    #[command(flatten)]
    pub election: ElectionArgs,
    /// How it is observed.
    #[command(flatten)]
    pub observed: ObservedArgs,
}

/// Options of `controller` for those who observe it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Observing it")]
pub struct ObservedArgs {
    /// Serve /livez, /readyz and /metrics there, as 127.0.0.1:8080, or :8080 for every address;
    /// default: nowhere
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What a long-running command logs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Observing it")]
pub struct LogArgs {
    /// How the log, on standard error, is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Which lines are logged: error, warn, info, debug, trace or off, or such a level and others for
    /// modules, as info,kube=debug; default: $RUST_LOG, else info,kube=warn
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Where each client's change is told, as a line of JSON: stdout, off, or a file, which is
    /// appended to and opened anew at SIGHUP
    #[arg(long, value_name = "WHERE", default_value = "off", value_parser = audit_to)]
    pub audit: AuditTo,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person
    #[default]
    Text,
    /// For machines: a line of JSON each
    Json,
}

/// Destination of the audit stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditTo {
    /// No destination, which disables the audit stream.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// A file, to which lines are appended.
    File(PathBuf),
}

/// Parses an IP address and a port. A port alone, such as `:8080`, means all addresses of the
/// machine.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| {
        "write an IP address and a port, as 127.0.0.1:8080 or [::1]:8080, or the port alone, as :8080"
            .to_owned()
    })
}

/// Parses the destination of the audit stream. A word that resembles a keyword is an error, because
/// it is rather a mistyped keyword than the name of a file.
fn audit_to(text: &str) -> Result<AuditTo, String> {
    match text {
        "off" => Ok(AuditTo::Off),
        "stdout" | "-" => Ok(AuditTo::Stdout),
        "" => Err("write stdout, off, or a file, as /var/log/clientfleet/audit.log".to_owned()),
        word if nearest(word, &["stdout", "off"]).is_some() => {
            Err(format!("write stdout, off, or a file, as /var/log/audit.log or ./{word}"))
        }
        file => Ok(AuditTo::File(file.into())),
    }
}

pub(super) fn namespace_name(text: &str) -> Result<String, String> {
    name(text, &patterns::namespace())
}

fn object_name(text: &str) -> Result<String, String> {
    name(text, &patterns::object_name())
}

/// Checks a name, because the API server answers a list in a namespace that cannot exist with an
/// empty list.
fn name(text: &str, pattern: &Pattern) -> Result<String, String> {
    let is_name = regex::Regex::new(&pattern.regex).is_ok_and(|regex| regex.is_match(text));
    if is_name { Ok(text.to_owned()) } else { Err(pattern.must.clone()) }
}

/// Options of `controller` where several replicas run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several replicas")]
pub struct ElectionArgs {
    /// Several replicas run: one leads, the others stand by
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value_t = false, default_missing_value = "true", action = ArgAction::Set,
    )]
    pub leader_elect: bool,
    /// The name of the Lease that they share; default: clientfleet
    #[arg(long, value_name = "NAME", requires = "leader_elect", value_parser = object_name)]
    pub lease_name: Option<String>,
    /// Its namespace; default: the pod's own, or the context's
    #[arg(long, value_name = "NAMESPACE", requires = "leader_elect", value_parser = namespace_name)]
    pub lease_namespace: Option<String>,
    /// What this replica is called in it; default: the host name and a random suffix
    #[arg(long, value_name = "NAME", requires = "leader_elect", value_parser = NonEmptyStringValueParser::new())]
    pub identity: Option<String>,
    /// So long after its last renewal another may take it; default: 15s
    #[arg(long, value_name = "TIME", requires = "leader_elect", value_parser = seconds)]
    pub lease_duration: Option<Duration>,
    /// A leader that could not renew it for so long ends; default: 10s
    #[arg(long, value_name = "TIME", requires = "leader_elect", value_parser = seconds)]
    pub renew_deadline: Option<Duration>,
    /// The pause between two tries to take or renew it; default: 2s
    #[arg(long, value_name = "TIME", requires = "leader_elect", value_parser = seconds)]
    pub retry_period: Option<Duration>,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For a person
    #[default]
    Table,
    /// For a person with a wide terminal
    Wide,
    /// As data
    Json,
    /// As data
    Yaml,
    /// As data, one line per client (RFC 4180)
    Csv,
    /// Names alone, for other commands
    Name,
}

/// Returns clap's definition of the command line, with shell completion for the options that name
/// an entry of a kubeconfig. [`Connection`] does not define this completion, because the controller
/// also uses that type.
pub(super) fn described() -> clap::Command {
    let with_names = |command: clap::Command| {
        command.mut_args(|option| match option.get_id().as_str() {
            "context" => option.add(ArgValueCompleter::new(contexts)),
            "cluster" => option.add(ArgValueCompleter::new(clusters)),
            "user" => option.add(ArgValueCompleter::new(users)),
            _ => option,
        })
    };
    let names: Vec<String> = Arguments::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let program = with_names(leading_options::with_options(Arguments::command()));
    names.iter().fold(program, |command, name| command.mut_subcommand(name, with_names))
}

/// Parses the command line. Exits the process on a usage error, and after printing the help or the
/// version.
pub(super) fn parse() -> Arguments {
    let mut command = described();
    // If kubectl runs the program as a plugin, the program's file is named `kubectl-clientfleet`.
    // Show `kubectl clientfleet` in the help then, because the user entered this command.
    let name = std::env::args_os().next().map(PathBuf::from);
    if name.and_then(|path| path.file_stem().map(|stem| stem == "kubectl-clientfleet"))
        == Some(true)
    {
        command = command.bin_name("kubectl clientfleet");
    }
    let line = std::env::args_os().collect();
    let line = leading_options::behind_the_command(&command, line);
    match Arguments::from_arg_matches(&command.get_matches_from(line)) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    }
}

/// Parses the value of an option that specifies an instant, such as `--at`. The format and the
/// range of years are those of the API, so the user can plan for every instant that a policy can
/// contain.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    use chrono::{DateTime, Datelike};
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| {
        "write a date, a time and its offset from UTC, as 2026-11-24T12:00:00Z or \
         2026-11-24T13:00:00+01:00"
            .to_owned()
    })?;
    let instant = whole_seconds(instant.to_utc());
    if (2000..2200).contains(&instant.year()) {
        Ok(instant)
    } else {
        Err("write a year from 2000 to 2199".to_owned())
    }
}

/// Drops fractions of a second, because plans have a resolution of one second.
pub(super) fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_holds() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn instants_are_rounded_down_to_the_second() {
        let at = |text| instant(text).map(|instant| instant.to_rfc3339());
        assert_eq!(at("2026-11-24T13:00:00.999+01:00").as_deref(), Ok("2026-11-24T12:00:00+00:00"));
        for wrong in [
            "",
            "2026-11-24",
            "2026-11-24T12:00:00",
            "2026-11-24T25:00:00Z",
            "1999-12-31T23:59:59Z",
        ] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
