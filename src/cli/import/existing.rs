//! Where the fleets of an import are read from: the cluster, or the files that were printed last
//! time. What they mean is `standing`'s.

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

use super::manifest::LABEL;
use super::standing::{Standing, Standings, Written};
use crate::api::ClientFleet;
use crate::cli::cluster::{Cluster, failure};
use crate::cli::objects::{self, Object, Stored};
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::table::printable;
use crate::cli::{FAILURE, Failure, WRONG_INPUT, files};

/// How many objects a page holds: the largest fleets come to 1.4 MB each.
const PAGE: u32 = 25;
/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// A page of fleets as they are, account of their owners included.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Value>,
}

/// The fleets of the import in the cluster.
pub(super) async fn of_cluster(
    cluster: &Cluster,
    namespace: &str,
    prefix: &str,
    written: Written,
) -> Result<BTreeMap<u32, Standing>, Failure> {
    let mut progress = Progress::start("Reading fleets");
    let mut standings = Standings::default();
    let mut parameters = ListParams::default().labels(&format!("{LABEL}={prefix}")).limit(PAGE);
    let mut done = 0;
    loop {
        let request = Request::new(ClientFleet::url_path(&(), Some(namespace))).list(&parameters);
        let page: Result<Page, Error> = match request.map_err(Error::BuildRequest) {
            Ok(request) => cluster.client.request(request).await,
            Err(error) => Err(error),
        };
        let page = match page {
            Ok(page) => page,
            // The pages' moment is forgotten: once more, all at once.
            Err(Error::Api(status)) if status.code == 410 && done > 0 => {
                (standings, done) = (Standings::default(), 0);
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
            standings.add(prefix, fleet, written);
        }
        progress.at(done, None);
        parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if parameters.continue_token.is_none() {
            return standings.finish().map_err(refused);
        }
    }
}

fn refused(messages: Vec<String>) -> Failure {
    Failure { messages, code: FAILURE }
}

/// Fails, where a fleet that the import would make exists already, as somebody else's.
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
        .buffered(AT_ONCE);
    let mut strangers = Vec::new();
    let mut done = 0;
    while let Some(found) = answers.try_next().await? {
        done += 1;
        progress.at(done, Some(names.len()));
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
            "ClientFleet {} exists, and is not of this import: it has no label {LABEL}={prefix}; \
             choose another --fleet, or remove that fleet",
            printable(name)
        )
    };
    Err(refused(strangers.iter().map(sentence).collect()))
}

/// What is wrong with the fleet whose package is to be used; nothing, where it can be.
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

/// Fleets from files.
#[derive(Debug, Default)]
pub(super) struct Printed {
    pub fleets: BTreeMap<u32, Standing>,
    /// The names of all other fleets there.
    others: BTreeSet<String>,
}

impl Printed {
    /// Reads what was printed last time.
    pub fn read(paths: &[PathBuf], namespace: Option<&str>, prefix: &str) -> Result<Self, Failure> {
        let namespace = namespace.unwrap_or("default");
        let mut standings = Standings::default();
        let mut printed = Self::default();
        let mut elsewhere = BTreeSet::new();
        let mut found = false;
        let take = &mut |Object { identity, given, stored }: Object| {
            let Stored::Fleet(fleet) = stored else { return };
            let label = fleet.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
            let is_labelled = label.is_some_and(|label| label == prefix);
            match (is_labelled, identity.namespace == namespace) {
                (true, true) => {
                    found = true;
                    standings.add(prefix, &given.value(), Written::ByWhoeverLabels);
                }
                (true, false) => drop(elsewhere.insert(identity.namespace)),
                (false, true) => drop(printed.others.insert(identity.name)),
                (false, false) => {}
            }
        };
        let findings = objects::find(files::read(paths), take);
        if !findings.problems.is_empty() {
            return Err(Failure { messages: findings.problems, code: WRONG_INPUT });
        }
        if !found {
            return Err(Failure::new(no_fleet(prefix, namespace, &elsewhere)));
        }
        printed.fleets = standings.finish().map_err(refused)?;
        Ok(printed)
    }

    /// As [`no_strangers_in_cluster`].
    pub fn no_strangers(&self, prefix: &str, names: &[&str]) -> Result<(), Failure> {
        let known = names.iter().filter(|name| self.others.contains(**name));
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
