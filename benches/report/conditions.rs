//! Describes the conditions of a measurement: the machine, the time, and other load on the machine.
//! Measurements can be compared only if these conditions are known.

use std::fs;

use chrono::{DateTime, Utc};

use super::publish;
use crate::Failure;

pub struct Conditions {
    began: DateTime<Utc>,
    /// State of the machine; `None` on systems other than Linux.
    machine: Option<Machine>,
}

impl Conditions {
    pub fn now() -> Self {
        Self { began: Utc::now(), machine: Machine::now() }
    }

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

    /// Prints the results of a section, followed by the conditions of the measurement. Also writes
    /// both to `docs/performance.md` if `UPDATE_DOCS` is set.
    pub fn publish(&self, section: &str, text: &str) -> Result<(), Failure> {
        publish(section, &format!("{}\n\n{}", text.trim(), self.describe()))
    }
}

struct Machine {
    cores: String,
    load: String,
    /// CPU time that the host took from this machine (steal), summed over all cores, in ticks.
    stolen: u64,
    /// Total CPU time, summed over all cores, in ticks.
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
        // The first eight fields are user, nice, system, idle, iowait, irq, softirq and steal.
        // Ignore the later fields, because they count the CPU time of virtual guests, which user
        // and nice already include.
        Some(Self { cores, load, stolen: *times.get(7)?, all: times.iter().take(8).sum() })
    }

    fn describe_since(&self, then: &Self) -> String {
        // Use saturating subtraction, because counters in `/proc/stat` can decrease; this is known
        // for iowait.
        let all = self.all.saturating_sub(then.all).max(1);
        let stolen = 100.0 * self.stolen.saturating_sub(then.stolen) as f64 / all as f64;
        format!(
            " on {}; load average {} before and {} at the end, {stolen:.0} % of the CPU time stolen by the host",
            self.cores, then.load, self.load
        )
    }
}

/// Returns a description of the CPU: the number of cores and the model. `cpus` is the text of
/// `/proc/cpuinfo`.
pub fn cores(cpus: &str) -> String {
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} cores of {}", field(cpus, "model name"))
}

/// Returns the first value of the field `name`, or `unknown` if the field is missing. `text` is the
/// content of a file in `/proc`.
pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.trim_start().strip_prefix(':');
    text.lines().find_map(value).unwrap_or("unknown").trim()
}
