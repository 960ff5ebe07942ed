//! Defines `UpgradePolicy`: the version, time and scope of upgrades, and the status that the
//! controller writes for it. This module contains only data; `plan` makes the decisions.

use std::borrow::Cow;

use chrono::NaiveDate;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Condition;
use super::summary::Summary;
use super::text::{Labels, Text};
use super::{rules, schema};
use crate::values::Timestamp;

/// Name of the policy that stops all upgrades in a namespace.
pub const HALT_POLICY_NAME: &str = "clientfleet-halt";

/// Label, as key and value, that distinguishes the program's own halt policy from a user's policy
/// with the same name.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "clientfleet");

/// Which clients move to which version, when, and which stay. It governs fleets of its own
/// namespace; of several policies the one with the highest priority decides.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clientfleet.dev",
    version = "v1alpha1",
    kind = "UpgradePolicy",
    plural = "upgradepolicies",
    shortname = "upol",
    namespaced,
    doc = "Which clients move to which version, when, and which stay.",
    status = "UpgradePolicyStatus",
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::policy)]
pub struct UpgradePolicySpec {
    /// Of the policies that hold a client, the one with the highest priority governs it. Of
    /// equal ones, an invalid policy comes first, then one with the mode `NoUpgrade`, then a
    /// suspended one, then the rest; then the one whose name sorts first.
    #[serde(default)]
    #[schemars(schema_with = "schema::priority")]
    pub priority: i32,
    /// While true nothing new is distributed.
    #[serde(default)]
    pub suspend: bool,
    /// From this instant on the policy governs. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub effective_from: Option<Timestamp>,
    /// From this instant on the policy governs no more, and the next one does. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub effective_until: Option<Timestamp>,
    /// What the clients move to.
    #[serde(default)]
    #[schemars(extend("default" = {"mode": "NoUpgrade"}))]
    pub upgrade: Upgrade,
    /// When it is distributed; absent: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// A client not seen for this many days is `Offline` and does not hold up completion; absent:
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::offline_days")]
    pub offline_after_days: Option<i64>,
    /// Which clients it is about; absent: all of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// What the clients move to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::upgrade)]
pub struct Upgrade {
    /// `NoUpgrade`: nothing moves. `AutoUpgrade`: to the server's package. `OnlyUpgradeTo`: to
    /// `version` and no other.
    #[serde(default)]
    pub mode: Mode,
    /// The locked version, with `OnlyUpgradeTo` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::version")]
    pub version: Option<Text>,
    /// Whether a client that runs a newer version moves down to the target.
    #[serde(default)]
    pub allow_downgrade: bool,
    /// A client whose installation failed is offered the version again this many hours after its
    /// error.
    #[serde(default = "Upgrade::default_retry_after_hours")]
    #[schemars(schema_with = "schema::retry_hours")]
    pub retry_after_hours: i64,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            version: None,
            allow_downgrade: false,
            retry_after_hours: Self::default_retry_after_hours(),
        }
    }
}

impl Upgrade {
    /// Returns the default number of hours between a failed upgrade and the next offer of the same
    /// version to the client.
    #[must_use]
    pub(crate) const fn default_retry_after_hours() -> i64 {
        24
    }
}

/// What a policy asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Nothing is distributed.
    #[default]
    NoUpgrade,
    /// The server's package.
    AutoUpgrade,
    /// One locked version.
    OnlyUpgradeTo,
}

/// When a version is distributed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::distribution)]
pub struct Distribution {
    /// IANA time zone, as `Europe/Berlin`; when set it holds for every client, else each client's
    /// own or its fleet's does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::policy_time_zone")]
    pub time_zone: Option<Text>,
    /// Local hours of the week or month in which distribution is open; absent: at any hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::windows::<Window>")]
    pub windows: Option<Vec<Window>>,
    /// Nothing is distributed before this instant. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub not_before: Option<Timestamp>,
    /// Nothing is distributed from this instant on. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub not_after: Option<Timestamp>,
    /// Local dates on which nothing is distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::exclusions::<Exclusion>")]
    pub exclusions: Option<Vec<Exclusion>>,
}

