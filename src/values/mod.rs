//! Defines the value types: versions, time zones, time ranges and the matchers that select clients.
//!
//! This is the bottom layer, and it is pure: it must not know Kubernetes, do I/O, read the clock or
//! use the system's time zones. No input causes a panic in this layer.

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

/// An instant in UTC. Instants are whole seconds everywhere in this program; fractions of a second
/// are dropped.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
