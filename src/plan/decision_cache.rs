//! Caches decisions for the clients of one fleet, because most clients of a fleet have the same
//! version, time zone and policies.
//!
//! A client gets a separate decision if it has a failed installation, or if going offline may
//! change its decision.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::LazyLock;

use super::allot::Standing;
use super::cached::Digest;
use super::case::add_seconds;
use super::client_policies::{Candidate, ClientPolicies};
use super::facts::Facts;
use super::fleet::{Decided, decide_client};
use super::next_change::{ApplicablePolicies, ApplicablePolicy, earlier};
use super::policy_in_zone::ZonedPolicy;
use super::row::SHOWN_INPUTS;
use super::rule_input::{Input, ReadFlag, ReadVersion, Sharing};
use super::rules::RULES;
use super::state::State;
use super::target_chain::PossiblePolicy;
use super::version_text::VersionText;
use crate::values::Timestamp;

/// Decisions for the clients of one fleet. Clients with equal inputs form a class and share one
/// decision.
#[derive(Default)]
pub(super) struct DecisionCache<'a> {
    shared: Vec<Class<'a>>,
    /// Digest of the key of each class, in the order of `shared`.
    keys: Vec<Digest>,
    /// Decisions that each apply to a single client.
    alone: Vec<CountedDecision<'a>>,
}

/// A decision, with the number of clients that it applies to.
pub(super) struct CountedDecision<'a> {
    pub decided: Decided<'a>,
    pub clients: u32,
    /// Version that the clients run.
    pub version: Option<Rc<VersionText>>,
    /// Earliest `lastSeen` of the clients in a class. `None` for a single client, because its
    /// `next_change` already includes the instant when the client goes offline.
    last_seen: Option<Timestamp>,
}

impl CountedDecision<'_> {
    /// Returns the instant until which the status rows of all clients with this decision stay the
    /// same.
    pub fn holds_until(&self) -> Option<Timestamp> {
        let Decided { governing, rule, next_change } = self.decided;
        let offline_after = governing.and_then(|zoned| zoned.policy.offline_after);
        let offline_from = self.last_seen.zip(offline_after);
        let offline_from = offline_from.and_then(|(seen, after)| add_seconds(seen, after));
        earlier(
            next_change.holds_until,
            offline_from.filter(|_| rule.says.lasts.depends_on_absence()),
        )
    }
}

struct Class<'a> {
    zone: usize,
    policies: ClientPolicies,
    standing: Standing,
    /// Versions of the clients in the class, in the order of [`ClientKey::versions`].
    versions: Vec<Option<Rc<VersionText>>>,
    /// Shortest `offline_after` of the applicable policies, in seconds; `None` if no policy sets
    /// one.
    absent_after: Option<i64>,
    /// Decision for the class, made as if its clients never go offline.
    counted: CountedDecision<'a>,
    shared: Digest,
}

/// Maximum number of classes per fleet. With more classes, the search for a client's class could
/// take longer than a decision.
const MAX_CLASSES: usize = 64;

impl<'a> DecisionCache<'a> {
    /// Returns the decision for a client, and a digest of the status fields that all clients with
    /// this decision share; counts the client.
    ///
    /// `zoned` returns the policy for an index in `policies`, resolved for the client's time zone.
    pub fn decide(
        &mut self,
        facts: &Facts<'_>,
        zone: usize,
        policies: &ClientPolicies,
        zoned: impl Fn(usize) -> &'a ZonedPolicy<'a>,
        at: Timestamp,
    ) -> (Decided<'a>, Digest) {
        let is_shared = !CLIENT_KEY.not_shared.iter().any(|holds| holds(facts));
        let index = is_shared.then(|| {
            let key = key(facts, zone, policies);
            let mut classes = self.keys.iter().zip(&self.shared);
            let found = classes
                .position(|(known, class)| *known == key && class.holds(facts, zone, policies));
            found.or_else(|| self.open(key, facts, zone, policies, &zoned, at))
        });
        if let Some(class) = index.flatten().and_then(|index| self.shared.get_mut(index))
            && class.take(facts, at)
        {
            return (class.counted.decided, class.shared);
        }
        let (zoned, possible) = resolve(policies, zoned);
        let applicable = ApplicablePolicies { policies: &zoned, possible: &possible };
        let decided = decide_client(facts, applicable, at);
        let version = facts.version.clone();
        self.alone.push(CountedDecision { decided, clients: 1, version, last_seen: None });
        (decided, Digest::of(&decided.shared(facts)))
    }

