//! Implements `import`, which converts an inventory export into fleets, and prints or writes these
//! fleets.
//!
//! [`text`], [`layout`], [`csv_table`], [`columns`] and [`rows`] parse the clients, [`existing`] and
//! [`existing_fleet`] read the existing fleets, and [`outcome`] decides the resulting fleets.
//! [`elsewhere`] and [`moving`] find and move the clients that other fleets list. Only [`existing`],
//! [`applying`] and [`removal`] send requests to the cluster.

mod addresses;
mod admissible;
mod applying;
mod arguments;
mod bad_rows;
mod cell_guards;
mod columns;
mod csv_table;
mod elsewhere;
mod existing;
mod existing_fleet;
mod facts;
mod fields;
mod identities;
mod identity_messages;
mod layout;
mod manifest;
mod messages;
mod moving;
mod older;
mod outcome;
mod outcome_tests;
mod presets;
mod reading_tests;
mod removal;
mod rows;
mod sharding;
mod slug;
mod text;
mod time_format;
mod times;
mod windows_zones;

use std::collections::BTreeMap;

use self::applying::Write;
pub(crate) use self::arguments::ImportArgs;
use self::arguments::ImportFormat;
use self::elsewhere::{Elsewhere, Search};
use self::existing::Printed;
use self::existing_fleet::{ExistingFleet, WrittenBy};
use self::manifest::Manifest;
use self::moving::{MovedClients, Moving};
use self::outcome::{Export, FleetChange, ImportOptions, ImportOutcome};
use self::rows::Inventory;
use super::cluster::{Cluster, check_local};
use super::terminal::table::printable;
use super::{CommandOutput, Context, FAILURE, Failure, WRONG_INPUT, files};
use crate::values::Timestamp;

pub(super) use self::arguments::EXAMPLES;

/// Runs `import`: prints the fleets, or writes them to the cluster with `--apply`.
pub(super) async fn run(
    arguments: &ImportArgs,
    around: &Context,
) -> Result<CommandOutput, Failure> {
    let mut remarks = String::new();
    // Print the remarks even if the import fails, because they help to find the cause of the error.
    match import(arguments, around.now, &mut remarks).await {
        Ok((output, code)) => Ok(CommandOutput { output, remarks, code }),
        Err(failure) => {
            let CommandOutput { remarks: errors, code, .. } = CommandOutput::from(failure);
            Ok(CommandOutput { remarks: remarks + &errors, code, ..CommandOutput::default() })
        }
    }
}

/// Runs the import, and returns the text for standard output and the exit code.
async fn import(
    arguments: &ImportArgs,
    now: Timestamp,
    remarks: &mut String,
) -> Result<(String, u8), Failure> {
    check_local(arguments.local, &arguments.connection)?;
    let wish = arguments.options(now)?;
    let Some(inventory) = inventory(arguments, now, remarks)? else {
        return Ok((String::new(), WRONG_INPUT));
    };
    let (outcome, moves, wish, cluster) = if arguments.local {
        let (outcome, moves) = locally(arguments, &inventory, &wish, remarks)?;
        (outcome, moves, wish, None)
    } else {
        let cluster = Cluster::connect(&arguments.connection).await?;
        let namespace = arguments.namespace.as_ref().unwrap_or(&cluster.namespace).clone();
        let wish = ImportOptions { namespace: Some(namespace), ..wish };
        let (outcome, moves) = in_cluster(arguments, &cluster, &inventory, &wish, remarks).await?;
        (outcome, moves, wish, Some(cluster))
    };
    messages::remarks(remarks, &outcome, &inventory, &wish);
    remarks.extend(arguments.version_warning(&inventory));
    messages::empty_fleets(remarks, &outcome, &wish, arguments.apply);
    match cluster.filter(|_| arguments.apply) {
        Some(cluster) => Ok(apply(arguments, &cluster, &wish, &outcome, &moves, remarks).await),
        None => Ok((print(arguments, &outcome, &moves, &wish, remarks)?, 0)),
    }
}

