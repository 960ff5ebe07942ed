//! Tests exports whose table is not alone in the file: joined files, titles of a report above the
//! columns, sums below the rows, guards for spreadsheet programs, and random bytes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use clientfleet::cli::yaml;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use crate::program::{FLEET, local, printed, transcript};

/// The clients of an export, each as its name, version and IP address. Fails if the import fails.
fn clients(options: &[&str], export: &[u8]) -> Vec<String> {
    let documents = yaml::read(&printed(options, export));
    let fleets = documents.into_iter().map(|document| document.content.expect("YAML").value());
    let of_fleet = |fleet: Value| fleet["spec"]["clients"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |client: Value| {
        let reported = &client["reported"];
        let cells = [&client["name"], &reported["version"], &reported["ip"]].map(text);
        cells.join(" ")
    };
    fleets.flat_map(of_fleet).map(row).collect()
}

fn words(options: &[&str], export: &[u8]) -> String {
    String::from_utf8(local(options, export).stderr).expect("words are text")
}

const TWO: [&str; 2] = ["D1 1.2 -", "D2 1.3 -"];

/// Exports with the clients [`TWO`], each with what is printed about its layout.
const RECOGNISED: [(&str, &[&str], &str, &str); 19] = [
    ("plain", &[], "Device ID,Version\nD1,1.2\nD2,1.3\n", ""),
    (
        "joined files",
        &[],
        "Device ID,Version\nD1,1.2\nDevice ID,Version\nD2,1.3\nDevice ID,Version\n",
        "2 lines repeat the header, and are skipped, the first is line 3",
    ),
    (
        "joined files with marks",
        &[],
        "\u{feff}Device ID,Version\nD1,1.2\n\u{feff}Device ID,Version\nD2,1.3\n",
        "line 3 begins with a byte order mark, which is removed\n\
         export.csv: line 3 repeats the header, and is skipped",
    ),
    (
        "joined files, the second with quotation marks and a blank line above",
        &[],
        "\u{feff}\"Device ID\";\"Version\"\r\n\"D1\";\"1.2\"\r\n\r\n\u{feff}\"Device ID\";\"Version\"\r\n\
         \"D2\";\"1.3\"\r\n",
        "line 4 repeats the header",
    ),
    (
        "only the mark of the second header is left",
        &[],
        "Device ID,Version\nD1,1.2\n\u{feff}D2,1.3\n",
        "line 3 begins with a byte order mark",
    ),
    (
        "a mark in quotation marks",
        &[],
        "Device ID,Version\nD1,1.2\n\"\u{feff}D2\",1.3\n",
        "line 3 begins with a byte order mark",
    ),
    (
        "two marks at the beginning",
        &[],
        "\u{feff}\u{feff}Device ID,Version\nD1,1.2\nD2,1.3\n",
        "line 1 begins with a byte order mark",
    ),
    (
        "a mark decoded as windows-1252",
        &["--encoding", "windows-1252"],
        "Device ID,Version\nD1,1.2\n\u{feff}D2,1.3\n",
        "line 3 begins with a byte order mark",
    ),
    (
        "Export-Csv of PowerShell",
        &[],
        "#TYPE Selected.System.Management.Automation.PSCustomObject\r\n\"Device ID\",\"Version\"\r\n\
         \"D1\",\"1.2\"\r\n\"D2\",\"1.3\"\r\n",
        "line 1 names a type, and is skipped",
    ),
    (
        "two of them joined",
        &[],
        "#TYPE System.Collections.Generic.Dictionary`2[[System.String, mscorlib],[X, Y]]\n\
         \"Device ID\",\"Version\"\n\"D1\",\"1.2\"\n#TYPE A\n\"Device ID\",\"Version\"\n\"D2\",\"1.3\"\n",
        "2 lines name types, and are skipped, the first is line 1",
    ),
    (
        "titles of a report above",
        &[],
        "Installed software\nGenerated on Monday, 3 November\n\nDevice ID,Version,Site\nD1,1.2,a\n\
         D2,1.3,b\n",
        "2 lines are above the column titles, and are skipped, the first is line 1",
    ),
    (
        "parameters of a report above",
        &[],
        "Collection,Generated,By\nAll Systems,3 November,admin\n\nDevice ID,Version\nD1,1.2\nD2,1.3\n",
        "2 lines are above the column titles",
    ),
    (
        "a title in quotation marks over two lines, and another separator",
        &[],
        "\"Installed\nsoftware\";\"\"\r\nDevice ID;Version\r\nD1;1.2\r\nD2;1.3\r\n",
        "2 lines are above the column titles",
    ),
    (
        "the header's line is specified",
        &["--header-line", "2", "--column", "name=Gerät"],
        "Bericht,Stand\nGerät,Version\nD1,1.2\nD2,1.3\n",
        "line 1 is above the column titles, and is skipped",
    ),
    (
        "sums below that are left out",
        &["--skip-footer", "2"],
        "Device ID,Version\nD1,1.2\nD2,1.3\n\nTotal,2\nPage 1 of 1\n",
        "2 lines are left out by --skip-footer, the first is line 5",
    ),
    (
        "cells as text for a spreadsheet program",
        &[],
        "=\"Device ID\",=\"Version\"\n=\"D1\",=\"1.2\"\n\"=\"\"D2\"\"\",\"=\"\"1.3\"\"\"\n",
        "",
    ),
    (
        "missing empty cells at the end",
        &["--fill-short-rows"],
        "Device ID,Version,IP Address,Site\nD1,1.2\nD2,1.3,,\n",
        "",
    ),
    (
        "a separator line and line ends of old computers",
        &[],
        "sep=;\rDevice ID;Version\rD1;1.2\rsep=;\rDevice ID;Version\rD2;1.3\r",
        "2 lines repeat the header, and are skipped, the first is line 4",
    ),
    (
        "a blank line after each line",
        &[],
        "Device ID,Version\r\n\r\nD1,1.2\r\n\r\nD2,1.3\r\n\r\n",
        "",
    ),
];

#[test]
fn layouts_are_recognised_and_printed() {
    for (about, options, export, printed) in RECOGNISED {
        assert_eq!(clients(options, export.as_bytes()), TWO, "{about}");
        let words = words(options, export.as_bytes());
        if printed.is_empty() {
            assert!(!words.contains("line"), "{about}: {words}");
        } else {
            assert!(words.contains(&format!("export.csv: {printed}")), "{about}: {words}");
        }
    }
}

#[test]
fn utf_16_files_can_be_joined() {
    let one = |row: &str| format!("\u{feff}Device ID\tVersion\r\n{row}\r\n");
    let export: Vec<u8> =
        (one("D1\t1.2") + &one("D2\t1.3")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(clients(&[], &export), TWO);
}

#[test]
fn leading_zeros_survive_guards() {
    let export = "Asset Tag,Version\n=\"00123\",1\n'00456,1\n\"'00789\",1\n's-1,1\n";
    let names: Vec<String> = clients(&[], export.as_bytes());
    assert_eq!(names, ["'s-1 1 -", "00123 1 -", "00456 1 -", "00789 1 -"]);
}

#[test]
fn what_is_no_row_stops_the_import() {
    let mut text = String::new();
    for (about, options, export) in [
        ("a sum", &[][..], "Name,Version\nWS1,1.2\nWS2,1.2\nTotal,2\n"),
        ("a sum after a blank line", &[], "Name,Version\nWS1,1.2\nWS2,1.2\n\nTotal,2\n"),
        ("a number of rows", &[], "Name,Version\nWS1,1.2\nWS2,1.2\n\n(2 rows affected)\n"),
        ("a row after a blank line", &[], "Name,Version\nWS1,1.2\nWS2,1.2\n,\nPrinted,now\n"),
        ("a note at the end", &[], "Name,Version\nWS1,1.2\nGenerated by admin\n"),
        ("left out", &["--skip-invalid"], "Name,Version\nWS1,1.2\nWS2,1.2\n\nTotal,2\n"),
        ("a client after all", &["--skip-footer", "0"], "Name,Version\nWS1,1.2\nTotal,1.2\n"),
        ("titles in another order", &[], "Name,Version\nWS1,1.2\nVersion,Name\n1.2,WS2\n"),
        ("another header", &["--skip-invalid"], "Name,Version\nWS1,1.2\nName,Site\nWS2,berlin\n"),
        (
            "a header of other titles",
            &[],
            "Name,Host,Version\nD1,WS1,1.2\nSerial,IP,Version\nD2,::1,1.2\n",
        ),
        ("another header in other letters", &[], "Name,Version\nWS1,1.2\nNAME,Site\nWS2,berlin\n"),
        ("short rows", &[], "Name,Version,Site\nWS1,1.2\n"),
        ("a formula", &[], "Name,Version\n=HYPERLINK(A1),1.2\n"),
        ("a header's line that there is not", &["--header-line", "9"], "Name\nWS1\n"),
        ("unknown titles below a title", &[], "Bericht\nGerät,Stand\nWS1,1.2\n"),
        ("no line", &["--header-line", "0"], "Name\nWS1\n"),
    ] {
        text += &format!("# {about}\n{}\n", transcript(options, export.as_bytes()));
    }
    insta::assert_snapshot!("no_row", text);
}

#[test]
fn clients_may_be_named_like_titles() {
    let export = "Name,Computer,User,Version\nHost,Machine,user,1.2\n";
    assert_eq!(clients(&[], export.as_bytes()), ["Host 1.2 -"]);
}

#[test]
fn many_rows_after_a_blank_line_are_clients() {
    let rows = |from: usize| (from..from + 20).map(|n| format!("D{n},1\n")).collect::<String>();
    let export = format!("Device ID,Version\n{}\n{}", rows(10), rows(50));
    assert_eq!(clients(&[], export.as_bytes()).len(), 40);
}

#[test]
fn an_export_without_versions_is_noticed() {
    let warning = "warning: no column gives `version`";
    assert!(words(&[], b"Name,Site\nWS1,a\n").contains(warning));
    assert!(!words(&[], b"Name,Version\nWS1,\n").contains(warning));
    assert!(!words(&["--column", "version="], b"Name,Version\nWS1,1\n").contains(warning));
    let (options, export) = (["--preset", "wsus"], b"FullDomainName\npc1.corp\n");
    let words = words(&options, export);
    assert!(words.contains(warning) && words.contains("Windows Update agent"), "{words}");
}

/// Pieces from which exports are built that look like real ones in places.
const PIECES: [&str; 24] = [
    "Name",
    "Version",
    "Device ID",
    ",",
    ",",
    ";",
    "\t",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\"",
    "\"\"",
    "\u{feff}",
    "sep=;",
    "#TYPE x",
    "=\"1\"",
    "'1",
    "Total",
    "\u{0}",
    "é",
    "佐",
    " ",
    "D1",
];

fn code(export: &[u8], options: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
    command.args(["import", "-", "--local"]).args(FLEET).args(options).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program runs");
    // The program may end before it has read everything.
    let _ = child.stdin.take().expect("a pipe").write_all(export);
    child.wait().expect("it ends").code()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_bytes_cause_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        pieces in proptest::collection::vec(proptest::sample::select(PIECES.as_slice()), 0..60),
        line in 1_usize..6,
        footer in 0_usize..4,
    ) {
        let (line, footer) = (line.to_string(), footer.to_string());
        let text = pieces.concat();
        for options in [
            &[][..],
            &["--header-line", &line, "--skip-invalid"],
            &["--skip-footer", &footer, "--fill-short-rows", "--preset", "intune"],
        ] {
            for export in [bytes.as_slice(), text.as_bytes()] {
                let code = code(export, options);
                prop_assert!(matches!(code, Some(0 | 2)), "{code:?}: {export:?} {options:?}");
            }
        }
    }
}
