//! Reads the fleets that earlier imports created, from the cluster or from files that an earlier
//! import printed. The module `existing_fleet` interprets each fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Api;
use kube::api::ListParams;
use kube::core::Request;
use kube::{Error, Resource};
use serde::Deserialize;
use serde_json::Value;

use super::existing_fleet::{ExistingFleet, ExistingFleets, WrittenBy};
use super::manifest::IMPORT_LABEL;
use crate::api::ClientFleet;
use crate::cli::cluster::{Cluster, failure};
use crate::cli::objects::{self, Object, Stored};
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::table::printable;
use crate::cli::{FAILURE, Failure, WRONG_INPUT, files};

/// Number of fleets per page of a list request. The largest fleets are 1.4 MB each, so a page has
/// at most 35 MB.
const PAGE_SIZE: u32 = 25;
const MAX_CONCURRENT_REQUESTS: usize = 8;

#[derive(Deserialize)]
struct FleetPage {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Value>,
}

/// Lists the fleets in the cluster that have the import's label, and returns them by fleet number.
pub(super) async fn of_cluster(
    cluster: &Cluster,
    namespace: &str,
    prefix: &str,
    written: WrittenBy,
) -> Result<BTreeMap<u32, ExistingFleet>, Failure> {
    let add = |standings: &mut ExistingFleets, fleet: &Value| {
        standings.add(prefix, fleet, written);
    };
    let selector = format!("{IMPORT_LABEL}={prefix}");
    list(cluster, namespace, &selector, add).await?.finish().map_err(refused)
}

/// Lists the fleets in the cluster that match a label selector, and adds each of them to a `T`.
pub(super) async fn list<T: Default>(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    mut add: impl FnMut(&mut T, &Value),
) -> Result<T, Failure> {
    let mut progress = Progress::start("Reading fleets");
    let mut read = T::default();
    let mut parameters = ListParams::default().labels(selector).limit(PAGE_SIZE);
    let mut done = 0;
    loop {
        let request = Request::new(ClientFleet::url_path(&(), Some(namespace))).list(&parameters);
        let page: Result<FleetPage, Error> = match request.map_err(Error::BuildRequest) {
            Ok(request) => cluster.client.request(request).await,
            Err(error) => Err(error),
        };
        let page = match page {
            Ok(page) => page,
            // 410 Gone: the continue token expired; restart the list without paging.
            Err(Error::Api(status)) if status.code == 410 && done > 0 => {
                (read, done) = (T::default(), 0);
                (parameters.limit, parameters.continue_token) = (None, None);
                continue;
            }
            Err(error) => {
                let doing = format!("list clientfleets in namespace {namespace}");
                return Err(failure(&doing, &error));
            }
        };
        done += page.items.len();
        for fleet in &page.items {
            add(&mut read, fleet);
        }
        progress.update(done, None);
        parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if parameters.continue_token.is_none() {
            return Ok(read);
        }
    }
}

fn refused(messages: Vec<String>) -> Failure {
    Failure { messages, code: FAILURE }
}

/// Returns an error if a fleet that the import would create already exists but does not have the
/// import's label.
pub(super) async fn no_strangers_in_cluster(
    cluster: &Cluster,
    namespace: &str,
    prefix: &str,
    names: &[&str],
) -> Result<(), Failure> {
    let api: Api<ClientFleet> = Api::namespaced(cluster.client.clone(), namespace);
    let mut progress = Progress::start("Looking for fleets of these names");
    let mut answers = stream::iter(names)
        .map(|name| {
            let api = api.clone();
            async move {
                let found = api.get_metadata_opt(name).await.map_err(|error| {
                    let doing = format!("get clientfleet {name} in namespace {namespace}");
                    failure(&doing, &error)
                })?;
                Ok::<_, Failure>(found.map(|_| (*name).to_owned()))
            }
        })
        .buffered(MAX_CONCURRENT_REQUESTS);
    let mut strangers = Vec::new();
    let mut done = 0;
    while let Some(found) = answers.try_next().await? {
        done += 1;
        progress.update(done, Some(names.len()));
        strangers.extend(found);
    }
    no_strangers(prefix, &strangers)
}

fn no_strangers(prefix: &str, strangers: &[String]) -> Result<(), Failure> {
    if strangers.is_empty() {
        return Ok(());
    }
    let sentence = |name: &String| {
        format!(
            "ClientFleet {} exists, and is not of this import: it has no label {IMPORT_LABEL}={prefix}; \
             choose another --fleet, or remove that fleet",
            printable(name)
        )
    };
    Err(refused(strangers.iter().map(sentence).collect()))
}

