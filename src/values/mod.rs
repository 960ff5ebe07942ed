//! Defines the value types: versions, time zones, time ranges and the matchers that select clients.
//!
//! This is the bottom layer, and its functions depend only on their arguments. It must not depend
//! on Kubernetes, do I/O, read the clock or use the system's time zones, and no input may cause a
//! panic.

pub mod selector;
pub mod selector_text;
pub mod time_range;
pub mod timestamp;
pub mod version;
pub mod version_requirement;
pub mod zone;

pub use time_range::{
    Days, END_PATTERN, Exclusion, Openings, Phase, START_PATTERN, TimeRange, WallTime, WeekOfMonth,
    WeeksOfMonth, Window, WindowError,
};
pub use timestamp::{Timestamp, parse_rfc3339, rfc3339};
pub use version::{Version, VersionError};
pub use version_requirement::VersionRequirement;
pub use zone::Zone;
