//! Applies the changes of an import to the cluster: writes fleets by server-side apply, and deletes
//! pruned fleets. Never removes clients that other field managers list.

use std::cell::Cell;
use std::fmt::Debug;

use futures::{StreamExt, stream};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions, ValidationDirective};
use kube::core::{PartialObjectMeta, Status};
use kube::{Api, Error};
use serde::Serialize;
use serde_json::{Value, json};

use super::existing_fleet::{ExistingFleet, ListedBy, MANAGER, WrittenBy, standing};
use super::manifest::Manifest;
use super::outcome::FleetChange;
use crate::api::{ClientFleet, Text};
use crate::cli::cluster::{Cluster, WriteError, attempt};
use crate::cli::gitops::DryRun;
use crate::cli::terminal::interrupt::Interrupt;
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::table::printable;

const MAX_CONCURRENT_WRITES: usize = 4;
/// Maximum number of attempts to write or delete a fleet that changes after it was read.
const MAX_WRITE_ATTEMPTS: usize = 5;
const MAX_PRINTED_CONFLICTS: usize = 10;

/// Options for writing fleets to the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub force: bool,
    pub dry_run: DryRun,
}

/// The outcome of writing the fleets to the cluster.
#[derive(Debug, Default)]
pub(super) struct ApplyOutcome {
    /// Names and changes of the fleets that were written, deleted or already up to date.
    pub done: Vec<(String, FleetChange)>,
    /// Error messages about the fleets that could not be written or deleted.
    pub failures: Vec<String>,
    /// Number of fleets whose write or deletion failed.
    pub failed: usize,
    /// Number of fleets whose write was not started, because an earlier failure affects all fleets
    /// or the command was interrupted.
    pub untried: usize,
    /// True if the user interrupted the command.
    pub is_interrupted: bool,
}

impl ApplyOutcome {
    /// Adds the outcome of later writes.
    pub(super) fn append(&mut self, later: Self) {
        self.done.extend(later.done);
        self.done.sort_by(|a, b| a.0.cmp(&b.0));
        self.failures.extend(later.failures);
        self.failed += later.failed;
        self.untried += later.untried;
        self.is_interrupted |= later.is_interrupted;
    }
}

/// The error of a write or deletion of one fleet.
pub(super) struct FleetError {
    pub(super) sentences: Vec<String>,
    /// True if all other writes would fail for the same reason.
    is_general: bool,
    /// True if the API server may have stored the write.
    may_be_stored: bool,
}

impl FleetError {
    /// Creates the error of a write that was not stored, and that says nothing about other writes.
    pub(super) fn of_one_fleet(sentences: Vec<String>) -> Self {
        Self { sentences, is_general: false, may_be_stored: false }
    }
}

/// A change of one fleet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Write<'a> {
    /// Write or delete a fleet of this import.
    Fleet(&'a Manifest, FleetChange),
    /// Remove clients from a fleet of another import.
    Removal { fleet: &'a str, clients: &'a [Text] },
}

impl Write<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Fleet(manifest, _) => &manifest.metadata.name,
            Self::Removal { fleet, .. } => fleet,
        }
    }

    fn change(&self) -> FleetChange {
        match self {
            Self::Fleet(_, change) => *change,
            Self::Removal { .. } => FleetChange::Changed,
        }
    }
}

/// Writes the fleets to the cluster, and deletes the pruned fleets.
pub(super) async fn apply(
    cluster: &Cluster,
    namespace: &str,
    writes: &[Write<'_>],
    options: Options,
) -> ApplyOutcome {
    let api: Api<ClientFleet> = Api::namespaced(cluster.client.clone(), namespace);
    let mut progress = Progress::start("Writing fleets");
    let interrupt = Interrupt::listen();
    // After a failure that affects all fleets, no further write starts, but those in progress end,
    // so that their outcome is known.
    let is_stopped = Cell::new(false);
    let mut under_way = stream::iter(writes)
        .take_while(|_| std::future::ready(!is_stopped.get() && !interrupt.is_received()))
        .map(|write| {
            let writer = Writer { api: &api, cluster, namespace, options };
            async move { (write, writer.write(write).await) }
        })
        .buffer_unordered(MAX_CONCURRENT_WRITES);
    let mut applied = ApplyOutcome::default();
    let mut tried = 0;
    while let Some((write, result)) = under_way.next().await {
        tried += 1;
        progress.update(tried, Some(writes.len()));
        let Err(trouble) = result else {
            applied.done.push((write.name().to_owned(), write.change()));
            continue;
        };
        applied.failed += 1;
        // The other writes in progress fail for the same reason, so report it once, but report each
        // write that may have been stored.
        if !(is_stopped.get() && trouble.is_general) || trouble.may_be_stored {
            applied.failures.extend(trouble.sentences);
        }
        is_stopped.set(is_stopped.get() || trouble.is_general);
    }
    drop(under_way);
    applied.untried = writes.len() - tried;
    applied.is_interrupted = interrupt.is_received();
    applied.done.sort_by(|a, b| a.0.cmp(&b.0));
    applied
}

/// Writes fleets to one namespace of a cluster.
pub(super) struct Writer<'a> {
    api: &'a Api<ClientFleet>,
    cluster: &'a Cluster,
    namespace: &'a str,
    pub(super) options: Options,
}

