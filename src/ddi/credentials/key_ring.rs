//! Derives tokens from keys, and checks tokens against them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::key_file::{self, KeyFileError};
use super::token::Token;

/// Prefix of the hashed text. It keeps a token from being valid for another purpose, and it must
/// never change, because tokens are in the configuration of every agent.
const HMAC_CONTEXT: &[u8] = b"clientfleet-ddi-v1";

/// The keys that tokens are derived from. The first key signs; all keys are valid, so that a new
/// key can be added before the old one is removed. `Debug` does not print the keys.
#[derive(Clone)]
pub struct KeyRing {
    signing: hmac::Key,
    older: Vec<hmac::Key>,
}

impl KeyRing {
    /// Parses the text of a key file: one key of at least 32 bytes per line, in base64 or
    /// hexadecimal, with comments after `#`.
    ///
    /// # Errors
    /// Returns a [`KeyFileError`] with the line number if a line is not a key.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let keys = key_file::parse(text)?;
        let mut keys = keys.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key));
        let signing = keys.next().ok_or(KeyFileError::NoKey)?;
        Ok(Self { signing, older: keys.collect() })
    }

    /// Returns the token of a client: 43 characters of base64url (RFC 4648, section 5) without
    /// padding.
    #[must_use]
    pub fn token(&self, namespace: &str, client: &str) -> Token {
        let tag = hmac::sign(&self.signing, &message(namespace, client));
        Token::new(URL_SAFE_NO_PAD.encode(tag))
    }

    /// Returns whether a token is that of a client, with any of the keys. The time does not depend on
    /// how much of the token is right, nor on which key is.
    #[must_use]
    pub fn accepts(&self, token: &Token, namespace: &str, client: &str) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(token.reveal()).unwrap_or_default();
        let message = message(namespace, client);
        let keys = std::iter::once(&self.signing).chain(&self.older);
        keys.fold(false, |is_valid, key| is_valid | hmac::verify(key, &message, &tag).is_ok())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", 1 + self.older.len())
    }
}

/// Returns the text that is hashed. Names contain no NUL, which separates them.
fn message(namespace: &str, client: &str) -> Vec<u8> {
    [HMAC_CONTEXT, namespace.as_bytes(), client.as_bytes()].join(&0)
}
