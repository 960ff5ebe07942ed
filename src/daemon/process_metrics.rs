//! Exports metrics of this process under the standard `process_*` names of Prometheus. CPU time and
//! memory are read from `/proc` and are available only on Linux; the start time is available on all
//! systems.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Clock ticks per second. Linux reports CPU time to programs in hundredths of a second,
/// independently of the frequency of the kernel timer.
const TICKS_PER_SECOND: f64 = 100.0;

/// Collector of the metrics of this process.
#[derive(Debug)]
pub struct Process {
    started: f64,
}

impl Process {
    /// Creates the collector, and records the current time as the start time of the process. The
    /// program must call this function when the process starts.
    pub fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: started.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seconds = Some(&Unit::Seconds);
        encoder
            .encode_descriptor(
                "process_start_time",
                "When the process started, in Unix time.",
                seconds,
                MetricType::Gauge,
            )?
            .encode_gauge(&self.started)?;
        if let Some(used) = read("stat").as_deref().and_then(processor_seconds) {
            let help = "Processor time spent, in user and system mode.";
            encoder
                .encode_descriptor("process_cpu", help, seconds, MetricType::Counter)?
                .encode_counter::<[(&str, &str); 0], f64, f64>(&used, None)?;
        }
        if let Some(bytes) = read("status").as_deref().and_then(resident_bytes) {
            let help = "Memory in use.";
            let unit = Some(&Unit::Bytes);
            encoder
                .encode_descriptor("process_resident_memory", help, unit, MetricType::Gauge)?
                .encode_gauge(&i64::try_from(bytes).unwrap_or(i64::MAX))?;
        }
        Ok(())
    }
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{file}")).ok()
}

/// Returns the CPU time in seconds: the sum of fields 14 and 15 of `/proc/self/stat`. Fields are
/// counted from the last `)`, because field 2 is a name in parentheses that may itself contain
/// spaces and parentheses.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Returns the resident memory in bytes from the content of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{processor_seconds, resident_bytes};

    #[test]
    fn what_linux_tells_is_read() {
        let stat = "7 (a b) c) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1 1";
        assert_eq!(processor_seconds(stat), Some(3.0));
        assert_eq!(processor_seconds("7 (a"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}
