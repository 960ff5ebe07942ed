//! Tests that exports from different inventory tools result in the same fleets if they contain the
//! same inventory.

use clientfleet::cli::yaml;
use serde_json::{Value, json};

use crate::program::{printed, transcript};

/// An export in the format of a Linux inventory tool.
const PLAIN: &str = "\
deviceId,computer,ip,lastUser,version,stagedVersion,lastSeen,timeZone,lastError.version,lastError.message,lastError.time,site
LT-1,lt-1.corp,10.0.0.1,CORP\\müller,3.58.110.0,3.59.127.0,2026-11-22T07:15:00Z,Europe/Berlin,3.59.127.0,\"disk full, 3 MB left\",2026-11-21T22:00:00Z,berlin
LT-2,,,,,,,,,,,
ÄÖ-3,佐藤のPC,fd00::3,\"a \"\"b\"\" c\",unknown,,,Asia/Tokyo,,,,
";

const GROUPED: [&str; 2] = ["--group-by", "site"];

#[test]
fn the_fleets_of_an_inventory() {
    insta::assert_snapshot!("as_yaml", transcript(&GROUPED, PLAIN.as_bytes()));
    let options = [
        "-o",
        "json",
        "--label",
        "region=emea",
        "--label",
        "example.com/tier=1",
        "-n",
        "clients",
        "--fleet-time-zone",
        "W. Europe Standard Time",
        "--shard-size",
        "2",
    ];
    insta::assert_snapshot!("as_json", transcript(&options, PLAIN.as_bytes()));
}

#[test]
fn yaml_and_json_say_the_same() {
    let of_yaml = yaml::read(&printed(&["--shard-size", "1"], PLAIN.as_bytes()));
    let of_yaml: Vec<Value> =
        of_yaml.into_iter().map(|document| document.content.expect("it is YAML").value()).collect();
    let json: Value =
        serde_json::from_str(&printed(&["--shard-size", "1", "-o", "json"], PLAIN.as_bytes()))
            .expect("it is JSON");
    assert_eq!(json["kind"], "List");
    assert_eq!(json["items"], Value::Array(of_yaml));
}

/// An export with the same inventory as [`PLAIN`], but with German dates, Windows time zone names,
/// other column titles, and another order of columns.
const OTHERWISE: &str = "\
Site;Time Zone;Last Contact;Client Version;Last logged-in user;IP Address;Computer Name;Asset Tag;Staged Version;\
Last Error Version;Last Error Message;Last Error Time
berlin;W. Europe Standard Time;22.11.2026 08:15;3.58.110.0;CORP\\müller;10.0.0.1;lt-1.corp;LT-1;3.59.127.0;\
3.59.127.0;disk full, 3 MB left;21.11.2026 23:00
;;;;;;;LT-2;;;;
;Tokyo Standard Time;;unknown;\"a \"\"b\"\" c\";fd00::3;佐藤のPC;ÄÖ-3;;;;
";

const IN_BERLIN: [&str; 6] =
    ["--group-by", "site", "--time-format", "%d.%m.%Y %H:%M", "--time-zone", "Europe/Berlin"];

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn every_dialect_makes_the_same_fleets() {
    let wanted = printed(&GROUPED, PLAIN.as_bytes());
    let marked = format!("\u{feff}{OTHERWISE}");
    let lines = OTHERWISE.replace('\n', "\r\n");
    let tabs = OTHERWISE.replace(';', "\t");
    let quoted: String = OTHERWISE
        .lines()
        .map(|line| {
            let cell = |cell: &str| {
                if cell.starts_with('"') { cell.to_owned() } else { format!("\"{cell}\"") }
            };
            line.split(';').map(cell).collect::<Vec<_>>().join(";") + "\r\n"
        })
        .collect();
    for (dialect, export) in [
        ("semicolons", OTHERWISE.as_bytes().to_vec()),
        ("a byte order mark", marked.as_bytes().to_vec()),
        ("lines of Windows", lines.as_bytes().to_vec()),
        ("tabs", tabs.as_bytes().to_vec()),
        ("everything quoted", quoted.as_bytes().to_vec()),
        (
            "UTF-16LE with a mark and tabs, as Excel's Unicode text",
            utf_16(&format!("\u{feff}{tabs}"), u16::to_le_bytes),
        ),
        ("UTF-16BE with a mark", utf_16(&marked, u16::to_be_bytes)),
        ("UTF-16LE without a mark", utf_16(&lines, u16::to_le_bytes)),
        ("UTF-16BE without a mark", utf_16(OTHERWISE, u16::to_be_bytes)),
        ("a separator line of Excel", format!("sep=;\r\n{lines}").into_bytes()),
        ("a separator line behind a mark", format!("\u{feff}sep=;\r\n{lines}").into_bytes()),
        (
            "empty lines and columns at the end",
            lines.replace("\r\n", ";;\r\n\r\n;;;\r\n").into_bytes(),
        ),
    ] {
        assert_eq!(printed(&IN_BERLIN, &export), wanted, "{dialect}");
    }
}

