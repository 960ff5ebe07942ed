//! Defines the options of `import` with their help texts, and validates combinations of options
//! that clap cannot validate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};
use clap_complete::ArgValueCompleter;
use encoding_rs::Encoding;
use serde_json::{Map, Value, json};

use super::columns::{self, ColumnMap, Field, Mapping};
use super::csv_table::{self, CsvTable};
use super::facts::{self, Fact};
use super::layout::HeaderSearch;
use super::outcome::{self, ImportOptions, Limit};
use super::presets::Preset;
use super::rows::{Inventory, Reading};
use super::time_format::{self, TimeFormat};
use super::times::Times;
use super::{admissible, manifest, sharding, text, windows_zones};
use crate::api::bounds;
use crate::cli::completion::{fleets, namespaces};
use crate::cli::gitops::DryRun;
use crate::cli::terminal::table::printable;
use crate::cli::{Failure, WRONG_INPUT};
use crate::cluster::connection::Connection;
use crate::values::{Timestamp, Zone};

/// Text at the end of the help: notes on columns, examples and exit codes.
pub(crate) const EXAMPLES: &str = "\
Columns are recognised by their titles (Device ID, Computer Name, IP Address, Last logged-in user, Client Version, \
Last Contact, Time Zone and the like), in any order; --column says what a title does not. Repeated headers, byte order marks, lines above the \
titles and #TYPE lines are skipped and counted. An empty cell is an absent \
field. A client stays in the fleet that has it; new ones fill the fleets with room. A client that another fleet of \
the namespace lists stops the import, unless --move takes it along. Clients that are gone from the \
export leave, but no more than --max-removals. What an earlier export gave and this one has no column for stops the \
import, unless --drop lets it go. A row that is older than what is known of its client, by lastSeen, leaves the client \
as it is, unless --allow-older is given. With --skip-invalid a client whose row is bad stays as it is, and while \
a row does not tell whose it is, nobody leaves.

Examples:
  clientfleet import hosts.csv --fleet emea --package-from emea-server > fleets.yaml
  clientfleet import hosts.csv --fleet emea --package-from emea-server --apply --dry-run=server
  clientfleet import hosts.csv --fleet emea --package-from emea-server --column name='Asset ID' \\
      --time-format '%d.%m.%Y %H:%M' --time-zone Europe/Berlin --group-by Site --apply
  clientfleet import hosts.csv --fleet emea --package-from emea-server --local --previous old.yaml
  clientfleet import apps.csv --fleet emea --package-from emea-server --preset intune --apply

Exit codes: 0; 1 if it could not be done, too many clients are gone, or the export gives less of them than before; 2 if something is wrong with the export or the \
options.";

/// Maximum length of a fleet prefix, in bytes: the length of a DNS label, minus a hyphen and a
/// number of up to five digits.
const MAX_PREFIX_BYTES: usize = bounds::LABEL - 6;

