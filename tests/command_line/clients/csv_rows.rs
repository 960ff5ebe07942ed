//! Tests `clients -o csv`.

use crate::estate::{DAY, apply, command, json, namespace, run_with, settle_at, settled_examples};

const ODD: &str = r#"
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: odd, namespace: csv-rows}
spec:
  packageVersion: '2.0'
  timeZone: Europe/Berlin
  clients:
  - name: a
    labels: {department: finance, example.com/ring: '1'}
    reported: {computer: 'PC "A", left', lastUser: '=1+1', ip: '10.0.0.1, fd00::1', version: '1.0', stagedVersion: '2.0', lastSeen: '2026-11-24T13:00:00+01:00'}
  - {name: b, reported: {computer: Łódź-1, version: '2.0'}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: nightly, namespace: csv-rows}
spec: {upgrade: {mode: AutoUpgrade}}
"#;

fn printed(arguments: &[&str]) -> String {
    let output = run_with(command(DAY, &[&["clients", "-o", "csv"], arguments].concat()), "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn values_are_whole_and_as_reported() {
    namespace("csv-rows");
    apply(ODD);
    settle_at("csv-rows", DAY);
    let text = printed(&["-n", "csv-rows"]);
    assert!(text.ends_with("\r\n"), "{text}");
    insta::assert_snapshot!("csv_rows", text.replace("\r\n", "\n"));
    let bare = printed(&["-n", "csv-rows", "--no-headers"]);
    assert_eq!(text.split_once("\r\n").map(|(_, rows)| rows), Some(bare.as_str()));
    // Without clients, the titles are printed all the same.
    let empty = printed(&["-n", "csv-rows", "nobody"]);
    assert_eq!(empty.lines().count(), 1);
}

/// Checks each value of the examples against `-o json`.
#[test]
fn csv_has_the_values_of_json() {
    let place = settled_examples();
    let text = printed(&["-n", place]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let titles = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let document = json(DAY, &["clients", "-n", place, "-o", "json"]);
    let clients = document["clients"].as_array().expect("a list");
    assert_eq!((records.len(), clients.len()), (61, 61));
    for (record, client) in records.iter().zip(clients) {
        let mut of_json = client.as_object().expect("an object").clone();
        let labels = of_json.remove("labels");
        let labels = labels.as_ref().and_then(|labels| labels.as_object());
        let labels = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()));
        let labels: Vec<String> = labels.collect();
        let offer = of_json.remove("lastOffer").unwrap_or_default();
        for (title, value) in titles.iter().zip(record) {
            let field = match title.strip_prefix("lastOffer") {
                Some(field) => offer.get(field.to_lowercase()),
                None => of_json.get(title),
            };
            let expected = match field {
                _ if title == "labels" => labels.join(";"),
                None => String::new(),
                Some(value) => value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned),
            };
            assert_eq!(value, expected, "{title} of {client}");
        }
        let missing = of_json.keys().find(|key| !titles.iter().any(|title| title == *key));
        assert_eq!(missing, None, "each field of JSON has a column");
    }
}