/// Returns a warning if the fleet that `--package-from` names does not exist, or takes its own
/// package from another fleet.
pub(super) async fn package_doubt(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    let path = format!("{}/{name}", ClientFleet::url_path(&(), Some(namespace)));
    let request = http::Request::get(path).body(Vec::new());
    let answer: Result<Value, Error> = match request.map_err(Error::HttpError) {
        Ok(request) => cluster.client.request(request).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(fleet) if fleet.pointer("/spec/packageFrom").is_some() => Ok(Some(format!(
            "ClientFleet {name} takes its package from another fleet itself: name that one with \
             --package-from, or every client is Blocked (PackageUnknown)"
        ))),
        Ok(_) => Ok(None),
        Err(Error::Api(status)) if status.is_not_found() => Ok(Some(format!(
            "there is no ClientFleet {name} in namespace {namespace}: until there is, every client \
             is Blocked (PackageUnknown)"
        ))),
        Err(error) => {
            Err(failure(&format!("get clientfleet {name} in namespace {namespace}"), &error))
        }
    }
}

/// The fleets in the files that `--previous` names.
#[derive(Debug, Default)]
pub(super) struct Printed {
    pub fleets: BTreeMap<u32, ExistingFleet>,
    /// Fleets in the import's namespace that do not have the import's label, by name.
    pub others: BTreeMap<String, Value>,
    /// Error message to print if the import finds neither its fleets nor its clients in the files.
    unrelated: Option<String>,
}

impl Printed {
    /// Reads the fleets that an earlier import printed.
    pub fn read(paths: &[PathBuf], namespace: Option<&str>, prefix: &str) -> Result<Self, Failure> {
        let namespace = namespace.unwrap_or("default");
        let mut standings = ExistingFleets::default();
        let mut printed = Self::default();
        let mut elsewhere = BTreeSet::new();
        let mut found = false;
        let take = &mut |Object { identity, source: given, stored }: Object| {
            let Stored::Fleet(fleet) = stored else { return };
            let label = fleet.metadata.labels.as_ref().and_then(|labels| labels.get(IMPORT_LABEL));
            let is_labelled = label.is_some_and(|label| label == prefix);
            match (is_labelled, identity.namespace == namespace) {
                (true, true) => {
                    found = true;
                    standings.add(prefix, &given.value(), WrittenBy::LabelWriter);
                }
                (true, false) => drop(elsewhere.insert(identity.namespace)),
                (false, true) => drop(printed.others.insert(identity.name, given.value())),
                (false, false) => {}
            }
        };
        let findings = objects::find(files::read(paths), take);
        if !findings.problems.is_empty() {
            return Err(Failure { messages: findings.problems, code: WRONG_INPUT });
        }
        printed.unrelated = (!found).then(|| no_fleet(prefix, namespace, &elsewhere));
        printed.fleets = standings.finish().map_err(refused)?;
        Ok(printed)
    }

    /// Returns an error if the files hold no fleet of the import, and no other fleet from which its
    /// clients can move.
    pub(crate) fn check_related(&self, is_client_elsewhere: bool) -> Result<(), Failure> {
        let unrelated = self.unrelated.as_ref().filter(|_| !is_client_elsewhere);
        unrelated.map_or(Ok(()), |message| Err(Failure::new(message.clone())))
    }

    /// Returns an error if a fleet that the import would create exists in the files but does not
    /// have the import's label. For the cluster, see [`no_strangers_in_cluster`].
    pub(crate) fn no_strangers(&self, prefix: &str, names: &[&str]) -> Result<(), Failure> {
        let known = names.iter().filter(|name| self.others.contains_key(**name));
        let strangers: Vec<String> = known.map(|name| (*name).to_owned()).collect();
        no_strangers(prefix, &strangers)
    }
}

fn no_fleet(prefix: &str, namespace: &str, elsewhere: &BTreeSet<String>) -> String {
    let mend = if elsewhere.is_empty() {
        "name the files that it printed, or leave --previous out the first time".to_owned()
    } else {
        let names: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
        format!("there are some in {}: name the namespace with -n", printable(&names.join(" and ")))
    };
    format!(
        "the files of --previous hold no fleet of import {prefix} in namespace {namespace}, and every \
         client would be placed anew: {mend}"
    )
}
