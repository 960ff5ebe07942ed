//! Defines the options of `plan`, and rejects contradictory options.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap_complete::ArgValueCompleter;

use crate::cli::Failure;
use crate::cli::arguments::instant;
use crate::cli::cluster::LOCAL_WITH_CONNECTION;
use crate::cli::completion::namespaces;
use crate::cluster::connection::Connection;
use crate::values::Timestamp;

/// Default maximum number of rows in a table.
const DEFAULT_LIMIT: usize = 50;

const LIMIT_OF_TABLES: &str =
    "--limit is about the rows of tables: leave it out, other formats are whole";

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// A file, a folder (its *.yaml, *.yml and *.json, not its subfolders), or - for standard input;
    /// can be given several times. Without it: compare the statuses in the cluster with what this
    /// version of clientfleet decides for the same objects, as before an upgrade of clientfleet
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Plan from the files alone, without a cluster
    #[arg(long)]
    local: bool,
    /// With --local: the files, folders or - as they were, to compare with; can be given several times
    #[arg(long, value_name = "OLD", requires = "local")]
    against: Vec<PathBuf>,
    /// The moment to plan for, as 2026-11-24T12:00:00Z; default: now
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(super) at: Option<Timestamp>,
    /// How to print it: json and yaml print all of it as data (with --local alone: the objects with
    /// the status they lead to), markdown a comment for a pull request, name the clients that change
    /// as FLEET/CLIENT, or NAMESPACE/FLEET/CLIENT where the files are about several namespaces
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = PlanFormat::Table)]
    pub(super) output: PlanFormat,
    /// How many rows of a table to show, 0 for all; default: 50
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Exit with 3 when more than N clients would move now
    #[arg(long, value_name = "N")]
    pub(super) max_moving: Option<usize>,
    /// Exit with 1 when something would change
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Where objects are that name no namespace; default: the context's
    #[arg(
        short,
        long,
        value_name = "NAME",
        conflicts_with = "local",
        add = ArgValueCompleter::new(namespaces)
    )]
    pub(super) namespace: Option<String>,
    /// Without -f: all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["local", "files", "namespace"])]
    pub(super) all_namespaces: bool,
    /// As whom the files will be applied by server-side apply; default: the tool that applied an
    /// object before, else kubectl
    #[arg(long, value_name = "NAME", conflicts_with = "local")]
    pub(super) field_manager: Option<String>,
    /// The files will be applied by server-side apply, also to what `kubectl apply` made without it
    #[arg(long, conflicts_with = "local")]
    pub(super) server_side: bool,
    /// Which cluster.
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For a person
    Table,
    /// For a person with a wide terminal
    Wide,
    /// As data
    Json,
    /// As data
    Yaml,
    /// For a comment on a pull request
    Markdown,
    /// Names alone, for other commands
    Name,
}

/// The kind of plan that the options select.
#[derive(Debug)]
pub(super) enum Task<'a> {
    /// A plan for the files, without a comparison.
    Alone,
    /// A comparison of the files with older files.
    Against(&'a [PathBuf]),
    /// A comparison of the files with the cluster.
    Live,
    /// A comparison of the statuses in the cluster with the plan for the same objects.
    Stored,
}

impl PlanArgs {
    /// Returns the task that the options select, or an error if the options contradict each other.
    pub(super) fn task(&self) -> Result<Task<'_>, Failure> {
        self.check().map_err(Failure::input)?;
        Ok(match self.against.as_slice() {
            [] if self.local => Task::Alone,
            [] if self.files.is_empty() => Task::Stored,
            [] => Task::Live,
            old => Task::Against(old),
        })
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.files.is_empty() {
            return self.check_without_files();
        }
        let is_input = |path: &PathBuf| path == Path::new("-");
        if self.files.iter().any(is_input) && self.against.iter().any(is_input) {
            return Err("-f and --against both name standard input: give a file to one of them");
        }
        if self.local && self.connection != Connection::default() {
            return Err(LOCAL_WITH_CONNECTION);
        }
        if self.limit.is_some() && !self.is_table() {
            return Err(LIMIT_OF_TABLES);
        }
        if !self.local || !self.against.is_empty() {
            return Ok(());
        }
        if self.limit.is_some() || self.max_moving.is_some() || self.exit_code {
            return Err("--limit, --max-moving and --exit-code are about a change: add --against \
                        with the older files, or leave --local out to compare with the cluster");
        }
        match self.output {
            PlanFormat::Table | PlanFormat::Json | PlanFormat::Yaml => Ok(()),
            PlanFormat::Wide | PlanFormat::Markdown | PlanFormat::Name => {
                Err("-o wide, markdown and name are about a change: add --against with the older \
                     files, or leave --local out to compare with the cluster")
            }
        }
    }

    fn check_without_files(&self) -> Result<(), &'static str> {
        if self.local {
            return Err("--local plans from files: add -f, or --filename, with the files");
        }
        if self.at.is_some() || self.field_manager.is_some() || self.server_side {
            return Err(
                "--at, --field-manager and --server-side are about files: add -f, or leave \
                        them out to compare the statuses in the cluster with this version's plan",
            );
        }
        if self.limit.is_some() && !self.is_table() {
            return Err(LIMIT_OF_TABLES);
        }
        Ok(())
    }

    fn is_table(&self) -> bool {
        matches!(self.output, PlanFormat::Table | PlanFormat::Wide | PlanFormat::Markdown)
    }

    /// Returns whether the tables have the additional columns of `-o wide`.
    pub(super) fn is_wide(&self) -> bool {
        self.output == PlanFormat::Wide
    }

    /// Returns the maximum number of rows in a table.
    pub(super) fn limit(&self) -> usize {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            0 => usize::MAX,
            limit => limit,
        }
    }
}