impl Writer<'_> {
    async fn write(&self, write: &Write<'_>) -> Result<(), FleetError> {
        if self.options.dry_run == DryRun::Client {
            return Ok(());
        }
        let (manifest, change) = match write {
            Write::Fleet(manifest, change) => (*manifest, *change),
            Write::Removal { fleet, clients } => return self.remove(fleet, clients).await,
        };
        match change {
            FleetChange::Unchanged => Ok(()),
            FleetChange::Changed if manifest.spec.clients.is_none() => self.empty(manifest).await,
            FleetChange::Created | FleetChange::Changed => self.patch(manifest).await,
            FleetChange::Pruned => self.delete(&manifest.metadata.name).await,
        }
    }

    /// Sends a patch until its outcome is known.
    pub(super) async fn send<P: Serialize + Debug>(
        &self,
        name: &str,
        parameters: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<(), WriteError> {
        let sent = attempt(async || self.api.patch_metadata(name, parameters, patch).await);
        sent.await.map(|_: PartialObjectMeta<ClientFleet>| ())
    }

    async fn patch(&self, manifest: &Manifest) -> Result<(), FleetError> {
        let name = &manifest.metadata.name;
        let parameters = PatchParams {
            dry_run: self.options.dry_run.is_of_server(),
            force: self.options.force,
            field_manager: Some(MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let mut last = None;
        for _ in 0..MAX_WRITE_ATTEMPTS {
            match self.send(name, &parameters, &Patch::Apply(manifest)).await {
                Ok(()) => return Ok(()),
                Err(WriteError { error: Error::Api(status), .. }) if is_conflict(&status) => {
                    return Err(FleetError::of_one_fleet(conflicts(name, &status)));
                }
                // The fleet has changed during the write.
                Err(error) if error.code() == Some(409) => last = Some(error),
                Err(error) => return Err(self.write_failed("patch", name, &error)),
            }
        }
        last.map_or(Ok(()), |error| Err(self.write_failed("patch", name, &error)))
    }

    /// Writes a fleet in which the import lists no clients.
    ///
    /// If other managers own fields of clients but list no client, first removes the client list
    /// with a merge patch, because server-side apply would leave `null` in place of the list and
    /// the API server would reject the fleet.
    async fn empty(&self, manifest: &Manifest) -> Result<(), FleetError> {
        let name = &manifest.metadata.name;
        let mut last = None;
        for _ in 0..MAX_WRITE_ATTEMPTS {
            let fleet = match self.read(name).await {
                Ok(fleet) => fleet,
                Err(Error::Api(status)) if status.is_not_found() => break,
                Err(error) => return Err(self.read_failed(name, error, last.as_ref())),
            };
            let is_in_the_way = standing(name, &fleet, WrittenBy::Manager).is_ok_and(|held| {
                let goes = |hold: &ListedBy| hold.ours && !hold.others;
                !held.owned_by_others.is_empty() && held.holds.values().all(goes)
            });
            if !is_in_the_way {
                return self.patch(manifest).await;
            }
            let parameters = PatchParams {
                dry_run: self.options.dry_run.is_of_server(),
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            // Send the `resourceVersion`, so that the API server rejects the patch if the fleet has
            // changed since it was read.
            let version = fleet.pointer("/metadata/resourceVersion");
            let patch =
                json!({ "metadata": { "resourceVersion": version }, "spec": { "clients": null } });
            match self.send(name, &parameters, &Patch::Merge(&patch)).await {
                // In a dry run, the patch does not remove the list, so the API server would reject
                // the server-side apply that follows.
                Ok(()) if parameters.dry_run => return Ok(()),
                Ok(()) => return self.patch(manifest).await,
                Err(error) if error.code() == Some(409) => last = Some(error),
                Err(error) => return Err(self.write_failed("patch", name, &error)),
            }
        }
        match last {
            Some(error) => Err(self.write_failed("patch", name, &error)),
            None => self.patch(manifest).await,
        }
    }

    /// Deletes a fleet, unless other managers list clients in it.
    async fn delete(&self, name: &str) -> Result<(), FleetError> {
        // An attempt without a response may have deleted the fleet, or the fleet has changed: the
        // next read shows which.
        self.rewrite("delete", name, &[404, 409], async |fleet: Value| {
            let held = standing(name, &fleet, WrittenBy::Manager);
            let is_others =
                |held: &ExistingFleet| held.holds.values().any(|hold| hold.others || !hold.ours);
            if held.as_ref().map_or(true, is_others) {
                let sentence = format!(
                    "ClientFleet {name} was not pruned: somebody has put clients into it meanwhile"
                );
                return Err(FleetError::of_one_fleet(vec![sentence]));
            }
            let text = |pointer: &str| {
                fleet.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned)
            };
            let parameters = DeleteParams {
                dry_run: self.options.dry_run.is_of_server(),
                preconditions: Some(Preconditions {
                    resource_version: text("/metadata/resourceVersion"),
                    uid: text("/metadata/uid"),
                }),
                ..DeleteParams::default()
            };
            Ok(attempt(async || self.api.delete(name, &parameters).await).await.map(|_| ()))
        })
        .await
    }

    /// Reads a fleet and writes it, again if it has changed in between, which the API server answers
    /// with one of the codes `outdated`. Succeeds if the fleet does not exist.
    pub(super) async fn rewrite(
        &self,
        verb: &str,
        name: &str,
        outdated: &[u16],
        mut write: impl AsyncFnMut(Value) -> Result<Result<(), WriteError>, FleetError>,
    ) -> Result<(), FleetError> {
        let (mut left, mut last) = (MAX_WRITE_ATTEMPTS, None);
        loop {
            let fleet = match self.read(name).await {
                Ok(fleet) => fleet,
                Err(Error::Api(status)) if status.is_not_found() => return Ok(()),
                Err(error) => return Err(self.read_failed(name, error, last.as_ref())),
            };
            left -= 1;
            match write(fleet).await? {
                Ok(()) => return Ok(()),
                Err(error) if left > 0 && error.code().is_some_and(|c| outdated.contains(&c)) => {
                    last = Some(error);
                }
                Err(error) => return Err(self.write_failed(verb, name, &error)),
            }
        }
    }

    async fn read(&self, name: &str) -> Result<Value, Error> {
        let request = http::Request::get(format!("{}/{name}", self.api.resource_url()));
        self.cluster.client.request(request.body(Vec::new()).map_err(Error::HttpError)?).await
    }

    /// Returns the error of a read. `last` is the error of the write before it.
    fn read_failed(&self, name: &str, error: Error, last: Option<&WriteError>) -> FleetError {
        let may_be_stored = last.is_some_and(|last| last.may_be_stored);
        self.write_failed("get", name, &WriteError { error, may_be_stored })
    }

    fn write_failed(&self, verb: &str, name: &str, error: &WriteError) -> FleetError {
        // An error response from the API server may concern only this fleet. Without a response,
        // or if the server fails again and again, the next write would fail as well. 404 Not Found
        // means that the namespace or the CRD is missing, which affects every fleet.
        let is_general = error.code().is_none_or(|code| matches!(code, 401 | 403 | 404 | 500..));
        let what =
            if is_general { "clientfleets".to_owned() } else { format!("clientfleet {name}") };
        let doing = format!("{verb} {what} in namespace {}", self.namespace);
        FleetError {
            sentences: vec![error.sentence(&doing)],
            is_general,
            may_be_stored: error.may_be_stored,
        }
    }
}

fn is_conflict(status: &Status) -> bool {
    status.code == 409 && causes(status).next().is_some()
}

fn causes(status: &Status) -> impl Iterator<Item = (&str, &str)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| (cause.field.as_str(), cause.message.as_str()))
}

