//! Implements `plan`: previews how applying files would change objects, and how these changes would
//! affect each client. Writes nothing to the cluster.

mod estate_tables;
mod live;
mod local;
mod markdown;
mod merge;
mod options;
mod owner;
mod prediction;
mod refused;
mod report;
mod stored;
mod text;

use std::io::{self, Write};

use super::{CommandOutput, Context, Failure, WRONG_INPUT, data, files, terminal};
use crate::plan::diff::{ChangedClient, Difference};

pub(crate) use options::PlanArgs;
use options::{PlanFormat, Task};

/// Examples and exit codes at the end of the help text.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet plan -f fleets/ -f policies.yaml
  clientfleet plan -f policies.yaml --at 2026-12-24T22:30:00+01:00 --max-moving 500
  clientfleet plan -A   # before an upgrade of clientfleet: what this version decides otherwise
  clientfleet plan --local -f fleets/ -f policies.yaml
  clientfleet plan --local -f new/ --against old/ -o markdown
  kubectl get clf,upol -A -o yaml | clientfleet plan --local -f - -o json

Nothing is written: the API server is asked for dry runs only. What the cluster has and the files do
not hold stays as it is.

Exit codes: 0; 1 with --exit-code when something would change; 2 if something is wrong with the
files, the options or the cluster; 3 with --max-moving when more clients would move now.";

/// Exit code if more clients would move now than `--max-moving` allows.
const EXIT_TOO_MANY_MOVING: u8 = 3;
/// Exit code if something would change and `--exit-code` is set.
const EXIT_CHANGES: u8 = 1;

struct Compared {
    difference: Difference,
    remarks: String,
}

/// Runs `plan`. Every failure exits with code 2, so that code 1 always means that something would
/// change.
pub(super) async fn run(arguments: &PlanArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    let said = plan(arguments, cx).await;
    said.map_err(|failure| Failure { code: WRONG_INPUT, ..failure })
}

async fn plan(arguments: &PlanArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    let task = arguments.task()?;
    let at = arguments.at.unwrap_or(cx.now);
    let given = files::read(&arguments.files);
    let is_stored = matches!(task, Task::Stored);
    let compared = match task {
        Task::Alone => {
            let (planned, remarks) = local::plan(given, at, arguments.output);
            terminal::print_remarks(&remarks);
            let planned = planned?;
            print(|output| planned.write(cx.in_color, output))?;
            return Ok(CommandOutput::default());
        }
        Task::Against(old) => local::compare(given, files::read(old), at)?,
        Task::Live => live::compare(arguments, given, at, cx.now).await?,
        Task::Stored => stored::compare(arguments, cx.now).await?,
    };
    let rendered = render(arguments, cx, &compared, is_stored);
    terminal::print_remarks(&rendered.remarks);
    print(|output| match arguments.output {
        PlanFormat::Json => data::write_json(&compared.difference, output),
        PlanFormat::Yaml => data::write_yaml(&compared.difference, output),
        _ => output.write_all(rendered.output.as_bytes()),
    })?;
    Ok(CommandOutput { code: rendered.code, ..CommandOutput::default() })
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    terminal::stream(write).map(drop).map_err(|error| Failure::unwritten(&error))
}

/// Renders the difference as text and determines the exit code. For JSON and YAML, the text is
/// empty, because the caller streams the data.
///
/// `is_stored` is true if the difference is between stored statuses and a plan of the same objects.
fn render(
    arguments: &PlanArgs,
    cx: &Context,
    compared: &Compared,
    is_stored: bool,
) -> CommandOutput {
    let Compared { difference, remarks } = compared;
    let mut remarks = remarks.clone();
    let reader = terminal::times::TimeFormatter { now: difference.at, zone: cx.zone.clone() };
    let is_for_all = arguments.output == PlanFormat::Markdown;
    let report = || {
        let reader = Some(&reader).filter(|_| !is_for_all);
        let (is_wide, limit) = (arguments.is_wide(), arguments.limit());
        report::report(difference, &report::ReportOptions { reader, is_wide, limit, is_stored })
    };
    let output = match arguments.output {
        PlanFormat::Table | PlanFormat::Wide => text::render(&report(), cx.in_color),
        PlanFormat::Markdown => markdown::render(&report()),
        PlanFormat::Json | PlanFormat::Yaml => String::new(),
        PlanFormat::Name => names(difference),
    };
    let moving = difference.summary.moving_now;
    let mut code = 0;
    if arguments.exit_code && !difference.is_empty() {
        code = EXIT_CHANGES;
    }
    if let Some(most) = arguments.max_moving.filter(|most| moving > *most) {
        code = EXIT_TOO_MANY_MOVING;
        remarks += &format!(
            "error: {} would move now, more than --max-moving {most} allows\n",
            report::clients(moving)
        );
    }
    CommandOutput { output, remarks, code }
}

/// Returns the names of the changed clients, one per line, as in `clients -o name`.
fn names(difference: &Difference) -> String {
    let has_several = difference.namespaces.len() > 1;
    let name = |client: &ChangedClient| {
        let name = format!("{}/{}", client.fleet, client.name);
        let name = if has_several { format!("{}/{name}", client.namespace) } else { name };
        format!("{}\n", terminal::table::printable(&name))
    };
    difference.clients.iter().map(name).collect()
}
