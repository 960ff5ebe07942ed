//! What `halt` and `resume` have done, as data.

use serde::{Serialize, Serializer};

use super::policy::{Gap, NAME};
use crate::cli::FAILURE;
use crate::cli::gitops::{DryRun, Owner};
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

/// What `halt` has done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HaltReport {
    #[serde(serialize_with = "word")]
    pub dry_run: DryRun,
    pub namespaces: Vec<HaltedNamespace>,
    /// What is not known, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<String>,
}

/// What `halt` has done in a namespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HaltedNamespace {
    pub namespace: String,
    pub result: HaltResult,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(flatten)]
    pub counts: Option<HaltCounts>,
    /// Policies that come before it and may distribute.
    pub comes_after: Vec<String>,
    /// Policies that will come before it once they are effective, and may distribute then.
    pub comes_after_later: Vec<LaterRival>,
    /// What somebody had made of it, where it was made whole again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<Gap>,
    /// Policies that come before it because they cannot be read: they hold everybody by themselves.
    pub comes_after_unreadable: Vec<String>,
    /// Whether the controller carries it out; absent where nobody waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<bool>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_waited: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub kept_in_git_by: Option<Owner>,
}

/// A policy that comes before the brake from some moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LaterRival {
    pub policy: String,
    pub at: Timestamp,
}

/// The counts of a namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HaltCounts {
    pub clients: u32,
    /// Offers that were valid when it was pulled, and end.
    pub offers_stopped: u32,
    /// Offers of policies that come before it.
    pub offers_not_stopped: u32,
    /// Clients whose next restart installs another version all the same.
    pub staged: u32,
    /// When the last of the offers would end by itself; absent: never, or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offers_end: Option<Timestamp>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum HaltResult {
    /// It was made.
    Halted,
    /// It stood already.
    HaltedBefore,
    /// It stood, and has another reason now.
    Changed,
    /// It stood, but somebody had changed it: it holds everybody again.
    Mended,
    Failed,
}

impl HaltReport {
    pub fn code(&self) -> u8 {
        let is_bad = |namespace: &HaltedNamespace| {
            namespace.result == HaltResult::Failed
                || namespace.in_force == Some(false)
                || namespace.not_waited.is_some()
                || !namespace.comes_after.is_empty()
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

/// What `resume` has done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumeReport {
    #[serde(serialize_with = "word")]
    pub dry_run: DryRun,
    /// The namespaces that were halted, or that were named.
    pub namespaces: Vec<ResumedNamespace>,
    /// Why the counts are missing, where they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<String>,
}

/// What `resume` has done in a namespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumedNamespace {
    pub namespace: String,
    pub result: ResumeResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Since when and why it was halted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which policies govern from now on.
    pub policies: Vec<GoesBack>,
    /// Clients that no policy governs.
    pub unmanaged: u32,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub kept_in_git_by: Option<Owner>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum ResumeResult {
    Released,
    NotHalted,
    Failed,
}

/// The clients that go back under a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoesBack {
    pub policy: String,
    pub clients: u32,
    /// Those that are offered a version at once.
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
