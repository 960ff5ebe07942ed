//! Runs a program, and measures its time, its peak memory, and the size of its output.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::control_plane::ControlPlane;

/// Interval between two readings of the peak memory. The kernel records the peak, so the benchmark
/// misses only growth between the last reading and the exit.
const LOOK: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub time: Duration,
    pub peak_kib: u64,
    pub printed: u64,
}

pub fn run(plane: &ControlPlane, desk: &Path, call: &[&str]) -> Result<Run, Failure> {
    let (program, arguments) = call.split_first().ok_or("an empty call")?;
    let mut command = match *program {
        "kubectl" => plane.kubectl(arguments),
        _ => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
            command.args(arguments).env("KUBECONFIG", plane.kubeconfig_path());
            command
        }
    };
    let start = Instant::now();
    let mut child = command.current_dir(desk).stdout(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let reader = std::thread::spawn(move || {
        let (mut printed, mut buffer) = (0, vec![0; 1 << 16]);
        while let Ok(read @ 1..) = output.read(&mut buffer) {
            printed += read as u64;
        }
        printed
    });
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let exit = loop {
        peak_kib = peak_kib.max(high_water_mark(&status).unwrap_or(0));
        if let Some(exit) = child.try_wait()? {
            break exit;
        }
        std::thread::sleep(LOOK);
    };
    let time = start.elapsed();
    if !exit.success() {
        return Err(format!("{} failed: {exit}", call.join(" ")).into());
    }
    let printed = reader.join().map_err(|_| "the output was not read")?;
    Ok(Run { time, peak_kib, printed })
}

/// Returns the peak resident memory of a process in KiB, or `None` if it cannot be read. `status`
/// is the path `/proc/PID/status`.
fn high_water_mark(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Returns the run with the median time.
pub fn median(runs: &[Run]) -> Run {
    let mut runs = runs.to_vec();
    runs.sort_by_key(|run| run.time);
    runs[runs.len() / 2]
}
