//! Parses the list of the clients whose tokens are no longer valid.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::api::{is_client_name, patterns};

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevokedFileError {
    /// A line names no client.
    #[error(
        "line {line}: not a client: write the namespace, a slash and the client's name, as \
         clients-emea/dev-17, or # before a comment"
    )]
    NotAClient {
        /// Number of the line, counted from 1.
        line: usize,
    },
    /// A line begins with something else than a namespace.
    #[error(
        "line {line}: what precedes the first slash is not the name of a namespace: write \
         NAMESPACE/CLIENT, as clients-emea/dev-17"
    )]
    BadNamespace {
        /// Number of the line, counted from 1.
        line: usize,
    },
    /// The name of a client is not valid.
    #[error("line {line}: no client can have the name after the first slash")]
    BadClientName {
        /// Number of the line, counted from 1.
        line: usize,
    },
}

/// The clients whose tokens are no longer valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedClients {
    by_namespace: HashMap<String, HashSet<String>>,
}

impl RevokedClients {
    /// Parses a list with one `NAMESPACE/CLIENT` per line. Ignores empty lines and lines that begin
    /// with `#`. A name may contain `#` and `/`.
    ///
    /// # Errors
    /// Returns a [`RevokedFileError`] with the line number if a line names no client.
    pub fn parse(text: &str) -> Result<Self, RevokedFileError> {
        let mut revoked = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, written) in text.lines().enumerate() {
            let line = index + 1;
            if written.trim().is_empty() || written.trim_start().starts_with('#') {
                continue;
            }
            let (namespace, client) = written
                .trim_start()
                .split_once('/')
                .ok_or(RevokedFileError::NotAClient { line })?;
            if !is_namespace(namespace) {
                return Err(RevokedFileError::BadNamespace { line });
            }
            if !is_client_name(client) {
                return Err(RevokedFileError::BadClientName { line });
            }
            let clients = revoked.by_namespace.entry(namespace.to_owned()).or_default();
            clients.insert(client.to_owned());
            // A blank at the end may be part of the name, but is rather a mistake that would leave
            // the token valid.
            let trimmed = client.trim_end();
            if !trimmed.is_empty() {
                clients.insert(trimmed.to_owned());
            }
        }
        Ok(revoked)
    }

    /// Returns whether the tokens of a client are no longer valid.
    #[must_use]
    pub fn contains(&self, namespace: &str, client: &str) -> bool {
        self.by_namespace.get(namespace).is_some_and(|clients| clients.contains(client))
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_namespace.values().map(HashSet::len).sum()
    }

    /// Returns whether no client is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_namespace.is_empty()
    }
}

fn is_namespace(text: &str) -> bool {
    static REGEX: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&patterns::namespace().regex).ok());
    REGEX.as_ref().is_some_and(|regex| regex.is_match(text))
}
