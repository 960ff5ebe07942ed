//! Defines the reports of `halt` and `resume` as serializable data.

use serde::{Serialize, Serializer};

use super::policy::{Gap, NAME};
use crate::cli::FAILURE;
use crate::cli::gitops::{DryRun, Owner};
use crate::cli::recorded_change::RecordedChange;
use crate::values::Timestamp;

fn word<S: Serializer>(dry_run: &DryRun, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match dry_run {
        DryRun::None => "none",
        DryRun::Client => "client",
        DryRun::Server => "server",
    })
}

fn shown<S: Serializer>(owner: &Option<Owner>, serializer: S) -> Result<S::Ok, S::Error> {
    owner.as_ref().map(Owner::shown).serialize(serializer)
}

/// Report that `halt` prints, for all selected namespaces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HaltReport {
    #[serde(serialize_with = "word")]
    pub dry_run: DryRun,
    pub namespaces: Vec<HaltedNamespace>,
    /// Information that could not be determined, each item with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<String>,
    /// Reason why the halt does not record who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_recorded: Option<String>,
}

/// Part of a [`HaltReport`] for one namespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HaltedNamespace {
    pub namespace: String,
    pub result: HaltResult,
    /// Error message, if the halt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Reason that the user gave, if it was not stored because the halt has another reason already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_not_stored: Option<String>,
    /// Who wrote the halt policy, and when.
    #[serde(flatten)]
    pub change: RecordedChange,
    #[serde(skip)]
    pub generation: Option<i64>,
    #[serde(flatten)]
    pub counts: Option<HaltCounts>,
    #[serde(flatten)]
    pub rivals: NoRivals,
    /// Gaps in an existing halt policy that `halt` closed by restoring the policy's spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<Gap>,
    /// Names of the policies that cannot be read, and therefore have precedence over the halt. Such
    /// a policy blocks every client of the namespace.
    pub comes_after_unreadable: Vec<String>,
    /// Whether the controller applied the halt before the timeout. Absent if the command did not
    /// wait, or could not watch the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<bool>,
    /// Reason why the command could not determine whether the controller has applied the halt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_waited: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub kept_in_git_by: Option<Owner>,
}

/// Keys for policies that distribute in spite of a halt, which are always empty: of equal
/// priorities, no policy that distributes comes before the halt. Scripts may still read the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct NoRivals {
    comes_after: [(); 0],
    comes_after_later: [(); 0],
}

/// Effect of a halt on one namespace, as counts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HaltCounts {
    pub clients: u32,
    /// Number of offers that were valid at the time of the halt and that the halt stops.
    pub offers_stopped: u32,
    /// Always 0, because no policy that distributes comes before the halt. Scripts may still read
    /// the key.
    pub offers_not_stopped: u32,
    /// Number of clients whose next restart installs another version despite the halt.
    pub staged: u32,
    /// Time when the last of the stopped offers would expire without the halt. Absent if the halt
    /// stops no offer, or if one of the stopped offers never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offers_end: Option<Timestamp>,
}

/// Result of `halt` in one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum HaltResult {
    /// The halt policy was created.
    Halted,
    /// The halt policy already existed and was not changed.
    HaltedBefore,
    /// The halt policy already existed without a reason, and the reason was added.
    Changed,
    /// The halt policy already existed, and changes to its spec were reverted.
    Mended,
    Failed,
}

impl HaltReport {
    pub fn code(&self) -> u8 {
        let is_bad = |namespace: &HaltedNamespace| {
            namespace.result == HaltResult::Failed
                || namespace.in_force == Some(false)
                || namespace.not_waited.is_some()
        };
        if self.namespaces.iter().any(is_bad) { FAILURE } else { 0 }
    }

    pub fn names(&self) -> String {
        let done = self.namespaces.iter().filter(|n| n.result != HaltResult::Failed).count();
        name_lines(done)
    }
}

fn name_lines(count: usize) -> String {
    format!("upgradepolicy.clientfleet.dev/{NAME}\n").repeat(count)
}

/// Report that `resume` prints, for all selected namespaces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumeReport {
    #[serde(serialize_with = "word")]
    pub dry_run: DryRun,
    /// Namespaces that were halted, or that the user specified by name.
    pub namespaces: Vec<ResumedNamespace>,
    /// Reasons why the client counts could not be determined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<String>,
    /// Reason why the deletion of the halt does not record who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_recorded: Option<String>,
}

/// Part of a [`ResumeReport`] for one namespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumedNamespace {
    pub namespace: String,
    pub result: ResumeResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Time when the halt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who wrote the halt policy, and when.
    #[serde(flatten)]
    pub change: RecordedChange,
    #[serde(skip)]
    pub generation: Option<i64>,
    /// Policies that govern clients after the halt ends.
    pub policies: Vec<GoesBack>,
    /// Number of clients that no policy governs after the halt ends.
    pub unmanaged: u32,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub kept_in_git_by: Option<Owner>,
}

/// Result of `resume` in one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum ResumeResult {
    Released,
    NotHalted,
    Failed,
}

/// A policy that governs clients after the halt ends, with the number of these clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoesBack {
    pub policy: String,
    pub clients: u32,
    /// Number of clients to which the policy offers a version immediately.
    pub offered: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

impl ResumeReport {
    pub fn code(&self) -> u8 {
        let failed = self.namespaces.iter().any(|n| n.result == ResumeResult::Failed);
        if failed { FAILURE } else { 0 }
    }

    pub fn names(&self) -> String {
        name_lines(self.namespaces.iter().filter(|n| n.result == ResumeResult::Released).count())
    }
}
