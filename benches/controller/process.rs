//! What a process costs, as the kernel tells in `/proc`: CPU time and memory.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// The unit of CPU times in `/proc`, on every Linux of today.
const TICKS_A_SECOND: u64 = 100;

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub struct Pid(pub u32);

/// In KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// All that is resident, the program's own pages included.
    pub resident: u64,
    /// What of it this process has for itself.
    pub private: u64,
    /// The most that was ever resident, or since [`Pid::forget_peak`].
    pub peak: u64,
}

impl Pid {
    /// User and system time of all its threads.
    pub fn cpu(self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name in brackets may hold spaces; after it the third field comes first.
        let fields = stat.rsplit_once(") ").ok_or("/proc/PID/stat has another form")?.1;
        let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
        let (user, system) = times.next().zip(times.next()).ok_or("/proc/PID/stat is short")?;
        Ok(Duration::from_millis((user? + system?) * 1000 / TICKS_A_SECOND))
    }

    pub fn memory(self) -> Result<Memory, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let parts = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0))?;
        Ok(Memory {
            resident: sum(&status, &["VmRSS:"]),
            private: sum(&parts, &["Private_Clean:", "Private_Dirty:"]),
            peak: sum(&status, &["VmHWM:"]),
        })
    }

    /// Has the kernel forget the most that was resident.
    pub fn forget_peak(self) -> Result<(), Failure> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.0), "5")?)
    }
}

fn sum(text: &str, heads: &[&str]) -> u64 {
    let value = |line: &str| {
        let rest = heads.iter().find_map(|head| line.strip_prefix(head))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    text.lines().filter_map(value).sum()
}
