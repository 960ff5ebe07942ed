//! On which machine and when a section was taken, and how busy the machine was with other things: no figure
//! means much without it.

use std::fs;

use chrono::{DateTime, Utc};

use super::publish;
use crate::Failure;

/// What else went on, from a moment on.
pub struct Conditions {
    began: DateTime<Utc>,
    /// Only Linux tells.
    machine: Option<Machine>,
}

impl Conditions {
    pub fn now() -> Self {
        Self { began: Utc::now(), machine: Machine::now() }
    }

    /// A sentence on the time since then.
    fn describe(&self) -> String {
        let now = Self::now();
        let busy =
            self.machine.as_ref().zip(now.machine).map(|(then, now)| now.describe_since(then));
        format!(
            "Taken {} to {} UTC{}.",
            self.began.format("%Y-%m-%d %H:%M"),
            now.began.format("%H:%M"),
            busy.unwrap_or_default()
        )
    }

    /// Prints what a section measured since then, and puts it into the page if that is asked for.
    pub fn publish(&self, section: &str, text: &str) -> Result<(), Failure> {
        publish(section, &format!("{}\n\n{}", text.trim(), self.describe()))
    }
}

/// The machine and its counters at a moment.
struct Machine {
    cores: String,
    load: String,
    /// In ticks, of all cores together.
    stolen: u64,
    all: u64,
}

impl Machine {
    fn now() -> Option<Self> {
        let cores = cores(&fs::read_to_string("/proc/cpuinfo").ok()?);
        let load = fs::read_to_string("/proc/loadavg").ok()?;
        let load = load.split(' ').next()?.to_owned();
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let times: Vec<u64> =
            stat.lines().next()?.split_whitespace().filter_map(|time| time.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
        Some(Self { cores, load, stolen: *times.get(7)?, all: times.iter().take(8).sum() })
    }

    fn describe_since(&self, then: &Self) -> String {
        // Linux's own counters can go back: iowait is known for it.
        let all = self.all.saturating_sub(then.all).max(1);
        let stolen = 100.0 * self.stolen.saturating_sub(then.stolen) as f64 / all as f64;
        format!(
            " on {}; load average {} before and {} at the end, {stolen:.0} % of the CPU time stolen by the host",
            self.cores, then.load, self.load
        )
    }
}

/// How many, and which.
pub fn cores(cpus: &str) -> String {
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} cores of {}", field(cpus, "model name"))
}

/// The first value of a field in a file of `/proc`.
pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.trim_start().strip_prefix(':');
    text.lines().find_map(value).unwrap_or("unknown").trim()
}
