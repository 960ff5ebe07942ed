//! Finds the fleets and policies in files, and every problem that admission would have with them.
//! Reads them only: what follows from them is planned elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::files::{self, File};
use super::terminal::table::printable;
use crate::api::{ClientFleetStatus, Kind, UpgradePolicyStatus, admission};

/// The group of our kinds, and the one version that is served.
const GROUP: &str = "clientfleet.dev";
const API_VERSION: &str = "clientfleet.dev/v1alpha1";
/// Where an object without a namespace is, as for kubectl.
const DEFAULT_NAMESPACE: &str = "default";

/// Where an object was found.
#[derive(Clone, Debug)]
pub struct Place {
    file: Arc<str>,
    document: usize,
    item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.document)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// What tells an object from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), printable(&self.namespace), printable(&self.name))
    }
}

/// A fleet or a policy that admission would take.
#[derive(Clone, Debug)]
pub struct Object {
    /// Which one.
    pub identity: Identity,
    /// All of it, as given.
    pub given: Value,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Fleets and policies, in the order given.
    pub objects: Vec<Object>,
    /// Objects of other kinds: which, and where.
    pub passed_over: Vec<String>,
    /// Everything that is wrong, each with where and what to write instead.
    pub problems: Vec<String>,
    places: HashMap<Identity, Place>,
    /// Where an object without a namespace is.
    namespace: String,
}

/// Reads every document of every file, whatever is wrong with others.
#[must_use]
pub fn find(files: &[File]) -> Findings {
    find_in(DEFAULT_NAMESPACE, files)
}

/// The same, where an object that names no namespace is in another than `default`.
#[must_use]
pub fn find_in(namespace: &str, files: &[File]) -> Findings {
    let mut findings = Findings { namespace: namespace.to_owned(), ..Findings::default() };
    for file in files {
        let documents = match &file.content {
            Ok(bytes) => files::documents(bytes),
            Err(message) => Err(message.clone()),
        };
        match documents {
            Ok(documents) => findings.file(file, documents),
            Err(message) => findings.problems.push(format!("{}: {message}", file.name)),
        }
    }
    findings
}

impl Findings {
    /// Where an object was found.
    #[must_use]
    pub fn place(&self, identity: &Identity) -> Option<&Place> {
        self.places.get(identity)
    }

    fn file(&mut self, file: &File, documents: Vec<super::yaml::Document>) {
        let name: Arc<str> = file.name.as_str().into();
        let mut is_empty = true;
        for document in documents {
            let place = Place { file: Arc::clone(&name), document: document.number, item: None };
            match document.content {
                Ok(Value::Null) => continue,
                Ok(value) => self.document(place, value),
                Err(fault) => self.problems.push(format!(
                    "{place}, line {}, column {}: {}",
                    fault.line,
                    fault.column,
                    printable(&fault.message)
                )),
            }
            is_empty = false;
        }
        if is_empty {
            self.problems.push(format!(
                "{name}: this file holds no object: write a ClientFleet or an UpgradePolicy into it, or leave it out"
            ));
        }
    }

    /// A document is an object, or a list of them as `kubectl get -o yaml` prints it.
    fn document(&mut self, place: Place, value: Value) {
        let Some(item_kind) = list_of(&value) else {
            return self.object(place, value);
        };
        let items = match value {
            Value::Object(mut fields) => fields.remove("items"),
            _ => None,
        };
        match items {
            Some(Value::Array(items)) => {
                for (index, mut item) in items.into_iter().enumerate() {
                    complete(&mut item, item_kind);
                    self.object(Place { item: Some(index + 1), ..place.clone() }, item);
                }
            }
            Some(Value::Null) | None => {}
            Some(_) => {
                self.problem(&place, None, "items", "this is a list: begin each item with `-`")
            }
        }
    }

