//! The oracle: a second, simple implementation of sections 3 and 4 of the design, without code of
//! the program, so that it does not share the program's bugs.
//!
//! The oracle makes each decision for one instant. To find a later change, it makes a decision for
//! each following step.

mod circle;
mod entries;
mod fleet_status;
mod policy_status;
mod read;
mod scope;
mod valid;
mod version;
mod zone;

use std::cell::RefCell;
use std::collections::HashMap;

pub use entries::Standing;
pub use fleet_status::Health;
pub use policy_status::PolicyExpectation;

pub use read::{Client, Estate, Fleet, Policy, readable_fleet};
pub use scope::{Relation, Truth, addresses, judge, value_matches};
pub use version::same;
use zone::{Clocks, Local};

use crate::world::World;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub state: &'static str,
    pub reason: &'static str,
    pub policy: Option<String>,
    pub target: Option<String>,
}

pub struct Oracle {
    pub estate: Estate,
    clocks: Clocks,
    step: i64,
    /// Earliest instant of a backward search from `notAfter`.
    start: i64,
    last_open: RefCell<HashMap<InZone, Option<i64>>>,
}

/// Key of a cached search: the name of the policy, and the name of the client's time zone, or
/// `None` if the zone is not set or unknown.
type InZone = (String, Option<String>);
type Verdict = (&'static str, &'static str);

impl Oracle {
    pub fn new(world: &World) -> Oracle {
        Oracle {
            estate: read::estate(&world.fleets, &world.policies),
            clocks: Clocks::default(),
            step: world.step,
            start: world.at,
            last_open: RefCell::default(),
        }
    }

    pub fn clients(&self) -> impl Iterator<Item = (&Fleet, &Client)> {
        self.estate.fleets.iter().flat_map(|f| f.clients.iter().map(move |c| (f, c)))
    }

    /// Returns the policies whose scope contains a client or is in doubt, highest precedence first.
    /// Policies that are not effective are included.
    pub fn policies_about(&self, fleet: &Fleet, client: &Client) -> Vec<&Policy> {
        let about = |p: &&Policy| {
            let out = [Relation::Out, Relation::OutButCounted];
            p.scope.holds_fleet(fleet) && !out.contains(&p.relation(client))
        };
        let mut policies: Vec<&Policy> = self.estate.policies.iter().filter(about).collect();
        policies.sort_by_key(|p| circle::rank(p));
        policies
    }

    /// Returns the decision for a client at the instant `t`. If `offline` is false,
    /// `offlineAfterDays` is ignored.
    pub fn decide(
        &self,
        fleet: &Fleet,
        client: &Client,
        about: &[&Policy],
        t: i64,
        offline: bool,
    ) -> Decision {
        let governing = governing(client, about, t);
        let policy = governing.map(|(policy, _)| policy);
        let several = match self.standing(fleet, client, t) {
            Standing::Decides => None,
            Standing::Elsewhere => Some(("Held", "ReportedElsewhere", None)),
            Standing::Undecided => Some(("Blocked", "DuplicateClient", policy)),
        };
        if let Some((state, reason, policy)) = several {
            let policy = policy.map(|policy| policy.name.clone());
            return Decision { state, reason, policy, target: None };
        }
        let Some((policy, in_doubt)) = governing else {
            return Decision {
                state: "Unmanaged",
                reason: "NoMatchingPolicy",
                policy: None,
                target: None,
            };
        };
        let (target, (state, reason)) = match self.without_target(policy, fleet, client) {
            Err(verdict) => (None, verdict),
            Ok(target) => {
                let verdict = self.with_target(policy, fleet, client, &target, t, offline);
                let verdict = self.in_circle(fleet, client, t, verdict);
                (Some(target), if_in_doubt(in_doubt, verdict))
            }
        };
        Decision { state, reason, policy: Some(policy.name.clone()), target }
    }

