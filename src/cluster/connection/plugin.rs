//! Runs a credential plugin: the program that a kubeconfig's user names under `exec`, which prints
//! a token or a client certificate.

use std::io::{self, IsTerminal, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::config::{Cluster, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde::{Deserialize, Serialize};

use crate::api::invisible::printable;

/// API versions of the exchange with a plugin, as supported by kubectl.
const API_VERSIONS: [&str; 2] =
    ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// Time after which what a plugin writes to standard error is shown. A plugin that ends earlier
/// has it in the error message.
const QUIET_TIME: Duration = Duration::from_millis(500);

/// Maximum number of characters of a plugin's output in an error message; the last ones count.
const MAX_OUTPUT_CHARACTERS: usize = 400;

/// A credential plugin of a kubeconfig's user.
#[derive(Clone)]
pub(super) struct Plugin {
    exec: ExecConfig,
    cluster: Option<ExecAuthCluster>,
    user: String,
}

/// What a plugin has printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub token: Option<String>,
    /// Client certificate and its key, in PEM format.
    pub certificate: Option<(String, String)>,
    pub expires: Option<Time>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Exchange {
    kind: String,
    api_version: String,
    #[serde(default, skip_deserializing)]
    spec: Request,
    #[serde(skip_serializing)]
    status: Option<Status>,
}

#[derive(Default, Serialize)]
struct Request {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ExecAuthCluster>,
    interactive: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Time>,
}

impl Plugin {
    /// Creates the plugin of a user. The plugin gets the cluster's data if it asks for them.
    ///
    /// # Errors
    ///
    /// Returns a message if the cluster's certificates cannot be read.
    pub fn new(exec: ExecConfig, cluster: &Cluster, user: &str) -> Result<Self, String> {
        let cluster = match exec.provide_cluster_info {
            true => Some(ExecAuthCluster::try_from(cluster).map_err(|error| error.to_string())?),
            false => None,
        };
        Ok(Self { exec, cluster, user: user.to_owned() })
    }

    /// Runs the plugin, and waits until it ends.
    ///
    /// # Errors
    ///
    /// Returns a message that names the program and contains its output.
    pub fn run(&self) -> Result<Credentials, String> {
        let command = self.exec.command.as_deref().unwrap_or_default();
        self.try_run(command).map_err(|why| {
            let command = if command.is_empty() { "without a name" } else { command };
            let owner = match self.user.as_str() {
                "" => String::new(),
                user => format!(" of user {user}"),
            };
            printable(&format!("credential plugin {command}{owner} {why}")).into_owned()
        })
    }

    fn try_run(&self, command: &str) -> Result<Credentials, String> {
        if command.is_empty() {
            return Err("cannot be run: write the program's name under exec.command".to_owned());
        }
        let api_version = self.exec.api_version.as_deref().unwrap_or_default();
        if !API_VERSIONS.contains(&api_version) {
            let known = API_VERSIONS.join(" or ");
            return Err(format!("has the apiVersion `{api_version}`: write {known}"));
        }
        let interactive = self.is_interactive()?;
        let request = Exchange {
            kind: "ExecCredential".to_owned(),
            api_version: api_version.to_owned(),
            spec: Request { interactive, cluster: self.cluster.clone() },
            status: None,
        };
        let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        let child = self.command(command, interactive, &request).spawn();
        let child = child.map_err(|error| self.not_started(&error))?;
        let (status, output, errors) =
            finish(child).map_err(|error| format!("cannot be waited for: {error}"))?;
        if !status.success() {
            return Err(format!("failed with {}{}", ending(status), said(&errors)));
        }
        credentials(&output, api_version)
    }

    fn command(&self, command: &str, interactive: bool, request: &str) -> Command {
        let mut plugin = Command::new(command);
        plugin.args(self.exec.args.iter().flatten());
        for variable in self.exec.env.iter().flatten() {
            if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
                plugin.env(name, value);
            }
        }
        plugin.env("KUBERNETES_EXEC_INFO", request).stdout(Stdio::piped());
        if interactive {
            // The plugin talks to the user, so that its prompts must appear at once.
            plugin.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            plugin.stdin(Stdio::null()).stderr(Stdio::piped());
        }
        plugin
    }

    fn is_interactive(&self) -> Result<bool, String> {
        let has_terminal = io::stdin().is_terminal();
        match self.exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => Ok(false),
            Some(ExecInteractiveMode::Always) if !has_terminal => {
                Err("asks questions, and standard input is not a terminal".to_owned())
            }
            Some(ExecInteractiveMode::Always) => Ok(true),
            Some(ExecInteractiveMode::IfAvailable) | None => Ok(has_terminal),
        }
    }

    fn not_started(&self, error: &io::Error) -> String {
        if error.kind() != io::ErrorKind::NotFound {
            return format!("cannot be started: {error}");
        }
        match self.exec.install_hint.as_deref().map(str::trim) {
            None | Some("") => "is not installed: no such program is in PATH".to_owned(),
            Some(hint) => format!("is not installed: {hint}"),
        }
    }
}

