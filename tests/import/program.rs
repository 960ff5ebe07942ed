//! Runs `clientfleet import` on an export, without a cluster.

use std::process::{Command, Output};

use crate::estate::{DAY, run_with};

/// Options that every import in these tests uses.
pub const FLEET: [&str; 4] = ["--fleet", "emea", "--package-from", "server"];

/// Writes `export` to the file `export.csv`, and runs `import export.csv --local` with the given
/// options.
pub fn local(options: &[&str], export: &[u8]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("export.csv");
    std::fs::write(&file, export).expect("the export is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
    command.args(["import", "export.csv", "--local", "--now", DAY]).args(FLEET).args(options);
    // Clear the environment, so that the program finds neither the user's configuration nor a
    // cluster.
    command.env_clear().current_dir(folder.path());
    run_with(command, "")
}

/// Runs an import. Returns its output and exit code as text for a snapshot.
pub fn transcript(options: &[&str], export: &[u8]) -> String {
    let output = local(options, export);
    let mut text = format!("$ clientfleet import export.csv … {}\n", options.join(" "));
    text.push_str(&String::from_utf8(output.stdout).expect("results are text"));
    let words = String::from_utf8(output.stderr).expect("words are text");
    text.extend(words.lines().map(|line| format!("[stderr] {line}\n")));
    text + &format!("[exit code {}]\n", output.status.code().expect("it is not killed"))
}

/// Runs an import, which must succeed. Returns its standard output.
pub fn printed(options: &[&str], export: &[u8]) -> String {
    let output = local(options, export);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{options:?}: {words}");
    String::from_utf8(output.stdout).expect("results are text")
}
