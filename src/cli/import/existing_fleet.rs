//! Interprets a fleet that earlier imports created: its clients, the field managers that list each
//! client, and the fields that the import wrote. Accepts untyped JSON from a cluster or from files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::manifest::IMPORT_LABEL;
use super::sharding;
use crate::api::fleet::Client;
use crate::api::{ClientFleetSpec, Text};
use crate::cli::terminal::table::printable;
use crate::values::{Timestamp, parse_rfc3339};

/// Name of the field manager that `import --apply` uses.
pub(super) const MANAGER: &str = "clientfleet-import";

/// Path of the clients in a field set of `managedFields`.
const CLIENTS: &str = "/f:spec/f:clients";

/// The field managers whose fields count as written by the import. If an object has no
/// `managedFields`, for example in a file, all its fields count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WrittenBy {
    /// Only the field manager [`MANAGER`], which `import --apply` uses.
    Manager,
    /// Every field manager that set the import's label, for example a GitOps tool that applies
    /// printed fleets.
    LabelWriter,
}

/// A fleet that earlier imports created.
#[derive(Clone, Debug)]
pub(super) struct ExistingFleet {
    pub name: String,
    /// All clients in the fleet, each with the managers that list it.
    pub holds: BTreeMap<Text, ListedBy>,
    /// Labels that the import wrote.
    pub labels: BTreeMap<String, String>,
    /// Spec fields that the import wrote, with the clients sorted by name.
    pub spec: ClientFleetSpec,
    /// Client fields that other field managers own, by client name. The import does not remove
    /// these fields.
    pub owned_by_others: BTreeMap<Text, Client>,
    /// Time when each client was last seen, whatever field manager wrote it. Without the clients for
    /// which it is missing or invalid.
    pub last_seen: BTreeMap<Text, Timestamp>,
}

/// The field managers that list a client in a fleet: the import, other field managers, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListedBy {
    /// True if the import lists the client. The import removes such a client when the export no
    /// longer contains it.
    pub ours: bool,
    /// True if other field managers list the client. Such a client stays in the fleet even if the
    /// import no longer lists it.
    pub others: bool,
}

/// The fleets that earlier imports created, by number, and the problems found in them.
#[derive(Debug, Default)]
pub(super) struct ExistingFleets {
    pub fleets: BTreeMap<u32, ExistingFleet>,
    problems: Vec<String>,
}

impl ExistingFleets {
    /// Adds a fleet that has the import's label, or records the problem that makes the fleet
    /// unusable.
    pub fn add(&mut self, prefix: &str, fleet: &Value, written: WrittenBy) {
        let name = fleet.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let shown = printable(name);
        let Some(number) = sharding::number(prefix, name) else {
            return self.problems.push(format!(
                "ClientFleet {shown} carries the label {IMPORT_LABEL}={prefix}, but is not named as a \
                 fleet of this import, {}: take the label away",
                sharding::name(prefix, 1)
            ));
        };
        if fleet.pointer("/metadata/deletionTimestamp").is_some() {
            return self.problems.push(format!(
                "ClientFleet {shown} is being deleted: import again once it is gone"
            ));
        }
        match standing(name, fleet, written) {
            Ok(standing) => drop(self.fleets.insert(number, standing)),
            Err(reason) => self.problems.push(format!(
                "what the import has written to ClientFleet {shown} cannot be read ({reason}): \
                 mend the fleet, or use a newer release of this program"
            )),
        }
    }

    /// Returns the fleets by number.
    ///
    /// # Errors
    ///
    /// Returns all problems that the user must fix before the import can run, for example a client
    /// that is in two fleets.
    pub fn finish(mut self) -> Result<BTreeMap<u32, ExistingFleet>, Vec<String>> {
        let mut homes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for fleet in self.fleets.values() {
            for name in fleet.holds.keys() {
                homes.entry(name).or_default().push(&fleet.name);
            }
        }
        for (client, fleets) in homes.iter().filter(|(_, fleets)| fleets.len() > 1) {
            self.problems.push(format!(
                "client {} is in {}: take it out of all of them but one",
                printable(client),
                fleets.join(" and in ")
            ));
        }
        if self.problems.is_empty() { Ok(self.fleets) } else { Err(self.problems) }
    }
}

