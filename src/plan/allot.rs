//! The second stage of a plan: allots a standing to each client, from the claims of all fleets of a
//! namespace.
//!
//! The first stage ([`collect`](super::collect)) lists the claims of each fleet's clients. The
//! third stage ([`fleet`](super::fleet)) decides each fleet from the policies and from the
//! standings of its clients.
//!
//! This stage is a pure function of the claims, so the result does not depend on the order of
//! fleets. It depends on earlier plans only through the offers that the claims show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use super::policy::Policy;
use crate::api::Text;

/// Standing of a client in the allotment of its namespace: whether its target may be offered to it,
/// as far as limits over all fleets decide that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The policies alone decide whether the client is offered its target.
    #[default]
    Free,
    /// Offers to the client are withheld, as if its policy were suspended for this client.
    Withheld,
}

/// Claim of one client: whether its target could be offered to it, and whether it has an offer.
/// Claims are ordered by client name, then by fleet name.
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
    /// Whether the client would be offered the target if its standing is [`Standing::Free`].
    pub could_be_offered: bool,
    /// Whether the last plan makes the client an offer. For a client without a claim in the last
    /// plan, whether the stored status shows an offer.
    pub has_offer: bool,
}

/// The claims of one namespace.
pub type Claims = BTreeSet<Claim>;

/// Standings of one fleet's clients by client name. A client that is not listed is
/// [`Standing::Free`].
pub type Standings = Arc<BTreeMap<Text, Standing>>;

/// The standings of one namespace by fleet name. A fleet that is not listed has no standings.
pub type Allotment = BTreeMap<Text, Standings>;

/// A function that allots standings to the clients of a namespace.
pub trait Allotter: Debug + Send + Sync {
    /// Returns whether the clients that `policy` governs have claims.
    fn covers(&self, policy: &Policy) -> bool;

    /// Returns the standings that follow from the claims of a namespace.
    ///
    /// The function must be stable: after the offers that result from the standings are recorded in
    /// the claims, it must return the same standings.
    fn allot(&self, claims: &Claims) -> Allotment;
}

/// The default allotter, under which every client is [`Standing::Free`]. No policy sets a limit for
/// its clients as a group.
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
