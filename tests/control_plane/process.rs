//! One server process: started with a log file of its own, watched, stopped, and never left behind as a zombie.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;

/// How many of a log's last lines an error shows.
const TAIL_LINES: usize = 25;

pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// The process joins `group`, so that one signal ends all servers of a control plane, and so that Ctrl-C in the
    /// terminal reaches the program that uses them and not, at the same moment, them.
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

    /// Where it writes what it has to say.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what it wrote, and how it ended, if it has.
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

    /// Asks it to end, as an administrator would, and returns when it has; it has `patience` to do so by itself.
    pub fn stop(mut self, patience: Duration) -> Result<(), Error> {
        // The standard library can only kill, and `kill` is a program only on some systems but a word of every shell.
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
        // Both fail only for a process that has ended and been waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let bytes = match fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) => return format!("(cannot read {}: {error})", log.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
