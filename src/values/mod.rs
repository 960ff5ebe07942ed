//! Values: versions, time zones, openings and what finds a client, and what they mean to each other.
//!
//! The bottom layer, pure: it must not know Kubernetes, do I/O, read the clock or look at the
//! system's time zones. Everything here takes any input without a panic.

pub mod selector;
pub mod time_range;
pub mod version;
pub mod zone;

pub use time_range::{
    Days, END_PATTERN, Exclusion, Openings, Phase, START_PATTERN, TimeRange, WallTime, Window,
    WindowError,
};
pub use version::{Version, VersionError};
pub use zone::Zone;

/// An instant. Instants are whole seconds everywhere in this program; a fraction is dropped, that
/// is, an instant with one counts as the second in which it lies.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
