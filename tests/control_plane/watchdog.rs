//! Cleans up after the test process, whether it ends normally, by a panic, by Ctrl-C or by SIGKILL.
//!
//! Two small processes read from a pipe to which nothing is ever written. Only the test process
//! holds the write end (close-on-exec), so both reach the end of the pipe when the test process
//! ends:
//! - The anchor leads the process group that the servers join. It only prevents another process
//!   group from getting the same ID.
//! - The watchdog runs in another process group, and creates the data folder. At the end of the
//!   pipe it kills the servers' group and removes the folder.
//!
//! `PR_SET_PDEATHSIG` does not work: it sends its signal when the thread that started the servers
//! ends, and each test runs in its own thread.

use std::io::{self, BufRead, BufReader, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::Error;

/// Shell script that the watchdog runs. It tries up to 10 times to remove the folder, because a
/// killed server may still be creating a file.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
folder=$(mktemp -d "${TMPDIR:-/tmp}/clientfleet-control-plane.XXXXXX") || exit 1
echo "$folder"
exec >/dev/null
cat
kill -s KILL -- "-$1" 2>/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$folder" 2>/dev/null && exit 0
    sleep 0.1
done
exit 1
"#;

pub struct Watchdog {
    /// Write end of the pipe that the anchor and the watchdog read. Closing this end makes the
    /// watchdog clean up.
    leash: Option<PipeWriter>,
    anchor: Child,
    watchdog: Child,
    folder: PathBuf,
}

impl Watchdog {
    pub fn start() -> Result<Self, Error> {
        let (reader, leash) = io::pipe().map_err(Error::doing("open a pipe"))?;
        let anchor = Command::new("cat")
            .process_group(0)
            .stdin(reader.try_clone().map_err(Error::doing("open a pipe"))?)
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::doing("run cat"))?;
        let mut watchdog = Command::new("sh")
            .args(["-c", SCRIPT, "sh", &anchor.id().to_string()])
            .process_group(0)
            .stdin(reader)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::doing("run sh"))?;
        let mut folder = String::new();
        if let Some(output) = watchdog.stdout.take() {
            BufReader::new(output)
                .read_line(&mut folder)
                .map_err(Error::doing("hear from the watchdog"))?;
        }
        let folder = PathBuf::from(folder.trim_end());
        let started = Self { leash: Some(leash), anchor, watchdog, folder };
        match started.folder.is_absolute() {
            true => Ok(started),
            false => Err(Error::new(
                "cannot make a temporary folder: is TMPDIR an absolute path that can be written?",
            )),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn group(&self) -> i32 {
        self.anchor.id().cast_signed()
    }
}

impl Drop for Watchdog {
    /// Ends the anchor and the watchdog, and returns after the folder has been removed.
    fn drop(&mut self) {
        self.leash.take();
        // Closing the pipe ends both processes, so `wait` returns soon. Ignore errors, because
        // `drop` cannot return them.
        let _ = self.anchor.wait();
        let _ = self.watchdog.wait();
    }
}
