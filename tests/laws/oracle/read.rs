//! Reads the documents for the oracle as plain JSON, without the API types of the program. Uses the
//! field names from the design.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::Value;

use super::scope::Scope;
use super::valid;
use super::version;

pub struct Estate {
    pub fleets: Vec<Fleet>,
    pub policies: Vec<Policy>,
}

pub struct Fleet {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub zone: Option<String>,
    pub package: Package,
    pub leads_nowhere: Option<LeadsNowhere>,
    pub clients: Vec<Client>,
    pub deleting: bool,
    /// True if a value in the spec does not have the type that the API declares. Such a fleet has no
    /// clients and no package.
    pub unreadable: bool,
    /// Client names in an unreadable fleet, as far as its spec or else its status shows them.
    pub listed: Vec<String>,
}

/// How the `packageFrom` of a fleet leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeadsNowhere {
    NoSuchFleet,
    Chain,
}

/// Package versions for a fleet: its own versions, or those of the fleet that `packageFrom` names.
/// The withdrawn versions of both fleets apply.
#[derive(Default)]
pub struct Package {
    pub current: Option<String>,
    pub retained: Vec<String>,
    pub withdrawn: Vec<String>,
}

pub struct Client {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub zone: Option<String>,
    pub computer: Option<String>,
    pub ip: Option<String>,
    pub user: Option<String>,
    pub version: Option<String>,
    pub staged: Option<String>,
    pub error_version: Option<String>,
    pub error_time: Option<i64>,
    pub seen: Option<i64>,
}

pub struct Policy {
    pub name: String,
    pub deleting: bool,
    /// True if a value in the spec does not have the type that the API declares.
    pub unreadable: bool,
    pub invalid: bool,
    pub priority: i64,
    pub suspend: bool,
    pub effective: (Option<i64>, Option<i64>),
    pub mode: String,
    pub lock: Option<String>,
    pub downgrade: bool,
    pub retry: i64,
    pub offline: Option<i64>,
    pub zone: Option<String>,
    pub not_before: Option<i64>,
    pub not_after: Option<i64>,
    pub windows: Vec<Window>,
    pub exclusions: Vec<Exclusion>,
    pub scope: Scope,
}

pub struct Window {
    /// Weekdays (Monday is 0).
    pub days: Vec<i64>,
    /// Start and end in minutes since midnight.
    pub start: i64,
    pub end: i64,
    /// Weeks of the month; `None` for a window of every week.
    pub weeks: Option<Vec<String>>,
    pub offset: i64,
}

pub struct Exclusion {
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub yearly: bool,
}

pub const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub fn estate(fleets: &[Value], policies: &[Value]) -> Estate {
    Estate {
        fleets: fleets.iter().map(|document| fleet(document, fleets)).collect(),
        policies: policies.iter().map(policy).collect(),
    }
}

fn fleet(document: &Value, all: &[Value]) -> Fleet {
    let unreadable = !readable_fleet(&document["spec"]);
    let spec = if unreadable { &Value::Null } else { &document["spec"] };
    let clients = list(&spec["clients"]);
    Fleet {
        deleting: document["metadata"].get("deletionTimestamp").is_some(),
        unreadable,
        listed: if unreadable { listed(document) } else { Vec::new() },
        name: text(&document["metadata"]["name"]).unwrap_or_default(),
        labels: labels(&document["metadata"]["labels"]),
        zone: text(&spec["timeZone"]),
        package: package(spec, all),
        leads_nowhere: leads_nowhere(spec, all),
        clients: clients.iter().map(client).collect(),
    }
}

/// Returns whether a fleet's spec has the mistakes of the generator.
pub fn readable_fleet(spec: &Value) -> bool {
    let (clients, zone) = (&spec["clients"], &spec["timeZone"]);
    (clients.is_null() || clients.is_array()) && (zone.is_null() || zone.is_string())
}

fn listed(document: &Value) -> Vec<String> {
    let clients = &document["spec"]["clients"];
    let clients = if clients.is_array() { clients } else { &document["status"]["clients"] };
    list(clients).iter().filter_map(|client| text(&client["name"])).collect()
}

fn package(spec: &Value, all: &[Value]) -> Package {
    let versions = |spec: &Value, field: &str| -> Vec<String> {
        list(&spec[field]).iter().filter_map(text).collect()
    };
    let mut withdrawn = versions(spec, "withdrawnVersions");
    let source = match text(&spec["packageFrom"]["name"]) {
        None => Some(spec),
        Some(name) => all
            .iter()
            .find(|fleet| fleet["metadata"]["name"] == *name)
            .map(|fleet| &fleet["spec"])
            .filter(|source| readable_fleet(source))
            .filter(|source| source.get("packageFrom").is_none()),
    };
    let Some(source) = source else { return Package { withdrawn, ..Package::default() } };
    withdrawn.extend(versions(source, "withdrawnVersions"));
    Package {
        current: text(&source["packageVersion"]),
        retained: versions(source, "retainedVersions"),
        withdrawn,
    }
}

