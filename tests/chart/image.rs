//! Tests the container image that `make image` builds. The image must have no base image, contain
//! one static program, and run this program as an unprivileged user.

use std::env;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::control_plane::tools::tool;
use crate::helm::{objects, only, project, template};

fn read(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(project("target/image").join(file)).unwrap()).unwrap()
}

#[test]
fn it_holds_one_static_program_for_nobody_in_particular() {
    // Build with the profile `dev`, because a release build takes several minutes longer.
    let mut make = Command::new(project("scripts/image.sh"));
    // Remove the variables that Cargo sets for tests, because the build in the script would
    // otherwise compile everything again.
    let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];
    for (name, _) in env::vars_os() {
        if told.iter().any(|told| name.to_string_lossy().starts_with(told)) {
            make.env_remove(name);
        }
    }
    let made = make.env("PROFILE", "dev").output().unwrap();
    let (said, complaints) = (made.stdout, String::from_utf8_lossy(&made.stderr).into_owned());
    assert!(made.status.success(), "{complaints}");
    println!("{}", String::from_utf8_lossy(&said));

    let config = read("config.json");
    let pod = &only(&objects(&template("")), "Deployment")["spec"]["template"]["spec"].clone();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/clientfleet"]));
    assert_eq!(config["os"], "linux");
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(read("manifest.json")["layers"].as_array().unwrap().len(), 1);

    // Check the files in the image archive, because a release pushes this archive.
    let folder = tempfile::tempdir().unwrap();
    let image = fs::File::open(project("target/image/clientfleet.tar")).unwrap();
    let files = folder.path().join("files.tar");
    let export = Command::new(tool("crane").unwrap())
        .arg("export")
        .arg("-")
        .arg(&files)
        .stdin(image)
        .status()
        .unwrap();
    assert!(export.success());
    let tar =
        Command::new("tar").arg("xvf").arg(&files).arg("-C").arg(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&tar.stdout), "clientfleet\n");

    let program = folder.path().join("clientfleet");
    let linked = Command::new("ldd").arg(&program).output().unwrap();
    let linked = String::from_utf8_lossy(&[linked.stdout, linked.stderr].concat()).into_owned();
    assert!(
        linked.contains("statically linked") || linked.contains("not a dynamic executable"),
        "{linked}"
    );
    let crds = Command::new(&program).arg("crds").env_clear().output().unwrap();
    assert!(crds.status.success());
    assert!(String::from_utf8(crds.stdout).unwrap().contains("clientfleets.clientfleet.dev"));
}
