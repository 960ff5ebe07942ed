//! How long and how many: the bounds of both resources. Knows no types and no wording.
//!
//! Everything is bounded for two reasons. A request to etcd holds 1.5 MiB, and an object that does
//! not fit with its `managedFields` silently loses them (the API server drops them and tries
//! again), after which server-side apply knows no owners any more. And the API server refuses a CRD
//! whose CEL rules might cost too much, which it estimates at these maxima.
//!
//! Measured on Kubernetes 1.36.3 with every value at its longest and costliest, all of it owned by
//! three appliers, of the 1,572,864 bytes of a request:
//!
//! - a fleet takes 1,421,028, of them 463,872 for `managedFields` and 349,183 for the status;
//! - a policy takes 1,465,914, of them 66,816 and 31,460;
//! - the rules are estimated at 0.1 million units of CEL for `ClientFleet` and 4.2 for
//!   `UpgradePolicy`, the costliest at 0.64, of 100 for a CRD and 10 for a rule.
//!
//! What is left is for labels and annotations of the object, which no schema can bound.
//! `tests/largest_objects.rs` holds the first two.

/// Clients of one fleet. A single client's change costs in proportion to its object, so larger
/// estates are several fleets.
pub const CLIENTS: usize = 250;
/// Older packages, and withdrawn ones, of one fleet.
pub const VERSIONS: usize = 16;
/// Labels of one client. Each key counts four times: once written, once for each of three owners.
pub const CLIENT_LABELS: usize = 4;

/// A client's name, and a computer's: a DNS label (RFC 1035, section 2.3.4).
pub const NAME: usize = 63;
/// The same where a character is not ASCII: it takes up to four bytes. NetBIOS names have 15.
pub const WIDE_NAME: usize = 31;
/// A user, as `DOMAIN\name` or as `name@domain`.
pub const USER: usize = 64;
/// The same where a character is not ASCII: 15 of a NetBIOS domain, a backslash, 20 of an account
/// in Active Directory, and room.
pub const WIDE_USER: usize = 48;
/// An address with a zone id, as they are reported; one without has at most 45 characters.
pub const IP: usize = 64;
/// A version, with room for a pre-release and build metadata.
pub const VERSION: usize = 64;
/// An address or a version that is neither, where a character is not ASCII.
pub const WIDE_VALUE: usize = 32;
/// An IANA time zone; the longest, `America/Argentina/ComodRivadavia`, has 32 characters.
pub const TIME_ZONE: usize = 40;
/// A reported instant, with room for nanoseconds and an offset, which take 35 characters.
pub const REPORTED_TIME: usize = 40;
/// A time zone or an instant that is neither, where a character is not ASCII.
pub const WIDE_SHORT: usize = 20;
/// What went wrong, in a sentence.
pub const ERROR_MESSAGE: usize = 128;
/// A label's key and its value.
pub const LABEL: usize = 63;
/// An object's name: a DNS subdomain.
pub const OBJECT_NAME: usize = 253;
/// A policy's name. It stands twice in the status of each client that it governs.
pub const POLICY_NAME: usize = 63;
/// What a policy writes as an instant, a date, a time of day, a network or an operator: longer than
/// any that is right, so that one that is wrong is answered by a sentence about what it should be.
pub const WRITTEN_VALUE: usize = 64;

/// Windows of one policy.
pub const WINDOWS: usize = 32;
/// Exclusions of one policy.
pub const EXCLUSIONS: usize = 64;
/// Client selectors in `clients`, and in `exclude`.
pub const SELECTORS: usize = 16;
/// Names, computers or users of one client selector.
pub const SELECTED_NAMES: usize = 64;
/// Networks of one client selector.
pub const SELECTED_CIDRS: usize = 32;
/// Keywords of one client selector, in all.
pub const SEARCH: usize = 128;
/// `matchLabels` of one label selector.
pub const MATCH_LABELS: usize = 8;
/// `matchExpressions` of one label selector.
pub const MATCH_EXPRESSIONS: usize = 8;
/// Values of one of them.
pub const MATCH_VALUES: usize = 16;

/// Hours until a failed client is offered the version again.
pub const RETRY_HOURS: (i64, i64) = (1, 720);
/// Days until a client that is not seen is offline.
pub const OFFLINE_DAYS: (i64, i64) = (1, 365);

/// Conditions of one status: twice as many as there are.
pub const CONDITIONS: usize = 8;
/// A condition's message. Whoever writes one keeps to it: the API server refuses a longer one, and
/// with it the whole status.
pub const CONDITION_MESSAGE: usize = 1024;
/// A state, a reason, a mode or a condition's type, with room for names to come.
pub const WORD: usize = 64;
/// Entries of `status.unmatched`.
pub const UNMATCHED: usize = 20;
/// One of them, as `scope.clients[15].computers: ` and the value.
pub const UNMATCHED_ENTRY: usize = 128;
/// Entries of `status.availableSettings`: `NoUpgrade`, `AutoUpgrade` and 20 versions.
pub const AVAILABLE_SETTINGS: usize = 22;
