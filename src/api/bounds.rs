//! Defines the maximum lengths and counts of the values in both resources. All of them are limited
//! for two reasons:
//!
//! - A request to etcd can have at most 1.5 MiB. If an object with its `managedFields` is larger,
//!   the API server silently drops the `managedFields`, and server-side apply loses the record of
//!   the field managers.
//! - The API server refuses a CRD whose CEL rules might be too expensive for values of the maximum
//!   length and count.
//!
//! On Kubernetes 1.36.3, with every value at its maximum size in bytes and owned by three field
//! managers:
//!
//! - A fleet takes 1,421,028 of the 1,572,864 bytes of a request, and a policy takes 1,398,384
//!   bytes.
//! - The estimated CEL cost is 0.1 million units for `ClientFleet` and 11.6 million for
//!   `UpgradePolicy`, of 100 million per CRD. The most expensive rule costs 2.5 million, of 10
//!   million per rule.
//!
//! The remaining bytes are for labels and annotations, which no schema can limit.
//! `tests/largest_objects.rs` checks that the largest objects fit into a request.

/// Maximum number of clients per fleet. The cost of changing one client is proportional to the size
/// of its fleet, so large estates use several fleets.
pub const CLIENTS: usize = 250;
/// Maximum number of retained versions, and of withdrawn versions, per fleet.
pub const VERSIONS: usize = 16;
/// Maximum number of labels per client. With three field managers, a fleet contains each key four
/// times: once in the spec, and once in `managedFields` for each manager.
pub const CLIENT_LABELS: usize = 4;

/// Maximum length of a client's name and of a computer's name. It is the limit of a DNS label (RFC
/// 1035, section 2.3.4).
pub const NAME: usize = 63;
/// Maximum length of a client's name that contains non-ASCII characters, each of which takes up to
/// four bytes. A NetBIOS name fits, because it has at most 15 characters.
pub const WIDE_NAME: usize = 31;
/// Maximum length of a user name, written as `DOMAIN\name` or `name@domain`. `reported_text` limits
/// the length further if the name contains other characters than ASCII.
pub const USER: usize = 96;
/// Maximum length of a user name whose characters take four bytes each.
pub const WIDE_USER: usize = USER / 2;
/// Maximum length of the IP addresses that a client reports. Three IPv6 addresses and one of IPv4
/// fit in any form. In etcd they take as many bytes as [`WIDE_VALUE`] four-byte characters.
pub const IP: usize = 128;
/// Maximum length of a version, with space for a pre-release and build metadata.
pub const VERSION: usize = 64;
/// Maximum length of a reported version that contains non-ASCII characters. Such a value
/// is invalid, but the schema accepts it.
pub const WIDE_VALUE: usize = 32;
/// Maximum length of the name of an IANA time zone. The longest,
/// `America/Argentina/ComodRivadavia`, has 32 characters.
pub const TIME_ZONE: usize = 40;
/// Maximum length of a reported instant. An instant with nanoseconds and an offset takes 35
/// characters.
pub(crate) const REPORTED_TIME: usize = 40;
/// Maximum length of a reported time zone or instant that contains non-ASCII characters. Such a
/// value is invalid, but the schema accepts it.
pub const WIDE_SHORT: usize = 20;
/// Maximum length of an error message that a client reports.
pub const ERROR_MESSAGE: usize = 128;
/// Maximum length of a label key, and of a label value.
pub const LABEL: usize = 63;
/// Maximum length of an object's name, which is a DNS subdomain.
pub const OBJECT_NAME: usize = 253;
/// Maximum length of a policy's name. The status of each client that the policy governs can contain
/// the name twice: as the governing policy, and in the last offer.
pub const POLICY_NAME: usize = 63;
/// Maximum length of an instant, date, time of day, time zone, network or operator in a policy.
///
/// The limit is greater than the length of every valid value, so that most invalid values violate a
/// rule whose message says what to write.
pub const WRITTEN_VALUE: usize = 64;

/// Maximum number of windows per policy.
pub const WINDOWS: usize = 32;
/// Maximum number of exclusions per policy.
pub const EXCLUSIONS: usize = 64;
/// Maximum number of client selectors in each of the fields `clients` and `exclude`.
pub const SELECTORS: usize = 16;
/// Maximum number of names, computers or users per client selector.
pub const SELECTED_NAMES: usize = 64;
/// Maximum number of networks per client selector.
pub const SELECTED_CIDRS: usize = 32;
/// Maximum number of version requirements per client selector.
pub const SELECTED_VERSIONS: usize = 4;
/// Maximum length of a version requirement: two comparisons with versions of usual length.
pub const VERSION_REQUIREMENT: usize = 40;
/// Maximum length of `search` in a client selector, including all keywords.
pub const SEARCH: usize = 128;
/// Maximum number of `matchLabels` per label selector.
pub const MATCH_LABELS: usize = 8;
/// Maximum number of `matchExpressions` per label selector.
pub const MATCH_EXPRESSIONS: usize = 8;
/// Maximum number of values per match expression.
pub const MATCH_VALUES: usize = 16;
/// Maximum number of values per match expression in a client selector that is written now. A stored
/// policy may have up to [`MATCH_VALUES`].
pub const CLIENT_MATCH_VALUES: usize = 12;

/// Minimum and maximum number of days by which the start of a monthly window is moved.
pub(crate) const OFFSET_DAYS: (i64, i64) = (0, 14);
/// Minimum and maximum number of hours between a failed upgrade and the next offer of the same
/// version to the client.
pub(crate) const RETRY_HOURS: (i64, i64) = (1, 720);
/// Minimum and maximum number of days without a check-in until a client counts as offline.
pub(crate) const OFFLINE_DAYS: (i64, i64) = (1, 365);

/// Maximum number of conditions per status: twice the number of condition types.
pub const CONDITIONS: usize = 8;
/// Maximum length of a condition's message. The API server refuses a status that contains a longer
/// message, so all code that writes messages must respect this limit.
pub const CONDITION_MESSAGE: usize = 1024;
/// Maximum length of a state, reason, mode or condition type, with space for future values.
pub const WORD: usize = 64;
/// Maximum number of entries in `status.unmatched`.
pub const UNMATCHED: usize = 20;
/// Maximum length of an entry in `status.unmatched`. The longest entries consist of a path, such as
/// `scope.clients[15].computers`, a colon, a space, and a value.
pub const UNMATCHED_ENTRY: usize = 128;
/// Maximum number of entries in `status.availableSettings`: `NoUpgrade`, `AutoUpgrade` and 20
/// versions.
pub const AVAILABLE_SETTINGS: usize = 22;
