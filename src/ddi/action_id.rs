//! Defines the id of an action: one offer of one version to one client, as the agent sees it.

use std::fmt;

use ring::digest;
use serde::{Serialize, Serializer};

use crate::values::Timestamp;

/// Prefix of the hashed text. A change gives every open action another id, which makes swupdate and
/// rauc-hawkbit-updater install again, so it must never change.
const HASH_CONTEXT: &[u8] = b"clientfleet-ddi-action-v1";
/// Maximum length of an id in decimal digits.
const MAX_DIGITS: usize = 10;

/// Id of an action: 1 to 2,147,483,647, and not divisible by 10.
///
/// swupdate and Zephyr store the id in an `int32_t`, and Zephyr 3 cannot cancel an id that ends in 0
/// (zephyr#89530). In JSON the id is text, because rauc-hawkbit-updater ignores numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(u32);

impl ActionId {
    /// Maximum id: the largest `int32_t`.
    pub const MAX: u32 = i32::MAX as u32;

    /// Returns the id of the offer of `version` that was opened for a client at `time`
    /// (`lastOffer.version` and `lastOffer.time` in the status).
    ///
    /// The id is a hash, so all replicas and releases agree on it without a database. A later offer
    /// of the same version has another `time` and another id. Kubernetes names and versions contain
    /// no NUL, which separates the hashed values.
    #[must_use]
    pub fn of(namespace: &str, client: &str, version: &str, time: Timestamp) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(HASH_CONTEXT);
        for part in [namespace, client, version, &time.timestamp().to_string()] {
            hash.update(b"\0");
            hash.update(part.as_bytes());
        }
        let hash = hash.finish();
        let first = hash.as_ref().iter().take(4).fold(0, |id, byte| id << 8 | u32::from(*byte));
        let id = first & Self::MAX;
        // The largest multiple of 10 is 7 below the maximum, so 1 more is still an id.
        Self(if id.is_multiple_of(10) { id + 1 } else { id })
    }

    /// Parses an id as it appears in a path: decimal digits without a sign or leading zeros. Returns
    /// `None` for a text that this service never sends as an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_decimal = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        let id: u32 = text.parse().ok().filter(|_| is_decimal && !text.starts_with('0'))?;
        (id <= Self::MAX && !id.is_multiple_of(10)).then_some(Self(id))
    }

    /// Returns the id as a number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ActionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(namespace: &str, client: &str, version: &str, time: &str) -> u32 {
        let time = time.parse().expect("an instant");
        ActionId::of(namespace, client, version, time).get()
    }

    #[test]
    fn ids_stay_the_same_in_every_release() {
        let time = "2026-11-28T12:00:00Z";
        assert_eq!(id("clients", "dev1", "3.59.127.0", time), 116_184_998);
        assert_eq!(id("clients", "WS é", "v2", "2000-01-01T00:00:00Z"), 1_567_394_223);
        assert_eq!(id("", "", "", "1970-01-01T00:00:00Z"), 752_256_552);
        assert_ne!(id("a", "bc", "1", time), id("ab", "c", "1", time));
        assert_ne!(id("a", "b", "1", time), id("a", "b", "1", "2026-11-28T12:00:01Z"));
    }

    #[test]
    fn only_texts_that_are_sent_as_ids_are_parsed() {
        for text in ["1", "9", "2147483647", "101"] {
            assert_eq!(ActionId::parse(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "0",
            "10",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "1e1",
            "2147483648",
            "4294967297",
            "00000000001",
            "٣",
            "x",
        ] {
            assert_eq!(ActionId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_is_text_in_json() {
        assert_eq!(serde_json::to_string(&ActionId(81)).ok().as_deref(), Some("\"81\""));
    }
}
