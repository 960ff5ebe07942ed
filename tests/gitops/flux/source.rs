//! Provides a Git repository, and a replacement for Flux's source-controller that serves a commit
//! as an archive over HTTP. The real source-controller cannot be built, because the Go module proxy
//! lacks some of its modules.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Repository {
    folder: TempDir,
    address: String,
}

impl Repository {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("archives")).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let archives = folder.path().join("archives");
        // The thread needs no shutdown, because it ends with the test process.
        thread::spawn(move || {
            for connection in listener.incoming() {
                // Ignore broken connections, because the client retries.
                let _ = connection.and_then(|connection| answer(connection, &archives));
            }
        });
        let repository = Self { folder, address };
        fs::create_dir(repository.worktree()).unwrap();
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    fn worktree(&self) -> PathBuf {
        self.folder.path().join("worktree")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.worktree().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.worktree().join(name)).unwrap()
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.worktree().join(name)).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(arguments)
            .current_dir(self.worktree())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {complaints}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits all files. Returns the `artifact` of the commit, for the status of a
    /// `GitRepository`.
    pub fn commit(&self) -> Value {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=Change"]);
        let commit = self.git(&["rev-parse", "HEAD"]);
        let name = format!("{commit}.tar.gz");
        let archive = self.folder.path().join("archives").join(&name);
        // Archive the tree instead of the commit, because `git archive` adds a header with the
        // commit ID to the archive of a commit.
        let output = format!("--output={}", archive.display());
        self.git(&["archive", "--format=tar.gz", &output, "HEAD^{tree}"]);
        let content = fs::read(&archive).unwrap();
        let hash = digest(&SHA256, &content);
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "revision": format!("main@sha1:{commit}"),
            "digest": format!("sha256:{hash}"),
            "size": content.len(),
            "path": name,
            "url": format!("{}/{name}", self.address),
            "lastUpdateTime": "2026-11-24T11:00:00Z",
        })
    }
}

/// Answers one HTTP request with the content of a file in `folder`, or with status 404 if the file
/// does not exist.
fn answer(connection: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut request = BufReader::new(&connection).lines();
    let first = request.next().transpose()?.unwrap_or_default();
    while request.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
    let name = first.split(' ').nth(1).and_then(|path| Path::new(path).file_name());
    let content = name.and_then(|name| fs::read(folder.join(name)).ok());
    let (code, content) = content.map_or(("404 Not Found", vec![]), |content| ("200 OK", content));
    let length = content.len();
    write!(
        &connection,
        "HTTP/1.1 {code}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    (&connection).write_all(&content)
}
