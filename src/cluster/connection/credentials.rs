//! Supplies the bearer token of each request: from a file that is replaced now and then, or from a
//! credential plugin whose token expires.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinHandle};

use super::plugin::{Credentials, Plugin};

/// Time after which a token file is read again.
const FILE_TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// Time before its expiry at which a plugin's token is replaced.
const EXPIRY_MARGIN: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// A source of bearer tokens. Clones share the token.
#[derive(Clone)]
pub(super) struct TokenSource(Arc<Mutex<State>>);

/// The text contains no token.
impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSource")
    }
}

enum State {
    /// The token, and when the file is read again.
    File {
        path: PathBuf,
        read: Option<(String, Instant)>,
    },
    Plugin(Box<PluginState>),
}

struct PluginState {
    plugin: Plugin,
    latest: Option<Credentials>,
    /// A run that has not ended. It outlives the request that has started it, because a request may
    /// be abandoned, and a plugin that hangs must not be started once per request.
    running: Option<JoinHandle<Result<Credentials, String>>>,
}

impl TokenSource {
    /// Creates a source that reads a file. Like kubectl, it returns the token `otherwise` while the
    /// file cannot be read or is empty.
    pub fn file(path: PathBuf, otherwise: Option<String>) -> Self {
        let read = otherwise.map(|token| (token, Instant::now()));
        Self(Arc::new(Mutex::new(State::File { path, read })))
    }

    /// Creates a source that runs a plugin, which has already printed the credentials `latest`.
    pub fn plugin(plugin: Plugin, latest: Credentials) -> Self {
        let state = PluginState { plugin, latest: Some(latest), running: None };
        Self(Arc::new(Mutex::new(State::Plugin(Box::new(state)))))
    }

    /// Returns the header with the current token; `None` if the plugin supplies only a certificate.
    ///
    /// # Errors
    ///
    /// Returns a message that names the file or the plugin.
    pub async fn header(&self) -> Result<Option<HeaderValue>, String> {
        let mut state = self.0.lock().await;
        let token = match &mut *state {
            State::File { path, read } => {
                let now = Instant::now();
                if read.as_ref().is_none_or(|(_, until)| now >= *until) {
                    let until = now + FILE_TOKEN_LIFETIME;
                    match (token_of(path), read.as_mut()) {
                        (Ok(token), _) => *read = Some((token, until)),
                        // The file may be gone after the start; the last token can still be valid.
                        (Err(_), Some(last)) => last.1 = until,
                        (Err(error), None) => {
                            return Err(format!("the token file {}: {error}", path.display()));
                        }
                    }
                }
                read.as_ref().map(|(token, _)| token.clone())
            }
            State::Plugin(state) => state.credentials().await?.token.clone(),
        };
        token.map(|token| bearer(&token)).transpose()
    }

    /// Forgets the token of a request that an API server has refused, so that the next request gets
    /// a new one. A token that has replaced it in the meantime is kept.
    pub async fn refuse(&self, refused: Option<&HeaderValue>) {
        match &mut *self.0.lock().await {
            State::File { read, .. } => {
                if let Some((token, until)) = read
                    && bearer(token).ok().as_ref() == refused
                {
                    *until = Instant::now();
                }
            }
            State::Plugin(state) => {
                let token = state.latest.as_ref().and_then(|latest| latest.token.as_deref());
                if token.and_then(|token| bearer(token).ok()).as_ref() == refused {
                    state.latest = None;
                }
            }
        }
    }
}

impl PluginState {
    /// Returns the latest credentials. Runs the plugin if there are none or they expire.
    async fn credentials(&mut self) -> Result<&Credentials, String> {
        let is_current = |latest: &Credentials| match &latest.expires {
            Some(expires) => expires.0.as_second() > (Utc::now() + EXPIRY_MARGIN).timestamp(),
            None => true,
        };
        let latest = match self.latest.take().filter(is_current) {
            Some(current) => current,
            None => {
                let running = self.running.get_or_insert_with(|| start(self.plugin.clone()));
                let result = running.await;
                self.running = None;
                ended(result)?
            }
        };
        Ok(self.latest.insert(latest))
    }
}