/// Options of `import`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("time_source").args(["time_format", "preset"]).multiple(true))]
pub(crate) struct ImportArgs {
    /// The export, or - for standard input
    #[arg(value_name = "FILE.csv")]
    pub(super) file: PathBuf,
    /// Name the fleets PREFIX-001, PREFIX-002 and so on; they are labelled clientfleet.dev/import: PREFIX
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub(super) fleet: String,
    /// The fleet of the same namespace whose package all of them use
    #[arg(long, value_name = "FLEET", add = ArgValueCompleter::new(fleets))]
    pub(super) package_from: String,
    /// The namespace of the fleets; default: the context's
    #[arg(short, long, value_name = "NAME", add = ArgValueCompleter::new(namespaces))]
    pub(super) namespace: Option<String>,
    /// How many clients a fleet takes, up to 250; nobody moves when this becomes less
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=250))]
    pub(super) shard_size: u16,
    /// A label of the fleets; can be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
    /// The time zone of the fleets, for clients that name none, by IANA's or Windows' name
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub(super) fleet_time_zone: Option<Zone>,

    /// Recognise the columns of this product's export, and its times where they are always written
    /// the same; other options override it
    #[arg(long, value_enum, value_name = "PRODUCT")]
    pub(super) preset: Option<Preset>,
    /// Take a field from this column, as name='Asset ID'; from none, as ip=; can be given several
    /// times. Fields: name, computer, ip, lastUser, version, stagedVersion, lastSeen, timeZone,
    /// lastError.version, lastError.message, lastError.time
    #[arg(long = "column", value_name = "FIELD=COLUMN", value_parser = columns::mapping)]
    pub(super) columns: Vec<Mapping>,
    /// Make a label of each client of this column; its key is the column's title in small letters,
    /// or as given; up to four times. A cell that cannot be a label's value, as Human Resources,
    /// becomes a slug with a short hash, and the import prints what became what
    #[arg(long, value_name = "COLUMN[=KEY]")]
    pub(super) group_by: Vec<String>,
    /// Let a field, or the label of this key, go that the export gives no more, from all clients that
    /// have it of this import; can be given several times
    #[arg(long = "drop", value_name = "FIELD", value_parser = facts::fact)]
    pub(super) drops: Vec<Fact>,
    /// Make a name of each identity that cannot be one, such as R&D/PC 7 or one that is too long:
    /// a slug with a short hash, always the same for the same identity; the identity becomes the
    /// computer, unless a column gives that
    #[arg(long)]
    pub(super) derive_names: bool,
    /// What separates cells; default: what the header shows, of comma, semicolon and tab (\t)
    #[arg(long, value_name = "CHARACTER", value_parser = separator)]
    pub(super) separator: Option<u8>,
    /// Line of the column titles, counted from 1; default: the first line with known titles
    #[arg(long, value_name = "LINE", value_parser = line)]
    pub(super) header_line: Option<usize>,
    /// Leave out this number of rows at the end, as the sums of a report; default: refuse rows that
    /// look like sums
    #[arg(long, value_name = "N")]
    pub(super) skip_footer: Option<usize>,
    /// Take cells that are missing at the end of a row as empty
    #[arg(long)]
    pub(super) fill_short_rows: bool,
    /// How the export is encoded, as windows-1252; default: UTF-8, or UTF-16 as spreadsheets write it
    #[arg(long, value_name = "NAME", value_parser = text::encoding)]
    pub(super) encoding: Option<&'static Encoding>,
    /// Take cells with exactly this text, as N/A, as empty; can be given several times
    #[arg(long = "empty", value_name = "TEXT")]
    pub(super) empty: Vec<String>,
    /// Format of times that are not RFC 3339: '%d.%m.%Y %H:%M' and the like (strftime of chrono; without
    /// a time of day, the start of the day counts), unix (seconds since 1970, as %s), unix-ms
    /// (milliseconds), excel (days since 1900 in local time) or filetime (Windows and Active Directory:
    /// 100 ns since 1601)
    #[arg(long, value_name = "FORMAT", value_parser = time_format::time_format)]
    pub(super) time_format: Option<TimeFormat>,
    /// Time zone of times without an offset from UTC; of a time that comes twice, when clocks are put
    /// back, the earlier counts
    #[arg(long, value_name = "ZONE", requires = "time_source", value_parser = zone)]
    pub(super) time_zone: Option<Zone>,
    /// Make one line of error messages, and cut them to 128 characters
    #[arg(long)]
    pub(super) shorten_messages: bool,
    /// Leave bad rows out, instead of stopping
    #[arg(long)]
    pub(super) skip_invalid: bool,
    /// How many clients may leave, and how many may lose their version to an empty cell, as a share of
    /// all or a number
    #[arg(long, value_name = "N|N%", default_value = "5%", value_parser = outcome::limit)]
    pub(super) max_removals: Limit,
    /// Take rows that are older than the known facts by lastSeen, or have no lastSeen, instead of leaving
    /// their clients as they are
    #[arg(long)]
    pub(super) allow_older: bool,
    /// Take along clients that fleets of another import in the namespace list: add them here first,
    /// and then remove them there
    #[arg(long = "move")]
    pub(super) moves: bool,
    /// Remove fleets of this import in which no client is left: with --apply from the cluster, else from
    /// what is printed
    #[arg(long)]
    pub(super) prune: bool,

    /// Contact no cluster: the fleets that there are come from --previous
    #[arg(long, conflicts_with_all = ["apply", "dry_run", "force_conflicts"])]
    pub(super) local: bool,
    /// What was printed last time: a file, a folder, or - for standard input; can be given several times
    #[arg(long, value_name = "FILE", requires = "local")]
    pub(super) previous: Vec<PathBuf>,
    /// Write to the cluster, by server-side apply as clientfleet-import, what differs
    #[arg(long)]
    pub(super) apply: bool,
    /// Write nothing: client compares only, server lets the API server judge as well
    #[arg(long, value_enum, value_name = "MODE", default_value_t = DryRun::None, requires = "apply")]
    pub(super) dry_run: DryRun,
    /// Take over fields that other managers own
    #[arg(long, requires = "apply")]
    pub(super) force_conflicts: bool,
    /// How to print the fleets
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ImportFormat::Yaml, conflicts_with = "apply")]
    pub(super) output: ImportFormat,
    /// Which cluster.
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// How fleets are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    Yaml,
    Json,
}

