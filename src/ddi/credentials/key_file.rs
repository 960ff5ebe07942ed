//! Parses the text of a key file: one key per line, in hexadecimal or base64.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Minimum length of a key in bytes: the length of the hash (RFC 2104, section 3).
pub(super) const MIN_KEY_BYTES: usize = 32;
/// Maximum number of keys. Each check of a token computes a hash with each key.
const MAX_KEYS: usize = 16;

/// Padding is optional, because some tools leave it out.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Base64 with `+` and `/` (RFC 4648, section 4).
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
/// Base64 with `-` and `_` (RFC 4648, section 5).
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// What is wrong with a key file. The messages do not contain the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// A line is not a key.
    #[error(
        "line {line}: not a key: write at least {MIN_KEY_BYTES} random bytes in base64 or \
         hexadecimal, as `openssl rand -base64 32` prints them"
    )]
    BadKey {
        /// Number of the line, counted from 1.
        line: usize,
    },
    /// A key is too short.
    #[error(
        "line {line}: the key has {bytes} bytes: write at least {MIN_KEY_BYTES}, as `openssl rand \
         -base64 32` prints them"
    )]
    ShortKey {
        /// Number of the line, counted from 1.
        line: usize,
        /// Length of the key.
        bytes: usize,
    },
    /// There are no keys.
    #[error("the file has no key: write one, as `openssl rand -base64 32` prints it")]
    NoKey,
    /// There are too many keys.
    #[error("line {line}: the file has more than {MAX_KEYS} keys: remove the oldest ones")]
    TooManyKeys {
        /// Number of the line of the first key that is too many, counted from 1.
        line: usize,
    },
}

/// Parses the text of a key file. Empty lines and text after a `#` are ignored.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<u8>>, KeyFileError> {
    let mut keys = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, written) in text.lines().enumerate() {
        let line = index + 1;
        let written = written.split('#').next().unwrap_or_default().trim();
        if written.is_empty() {
            continue;
        }
        let key = decode(written).ok_or(KeyFileError::BadKey { line })?;
        if key.len() < MIN_KEY_BYTES {
            return Err(KeyFileError::ShortKey { line, bytes: key.len() });
        }
        if keys.len() == MAX_KEYS {
            return Err(KeyFileError::TooManyKeys { line });
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(KeyFileError::NoKey) } else { Ok(keys) }
}

/// Decodes a key. Hexadecimal digits are a key in hexadecimal, although they are valid base64 too: 43
/// random characters of base64 are all hexadecimal digits once in 10^20 keys.
fn decode(written: &str) -> Option<Vec<u8>> {
    let base64 = || BASE64.decode(written).or_else(|_| BASE64_URL.decode(written)).ok();
    decode_hex(written).or_else(base64)
}

fn decode_hex(written: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Vec<u32> = written.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let is_whole = digits.len().is_multiple_of(2);
    is_whole.then(|| digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}