/// Runs a plugin on a thread of its own, because it can wait for its user.
pub(super) async fn run(plugin: Plugin) -> Result<Credentials, String> {
    ended(start(plugin).await)
}

fn start(plugin: Plugin) -> JoinHandle<Result<Credentials, String>> {
    tokio::task::spawn_blocking(move || plugin.run())
}

fn ended(run: Result<Result<Credentials, String>, JoinError>) -> Result<Credentials, String> {
    run.unwrap_or_else(|error| Err(format!("the credential plugin was not run: {error}")))
}

fn token_of(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        token => Ok(token.to_owned()),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| "the token contains control characters".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    /// Returns a plugin that runs a shell script, and writes a line to the file `runs` before.
    fn plugin(folder: &Path, script: &str) -> Plugin {
        let script = format!("echo >> {}; {script}", folder.join("runs").display());
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "interactiveMode": "Never",
            "command": "sh",
            "args": ["-c", script],
        });
        let exec = serde_json::from_value(exec).unwrap();
        Plugin::new(exec, &kube::config::Cluster::default(), "jane").unwrap()
    }

    fn prints(token: &str) -> String {
        let credentials = json!({
            "kind": "ExecCredential",
            "apiVersion": "client.authentication.k8s.io/v1",
            "status": {"token": token},
        });
        format!("echo '{credentials}'")
    }

    fn credentials(token: &str, expires: Option<&str>) -> Credentials {
        let expires = expires.map(|at| serde_json::from_value(json!(at)).unwrap());
        Credentials { token: Some(token.to_owned()), certificate: None, expires }
    }

    fn runs(folder: &Path) -> usize {
        fs::read_to_string(folder.join("runs")).unwrap_or_default().lines().count()
    }

    #[tokio::test]
    async fn an_abandoned_request_does_not_start_the_plugin_again() {
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let script =
            format!("until [ -e {} ]; do sleep 0.05; done; {}", go.display(), prints("new"));
        let expired = credentials("old", Some("2020-01-01T00:00:00Z"));
        let source = TokenSource::plugin(plugin(folder.path(), &script), expired);
        for _ in 0..3 {
            let waiting = tokio::time::timeout(Duration::from_millis(100), source.header()).await;
            assert!(waiting.is_err(), "the plugin has not ended");
        }
        fs::write(go, "").unwrap();
        assert_eq!(source.header().await.unwrap().unwrap(), "Bearer new");
        assert_eq!(runs(folder.path()), 1);
    }

    #[tokio::test]
    async fn a_late_refusal_does_not_discard_the_newer_token() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = plugin(folder.path(), &prints("new"));
        let source = TokenSource::plugin(plugin, credentials("old", None));
        let old = source.header().await.unwrap();
        for _ in 0..3 {
            source.refuse(old.as_ref()).await;
            assert_eq!(source.header().await.unwrap().unwrap(), "Bearer new");
        }
        assert_eq!(runs(folder.path()), 1);
    }

    #[tokio::test]
    async fn a_refused_token_of_a_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "old").unwrap();
        let source = TokenSource::file(file.clone(), None);
        let old = source.header().await.unwrap();
        fs::write(&file, "new").unwrap();
        assert_eq!(source.header().await.unwrap(), old, "it is not read for each request");
        source.refuse(old.as_ref()).await;
        assert_eq!(source.header().await.unwrap().unwrap(), "Bearer new");
        fs::remove_file(&file).unwrap();
        source.refuse(source.header().await.unwrap().as_ref()).await;
        assert_eq!(source.header().await.unwrap().unwrap(), "Bearer new", "the last one is kept");
    }
}
