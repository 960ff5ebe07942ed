//! Names this process, so that logs, audit lines and leases distinguish it from other replicas and
//! from earlier processes.

use std::hash::{BuildHasher, RandomState};

/// Returns random text that distinguishes this process from all others.
#[must_use]
pub fn mark() -> String {
    // Use `RandomState`, because it is the only source of randomness in the standard library.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// Returns the host name with a suffix. The suffix distinguishes this process from earlier
/// processes in the same pod.
#[must_use]
pub fn default_identity(suffix: &str) -> String {
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned());
    let host = host.ok().filter(|name| !name.is_empty());
    format!("{}_{suffix}", host.as_deref().unwrap_or("clientfleet"))
}
