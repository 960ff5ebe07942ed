//! Reads the fleets and policies for `explain`, from the cluster or from files. Reads lists from
//! the cluster page by page, and policies only from namespaces in which a client was found.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::find::{ClientQuery, ClientSearch, FoundClients};
use super::policy_change::PolicyChanges;
use crate::api::{Kind, Text};
use crate::cli::cluster::{Cluster, NamespaceArgs, NamespaceScope};
use crate::cli::objects::{self, Object, Stored};
use crate::cli::recorded_change::RecordedChange;
use crate::cli::{Failure, WRONG_INPUT, files};
use crate::cluster::connection::Connection;
use crate::plan::{CachedPolicy, Estate, settle};
use crate::values::Timestamp;

/// The fleets and policies that `explain` has read.
#[derive(Debug)]
pub(super) struct ExplainSource {
    search: ClientSearch,
    policies: BTreeMap<String, Vec<CachedPolicy>>,
    /// Phrase for messages that names the searched namespace or files, such as `in namespace
    /// clients`.
    place: String,
    /// Warnings for the user about the input.
    pub remarks: String,
    /// Who set the policies.
    pub changes: PolicyChanges,
}

impl ExplainSource {
    /// Reads the fleets from the cluster, and then the policies of each namespace in which a client
    /// was found.
    pub async fn cluster(
        connection: &Connection,
        place: &NamespaceArgs,
        wanted: &ClientQuery,
    ) -> Result<Self, Failure> {
        let cluster = Cluster::connect(connection).await?;
        let reach = match &wanted.namespace {
            Some(namespace) => NamespaceScope::Namespace(namespace.clone()),
            None => cluster.reach(place),
        };
        // Another fleet may list the client too, so read all fleets even if one is given.
        let add = |search: &mut ClientSearch, fleet| search.add(fleet, wanted);
        let search = cluster.gather(&reach, None, ClientSearch::default(), add).await?;
        let place = match &reach {
            NamespaceScope::Namespace(namespace) => format!("in namespace {namespace}"),
            NamespaceScope::All => "in any namespace".to_owned(),
        };
        let mut policies = BTreeMap::new();
        for namespace in search.namespaces() {
            let reach = NamespaceScope::Namespace(namespace.clone());
            let read = cluster.policies(&reach).await?.into_iter().map(CachedPolicy::from);
            policies.insert(namespace, read.collect());
        }
        let remarks = search.remarks.clone();
        let changes = PolicyChanges { cluster: Some(cluster), known: BTreeMap::new() };
        Ok(Self { search, policies, place, remarks, changes })
    }

    /// Reads the fleets and policies from files. Also computes the statuses of the policies,
    /// because an explanation shows the number of governed clients, and policies in files may have
    /// no status.
    pub fn files(paths: &[PathBuf], wanted: &ClientQuery, at: Timestamp) -> Result<Self, Failure> {
        let mut search = ClientSearch::default();
        let mut estates: BTreeMap<String, Estate> = BTreeMap::new();
        let mut known = BTreeMap::new();
        let findings =
            objects::find(files::read(paths), &mut |Object { identity, stored, source }| {
                if identity.kind == Kind::UpgradePolicy {
                    let key = (identity.namespace.clone(), identity.name.clone());
                    known.insert(key, RecordedChange::of_object(&source.value()));
                }
                if let Stored::Fleet(fleet) = &stored {
                    search.add((**fleet).clone(), wanted);
                }
                stored.join(estates.entry(identity.namespace).or_default());
            });
        if !findings.problems.is_empty() {
            return Err(Failure { messages: findings.problems, code: WRONG_INPUT });
        }
        let passed_over = findings.passed_over.iter();
        let mut remarks: String =
            passed_over.map(|object| format!("passed over: {object}\n")).collect();
        remarks += &search.remarks;
        let mut policies = BTreeMap::new();
        for namespace in search.namespaces() {
            let estate = estates.remove(&namespace).unwrap_or_default();
            policies.insert(namespace, with_planned_statuses(&estate, at));
        }
        let changes = PolicyChanges { cluster: None, known };
        Ok(Self { search, policies, place: "in these files".to_owned(), remarks, changes })
    }

    /// Returns the clients that were found, with the policies of their namespaces.
    pub fn found(&mut self, wanted: &ClientQuery) -> Result<Vec<FoundClients>, Failure> {
        let mut found = std::mem::take(&mut self.search).hits(wanted, &self.place)?;
        for (namespace, found) in &mut found {
            found.policies = self.policies.remove(namespace).unwrap_or_default();
        }
        Ok(found.into_values().collect())
    }
}

fn with_planned_statuses(estate: &Estate, at: Timestamp) -> Vec<CachedPolicy> {
    let mut planned: BTreeMap<Text, _> = settle(estate, at).policies.into_iter().collect();
    let with_status = |policy: &Arc<CachedPolicy>| match planned.remove(policy.name()) {
        Some(status) => policy.with_status(status),
        None => policy.as_ref().clone(),
    };
    estate.policies.iter().map(with_status).collect()
}
