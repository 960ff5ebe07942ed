//! The states a client can be in and the reasons for them, as they are written to `status`.

use crate::api::Summary;
use crate::api::policy::Mode;

/// Defines an enum whose variants are written as they are named.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word that is written to `status`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// The one that is written as `word`.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// A client's upgrade status.
    State {
        /// No policy governs it.
        Unmanaged,
        /// Something is wrong or unclear that a person has to mend.
        Blocked,
        /// Its policy distributes nothing to it, or no longer.
        Held,
        /// It runs its target version.
        UpToDate,
        /// It runs a newer version than its target.
        Ahead,
        /// It was not seen for longer than its policy waits.
        Offline,
        /// Its target takes effect at its next restart.
        RestartRequired,
        /// Its target could not be installed.
        Failed,
        /// Distribution to it is closed now and opens later.
        Waiting,
        /// It is offered its target now.
        Distributing,
    }
}

words! {
    /// Why a client is in its state.
    #[allow(missing_docs)]
    Reason {
        NoMatchingPolicy,
        PolicyInvalid,
        OtherVersionStaged,
        NoUpgrade,
        ClientVersionUnreadable,
        PackageUnknown,
        PackageWithdrawn,
        AtTarget,
        DowngradeNotAllowed,
        NotSeen,
        RestartPending,
        PackageUnavailable,
        InstallFailed,
        PolicySuspended,
        TimeZoneUnknown,
        DistributionEnded,
        NotStarted,
        Excluded,
        OutsideWindow,
        UpgradeOffered,
        DowngradeOffered,
    }
}

impl Mode {
    /// The word that is written to `status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoUpgrade => "NoUpgrade",
            Self::AutoUpgrade => "AutoUpgrade",
            Self::OnlyUpgradeTo => "OnlyUpgradeTo",
        }
    }
}

impl Summary {
    /// Counts so many clients more in `state`.
    pub fn count(&mut self, state: State, clients: u32) {
        self.total += clients;
        *self.of(state) += clients;
    }

    /// Adds another summary's counts.
    pub fn add(&mut self, mut other: Self) {
        self.total += other.total;
        for &state in State::ALL {
            *self.of(state) += *other.of(state);
        }
    }

    /// Takes away another summary's counts, which were added before.
    pub fn subtract(&mut self, mut other: Self) {
        self.total -= other.total;
        for &state in State::ALL {
            *self.of(state) -= *other.of(state);
        }
    }

    /// The count of one state.
    pub fn of(&mut self, state: State) -> &mut u32 {
        match state {
            State::Unmanaged => &mut self.unmanaged,
            State::Blocked => &mut self.blocked,
            State::Held => &mut self.held,
            State::UpToDate => &mut self.up_to_date,
            State::Ahead => &mut self.ahead,
            State::Offline => &mut self.offline,
            State::RestartRequired => &mut self.restart_required,
            State::Failed => &mut self.failed,
            State::Waiting => &mut self.waiting,
            State::Distributing => &mut self.distributing,
        }
    }
}
