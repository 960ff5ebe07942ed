//! Reads fleets and policies from files, and finds all problems that admission would report. Other
//! modules compute plans from the objects.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::documents::{Document, Items, Json};
use super::files::{self, File};
use super::terminal::table::printable;
use crate::api::{ClientFleet, Kind, UpgradePolicy, admission};
use crate::plan::{Estate, Parsed, parsed};

const GROUP: &str = "clientfleet.dev";
const API_VERSION: &str = "clientfleet.dev/v1alpha1";
/// Namespace of objects that do not specify one, as in kubectl.
const DEFAULT_NAMESPACE: &str = "default";

/// Position of an object in the input files: file, document and list item.
#[derive(Clone, Debug)]
pub struct ObjectPlace {
    file: Arc<str>,
    document: usize,
    item: Option<usize>,
}

impl fmt::Display for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.document)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// Kind, namespace and name, which identify an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), printable(&self.namespace), printable(&self.name))
    }
}

/// A fleet or a policy that admission would accept.
#[derive(Clone, Debug)]
pub struct Object {
    /// Kind, namespace and name of the object.
    pub identity: Identity,
    /// Object as written in the file.
    pub source: SourceObject,
    /// Object as the API server would store it.
    pub stored: Stored,
}

/// An object as written in the file. The object is stored as text and parsed when needed.
#[derive(Clone, Debug)]
pub struct SourceObject {
    kind: Kind,
    text: Json,
}

impl SourceObject {
    /// Parses the whole object.
    #[must_use]
    pub fn value(&self) -> Value {
        self.completed(self.text.value())
    }

    /// Parses the object without its status.
    #[must_use]
    pub fn without_status(&self) -> Value {
        self.completed(self.text.value_without("status"))
    }

    fn completed(&self, mut value: Value) -> Value {
        complete(&mut value, Some(self.kind));
        value
    }
}

/// An object as the API server would store it, parsed for a plan.
#[derive(Clone, Debug)]
pub enum Stored {
    /// A fleet.
    Fleet(Box<Parsed<ClientFleet>>),
    /// A policy.
    Policy(Box<Parsed<UpgradePolicy>>),
}

impl Stored {
    /// Adds the object to an estate. Drops the parts of its status that a plan does not need.
    pub fn join(self, estate: &mut Estate) {
        match self {
            Self::Fleet(fleet) => estate.fleets.push(Arc::new((*fleet).into())),
            Self::Policy(policy) => estate.policies.push(Arc::new((*policy).into())),
        }
    }
}

/// The results of reading files, except the objects themselves: skipped objects, problems, and the
/// position of each object.
#[derive(Debug, Default)]
pub struct Findings {
    /// Skipped objects that belong to other API groups, each with its position in the files.
    pub passed_over: Vec<String>,
    /// Messages about problems. Each message contains the position of the problem and what to write
    /// instead.
    pub problems: Vec<String>,
    places: HashMap<Identity, ObjectPlace>,
}

/// Reads every document of every file, and calls `take` for each valid object as soon as it is
/// read. Continues after a problem; callers must discard the objects if there are problems.
pub fn find(files: impl IntoIterator<Item = File>, take: &mut dyn FnMut(Object)) -> Findings {
    find_with(DEFAULT_NAMESPACE, false, files, take)
}

/// Reads documents like [`find`], but uses `namespace` instead of `default` for objects that do not
/// specify a namespace. The API server validates these objects too, and knows which values of them
/// it has stored already.
pub(crate) fn find_in(
    namespace: &str,
    files: impl IntoIterator<Item = File>,
    take: &mut dyn FnMut(Object),
) -> Findings {
    find_with(namespace, true, files, take)
}