/// Converts the untyped JSON of a fleet to an [`ExistingFleet`].
pub(super) fn standing(
    name: &str,
    fleet: &Value,
    written: WrittenBy,
) -> Result<ExistingFleet, String> {
    let owners = Owners::of(fleet, written);
    let mut holds = BTreeMap::new();
    let mut last_seen = BTreeMap::new();
    for client in fleet.pointer("/spec/clients").and_then(Value::as_array).into_iter().flatten() {
        let seen = client.pointer("/reported/lastSeen").and_then(Value::as_str);
        let Some(client) = client.get("name").and_then(Value::as_str) else { continue };
        last_seen.extend(seen.and_then(parse_rfc3339).map(|seen| (Text::from(client), seen)));
        let hold = ListedBy { ours: owners.labelling(client), others: owners.others(client) };
        holds.insert(Text::from(client), hold);
    }
    let made = match &owners.fields {
        // If the field set is empty, the import wrote no fields. Do not call `owned`, which treats
        // an empty set as all fields.
        Some(fields) if is_whole(fields) => Value::Object(Map::new()),
        Some(fields) => owned(fleet, fields),
        None => fleet.clone(),
    };
    let labels = made.pointer("/metadata/labels").cloned().unwrap_or_default();
    let labels: Option<BTreeMap<String, String>> =
        serde_json::from_value(labels).map_err(|error| error.to_string())?;
    let spec = made.get("spec").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let mut spec: ClientFleetSpec =
        serde_json::from_value(spec).map_err(|error| error.to_string())?;
    if let Some(clients) = &mut spec.clients {
        clients.sort_by(|a, b| a.name.cmp(&b.name));
    }
    spec.clients = spec.clients.filter(|clients| !clients.is_empty());
    Ok(ExistingFleet {
        name: name.to_owned(),
        holds,
        labels: labels.unwrap_or_default(),
        spec,
        owned_by_others: owners.of_others(fleet)?,
        last_seen,
    })
}

/// The owners of a fleet's fields, according to `managedFields`.
struct Owners {
    /// Fields that count as written by the import; `None` means all fields.
    fields: Option<Value>,
    /// Names of the clients that are listed by [`MANAGER`] or by a manager that wrote the import's
    /// label; `None` means all clients.
    labelling: Option<BTreeSet<String>>,
    /// Names of the clients that other managers list.
    others: BTreeSet<String>,
    /// Field set of the client fields that other managers own.
    of_others: Value,
}

impl Owners {
    fn of(fleet: &Value, written: WrittenBy) -> Self {
        let managers = fleet.pointer("/metadata/managedFields").and_then(Value::as_array);
        let Some(managers) = managers.filter(|managers| !managers.is_empty()) else {
            return Self {
                fields: None,
                labelling: None,
                others: BTreeSet::new(),
                of_others: Value::Null,
            };
        };
        let mut fields = Value::Object(Map::new());
        let mut labelling = BTreeSet::new();
        let mut others = BTreeSet::new();
        let mut of_others = Value::Object(Map::new());
        for manager in managers.iter().filter(|manager| manager.get("subresource").is_none()) {
            let Some(set) = manager.get("fieldsV1") else { continue };
            let labels = set
                .pointer("/f:metadata/f:labels")
                .is_some_and(|labels| labels.get(format!("f:{IMPORT_LABEL}")).is_some());
            let is_manager = manager.get("manager").and_then(Value::as_str) == Some(MANAGER)
                && manager.get("operation").and_then(Value::as_str) == Some("Apply");
            let is_ours = match written {
                WrittenBy::Manager => is_manager,
                WrittenBy::LabelWriter => labels,
            };
            if is_ours {
                merge(&mut fields, set);
            } else {
                others.extend(clients(set));
                merge(&mut of_others, set.pointer(CLIENTS).unwrap_or(&Value::Null));
            }
            if labels || is_manager {
                labelling.extend(clients(set));
            }
        }
        Self { fields: Some(fields), labelling: Some(labelling), others, of_others }
    }

    fn labelling(&self, client: &str) -> bool {
        self.labelling.as_ref().is_none_or(|clients| clients.contains(client))
    }

    fn others(&self, client: &str) -> bool {
        self.others.contains(client)
    }

