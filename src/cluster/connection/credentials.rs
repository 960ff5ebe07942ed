//! Supplies the bearer token of each request: from a file that is replaced now and then, or from a
//! credential plugin whose token expires.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use http::HeaderValue;
use tokio::sync::Mutex;

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
    File { path: PathBuf, read: Option<(String, Instant)> },
    Plugin { plugin: Box<Plugin>, latest: Option<Credentials> },
}

impl TokenSource {
    /// Creates a source that reads a file.
    pub fn file(path: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(State::File { path, read: None })))
    }

    /// Creates a source that runs a plugin, which has already printed the credentials `latest`.
    pub fn plugin(plugin: Plugin, latest: Credentials) -> Self {
        Self(Arc::new(Mutex::new(State::Plugin { plugin: Box::new(plugin), latest: Some(latest) })))
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
                let is_current = |at: &Instant| at.elapsed() < FILE_TOKEN_LIFETIME;
                if !read.as_ref().is_some_and(|(_, at)| is_current(at)) {
                    match (std::fs::read_to_string(&*path), read.as_mut()) {
                        (Ok(text), _) => *read = Some((text.trim().to_owned(), Instant::now())),
                        // The file may be gone after the start; the last token can still be valid.
                        (Err(_), Some((_, at))) => *at = Instant::now(),
                        (Err(error), None) => {
                            return Err(format!("the token file {}: {error}", path.display()));
                        }
                    }
                }
                read.as_ref().map(|(token, _)| token.clone())
            }
            State::Plugin { plugin, latest } => {
                let is_current = |latest: &&Credentials| match &latest.expires {
                    Some(expires) => {
                        expires.0.as_second() > (Utc::now() + EXPIRY_MARGIN).timestamp()
                    }
                    None => true,
                };
                match latest.as_ref().filter(is_current) {
                    Some(current) => current.token.clone(),
                    None => latest.insert(run((**plugin).clone()).await?).token.clone(),
                }
            }
        };
        token.map(|token| bearer(&token)).transpose()
    }

    /// Forgets the token that an API server has refused. The next request gets a new one.
    pub async fn refuse(&self) {
        match &mut *self.0.lock().await {
            State::File { read: Some((_, at)), .. } => {
                *at = at.checked_sub(FILE_TOKEN_LIFETIME).unwrap_or(*at);
            }
            State::File { .. } => {}
            State::Plugin { latest, .. } => *latest = None,
        }
    }
}

/// Runs a plugin on a thread of its own, because it can wait for its user.
pub(super) async fn run(plugin: Plugin) -> Result<Credentials, String> {
    let run = tokio::task::spawn_blocking(move || plugin.run()).await;
    run.unwrap_or_else(|error| Err(format!("the credential plugin was not run: {error}")))
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| "the token contains control characters".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
