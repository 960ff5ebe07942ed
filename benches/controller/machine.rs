//! Describes the machine on which the benchmark runs, as a table for the top of
//! `docs/performance.md`.

use std::fs;
use std::process::Command;

use crate::Failure;
use crate::control_plane::ControlPlane;
use crate::report::Table;
use crate::report::conditions::{cores, field};

pub async fn describe(plane: &ControlPlane) -> Result<String, Failure> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = field(&memory, "MemTotal").trim_end_matches("kB").trim().parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let is_virtual = field(&cpus, "flags").split(' ').any(|flag| flag == "hypervisor");
    let place = if is_virtual { "a virtual machine; " } else { "" };
    let server = plane.client()?.apiserver_version().await?.git_version;
    let mut table = Table::new(&["", "measured on"]);
    let mut row = |what: &str, value: String| table.row(&[what.to_owned(), value]);
    row("CPU", format!("{place}{}", cores(&cpus)));
    row("memory", format!("{:.0} GiB", kib as f64 / f64::from(1 << 20)));
    row("kernel", format!("Linux {}", kernel.trim()));
    row("API server", format!("Kubernetes {server}, etcd on the same machine, without fsync"));
    row("compiler", version("rustc"));
    row("clientfleet", env!("CARGO_PKG_VERSION").to_owned());
    Ok(table.text().replace("| --:|", "|---|"))
}

fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "unknown".to_owned())
}
