//! Decision cache for the clients of one fleet. Most clients of a fleet have the same version, time
//! zone and policies, so one decision and its next change serve all of them. A client whose own
//! absence may change the decision is decided on its own.

use std::rc::Rc;

use super::cached::Digest;

use super::facts::Facts;
use super::fleet::{Decided, decide_client};
use super::next_change::{ApplicablePolicies, earlier};
use super::policy_in_zone::ZonedPolicy;
use super::rules::{Lasts, add_seconds};
use super::state::State;
use super::version_text::VersionText;
use crate::values::Timestamp;

/// Decisions for the clients of one fleet. Clients with equal inputs form a class and share one
/// decision.
#[derive(Default)]
pub(super) struct DecisionCache<'a> {
    /// Classes whose decision more clients can share.
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
    /// Earliest `lastSeen` of the clients of a class. `None` for a client decided on its own, whose
    /// decision already includes its absence.
    last_seen: Option<Timestamp>,
}

impl CountedDecision<'_> {
    /// Returns the instant until which the status rows of all these clients stay the same.
    pub fn holds_until(&self) -> Option<Timestamp> {
        let Decided { governing, rule, next_change } = self.decided;
        let offline_after = governing.and_then(|zoned| zoned.policy.offline_after);
        let offline_from = self.last_seen.zip(offline_after);
        let offline_from = offline_from.and_then(|(seen, after)| add_seconds(seen, after));
        earlier(next_change.holds_until, offline_from.filter(|_| rule.lasts != Lasts::Always))
    }
}

struct Class<'a> {
    zone: usize,
    in_scope: Vec<usize>,
    version: Option<Rc<VersionText>>,
    staged: Option<Rc<VersionText>>,
    /// Shortest time, in seconds, after which a policy in scope counts a client as offline.
    absent_after: Option<i64>,
    /// Decision for clients that never go offline, and the number of clients in the class.
    counted: CountedDecision<'a>,
    /// Digest of the part of the status row that all clients of the class share.
    shared: Digest,
}

/// Maximum number of classes per fleet: a search must not take longer than a decision.
const MAX_CLASSES: usize = 64;

impl<'a> DecisionCache<'a> {
    /// Returns the decision for a client and counts the client. The digest is that of the row part
    /// that clients with the same decision share. `terms` returns the policy in the client's zone
    /// for an index in `in_scope`.
    pub fn decide(
        &mut self,
        facts: &Facts<'_>,
        zone: usize,
        in_scope: &[usize],
        zoned: impl Fn(&usize) -> &'a ZonedPolicy<'a>,
        at: Timestamp,
    ) -> (Decided<'a>, Digest) {
        let place = compared(facts).and_then(|versions| {
            let key = key(versions, zone, in_scope);
            let mut classes = self.keys.iter().zip(&self.shared);
            let found = classes
                .position(|(known, class)| *known == key && class.holds(versions, zone, in_scope));
            found.or_else(|| self.open(key, facts, zone, in_scope, &zoned, at))
        });
        if let Some(class) = place.and_then(|place| self.shared.get_mut(place))
            && class.take(facts, at)
        {
            return (class.counted.decided, class.shared);
        }
        let zoned: Vec<&ZonedPolicy<'_>> = in_scope.iter().map(zoned).collect();
        let decided = decide_client(facts, ApplicablePolicies { policies: &zoned }, at);
        self.alone.push(CountedDecision { decided, clients: 1, last_seen: None });
        (decided, Digest::of(&decided.shared(facts)))
    }

    /// Adds the class of a client and returns its index. Returns `None` if the cache is full or the
    /// client has a failed installation.
    fn open(
        &mut self,
        key: Digest,
        facts: &Facts<'_>,
        zone: usize,
        in_scope: &[usize],
        zoned: impl Fn(&usize) -> &'a ZonedPolicy<'a>,
        at: Timestamp,
    ) -> Option<usize> {
        if self.shared.len() == MAX_CLASSES {
            return None;
        }
        let zoned: Vec<&ZonedPolicy<'_>> = in_scope.iter().map(zoned).collect();
        let decided =
            decide_client(&facts.ever_present(), ApplicablePolicies { policies: &zoned }, at);
        self.keys.push(key);
        self.shared.push(Class {
            zone,
            in_scope: in_scope.to_vec(),
            version: facts.version.clone(),
            staged: facts.staged.clone(),
            absent_after: zoned.iter().filter_map(|zoned| zoned.policy.offline_after).min(),
            counted: CountedDecision { decided, clients: 0, last_seen: None },
            shared: Digest::of(&decided.shared(facts)),
        });
        Some(self.shared.len() - 1)
    }

    /// Returns every decision with its number of clients.
    pub fn counted(&self) -> impl Iterator<Item = &CountedDecision<'a>> {
        let shared = self.shared.iter().map(|class| &class.counted);
        shared.filter(|counted| counted.clients > 0).chain(&self.alone)
    }
}

/// The facts in which clients of one class agree: the version that runs, and the staged one.
type Compared<'f> = [Option<&'f Rc<VersionText>>; 2];

/// Returns what is compared of a client's facts, or `None` if its decision cannot be shared.
///
/// Every fact is named, so that a new one does not compile until it is clear whether clients that
/// differ in it may share a decision.
fn compared<'f>(facts: &'f Facts<'_>) -> Option<Compared<'f>> {
    let Facts {
        version,
        staged,
        // A failed installation has its own retry time.
        failed_version,
        failed_at: _,
        // `Class::take` admits a client only if its absence makes no difference.
        last_seen: _,
        // Scopes look at these, and the policies in scope are compared.
        client: _,
        searched: _,
    } = facts;
    failed_version.is_none().then_some([version.as_ref(), staged.as_ref()])
}

/// Returns the digest of what [`Class::holds`] compares.
fn key(versions: Compared<'_>, zone: usize, in_scope: &[usize]) -> Digest {
    Digest::of(&(zone, in_scope, versions.map(|version| version.map(Rc::as_ptr))))
}

impl Class<'_> {
    fn holds(&self, [running, next]: Compared<'_>, zone: usize, in_scope: &[usize]) -> bool {
        let Self {
            zone: own_zone,
            in_scope: own_scope,
            version,
            staged,
            // These follow from the others.
            absent_after: _,
            counted: _,
            shared: _,
        } = self;
        *own_zone == zone
            && is_same(version.as_ref(), running)
            && is_same(staged.as_ref(), next)
            && own_scope == in_scope
    }

    /// Counts a client in this class, unless it may already be offline or may go offline before its
    /// current offer changes. Returns whether the client was counted.
    fn take(&mut self, facts: &Facts<'_>, at: Timestamp) -> bool {
        let Decided { rule, next_change, .. } = self.counted.decided;
        if let Some((seen, after)) = facts.last_seen.zip(self.absent_after) {
            let absent_from = seen.timestamp().saturating_add(after.max(0));
            let in_time = |next: Timestamp| next.timestamp() < absent_from;
            let is_told = rule.state != State::Distributing
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

/// Returns whether both are the same parsed version, compared by pointer. Equal texts usually share
/// one allocation; if they do not, the client gets a separate class.
fn is_same(a: Option<&Rc<VersionText>>, b: Option<&Rc<VersionText>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Rc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