    fn of_others(&self, fleet: &Value) -> Result<BTreeMap<Text, Client>, String> {
        // If the field set is empty, other managers own no fields. Do not call `owned`, which
        // treats an empty set as all fields.
        let clients = fleet.pointer("/spec/clients").filter(|_| !is_whole(&self.of_others));
        let Some(clients) = clients else { return Ok(BTreeMap::new()) };
        let clients: Vec<Client> = serde_json::from_value(owned(clients, &self.of_others))
            .map_err(|error| error.to_string())?;
        Ok(clients.into_iter().map(|client| (client.name.clone(), client)).collect())
    }
}

/// Returns the names of the clients that a manager lists, according to its field set.
///
/// A manager that owns only some fields of a client, such as a reporting service, does not list the
/// client, and does not keep the client in the fleet.
pub(super) fn clients(set: &Value) -> impl Iterator<Item = String> {
    let entries = set.pointer(CLIENTS).and_then(Value::as_object).into_iter().flatten();
    let lists = |below: &Value| is_whole(below) || below.get(".").is_some();
    entries.filter(move |(_, below)| lists(below)).filter_map(|(key, _)| name_of(key))
}

/// Returns the client's name from a list key: `LT-1` for `k:{"name":"LT-1"}`.
fn name_of(key: &str) -> Option<String> {
    let keys: Value = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
    keys.get("name")?.as_str().map(ToOwned::to_owned)
}

/// Adds the field set `set` to the field set `into`. An empty field set means all fields of its
/// object.
fn merge(into: &mut Value, set: &Value) {
    let (Value::Object(known), Value::Object(more)) = (into, set) else { return };
    for (key, below) in more {
        match known.get_mut(key) {
            Some(known) if is_whole(known) || is_whole(below) => *known = Value::Object(Map::new()),
            Some(known) => merge(known, below),
            None => drop(known.insert(key.clone(), below.clone())),
        }
    }
}

fn is_whole(set: &Value) -> bool {
    set.as_object().is_none_or(Map::is_empty)
}

