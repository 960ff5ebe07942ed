//! Defines the dry-run modes, and finds the GitOps owner of an object. The commands that change
//! objects share this module, which itself writes nothing to the cluster.

mod owner;

use std::time::Duration;

use clap::ValueEnum;

pub(crate) use self::owner::{Owner, managers_of_field, owner_of_field, owner_of_object};

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
    /// Returns whether the mode is a server-side dry run: the API server validates the change but
    /// does not store it.
    pub(crate) fn is_of_server(self) -> bool {
        self == Self::Server
    }

    /// Returns whether the change is stored, that is, whether there is no dry run.
    pub(crate) fn is_real(self) -> bool {
        self == Self::None
    }

    /// Returns the note to print after the output of a dry run, or an empty string if the mode is
    /// not a dry run. kubectl prints the same notes.
    pub const fn note(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// Parses a duration in kubectl's format: `30s`, `2m`, `1h30m`.
pub(crate) fn wait_timeout(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 30s, 2m or 1h30m".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}
