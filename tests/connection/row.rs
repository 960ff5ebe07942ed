//! Runs one configuration with kubectl and with the program, and compares what arrives.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::control_plane::assets::{self, Assets};
use crate::exchange::Arrivals;
use crate::servers::Servers;

/// A configuration: the environment, the files of the working folder, and the options.
///
/// In all texts, words in `<>` stand for the ports, such as `<http-proxy>`, and for the
/// certificates of the servers.
#[derive(Clone, Copy, Default)]
pub struct Row {
    pub name: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
    pub files: &'static [(&'static str, &'static str)],
    pub options: &'static [&'static str],
}

/// A kubeconfig for a server that has a name which only a proxy can resolve.
pub const REMOTE: (&str, &str) = (
    "kubeconfig",
    r#"
clusters: [{name: c, cluster: {server: "https://api.example.test:6443", certificate-authority-data: <authority>}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"#,
);

/// The test environment of some rows.
pub struct Setting {
    pub folder: tempfile::TempDir,
    pub servers: Servers,
    replacements: Vec<(&'static str, String)>,
}

impl Setting {
    pub fn create() -> Self {
        let servers = Servers::start();
        let folder = tempfile::tempdir().unwrap();
        let certificates = &servers.certificates;
        let (certificate, key) = &certificates.client;
        let in_json = |pem: &str| pem.replace('\n', "\\\\n");
        let replacements = vec![
            ("<api>", servers.tls.to_string()),
            ("<plain>", servers.plain.to_string()),
            ("<http-proxy>", servers.http_proxy.to_string()),
            ("<https-proxy>", servers.https_proxy.to_string()),
            ("<socks-proxy>", servers.socks_proxy.to_string()),
            ("<authority>", STANDARD.encode(&certificates.authority)),
            ("<certificate>", STANDARD.encode(certificate)),
            ("<key>", STANDARD.encode(key)),
            ("<certificate-json>", in_json(certificate)),
            ("<key-json>", in_json(key)),
        ];
        fs::write(folder.path().join("authority.crt"), &certificates.authority).unwrap();
        fs::write(folder.path().join("client.crt"), certificate).unwrap();
        fs::write(folder.path().join("client.key"), key).unwrap();
        Self { folder, servers, replacements }
    }

    pub fn filled(&self, text: &str) -> String {
        let fill = |text: String, (word, value): &(&str, String)| text.replace(word, value);
        self.replacements.iter().fold(text.to_owned(), fill)
    }

    /// Returns a text with the ports replaced by the words that stand for them.
    pub fn shown(&self, text: &str) -> String {
        let ports = self.replacements.iter().filter(|(_, value)| value.parse::<u16>().is_ok());
        let show = |text: String, (word, value): &(&str, String)| {
            text.replace(&format!(":{value}"), &format!(":{word}"))
        };
        let text = ports.fold(text.to_owned(), show);
        text.replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    pub fn run(&self, program: &Path, command: &[&str], row: &Row) -> Output {
        let home = self.folder.path().join("home");
        // kubectl caches discovery in the home folder.
        let _ = fs::remove_dir_all(&home);
        fs::create_dir(&home).unwrap();
        for (name, content) in row.files {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.filled(content)).unwrap();
        }
        let environment = row.environment.iter().map(|(name, value)| (name, self.filled(value)));
        Command::new(program)
            .args(command)
            .args(row.options.iter().map(|option| self.filled(option)))
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("KUBECONFIG", "kubeconfig")
            .envs(environment)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs the program.
    pub fn run_ours(&self, row: &Row) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_clientfleet"));
        self.run(program, &["clients"], row)
    }

    /// Runs both, and returns what arrives from both, as text.
    pub fn compare(&self, row: &Row) -> String {
        self.servers.record.take();
        let of_kubectl = self.run(&kubectl().kubectl, &["get", "pods"], row);
        let theirs = self.servers.record.take();
        let of_program = self.run_ours(row);
        let ours = self.servers.record.take();
        let errors = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            self.text(&ours),
            self.text(&theirs),
            "{}: ours, then kubectl's\n{}\n{}",
            row.name,
            errors(&of_program),
            errors(&of_kubectl)
        );
        let has_arrived = !ours.requests.is_empty();
        assert_eq!(
            of_program.status.success(),
            has_arrived,
            "{}: {}",
            row.name,
            errors(&of_program)
        );
        format!("{}\n{}", row.name, self.text(&ours))
    }

    fn text(&self, arrivals: &Arrivals) -> String {
        let mut lines: Vec<String> = arrivals.requests.iter().cloned().collect();
        lines.extend(arrivals.namespaces.iter().map(|name| format!("namespace {name}")));
        if lines.is_empty() {
            lines.push("nothing arrives".to_owned());
        }
        lines.iter().map(|line| format!("  {}\n", self.shown(line))).collect()
    }

    /// Compares all rows, and returns what arrives.
    pub fn compare_all(&self, rows: &[Row]) -> String {
        rows.iter().map(|row| self.compare(row)).collect()
    }
}

fn kubectl() -> &'static Assets {
    static ASSETS: OnceLock<Assets> = OnceLock::new();
    ASSETS.get_or_init(|| assets::ensure(|line| eprintln!("{line}")).unwrap())
}