/// Returns messages about the conflicting fields, with advice on how to resolve each conflict.
fn conflicts(name: &str, status: &Status) -> Vec<String> {
    let mut sentences: Vec<String> = causes(status)
        .take(MAX_PRINTED_CONFLICTS)
        .map(|(field, message)| {
            let manager = message.split('"').nth(1).unwrap_or("another manager");
            let text = format!(
                "ClientFleet {name}, {}: {manager} owns this field and has written something else: \
                 {}let {manager} give it up, or take it over with --force-conflicts",
                field.trim_start_matches('.'),
                way_out(field)
            );
            printable(&text).into_owned()
        })
        .collect();
    let more = causes(status).count().saturating_sub(MAX_PRINTED_CONFLICTS);
    if more > 0 {
        sentences.push(format!("ClientFleet {name}: {more} more fields are owned by others"));
    }
    sentences
}

/// Returns advice on how to exclude a field from the import, or an empty string if that is not
/// possible.
fn way_out(field: &str) -> String {
    let of_client = field.strip_prefix(".spec.clients[").and_then(|field| field.rsplit_once("]."));
    match of_client.map(|(_, field)| field) {
        Some(field) if field.starts_with("labels") => "leave its --group-by out, ".to_owned(),
        Some(field) if field != "name" => {
            let field = field.strip_prefix("reported.").unwrap_or(field);
            format!("leave its column out with `--column {field}=`, ")
        }
        _ if field == ".spec.timeZone" => "leave --fleet-time-zone out, ".to_owned(),
        _ if field.starts_with(".metadata.labels") => "leave this --label out, ".to_owned(),
        _ => String::new(),
    }
}
