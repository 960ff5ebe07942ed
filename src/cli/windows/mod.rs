//! Implements `windows`: shows when the distribution of a policy opens and closes, in the time
//! zones of its clients and of the user. Reads the cluster or files, and prints the result.

mod calendar;
mod days;
mod local;
mod others;
mod text;
mod zones;

use std::path::PathBuf;

use clap_complete::ArgValueCompleter;

use self::calendar::CalendarRequest;
use self::local::FoundPolicy;
use self::others::PrecedingPolicies;
use self::zones::ZoneCounts;
use super::cluster::{Cluster, NamespaceScope, check_local};
use super::completion::policies;
use super::data::{self, DataFormat};
use super::terminal::table::printable;
use super::{CommandOutput, Context, Failure, files, instant};
use crate::api::ClientFleet;
use crate::cluster::connection::Connection;
use crate::plan::policy::Policy;
use crate::plan::{Cached, Parsed};
use crate::values::{Timestamp, Zone};

/// Text at the end of the help: examples and a note on time zones.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet windows nights-and-weekends
  clientfleet windows nights-and-weekends --zone Asia/Tokyo --days 30
  clientfleet windows nights-and-weekends --local -f policies/ -f fleets/

A policy that names a time zone is open in that. Another is open in each client's own: those of
most of its clients are shown.";

/// Options of `windows`.
#[derive(Debug, clap::Args)]
pub(crate) struct WindowsArgs {
    /// The policy's name
    #[arg(add = ArgValueCompleter::new(policies))]
    policy: String,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
    /// The namespace; default: the context's
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Look at files alone, without a cluster
    #[arg(long, requires = "files")]
    local: bool,
    /// With --local: a file, a folder (its *.yaml, *.yml and *.json, not its subfolders), or - for
    /// standard input; can be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE", requires = "local")]
    files: Vec<PathBuf>,
    /// For how many days openings are listed, today included
    #[arg(long, value_name = "NUMBER", default_value_t = 14,
          value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// Show this IANA time zone instead of those of the policy's clients; can be given several times
    #[arg(long = "zone", value_name = "NAME", value_parser = zone)]
    zones: Vec<Zone>,
    /// The moment to look from, as 2026-11-24T12:00:00Z; default: now
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: DataFormat,
}

fn zone(name: &str) -> Result<Zone, String> {
    Zone::named(name).ok_or_else(|| match Zone::suggest(name) {
        Some(suggestion) => format!("there is no such zone: write {suggestion}"),
        None => "there is no such zone: write an IANA name, as Europe/Berlin".to_owned(),
    })
}

/// Runs `windows`.
pub(super) async fn run(arguments: &WindowsArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    check_local(arguments.local, &arguments.connection)?;
    let at = arguments.at.unwrap_or(cx.now);
    let found = if arguments.local {
        let files = files::read(&arguments.files);
        let namespace = arguments.namespace.as_deref();
        local::find(files, &arguments.policy, namespace, at, arguments.days)?
    } else {
        in_cluster(arguments, at).await?
    };
    let FoundPolicy { namespace, policy, count, others, remarks } = found;
    if let (Some(own), false) = (&policy.zone, arguments.zones.is_empty()) {
        let own = own.zone().map_or("a time zone", Zone::name);
        return Err(Failure::input(format!(
            "policy {} names {own} for every client, so that no other zone counts: leave --zone out",
            printable(&policy.name)
        )));
    }
    let question = CalendarRequest { at, days: arguments.days, reader: cx.zone.clone() };
    let zones = count.choose(&policy, &arguments.zones, cx.zone.as_ref());
    let calendar = calendar::calendar(&namespace, &policy, zones, others.finish(), &question);
    let output = match arguments.output {
        DataFormat::Table => text::page(&calendar, cx.in_color),
        DataFormat::Json => data::json(&calendar)?,
        DataFormat::Yaml => data::yaml(&calendar)?,
    };
    Ok(CommandOutput { output, remarks, code: 0 })
}

async fn in_cluster(arguments: &WindowsArgs, at: Timestamp) -> Result<FoundPolicy, Failure> {
    let cluster = Cluster::connect(&arguments.connection).await?;
    let namespace = arguments.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let name = arguments.policy.as_str();
    let policy = Policy::read(&Cached::from(cluster.policy(&namespace, name).await?.live));
    let reach = NamespaceScope::Namespace(namespace.clone());
    let mut remarks = String::new();
    let others = match cluster.policies(&reach).await {
        Ok(all) => {
            let all = all.into_iter().map(|live| Policy::read(&Cached::from(live)));
            PrecedingPolicies::among(&policy, all, at, arguments.days)
        }
        Err(failure) => {
            let why = failure.messages.join("; ");
            remarks = format!(
                "warning: which policies come before it is not known: {}\n",
                printable(&why)
            );
            PrecedingPolicies::default()
        }
    };
    // Do not read the fleets if they cannot affect the output: the policy is invalid, or its
    // openings are the same in every time zone and no other policy can take over its clients.
    let is_invalid = policy.is_invalid();
    if is_invalid || !policy.range.needs_zone() && others.is_empty() {
        return Ok(FoundPolicy {
            namespace,
            policy,
            count: ZoneCounts::default(),
            others,
            remarks,
        });
    }
    let count = |(count, others): &mut (ZoneCounts, PrecedingPolicies),
                 fleet: Parsed<ClientFleet>| {
        let labels = fleet.metadata.labels.as_ref();
        others.fleet(|key| labels.and_then(|labels| labels.get(key)).map(String::as_str));
        if let (Ok(spec), Some(status)) = (&fleet.spec, &fleet.status) {
            count.add(name, spec, status);
        }
    };
    let (count, others) =
        cluster.gather(&reach, None, (ZoneCounts::default(), others), count).await?;
    Ok(FoundPolicy { namespace, policy, count, others, remarks })
}