/// Reads the export and returns its clients, or `None` if invalid rows prevent the import.
fn inventory(
    arguments: &ImportArgs,
    now: Timestamp,
    remarks: &mut String,
) -> Result<Option<Inventory>, Failure> {
    let name = messages::file(&arguments.file);
    let wrong = |message: String| Failure::input(format!("{name}: {message}"));
    if name == messages::STANDARD_INPUT && arguments.previous.contains(&arguments.file) {
        return Err(wrong(
            "it cannot be the export and --previous: name a file for one of them".into(),
        ));
    }
    if arguments.file.is_dir() {
        return Err(wrong("this is a folder: name the file in it".to_owned()));
    }
    let file = files::read(std::slice::from_ref(&arguments.file));
    let content = { file }.next().map(|file| file.content);
    let bytes = content.unwrap_or_else(|| Ok(Vec::new())).map_err(wrong)?;
    let text = text::decode(&bytes, arguments.encoding).map_err(wrong)?;
    drop(bytes);
    let sheet = arguments.table(&text).map_err(wrong)?;
    drop(text);
    remarks.push_str(&sheet.skipped.remarks(&name));
    let columns = arguments.column_map(&sheet.header).map_err(|messages| Failure {
        messages: messages
            .into_iter()
            .chain(sheet.header_problem())
            .map(|text| format!("{name}: {text}"))
            .collect(),
        code: WRONG_INPUT,
    })?;
    remarks.extend(arguments.preset.map(|preset| preset.remark(&sheet.header, &columns)));
    sheet.check_names(&columns).map_err(wrong)?;
    arguments.check_labels(&columns.labels)?;
    arguments.check_drops(&facts::provided(&columns))?;
    messages::unused(remarks, &columns.unused);
    let reading = arguments.reading(now);
    let cells = rows::time_cells(&sheet, &columns);
    reading.times.check_order(cells).map_err(|reason| wrong(printable(&reason).into_owned()))?;
    let inventory = rows::read(&sheet, &columns, &reading);
    identity_messages::remarks(remarks, &name, &inventory);
    messages::unused_times(remarks, &inventory, &reading.times);
    // If all rows are bad, an option is wrong, or the file: without them, nothing would be imported.
    let is_skipped = arguments.skip_invalid && !inventory.clients.is_empty();
    bad_rows::bad_rows(remarks, &name, &inventory, is_skipped);
    Ok(Some(inventory).filter(|inventory| inventory.bad.is_empty() || is_skipped))
}

fn decide(
    arguments: &ImportArgs,
    inventory: &Inventory,
    standings: &BTreeMap<u32, ExistingFleet>,
    elsewhere: Elsewhere,
    wish: &ImportOptions,
    remarks: &mut String,
) -> Result<(ImportOutcome, MovedClients), Failure> {
    let file = messages::file(&arguments.file);
    identity_messages::known(remarks, &file, inventory, standings, &elsewhere);
    let moves = moving::decide(elsewhere, standings, arguments.moves, wish.now, remarks)?;
    let older = moves.older_rows(inventory, wish);
    let export = Export {
        clients: &moves.with_newer_reports(inventory, &older),
        provided: &inventory.given,
        bad_names: &inventory.bad_names,
        is_in_doubt: inventory.unidentified > 0,
        moved: &moves.before,
        older_than_moved: &older,
    };
    let outcome = outcome::decide(&export, standings, wish)
        .map_err(|refusals| messages::refused(&refusals, wish.max_removals))?;
    Ok((outcome, moves))
}

fn locally(
    arguments: &ImportArgs,
    inventory: &Inventory,
    wish: &ImportOptions,
    remarks: &mut String,
) -> Result<(ImportOutcome, MovedClients), Failure> {
    let printed = if arguments.previous.is_empty() {
        remarks.push_str(messages::NO_PREVIOUS);
        Printed::default()
    } else {
        Printed::read(&arguments.previous, wish.namespace.as_deref(), &wish.prefix)?
    };
    let elsewhere = Search::new(inventory, None).in_files(printed.others.values());
    printed.check_related(!elsewhere.entries.is_empty())?;
    let (outcome, moves) = decide(arguments, inventory, &printed.fleets, elsewhere, wish, remarks)?;
    printed.no_strangers(&wish.prefix, &created(&outcome))?;
    Ok((outcome, moves))
}

