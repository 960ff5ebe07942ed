//! Defines the states of a client and the reasons for them, with their names in `status`.

use crate::api::Summary;
use crate::api::policy::Mode;

/// Defines an enum whose variant names are the names that appear in `status`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name that is written to `status`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// Returns the variant whose name in `status` is `word`.
            #[must_use]
            pub(crate) fn from_word(word: &str) -> Option<Self> {
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
    /// Upgrade state of a client.
    State {
        /// No policy governs the client.
        Unmanaged,
        /// An error or an unclear configuration prevents upgrades, and a user must fix it.
        Blocked,
        /// The policy has the mode `NoUpgrade` or is suspended, its distribution has ended, or
        /// another fleet decides for the client.
        Held,
        /// The client runs its target version.
        UpToDate,
        /// The client runs a newer version than its target.
        Ahead,
        /// The client has had no contact for longer than its policy allows.
        Offline,
        /// The target takes effect at the client's next restart.
        RestartRequired,
        /// The installation of the target failed.
        Failed,
        /// Distribution to the client is closed now and opens later.
        Waiting,
        /// The policy offers the client its target now.
        Distributing,
    }
}

words! {
    /// Reason for a client's state.
    #[allow(missing_docs)]
    Reason {
        ReportedElsewhere,
        DuplicateClient,
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
        TargetsInCircle,
        RestartPending,
        AddressUnknown,
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
    /// Returns the name that is written to `status`.
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
    /// Adds `clients` to the count of `state` and to the total.
    pub fn count(&mut self, state: State, clients: u32) {
        self.total += clients;
        *self.of(state) += clients;
    }

    /// Adds the counts of another summary.
    pub fn add(&mut self, mut other: Self) {
        self.total += other.total;
        for &state in State::ALL {
            *self.of(state) += *other.of(state);
        }
    }

    /// Subtracts the counts of another summary, which must have been added earlier.
    pub(crate) fn subtract(&mut self, mut other: Self) {
        self.total -= other.total;
        for &state in State::ALL {
            *self.of(state) -= *other.of(state);
        }
    }

    /// Returns a mutable reference to the count of `state`.
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
