//! Parses the `Authorization` header of an agent.

use super::Token;

/// Maximum length of a header in bytes.
const MAX_HEADER_BYTES: usize = 1024;

/// What an agent presents to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// `TargetToken T`: the token of one client.
    Target(Token),
    /// `GatewayToken T`: the token of a gateway that speaks for several clients.
    Gateway(Token),
}

/// Why a header is not accepted. The messages do not contain the header, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// The header has no scheme and token.
    #[error("the header Authorization must be \"TargetToken TOKEN\" or \"GatewayToken TOKEN\"")]
    Malformed,
    /// The header has another scheme, such as `Bearer`.
    #[error("the header Authorization has another scheme than TargetToken and GatewayToken")]
    UnknownScheme,
}

impl Authorization {
    /// Parses the value of the header: the scheme, one or more blanks, and the token (RFC 9110,
    /// section 11.4). The case of the scheme does not matter.
    ///
    /// # Errors
    /// Returns an [`AuthorizationError`] if the value has another form.
    pub fn parse(value: &[u8]) -> Result<Self, AuthorizationError> {
        let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_HEADER_BYTES);
        let mut words = text.unwrap_or_default().split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(scheme), Some(token), None) = (words.next(), words.next(), words.next()) else {
            return Err(AuthorizationError::Malformed);
        };
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AuthorizationError::Malformed);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "targettoken" => Ok(Self::Target(Token::new(token))),
            "gatewaytoken" => Ok(Self::Gateway(Token::new(token))),
            _ => Err(AuthorizationError::UnknownScheme),
        }
    }
}
