//! Formats the remarks about names of clients and values of labels: what was trimmed or made of
//! other texts, and which names look alike.

use std::collections::BTreeMap;

use super::elsewhere::Elsewhere;
use super::existing_fleet::ExistingFleet;
use super::identities::folded;
use super::messages::{MAX_PRINTED_PROBLEMS, clients};
use super::rows::Inventory;
use crate::api::Text;
use crate::cli::terminal::table::printable;

/// Adds the remarks about the texts of an export.
pub(super) fn remarks(text: &mut String, file: &str, inventory: &Inventory) {
    if let Some(first) = inventory.trimmed.first() {
        let (rows, have) = match inventory.trimmed.len() {
            1 => ("1 row".to_owned(), "has"),
            rows => (format!("{rows} rows"), "have"),
        };
        *text += &format!(
            "{file}: {rows} {have} invisible characters at the ends of cells, which are left out; the \
             first is line {first}\n"
        );
    }
    labels(text, inventory);
    names(text, inventory);
    let alike = inventory.lookalikes.iter().map(|names| {
        let names: Vec<String> = names
            .iter()
            .map(|(name, line)| format!("`{}` (line {line})", printable(name)))
            .collect();
        format!(
            "warning: {file}: {} differ only in case or in their Unicode form, and are {} clients: \
             if they are one computer, give it one name\n",
            names.join(" and "),
            names.len()
        )
    });
    let start = format!("warning: {file}: ");
    limited(text, alike, |line| line, &start, "names that differ only in case");
}

/// Adds warnings about names in the export that differ only in case from names in fleets.
pub(super) fn known(
    text: &mut String,
    file: &str,
    inventory: &Inventory,
    standings: &BTreeMap<u32, ExistingFleet>,
    elsewhere: &Elsewhere,
) {
    let mut known: BTreeMap<String, (Text, String)> = elsewhere.lookalikes.clone();
    let mut housed = std::collections::BTreeSet::new();
    for fleet in standings.values() {
        for name in fleet.holds.keys() {
            housed.insert(name.as_str());
            if !inventory.clients.contains_key(name) {
                known.insert(folded(name).into_owned(), (name.clone(), fleet.name.clone()));
            }
        }
    }
    let newcomers = inventory.clients.keys().filter(|name| {
        !housed.contains(name.as_str()) && !elsewhere.entries.contains_key(name.as_str())
    });
    let alike = newcomers.filter_map(|name| {
        let (other, fleet) = known.get(&*folded(name))?;
        let line = inventory.lines.get(name).copied().unwrap_or_default();
        Some(format!(
            "warning: {file}: line {line}: `{}` is new, and differs only in case or in its Unicode \
             form from `{}` in ClientFleet {}: they are two clients\n",
            printable(name),
            printable(other),
            printable(fleet)
        ))
    });
    let start = format!("warning: {file}: ");
    limited(text, alike, |line| line, &start, "names that differ only in case from others");
}

/// Adds what the values of labels were made of.
fn labels(text: &mut String, inventory: &Inventory) {
    let labels = inventory.derived.labels.iter();
    let made = labels.flat_map(|(key, values)| values.iter().map(move |made| (key, made)));
    let line = |(key, (value, cell)): (&String, (&Text, &String))| {
        format!("label {}: {} -> {value}\n", printable(key), printable(cell))
    };
    limited(text, made, line, "", "values of labels");
}

/// Adds what the names of clients were made of.
fn names(text: &mut String, inventory: &Inventory) {
    let derived = &inventory.derived;
    let line =
        |(name, identity): (&Text, &String)| format!("name: {} -> {name}\n", printable(identity));
    limited(text, derived.names.iter(), line, "", "names");
    if !derived.unkept.is_empty() {
        let (keep, its) =
            if derived.unkept.len() == 1 { ("keeps", "its") } else { ("keep", "their") };
        *text += &format!(
            "{} with a derived name {keep} the computer name of {its} row, so that no field holds \
             the identity\n",
            clients(derived.unkept.len())
        );
    }
}

/// Adds the first lines, and the number of the others.
fn limited<T>(
    text: &mut String,
    mut items: impl Iterator<Item = T>,
    line: impl Fn(T) -> String,
    start: &str,
    what: &str,
) {
    items.by_ref().take(MAX_PRINTED_PROBLEMS).for_each(|item| text.push_str(&line(item)));
    let more = items.count();
    if more > 0 {
        *text += &format!("{start}and {more} more {what}\n");
    }
}
