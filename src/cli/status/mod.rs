//! Implements `status`: shows the progress of the policies and the problems that need a user's
//! action, on one screen. Lists the objects in the cluster page by page.

mod duplicates;
mod halted;
mod halted_messages;
mod needs;
mod overview;
mod screen;
mod withdrawn;

use std::collections::HashMap;

use kube::core::ObjectMeta;

use self::overview::{Overview, OverviewBuilder};
use self::screen::DisplayOptions;
use super::cluster::{Cluster, NamespaceArgs, NamespaceScope};
use super::data::{self, DataFormat};
use super::recorded_change::RecordedChange;
use super::terminal::table::printable;
use super::{CommandOutput, Context, Failure, halt, terminal};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cluster::connection::Connection;
use crate::plan::Parsed;

/// Examples and exit codes at the end of the help text.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet status
  clientfleet status -A
  clientfleet status -A -o json | jq .needs

Exit codes: 0, whatever needs somebody; 1 if the cluster cannot be asked; 2 for wrong options.";

/// Options of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: DataFormat,
    /// Leave the titles of the table out
    #[arg(long)]
    no_headers: bool,
    /// Where.
    #[command(flatten)]
    place: NamespaceArgs,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
}

/// Runs `status`.
pub(super) async fn run(args: &StatusArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    let cluster = Cluster::connect(&args.connection).await?;
    let reach = cluster.reach(&args.place);
    let is_everywhere = reach == NamespaceScope::All;
    let empty = OverviewBuilder::new(cx.now, is_everywhere);
    let policy =
        |gathering: &mut OverviewBuilder, policy: Parsed<UpgradePolicy>| gathering.policy(&policy);
    let gathering = cluster.gather(&reach, None, empty, policy).await?;
    let fleet =
        |gathering: &mut OverviewBuilder, fleet: Parsed<ClientFleet>| gathering.fleet(&fleet);
    let mut overview = cluster.gather(&reach, None, gathering, fleet).await?.finish();
    if overview.namespaces.is_empty() {
        cluster.namespace_exists(&reach).await?;
    }
    let remarks = add_annotations(&cluster, &reach, &mut overview).await;
    let look = DisplayOptions {
        reader: cx.reader(),
        in_color: cx.in_color,
        width: terminal::width(),
        is_everywhere,
        has_titles: !args.no_headers,
    };
    let output = match args.output {
        DataFormat::Table => screen::screen(&overview, &look),
        DataFormat::Json => data::json(&overview)?,
        DataFormat::Yaml => data::yaml(&overview)?,
    };
    Ok(CommandOutput { output, remarks, code: 0 })
}

/// Adds the reasons for the halts, and who changed the policies, and returns a warning if they
/// cannot be read. Lists the metadata of the policies again, because the list of whole policies
/// omits annotations.
async fn add_annotations(
    cluster: &Cluster,
    reach: &NamespaceScope,
    overview: &mut Overview,
) -> String {
    if overview.policies.is_empty() {
        return String::new();
    }
    let listed = match cluster.policy_metadata(reach).await {
        Ok(listed) => listed,
        Err(failure) => {
            let why = failure.messages.join("; ");
            let what = "who changed the policies, and why a namespace is halted,";
            return format!("warning: {what} is not known: {}\n", printable(&why));
        }
    };
    let key = |metadata: ObjectMeta| {
        let named = (metadata.namespace.clone()?, metadata.name.clone()?);
        Some((named, metadata))
    };
    let listed: HashMap<(String, String), ObjectMeta> =
        listed.into_iter().filter_map(key).collect();
    for halted in &mut overview.halted {
        if let Some(metadata) = listed.get(&(halted.namespace.clone(), halt::NAME.to_owned())) {
            halted.reason = halt::reason(metadata).map(ToOwned::to_owned);
            halted.change = RecordedChange::of(metadata);
        }
    }
    for policy in &mut overview.policies {
        if let Some(metadata) = listed.get(&(policy.namespace.clone(), policy.name.clone())) {
            policy.change = RecordedChange::of_setting(metadata);
        }
    }
    String::new()
}
