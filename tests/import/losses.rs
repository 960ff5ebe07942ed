//! Tests imports of an export that lacks facts from an earlier export. Covers the errors that stop
//! such an import, and the options that allow the import to remove these facts.

use serde_json::{Value, json};

use crate::cluster::{APPLY, apply, fleets, import, with_server};
use crate::estate::plane;

const DAY: &str = "name,Client Version,IP Address,Site\nA,3.58,10.0.0.1,berlin\n\
                   B,3.58,10.0.0.2,berlin\nC,3.58,,berlin\n";
const GROUPED: [&str; 2] = ["--group-by", "Site"];

fn with(options: &[&'static str]) -> Vec<&'static str> {
    [&APPLY, options].concat()
}

fn specs(namespace: &str) -> Vec<Value> {
    fleets(namespace).values().map(|fleet| fleet["spec"].clone()).collect()
}

#[test]
fn a_column_that_is_gone_erases_nothing() {
    let ns = "import-lost-column";
    with_server(ns);
    apply(ns, &GROUPED, DAY);
    let before = specs(ns);
    let mut told = String::new();
    let renamed = DAY.replace("Client Version", "Agent rel.").replace("IP Address", "Home");
    for (about, options, export) in [
        ("two titles are new", with(&GROUPED), renamed.as_str()),
        ("no --group-by", with(&[]), DAY),
        ("another key", with(&["--group-by", "Site=city"]), DAY),
        ("the column is left out", with(&["--group-by", "Site", "--column", "version="]), DAY),
        ("printed", vec!["--fleet", "emea", "--shard-size", "2", "--group-by", "Site"], &renamed),
        (
            "what there is",
            with(&["--drop", "version", "--drop", "site", "--group-by", "Site"]),
            DAY,
        ),
        ("nothing to drop", with(&["--drop", "name"]), DAY),
    ] {
        told += &format!("# {about}\n{}", import(ns, &options, export));
        assert_eq!(specs(ns), before, "{about}: nothing is written");
    }
    told += "# told where it is\n";
    let mapped = ["--group-by", "Site", "--column", "version=Agent rel.", "--column", "ip=Home"];
    told += &apply(ns, &mapped, &renamed);
    assert_eq!(specs(ns), before);
    told += "# dropped\n";
    let drop = ["--drop", "version", "--drop", "ip", "--drop", "site", "--drop", "floor"];
    told += &apply(ns, &drop, &renamed);
    assert_eq!(specs(ns)[0]["clients"], json!([{"name": "A"}, {"name": "B"}]));
    told += "# and never asked about again\n";
    told += &apply(ns, &[], &renamed);
    insta::assert_snapshot!("lost_columns", told);
}

#[test]
fn empty_cells_take_few_versions() {
    let ns = "import-lost-versions";
    with_server(ns);
    apply(ns, &GROUPED, DAY);
    let before = specs(ns);
    let empty = DAY.replace("A,3.58", "A,").replace("B,3.58", "B,").replace("10.0.0.1", "");
    let mut told = import(ns, &with(&GROUPED), &empty);
    assert_eq!(specs(ns), before, "nothing is written");
    told += &apply(ns, &["--group-by", "Site", "--max-removals", "2"], &empty);
    let reported = |at: usize| specs(ns)[0]["clients"][at]["reported"].clone();
    assert_eq!((reported(0), reported(1)), (Value::Null, json!({"ip": "10.0.0.2"})));
    insta::assert_snapshot!("lost_versions", told);
}

#[test]
fn what_others_give_as_well_is_not_lost() {
    let ns = "import-lost-shared";
    with_server(ns);
    let export = "name,version\nA,3.58\n";
    apply(ns, &[], export);
    let fleet = json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
        "metadata": {"name": "emea-001", "namespace": ns},
        "spec": {"clients": [{"name": "A", "reported": {"version": "3.58"}}]},
    });
    let check_in = ["apply", "--server-side", "--field-manager=check-in", "-f", "-"];
    plane().kubectl_ok(&check_in, &fleet.to_string()).unwrap();
    apply(ns, &[], "name\nA\n");
    assert_eq!(specs(ns)[0]["clients"][0]["reported"], json!({"version": "3.58"}));
}