#[test]
fn the_encoding_and_the_separator_can_be_told() {
    let export = b"name|user\nLT-1|M\xfcller\n";
    let options = ["--encoding", "windows-1252", "--separator", "|"];
    let fleet =
        yaml::read(&printed(&options, export)).remove(0).content.expect("it is YAML").value();
    let clients = json!([{ "name": "LT-1", "reported": { "lastUser": "Müller" } }]);
    assert_eq!(fleet["spec"]["clients"], clients);
}

#[test]
fn cells_that_stand_for_nothing_can_be_told() {
    let export =
        "name,version,last seen,site,last error\nLT-1,N/A,Never,-,\"<b>two\r\n  lines</b>\"\n";
    let options = [
        "--empty",
        "N/A",
        "--empty",
        "Never",
        "--empty",
        "-",
        "--group-by",
        "site",
        "--shorten-messages",
    ];
    let fleet = yaml::read(&printed(&options, export.as_bytes()))
        .remove(0)
        .content
        .expect("it is YAML")
        .value();
    let message = "<b>two lines</b>";
    let clients = json!([{ "name": "LT-1", "reported": { "lastError": { "message": message } } }]);
    assert_eq!(fleet["spec"]["clients"], clients);
}

#[test]
fn addresses_in_one_cell_are_separated_and_cut() {
    let many = ["fd00:20:1:2:3:4:5:6"; 7].join(" ");
    let export = format!(
        "name,ip\nA,10.0.0.1\nB,\"10.0.0.1, fd00::1\"\nC,\"10.0.0.1\r\nfd00::1;10.0.0.2\"\nD,{many}\n\
         E,DHCP\nF,fe80::1%eth0\n"
    );
    insta::assert_snapshot!("addresses", transcript(&[], export.as_bytes()));
}

/// Checks that values such as `no` or `1e3`, which YAML readers can interpret as other types,
/// remain text.
#[test]
fn values_survive_yaml() {
    let odd = [
        "no",
        "y",
        "NULL",
        "~",
        "3.10",
        "1e3",
        "0x1F",
        "0o17",
        "12:30:45",
        "2026-11-22",
        "- a",
        "#a",
        "a: b",
        "*x",
        "!x",
        "'",
        "a'b",
        "[a]",
        "{a}",
        "%a",
        "@a",
        "&a",
        ">",
        "<a> & b",
        "`a",
        "|",
        "?",
        ".5",
        "+1",
        "1_000",
        "=",
        "a #b",
        "\\",
        "\"\"",
    ];
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let rows: String =
        odd.iter().enumerate().map(|(at, odd)| format!("LT-{at:03},{}\n", quoted(odd))).collect();
    let export = format!("name,user\n{rows}");
    let fleet =
        yaml::read(&printed(&[], export.as_bytes())).remove(0).content.expect("it is YAML").value();
    let users: Vec<&str> = fleet["spec"]["clients"]
        .as_array()
        .expect("clients")
        .iter()
        .map(|client| client["reported"]["lastUser"].as_str().expect("text"))
        .collect();
    assert_eq!(users, odd);
}

#[test]
fn standard_input_is_read() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_clientfleet"));
    command.args(["import", "-", "--local", "-o", "json"]).args(crate::program::FLEET).env_clear();
    let output = crate::estate::run_with(command, "name\nLT-1\n");
    let list: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(list["items"][0]["spec"]["clients"], json!([{ "name": "LT-1" }]));
}
