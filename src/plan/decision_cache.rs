//! Clients of one fleet for which the same is decided. Most of a fleet have the same version, the same
//! zone and the same policies: what is decided for the first of them, and what is ahead of it, holds
//! for all, but for what only their own absence can change.

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

/// The classes that were met in a fleet.
#[derive(Default)]
pub(super) struct DecisionCache<'a> {
    /// Those for which others may be decided alike.
    shared: Vec<Class<'a>>,
    /// The digest of what tells each of them from the others, in the same order.
    keys: Vec<Digest>,
    /// What was decided for one client alone.
    alone: Vec<CountedDecision<'a>>,
}

/// What is decided for some clients.
pub(super) struct CountedDecision<'a> {
    pub decided: Decided<'a>,
    pub clients: u32,
    /// When the one of them was seen that was not seen for the longest, where that is not in the
    /// decision.
    last_seen: Option<Timestamp>,
}

impl CountedDecision<'_> {
    /// Until when the entry of each of them stays as it is.
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
    /// The shortest time, in seconds, after which one of the policies in scope calls a client absent.
    absent_after: Option<i64>,
    /// As if they were never absent.
    counted: CountedDecision<'a>,
    /// The digest of what their entries have in common.
    shared: Digest,
}

/// So many are told apart: looking for one must not take longer than deciding.
const MAX_CLASSES: usize = 64;

impl<'a> DecisionCache<'a> {
    /// Decides for a client, and counts it; with the digest of what its entry has in common with
    /// others. `zoned` says what each of the policies in scope means for it.
    pub fn decide(
        &mut self,
        facts: &Facts<'_>,
        zone: usize,
        in_scope: &[usize],
        zoned: impl Fn(&usize) -> &'a ZonedPolicy<'a>,
        at: Timestamp,
    ) -> (Decided<'a>, Digest) {
        let key = key(facts, zone, in_scope);
        let mut classes = self.keys.iter().zip(&self.shared);
        let found =
            classes.position(|(known, class)| *known == key && class.holds(facts, zone, in_scope));
        let place = found.or_else(|| self.open(key, facts, zone, in_scope, &zoned, at));
        if let Some(class) = place.and_then(|place| self.shared.get_mut(place))
            && class.take(facts, at)
        {
            return (class.counted.decided, class.shared);
        }
        let zoned: Vec<&ZonedPolicy<'_>> = in_scope.iter().map(zoned).collect();
        let decided = decide_client(facts, ApplicablePolicies { zoned: &zoned }, at);
        self.alone.push(CountedDecision { decided, clients: 1, last_seen: None });
        (decided, Digest::of(&decided.shared(facts)))
    }

    /// Opens the class of a client, if it has one.
    fn open(
        &mut self,
        key: Digest,
        facts: &Facts<'_>,
        zone: usize,
        in_scope: &[usize],
        zoned: impl Fn(&usize) -> &'a ZonedPolicy<'a>,
        at: Timestamp,
    ) -> Option<usize> {
        if self.shared.len() == MAX_CLASSES || has_failed(facts) {
            return None;
        }
        let zoned: Vec<&ZonedPolicy<'_>> = in_scope.iter().map(zoned).collect();
        let decided =
            decide_client(&facts.ever_present(), ApplicablePolicies { zoned: &zoned }, at);
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

    /// What was decided, and for how many clients.
    pub fn counted(&self) -> impl Iterator<Item = &CountedDecision<'a>> {
        let shared = self.shared.iter().map(|class| &class.counted);
        shared.filter(|counted| counted.clients > 0).chain(&self.alone)
    }
}

/// Of what [`Class::holds`] compares.
fn key(facts: &Facts<'_>, zone: usize, in_scope: &[usize]) -> Digest {
    let version = |version: &Option<Rc<VersionText>>| version.as_ref().map(Rc::as_ptr);
    Digest::of(&(zone, in_scope, version(&facts.version), version(&facts.staged)))
}

/// A failed installation has its own retry.
fn has_failed(facts: &Facts<'_>) -> bool {
    facts.failed_version.is_some()
}

impl Class<'_> {
    fn holds(&self, facts: &Facts<'_>, zone: usize, in_scope: &[usize]) -> bool {
        self.zone == zone
            && is_same(self.version.as_ref(), facts.version.as_ref())
            && is_same(self.staged.as_ref(), facts.staged.as_ref())
            && self.in_scope == in_scope
            && !has_failed(facts)
    }

    /// Takes a client in, unless its absence may make a difference before the next change of what is
    /// decided for the class.
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

/// Whether both are the same text, each having been read once.
fn is_same(a: Option<&Rc<VersionText>>, b: Option<&Rc<VersionText>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Rc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}
