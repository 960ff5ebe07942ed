//! What the commands that change objects have in common: trying without writing, and whose an object
//! is. Writes nothing itself.

mod owner;

use std::time::Duration;

use clap::ValueEnum;

pub(crate) use self::owner::{Owner, owner_of_field, owner_of_object};

/// Whether a change is made or only tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// It is made
    #[default]
    None,
    /// Nothing is sent
    Client,
    /// It is sent, judged by the API server, and not kept
    Server,
}

impl DryRun {
    /// Whether the API server is to judge and not to keep.
    pub fn is_of_server(self) -> bool {
        self == Self::Server
    }

    /// Whether something is kept.
    pub fn is_real(self) -> bool {
        self == Self::None
    }

    /// What kubectl says behind what it would have done.
    pub const fn note(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// Reads a time to wait, as kubectl's: `30s`, `2m`, `1h30m`.
pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 30s, 2m or 1h30m".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}
