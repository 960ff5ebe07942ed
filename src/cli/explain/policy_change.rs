//! Finds who set the policy that governs an explained client, in the cluster or in files.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::cluster::Cluster;
use crate::cli::recorded_change::RecordedChange;
use crate::plan::explanation::Explanation;

/// Namespace and name of a policy.
type PolicyKey = (String, String);

/// An explanation, with the recorded change of the policy that governs the client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainedClient {
    #[serde(flatten)]
    pub explanation: Explanation,
    /// Who set the governing policy with this program, and when.
    #[serde(skip_serializing_if = "RecordedChange::is_empty")]
    pub policy_change: RecordedChange,
}

/// Recorded changes of policies. Those in a cluster are read when they are needed, because the list
/// of policies omits annotations.
pub(super) struct PolicyChanges {
    /// The cluster; `None` if the changes of all policies are known from files.
    pub cluster: Option<Cluster>,
    pub known: BTreeMap<PolicyKey, RecordedChange>,
}

impl std::fmt::Debug for PolicyChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyChanges").field("known", &self.known).finish_non_exhaustive()
    }
}

impl PolicyChanges {
    /// Adds the recorded changes of the governing policies to the explanations. Appends a warning to
    /// `remarks` for each policy that cannot be read.
    pub async fn add_to(
        mut self,
        explanations: Vec<Explanation>,
        remarks: &mut String,
    ) -> Vec<ExplainedClient> {
        let mut explained = Vec::new();
        for explanation in explanations {
            let policy = explanation.decision.policy.as_deref();
            let policy_change = match policy {
                Some(policy) => self.find(&explanation.namespace, policy, remarks).await,
                None => RecordedChange::default(),
            };
            explained.push(ExplainedClient { explanation, policy_change });
        }
        explained
    }

    async fn find(
        &mut self,
        namespace: &str,
        policy: &str,
        remarks: &mut String,
    ) -> RecordedChange {
        let key = (namespace.to_owned(), policy.to_owned());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let Some(cluster) = &self.cluster else { return RecordedChange::default() };
        let change = match cluster.find_policy(namespace, policy).await {
            Ok(found) => found.map(|found| RecordedChange::of_setting(&found.whole.metadata)),
            Err(failure) => {
                let why = failure.messages.join("; ");
                *remarks += &format!("warning: who set the policy is not known: {why}\n");
                None
            }
        };
        self.known.entry(key).or_insert(change.unwrap_or_default()).clone()
    }
}