    /// Adds a class for a client and returns the index of the class; `None` if there are already
    /// [`MAX_CLASSES`] classes.
    fn open(
        &mut self,
        key: Digest,
        facts: &Facts<'_>,
        zone: usize,
        policies: &ClientPolicies,
        zoned: impl Fn(usize) -> &'a ZonedPolicy<'a>,
        at: Timestamp,
    ) -> Option<usize> {
        if self.shared.len() == MAX_CLASSES {
            return None;
        }
        let (zoned, possible) = resolve(policies, zoned);
        let applicable = ApplicablePolicies { policies: &zoned, possible: &possible };
        let decided = decide_client(&facts.ever_present(), applicable, at);
        self.keys.push(key);
        self.shared.push(Class {
            zone,
            policies: policies.clone(),
            standing: facts.standing,
            versions: CLIENT_KEY.versions.iter().map(|read| read(facts).cloned()).collect(),
            absent_after: zoned.iter().filter_map(|known| known.zoned.policy.offline_after).min(),
            counted: CountedDecision {
                decided,
                clients: 0,
                version: facts.version.clone(),
                last_seen: None,
            },
            shared: Digest::of(&decided.shared(facts)),
        });
        Some(self.shared.len() - 1)
    }

    /// Returns each decision that applies to at least one client, with the number of its clients.
    pub fn counted(&self) -> impl Iterator<Item = &CountedDecision<'a>> {
        let shared = self.shared.iter().map(|class| &class.counted);
        shared.filter(|counted| counted.clients > 0).chain(&self.alone)
    }
}

/// Returns the applicable and the possible policies of a client, resolved for its time zone.
fn resolve<'a>(
    policies: &ClientPolicies,
    zoned: impl Fn(usize) -> &'a ZonedPolicy<'a>,
) -> (Vec<ApplicablePolicy<'a>>, Vec<PossiblePolicy<'a>>) {
    let applicable = policies.applicable().iter();
    let applicable = applicable
        .map(|&Candidate { policy, applies }| ApplicablePolicy { zoned: zoned(policy), applies });
    let possible = policies.possible().iter();
    let possible =
        possible.map(|&(policy, applies)| PossiblePolicy { zoned: zoned(policy), applies });
    (applicable.collect(), possible.collect())
}

/// Functions that determine the class of a client, derived from the inputs that the rules read and
/// the status rows show.
struct ClientKey {
    versions: Vec<ReadVersion>,
    not_shared: Vec<ReadFlag>,
}

static CLIENT_KEY: LazyLock<ClientKey> = LazyLock::new(|| {
    let read_by_rules: BTreeSet<Input> =
        RULES.iter().flat_map(|rule| rule.looks_at).copied().chain(SHOWN_INPUTS).collect();
    let mut key = ClientKey { versions: Vec::new(), not_shared: Vec::new() };
    for input in read_by_rules {
        match input.sharing() {
            Sharing::SameVersion(read) => key.versions.push(read),
            Sharing::Unless(holds) => key.not_shared.push(holds),
            // Every class key contains the `SamePolicies` inputs: the time zone, the standing and
            // the policies of the client. For `WhilePresent` inputs, `Class::take` rejects clients
            // whose decision may change when they go offline.
            Sharing::SamePolicies | Sharing::WhilePresent => {}
        }
    }
    key
});

/// Returns whether the client has the given versions, compared by pointer. Equal versions with
/// different pointers only lead to a separate class.
fn has_versions(facts: &Facts<'_>, versions: &[Option<Rc<VersionText>>]) -> bool {
    CLIENT_KEY.versions.iter().zip(versions).all(|(read, known)| match (read(facts), known) {
        (Some(a), Some(b)) => Rc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    })
}

/// Returns the digest of the values that [`Class::holds`] compares.
fn key(facts: &Facts<'_>, zone: usize, policies: &ClientPolicies) -> Digest {
    // List every field, so that a new fact causes a compile error. `CLIENT_KEY` and `Class::take`
    // cover the facts that rules read, and `policies` covers `client` and `searched`, which only
    // scopes read.
    let Facts {
        standing,
        client: _,
        version: _,
        staged: _,
        failed_version: _,
        failed_at: _,
        last_seen: _,
        searched: _,
    } = facts;
    let mut hasher = Digest::hasher();
    (zone, policies, standing).hash(&mut hasher);
    for read in &CLIENT_KEY.versions {
        read(facts).map(Rc::as_ptr).hash(&mut hasher);
    }
    hasher.into()
}

impl Class<'_> {
    fn holds(&self, facts: &Facts<'_>, zone: usize, policies: &ClientPolicies) -> bool {
        self.zone == zone
            && self.policies == *policies
            && self.standing == facts.standing
            && has_versions(facts, &self.versions)
    }

    /// Counts a client in this class. Returns `false` without counting if the client may be offline
    /// already, or may go offline before its offer changes.
    fn take(&mut self, facts: &Facts<'_>, at: Timestamp) -> bool {
        let Decided { rule, next_change, .. } = self.counted.decided;
        if let Some((seen, after)) = facts.last_seen.zip(self.absent_after) {
            let absent_from = seen.timestamp().saturating_add(after.max(0));
            let in_time = |next: Timestamp| next.timestamp() < absent_from;
            let is_told = rule.says.state != State::Distributing
                || next_change.next_transition.is_some_and(in_time);
            if at.timestamp() >= absent_from || !is_told {
                return false;
            }
        }
        self.counted.last_seen = earlier(self.counted.last_seen, facts.last_seen);
        self.counted.clients += 1;
        true
    }
}
