//! Explains why a list of clients is empty: finds options that name a fleet, a policy, a label or a
//! version that does not exist in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::ClientsArgs;
use super::filter::Filter;
use crate::api::ClientFleet;
use crate::api::admission::nearest::nearest;
use crate::cli::cluster::{Cluster, NamespaceScope};
use crate::cli::terminal::table::printable;
use crate::plan::Parsed;
use crate::plan::facts::Facts;
use crate::values::selector::Requirement;

/// Maximum number of label keys to list in a message.
const MAX_KEYS: usize = 8;

/// Label keys, each with its values.
type LabelValues = BTreeMap<String, BTreeSet<String>>;

/// What the fleets and clients of a list have. An option that names something else can select no
/// client.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Names of the fleets.
    pub fleets: BTreeSet<String>,
    fleet_labels: LabelValues,
    /// Labels of the clients.
    labels: LabelValues,
    /// Values of `--version` that are no requirements and that a client reports as they are.
    versions: BTreeSet<String>,
}

impl Seen {
    /// Notes a fleet.
    pub fn fleet(&mut self, fleet: &Parsed<ClientFleet>) {
        self.fleets.extend(fleet.metadata.name.clone());
        for (key, value) in fleet.metadata.labels.iter().flatten() {
            note(&mut self.fleet_labels, key, value);
        }
    }

    /// Notes a client, which the filter need not select.
    pub fn client(&mut self, facts: &Facts<'_>, filter: &Filter) {
        for (key, value) in facts.client.labels.iter() {
            // Keep only the values that a message may need, because many clients can have many.
            if required(filter.labels()).any(|(required, _)| required == key) {
                note(&mut self.labels, key, value);
            } else if !self.labels.contains_key(key) {
                self.labels.insert(key.to_owned(), BTreeSet::new());
            }
        }
        if let Some(version) = facts.version.as_deref()
            && filter.verbatim_versions().any(|verbatim| verbatim == version.raw.as_str())
            && !self.versions.contains(version.raw.as_str())
        {
            self.versions.insert(version.raw.to_string());
        }
    }

    /// Returns an error for each value of `--version` that is no requirement and that no client
    /// reports.
    pub fn missing_versions(&self, filter: &Filter) -> Vec<String> {
        let missing = filter.verbatim_versions().filter(|text| !self.versions.contains(*text));
        let error = |text: &str| {
            format!(
                "--version: no client reports \"{}\", which is neither a version nor comparisons: \
                 write, for example, 3.59.127, \"<3.59\" or \">=3.50 <3.59.127\"",
                printable(text)
            )
        };
        missing.map(error).collect()
    }

    /// Returns an error for each label in `--client-selector` that a client must have and none has.
    pub fn missing_labels(&self, filter: &Filter, args: &ClientsArgs) -> Vec<String> {
        if filter.labels().is_empty() || self.fleets.is_empty() {
            return Vec::new();
        }
        let missing = required(filter.labels()).filter(|(key, _)| !self.labels.contains_key(*key));
        let error = |(key, _): (&str, _)| {
            let mend = if self.fleet_labels.contains_key(key) && args.selector.is_none() {
                "; fleets have it: did you mean --selector?".to_owned()
            } else {
                known(key, &self.labels)
            };
            format!("--client-selector: no client has a label {key}{mend}")
        };
        missing.map(error).collect()
    }

    /// Returns a remark for each label in `--client-selector` whose values no client has.
    pub fn missing_values(&self, filter: &Filter) -> String {
        let remark = |(key, values): (&str, &[String])| {
            let known = self.labels.get(key)?;
            let value = values.iter().find(|_| values.iter().all(|v| !known.contains(v)))?;
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let near = nearest(value, &known).map(|near| format!("; did you mean {key}={near}?"));
            Some(format!("No client has the label {key}={value}{}\n", near.unwrap_or_default()))
        };
        required(filter.labels()).filter_map(remark).collect()
    }
}

fn note(labels: &mut LabelValues, key: &str, value: &str) {
    match labels.get_mut(key) {
        Some(values) if values.contains(value) => {}
        Some(values) => drop(values.insert(value.to_owned())),
        None => drop(labels.insert(key.to_owned(), [value.to_owned()].into())),
    }
}

/// Returns the labels that an object must have, each with the values that meet the requirement; no
/// values if each meets it.
fn required(requirements: &[Requirement]) -> impl Iterator<Item = (&str, &[String])> {
    requirements.iter().filter_map(|requirement| match requirement {
        Requirement::In(key, values) => Some((key.as_str(), values.as_slice())),
        Requirement::Exists(key) => Some((key.as_str(), &[][..])),
        Requirement::NotIn(..) | Requirement::DoesNotExist(_) => None,
    })
}

/// Returns a warning for each value of `--version` that is compared as text. A watch cannot know
/// whether a client will report this text.
pub(super) fn verbatim_warnings(filter: &Filter) -> String {
    let warning = |text: &str| {
        format!(
            "warning: --version: \"{}\" is neither a version nor comparisons such as \"<3.59\" or \
             \">=3.50 <3.59.127\"; it selects only clients that report exactly this text\n",
            printable(text)
        )
    };
    filter.verbatim_versions().map(warning).collect()
}

/// Returns the end of a message about an unknown key: the nearest key, or the keys that there are.
fn known(key: &str, labels: &LabelValues) -> String {
    let keys: Vec<&str> = labels.keys().map(String::as_str).collect();
    match nearest(key, &keys) {
        Some(near) => format!("; did you mean {near}?"),
        None if keys.is_empty() => "; none has any label".to_owned(),
        None => {
            let more = keys.len().saturating_sub(MAX_KEYS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let listed: Vec<&str> = keys.into_iter().take(MAX_KEYS).collect();
            format!("; there are {}{more}", listed.join(", "))
        }
    }
}

/// Returns an error for each label in `--selector` that a fleet must have and none has, and a remark
/// for each whose values none has. Lists all fleets, so it is only for a selector that selects none.
pub(super) async fn missing_fleet_labels(
    cluster: &Cluster,
    reach: &NamespaceScope,
    requirements: &[Requirement],
) -> (Vec<String>, String) {
    let add = |seen: &mut Seen, fleet: Parsed<ClientFleet>| {
        seen.fleet(&fleet);
        let spec = fleet.spec.ok();
        for client in spec.iter().flat_map(|spec| spec.clients.iter().flatten()) {
            for (key, value) in client.labels.iter() {
                if !seen.labels.contains_key(key) {
                    note(&mut seen.labels, key, value);
                }
            }
        }
    };
    let Ok(seen) = cluster.gather(reach, None, Seen::default(), add).await else {
        return (Vec::new(), String::new());
    };
    if seen.fleets.is_empty() {
        return (Vec::new(), String::new());
    }
    let (mut errors, mut remarks) = (Vec::new(), String::new());
    for (key, values) in required(requirements) {
        let Some(known) = seen.fleet_labels.get(key) else {
            let mend = match seen.labels.contains_key(key) {
                true => "; clients have it: did you mean --client-selector?".to_owned(),
                false => self::known(key, &seen.fleet_labels),
            };
            errors.push(format!("--selector: no ClientFleet has a label {key}{mend}"));
            continue;
        };
        if let Some(value) = values.first().filter(|_| values.iter().all(|v| !known.contains(v))) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let near = nearest(value, &known).map(|near| format!("; did you mean {key}={near}?"));
            let near = near.unwrap_or_default();
            remarks += &format!("No ClientFleet has the label {key}={value}{near}\n");
        }
    }
    (errors, remarks)
}
