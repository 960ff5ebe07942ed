//! Implements `status`: shows the progress of the policies and the problems that need a user's
//! action, on one screen. Lists the objects in the cluster page by page.

mod duplicates;
mod halted;
mod halted_messages;
mod needs;
mod overview;
mod screen;
mod withdrawn;

use futures::future::join_all;

use self::halted::Halted;
use self::overview::OverviewBuilder;
use self::screen::DisplayOptions;
use super::cluster::{Cluster, NamespaceArgs, NamespaceScope};
use super::data::{self, DataFormat};
use super::terminal::table::printable;
use super::{CommandOutput, Context, Failure, halt, terminal};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::connection::Connection;
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
    let remarks = add_reasons(&cluster, &mut overview.halted).await;
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

/// Adds the reasons for the halts, and returns warnings about reasons that cannot be read. Reads
/// each halt policy again, because the list of policies omits annotations, which contain the
/// reasons.
async fn add_reasons(cluster: &Cluster, halted: &mut [Halted]) -> String {
    let find = halted.iter().map(|halted| cluster.find_policy(&halted.namespace, halt::NAME));
    let found = join_all(find).await;
    let mut remarks = String::new();
    for (halted, found) in halted.iter_mut().zip(found) {
        match found {
            Ok(policy) => {
                let reason = policy.as_ref().map(|policy| &policy.whole.metadata);
                halted.reason = reason.and_then(halt::reason).map(ToOwned::to_owned);
            }
            Err(failure) => {
                let (place, why) = (printable(&halted.namespace), failure.messages.join("; "));
                remarks += &format!(
                    "warning: why namespace {place} is halted is not known: {}\n",
                    printable(&why)
                );
            }
        }
    }
    remarks
}