impl ImportArgs {
    /// Returns the options that control how the cells of the export are parsed.
    pub(super) fn reading(&self, now: Timestamp) -> Reading {
        Reading {
            times: self.times(now),
            empty: self.empty.clone(),
            shorten_messages: self.shorten_messages,
            derive_names: self.derive_names,
            fill_short_rows: self.fill_short_rows,
        }
    }

    /// Returns how times are written. The user's options override those of the preset.
    fn times(&self, now: Timestamp) -> Times {
        let preset = self.preset;
        let preset_format = || time_format::time_format(preset?.time_format()?).ok();
        Times {
            now,
            format: self.time_format.clone().or_else(preset_format),
            zone: self.time_zone.clone().or_else(|| Zone::named(preset?.time_zone()?)),
        }
    }

    /// Parses the text of an export into rows.
    ///
    /// # Errors
    ///
    /// Returns a message if the text is no table.
    pub(super) fn table(&self, text: &str) -> Result<CsvTable, String> {
        let recognised =
            |titles: &[String]| columns::recognised_fields(titles, &self.columns, self.preset);
        let search = HeaderSearch {
            separator: self.separator,
            header_line: self.header_line,
            recognised: &recognised,
        };
        csv_table::read(text, &search, self.skip_footer)
    }

    /// Finds the column of each field and label.
    ///
    /// # Errors
    ///
    /// Returns a message for each missing, unknown or ambiguous column.
    pub(super) fn column_map(&self, header: &[String]) -> Result<ColumnMap, Vec<String>> {
        columns::find(header, &self.columns, &self.group_by, self.preset)
    }

    /// Validates and returns the options for the resulting fleets.
    pub(super) fn options(&self, now: Timestamp) -> Result<ImportOptions, Failure> {
        let mut problems = Vec::new();
        let mut labels = BTreeMap::new();
        for (key, value) in &self.labels {
            if key == manifest::IMPORT_LABEL {
                problems.push(format!("--label {key}: this one is the import's own: leave it out"));
            } else if labels.insert(key.clone(), value.clone()).is_some() {
                problems.push(format!("--label {}: it is given twice", printable(key)));
            }
        }
        if sharding::number(&self.fleet, &self.package_from).is_some() {
            problems.push(format!(
                "--package-from {}: this is a fleet of the import itself: name the fleet that has \
                 the package",
                self.package_from
            ));
        }
        if self.moves && self.local && self.previous.is_empty() {
            problems.push(
                "--move: without a cluster, other fleets are known from --previous only: name their \
                 files with it, or leave --move out"
                    .to_owned(),
            );
        }
        let mut metadata = json!({ "name": self.fleet, "labels": labels });
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        let spec = json!({ "packageFrom": { "name": self.package_from } });
        problems.extend(admission_messages(admissible::refused_of_fleet(metadata, spec)));
        if !problems.is_empty() {
            return Err(Failure { messages: problems, code: WRONG_INPUT });
        }
        Ok(ImportOptions {
            prefix: self.fleet.clone(),
            namespace: self.namespace.clone(),
            package_from: self.package_from.clone(),
            time_zone: self.fleet_time_zone.as_ref().map(|zone| zone.name().to_owned()),
            labels,
            shard_size: self.shard_size.into(),
            max_removals: self.max_removals,
            prune: self.prune,
            drops: self.drops.iter().cloned().collect(),
            allow_older: self.allow_older,
            now,
        })
    }