    /// Returns the target version, or the verdict of the first rule in `docs/decision.md`
    /// from `PolicyInvalid` to `PackageUnknown` that matches.
    fn without_target(&self, p: &Policy, f: &Fleet, c: &Client) -> Result<String, Verdict> {
        if p.invalid {
            return Err(("Blocked", "PolicyInvalid"));
        }
        if p.mode == "NoUpgrade" && c.other_version_staged() {
            return Err(("Blocked", "OtherVersionStaged"));
        }
        if p.mode == "NoUpgrade" {
            return Err(("Held", "NoUpgrade"));
        }
        if c.version.as_deref().and_then(version::read).is_none() {
            return Err(("Blocked", "ClientVersionUnreadable"));
        }
        if p.mode == "AutoUpgrade" {
            let package = f.package.readable().map(str::to_owned);
            return package.ok_or(("Blocked", "PackageUnknown"));
        }
        Ok(p.lock.clone().expect("a valid lock has a version"))
    }

    /// Returns the verdict of the first rule in `docs/decision.md` from `PackageWithdrawn` on that
    /// matches.
    fn with_target(
        &self,
        p: &Policy,
        f: &Fleet,
        c: &Client,
        target: &str,
        t: i64,
        offline: bool,
    ) -> Verdict {
        let is_target = |other: &String| same(other, target);
        let runs =
            version::read(c.version.as_deref().expect("it is readable")).expect("it is readable");
        let order = version::compare(&runs, &version::read(target).expect("it is known"));
        if f.package.withdrawn.iter().any(is_target) {
            return ("Blocked", "PackageWithdrawn");
        }
        let stays = order.is_eq() || order.is_gt() && !p.downgrade;
        if stays && c.other_version_staged() {
            return ("Blocked", "OtherVersionStaged");
        }
        if order.is_eq() {
            return ("UpToDate", "AtTarget");
        }
        if stays {
            return ("Ahead", "DowngradeNotAllowed");
        }
        if let (true, Some(seen), Some(after)) = (offline, c.seen, p.offline)
            && t >= seen + after
        {
            return ("Offline", "NotSeen");
        }
        if c.staged.as_ref().is_some_and(is_target) {
            return ("RestartRequired", "RestartPending");
        }
        if !f.package.current.iter().chain(&f.package.retained).any(is_target) {
            return ("Blocked", "PackageUnavailable");
        }
        if c.error_version.as_ref().is_some_and(is_target)
            && c.error_time.is_none_or(|time| t < time + p.retry)
        {
            return ("Failed", "InstallFailed");
        }
        if p.suspend {
            return ("Held", "PolicySuspended");
        }
        let distributing = match order.is_lt() {
            true => ("Distributing", "UpgradeOffered"),
            false => ("Distributing", "DowngradeOffered"),
        };
        self.time_range(p, self.zone(p, f, c), t).unwrap_or(distributing)
    }

    /// Returns the verdict of the first rule in `docs/decision.md` from `TimeZoneUnknown` to
    /// `OutsideWindow` that matches, or `None` if distribution is open.
    fn time_range(&self, p: &Policy, zone: Option<&str>, t: i64) -> Option<Verdict> {
        if p.needs_zone() && zone.is_none() {
            return Some(("Blocked", "TimeZoneUnknown"));
        }
        if let Some(end) = p.not_after
            && (t >= end || self.last_open(p, zone, end).is_none_or(|last| last < t))
        {
            return Some(("Held", "DistributionEnded"));
        }
        if p.not_before.is_some_and(|start| t < start) {
            return Some(("Waiting", "NotStarted"));
        }
        match self.clocks.local(p, zone, t) {
            Local::Excluded => Some(("Waiting", "Excluded")),
            Local::OutsideWindow => Some(("Waiting", "OutsideWindow")),
            Local::Open => None,
        }
    }

    /// Returns the last second before `end` at which distribution is open, or `None` if
    /// distribution is never open between `self.start` and `end`.
    ///
    /// The search goes backward from `end` in steps of `self.step`, because distribution opens and
    /// closes only at these steps.
    fn last_open(&self, p: &Policy, zone: Option<&str>, end: i64) -> Option<i64> {
        let key = (p.name.clone(), zone.map(str::to_owned));
        *self.last_open.borrow_mut().entry(key).or_insert_with(|| {
            let mut t = end;
            while t > self.start - self.step {
                t -= self.step;
                if self.clocks.open(p, zone, t) {
                    return Some(t + self.step - 1);
                }
            }
            None
        })
    }

