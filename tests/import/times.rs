//! Tests how an import reads times: the formats that it accepts, the values that stand for no time,
//! and the times that it refuses because they are certainly wrong.

use serde_json::Value;

use crate::program::{local, printed, transcript};

const GERMAN: [&str; 4] = ["--time-format", "%d.%m.%Y %H:%M", "--time-zone", "Europe/Berlin"];

/// Returns the `lastSeen` of each client; absent if the client has none.
fn seen(fleets: &str) -> Vec<Option<String>> {
    let list: Value = serde_json::from_str(fleets).expect("it is JSON");
    let clients = list["items"][0]["spec"]["clients"].as_array().expect("clients");
    let seen = |client: &Value| client["reported"]["lastSeen"].as_str().map(ToOwned::to_owned);
    clients.iter().map(seen).collect()
}

/// Each of these exports was imported with a wrong time and without a message.
#[test]
fn times_that_were_misread_are_refused() {
    let mut text = String::new();
    for (about, options, export) in [
        (
            "milliseconds as seconds",
            vec!["--time-format", "%s"],
            "Name,Last Contact\nLT-1,1795335300123\n",
        ),
        ("a year of two digits", GERMAN.to_vec(), "Name;Last Contact\nLT-1;22.11.26 08:15\n"),
        (
            "an abbreviation of a zone",
            vec!["--time-format", "%a %b %d %H:%M:%S %Z %Y", "--time-zone", "Europe/Berlin"],
            "Name,Last Contact\nLT-1,Sun Nov 22 02:30:00 EST 2026\n",
        ),
        ("far ahead", vec![], "Name,Last Contact\nLT-1,2099-11-28T12:00:00Z\n"),
        ("long ago", vec![], "Name,Last Contact\nLT-1,1994-11-28T12:00:00Z\n"),
        ("an error ahead", vec![], "Name,Last Error Time\nLT-1,2026-11-26T12:00:00Z\n"),
        ("hours from 1 to 12", vec!["--time-format", "%m/%d/%Y %I:%M"], "Name\nLT-1\n"),
        ("no date", vec!["--time-format", "%H:%M", "--time-zone", "UTC"], "Name\nLT-1\n"),
        ("half a time", vec!["--time-format", "%d.%m.%Y %H"], "Name\nLT-1\n"),
        (
            "day and month the other way round",
            vec!["--time-format", "%d/%m/%Y", "--time-zone", "America/New_York", "--skip-invalid"],
            "Name,Last Contact\nLT-1,03/04/2026\nLT-2,11/22/2026\nLT-3,05/06/2026\n",
        ),
    ] {
        let said = transcript(&options, export.as_bytes());
        assert!(said.ends_with("[exit code 2]\n") && !said.contains("apiVersion"), "{said}");
        text += &format!("# {about}\n{said}\n");
    }
    insta::assert_snapshot!("misread", text);
}

#[test]
fn the_same_time_in_every_format() {
    let wanted = vec![Some("2026-11-22T07:15:00Z".to_owned())];
    for (format, cell) in [
        ("%d.%m.%Y %H:%M", "22.11.2026 08:15"),
        ("%d.%m.%y %H:%M", "22.11.26 08:15"),
        ("%m/%d/%Y %I:%M:%S %p", "11/22/2026 8:15:00 AM"),
        ("%Y-%m-%d %H:%M %z", "2026-11-22 12:45 +0530"),
        ("%a %b %d %H:%M:%S CET %Y", "Sun Nov 22 08:15:00 CET 2026"),
        ("%s", "1795331700"),
        ("unix", "1795331700"),
        ("unix", "1795331700.123"),
        ("unix-ms", "1795331700123"),
        ("excel", "46348.34375"),
        ("excel", "\"46348,34375\""),
        ("filetime", "134398053000000000"),
    ] {
        let export = format!("Name,Last Contact\nLT-1,{cell}\n");
        let options = ["-o", "json", "--time-format", format, "--time-zone", "Europe/Berlin"];
        assert_eq!(seen(&printed(&options, export.as_bytes())), wanted, "{format} {cell}");
    }
}

#[test]
fn the_wrong_number_names_the_right_one() {
    for (format, cell, right) in [
        ("unix", "1795331700123", "unix-ms"),
        ("unix-ms", "1795331700", "unix"),
        ("unix", "134398053000000000", "filetime"),
        ("filetime", "1795331700123", "unix-ms"),
        ("unix-ms", "46348.34375", "excel"),
        ("%d.%m.%Y", "46348.34375", "excel"),
    ] {
        let export = format!("Name,Last Contact\nLT-1,{cell}\n");
        let options = ["--time-format", format, "--time-zone", "Europe/Berlin"];
        let said = transcript(&options, export.as_bytes());
        assert!(said.contains(&format!("it fits --time-format {right}\n")), "{said}");
        assert!(said.ends_with("[exit code 2]\n"), "{said}");
    }
}

#[test]
fn a_client_that_was_never_seen_has_no_last_seen() {
    let export = "\
Name,Last Contact,Last Error Time
A,Never,
B,N/A,
C,-,0
D,0001-01-01T00:00:00Z,
E,1601-01-01T01:00:00+01:00,
F,1970-01-01T00:00:00Z,
G,0000-00-00 00:00:00,
H,0,
I,,
J,2026-11-22T08:15:00Z,1900-01-01T00:00:00Z
";
    let output = local(&["-o", "json"], export.as_bytes());
    let words = String::from_utf8_lossy(&output.stderr);
    let told =
        "9 clients have a time that stands for none, as never, 0 or 1601-01-01; it is left out\n";
    assert!(words.contains(told), "{words}");
    let mut wanted = vec![None; 9];
    wanted.push(Some("2026-11-22T08:15:00Z".to_owned()));
    assert_eq!(seen(&String::from_utf8_lossy(&output.stdout)), wanted);
    for (format, cell) in [("filetime", "9223372036854775807"), ("%m/%d/%Y", "1/1/1601")] {
        let export = format!("Name,Last Contact\nLT-1,{cell}\n");
        let fleets = printed(&["-o", "json", "--time-format", format], export.as_bytes());
        assert_eq!(seen(&fleets), [None], "{format} {cell}");
    }
}

#[test]
fn a_format_without_a_column_is_named() {
    let output = local(&GERMAN, b"Name\nLT-1\n");
    let words = String::from_utf8_lossy(&output.stderr);
    let told = "--time-format is not used: no column gives lastSeen or lastError.time\n";
    assert!(words.contains(told) && output.status.success(), "{words}");
    let options = ["--time-format", "unix", "--time-zone", "Europe/Berlin"];
    let output = local(&options, b"Name,Last Contact\nLT-1,1795331700\n");
    let words = String::from_utf8_lossy(&output.stderr);
    let told =
        "--time-zone is not used: times in --time-format unix are in UTC, or have an offset\n";
    assert!(words.contains(told) && output.status.success(), "{words}");
}