    /// Returns a warning if no column of the export provides the version, unless the user removes
    /// the versions with `--drop`.
    pub(super) fn version_warning(&self, inventory: &Inventory) -> Option<String> {
        let version = Fact::Field(Field::Version);
        let is_known = inventory.given.contains(&version) || self.drops.contains(&version);
        if is_known { None } else { columns::version_warning(&self.columns, self.preset) }
    }

    /// Returns an error if `--drop` names a field or label that the export provides.
    pub(super) fn check_drops(&self, given: &BTreeSet<Fact>) -> Result<(), Failure> {
        let sentence = |fact: &Fact| {
            let way_out = match fact {
                Fact::Field(_) => format!("this column out with `--column {fact}=`"),
                Fact::Label(_) => "this --group-by out".to_owned(),
            };
            format!(
                "--drop {fact}: a column of the export gives it: leave --drop out, or {way_out}"
            )
        };
        let messages: Vec<String> =
            self.drops.iter().filter(|fact| given.contains(fact)).map(sentence).collect();
        if messages.is_empty() { Ok(()) } else { Err(Failure { messages, code: WRONG_INPUT }) }
    }

    /// Returns an error if a label key is invalid. Runs before the rows are read, so that each
    /// error is reported once and not for every row.
    pub(super) fn check_labels(&self, labels: &[(String, usize)]) -> Result<(), Failure> {
        let labels: Map<String, Value> =
            labels.iter().map(|(key, _)| (key.clone(), json!("a"))).collect();
        let clients = json!([{ "name": "a", "labels": labels }]);
        let spec = json!({ "packageVersion": "0", "clients": clients });
        let problems =
            admission_messages(admissible::refused_of_fleet(json!({ "name": "a" }), spec));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failure { messages: problems, code: WRONG_INPUT })
        }
    }
}

/// Formats the problems that admission found, each with the name of the option that caused it.
fn admission_messages(refused: Vec<(String, String)>) -> Vec<String> {
    let sentence = |(field, message): (String, String)| {
        let option = match field.as_str() {
            "spec.packageFrom.name" => "--package-from".to_owned(),
            "metadata.namespace" => "--namespace".to_owned(),
            _ if field.starts_with("metadata.labels") => "--label".to_owned(),
            _ if field.starts_with("spec.clients[0].labels") => "--group-by".to_owned(),
            _ => field,
        };
        printable(&format!("{option}: {message}")).into_owned()
    };
    refused.into_iter().map(sentence).collect()
}

fn prefix(text: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let sound = !text.is_empty()
        && text.len() <= MAX_PREFIX_BYTES
        && text.chars().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if sound {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "write at most {MAX_PREFIX_BYTES} lower case letters, digits and hyphens, beginning and ending \
             with a letter or digit, as emea"
        ))
    }
}

fn zone(name: &str) -> Result<Zone, String> {
    windows_zones::zone(name).map_err(|reason| format!("it {reason}"))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as site=berlin")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn line(text: &str) -> Result<usize, String> {
    let line = text.parse().ok().filter(|line| *line > 0);
    line.ok_or_else(|| "write the number of a line, counted from 1".to_owned())
}

fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
        _ => Err("write one ASCII character other than a quotation mark, or \\t".to_owned()),
    }
}
