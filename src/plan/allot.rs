//! Implements the second stage of a plan, which allots a standing to each client from the claims of
//! all fleets in a namespace.
//!
//! The first stage ([`collect`](super::collect)) lists the claims, and the third stage
//! ([`fleet`](super::fleet)) uses the standings. This stage is a pure function of the claims, so
//! the order of fleets does not affect the standings, and earlier plans affect the standings only
//! through the offers that the claims record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use super::policy::Policy;
use crate::api::Text;
use crate::values::Timestamp;

/// Standing of one client in its namespace, which decides whether offers to the client are
/// withheld. An allotter returns [`Free`](Self::Free) or [`Withheld`](Self::Withheld); the other
/// standings come from the [entries](super::duplicates) of other fleets and override its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The policies alone decide whether the client is offered its target.
    #[default]
    Free,
    /// The client gets no offer, as if its policy were suspended.
    Withheld,
    /// The entry of another fleet decides for the client, so no policy governs this one.
    ReportedElsewhere,
    /// Several fleets list the client and none of their entries decides, so none gets an offer.
    Duplicate {
        /// Instant from which this entry decides; `None` if it does not without another report.
        decides_from: Option<Timestamp>,
    },
}

/// Input of the allotment for one client: whether the client could get an offer, and whether it
/// already has one. Claims are ordered by client name, then by fleet name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Name of the client.
    pub client: Text,
    /// Name of the client's fleet.
    pub fleet: Text,
    /// Name of the policy that governs the client.
    pub policy: Text,
    /// Target of the client; `None` if it has none.
    pub target: Option<Text>,
    /// True if the client would get an offer with the standing [`Standing::Free`].
    pub could_be_offered: bool,
    /// True if the client has an offer in the last plan. If the last plan has no claim of the
    /// client, true if the client has an offer in its stored status.
    pub has_offer: bool,
}

/// The claims of one namespace.
pub type Claims = BTreeSet<Claim>;

/// Standings of one fleet's clients by client name. A client that is not listed is
/// [`Standing::Free`].
pub type Standings = Arc<BTreeMap<Text, Standing>>;

/// The standings of one namespace by fleet name. All clients of a fleet that is not listed are
/// [`Standing::Free`].
pub type Allotment = BTreeMap<Text, Standings>;

/// An algorithm that allots standings to the clients of a namespace.
pub trait Allotter: Debug + Send + Sync {
    /// Returns whether the allotter needs the claims of the clients that `policy` governs.
    fn covers(&self, policy: &Policy) -> bool;

    /// Returns the standings of a namespace's clients.
    ///
    /// The result must be stable: if the claims are updated with the offers that result from the
    /// standings, the next call must return the same standings.
    fn allot(&self, claims: &Claims) -> Allotment;
}

/// The default allotter, which leaves every client [`Standing::Free`]. Policies define no limits
/// for groups of clients.
#[derive(Debug)]
pub struct Unlimited;

impl Allotter for Unlimited {
    fn covers(&self, _: &Policy) -> bool {
        false
    }

    fn allot(&self, _: &Claims) -> Allotment {
        Allotment::new()
    }
}
