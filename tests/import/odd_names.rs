//! Tests that an import refuses no row because of a long or odd name of a computer or user, and that
//! it counts the names that it shortens.

use clientfleet::api::{Kind, admission};
use serde_json::{Value, json};

use crate::program::{local, printed};

const EXPORT: &str = "\
Serial Number,Computer Name,Last logged-in user,Client Version
C02A,WS1,CORP\\a,3.58.110.0
C02B,WS2,R&D\\kiosk,3.58.110.0
C02C,Christopher Montgomery’s MacBook Pro,cmontgomery,3.58.110.0
C02D,WS4,firstname.doublename-lastname@engineering.subsidiary.company.example,3.58.110.0
";

fn clients(fleets: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(fleets).expect("it is JSON");
    let fleets = list["items"].as_array().expect("items");
    fleets.iter().flat_map(|fleet| fleet["spec"]["clients"].as_array().cloned().unwrap()).collect()
}

#[test]
fn every_row_of_an_ordinary_export_comes_in_as_it_is() {
    let output = local(&["-o", "json"], EXPORT.as_bytes());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!words.contains("shortened"), "{words}");
    let clients = clients(&String::from_utf8_lossy(&output.stdout));
    let facts: Vec<_> = clients.iter().map(|client| &client["reported"]).collect();
    assert_eq!(facts.len(), 4);
    assert_eq!(facts[1]["lastUser"], "R&D\\kiosk");
    assert_eq!(facts[2]["computer"], "Christopher Montgomery’s MacBook Pro");
    let user = "firstname.doublename-lastname@engineering.subsidiary.company.example";
    assert_eq!(facts[3]["lastUser"], user);
}

#[test]
fn longer_names_are_shortened_and_counted() {
    let long = "x".repeat(200);
    let wide = "Müller & Söhne, Abteilung für Forschung und Entwicklung".to_owned();
    let export = format!(
        "name,computer,user\nA,{long},{long}\nB,\"{wide}\",b\nC,\"a\u{1b}[2J\r\nb\",\u{7}\nD,ok,d\n"
    );
    let output = local(&["-o", "json"], export.as_bytes());
    let words = String::from_utf8_lossy(&output.stderr);
    let told = "3 clients have a computer or user name that is too long or contains control or \
                invisible characters; the name was shortened\n";
    assert!(words.contains(told), "{words}");
    let clients = clients(&String::from_utf8_lossy(&output.stdout));
    let facts: Vec<_> = clients.iter().map(|client| client["reported"].clone()).collect();
    let cut = |length: usize| "x".repeat(length - 3) + "...";
    assert_eq!(facts[0], json!({"computer": cut(63), "lastUser": cut(96)}));
    assert_eq!(facts[1], json!({"computer": "Müller & Söhne, Ab...", "lastUser": "b"}));
    assert_eq!(facts[2], json!({"computer": "a [2J b"}));
    assert_eq!(facts[3], json!({"computer": "ok", "lastUser": "d"}));
    // The next import must find the shortened names unchanged.
    assert_eq!(printed(&["-o", "json"], export.as_bytes()).as_bytes(), output.stdout);
}

#[test]
fn the_api_accepts_the_fleet() {
    let user = "firstname.doublename-lastname@engineering.subsidiary.company.example";
    let error = json!({"version": "3.59.127.0", "time": "2026-11-24T10:00:00Z",
        "message": "Error 1603 in <InstallFiles> & rolled back"});
    let fleet = json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "ClientFleet",
        "metadata": {"name": "hq", "namespace": "default"},
        "spec": {"packageVersion": "3.59.127.0", "clients": [
            {"name": "d1", "reported": {"computer": "WS1", "lastUser": "CORP\\a"}},
            {"name": "d2", "reported": {"computer": "WS2", "lastUser": "R&D\\kiosk"}},
            {"name": "d3", "reported": {"computer": "Christopher Montgomery’s MacBook Pro"}},
            {"name": "d4", "reported": {"computer": "WS4", "lastUser": user}},
            {"name": "d5", "reported": {"computer": "WS5", "lastError": error}},
        ]},
    });
    assert_eq!(admission::check(Kind::ClientFleet, &fleet), []);
}
