//! `plan --local`: from files to the statuses that the controller would settle on, and what they change
//! against other files. Contacts no cluster and reads no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Compared, Format, Said, estate_tables};
use crate::api::{Kind, admission};
use crate::cli::files::File;
use crate::cli::objects::{self, Findings, Identity, Object};
use crate::cli::{FAILURE, Failure, WRONG_INPUT};
use crate::plan::difference::{Given, Side, Sides, difference};
use crate::plan::{self, Estate, Plan};
use crate::values::Timestamp;

/// Plans for the objects in `files` at the moment `at`.
pub(super) fn plan(files: &[File], at: Timestamp, format: Format, in_colour: bool) -> Said {
    let findings = objects::find(files);
    let mut remarks = passed_over(&findings);
    if !findings.problems.is_empty() {
        remarks += &lines("error", &findings.problems);
        return Said { remarks, code: WRONG_INPUT, ..Said::default() };
    }
    let plans = planned(&findings.objects, at);
    match plans.and_then(|plans| print(&findings.objects, &plans, at, format, in_colour)) {
        Ok(output) => Said { output, remarks, code: 0 },
        Err(message) => {
            remarks += &lines("error", &[message]);
            Said { remarks, code: FAILURE, ..Said::default() }
        }
    }
}

/// What `new` changes against `old` at the moment `at`.
pub(super) fn compare(new: &[File], old: &[File], at: Timestamp) -> Result<Compared, Failure> {
    let (new, old) = (objects::find(new), objects::find(old));
    let remarks = passed_over(&new) + &lines("passed over", &old.passed_over);
    refuse([&old, &new])?;
    let given = given(&new.objects);
    let before = sides(&old.objects, at).map_err(Failure::input)?;
    let after = sides(&new.objects, at).map_err(Failure::input)?;
    Ok(Compared { difference: difference(&before, &after, &given, at), remarks })
}

/// Everything that is wrong with what was found.
pub(super) fn refuse<'a>(findings: impl IntoIterator<Item = &'a Findings>) -> Result<(), Failure> {
    let messages: Vec<String> =
        findings.into_iter().flat_map(|found| found.problems.iter().cloned()).collect();
    if messages.is_empty() { Ok(()) } else { Err(Failure { messages, code: WRONG_INPUT }) }
}

/// The objects in files, for warnings about them alone.
pub(super) fn given(objects: &[Object]) -> Given {
    let mut given = Given::default();
    for Object { identity, .. } in objects {
        given.insert(identity.kind, &identity.namespace, &identity.name);
    }
    given
}

fn sides(objects: &[Object], at: Timestamp) -> Result<Sides, String> {
    let settled = |(name, estate)| (name, Side::settled(estate, at));
    Ok(estates(objects)?.into_iter().map(settled).collect())
}

/// What there is to say of files besides what is wrong with them.
pub(super) fn passed_over(findings: &Findings) -> String {
    let mut remarks = lines("passed over", &findings.passed_over);
    if findings.objects.is_empty() && findings.problems.is_empty() {
        remarks += "there is neither a ClientFleet nor an UpgradePolicy in these files\n";
    }
    remarks
}

fn lines(word: &str, texts: &[String]) -> String {
    texts.iter().flat_map(|text| [word, ": ", text, "\n"]).collect()
}

/// The plan of each namespace, by its name.
fn planned(objects: &[Object], at: Timestamp) -> Result<BTreeMap<String, Plan>, String> {
    let settled = |(name, estate)| (name, plan::settle(&estate, at));
    Ok(estates(objects)?.into_iter().map(settled).collect())
}

/// The objects of each namespace, as an API server would store them.
fn estates(objects: &[Object]) -> Result<BTreeMap<String, Estate>, String> {
    let mut estates: BTreeMap<String, Estate> = BTreeMap::new();
    for Object { identity, given } in objects {
        let estate = estates.entry(identity.namespace.clone()).or_default();
        let text = admission::as_stored(identity.kind, given.clone()).to_string();
        let unreadable = |error| format!("{identity} cannot be planned for: {error}");
        match identity.kind {
            Kind::ClientFleet => {
                estate.fleets.push(Arc::new(serde_json::from_str(&text).map_err(unreadable)?));
            }
            Kind::UpgradePolicy => {
                estate.policies.push(Arc::new(serde_json::from_str(&text).map_err(unreadable)?));
            }
        }
    }
    Ok(estates)
}

fn print(
    objects: &[Object],
    plans: &BTreeMap<String, Plan>,
    at: Timestamp,
    format: Format,
    in_colour: bool,
) -> Result<String, String> {
    match format {
        Format::Table => Ok(estate_tables::print(objects, plans, at, in_colour)),
        Format::Wide | Format::Markdown | Format::Name => {
            Err("there is no change to print: add --against".to_owned())
        }
        Format::Json => {
            let text = serde_json::to_string_pretty(&list(objects, plans)?);
            text.map(|text| text + "\n").map_err(|error| error.to_string())
        }
        Format::Yaml => {
            serde_saphyr::to_string(&list(objects, plans)?).map_err(|error| error.to_string())
        }
    }
}

/// The objects as they were given and in that order, each with its status, as `kubectl get` prints
/// several.
fn list(objects: &[Object], plans: &BTreeMap<String, Plan>) -> Result<Value, String> {
    let mut statuses = HashMap::new();
    for (namespace, plan) in plans {
        for (name, status) in &plan.fleets {
            statuses.insert(identity(Kind::ClientFleet, namespace, name), value(status)?);
        }
        for (name, status) in &plan.policies {
            statuses.insert(identity(Kind::UpgradePolicy, namespace, name), value(status)?);
        }
    }
    let items: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut fields = object.given.as_object().cloned().unwrap_or_else(Map::new);
            if let Some(status) = statuses.remove(&object.identity) {
                fields.insert("status".to_owned(), status);
            }
            Value::Object(fields)
        })
        .collect();
    Ok(json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }))
}

fn identity(kind: Kind, namespace: &str, name: &str) -> Identity {
    Identity { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

fn value(status: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(status).map_err(|error| error.to_string())
}