fn find_with(
    namespace: &str,
    may_be_stored: bool,
    files: impl IntoIterator<Item = File>,
    take: &mut dyn FnMut(Object),
) -> Findings {
    let findings = Findings::default();
    let mut search = ObjectReader { findings, namespace, may_be_stored, take };
    for File { name, content } in files {
        match content.and_then(files::documents) {
            Ok(documents) => search.file(&name, documents),
            Err(message) => search.findings.problems.push(format!("{name}: {message}")),
        }
    }
    search.findings
}

impl Findings {
    /// Returns the position at which an object was found.
    #[must_use]
    pub fn place(&self, identity: &Identity) -> Option<&ObjectPlace> {
        self.places.get(identity)
    }

    /// Returns the identities of all objects that were found.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.places.keys()
    }
}

struct ObjectReader<'a> {
    findings: Findings,
    /// Namespace of objects that do not specify one.
    namespace: &'a str,
    /// True if any of the objects may be stored already with the same values.
    may_be_stored: bool,
    take: &'a mut dyn FnMut(Object),
}

impl ObjectReader<'_> {
    fn file(&mut self, name: &str, documents: Vec<Document>) {
        let name: Arc<str> = name.into();
        let mut is_empty = true;
        for document in documents {
            let place =
                ObjectPlace { file: Arc::clone(&name), document: document.number, item: None };
            match document.content {
                Ok(json) if json.is_null() => continue,
                Ok(json) => self.document(place, json),
                Err(fault) => self.findings.problems.push(format!(
                    "{place}, line {}, column {}: {}",
                    fault.line,
                    fault.column,
                    printable(&fault.message)
                )),
            }
            is_empty = false;
        }
        if is_empty {
            self.findings.problems.push(format!(
                "{name}: this file holds no object: write a ClientFleet or an UpgradePolicy into it, or leave it out"
            ));
        }
    }

    /// Reads a document: one object, or a list of objects such as `kubectl get -o yaml` prints.
    fn document(&mut self, place: ObjectPlace, json: Json) {
        let outside = json.outside();
        let item_kind = list_of(outside.api_version.as_deref(), outside.kind.as_deref());
        let Some(item_kind) = item_kind else { return self.object(place, json, None) };
        match outside.items {
            Items::Some(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let place = ObjectPlace { item: Some(index + 1), ..place.clone() };
                    self.object(place, item, item_kind);
                }
            }
            Items::None => {
                let message =
                    "is empty (null) or missing: begin each item with `-`, or write `items: []`";
                self.problem(&place, None, "items", message);
            }
            Items::Other => {
                self.problem(&place, None, "items", "this is a list: begin each item with `-`");
            }
        }
    }

    /// Reads one object. If the object is an item of a list of one kind, `item_kind` is that kind.
    fn object(&mut self, place: ObjectPlace, text: Json, item_kind: Option<Kind>) {
        let mut value = text.value();
        let is_list = list_of(string(&value, "/apiVersion"), string(&value, "/kind")).is_some();
        if place.item.is_some() && is_list {
            let message = "this is a list in a list, which kubectl refuses: write its items into \
                           the outer list";
            return self.problem(&place, None, "", message);
        }
        complete(&mut value, item_kind);
        if !value.is_object() {
            let message = format!(
                "this is {}: an object begins with `apiVersion: {API_VERSION}` and \
                                   `kind: ClientFleet` or `kind: UpgradePolicy`",
                sort(&value)
            );
            return self.problem(&place, None, "", &message);
        }
        let name = string(&value, "/metadata/name").map(ToOwned::to_owned);
        let namespace = string(&value, "/metadata/namespace").unwrap_or(self.namespace).to_owned();
        let kind = match self.kind(&place, &value) {
            Err(()) => return,
            Ok(None) => {
                let word = format!("{} ({place})", other(&value));
                return self.findings.passed_over.push(printable(&word).into_owned());
            }
            Ok(Some(kind)) => kind,
        };
        let Some(name) = name else {
            let subject = format!("{} without a name", kind.name());
            return drop(self.check(&place, kind, &subject, value));
        };
        let identity = Identity { kind, namespace, name };
        let before = self.findings.problems.len();
        let stored = self.check(&place, kind, &identity.to_string(), value);
        self.once(place, &identity);
        if let Some(stored) = stored.filter(|_| self.findings.problems.len() == before) {
            (self.take)(Object { identity, source: SourceObject { kind, text }, stored });
        }
    }

    /// Returns the kind of an object, or `None` if it belongs to another API group. If the kind is
    /// missing or invalid, records the problem and returns an error.
    fn kind(&mut self, place: &ObjectPlace, value: &Value) -> Result<Option<Kind>, ()> {
        let api_version = string(value, "/apiVersion");
        let kind = string(value, "/kind");
        let (Some(api_version), Some(kind)) = (api_version, kind) else {
            for (field, text) in [("apiVersion", api_version), ("kind", kind)] {
                if text.is_none() {
                    let own = if field == "kind" {
                        "ClientFleet` or `kind: UpgradePolicy"
                    } else {
                        API_VERSION
                    };
                    let message = format!("this is missing or no text: write `{field}: {own}`");
                    self.problem(place, None, field, &message);
                }
            }
            return Err(());
        };
        if api_version.split('/').next() != Some(GROUP) {
            return Ok(None);
        }
        let shown =
            format!("{kind} {}", string(value, "/metadata/name").unwrap_or("without a name"));
        if api_version != API_VERSION {
            let message = format!("`{api_version}` is not served: write `{API_VERSION}`");
            self.problem(place, Some(&shown), "apiVersion", &message);
            return Err(());
        }
        kind_of(kind).map(Some).ok_or_else(|| {
            let message =
                format!("{GROUP} has no `{kind}`: write `ClientFleet` or `UpgradePolicy`");
            self.problem(place, Some(&shown), "kind", &message);
        })
    }

    /// Records all problems that admission finds, and all errors in parsing the metadata and the
    /// status. Returns the object as the API server would store it, or `None` if its metadata or
    /// status cannot be parsed.
    fn check(
        &mut self,
        place: &ObjectPlace,
        kind: Kind,
        subject: &str,
        mut value: Value,
    ) -> Option<Stored> {
        let status = value.as_object_mut().and_then(|fields| fields.remove("status"));
        let before = self.findings.problems.len();
        // Only the API server sets a UID, so an object with one is a copy of a stored object.
        let may_be_stored = self.may_be_stored || value.pointer("/metadata/uid").is_some();
        let (stored, problems) = if may_be_stored {
            admission::admit_unless_new(kind, value)
        } else {
            admission::admit(kind, value)
        };
        for problem in problems {
            self.problem(place, Some(subject), &problem.field, &problem.message);
        }
        let status = status.filter(|status| !status.is_null());
        let unlike = status.as_ref().and_then(|status| admission::check_status(kind, status));
        if let Some(problem) = unlike {
            let error = format!("{}: {}", problem.field, problem.message);
            self.foreign_status(place, subject, &error);
            return None;
        }
        let read = match kind {
            Kind::ClientFleet => parse(stored, status).map(Box::new).map(Stored::Fleet),
            Kind::UpgradePolicy => parse(stored, status).map(Box::new).map(Stored::Policy),
        };
        let unread = match read {
            Ok(read) => return Some(read),
            Err(unread) => unread,
        };
        if let Some(error) = unread.metadata.filter(|_| self.findings.problems.len() == before) {
            let message = format!(
                "this cannot be read ({error}): `name`, `namespace` and `labels` are enough"
            );
            self.problem(place, Some(subject), "metadata", &message);
        }
        if let Some(error) = unread.status {
            self.foreign_status(place, subject, &error.to_string());
        }
        None
    }

    fn foreign_status(&mut self, place: &ObjectPlace, subject: &str, error: &str) {
        let message =
            format!("this is not what the controller writes ({error}): leave `status` out");
        self.problem(place, Some(subject), "status", &message);
    }

    fn once(&mut self, place: ObjectPlace, identity: &Identity) {
        let Some(first) = self.findings.places.get(identity) else {
            self.findings.places.insert(identity.clone(), place);
            return;
        };
        let message = format!("it is given twice, first in {first}: leave one of the two out");
        self.problem(&place, Some(&identity.to_string()), "", &message);
    }

    fn problem(&mut self, place: &ObjectPlace, subject: Option<&str>, field: &str, message: &str) {
        let subject = subject.map(|subject| format!(" ({subject})")).unwrap_or_default();
        let field = if field.is_empty() { String::new() } else { format!(", {field}") };
        let text = format!("{place}{subject}{field}: {message}");
        // Escape control characters, because the message quotes the input file and a terminal would
        // interpret these characters.
        self.findings.problems.push(printable(&text).into_owned());
    }
}

