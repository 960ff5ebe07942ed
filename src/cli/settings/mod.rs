//! Implements `settings`: lists the choices for a policy, or sets the policy to one of the choices.
//! Reads the cluster, writes the change, and prints the result.

mod change;
mod choice;
mod effect;
mod messages;
mod policy_blockers;

use std::sync::Arc;

use clap_complete::ArgValueCompleter;
use serde::Serialize;

use self::choice::{Choice, Selection};
use self::effect::{SettingEffect, Versions};
use self::policy_blockers::PolicyBlockers;
use super::cluster::{Cluster, NamespaceScope, OnePolicy};
use super::completion::policies;
use super::data::{self, DataFormat};
use super::gitops::{DryRun, Owner, owner_of_field, owner_of_object};
use super::recorded_change::RecordedChange;
use super::{CommandOutput, Context, FAILURE, Failure};
use crate::api::ClientFleet;
use crate::cluster::connection::Connection;
use crate::plan::policy::Policy;
use crate::plan::version_text::VersionText;
use crate::plan::{Cached, Estate, Parsed};

/// Examples and exit codes at the end of the help text.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet settings nights-and-weekends
  clientfleet settings nights-and-weekends --select 3 --dry-run=client
  clientfleet settings nights-and-weekends --select OnlyUpgradeTo=3.59.127.0

A number is that of the list as it is at that moment: scripts name the choice instead.

Exit codes: 0; 1 when nothing is changed, because it is kept in Git, it is not among the choices,
or something failed; 2 for wrong options.";

/// Options of `settings`.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The policy's name
    #[arg(add = ArgValueCompleter::new(policies))]
    policy: String,
    /// Make this choice: NoUpgrade, AutoUpgrade, OnlyUpgradeTo=VERSION, or its number in the list
    #[arg(long, value_name = "CHOICE", value_parser = Selection::read)]
    select: Option<Selection>,
    /// With --select: also what is not among the choices
    #[arg(long, requires = "select")]
    any: bool,
    /// With --select: also where the policy is kept in Git
    #[arg(long, requires = "select")]
    force: bool,
    /// With --select: try it without doing it: client sends nothing, server lets the API server
    /// judge it
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    dry_run: DryRun,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: DataFormat,
    /// The namespace; default: the context's
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
}

/// The output of `settings` without `--select`: the choices for a policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    namespace: String,
    policy: String,
    today: Choice,
    /// Who set the setting with this program, and when.
    #[serde(flatten)]
    change: RecordedChange,
    allow_downgrade: bool,
    /// Conditions that prevent the policy from distributing, regardless of its setting.
    standing: PolicyBlockers,
    /// True if the choices in the status are missing or belong to an older generation of the
    /// policy.
    status_is_behind: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    governed_clients: Option<u32>,
    settings: Vec<Numbered>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Numbered {
    number: usize,
    #[serde(flatten)]
    choice: Choice,
    is_today: bool,
    /// Number of the policy's clients that already run the target of the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<u32>,
}

/// The output of `settings --select`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selected {
    namespace: String,
    policy: String,
    before: Choice,
    after: Choice,
    result: SettingsOutcome,
    /// Who changed the setting, and when, as the policy records it; empty if nothing was sent.
    #[serde(flatten)]
    change: RecordedChange,
    /// Reason why the policy does not record who changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_recorded: Option<String>,
    allow_downgrade: bool,
    /// Counts of the policy's clients before and after the change; absent if the setting stays the
    /// same, or if the clients cannot be counted.
    ///
    /// If the policy is not effective yet, the counts are for the time when the policy takes
    /// effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<SettingEffect>,
    /// Conditions that prevent the policy from distributing, regardless of its setting. Absent in
    /// the same cases as `clients`.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<PolicyBlockers>,
    #[serde(skip)]
    owner: Option<Owner>,
    #[serde(skip)]
    dry_run: DryRun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum SettingsOutcome {
    Changed,
    WouldChange,
    SameAsBefore,
    /// The policy is kept in Git and must be changed there, so nothing was written.
    KeptInGit,
}

