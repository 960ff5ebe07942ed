//! Manages one server process: starts it with a log file, monitors it, and stops it without leaving
//! a zombie process.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;

const TAIL_LINES: usize = 25;

pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a server process in the process group `group`, so that one signal can end all servers
    /// of a control plane. Ctrl-C in the terminal does not reach this group.
    pub fn start(
        name: &'static str,
        command: &mut Command,
        group: i32,
        folder: &Path,
    ) -> Result<Self, Error> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Error::at("create", &log))?;
        let child = command
            .process_group(group)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(Error::at("open", &log))?)
            .stderr(output)
            .spawn()
            .map_err(Error::at("start", Path::new(command.get_program())))?;
        Ok(Self { name, child, log })
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    pub fn report(&mut self) -> String {
        let state = match self.child.try_wait() {
            Ok(Some(status)) => format!("ended ({status})"),
            Ok(None) => "is running".to_owned(),
            Err(error) => format!("is in an unknown state ({error})"),
        };
        format!("{} {state}; the end of its log:\n{}", self.name, tail(&self.log))
    }

    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(Error::doing("look after a server process"))
    }

    /// Kills the process and waits until it has ended.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.child.kill().map_err(Error::doing("kill a server process"))?;
        self.child.wait().map(drop).map_err(Error::doing("look after a server process"))
    }

    /// Sends SIGTERM and waits until the process ends. Sends SIGKILL if the process is still
    /// running after `patience`.
    pub fn stop(mut self, patience: Duration) -> Result<(), Error> {
        // Use the shell's builtin `kill` for SIGTERM: the standard library can send only SIGKILL,
        // and some systems have no separate program `kill`.
        Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &self.child.id().to_string()])
            .status()
            .map_err(Error::doing("run sh"))?;
        let deadline = Instant::now() + patience;
        while self.ended()?.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ignore errors: both calls fail only if the process has ended and its exit status has been
        // read.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn tail(log: &Path) -> String {
    let bytes = match fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) => return format!("(cannot read {}: {error})", log.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
