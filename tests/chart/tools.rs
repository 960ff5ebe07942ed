//! Tests that Helm and crane are built from the Go modules in `tests/tools`. Other tests of the
//! chart run these two programs.

use std::process::Command;

use crate::control_plane::tools::tool;

fn says(name: &str, arguments: &[&str]) -> String {
    let path = tool(name).unwrap();
    let output = Command::new(&path).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_is_built_from_its_module() {
    assert!(says("helm", &["version", "--template", "{{.Version}}"]).starts_with("v4."));
    assert!(says("crane", &["version"]).contains("v0."));
}

#[test]
fn a_module_that_is_not_there_is_named() {
    let error = tool("hammer").unwrap_err().to_string();
    assert!(error.contains("tests/tools/hammer"), "{error}");
}