/// Waits for the end of a plugin. Returns its exit status, its output, and what it wrote to
/// standard error, if that is a pipe. A plugin that runs for longer than `QUIET_TIME` may wait for
/// its user, so that its messages are shown.
fn finish(mut child: Child) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let output = child.stdout.take();
    let output = thread::spawn(move || {
        let mut text = Vec::new();
        // An incomplete output is refused later, because it is no ExecCredential.
        let _ = output.map(|mut output| output.read_to_end(&mut text));
        text
    });
    let (mut errors, mut shown_bytes) = (Vec::new(), 0);
    if let Some(mut stream) = child.stderr.take() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                // The receiver may be gone; ignore that.
                let _ = sender.send(chunk[..length].to_vec());
            }
        });
        loop {
            match receiver.recv_timeout(QUIET_TIME) {
                Ok(chunk) => errors.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => break,
                // A process that the plugin has started may keep its standard error open.
                Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = io::stderr().write_all(&errors[shown_bytes..]);
                    shown_bytes = errors.len();
                }
            }
        }
    }
    let status = child.wait()?;
    let output = output.join().unwrap_or_default();
    Ok((status, output, errors))
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// Formats what a plugin wrote to standard error as the end of a sentence.
fn said(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines.join("; ");
    let skipped = text.chars().count().saturating_sub(MAX_OUTPUT_CHARACTERS);
    let end: String = text.chars().skip(skipped).collect();
    match (end.as_str(), skipped) {
        ("", _) => String::new(),
        (end, 0) => format!(": {end}"),
        (end, _) => format!(": …{end}"),
    }
}

/// Reads the credentials in a plugin's output. The messages do not quote it, because it can contain
/// a secret.
fn credentials(output: &[u8], api_version: &str) -> Result<Credentials, String> {
    let text = String::from_utf8_lossy(output);
    if text.trim().is_empty() {
        return Err("has printed nothing, and not an ExecCredential".to_owned());
    }
    let answer: Exchange = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("has not printed an ExecCredential: line {line} column {column} is not valid")
    })?;
    if answer.kind != "ExecCredential" {
        return Err(format!("has printed the kind `{}`, and not an ExecCredential", answer.kind));
    }
    if answer.api_version != api_version {
        return Err(format!(
            "is configured with apiVersion {api_version}, but has printed {}",
            answer.api_version
        ));
    }
    let Some(status) = answer.status else {
        return Err("has printed an ExecCredential without a status".to_owned());
    };
    let Status { token, client_certificate_data, client_key_data, expiration_timestamp } = status;
    // Like kubectl, treat an empty text as absent.
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let token = filled(token);
    let certificate = match (filled(client_certificate_data), filled(client_key_data)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) if token.is_none() => {
            return Err("has printed neither a token nor a client certificate".to_owned());
        }
        (None, None) => None,
        (Some(_), None) => {
            return Err("has printed a client certificate without its key".to_owned());
        }
        (None, Some(_)) => {
            return Err("has printed a key without its client certificate".to_owned());
        }
    };
    Ok(Credentials { token, certificate, expires: expiration_timestamp })
}
