//! The machine that was measured on, and how busy it was with other things: no figure means much
//! without it.

use std::fs;
use std::process::Command;

use chrono::{DateTime, Utc};

use crate::Failure;
use crate::control_plane::ControlPlane;
use crate::report::Table;

/// What it is, as a table.
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

fn cores(cpus: &str) -> String {
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} cores of {}", field(cpus, "model name"))
}

fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "unknown".to_owned())
}

/// The first value of a field in a file of `/proc`.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.trim_start().strip_prefix(':');
    text.lines().find_map(value).unwrap_or("unknown").trim()
}

/// What else went on, from a moment on.
pub struct Conditions {
    began: DateTime<Utc>,
    load: String,
    stolen: u64,
    all: u64,
}

impl Conditions {
    pub fn now() -> Result<Self, Failure> {
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let times: Vec<u64> =
            line.split_whitespace().filter_map(|time| time.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
        let stolen = times.get(7).copied().unwrap_or_default();
        Ok(Self { began: Utc::now(), load, stolen, all: times.iter().take(8).sum() })
    }

    /// A sentence on the time since then.
    pub fn told(&self) -> Result<String, Failure> {
        let now = Self::now()?;
        let all = (now.all - self.all).max(1);
        let stolen = 100.0 * (now.stolen - self.stolen) as f64 / all as f64;
        let cores = cores(&fs::read_to_string("/proc/cpuinfo")?);
        Ok(format!(
            "Taken {} to {} UTC on {cores}; load average {} before and {} at the end, {stolen:.0} % of the CPU time stolen by \
             the host.",
            self.began.format("%Y-%m-%d %H:%M"),
            now.began.format("%H:%M"),
            self.load,
            now.load,
        ))
    }
}