fn leads_nowhere(spec: &Value, all: &[Value]) -> Option<LeadsNowhere> {
    let name = text(&spec["packageFrom"]["name"])?;
    let source = all.iter().find(|fleet| fleet["metadata"]["name"] == *name);
    let source = source.map(|source| &source["spec"]).filter(|source| readable_fleet(source));
    match source.map(|source| source.get("packageFrom")) {
        None => Some(LeadsNowhere::NoSuchFleet),
        Some(Some(_)) => Some(LeadsNowhere::Chain),
        Some(None) => None,
    }
}

fn client(document: &Value) -> Client {
    let reported = &document["reported"];
    Client {
        name: text(&document["name"]).unwrap_or_default(),
        labels: labels(&document["labels"]),
        zone: text(&document["timeZone"]),
        computer: text(&reported["computer"]),
        ip: text(&reported["ip"]),
        user: text(&reported["lastUser"]),
        version: text(&reported["version"]),
        staged: text(&reported["stagedVersion"]),
        error_version: text(&reported["lastError"]["version"]),
        error_time: instant(&reported["lastError"]["time"]),
        seen: instant(&reported["lastSeen"]),
    }
}

fn policy(document: &Value) -> Policy {
    let metadata = &document["metadata"];
    let unreadable = !valid::readable(&document["spec"]);
    let spec = if unreadable { &Value::Null } else { &document["spec"] };
    let (upgrade, distribution) = (&spec["upgrade"], &spec["distribution"]);
    let flag = |value: &Value| value.as_bool().unwrap_or(false);
    Policy {
        name: text(&metadata["name"]).unwrap_or_default(),
        deleting: metadata.get("deletionTimestamp").is_some(),
        unreadable,
        invalid: unreadable || !valid::admissible(spec),
        priority: spec["priority"].as_i64().unwrap_or(0),
        suspend: flag(&spec["suspend"]),
        effective: (instant(&spec["effectiveFrom"]), instant(&spec["effectiveUntil"])),
        mode: text(&upgrade["mode"]).unwrap_or_else(|| "NoUpgrade".into()),
        // Ignore a version in any mode except `OnlyUpgradeTo`, because admission refuses such a
        // version.
        lock: text(&upgrade["version"]).filter(|_| upgrade["mode"] == "OnlyUpgradeTo"),
        downgrade: flag(&upgrade["allowDowngrade"]),
        retry: upgrade["retryAfterHours"].as_i64().unwrap_or(24) * 3600,
        offline: spec["offlineAfterDays"].as_i64().map(|days| days * 86400),
        zone: text(&distribution["timeZone"]),
        not_before: instant(&distribution["notBefore"]),
        not_after: instant(&distribution["notAfter"]),
        windows: list(&distribution["windows"]).iter().map(window).collect(),
        exclusions: list(&distribution["exclusions"]).iter().map(exclusion).collect(),
        scope: Scope(spec["scope"].clone()),
    }
}

pub const WEEKS: [&str; 5] = ["First", "Second", "Third", "Fourth", "Last"];

fn window(document: &Value) -> Window {
    let minutes = |field: &str| -> i64 {
        let time = text(&document[field]).unwrap_or_default();
        let (hours, minutes) = time.split_once(':').unwrap_or_default();
        hours.parse::<i64>().unwrap_or(0) * 60 + minutes.parse::<i64>().unwrap_or(0)
    };
    let days = match document.get("days") {
        None => (0..7).collect(),
        Some(days) => list(days)
            .iter()
            .filter_map(|day| Some(DAYS.iter().position(|d| day == d)? as i64))
            .collect(),
    };
    let weeks =
        document.get("weeksOfMonth").map(|weeks| list(weeks).iter().filter_map(text).collect());
    let offset = document["offsetDays"].as_i64().unwrap_or(0);
    Window { days, start: minutes("start"), end: minutes("end"), weeks, offset }
}

fn exclusion(document: &Value) -> Exclusion {
    let of = |field: &str| date(&document[field]).unwrap_or_default();
    let yearly = document["yearly"].as_bool().unwrap_or(false);
    Exclusion { first: of("startDate"), last: of("endDate"), yearly }
}

/// Returns the text of a JSON string. Returns `None` for an empty string and for all other JSON
/// values.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Parses an instant and drops fractions of a second. Returns `None` for text that is not in RFC
/// 3339 format.
pub fn instant(value: &Value) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?.timestamp())
}

pub fn date(value: &Value) -> Option<NaiveDate> {
    value.as_str()?.parse().ok()
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

impl Package {
    /// Returns the current package version, or `None` if it is missing or cannot be parsed.
    pub fn readable(&self) -> Option<&str> {
        self.current.as_deref().filter(|package| version::read(package).is_some())
    }
}