    /// Returns the time zone that applies to a client, or `None` if the zone is not set or unknown.
    fn zone<'a>(&self, p: &'a Policy, f: &'a Fleet, c: &'a Client) -> Option<&'a str> {
        let zone = p.zone.as_deref().or(c.zone.as_deref()).or(f.zone.as_deref());
        zone.filter(|zone| self.clocks.knows(zone))
    }

    pub fn open_for(&self, p: &Policy, f: &Fleet, c: &Client, t: i64) -> bool {
        self.open_now(p, self.zone(p, f, c), t)
    }

    pub fn is_upgrade(&self, c: &Client, target: &str) -> bool {
        let runs = c.version.as_deref().and_then(version::read);
        runs.zip(version::read(target))
            .is_some_and(|(runs, target)| version::compare(&runs, &target).is_lt())
    }

    pub fn knows_zone(&self, zone: &str) -> bool {
        self.clocks.knows(zone)
    }

    /// Returns the policy that makes an offer and the offered version, or `None` if the state is
    /// not `Distributing`.
    pub fn offer(&self, decision: &Decision) -> Option<(String, String)> {
        let Decision { state: "Distributing", policy: Some(policy), target: Some(target), .. } =
            decision
        else {
            return None;
        };
        Some((policy.clone(), target.clone()))
    }

    /// Returns the first step after `at`, up to `end`, at which the client's offer differs from the
    /// offer at `at`.
    pub fn next_transition(&self, f: &Fleet, c: &Client, at: i64, end: i64) -> Option<i64> {
        let about = self.policies_about(f, c);
        let now = self.decide(f, c, &about, at, true);
        if now.state == "Offline" {
            return None;
        }
        let offered = self.offer(&now);
        let mut t = at;
        while t + self.step <= end {
            t += self.step;
            let then = self.decide(f, c, &about, t, offered.is_some());
            if !same_offer(&offered, &self.offer(&then)) {
                return Some(t);
            }
        }
        None
    }
}

/// Returns the policy that governs a client at the instant `t`, and whether a network in doubt would
/// decide, as specified in section 8.4. `about` contains the policies in their order.
fn governing<'a>(client: &Client, about: &[&'a Policy], t: i64) -> Option<(&'a Policy, bool)> {
    let mut may_be_held = false;
    for policy in about.iter().filter(|policy| policy.governs_at(t)) {
        match policy.relation(client) {
            Relation::MayBeHeld => may_be_held = true,
            Relation::MayBeExcluded => return Some((policy, true)),
            Relation::In => return Some((policy, may_be_held && policy.distributes())),
            Relation::Out | Relation::OutButCounted => {}
        }
    }
    None
}

/// Returns the verdict for a client with a network in doubt: `verdict`, unless it follows
/// `RestartPending`.
fn if_in_doubt(in_doubt: bool, verdict: Verdict) -> Verdict {
    let before = [
        "PackageWithdrawn",
        "OtherVersionStaged",
        "AtTarget",
        "DowngradeNotAllowed",
        "NotSeen",
        "TargetsInCircle",
        "RestartPending",
    ];
    match in_doubt && !before.contains(&verdict.1) {
        true => ("Blocked", "AddressUnknown"),
        false => verdict,
    }
}

/// Returns whether two offers have the same policy and the same target version. Different spellings
/// of a version are equal.
pub fn same_offer(a: &Option<(String, String)>, b: &Option<(String, String)>) -> bool {
    match (a, b) {
        (Some((policy, target)), Some((other, version))) => {
            policy == other && same(target, version)
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl Policy {
    pub fn effective_at(&self, t: i64) -> bool {
        self.unreadable
            || self.effective.0.is_none_or(|from| from <= t)
                && self.effective.1.is_none_or(|until| t < until)
    }

    pub fn governs_at(&self, t: i64) -> bool {
        !self.deleting && self.effective_at(t)
    }

    pub fn needs_zone(&self) -> bool {
        !self.windows.is_empty() || !self.exclusions.is_empty()
    }
}

impl Client {
    fn other_version_staged(&self) -> bool {
        match (&self.staged, &self.version) {
            (Some(staged), Some(version)) => !same(staged, version),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
