//! Defines the maximum lengths and counts of both resources. Knows neither types nor messages.
//!
//! Everything is bounded for two reasons:
//!
//! - A request to etcd holds 1.5 MiB. If an object does not fit with its `managedFields`, the API
//!   server silently drops them and tries again. Server-side apply then knows no owners.
//! - The API server refuses a CRD whose CEL rules might cost too much. It estimates the cost at
//!   these maxima.
//!
//! Measured on Kubernetes 1.36.3, with every value at its maximum length and cost and owned by
//! three field managers. A request has 1,572,864 bytes:
//!
//! - A fleet takes 1,421,028 bytes, including 463,872 for `managedFields` and 349,183 for the
//!   status.
//! - A policy takes 1,465,914 bytes, including 66,816 for `managedFields` and 31,460 for the
//!   status.
//! - The estimated CEL cost is 0.1 million units for `ClientFleet` and 4.2 million for
//!   `UpgradePolicy`. The most expensive rule costs 0.64 million. The limits are 100 million per
//!   CRD and 10 million per rule.
//!
//! The remaining bytes are for labels and annotations of the object, which no schema can bound.
//! `tests/largest_objects.rs` checks that the largest objects fit.

/// Maximum number of clients per fleet. The cost of one client's change is proportional to the size
/// of its fleet, so a larger estate needs several fleets.
pub const CLIENTS: usize = 250;
/// Maximum number of retained versions, and of withdrawn versions, per fleet.
pub const VERSIONS: usize = 16;
/// Maximum number of labels per client. Each key is stored four times: in the spec and for three
/// field managers.
pub const CLIENT_LABELS: usize = 4;

/// Maximum length of a client's name and of a computer's name: a DNS label (RFC 1035, section
/// 2.3.4).
pub const NAME: usize = 63;
/// Maximum length of a name with a non-ASCII character, which takes up to four bytes. NetBIOS names
/// have at most 15 characters.
pub const WIDE_NAME: usize = 31;
/// Maximum length of a user, written as `DOMAIN\name` or `name@domain`.
pub const USER: usize = 64;
/// Maximum length of a user with a non-ASCII character. A NetBIOS domain takes 15 characters, the
/// backslash 1, an account in Active Directory 20; the rest is reserve.
pub const WIDE_USER: usize = 48;
/// Maximum length of an address. One without a zone ID has at most 45 characters, but reported ones
/// may have a zone ID.
pub const IP: usize = 64;
/// Maximum length of a version, with space for a pre-release and build metadata.
pub const VERSION: usize = 64;
/// Maximum length of a reported address or version with a non-ASCII character, which makes it
/// invalid.
pub const WIDE_VALUE: usize = 32;
/// Maximum length of an IANA time zone; the longest, `America/Argentina/ComodRivadavia`, has 32
/// characters.
pub const TIME_ZONE: usize = 40;
/// Maximum length of a reported instant; with nanoseconds and an offset it takes 35 characters.
pub(crate) const REPORTED_TIME: usize = 40;
/// Maximum length of a reported time zone or instant with a non-ASCII character, which makes it
/// invalid.
pub const WIDE_SHORT: usize = 20;
/// Maximum length of an error message.
pub const ERROR_MESSAGE: usize = 128;
/// Maximum length of a label's key, and of its value.
pub const LABEL: usize = 63;
/// Maximum length of an object's name, which is a DNS subdomain.
pub const OBJECT_NAME: usize = 253;
/// Maximum length of a policy's name. The status of each client that it governs contains it twice.
pub const POLICY_NAME: usize = 63;
/// Maximum length of an instant, date, time of day, network or operator in a policy. It exceeds
/// every valid value, so that an invalid one fails a rule, whose message says what to write.
pub const WRITTEN_VALUE: usize = 64;

/// Maximum number of windows per policy.
pub const WINDOWS: usize = 32;
/// Maximum number of exclusions per policy.
pub const EXCLUSIONS: usize = 64;
/// Maximum number of client selectors in `clients`, and in `exclude`.
pub const SELECTORS: usize = 16;
/// Maximum number of names, computers or users per client selector.
pub const SELECTED_NAMES: usize = 64;
/// Maximum number of networks per client selector.
pub const SELECTED_CIDRS: usize = 32;
/// Maximum length of a client selector's `search`, with all keywords.
pub const SEARCH: usize = 128;
/// Maximum number of `matchLabels` per label selector.
pub const MATCH_LABELS: usize = 8;
/// Maximum number of `matchExpressions` per label selector.
pub const MATCH_EXPRESSIONS: usize = 8;
/// Maximum number of values per match expression.
pub const MATCH_VALUES: usize = 16;

/// Minimum and maximum hours until a failed client is offered the version again.
pub(crate) const RETRY_HOURS: (i64, i64) = (1, 720);
/// Minimum and maximum days until a client that is not seen is offline.
pub(crate) const OFFLINE_DAYS: (i64, i64) = (1, 365);

/// Maximum number of conditions per status: twice the number of condition types.
pub const CONDITIONS: usize = 8;
/// Maximum length of a condition's message. Code that writes a message must respect it: the API
/// server refuses a status that contains a longer one.
pub const CONDITION_MESSAGE: usize = 1024;
/// Maximum length of a state, reason, mode or condition type, with space for future values.
pub const WORD: usize = 64;
/// Maximum number of entries in `status.unmatched`.
pub const UNMATCHED: usize = 20;
/// Maximum length of an entry in `status.unmatched`, such as `scope.clients[15].computers: ` and
/// the value.
pub const UNMATCHED_ENTRY: usize = 128;
/// Maximum number of entries in `status.availableSettings`: `NoUpgrade`, `AutoUpgrade` and 20
/// versions.
pub const AVAILABLE_SETTINGS: usize = 22;
