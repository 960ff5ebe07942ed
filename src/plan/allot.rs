//! The second stage of a plan: decides over all fleets of a namespace which standing each client
//! has.
//!
//! The first stage ([`collect`](super::collect)) lists the claims of each fleet's clients, and the
//! third ([`fleet`](super::fleet)) decides each fleet, with the standings of its clients as an input
//! beside the policies. This stage is a pure function of the claims, so the result depends neither
//! on the order of fleets nor on earlier plans.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use super::policy::Policy;
use crate::api::Text;

/// Standing of a client in the allotment of its namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The policies alone decide.
    #[default]
    Free,
    /// Offers to the client are withheld, as if its policy were suspended for this client.
    Withheld,
}

/// What one client could be offered, and what it holds. Claims are ordered by client, then fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Name of the client.
    pub client: Text,
    /// Name of the client's fleet.
    pub fleet: Text,
    /// Policy that governs the client.
    pub policy: Text,
    /// Target of the client; `None` if it has none.
    pub target: Option<Text>,
    /// Whether the client would be offered the target if its standing is [`Standing::Free`].
    pub could_be_offered: bool,
    /// Whether the client has an offer by the stored status or by the last plan.
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
    fn allot(&self, claims: &Claims) -> Allotment;
}

/// The allotter of clientfleet: no policy limits its clients together, so every client is
/// [`Standing::Free`].
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