/// Parse errors in the metadata and in the status of an object.
#[derive(Default)]
struct Unread {
    metadata: Option<serde_json::Error>,
    status: Option<serde_json::Error>,
}

/// Parses an object from the JSON that the API server would store, and its status from the file.
/// The status needs no schema defaults, because the Rust types have the same defaults.
fn parse<K: parsed::Kind>(mut stored: Value, status: Option<Value>) -> Result<Parsed<K>, Unread> {
    let given = status.map(serde_json::from_value::<K::Status>).transpose();
    let metadata = ObjectMeta::deserialize(&stored["metadata"]);
    let (metadata, status) = match (metadata, given) {
        (Ok(metadata), Ok(status)) => (metadata, status),
        (metadata, status) => {
            return Err(Unread { metadata: metadata.err(), status: status.err() });
        }
    };
    let metadata = ObjectMeta { managed_fields: None, annotations: None, ..metadata };
    let status = status.or_else(|| serde_json::from_value(stored["status"].take()).ok());
    let mut listed = None;
    let spec = match K::Spec::deserialize(&stored["spec"]) {
        Ok(spec) => Ok(spec),
        // Admission should prevent this error. If it occurs, return the message that `Parsed`
        // produces for objects from the cluster, so that both sources report the same error.
        Err(_) => serde_json::from_value::<Parsed<K>>(stored)
            .map_err(|error| error.to_string())
            .and_then(|object| {
                listed = object.listed;
                object.spec
            }),
    };
    Ok(Parsed { metadata, spec, status, listed })
}