/// Returns `value` with only the fields in the field set `set`.
fn owned(value: &Value, set: &Value) -> Value {
    let Some(set) = set.as_object().filter(|set| !set.is_empty()) else { return value.clone() };
    match value {
        Value::Object(fields) => {
            let below = set.iter().filter_map(|(key, below)| {
                let name = key.strip_prefix("f:")?;
                Some((name.to_owned(), owned(fields.get(name)?, below)))
            });
            Value::Object(below.collect())
        }
        Value::Array(items) => {
            let name = |item: &Value| item.get("name")?.as_str().map(ToOwned::to_owned);
            let items: HashMap<String, &Value> =
                items.iter().filter_map(|item| Some((name(item)?, item))).collect();
            let below = set.iter().filter_map(|(key, below)| {
                let item = items.get(&name_of(key)?)?;
                let mut part = owned(item, below);
                // Always keep the name, because it identifies the list item.
                part.as_object_mut()?.insert("name".to_owned(), item.get("name")?.clone());
                Some(part)
            });
            Value::Array(below.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns a fleet whose fields belong to four managers: the import, Git (a label, the time
    /// zone, two clients), a check-in service (the last user of a client), and the controller (the
    /// status).
    fn shared() -> Value {
        json!({
            "metadata": {"name": "emea-001", "labels": {IMPORT_LABEL: "emea", "site": "berlin"},
                "managedFields": [
                    {"manager": "clientfleet-import", "operation": "Apply", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:clientfleet.dev/import": {}}},
                        "f:spec": {"f:packageFrom": {"f:name": {}}, "f:clients": {
                            "k:{\"name\":\"LT-1\"}": {".": {}, "f:name": {}, "f:reported": {"f:ip": {},
                                "f:lastError": {}}},
                            "k:{\"name\":\"LT-2\"}": {".": {}, "f:name": {}}}}}},
                    {"manager": "git", "operation": "Apply", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:site": {}}},
                        "f:spec": {"f:timeZone": {}, "f:clients": {
                            "k:{\"name\":\"LT-1\"}": {".": {}, "f:name": {}, "f:labels": {"f:ring": {}}},
                            "k:{\"name\":\"LT-3\"}": {".": {}, "f:name": {}}}}}},
                    {"manager": "check-in", "operation": "Update", "fieldsV1": {"f:spec": {"f:clients": {
                        "k:{\"name\":\"LT-2\"}": {"f:reported": {"f:lastUser": {}}}}}}},
                    {"manager": "clientfleet", "operation": "Update", "subresource": "status",
                        "fieldsV1": {"f:status": {}}},
                ]},
            "spec": {"packageFrom": {"name": "server"}, "timeZone": "Europe/Berlin", "clients": [
                {"name": "LT-2", "reported": {"lastUser": "kschulz"}},
                {"name": "LT-1", "labels": {"ring": "pilot"}, "reported": {"ip": "10.0.0.1",
                    "version": "3.59", "lastError": {"version": "3.60"}}},
                {"name": "LT-3"},
            ]},
        })
    }

    fn read(fleet: &Value, written: WrittenBy) -> ExistingFleet {
        standing("emea-001", fleet, written).expect("it can be read")
    }

    #[test]
    fn what_the_import_has_written_is_told_from_what_others_have() {
        let standing = read(&shared(), WrittenBy::Manager);
        assert_eq!(standing.labels, BTreeMap::from([(IMPORT_LABEL.to_owned(), "emea".to_owned())]));
        assert_eq!(
            json!(standing.spec),
            json!({"packageFrom": {"name": "server"}, "clients": [
                {"name": "LT-1", "reported": {"ip": "10.0.0.1", "lastError": {"version": "3.60"}}},
                {"name": "LT-2"},
            ]})
        );
        let hold = |name: &str| standing.holds[name];
        assert_eq!(hold("LT-1"), ListedBy { ours: true, others: true });
        assert_eq!(hold("LT-2"), ListedBy { ours: true, others: false });
        assert_eq!(hold("LT-3"), ListedBy { ours: false, others: true });
        let of_others: Vec<Value> =
            standing.owned_by_others.values().map(|client| json!(client)).collect();
        let wanted = [
            json!({"name": "LT-1", "labels": {"ring": "pilot"}}),
            json!({"name": "LT-2", "reported": {"lastUser": "kschulz"}}),
            json!({"name": "LT-3"}),
        ];
        assert_eq!(of_others, wanted);
    }

    #[test]
    fn without_an_account_of_it_all_is_the_import_s() {
        let mut fleet = shared();
        fleet["metadata"]["managedFields"] = Value::Null;
        let standing = read(&fleet, WrittenBy::LabelWriter);
        assert_eq!(standing.labels.len(), 2);
        assert!(
            standing.holds.values().all(|hold| *hold == ListedBy { ours: true, others: false })
        );
        assert_eq!(standing.spec.clients.map(|clients| clients.len()), Some(3));
    }

    #[test]
    fn whoever_labels_writes_what_was_printed() {
        let mut fleet = shared();
        fleet["metadata"]["managedFields"][0]["manager"] = "kubectl".into();
        let standing = read(&fleet, WrittenBy::LabelWriter);
        assert_eq!(standing.spec.clients.map(|clients| clients.len()), Some(2));
        assert_eq!(standing.holds["LT-2"], ListedBy { ours: true, others: false });
        let standing = read(&fleet, WrittenBy::Manager);
        assert_eq!(standing.spec, ClientFleetSpec::default());
        assert_eq!(standing.holds["LT-2"], ListedBy { ours: true, others: true });
    }

    #[test]
    fn fleets_in_which_something_is_wrong_are_told() {
        let fleet = |name: &str, more: Value| {
            let mut fleet =
                json!({"metadata": {"name": name}, "spec": {"clients": [{"name": "LT-1"}]}});
            fleet["metadata"]
                .as_object_mut()
                .expect("a mapping")
                .extend(more.as_object().cloned().expect("a mapping"));
            fleet
        };
        let mut standings = ExistingFleets::default();
        for fleet in [
            fleet("emea-001", json!({})),
            fleet("emea-002", json!({})),
            fleet("other", json!({})),
            fleet("emea-003", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})),
        ] {
            standings.add("emea", &fleet, WrittenBy::Manager);
        }
        let problems = standings.finish().expect_err("there are problems");
        insta::assert_snapshot!(problems.join("\n"), @r"
        ClientFleet other carries the label clientfleet.dev/import=emea, but is not named as a fleet of this import, emea-001: take the label away
        ClientFleet emea-003 is being deleted: import again once it is gone
        client LT-1 is in emea-001 and in emea-002: take it out of all of them but one
        ");
    }
}
