//! Reads the CPU time and the memory of a process from `/proc`.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// Number of clock ticks per second in the CPU times of `/proc`. It is 100 on all current Linux
/// systems.
const TICKS_A_SECOND: u64 = 100;

#[derive(Clone, Copy, Debug)]
pub struct Pid(pub u32);

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident memory, including the pages of the executable file.
    pub resident: u64,
    /// Resident memory that is not shared with other processes.
    pub private: u64,
    /// Maximum of the resident memory since the process started, or since the last call of
    /// [`Pid::forget_peak`].
    pub peak: u64,
}

impl Pid {
    /// Returns the CPU time of all threads of the process, in user and kernel mode.
    pub fn cpu(self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The second field, the process name in parentheses, may contain spaces, so start at the
        // third field.
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

    /// Resets the peak to the current resident memory.
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