/// Hours of the week or month in which distribution is open. It belongs to the day on which it
/// starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::window)]
pub struct Window {
    /// The days on which it starts; absent: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::days::<Day>")]
    pub days: Option<Vec<Day>>,
    /// Which of these days in a month: each weekday is counted by itself, so `Second` with
    /// `Tuesday` is the second Tuesday; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::weeks_of_month::<Week>")]
    pub weeks_of_month: Option<Vec<Week>>,
    /// With `weeksOfMonth`: the window starts this many days later, also in the next month; absent:
    /// 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::offset_days")]
    pub offset_days: Option<i64>,
    /// Local time `HH:MM` at which it opens.
    #[schemars(schema_with = "schema::start")]
    pub start: Text,
    /// Local time `HH:MM`, or `24:00`, at which it closes; before `start`: on the next day.
    #[schemars(schema_with = "schema::end")]
    pub end: Text,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Which of the days with the same weekday in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Week {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// Local dates on which nothing is distributed, both included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::exclusion)]
pub struct Exclusion {
    /// What it is for, unique in the policy.
    #[schemars(schema_with = "schema::exclusion_name")]
    pub name: Text,
    /// The first date, `YYYY-MM-DD`.
    #[schemars(schema_with = "schema::date")]
    pub start_date: NaiveDate,
    /// The last date, `YYYY-MM-DD`.
    #[schemars(schema_with = "schema::date")]
    pub end_date: NaiveDate,
    /// Whether it recurs on the same dates in every later year; February 29 is February 28 in other
    /// years. It must leave at least one day of each year free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly: Option<bool>,
}

/// Which clients a policy is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::scope)]
pub struct Scope {
    /// Which fleets, by their labels; absent: every fleet of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet_selector: Option<LabelSelector>,
    /// A client is in scope when any of these matches; absent: all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selected_clients::<ClientSelector>")]
    pub clients: Option<Vec<ClientSelector>>,
    /// A client that any of these matches is out of scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::excluded_clients::<ClientSelector>")]
    pub exclude: Option<Vec<ClientSelector>>,
}

/// Finds clients: all the criteria that it has must match, and it has at least one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::client_selector)]
pub struct ClientSelector {
    /// Any of these is the client's name, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selected_names")]
    pub names: Option<Vec<Text>>,
    /// Any of these is its computer's name, ignoring case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selected_computers")]
    pub computers: Option<Vec<Text>>,
    /// Any of these is the user who logged in last, ignoring case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selected_users")]
    pub users: Option<Vec<Text>>,
    /// Any of these networks contains one of its addresses. A client whose address is unknown is
    /// `Blocked` where a network that may hold or exclude it would decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selected_cidrs")]
    pub cidrs: Option<Vec<Text>>,
    /// Any of these holds for the version that it runs: a version, or one or two comparisons with
    /// `<`, `<=`, `>` or `>=` and blanks between, as `>=3.50 <3.59.127`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selected_versions")]
    pub versions: Option<Vec<Text>>,
    /// Its labels match. Each of the match expressions has at most 12 values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::client_label_selector::<LabelSelector>")]
    pub label_selector: Option<LabelSelector>,
    /// Every keyword occurs, ignoring case, in its name, computer, IP or last user. `*` and `?` are
    /// plain characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::search")]
    pub search: Option<Text>,
}

/// A standard Kubernetes label selector, bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::label_selector)]
pub struct LabelSelector {
    /// Every one of these labels has this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::match_labels")]
    pub match_labels: Option<Labels>,
    /// Every one of these holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::match_expressions::<LabelSelectorRequirement>")]
    pub match_expressions: Option<Vec<LabelSelectorRequirement>>,
}

/// One requirement on a label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = rules::requirement)]
pub struct LabelSelectorRequirement {
    /// The label's key.
    #[schemars(schema_with = "schema::label_key")]
    pub key: Text,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    #[schemars(schema_with = "schema::operator")]
    pub operator: Text,
    /// The values, with `In` and `NotIn` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::match_values")]
    pub values: Option<Vec<Text>>,
}

/// What the controller has found about the policy.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradePolicyStatus {
    /// The generation of the spec that is in force; -1 before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and `Complete`, and `Reconciling` and `Stalled` while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions::<Condition>")]
    pub conditions: Vec<Condition>,
    /// `Off` while it distributes nothing, else `Open`, `Closed` or `Mixed` by its time range in
    /// the zones of its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::word")]
    pub distribution_state: Option<Cow<'static, str>>,
    /// When the offer of any of its clients changes next, or the policy begins or ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// How many fleets are in its scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub matched_fleets: Option<u32>,
    /// How many clients are in its scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub matched_clients: Option<u32>,
    /// How many clients are out of its scope only because their address is unknown: they report
    /// none, or one that cannot be read. 0 for a policy that distributes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub address_unknown_clients: Option<u32>,
    /// How many clients it governs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub governed_clients: Option<u32>,
    /// How many of the governed clients run a version that is withdrawn for their fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub withdrawn_clients: Option<u32>,
    /// How many of the governed clients are in each state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Entries of the scope that match no client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::unmatched")]
    pub unmatched: Vec<String>,
    /// What an administrator can choose now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::available_settings::<Setting>")]
    pub available_settings: Vec<Setting>,
}

/// One choice for `spec.upgrade`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// The mode. Readers tolerate values they do not know.
    #[schemars(schema_with = "schema::word")]
    pub mode: Cow<'static, str>,
    /// The version, with `OnlyUpgradeTo` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_value")]
    pub version: Option<Text>,
}