    fn object(&mut self, place: Place, value: Value) {
        if !value.is_object() {
            let message = format!(
                "this is {}: an object begins with `apiVersion: {API_VERSION}` and \
                                   `kind: ClientFleet` or `kind: UpgradePolicy`",
                sort(&value)
            );
            return self.problem(&place, None, "", &message);
        }
        let name = string(&value, "/metadata/name");
        let namespace = string(&value, "/metadata/namespace").unwrap_or(&self.namespace).to_owned();
        let kind = match self.kind(&place, &value) {
            Err(()) => return,
            Ok(None) => {
                let word = format!("{} ({place})", other(&value));
                return self.passed_over.push(printable(&word).into_owned());
            }
            Ok(Some(kind)) => kind,
        };
        let Some(name) = name else {
            return self.check(&place, kind, &format!("{} without a name", kind.name()), &value);
        };
        let identity = Identity { kind, namespace, name: name.to_owned() };
        let before = self.problems.len();
        self.check(&place, kind, &identity.to_string(), &value);
        self.once(place, &identity);
        if self.problems.len() == before {
            self.objects.push(Object { identity, given: value });
        }
    }

    /// The kind, if it is one of ours; nothing, if it is another's.
    fn kind(&mut self, place: &Place, value: &Value) -> Result<Option<Kind>, ()> {
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

    /// Everything admission would say; and what an API server would not have printed.
    fn check(&mut self, place: &Place, kind: Kind, subject: &str, value: &Value) {
        let mut asked = value.clone();
        let status = asked.as_object_mut().and_then(|fields| fields.remove("status"));
        let before = self.problems.len();
        for problem in admission::check(kind, &asked) {
            self.problem(place, Some(subject), &problem.field, &problem.message);
        }
        let metadata = asked.get("metadata").cloned().unwrap_or_default();
        if self.problems.len() == before
            && let Err(error) = serde_json::from_value::<ObjectMeta>(metadata)
        {
            let message = format!(
                "this cannot be read ({error}): `name`, `namespace` and `labels` are enough"
            );
            self.problem(place, Some(subject), "metadata", &message);
        }
        let Some(status) = status.filter(|status| !status.is_null()) else { return };
        let unreadable = match kind {
            Kind::ClientFleet => serde_json::from_value::<ClientFleetStatus>(status).err(),
            Kind::UpgradePolicy => serde_json::from_value::<UpgradePolicyStatus>(status).err(),
        };
        if let Some(error) = unreadable {
            let message =
                format!("this is not what the controller writes ({error}): leave `status` out");
            self.problem(place, Some(subject), "status", &message);
        }
    }

    fn once(&mut self, place: Place, identity: &Identity) {
        let Some(first) = self.places.get(identity) else {
            self.places.insert(identity.clone(), place);
            return;
        };
        let message = format!("it is given twice, first in {first}: leave one of the two out");
        self.problem(&place, Some(&identity.to_string()), "", &message);
    }

    fn problem(&mut self, place: &Place, subject: Option<&str>, field: &str, message: &str) {
        let subject = subject.map(|subject| format!(" ({subject})")).unwrap_or_default();
        let field = if field.is_empty() { String::new() } else { format!(", {field}") };
        let text = format!("{place}{subject}{field}: {message}");
        // What was given is repeated in it, and may hold what a terminal obeys.
        self.problems.push(printable(&text).into_owned());
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// For a list: the `kind` of its items, where the list's own says so.
fn list_of(value: &Value) -> Option<Option<Kind>> {
    match (string(value, "/apiVersion")?, string(value, "/kind")?) {
        ("v1", "List") => Some(None),
        (API_VERSION, kind) => kind_of(kind.strip_suffix("List")?).map(Some),
        _ => None,
    }
}

/// The items of a list of one kind may leave their kind out, as the API server does.
fn complete(item: &mut Value, kind: Option<Kind>) {
    let (Some(kind), Some(fields)) = (kind, item.as_object_mut()) else { return };
    fields.entry("apiVersion").or_insert_with(|| Value::from(API_VERSION));
    fields.entry("kind").or_insert_with(|| Value::from(kind.name()));
}

fn string<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// An object of another's, as kubectl names it: `Deployment.apps/web`.
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
