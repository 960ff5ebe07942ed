//! Compares the audit stream with the changes between the stored versions.

use std::collections::BTreeMap;

use clientfleet::api::fleet::ClientStatus;
use serde_json::{Value, json};

use crate::history::{rows_of, successions};
use crate::observer::Stored;

/// Returns the lines that are missing, and those that no stored change explains. The lines of the
/// resourceVersions in `unaudited` may be missing, but not be wrong.
pub fn differences(fleets: &[Stored], lines: &[Value], unaudited: &[(u64, u64)]) -> Vec<String> {
    let mut counts: BTreeMap<(u64, String), i32> = BTreeMap::new();
    for (version, change) in changes(fleets) {
        *counts.entry((version, change)).or_default() += 1;
    }
    for line in lines {
        let version = line["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        *counts.entry((version.unwrap_or_default(), text_of(line))).or_default() -= 1;
    }
    // Versions just before one that follows a gap are not known, so lines about them cannot be
    // judged.
    let is_known =
        |version: u64| fleets.iter().any(|stored| stored.version == version && !stored.follows_gap);
    let first_list = fleets.iter().take_while(|stored| stored.follows_gap).count();
    let has_gap = fleets.iter().skip(first_list).any(|stored| stored.follows_gap);
    let may_miss =
        |version: u64| unaudited.iter().any(|(from, to)| (*from..=*to).contains(&version));
    let mut found = vec![];
    for ((version, change), count) in counts {
        if count > 0 && !may_miss(version) && is_known(version) {
            found.push(format!("no line for version {version}: {change}"));
        }
        if count < 0 && (is_known(version) || !has_gap) {
            found.push(format!("{} lines too many for version {version}: {change}", -count));
        }
    }
    found
}

/// Returns all changes of a client's decision, with the version that stored them.
fn changes(fleets: &[Stored]) -> Vec<(u64, String)> {
    let mut found = vec![];
    let none = vec![];
    let is_first = |stored: &&Stored| {
        !stored.follows_gap
            && !fleets.iter().any(|other| {
                other.version < stored.version
                    && other.object.metadata.uid == stored.object.metadata.uid
            })
    };
    let firsts = fleets.iter().filter(is_first).map(|after| (none.clone(), after));
    let others = successions(fleets).into_iter().map(|(before, after)| (rows_of(before), after));
    for (before, after) in firsts.chain(others).filter(|(_, after)| !after.is_deleted) {
        let rows = rows_of(after);
        let names = before.iter().chain(&rows).map(|row| row.name.clone());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup();
        for name in names {
            let of = |rows: &[ClientStatus]| {
                rows.iter().find(|row| row.name == name).map_or(Value::Null, decision)
            };
            let (was, is) = (of(&before), of(&rows));
            if was != is {
                let line = json!({"fleet": after.name(), "client": name, "from": was, "to": is});
                found.push((after.version, text_of(&line)));
            }
        }
    }
    found
}

/// Returns what an audit line says about a row.
fn decision(row: &ClientStatus) -> Value {
    json!({
        "state": row.state, "reason": row.reason, "policy": row.policy,
        "targetVersion": row.target_version,
    })
}

fn text_of(line: &Value) -> String {
    let side = |side: &Value| {
        let keys = ["state", "reason", "policy", "targetVersion"];
        let words = keys.iter().map(|key| side[key].as_str().unwrap_or("none"));
        words.collect::<Vec<_>>().join(" ")
    };
    let name = |key: &str| line[key].as_str().unwrap_or("none");
    format!(
        "{}/{}: {} -> {}",
        name("fleet"),
        name("client"),
        side(&line["from"]),
        side(&line["to"])
    )
}
