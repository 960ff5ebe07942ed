//! `status`: one screen on how far the policies are and what needs a person. The shell around it:
//! reads the cluster page by page, and prints.

mod needs;
mod overview;
mod screen;

use self::overview::Gathering;
use self::screen::Look;
use super::cluster::{Cluster, Reach, Where};
use super::data::{self, Format};
use super::{Failure, Said, Surroundings, terminal};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::connection::Connection;
use crate::plan::Live;

/// What the help ends with.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet status
  clientfleet status -A
  clientfleet status -A -o json | jq .needs

Exit codes: 0, whatever needs somebody; 1 if the cluster cannot be asked; 2 for wrong options.";

/// Options of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Format,
    /// Where.
    #[command(flatten)]
    place: Where,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
}

/// Runs it.
pub(super) async fn run(asked: &Args, around: &Surroundings) -> Result<Said, Failure> {
    let cluster = Cluster::connect(&asked.connection).await?;
    let reach = cluster.reach(&asked.place);
    let is_everywhere = reach == Reach::All;
    let empty = Gathering::new(around.now, is_everywhere);
    let policy = |gathering: &mut Gathering, policy: Live<UpgradePolicy>| gathering.policy(&policy);
    let gathering = cluster.gather(&reach, None, empty, policy).await?;
    let fleet = |gathering: &mut Gathering, fleet: Live<ClientFleet>| gathering.fleet(&fleet);
    let overview = cluster.gather(&reach, None, gathering, fleet).await?.finish();
    let look = Look {
        reader: around.reader(),
        in_colour: around.in_colour,
        width: terminal::width(),
        is_everywhere,
    };
    let output = match asked.output {
        Format::Table => screen::screen(&overview, &look),
        Format::Json => data::json(&overview)?,
        Format::Yaml => data::yaml(&overview)?,
    };
    Ok(Said { output, ..Said::default() })
}
