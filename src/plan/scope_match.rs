//! Defines the results of matching a client against a scope. A result can be in doubt, because the
//! address of a client may be unknown.

/// Result of matching a client against a criterion, a selector or a list of selectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// The client does not match.
    #[default]
    No,
    /// The client matches if one of its unknown addresses is in a network.
    InDoubt,
    /// The client matches.
    Yes,
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

/// Result of matching a client against a list of selectors, any of which must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListMatch {
    result: Match,
    /// Index of the first selector with the result `result`; `None` if there is no such list or if
    /// no selector matches.
    selector: Option<usize>,
}

impl ListMatch {
    /// Result for a list that is missing and therefore includes every client.
    pub const EVERY_CLIENT: Self = Self { result: Match::Yes, selector: None };

    /// Adds the result of the selector at `index`.
    pub fn add(&mut self, index: usize, result: Match) {
        if result > self.result {
            *self = Self { result, selector: Some(index) };
        }
    }
}

/// Result of matching a client against the scope of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeMatch {
    /// The client is in scope. The value is the index of the first matching selector in `clients`;
    /// `None` if the scope has no `clients`.
    In(Option<usize>),
    /// The client is out of scope, because no selector of `clients` matches it.
    NoneMatches,
    /// The client is out of scope. The value is the index of the first matching selector in
    /// `exclude`.
    Excluded(usize),
    /// The address of the client is unknown, and the result depends on it. The value is the index
    /// of the first selector in doubt.
    InDoubt(Doubt, usize),
}

/// Effect of a client's unknown address on a policy whose scope depends on the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Doubt {
    /// `clients` is in doubt and the policy distributes, so the client is out of scope.
    NotIncluded,
    /// `clients` is in doubt and the policy offers nothing, so the policies of lower precedence
    /// must not offer anything either.
    MayHold,
    /// `exclude` is in doubt and the policy distributes, so it governs the client but must not
    /// offer anything.
    MayExclude,
}

/// How a policy applies to a client: with certainty, or as its scope is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Applies {
    /// The client is in the scope of the policy.
    Certainly,
    /// The policy may hold the client back. See [`Doubt::MayHold`].
    MayHold,
    /// The policy may exclude the client. See [`Doubt::MayExclude`].
    MayExclude,
}

impl ScopeMatch {
    /// Returns the result for a scope from the results of its lists. `distributes` is whether the
    /// policy offers versions.
    pub(crate) fn of(clients: ListMatch, exclude: ListMatch, distributes: bool) -> Self {
        let place = |list: ListMatch| list.selector.unwrap_or_default();
        match (clients.result, exclude.result) {
            (Match::No, _) => Self::NoneMatches,
            (_, Match::Yes) => Self::Excluded(place(exclude)),
            (Match::InDoubt, _) if distributes => Self::InDoubt(Doubt::NotIncluded, place(clients)),
            (Match::InDoubt, _) => Self::InDoubt(Doubt::MayHold, place(clients)),
            (Match::Yes, Match::InDoubt) if distributes => {
                Self::InDoubt(Doubt::MayExclude, place(exclude))
            }
            (Match::Yes, Match::InDoubt | Match::No) => Self::In(clients.selector),
        }
    }

    /// Returns how the policy applies to the client; `None` if the client is out of scope.
    #[must_use]
    pub fn applies(self) -> Option<Applies> {
        match self {
            Self::In(_) => Some(Applies::Certainly),
            Self::InDoubt(Doubt::MayHold, _) => Some(Applies::MayHold),
            Self::InDoubt(Doubt::MayExclude, _) => Some(Applies::MayExclude),
            Self::NoneMatches | Self::Excluded(_) | Self::InDoubt(Doubt::NotIncluded, _) => None,
        }
    }
}