/// Runs `settings`.
pub(super) async fn run(args: &SettingsArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    if args.select.is_none() && !args.dry_run.is_real() {
        return Err(Failure::input("there is nothing to try: --dry-run goes with --select"));
    }
    let cluster = Cluster::connect(&args.connection).await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let policy = cluster.policy(&namespace, &args.policy).await?;
    let spec = policy.live.spec.as_ref().map_err(|why| {
        Failure::new(format!(
            "policy {} in namespace {namespace} cannot be read, so nothing can be chosen: {why}",
            args.policy
        ))
    })?;
    let today = Choice::of(&spec.upgrade);
    let choices = choices(&policy);
    match &args.select {
        None => {
            let listed = list(&cluster, args, &namespace, &policy, today, choices);
            let (mut settings, remarks) = listed.await;
            settings.standing = standing(&policy, cx);
            let output = match args.output {
                DataFormat::Table => messages::list(&settings, &cx.reader()),
                DataFormat::Json => data::json(&settings)?,
                DataFormat::Yaml => data::yaml(&settings)?,
            };
            Ok(CommandOutput {
                output,
                remarks: remarks + &messages::remarks_on_list(&settings),
                code: 0,
            })
        }
        Some(selection) => {
            let after = meant(args, selection, &choices)?;
            let case =
                SelectionRun { cluster: &cluster, args, namespace, policy: &policy, today, after };
            case.select(spec.upgrade.allow_downgrade, cx).await
        }
    }
}

fn standing(policy: &OnePolicy, cx: &Context) -> PolicyBlockers {
    PolicyBlockers::of(&Policy::read(&Cached::from(policy.live.clone())), cx.now)
}

fn choices(policy: &OnePolicy) -> Vec<Choice> {
    let status = policy.live.status.as_ref();
    let settings = status.map(|status| status.available_settings.as_slice()).unwrap_or_default();
    settings.iter().map(Choice::from_setting).collect()
}

fn is_behind(policy: &OnePolicy) -> bool {
    let status = policy.live.status.as_ref();
    status.and_then(|status| status.observed_generation) != policy.live.metadata.generation
}

async fn list(
    cluster: &Cluster,
    args: &SettingsArgs,
    namespace: &str,
    policy: &OnePolicy,
    today: Choice,
    choices: Vec<Choice>,
) -> (Settings, String) {
    let name = args.policy.as_str();
    let count = |versions: &mut Versions, fleet: Parsed<ClientFleet>| {
        let Some(status) = fleet.status else { return };
        let package = status.package_version.map(VersionText::new);
        versions.add(status.clients.as_deref().unwrap_or_default(), name, package.as_ref());
    };
    let reach = NamespaceScope::Namespace(namespace.to_owned());
    let (versions, remarks) = match cluster.gather(&reach, None, Versions::default(), count).await {
        Ok(versions) => (Some(versions), String::new()),
        Err(failure) => {
            let why = failure.messages.join("; ");
            (None, format!("warning: no client can be counted: {why}\n"))
        }
    };
    let numbered = (1..).zip(choices).map(|(number, choice)| Numbered {
        number,
        is_today: choice.is_same_as(&today),
        clients: versions.as_ref().and_then(|versions| versions.at(&choice)),
        choice,
    });
    let allow_downgrade = policy.live.spec.as_ref().is_ok_and(|spec| spec.upgrade.allow_downgrade);
    let settings = Settings {
        namespace: namespace.to_owned(),
        policy: name.to_owned(),
        change: RecordedChange::of_setting(&policy.whole.metadata),
        allow_downgrade,
        standing: PolicyBlockers::default(),
        status_is_behind: is_behind(policy),
        governed_clients: versions.as_ref().map(|versions| versions.governed),
        settings: numbered.collect(),
        today,
    };
    (settings, remarks)
}

