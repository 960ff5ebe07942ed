//! How the words of a status are set off in every table alike. Words that are not known are plain.

use super::terminal::table::Tone;

/// Whether a policy distributes.
pub(super) fn distribution_tone(state: &str) -> Tone {
    match state {
        "Open" | "Mixed" => Tone::Moving,
        "Closed" => Tone::Waiting,
        _ => Tone::Plain,
    }
}

/// A client's upgrade status.
pub(super) fn state_tone(state: &str) -> Tone {
    match state {
        "Distributing" | "RestartRequired" => Tone::Moving,
        "Waiting" => Tone::Waiting,
        "Failed" | "Blocked" => Tone::Alarm,
        _ => Tone::Plain,
    }
}