async fn in_cluster(
    arguments: &ImportArgs,
    cluster: &Cluster,
    inventory: &Inventory,
    wish: &ImportOptions,
    remarks: &mut String,
) -> Result<(ImportOutcome, MovedClients), Failure> {
    let namespace = wish.namespace.as_deref().unwrap_or_default();
    let written = if arguments.apply { WrittenBy::Manager } else { WrittenBy::LabelWriter };
    let standings = existing::of_cluster(cluster, namespace, &wish.prefix, written).await?;
    let search = Search::new(inventory, Some(written));
    let elsewhere = search.in_cluster(cluster, namespace, &wish.prefix).await?;
    let (outcome, moves) = decide(arguments, inventory, &standings, elsewhere, wish, remarks)?;
    let created = created(&outcome);
    existing::no_strangers_in_cluster(cluster, namespace, &wish.prefix, &created).await?;
    let doubt = existing::package_doubt(cluster, namespace, &wish.package_from).await?;
    remarks.extend(doubt.map(|doubt| format!("warning: {doubt}\n")));
    Ok((outcome, moves))
}

fn created(outcome: &ImportOutcome) -> Vec<&str> {
    let created = outcome.fleets.iter().filter(|fleet| fleet.change == FleetChange::Created);
    created.map(|fleet| fleet.manifest.metadata.name.as_str()).collect()
}

fn print(
    arguments: &ImportArgs,
    outcome: &ImportOutcome,
    moves: &MovedClients,
    wish: &ImportOptions,
    remarks: &mut String,
) -> Result<String, Failure> {
    let stay = outcome.fleets.iter().filter(|fleet| fleet.change != FleetChange::Pruned);
    let left = moves.manifests(wish.namespace.as_ref());
    let manifests: Vec<&Manifest> = stay.map(|fleet| &fleet.manifest).chain(&left).collect();
    moves.remarks(remarks, Moving::Printed);
    let output = match arguments.output {
        ImportFormat::Yaml => manifest::yaml(&manifests),
        ImportFormat::Json => manifest::json(&manifests),
    };
    remarks.push_str(&messages::printed(outcome));
    output
}

async fn apply(
    arguments: &ImportArgs,
    cluster: &Cluster,
    wish: &ImportOptions,
    outcome: &ImportOutcome,
    moves: &MovedClients,
    remarks: &mut String,
) -> (String, u8) {
    let differ = outcome.fleets.iter().filter(|fleet| fleet.change != FleetChange::Unchanged);
    let writes: Vec<Write> =
        differ.map(|fleet| Write::Fleet(&fleet.manifest, fleet.change)).collect();
    let removals: Vec<Write> =
        moves.leaving.iter().map(|(fleet, clients)| Write::Removal { fleet, clients }).collect();
    let options =
        applying::Options { force: arguments.force_conflicts, dry_run: arguments.dry_run };
    let namespace = wish.namespace.as_deref().unwrap_or_default();
    let mut applied = applying::apply(cluster, namespace, &writes, options).await;
    // Remove clients from their old fleets only after all new fleets are written, so that a client
    // is in two fleets for a while, but never in none.
    if applied.failed + applied.untried == 0 && !applied.is_interrupted {
        applied.append(applying::apply(cluster, namespace, &removals, options).await);
    } else {
        applied.untried += removals.len();
    }
    let is_done = applied.failed + applied.untried == 0;
    moves.remarks(
        remarks,
        match is_done {
            false => Moving::Failed,
            true if arguments.dry_run.is_real() => Moving::Applied,
            true => Moving::DryRun,
        },
    );
    let (output, words) = messages::applied(&applied, outcome, arguments.dry_run);
    remarks.push_str(&words);
    (output, if is_done { 0 } else { FAILURE })
}
