//! Implements the second stage of a plan, which allots a standing to each client from the claims of
//! all fleets in a namespace.
//!
//! The first stage ([`collect`](super::collect)) lists the claims of each fleet's clients. The
//! third stage ([`fleet`](super::fleet)) makes the decisions for each fleet's clients from the
//! policies and the clients' standings.
//!
//! This stage is a pure function of the claims, so the standings do not depend on the order of
//! fleets. The standings depend on earlier plans only through the offers that the claims record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use super::policy::Policy;
use crate::api::Text;

/// Standing of a client, which states whether limits across all fleets of its namespace permit an
/// offer of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The policies alone decide whether the client is offered its target.
    #[default]
    Free,
    /// Offers to the client are withheld, as if its policy were suspended for this client.
    Withheld,
}

/// Claim of one client, which states whether the client could be offered its target, and whether it
/// already has an offer. Claims are ordered by client name, then by fleet name.
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
    /// True if the client would be offered the target with the standing [`Standing::Free`].
    pub could_be_offered: bool,
    /// True if the last plan contains an offer for the client. If the last plan had no claim of the
    /// client, true if the client's stored status contains an offer.
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
    /// Returns whether the allotter needs claims of the clients that `policy` governs.
    fn covers(&self, policy: &Policy) -> bool;

    /// Returns the standings that follow from the claims of a namespace.
    ///
    /// The implementation must be stable: if the claims are updated with the offers that result
    /// from the standings, the next call must return the same standings.
    fn allot(&self, claims: &Claims) -> Allotment;
}

/// The default allotter, which leaves every client [`Standing::Free`], because policies have no
/// limits for their clients as a group.
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