fn kind_of(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// Returns the kind of the items if the document is a list, or `None` if it is not a list. Returns
/// `Some(None)` for a `v1` `List`, whose items can have any kind.
fn list_of(api_version: Option<&str>, kind: Option<&str>) -> Option<Option<Kind>> {
    match (api_version?, kind?) {
        ("v1", "List") => Some(None),
        (API_VERSION, kind) => kind_of(kind.strip_suffix("List")?).map(Some),
        _ => None,
    }
}

/// Adds `apiVersion` and `kind` to a list item if they are missing. The API server omits both
/// fields from the items of a list of one kind.
fn complete(item: &mut Value, kind: Option<Kind>) {
    let (Some(kind), Some(fields)) = (kind, item.as_object_mut()) else { return };
    fields.entry("apiVersion").or_insert_with(|| Value::from(API_VERSION));
    fields.entry("kind").or_insert_with(|| Value::from(kind.name()));
}

fn string<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// Returns the name of an object that is neither a fleet nor a policy, as kubectl prints it, for
/// example `Deployment.apps/web`.
fn other(value: &Value) -> String {
    let kind = string(value, "/kind").unwrap_or_default();
    let group = string(value, "/apiVersion").and_then(|version| version.split_once('/'));
    let group = group.map(|(group, _)| format!(".{group}")).unwrap_or_default();
    let name = string(value, "/metadata/name").map(|name| format!("/{name}")).unwrap_or_default();
    format!("{kind}{group}{name}")
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "plain text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
