//! Runs the program of `make demo` without a terminal. The program's output must match the output
//! in the README.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn demo() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let demo = own.parent().unwrap().parent().unwrap().join("examples/demo");
    assert!(demo.exists(), "for this target alone, build it first: cargo build --example demo");
    demo
}

#[test]
fn the_demo_does_what_the_readme_shows() {
    let output = Command::new(demo()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{complaints}");

    let readme = include_str!("../../../README.md");
    let upgrade = readme.split_once("== A client of the canary ring upgrades\n").unwrap().1;
    let upgrade = upgrade.split_once("```").unwrap().0;
    assert!(upgrade.lines().count() > 3 && said.contains(upgrade), "{said}");
    // Compare only the names of the clients, because their states depend on the current time and
    // date.
    let fleet = readme.split_once("== The clients of one fleet\n").unwrap().1;
    let names = fleet.lines().take_while(|line| !line.is_empty()).map(|line| &line[..16]);
    for name in names {
        assert!(said.contains(name), "{name}: {said}");
    }

    let folder = said.split_once("KUBECONFIG=").unwrap().1.split_once("/kubeconfig").unwrap().0;
    assert!(!Path::new(folder).exists(), "it leaves {folder} behind");
}
