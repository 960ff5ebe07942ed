//! Defines the colors of status values, which are the same in every table. Unknown values have no
//! color.

use super::terminal::table::Tone;

/// Returns the color for a policy's distribution state.
pub(super) fn distribution_tone(state: &str) -> Tone {
    match state {
        "Open" | "Mixed" => Tone::Moving,
        "Closed" => Tone::Waiting,
        _ => Tone::Plain,
    }
}

/// Returns the color for a client's state.
pub(super) fn state_tone(state: &str) -> Tone {
    match state {
        "Distributing" | "RestartRequired" => Tone::Moving,
        "Waiting" => Tone::Waiting,
        "Failed" | "Blocked" => Tone::Alarm,
        _ => Tone::Plain,
    }
}
