//! Tests that each rule reads only the inputs that it declares. The decision cache relies on these
//! declarations when it uses one decision for several clients.

use std::collections::HashMap;

use clientfleet::plan::allot::Standing;
use clientfleet::plan::rules::RULES;
use serde_json::{Value, json};

use super::rows::rows;

const VERSIONS: [Option<&str>; 4] = [None, Some("x"), Some("3.59"), Some("3.60")];
/// Values of the time fields in a report: missing, and 54 days or one minute before the default
/// time of a row (2026-11-24T11:00:00Z).
const TIMES: [Option<&str>; 3] = [None, Some("2026-10-01T11:00:00Z"), Some("2026-11-24T10:59:00Z")];

/// Returns clients with every combination of the values that rules read. Each combination occurs
/// with and without the facts that only scopes may read.
fn clients() -> Vec<Value> {
    let failed = ["3.59", "3.60"].into_iter().flat_map(|version| {
        TIMES.map(|time| json!({"version": version, "time": time, "message": "no space"}))
    });
    let errors: Vec<Value> = std::iter::once(Value::Null).chain(failed).collect();
    let mut all = vec![];
    for (version, staged) in VERSIONS.into_iter().flat_map(|v| VERSIONS.map(|staged| (v, staged))) {
        for (error, seen) in errors.iter().flat_map(|error| TIMES.map(|seen| (error, seen))) {
            let reported = json!({
                "version": version, "stagedVersion": staged, "lastError": error, "lastSeen": seen,
            });
            let mut with_scoped = reported.clone();
            with_scoped["ip"] = json!("10.0.0.1");
            with_scoped["computer"] = json!("PC-1");
            with_scoped["lastUser"] = json!("ann");
            let labels = json!({"site": "berlin"});
            all.push(json!({"name": "pc", "reported": reported}));
            all.push(json!({"name": "pc", "labels": labels, "reported": with_scoped}));
        }
    }
    all
}

#[test]
fn the_declared_inputs_of_a_rule_determine_whether_it_holds() {
    let clients = clients();
    // Equal input values must give the same result, so store the first result for each combination
    // of rule, time and input values.
    let mut known = HashMap::new();
    for row in rows() {
        let from = row.at.parse().ok();
        let standings = [
            Standing::Free,
            Standing::Withheld,
            Standing::ReportedElsewhere,
            Standing::Duplicate { decides_from: None },
            Standing::Duplicate { decides_from: from },
            Standing::Duplicate { decides_from: "2026-12-24T00:00:00Z".parse().ok() },
        ];
        for standing in standings {
            row.each_case(&clients, standing, |index, case| {
                for rule in &RULES {
                    let inputs: Vec<_> = rule.looks_at.iter().map(|i| i.value(case)).collect();
                    let key = format!("{:?} {} {inputs:?}", rule.name, row.at);
                    let holds = (rule.holds)(case);
                    let here = (row.what, index, standing);
                    let (before, there) = known.entry(key).or_insert((holds, here));
                    let report = |(what, index, standing): (&str, usize, Standing)| {
                        format!("{what}, {standing:?}: {}", clients[index])
                    };
                    let pair = || format!("\n{}\n{}", report(*there), report(here));
                    assert_eq!(
                        *before,
                        holds,
                        "{:?} reads an undeclared input:{}",
                        rule.name,
                        pair()
                    );
                    if holds {
                        break;
                    }
                }
            });
        }
    }
}