/// Returns the setting that the arguments select. Returns an error if the policy's status does not
/// list this setting, unless the user specified a mode and set `--any`.
fn meant(
    args: &SettingsArgs,
    selection: &Selection,
    choices: &[Choice],
) -> Result<Choice, Failure> {
    if let Some(choice) = selection.among(choices) {
        return Ok(choice);
    }
    let what = match selection {
        Selection::Spoken(choice) if args.any => return Ok(choice.clone()),
        Selection::Spoken(choice) => choice.to_string(),
        Selection::Number(number) => format!("number {number}"),
    };
    Err(messages::not_there(args, &what, selection, choices))
}

struct SelectionRun<'a> {
    cluster: &'a Cluster,
    args: &'a SettingsArgs,
    namespace: String,
    policy: &'a OnePolicy,
    today: Choice,
    after: Choice,
}

impl SelectionRun<'_> {
    async fn select(self, allow_downgrade: bool, cx: &Context) -> Result<CommandOutput, Failure> {
        let Self { cluster, args, namespace, policy, today, after } = self;
        let metadata = &policy.whole.metadata;
        let owner = owner_of_field(metadata, "upgrade").or_else(|| owner_of_object(metadata));
        let mut remarks = String::new();
        let mut selected = Selected {
            result: SettingsOutcome::SameAsBefore,
            policy: args.policy.clone(),
            before: today,
            after,
            change: RecordedChange::default(),
            not_recorded: None,
            allow_downgrade,
            clients: None,
            standing: None,
            owner,
            dry_run: args.dry_run,
            namespace,
        };
        if !selected.before.is_same_as(&selected.after) {
            let is_sent =
                args.dry_run != DryRun::Client && (selected.owner.is_none() || args.force);
            let user = is_sent.then(|| cluster.user_name());
            match estate(cluster, &selected.namespace).await {
                Ok(estate) => {
                    let (name, after) = (&args.policy, &selected.after);
                    let (effect, standing) = effect::effect(&estate, name, after, cx.now);
                    (selected.clients, selected.standing) = (Some(effect), Some(standing));
                }
                Err(failure) => {
                    let why = failure.messages.join("; ");
                    remarks = format!("warning: what follows is not known: {why}\n");
                }
            }
            if let Some(user) = user {
                (selected.change, selected.not_recorded) =
                    RecordedChange::by_user(user.await, cx.now);
            }
            selected.result = make(cluster, args, policy, &selected).await?;
        }
        let output = match args.output {
            DataFormat::Table => messages::selected(&selected, &cx.reader())?,
            DataFormat::Json => data::json(&selected)?,
            DataFormat::Yaml => data::yaml(&selected)?,
        };
        remarks += &messages::remarks_on_selecting(&selected);
        let code = if selected.result == SettingsOutcome::KeptInGit { FAILURE } else { 0 };
        Ok(CommandOutput { output, remarks, code })
    }
}

async fn make(
    cluster: &Cluster,
    args: &SettingsArgs,
    policy: &OnePolicy,
    selected: &Selected,
) -> Result<SettingsOutcome, Failure> {
    if selected.owner.is_some() && !args.force {
        return Ok(SettingsOutcome::KeptInGit);
    }
    if args.dry_run != DryRun::Client {
        let dry_run = args.dry_run.is_of_server();
        let Selected { namespace, after, change, .. } = selected;
        change::make(cluster, namespace, policy, after, change, dry_run).await?;
    }
    Ok(if args.dry_run.is_real() { SettingsOutcome::Changed } else { SettingsOutcome::WouldChange })
}

async fn estate(cluster: &Cluster, namespace: &str) -> Result<Estate, Failure> {
    let reach = NamespaceScope::Namespace(namespace.to_owned());
    let policies = cluster.policies(&reach).await?;
    let policies = policies.into_iter().map(|policy| Arc::new(policy.into())).collect();
    let note = |estate: &mut Estate, fleet: Parsed<ClientFleet>| {
        estate.fleets.push(Arc::new(fleet.into()));
    };
    cluster.gather(&reach, None, Estate { policies, ..Estate::default() }, note).await
}
