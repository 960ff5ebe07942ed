//! Tests every error that an export or the options can cause. For each error, the import must print
//! a message and must not print any fleets.

use crate::program::transcript;

fn all(cases: &[(&str, &[&str], &[u8])]) -> String {
    let mut text = String::new();
    for (about, options, export) in cases {
        let said = transcript(options, export);
        assert!(!said.contains("apiVersion"), "{about}: {said}");
        text.push_str(&format!("# {about}\n{said}\n"));
    }
    text
}

#[test]
fn files_that_are_no_export() {
    insta::assert_snapshot!(
        "no_export",
        all(&[
            ("empty", &[], b""),
            ("empty lines", &[], b"\n\n;;\n"),
            ("other bytes", &[], b"Name;User\nLT-1;a\nLT-2;M\xfcller\n"),
            ("half a character of UTF-16", &[], b"\xff\xfeN\0a\0m\0e\0\n\0\x00\xd8\n\0"),
            ("a spreadsheet's own format", &[], b"PK\x03\x04\x14\0\x06\0\x08\0"),
            ("an open quotation mark", &[], b"Name,User\nLT-1,\"a\nLT-2,b\nLT-3,c\n"),
            ("one separator or another", &[], b"Name,Site;User\nLT-1,a;b\n"),
        ])
    );
}

#[test]
fn columns_that_cannot_be_told() {
    let export = b"Serial;Asset Tag;Version;Site;Floor\n1;2;3;4;5\n".as_slice();
    insta::assert_snapshot!(
        "columns",
        all(&[
            ("two can be the name", &[], export),
            ("none is the name", &[], b"Site,Version\nberlin,3.59\n"),
            (
                "a title that there is not",
                &["--column", "name=Asset", "--column", "version=Agent"],
                export
            ),
            ("a field twice", &["--column", "name=Serial", "--column", "Name=Asset Tag"], export),
            ("no such field", &["--column", "owner=Site"], export),
            ("no mapping", &["--column", "name"], export),
            ("no column for a label", &["--column", "name=Serial", "--group-by", "City"], export),
            (
                "five labels",
                &[
                    "--column",
                    "name=Serial",
                    "--group-by",
                    "Site",
                    "--group-by",
                    "Floor",
                    "--group-by",
                    "Version",
                    "--group-by",
                    "Asset Tag",
                    "--group-by",
                    "Serial"
                ],
                export
            ),
            (
                "a key that is none",
                &["--column", "name=Serial", "--group-by", "Site=the site"],
                export
            ),
        ])
    );
}

const ROWS: &str = "\
name,computer,ip,user,version,last seen,time zone,last error,site
LT-1,lt-1,10.0.0.1,a,3.59,2026-11-22T08:00:00Z,Europe/Berlin,,berlin
,lt-2,,,,,,,
LT-3,lt-3,,<script>,3.59,22.11.2026 08:15,W. europe standard time,,berlin
LT-4,a\u{1b}[2Jb,,,,,CEST,\"two
lines\",Köln Süd
LT-5,lt-5,10.0.0.5
LT-6,lt-6,fe80::1%eth0,,,,,,,and more
LT-7,seven,,,,,,,
LT-7,seven again,,,,,,,
LT-8<,,,,,,,,
a very long name that no computer and no asset has had since computers have names,,,,,,,,
";

#[test]
fn bad_rows() {
    let grouped = ["--group-by", "site"];
    insta::assert_snapshot!("bad_rows", all(&[("stop it", &grouped, ROWS.as_bytes())]));
    let skipped = ["--group-by", "site", "--skip-invalid"];
    insta::assert_snapshot!("bad_rows_left_out", transcript(&skipped, ROWS.as_bytes()));
}

#[test]
fn many_bad_rows_are_counted() {
    let many: String = (0..70).map(|n| format!("LT-{n},CEST\n")).collect();
    let said = transcript(&[], format!("name,time zone\n{many}").as_bytes());
    insta::assert_snapshot!("many_bad_rows", said);
    let skipped = transcript(&["--skip-invalid"], format!("name,time zone\n{many}").as_bytes());
    let said = said.replace("… \n", "… --skip-invalid\n");
    assert_eq!(skipped, said, "nothing is left to import");
    let some =
        format!("name,time zone\nA,UTC\n{many}B,CET?\nC,\n,UTC\n,UTC\nD,UTC,\nE,UTC,,x\nF\n");
    insta::assert_snapshot!("some_bad_rows", transcript(&[], some.as_bytes()));
    let differ: String = (0..70).map(|n| format!("LT-{n},zone {n}\n")).collect();
    let differ = transcript(&[], format!("name,time zone\n{differ}").as_bytes());
    insta::assert_snapshot!("differing_cells", differ);
}

#[test]
fn times_are_not_guessed() {
    let export = "\
name,last seen
A,22.11.2026 08:15
B,2026-11-22T08:15:00Z
C,11/22/2026 8:15 AM
D,29.03.2026 02:30
";
    let rows = export.as_bytes();
    let format = ["--time-format", "%d.%m.%Y %H:%M"];
    let [flag, german] = format;
    insta::assert_snapshot!(
        "times",
        all(&[
            ("no form is told", &[], rows),
            ("no zone is told", &format, rows),
            ("both are told", &[flag, german, "--time-zone", "Europe/Berlin"], rows),
            ("no form at all", &[flag, "%Q"], rows),
            ("an unknown zone", &[flag, german, "--time-zone", "CEST"], rows),
            ("a zone alone", &["--time-zone", "Europe/Berlin"], rows),
        ])
    );
}

#[test]
fn options_that_cannot_be() {
    let rows = b"name\nLT-1\n".as_slice();
    insta::assert_snapshot!(
        "options",
        all(&[
            ("a label that is none", &["--label", "site=Köln Süd"], rows),
            ("a label without a value", &["--label", "site"], rows),
            ("a label twice", &["--label", "site=a", "--label", "site=b"], rows),
            ("the import's own label", &["--label", "clientfleet.dev/import=x"], rows),
            ("no namespace", &["-n", "Clients"], rows),
            ("too large", &["--shard-size", "251"], rows),
            ("no limit", &["--max-removals", "half"], rows),
            ("a separator of two", &["--separator", ";;"], rows),
            ("no encoding", &["--encoding", "latin-42"], rows),
            ("no zone", &["--fleet-time-zone", "europe/berlin"], rows),
            ("both ways", &["--apply"], rows),
            ("a dry run of nothing", &["--dry-run", "server"], rows),
        ])
    );
}

#[test]
fn fleets_are_named_by_dns_labels() {
    for (wrong, package) in [
        ("EMEA", "server"),
        ("-emea", "server"),
        ("a.b", "server"),
        ("emea", "Server"),
        ("emea", "emea-001"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_clientfleet"));
        let fleet = format!("--fleet={wrong}");
        command
            .args(["import", "-", "--local", fleet.as_str(), "--package-from", package])
            .env_clear();
        let output = crate::estate::run_with(command, "name\nLT-1\n");
        assert_eq!(output.status.code(), Some(2), "{wrong} {package}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
